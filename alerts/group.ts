import { fingerprint, type Millis } from './alert.ts'
import type { GroupRow } from './pipeline-state.ts'
import type { Route } from './routing-config.ts'

type Waits = Pick<Route, 'groupWait' | 'groupInterval'>

/**
 * When a group with news is told. Before its first notification: `group_wait` after the alert fired, so that one
 * which fired while nobody looked does not wait again. Later: after `group_wait` too, but never sooner than
 * `group_interval` after the last. Alertmanager waits for its next tick of `group_interval` instead, so there news
 * of a long quiet group may take a whole interval.
 */
export function dueForNews(group: GroupRow, waits: Waits, firedAt: Millis, now: Millis): Millis {
  const soon = Math.min(Math.max(firedAt + waits.groupWait, now), now + waits.groupWait)
  return group.notifiedAt === undefined
    ? soon
    : Math.max(soon, group.notifiedAt + waits.groupInterval)
}

/**
 * Names a notification: equal after a replay, whenever that happens; different as soon as it says something else.
 * `members` are lives and states, in any order.
 */
export function notificationKey(
  group: GroupRow,
  reason: string,
  members: readonly string[],
): string {
  const said = fingerprint({ reason, members: [...members].sort().join(' ') })
  return `${fingerprint({ group: group.key })}-${group.life}-${group.sequence}-${said}`
}
