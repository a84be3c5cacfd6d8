import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { suggestionRules } from '../../incidents/suggestions.ts'
import { rfc3339 } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import { incidentIdOf } from '../incident-id.ts'
import { textOf } from './document.ts'
import { frozenNames } from './gather-host.ts'

const access = { owner: 'evidence', roles: ['admin', 'operator', 'auditor'] } as const
const Id = Type.String({ minLength: 1, maxLength: 64 })

const EvidenceList = Type.Object({
  evidence: Type.Array(
    Type.Object({
      hash: Type.String(),
      about: Type.String(),
      stage: Type.String(),
      at: Type.String(),
      bytes: Type.Integer(),
    }),
  ),
  owed: Type.Array(Type.Object({ stage: Type.String(), dueAt: Type.String() })),
})

/** Frozen evidence of an incident; an id, or the number people say aloud, names it. */
export const evidenceRoutes: FastifyPluginAsyncTypebox = async (app) => {
  const db = app.records.read

  app.get(
    '/api/v1/incidents/:id/evidence',
    {
      config: { access },
      schema: { params: Type.Object({ id: Id }), response: { 200: EvidenceList } },
    },
    async (request) => {
      const id = await incidentIdOf(db, request.params.id)
      const [rows, owed] = await Promise.all([
        db
          .selectFrom('incident_evidence')
          .select(['hash', 'about', 'stage', 'at', 'bytes'])
          .where('incident_id', '=', id)
          .orderBy('at')
          .orderBy('hash')
          .limit(1000)
          .execute(),
        db
          .selectFrom('incident_freezes')
          .select(['stage', 'due_at'])
          .where('incident_id', '=', id)
          .where('done_at', 'is', null)
          .orderBy('due_at')
          .execute(),
      ])
      return {
        evidence: rows.map((row) => ({
          ...row,
          at: rfc3339(Number(row.at)),
          bytes: Number(row.bytes),
        })),
        owed: owed.map(({ stage, due_at }) => ({ stage, dueAt: rfc3339(Number(due_at)) })),
      }
    },
  )

  app.get(
    '/api/v1/incidents/:id/evidence/:hash',
    {
      config: { access },
      schema: {
        params: Type.Object({ id: Id, hash: Type.String({ pattern: '^[0-9a-f]{64}$' }) }),
      },
    },
    async (request, reply) => {
      const { hash } = request.params
      const row = await db
        .selectFrom('incident_evidence')
        .select(['hash', 'body'])
        .where('hash', '=', hash)
        .where('incident_id', '=', await incidentIdOf(db, request.params.id))
        .executeTakeFirst()
      if (row === undefined)
        throw new CallwardError('not_found', 'This incident has no evidence of that hash.')
      const text = await textOf(row).catch((err: unknown) => {
        request.log.error({ err, hash }, 'frozen evidence cannot be shown')
        throw new CallwardError(
          'conflict',
          'The evidence does not have its hash any more: it was changed outside of the hub. Verify the ledger, and restore it from a backup.',
        )
      })
      // As it was hashed, to the byte.
      return reply.type('application/json').header('etag', `"${hash}"`).send(text)
    },
  )

  app.get('/api/v1/evidence/rules', { config: { access } }, async () => ({
    series: frozenNames,
    suggestions: [
      ...Object.entries(suggestionRules).map(([rule, { when, confidence, ...rest }]) => ({
        ...{ rule, when, confidence },
        code: 'code' in rest ? rest.code : null,
      })),
      {
        ...{ rule: 'seen_before', confidence: 'medium', code: null },
        when: 'the same alert opened an incident before whose root cause is coded; the code is that one',
      },
    ],
  }))
}
