import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { rfc3339 } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import { spokenIncidentIdOf } from '../incident-id.ts'
import type { Principal } from '../people/plugin.ts'
import { describe, type ErasureStore } from './erasure-store.ts'
import { AskedFor, ErasureBody, ErasureList, ErasureQuery } from './schema.ts'

const readers = { owner: 'privacy', roles: ['admin', 'operator', 'auditor'] } as const
const writers = { owner: 'privacy', roles: ['admin', 'operator'] } as const

/** Erasures: who may read incidents reads what was erased and why, two people erase. */
export const erasureRoutes: FastifyPluginAsyncTypebox<{ store: ErasureStore }> = async (
  app,
  { store },
) => {
  const { records } = app

  app.get(
    '/api/v1/erasures',
    {
      config: { access: readers },
      schema: {
        summary: 'Erasures of personal data that were made, the newest first.',
        querystring: ErasureQuery,
        response: { 200: ErasureList },
      },
    },
    async (request) => {
      const { incident, limit } = request.query
      const incidentId =
        incident === undefined ? undefined : await spokenIncidentIdOf(records.read, incident)
      const erasures = await store.list(records.read, { incidentId, limit })
      return {
        erasures: erasures.map((one) => ({
          ...one,
          fields: [...one.fields],
          at: rfc3339(one.at),
        })),
      }
    },
  )

  app.post(
    '/api/v1/erasures',
    {
      config: { access: writers },
      schema: {
        summary: 'Asks for an erasure; a second person agrees under /api/v1/approvals.',
        body: ErasureBody,
        response: { 202: AskedFor },
      },
    },
    async (request, reply) => {
      const { kind, id, fields, reason } = request.body
      if (kind === 'attachment' && fields !== undefined)
        throw new CallwardError('bad_request', 'An attachment goes as a whole: leave out fields.')
      const by = request.principal as Principal
      const incidentId = await spokenIncidentIdOf(records.read, request.body.incident)
      const asked = await records.write(async (tx) => {
        const wanted = { incidentId, kind, id, fields, reason }
        await store.check(tx, wanted)
        const content = await describe(tx, wanted)
        return app.approvals.request(tx, { kind: 'erasure', subject: `${kind} ${id}`, content, by })
      })
      app.live.hint('approvals')
      return reply
        .code(202)
        .send({ approval: { id: asked.id, expiresAt: rfc3339(asked.expiresAt) } })
    },
  )
}
