import { setImmediate as turn } from 'node:timers/promises'
import type { Kysely } from 'kysely'
import { subjectOf } from '../../../alerts/correlation.ts'
import type { CorrelationRule } from '../../../alerts/correlation-config.ts'
import { CorrelationReplay, type PastLife } from '../../../alerts/correlation-replay.ts'
import { times } from '../../../incidents/workflow.ts'
import type { Millis } from '../../clock.ts'
import { alertViewOf } from '../../records/alert-view.ts'
import type { RecordsSchema } from '../../records/schema.ts'

/** Lives of alerts one look back takes, the newest; more would be a long answer. */
export const livesMax = 20_000
const livesAtOnce = 500

/** Lives that began to fire since `from`, in the order in which they did. */
export async function pastLives(
  read: Kysely<RecordsSchema>,
  from: Millis,
): Promise<{ readonly lives: readonly PastLife[]; readonly cut: boolean }> {
  const rows = await read
    .selectFrom('alerts')
    .selectAll()
    .where('state', 'in', ['firing', 'resolved'])
    .where('fired_at', '>=', from)
    .orderBy('fired_at', 'desc')
    .orderBy('id', 'desc')
    .limit(livesMax + 1)
    .execute()
  const lives: PastLife[] = []
  for (const [i, row] of rows.slice(0, livesMax).entries()) {
    if (i % livesAtOnce === 0) await turn()
    const alert = alertViewOf(row)
    lives.push({
      ...{ subject: subjectOf(alert), firedAt: Number(row.fired_at) },
      resolvedAt: alert.state === 'resolved' ? (alert.resolvedAt ?? alert.firedAt) : undefined,
    })
  }
  return { lives: lives.reverse(), cut: rows.length > livesMax }
}

/** What rules would have opened of them; gives others their turn in between. */
export async function tryRules(rules: readonly CorrelationRule[], lives: readonly PastLife[]) {
  const { greenMillis, stabilityMillis } = times
  const replay = new CorrelationReplay(rules, { greenMillis, stabilityMillis })
  for (const [i, life] of lives.entries()) {
    if (i % livesAtOnce === 0) await turn()
    replay.take(life)
  }
  const { opened, merged, undecided, rules: counts } = replay.totals
  return { opened, merged, undecided, rules: counts.map((one) => ({ ...one })) }
}
