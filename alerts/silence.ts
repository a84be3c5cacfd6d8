import type { AlertView, Labels, Millis } from './alert.ts'
import { type Calendar, spanAt } from './calendar.ts'
import { formatMatchers, type Matcher, matcherFault, matches, matchesAll } from './matchers.ts'

/** Somebody's order that alerts with these labels tell nobody for a while. */
export interface Silence {
  readonly id: string
  readonly matchers: readonly Matcher[]
  readonly startsAt: Millis
  readonly endsAt: Millis
  readonly createdAt: Millis
  readonly createdBy: string
  readonly reason: string
  /** Between start and end it hides only inside these times: a window that recurs. */
  readonly during?: Calendar | undefined
  /** It ends by itself once an alert it hid is over and no other is hidden by it. */
  readonly untilResolved?: boolean | undefined
}

/** What a silence does now, and the next instant that may change. */
export interface SilencePhase {
  readonly phase: 'pending' | 'active' | 'paused' | 'expired'
  readonly until: Millis | undefined
}

/** Longest time a silence may last; what is meant to be silent forever is a route. */
export const silenceLengthMax: Millis = 366 * 86_400_000
const day = 86_400_000

/** Everything that keeps a silence from being set; each says what to do. Empty when it may be. */
export function silenceFaults(silence: Silence, now: Millis): readonly string[] {
  const faults: string[] = []
  if (!/^[\w.-]{1,100}$/.test(silence.id) || silence.id === '__proto__')
    faults.push('id: 1 to 100 letters, digits, dots, dashes')
  if (silence.createdBy.trim() === '') faults.push('createdBy: say whose silence it is')
  if (silence.reason.trim() === '') faults.push('reason: say why, for the person on the next shift')
  if (!(silence.endsAt > silence.startsAt)) faults.push('endsAt: must be after startsAt')
  if (!(silence.endsAt > now)) faults.push('endsAt: is over already')
  if (silence.endsAt - silence.startsAt > silenceLengthMax)
    faults.push(
      `endsAt: at most ${silenceLengthMax / day} days after startsAt; make it a route instead`,
    )
  const wrong = silence.matchers.map(matcherFault).filter((fault) => fault !== undefined)
  for (const fault of wrong) faults.push(`matchers: ${fault}`)
  if (silence.matchers.length === 0) faults.push('matchers: at least one')
  else if (wrong.length === 0 && silence.matchers.every((made) => matches(made, {})))
    faults.push('matchers: at least one must not match an absent label, or everything is hidden')
  return faults
}

/** Where a silence stands; `paused` is outside its recurring window. The end is excluded: it never hides then. */
export function phaseAt(silence: Silence, now: Millis): SilencePhase {
  if (now >= silence.endsAt) return { phase: 'expired', until: undefined }
  if (now < silence.startsAt) return { phase: 'pending', until: silence.startsAt }
  if (silence.during === undefined) return { phase: 'active', until: silence.endsAt }
  const span = spanAt(silence.during, now)
  const until = Math.min(span.until, silence.endsAt)
  return { phase: span.inside ? 'active' : 'paused', until }
}

/** The silences that hide a label set now; effect of each ends at its `endsAt` whatever else happens. */
export function silencing(
  silences: Iterable<Silence>,
  labels: Labels,
  now: Millis,
): readonly Silence[] {
  const found: Silence[] = []
  for (const silence of silences)
    if (matchesAll(silence.matchers, labels) && phaseAt(silence, now).phase === 'active')
      found.push(silence)
  return found
}

/** Why an alert is hidden, in a sentence for the person who looks for it. */
export function silenceReason(silence: Silence): string {
  const kind = silence.untilResolved ? ' or recovery' : ''
  return `silenced by ${silence.createdBy} until ${new Date(silence.endsAt).toISOString()}${kind}: ${silence.reason}`
}

/** When the author is asked whether the silence may end: `before` its end, only for those longer than twice that. */
export function nudgeAt(silence: Silence, before: Millis): Millis | undefined {
  return silence.endsAt - silence.startsAt > 2 * before ? silence.endsAt - before : undefined
}

export interface BreadthLimits {
  /** Hosts a silence may hide without a second look. */
  readonly hosts: number
  /** Share of all hosts, counted once there are four. */
  readonly shareOfHosts: number
  /** Firing alerts it may hide at once. */
  readonly alerts: number
}

export const breadthLimits: BreadthLimits = { hosts: 20, shareOfHosts: 0.5, alerts: 100 }

/** What a silence would hide, shown before it is set. */
export interface Breadth {
  readonly alerts: readonly AlertView[]
  /** Firing critical ones among them. */
  readonly critical: number
  readonly hosts: readonly string[]
  /** Why it needs a second person or narrower matchers; empty when it does not. */
  readonly tooBroad: readonly string[]
}

/**
 * Counts what matchers would hide: firing alerts, and known hosts whose every alert they may match, judged by the
 * labels hosts and alerts share.
 */
export function breadthOf(
  matchers: readonly Matcher[],
  firing: readonly AlertView[],
  hosts: readonly Labels[],
  limits: BreadthLimits = breadthLimits,
): Breadth {
  const alerts = firing.filter((alert) => matchesAll(matchers, alert.labels))
  const hostLabels = new Set(hosts.flatMap((labels) => Object.keys(labels)))
  const aboutHosts = matchers.filter((made) => hostLabels.has(made.name))
  const hidden = new Set(hosts.filter((labels) => matchesAll(aboutHosts, labels)).map(nameOf))
  const share = hosts.length < 4 ? 0 : hidden.size / hosts.length
  const tooBroad: string[] = []
  if (namesNothing(matchers))
    tooBroad.push(
      `matches alerts whatever they say (${formatMatchers(matchers)}); name an alert, a host, a site or a customer`,
    )
  if (hidden.size > limits.hosts)
    tooBroad.push(
      `hides ${hidden.size} hosts, more than ${limits.hosts}; name instance, site or customer`,
    )
  else if (share > limits.shareOfHosts)
    tooBroad.push(`hides ${hidden.size} of ${hosts.length} hosts; name instance, site or customer`)
  if (alerts.length > limits.alerts)
    tooBroad.push(
      `hides ${alerts.length} firing alerts, more than ${limits.alerts}; name the alert`,
    )
  const critical = alerts.filter((alert) => alert.severity === 'critical').length
  return { alerts, critical, hosts: [...hidden].sort(), tooBroad }
}

/** Values that nobody gives a label; what matches one of them names nothing. */
const probes = ['zqzq', 'zq-9.zq:9']

function namesNothing(matchers: readonly Matcher[]): boolean {
  const named = (probe: string) => Object.fromEntries(matchers.map(({ name }) => [name, probe]))
  return (
    matchers.every((made) => matches(made, {})) ||
    probes.some((probe) => matchesAll(matchers, named(probe)))
  )
}

function nameOf(labels: Labels): string {
  return labels['instance'] ?? JSON.stringify(labels)
}
