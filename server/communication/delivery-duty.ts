import type { Clock, Millis } from '../clock.ts'
import { uuid } from '../ids.ts'
import type { Ledger } from '../ledger/plugin.ts'
import type { Notify, Outcome as Sent } from '../notify/plugin.ts'
import type { ObligationKind, Obligations, Outcome } from '../obligations/plugin.ts'
import type { Records, RecordsTransaction } from '../records/records.ts'
import type { IncidentNoticeDeliveryRow, IncidentNoticeRow } from '../records/schema.ts'
import { deliveriesOf, deliveryById, noticeById } from './communication-store.ts'

export const noticeKind = 'notice'
/** How long it is tried to bring a notice to a receiver that does not take it. */
export const tryMillis: Millis = 24 * 3_600_000
const longestPauseMillis: Millis = 300_000

export interface DeliveryParts {
  readonly records: Records
  readonly clock: Clock
  readonly ledger: Ledger
  readonly notify: Pick<Notify, 'send'>
  readonly obligations: Pick<Obligations, 'open'>
  /** Tells the incident's people that a notice did not arrive, in the transaction that writes it down. */
  undelivered(
    notice: IncidentNoticeRow,
    delivery: IncidentNoticeDeliveryRow,
    reason: string,
  ): Promise<(tx: RecordsTransaction) => Promise<void>>
  /** One attempt ended. */
  attempted(channel: string, outcome: string): void
  readonly committed: () => void
}

/** Opens what is owed for a delivery. */
export async function oweDelivery(
  { obligations }: Pick<DeliveryParts, 'obligations'>,
  tx: RecordsTransaction,
  delivery: Pick<IncidentNoticeDeliveryRow, 'id' | 'key' | 'state'>,
  lane: string,
  dueAt: Millis,
): Promise<void> {
  if (delivery.state !== 'waiting') return
  const { id: subject, key } = delivery
  await obligations.open(tx, { kind: noticeKind, subject, key, lane, dueAt })
}

/** Opens anew what of a notice was refused or given up, and gives how many; receivers tell repeats by the key. */
export async function sendAgain(
  parts: Pick<DeliveryParts, 'obligations' | 'ledger'>,
  tx: RecordsTransaction,
  notice: IncidentNoticeRow,
  by: string,
  now: Millis,
): Promise<number> {
  const failed = (await deliveriesOf(tx, [notice.id])).filter(
    ({ state, contact_point_id }) =>
      contact_point_id !== null && (state === 'refused' || state === 'given_up'),
  )
  for (const delivery of failed) {
    const { id } = delivery
    await tx
      .updateTable('incident_notice_deliveries')
      .set({ state: 'waiting', opened_at: now, updated_at: now })
      .where('id', '=', id)
      .execute()
    const key = `${delivery.key}/again/${uuid(now)}`
    await oweDelivery(parts, tx, { id, key, state: 'waiting' }, notice.incident_id, now)
  }
  if (failed.length > 0)
    await parts.ledger.append(tx, {
      action: 'notice.again',
      object: { type: 'notice', id: notice.id },
      ...{ actor: by, occurredAt: now },
      content: { incident: notice.incident_id, deliveries: failed.map(({ id }) => id) },
    })
  return failed.length
}

/** Each recipient of a notice gets it by its channel, or it is written down why not; a repeat has the same key. */
export function deliveryDuty(parts: DeliveryParts): ObligationKind {
  const { records, clock, notify, obligations } = parts
  return {
    kind: noticeKind,
    promise:
      'a notice of an incident comes to each of its receivers, or the reason why not is written down',
    concurrency: 8,
    attemptMillis: 30_000,
    async perform({ subject }, signal): Promise<Outcome> {
      const delivery = await deliveryById(records.read, subject)
      if (delivery?.state !== 'waiting' || delivery.contact_point_id === null) return {}
      const notice = await noticeById(records.read, delivery.notice_id)
      if (notice === undefined) return {}
      const sent = await notify.send({
        contactPoint: delivery.contact_point_id,
        idempotencyKey: delivery.key,
        message: messageOf(notice),
        signal,
      })
      parts.attempted(delivery.channel, sent.outcome)
      return settled(parts, notice, delivery, sent, clock.now())
    },
    owed: (read) =>
      (read as Records['read'])
        .selectFrom('incident_notice_deliveries')
        .select('id as subject')
        .where('state', '=', 'waiting'),
    async mend(tx, subject) {
      const delivery = await deliveryById(tx, subject)
      if (delivery?.state !== 'waiting') return false
      const now = clock.now()
      const key = `${delivery.key}/mended/${now}`
      return obligations.open(tx, { kind: noticeKind, subject, key, dueAt: now })
    },
  }
}

function messageOf({ language, title, text, url }: IncidentNoticeRow) {
  return {
    kind: 'notice' as const,
    title,
    description: text,
    // Written by this part, with a known language.
    ...(language === null ? {} : { language: language as 'en' }),
    ...(url === null ? {} : { url }),
  }
}

async function settled(
  parts: DeliveryParts,
  notice: IncidentNoticeRow,
  delivery: IncidentNoticeDeliveryRow,
  sent: Sent,
  now: Millis,
): Promise<Outcome> {
  const attempts = Number(delivery.attempts) + 1
  const reason = sent.reason.slice(0, 300)
  const late = now - Number(delivery.opened_at) >= tryMillis
  if (sent.outcome === 'retry' && !late) {
    const pause = sent.retryAfterMillis ?? Math.min(longestPauseMillis, 5000 * 2 ** attempts)
    return {
      again: { dueAt: now + pause },
      settle: async (tx) => {
        await tx
          .updateTable('incident_notice_deliveries')
          .set({ attempts, reason, updated_at: now })
          .where('id', '=', delivery.id)
          .where('state', '=', 'waiting')
          .execute()
      },
    }
  }
  const state = sent.outcome === 'retry' ? 'given_up' : sent.outcome
  const failed = state === 'given_up' || state === 'refused'
  const tell =
    failed && notice.audience !== 'staff'
      ? await parts.undelivered(notice, delivery, reason)
      : undefined
  return {
    committed: parts.committed,
    settle: async (tx) => {
      await tx
        .updateTable('incident_notice_deliveries')
        .set({ state, attempts, reason, updated_at: now })
        .set({ provider_reference: sent.providerReference ?? null })
        .where('id', '=', delivery.id)
        .execute()
      await parts.ledger.append(tx, {
        action: 'notice.delivery',
        object: { type: 'notice', id: notice.id },
        actor: 'hub',
        occurredAt: now,
        content: {
          ...{ delivery: delivery.id, key: delivery.key, channel: delivery.channel, state },
          ...{ contactPoint: delivery.contact_point_id, attempts },
        },
        sensitive: { reason, recipient: delivery.recipient },
      })
      await tell?.(tx)
    },
  }
}
