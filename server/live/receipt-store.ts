import { sql } from 'kysely'
import type { Millis } from '../clock.ts'
import type { Records, RecordsTransaction } from '../records/records.ts'
import type { ReceiptKind, WaitingReceipt } from './receipts.ts'
import type { QueuedMessage } from './schema.ts'

/** A message whose receipt was stored just now, for the first time. */
export interface StoredReceipt {
  readonly principalId: string
  readonly kind: ReceiptKind
  readonly at: number
  readonly sequence: number
  /** Of the message. */
  readonly messageKind: string
  /** JSON; only of pages, empty for the others. */
  readonly body: string
}

/**
 * Writes receipts, each message's first of a kind only, with at most two statements. What was displayed was received.
 * Returns what was new, in the order of person and sequence.
 */
export async function storeReceipts(
  tx: RecordsTransaction,
  receipts: readonly WaitingReceipt[],
): Promise<StoredReceipt[]> {
  const displayed = receipts.filter(({ kind }) => kind === 'displayed')
  return [
    ...(await store(tx, 'received', 'received_at', receipts)),
    ...(await store(tx, 'displayed', 'displayed_at', displayed)),
  ]
}

async function store(
  tx: RecordsTransaction,
  kind: ReceiptKind,
  column: 'received_at' | 'displayed_at',
  receipts: readonly WaitingReceipt[],
): Promise<StoredReceipt[]> {
  if (receipts.length === 0) return []
  const rows = padded(receipts).map(
    ({ principalId, after, upTo, at }) =>
      sql`(cast(${principalId} as text), cast(${after} as bigint), cast(${upTo} as bigint), cast(${at} as bigint))`,
  )
  const { rows: stored } = await sql<{
    principal_id: string
    sequence: number
    at: number
    kind: string
    body: string
  }>`with told (person, after, up_to, at) as (values ${sql.join(rows)})
    update live_messages set ${sql.ref(column)} = told.at from told
    where live_messages.principal_id = told.person and live_messages.sequence > told.after
      and live_messages.sequence <= told.up_to and live_messages.${sql.ref(column)} is null
    returning live_messages.principal_id as principal_id, live_messages.sequence as sequence,
      live_messages.${sql.ref(column)} as at, live_messages.kind as kind,
      case when live_messages.kind = 'page' then live_messages.body else '' end as body`.execute(tx)
  return stored
    .map((row) => ({
      principalId: row.principal_id,
      kind,
      at: Number(row.at),
      sequence: Number(row.sequence),
      messageKind: row.kind,
      body: row.body,
    }))
    .sort((a, b) => a.principalId.localeCompare(b.principalId) || a.sequence - b.sequence)
}

/** Repeats the last until there is a power of two of them: few different statements, which the database keeps prepared. */
function padded(receipts: readonly WaitingReceipt[]): readonly WaitingReceipt[] {
  const length = 2 ** Math.ceil(Math.log2(receipts.length))
  return Array.from({ length }, (_, index) => receipts[Math.min(index, receipts.length - 1)]!)
}

/** Pages of a person since `since`, the newest first. */
export async function recentPages(
  records: Records,
  principalId: string,
  since: Millis,
  limit: number,
): Promise<QueuedMessage[]> {
  const rows = await records.read
    .selectFrom('live_messages')
    .select(['sequence', 'at', 'kind', 'body'])
    .where('principal_id', '=', principalId)
    .where('kind', '=', 'page')
    .where('at', '>=', since)
    .orderBy('sequence', 'desc')
    .limit(limit)
    .execute()
  return rows.map((row) => ({ ...row, sequence: Number(row.sequence), at: Number(row.at) }))
}
