import type { Static } from 'typebox'
import { type Millis, rfc3339 } from '../clock.ts'
import type {
  IncidentNoticeDeliveryRow,
  IncidentNoticeRow,
  IncidentRow,
  IncidentUpdateRhythmRow,
} from '../records/schema.ts'
import type { UpdateRhythms } from './rhythm.ts'
import type { CommunicationView, NoticeView } from './schema.ts'

const time = (at: Millis | null | undefined) => (at == null ? null : rfc3339(Number(at)))

/** A notice as it is answered; `approval` is the state of the request it waits for. */
export function noticeView(
  row: IncidentNoticeRow,
  deliveries: readonly IncidentNoticeDeliveryRow[],
  approval: string | undefined,
): Static<typeof NoticeView> {
  const { id, audience, form, language, title, text } = row
  const undecided = approval === undefined || approval === 'open' || approval === 'approved'
  return {
    ...{ id, audience, form, language, title, text, series: row.series_id },
    version: Number(row.version),
    textHash: row.text_hash,
    state: row.state === 'waiting' && !undecided ? approval : row.state,
    approval: row.approval_id,
    fact: row.fact_id,
    nextUpdateAt: time(row.next_update_at),
    writtenBy: row.written_by,
    approvedBy: row.approved_by,
    writtenAt: rfc3339(Number(row.written_at)),
    sentAt: time(row.sent_at),
    deliveries: deliveries
      .filter(({ notice_id }) => notice_id === id)
      .map((one) => ({
        ...{ id: one.id, recipient: one.recipient, channel: one.channel, state: one.state },
        contactPoint: one.contact_point_id,
        attempts: Number(one.attempts),
        ...{ reason: one.reason, key: one.key },
        openedAt: rfc3339(Number(one.opened_at)),
        updatedAt: rfc3339(Number(one.updated_at)),
      })),
  }
}

/** Notices, deliveries and the promise of one incident. */
export function communicationView(
  incident: IncidentRow,
  rhythm: IncidentUpdateRhythmRow | undefined,
  notices: readonly Static<typeof NoticeView>[],
  rhythms: UpdateRhythms,
  now: Millis,
): Static<typeof CommunicationView> {
  const promised = rhythms(incident.severity)
  const dueAt = rhythm?.due_at == null ? undefined : Number(rhythm.due_at)
  return {
    severity: incident.severity,
    everyMinutes: promised === undefined ? null : promised.everyMillis / 60_000,
    since: time(rhythm?.since),
    nextUpdateDueAt: time(dueAt),
    overdue: dueAt !== undefined && dueAt < now,
    overdueToldAt: time(rhythm?.told_at),
    notices: notices.filter(({ audience }) => audience !== 'staff'),
    words: notices.filter(({ audience }) => audience === 'staff'),
  }
}
