import type { ActiveAlert, Transition } from '../../alerts/state.ts'
import type { Millis } from '../clock.ts'
import type { OutboxBatch } from './alert-outbox.ts'
import type { SavedAlert } from './alert-store.ts'
import { type AlertRunner, batchOf } from './rule-runner.ts'

/** A pending alert nobody has looked at for longer than this starts anew, in milliseconds. */
export const pendingForgottenMillis = 10 * 60_000

/**
 * Gives every saved alert back to its rule with its clocks. Returns what cannot go on: alerts whose rule is gone
 * resolve, pending ones that nobody watched for long are dropped.
 */
export function restoreAlerts(
  runners: readonly AlertRunner[],
  saved: readonly SavedAlert[],
  now: Millis,
): OutboxBatch[] {
  const restored = new Map<AlertRunner, SavedAlert[]>()
  const ended: OutboxBatch[] = []
  for (const item of saved) {
    const runner = runnerOf(runners, item)
    const forgotten =
      item.alert.state === 'pending' && now - item.updatedAt > pendingForgottenMillis
    if (runner === undefined || forgotten) ended.push(endOf(item, now))
    else restored.set(runner, [...(restored.get(runner) ?? []), item])
  }
  for (const [runner, items] of restored) {
    const evaluatedAt = Math.max(...items.map(({ updatedAt }) => updatedAt))
    runner.restore(
      items.map(({ alert }) => alert),
      evaluatedAt,
    )
  }
  return ended
}

function endOf({ rule, group, alert }: SavedAlert, now: Millis): OutboxBatch {
  const kind: Transition['kind'] = alert.state === 'pending' ? 'dropped' : 'resolved'
  return batchOf({ name: rule, group }, [{ kind, alert, at: now }], now)
}

/** The rule of that name, best in the same group, whose fixed labels the alert has. */
function runnerOf(
  runners: readonly AlertRunner[],
  { rule, group, alert }: SavedAlert,
): AlertRunner | undefined {
  const fitting = runners.filter(
    (runner) => runner.rule.name === rule && fixedLabelsFit(runner, alert),
  )
  return fitting.find((runner) => runner.rule.group === group) ?? fitting[0]
}

function fixedLabelsFit(runner: AlertRunner, alert: ActiveAlert): boolean {
  return Object.entries(runner.rule.labels).every(
    ([name, text]) => text.includes('{{') || (alert.labels[name] ?? '') === text,
  )
}
