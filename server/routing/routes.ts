import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { CallwardError } from '../errors.ts'
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

const Explained = Type.Object({
  /** By receiver the alert goes to; null where routing came to none. */
  receivers: Type.Array(
    Type.Object({
      receiver: Type.Union([Type.String(), Type.Null()]),
      told: Type.Boolean(),
      /** Where in routing it stands. */
      stage: Type.String(),
      because: Type.String(),
      at: Type.String({ format: 'date-time' }),
      /** When it is looked at again by itself; null: when something changes. */
      until: Type.Union([Type.String({ format: 'date-time' }), Type.Null()]),
    }),
  ),
})

const OfAlert = Type.Object({ fingerprint: Type.String({ pattern: '^[0-9a-f]{16}$' }) })

/** Which routing holds, and why it told each receiver of an alert, or did not. */
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
  app.get(
    '/api/v1/routing/explain/:fingerprint',
    { config: { access: readers }, schema: { params: OfAlert, response: { 200: Explained } } },
    async ({ params: { fingerprint } }) => {
      const found = await app.alertRouting.explain(fingerprint)
      if (found.length === 0)
        throw new CallwardError(
          'not_found',
          `Routing holds no alert ${fingerprint}; it knows those that are not over. Find fingerprints with GET /api/v1/alerts.`,
        )
      return {
        receivers: found.map(({ receiver = null, told, stage, because, at, until }) => ({
          ...{ receiver, told, stage, because, at: new Date(at).toISOString() },
          until: until === undefined ? null : new Date(until).toISOString(),
        })),
      }
    },
  )
}
