import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import type { Settings } from './settings.ts'

const readers = { owner: 'routing', roles: ['admin', 'operator', 'auditor'] } as const

const RoutingView = Type.Object({
  /** Null: no file, the built-in routing. */
  file: Type.Union([Type.String(), Type.Null()]),
  /** What is wrong with the file as it stands; the routing of before holds then. */
  faults: Type.Array(Type.Object({ line: Type.Integer(), message: Type.String() })),
  receivers: Type.Array(
    Type.Object({
      name: Type.String(),
      /** Empty: it tells nobody. */
      targets: Type.Array(
        Type.Object({ kind: Type.String(), name: Type.Union([Type.String(), Type.Null()]) }),
      ),
    }),
  ),
  waiting: Type.Object({
    alerts: Type.Integer(),
    groups: Type.Integer(),
    silences: Type.Integer(),
  }),
})

/** Which routing holds. */
export const routingRoutes: FastifyPluginAsyncTypebox<{ readonly settings: Settings }> = async (
  app,
  { settings },
) => {
  app.get(
    '/api/v1/routing',
    { config: { access: readers }, schema: { response: { 200: RoutingView } } },
    async () => {
      const { alerts, groups, silences } = app.alertRouting.state()
      return {
        file: settings.path ?? null,
        faults: settings.faults.map((fault) => ({ ...fault })),
        receivers: app.alertRouting.receivers().map(({ name, targets }) => ({
          name,
          targets: targets.map((target) =>
            target.kind === 'page'
              ? { kind: 'policy', name: target.policy ?? null }
              : { kind: target.kind, name: target.name },
          ),
        })),
        waiting: { alerts: alerts.size, groups: groups.size, silences: silences.size },
      }
    },
  )
}
