import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Kysely } from 'kysely'
import type { Static } from 'typebox'
import { type Clock, type Millis, rfc3339 } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import { spokenIncidentIdOf } from '../incident-id.ts'
import type { Principal } from '../people/plugin.ts'
import type { RecordsSchema } from '../records/schema.ts'
import { type Hold, isStanding } from './hold.ts'
import type { HoldStore, NewHold } from './hold-store.ts'
import {
  AskedFor,
  HoldBody,
  HoldDetail,
  HoldList,
  HoldQuery,
  type HoldView,
  IdParams,
  ReleaseBody,
} from './schema.ts'

const readers = { owner: 'holds', roles: ['admin', 'operator', 'auditor'] } as const
const writers = { owner: 'holds', roles: ['admin', 'operator'] } as const

export interface HoldRoutesOptions {
  readonly store: HoldStore
  readonly clock: Clock
  /** After a hold was written. */
  readonly changed: () => Promise<void>
}

/** Legal holds: who may read incidents reads them, one person sets them, two release them. */
export const holdRoutes: FastifyPluginAsyncTypebox<HoldRoutesOptions> = async (
  app,
  { store, clock, changed },
) => {
  const { records } = app

  app.get(
    '/api/v1/holds',
    {
      config: { access: readers },
      schema: {
        summary: 'Legal holds, the newest first; with `incident` those that keep it.',
        querystring: HoldQuery,
        response: { 200: HoldList },
      },
    },
    async (request) => {
      const { incident, state, limit } = request.query
      const incidentId =
        incident === undefined ? undefined : await spokenIncidentIdOf(records.read, incident)
      const holds = await store.list(records.read, { all: state === 'all', incidentId, limit })
      return { holds: holds.map((hold) => viewOf(hold, clock.now())) }
    },
  )

  app.post(
    '/api/v1/holds',
    {
      config: { access: writers },
      schema: {
        summary: 'Holds an incident, or everything of a period.',
        body: HoldBody,
        response: { 201: HoldDetail },
      },
    },
    async (request, reply) => {
      const { reason, until } = request.body
      const hold = await records.write(async (tx) =>
        store.set(tx, {
          of: await wantedOf(tx, request.body),
          reason,
          until: until === undefined ? null : Date.parse(until),
          by: (request.principal as Principal).name,
        }),
      )
      await changed()
      return reply.code(201).send({ hold: viewOf(hold, clock.now()) })
    },
  )

  app.post(
    '/api/v1/holds/:id/release',
    {
      config: { access: writers },
      schema: {
        summary: 'Asks for the release of a hold; a second person agrees under /api/v1/approvals.',
        params: IdParams,
        body: ReleaseBody,
        response: { 202: AskedFor },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      const by = request.principal as Principal
      const asked = await records.write(async (tx) => {
        const { incident, from } = await store.standing(tx, id)
        const content = {
          hold: id,
          of:
            incident === null ? `the period from ${rfc3339(from)}` : `incident ${incident.number}`,
          reason: request.body.reason,
        }
        return app.approvals.request(tx, { kind: 'hold-release', subject: id, content, by })
      })
      app.live.hint('approvals')
      return reply
        .code(202)
        .send({ approval: { id: asked.id, expiresAt: rfc3339(asked.expiresAt) } })
    },
  )
}

async function wantedOf(
  database: Kysely<RecordsSchema>,
  { incident, from, to }: Static<typeof HoldBody>,
): Promise<NewHold['of']> {
  if (incident !== undefined) {
    if (from !== undefined || to !== undefined)
      throw new CallwardError('bad_request', 'An incident has its own time: leave out from and to.')
    return { kind: 'incident', id: await spokenIncidentIdOf(database, incident) }
  }
  const [begin, end] = [Date.parse(from ?? ''), Date.parse(to ?? '')]
  if (!(begin < end))
    throw new CallwardError(
      'bad_request',
      'Say incident: 12, or from and to with `from` before `to`, as 2026-05-01T00:00:00Z.',
    )
  return { kind: 'period', from: begin, to: end }
}

function viewOf(hold: Hold, now: Millis): Static<typeof HoldView> {
  const { id, incident, reason, setBy, released } = hold
  return {
    ...{ id, reason, setBy },
    incident: incident?.number ?? null,
    from: rfc3339(hold.from),
    to: timeOf(hold.to),
    until: timeOf(hold.until),
    setAt: rfc3339(hold.setAt),
    standing: isStanding(hold, now),
    releasedAt: timeOf(released?.at ?? null),
    releasedBy: released === null ? [] : [released.askedBy, released.by],
    releaseReason: released?.reason ?? null,
  }
}

function timeOf(at: Millis | null): string | null {
  return at === null ? null : rfc3339(at)
}
