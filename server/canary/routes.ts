import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type, { type Static } from 'typebox'
import { rfc3339 } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type { CanaryRun } from './flight.ts'
import type {} from './plugin.ts'

const OrNull = <T extends Type.TSchema>(type: T) => Type.Union([type, Type.Null()])

const RunView = Type.Object({
  id: Type.String(),
  plannedFor: OrNull(Type.String()),
  startedBy: Type.String(),
  startedAt: Type.String(),
  finishedAt: Type.String(),
  ok: Type.Boolean(),
  stages: Type.Array(
    Type.Object({
      stage: Type.String(),
      ok: Type.Boolean(),
      seconds: OrNull(Type.Number()),
      reason: Type.String(),
    }),
  ),
})

/** Flights of the canary over REST. */
export const canaryRoutes: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/api/v1/canary',
    {
      config: { access: { owner: 'canary', roles: ['admin', 'operator', 'auditor'] } },
      schema: {
        querystring: Type.Object({
          limit: Type.Integer({ minimum: 1, maximum: 200, default: 20 }),
        }),
        response: {
          200: Type.Object({ nextAt: OrNull(Type.String()), runs: Type.Array(RunView) }),
        },
      },
    },
    async (request) => {
      const due = app.canary.dueAt()
      const runs = await app.canary.runs(request.query.limit)
      return { nextAt: due === undefined ? null : rfc3339(due), runs: runs.map(view) }
    },
  )

  app.post(
    '/api/v1/canary/run',
    {
      config: { access: { owner: 'canary', roles: ['admin', 'operator'] } },
      schema: {
        // Asked for, so that nobody starts a flight by touching the address.
        body: Type.Object({}, { additionalProperties: false }),
        response: { 200: RunView },
      },
    },
    async (request) => {
      if (request.principal === undefined) throw new CallwardError('unauthorized')
      return view(await app.canary.run(request.principal.name))
    },
  )
}

function view(run: CanaryRun): Static<typeof RunView> {
  return {
    ...run,
    plannedFor: run.plannedFor === undefined ? null : rfc3339(run.plannedFor),
    startedAt: rfc3339(run.startedAt),
    finishedAt: rfc3339(run.finishedAt),
    stages: run.stages.map((stage) => ({ ...stage, seconds: stage.seconds ?? null })),
  }
}
