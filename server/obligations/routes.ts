import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Static } from 'typebox'
import { type Clock, type Millis, rfc3339 } from '../clock.ts'
import type { ObligationRow } from '../records/schema.ts'
import type { ObligationKind } from './obligation.ts'
import { LostList, ObligationList, ObligationQuery, type ObligationView } from './schema.ts'
import { type LostObligation, lostSince } from './watchdog.ts'

const readers = { owner: 'obligations', roles: ['admin', 'operator', 'auditor'] } as const
const lostShown = 500
const lostShownMillis = 90 * 86_400_000

export interface ObligationRoutesOptions {
  readonly clock: Clock
  readonly kinds: () => readonly ObligationKind[]
  readonly standing: () => Promise<
    readonly { kind: string; waiting: number; oldestDueMillis: Millis }[]
  >
  readonly lost: () => readonly LostObligation[]
}

/** What is owed, and what was found lost. */
export const obligationRoutes: FastifyPluginAsyncTypebox<ObligationRoutesOptions> = async (
  app,
  { clock, kinds, standing, lost },
) => {
  app.get(
    '/api/v1/obligations',
    {
      config: { access: readers },
      schema: { querystring: ObligationQuery, response: { 200: ObligationList } },
    },
    async (request) => {
      const { kind, subject, state, limit } = request.query
      let query = app.records.read.selectFrom('obligations').selectAll()
      if (kind !== undefined) query = query.where('kind', '=', kind)
      if (subject !== undefined) query = query.where('subject', '=', subject)
      if (state === 'waiting') query = query.where('state', '=', 'waiting')
      const rows = await query.orderBy('next_at').orderBy('id').limit(limit).execute()
      const figures = new Map((await standing()).map((one) => [one.kind, one]))
      const stillLost = lost()
      return {
        kinds: kinds().map((one) => ({
          kind: one.kind,
          promise: one.promise,
          waiting: figures.get(one.kind)?.waiting ?? 0,
          oldestDueSeconds: (figures.get(one.kind)?.oldestDueMillis ?? 0) / 1000,
          lost: stillLost.filter(({ kind: of }) => of === one.kind).length,
        })),
        obligations: rows.map(viewOf),
      }
    },
  )

  app.get(
    '/api/v1/obligations/lost',
    { config: { access: readers }, schema: { response: { 200: LostList } } },
    async () => {
      const rows = await lostSince(app.records, clock.now() - lostShownMillis, lostShown)
      return {
        lost: rows.map((row) => ({
          ...row,
          foundAt: rfc3339(row.foundAt),
          mendedAt: row.mendedAt === null ? null : rfc3339(row.mendedAt),
        })),
      }
    },
  )
}

function viewOf(row: ObligationRow): Static<typeof ObligationView> {
  const waiting = row.state === 'waiting'
  return {
    id: row.id,
    kind: row.kind,
    subject: row.subject,
    key: row.key,
    state: waiting ? 'waiting' : row.state === 'done' ? 'done' : 'closed',
    dueAt: rfc3339(Number(row.due_at)),
    nextAttemptAt: waiting ? rfc3339(Number(row.next_at)) : null,
    attempts: Number(row.attempts),
    lastFault: row.last_fault,
    openedAt: rfc3339(Number(row.opened_at)),
    closedAt: row.closed_at === null ? null : rfc3339(Number(row.closed_at)),
    closeReason: row.close_reason,
  }
}
