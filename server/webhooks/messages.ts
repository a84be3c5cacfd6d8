import type { Clock } from '../clock.ts'
import type { Records } from '../records/records.ts'

/** Messages that have ended are kept so long. */
const keptMillis = 90 * 86_400_000
const perSweep = 5000

/** When the oldest message that waits was written; Infinity: none waits. */
export async function oldestWaiting({ read }: Records): Promise<number> {
  const row = await read
    .selectFrom('incident_webhook_messages')
    .select('at')
    .where('state', '=', 'waiting')
    .orderBy('id')
    .limit(1)
    .executeTakeFirst()
  return row === undefined ? Number.POSITIVE_INFINITY : Number(row.at)
}

/** Messages that wait, by webhook. */
export async function countWaiting({ read }: Records): Promise<ReadonlyMap<string, number>> {
  const rows = await read
    .selectFrom('incident_webhook_messages')
    .select((s) => ['webhook', s.fn.countAll().as('count')])
    .where('state', '=', 'waiting')
    .groupBy('webhook')
    .execute()
  return new Map(rows.map(({ webhook, count }) => [webhook, Number(count)]))
}

/** Removes what ended long ago, a bounded batch at a time. */
export async function sweepEnded(records: Records, clock: Clock): Promise<void> {
  await records.write(async (tx) => {
    const old = tx
      .selectFrom('incident_webhook_messages')
      .select('id')
      .where('ended_at', '<', clock.now() - keptMillis)
      .orderBy('ended_at')
      .limit(perSweep)
    await tx.deleteFrom('incident_webhook_messages').where('id', 'in', old).execute()
  })
}
