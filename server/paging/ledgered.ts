import { createHash } from 'node:crypto'
import type { Millis } from '../clock.ts'
import type { RecordsTransaction } from '../records/records.ts'
import type { PageAttemptRow, PageRow, PageTellingRow } from '../records/schema.ts'
import type { PagingPorts } from './ports.ts'

type Ledger = Pick<PagingPorts, 'ledger'>

/** Alerts that one entry names: their ids stay below what an entry may hold. */
const alertsPerEntry = 1000
const hubActor = 'hub'

/** A page, or a notice, was opened for alerts; the policy it climbs by is there as the hash of its JSON. */
export async function ledgerOpened(
  { ledger }: Ledger,
  tx: RecordsTransaction,
  action: 'paging.opened' | 'paging.notice',
  page: PageRow,
  alerts: readonly string[],
): Promise<void> {
  const { policyId, revision } = JSON.parse(page.policy) as { policyId: string; revision: number }
  const content = {
    number: page.number,
    alert: alerts[0] ?? null,
    policy: policyId,
    revision,
    policySha256: createHash('sha256').update(page.policy).digest('hex'),
    groupKey: page.group_key,
    lane: page.lane,
    severity: page.severity,
  }
  await ledger(tx, action, page.id, hubActor, page.opened_at, content, { title: page.title })
  await ledgerJoined({ ledger }, tx, page.id, alerts, page.opened_at)
}

/** Alerts came to a page. */
export async function ledgerJoined(
  { ledger }: Ledger,
  tx: RecordsTransaction,
  pageId: string,
  alerts: readonly string[],
  at: Millis,
): Promise<void> {
  for (let from = 0; from < alerts.length; from += alertsPerEntry) {
    const some = alerts.slice(from, from + alertsPerEntry)
    await ledger(tx, 'paging.joined', pageId, hubActor, at, { alerts: some })
  }
}

/** One attempt to reach a recipient by one way. */
export async function ledgerAttempt(
  { ledger }: Ledger,
  tx: RecordsTransaction,
  pageId: string,
  attempt: PageAttemptRow,
): Promise<void> {
  const { id, telling_id, round, channel, contact_point_id, outcome, reason, at } = attempt
  const content = {
    ...{ attempt: id, telling: telling_id, round, channel, outcome },
    contactPoint: contact_point_id,
  }
  await ledger(tx, 'paging.attempt', pageId, hubActor, at, content, { reason })
}

/** A recipient was told, or will not be, and why. */
export async function ledgerTold(
  { ledger }: Ledger,
  tx: RecordsTransaction,
  telling: PageTellingRow,
  state: 'told' | 'over',
  reason: string,
  at: Millis,
): Promise<void> {
  const { id, kind, recipient_kind, recipient_id, name, place, key } = telling
  const content = {
    ...{ telling: id, kind, place, key, state, name },
    recipientKind: recipient_kind,
    recipientId: recipient_id,
  }
  await ledger(tx, 'paging.told', telling.page_id, hubActor, at, content, { reason })
}
