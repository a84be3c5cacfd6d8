import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Static } from 'typebox'
import { type Clock, type Millis, rfc3339 } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type { Principal } from '../people/plugin.ts'
import type { Records } from '../records/records.ts'
import type { IncidentNoticeRow, IncidentRow } from '../records/schema.ts'
import {
  deliveriesOf,
  incidentNamed,
  noticeById,
  noticesOf,
  rhythmRow,
} from './communication-store.ts'
import type { Notices } from './notices.ts'
import type { UpdateRhythms } from './rhythm.ts'
import {
  CommunicationAnswer,
  IncidentParams,
  NoticeAnswer,
  NoticeBody,
  NoticeParams,
  type NoticeView,
  PreviewAnswer,
  PreviewBody,
} from './schema.ts'
import { communicationView, noticeView } from './views.ts'

const readers = { owner: 'communication', roles: ['admin', 'operator', 'auditor'] } as const
const writers = { owner: 'communication', roles: ['admin', 'operator'] } as const
/** Notices and words that one answer shows: the newest. */
const shownMost = 1000

export interface CommunicationRouteOptions {
  readonly clock: Clock
  readonly notices: Notices
  readonly rhythms: UpdateRhythms
  /** Sends again what was refused or given up. Gives how many. */
  readonly again: (notice: IncidentNoticeRow, by: Principal) => Promise<number>
}

/** What is said of an incident, to whom it came, and when the next word is due. */
export const communicationRoutes: FastifyPluginAsyncTypebox<CommunicationRouteOptions> = async (
  app,
  { clock, notices, rhythms, again },
) => {
  const db = app.records.read
  const find = async (named: string): Promise<IncidentRow> => {
    const row = await incidentNamed(db, named)
    if (row === undefined) throw new CallwardError('not_found', `There is no incident ${named}.`)
    return row
  }
  const views = (rows: readonly IncidentNoticeRow[]) => noticeViews(db, rows, clock.now())
  const one = async (id: string) => {
    const row = await noticeById(db, id)
    if (row === undefined) throw new CallwardError('not_found', 'There is no such notice.')
    const [notice] = await views([row])
    return { notice: notice! }
  }

  app.post(
    '/api/v1/incidents/:id/notices/preview',
    {
      config: { access: writers },
      schema: { params: IncidentParams, body: PreviewBody, response: { 200: PreviewAnswer } },
    },
    async (request) => {
      const incident = await find(request.params.id)
      const draft = await notices.draft(incident.id, request.body)
      return {
        ...{ title: draft.title, text: draft.text },
        ...{ missing: [...draft.missing], faults: [...draft.faults] },
        nextUpdateAt: draft.nextUpdateAt === undefined ? null : rfc3339(draft.nextUpdateAt),
        needsApproval: request.body.audience === 'customers',
        contactPoints: draft.contactPoints.map(({ id, label, channel }) => ({
          ...{ id, label, channel },
        })),
      }
    },
  )

  app.post(
    '/api/v1/incidents/:id/notices',
    {
      config: { access: writers },
      schema: { params: IncidentParams, body: NoticeBody, response: { 201: NoticeAnswer } },
    },
    async (request, reply) => {
      const incident = await find(request.params.id)
      const id = await notices.send(incident.id, request.principal as Principal, request.body)
      reply.code(201)
      return one(id)
    },
  )

  app.post(
    '/api/v1/incidents/:id/notices/:notice/again',
    {
      config: { access: writers },
      schema: { params: NoticeParams, response: { 200: NoticeAnswer } },
    },
    async (request) => {
      const incident = await find(request.params.id)
      const row = await noticeById(db, request.params.notice)
      if (row?.incident_id !== incident.id || row.state !== 'sent' || row.audience === 'staff')
        throw new CallwardError('not_found', 'There is no such notice that was sent.')
      if ((await again(row, request.principal as Principal)) === 0)
        throw new CallwardError('conflict', 'Nothing of this notice was refused or given up.')
      return one(row.id)
    },
  )

  app.get(
    '/api/v1/incidents/:id/communication',
    {
      config: { access: readers },
      schema: { params: IncidentParams, response: { 200: CommunicationAnswer } },
    },
    async (request) => {
      const incident = await find(request.params.id)
      const rhythm = await rhythmRow(db, incident.id)
      const shown = await views(await noticesOf(db, incident.id, shownMost))
      return {
        communication: communicationView(incident, rhythm, shown, rhythms, clock.now()),
      }
    },
  )
}

/** Notices with their deliveries, and what became of the request for a second person. */
async function noticeViews(
  db: Records['read'],
  rows: readonly IncidentNoticeRow[],
  now: Millis,
): Promise<Static<typeof NoticeView>[]> {
  const ids = rows.map(({ id }) => id)
  const deliveries = await deliveriesOf(db, ids)
  const asked = rows.flatMap(({ approval_id }) => (approval_id === null ? [] : [approval_id]))
  const approvals =
    asked.length === 0
      ? []
      : await db
          .selectFrom('approvals')
          .select(['id', 'state', 'expires_at'])
          .where('id', 'in', asked)
          .execute()
  const states = new Map(
    approvals.map(({ id, state, expires_at }) => [
      id,
      state === 'open' && Number(expires_at) <= now ? 'expired' : state,
    ]),
  )
  return rows.map((row) => noticeView(row, deliveries, states.get(row.approval_id ?? '')))
}
