import type { AlertAnswer } from './answers.ts'
import type { AlertChangeBody } from './watch-lines.ts'

/** What is firing, and which of the unacknowledged ones is chosen (undefined: the newest). */
export interface WatchList {
  readonly firing: ReadonlyMap<string, AlertAnswer>
  readonly chosen: string | undefined
}

export const emptyList: WatchList = { firing: new Map(), chosen: undefined }

/** The list as the hub has just told it; the choice stays where it still can. */
export function listLoaded({ chosen }: WatchList, alerts: readonly AlertAnswer[]): WatchList {
  return { firing: new Map(alerts.map((alert) => [alert.fingerprint, alert])), chosen }
}

/** The list after a pushed change. */
export function listChanged(list: WatchList, { change, alert }: AlertChangeBody): WatchList {
  const firing = new Map(list.firing)
  if (change === 'resolved') firing.delete(alert.fingerprint)
  else
    firing.set(alert.fingerprint, {
      ...alert,
      incident: alert.incident ?? firing.get(alert.fingerprint)?.incident ?? null,
    })
  return { ...list, firing }
}

/** Whether a pushed `firing` tells nothing that the loaded list did not. */
export function isKnown({ firing }: WatchList, { change, alert }: AlertChangeBody): boolean {
  const known = firing.get(alert.fingerprint)
  return (
    change === 'firing' &&
    known?.id === alert.id &&
    (known.acknowledgedAt ?? null) === (alert.acknowledgedAt ?? null)
  )
}

/**
 * The list with what a later look says of the alerts it has. Those it lacks come with their messages: an answer that was
 * long on its way must not make them known before they were printed.
 */
export function listRefreshed(list: WatchList, alerts: readonly AlertAnswer[]): WatchList {
  const firing = new Map(list.firing)
  for (const alert of alerts)
    if (firing.get(alert.fingerprint)?.id === alert.id) firing.set(alert.fingerprint, alert)
  return { ...list, firing }
}

/** Those that wait for somebody, the newest first. */
export function unacknowledged({ firing }: WatchList): readonly AlertAnswer[] {
  const since = ({ firedAt, activeAt }: AlertAnswer) => Date.parse(firedAt ?? activeAt)
  return [...firing.values()]
    .filter(({ acknowledgedAt }) => !acknowledgedAt)
    .sort((a, b) => since(b) - since(a) || a.fingerprint.localeCompare(b.fingerprint))
}

/** The chosen one and its place from 1; undefined when nothing waits. */
export function chosenAlert(
  list: WatchList,
): { alert: AlertAnswer; place: number; of: number } | undefined {
  const waiting = unacknowledged(list)
  const index = Math.max(
    0,
    waiting.findIndex(({ fingerprint }) => fingerprint === list.chosen),
  )
  const alert = waiting[index]
  return alert === undefined ? undefined : { alert, place: index + 1, of: waiting.length }
}

/** Chooses the next older (+1) or newer (-1) one; stays at the ends. */
export function chooseNext(list: WatchList, by: 1 | -1): WatchList {
  const now = chosenAlert(list)
  if (now === undefined) return list
  const waiting = unacknowledged(list)
  const index = Math.min(waiting.length, Math.max(1, now.place + by)) - 1
  return { ...list, chosen: waiting[index]?.fingerprint }
}

/** The chosen alert as the person saw it last. */
export interface Shown {
  readonly fingerprint: string | undefined
  /** Monotonic milliseconds since when. */
  readonly since: number
}

/** Milliseconds an alert must have stood on the screen before one key acknowledges it. */
const readingMs = 700

/** What is on the screen after the list changed; what a person chose by key counts as seen at once. */
export function shownNow(shown: Shown, list: WatchList, at: number, byKey: boolean): Shown {
  const fingerprint = chosenAlert(list)?.alert.fingerprint
  if (fingerprint === shown.fingerprint) return shown
  return { fingerprint, since: byKey ? Number.NEGATIVE_INFINITY : at }
}

/** Whether the person can have seen what a key would acknowledge: it may have changed under the finger. */
export function wasSeen(shown: Shown, at: number): boolean {
  return at - shown.since >= readingMs
}
