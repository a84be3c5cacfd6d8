import { sql } from 'kysely'
import type { Millis } from '../clock.ts'
import { later, type Records, type RecordsTransaction } from '../records/records.ts'
import { staffRoles } from './connection-state.ts'
import type { MessageKind, QueuedMessage } from './schema.ts'

/** The ends of one person's queue; 0 where it is empty. */
export interface QueueEnds {
  readonly sequence: number
  readonly oldest: number
}

/**
 * Queues a message for every enabled staff principal, or for those of `principalIds` who are, in one statement.
 * A person's sequence is one more than the highest kept: pruning therefore never takes the newest.
 */
export async function queueForStaff(
  tx: RecordsTransaction,
  message: { kind: MessageKind; at: Millis; body: string },
  principalIds?: readonly string[],
): Promise<void> {
  const newest = sql<number>`coalesce((select max(m.sequence) from live_messages as m where m.principal_id = p.id), 0) + 1`
  const queued = tx
    .insertInto('live_messages')
    .columns(['principal_id', 'sequence', 'at', 'kind', 'body'])
    .expression((query) =>
      query
        .selectFrom('principals as p')
        .select([
          'p.id as principal_id',
          newest.as('sequence'),
          // The casts tell PostgreSQL the parameters' types, which it cannot infer in a select list.
          sql<Millis>`cast(${message.at} as bigint)`.as('at'),
          sql<string>`cast(${message.kind} as text)`.as('kind'),
          sql<string>`cast(${message.body} as text)`.as('body'),
        ])
        .where('p.role', 'in', [...staffRoles])
        .where('p.disabled_at', 'is', null)
        .$if(principalIds !== undefined, (only) =>
          only.where('p.id', 'in', [...(principalIds ?? [])]),
        ),
    )
  await later(tx, queued)
}

/** Newest and oldest sequence of a person's queue. */
export async function queueEnds(records: Records, principalId: string): Promise<QueueEnds> {
  const row = await records.read
    .selectFrom('live_messages')
    .select((row) => [row.fn.max('sequence').as('newest'), row.fn.min('sequence').as('oldest')])
    .where('principal_id', '=', principalId)
    .executeTakeFirst()
  return { sequence: Number(row?.newest ?? 0), oldest: Number(row?.oldest ?? 0) }
}

/** Committed messages after `after`, in order of sequence, at most `limit`. */
export async function queuedAfter(
  records: Records,
  principalId: string,
  after: number,
  limit: number,
): Promise<QueuedMessage[]> {
  const rows = await records.read
    .selectFrom('live_messages')
    .select(['sequence', 'at', 'kind', 'body'])
    .where('principal_id', '=', principalId)
    .where('sequence', '>', after)
    .orderBy('sequence')
    .limit(limit)
    .execute()
  return rows.map((row) => ({ ...row, sequence: Number(row.sequence), at: Number(row.at) }))
}

/**
 * Drops what is older than `keptMs` or beyond the newest `keptMessages` of a person; the newest always stays.
 * One short transaction a person. Returns how many were dropped.
 */
export async function pruneQueues(
  records: Records,
  now: Millis,
  keptMessages: number,
  keptMs: number,
): Promise<number> {
  const people = await records.read.selectFrom('principals').select('id').execute()
  let dropped = 0
  for (const { id } of people) {
    const { sequence, oldest } = await queueEnds(records, id)
    if (
      sequence === oldest ||
      !(await overdue(records, id, { sequence, oldest }, now, keptMessages, keptMs))
    )
      continue
    const results = await records.write((tx) =>
      tx
        .deleteFrom('live_messages')
        .where('principal_id', '=', id)
        .where('sequence', '<', sequence)
        .where((row) =>
          row.or([row('sequence', '<=', sequence - keptMessages), row('at', '<', now - keptMs)]),
        )
        .execute(),
    )
    for (const { numDeletedRows } of results) dropped += Number(numDeletedRows)
  }
  return dropped
}

/** Whether anything is to be dropped; spares the writer a transaction a person each time. */
async function overdue(
  records: Records,
  principalId: string,
  { sequence, oldest }: QueueEnds,
  now: Millis,
  keptMessages: number,
  keptMs: number,
): Promise<boolean> {
  if (oldest <= sequence - keptMessages) return true
  const row = await records.read
    .selectFrom('live_messages')
    .select('at')
    .where('principal_id', '=', principalId)
    .where('sequence', '=', oldest)
    .executeTakeFirst()
  return row !== undefined && Number(row.at) < now - keptMs
}
