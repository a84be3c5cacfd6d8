import { type AlertView, fingerprint, type Labels, type Millis, severityOf } from './alert.ts'
import type { CorrelationRule } from './correlation-config.ts'
import { formatMatchers, matches } from './matchers.ts'

/** What correlation reads of an alert. */
export interface Subject {
  readonly fingerprint: string
  readonly instance?: string | undefined
  /** `severity` is one of critical, warning, info. */
  readonly labels: Labels
}

/** An alert as correlation reads it. */
export function subjectOf(alert: AlertView): Subject {
  const { fingerprint, instance, labels, severity } = alert
  return { fingerprint, instance, labels: { ...labels, severity } }
}

/** An alert that would have these labels. */
export function subjectOfLabels(labels: Labels): Subject {
  return {
    fingerprint: fingerprint(labels),
    instance: labels['instance'] === '' ? undefined : labels['instance'],
    labels: { ...labels, severity: severityOf(labels) },
  }
}

/** Alerts with one key belong together; one that lacks a label of `same` stands alone. */
export function keyOf(same: readonly string[], subject: Subject): string {
  if (same.length === 1 && same[0] === 'instance')
    return subject.instance ?? `alert:${subject.fingerprint}`
  const values = same.map((name) => ({ name, value: labelOf(name, subject) }))
  if (values.some(({ value }) => value === '')) return `alert:${subject.fingerprint}`
  return formatMatchers(values.map((one) => ({ ...one, isRegex: false, isEqual: true })))
}

function labelOf(name: string, { labels, instance }: Subject): string {
  const own = Object.hasOwn(labels, name) ? labels[name]! : ''
  return own === '' && name === 'instance' ? (instance ?? '') : own
}

/** The matcher that an alert does not meet; undefined when it meets all. */
export function unmet(rule: CorrelationRule, { labels }: Subject): string | undefined {
  const first = rule.matchers.find((matcher) => !matches(matcher, labels))
  return first === undefined ? undefined : formatMatchers([first]).slice(1, -1)
}

/** A rule that may decide, with the key it puts the alert under. */
export interface Candidate {
  readonly rule: CorrelationRule
  readonly key: string
}

/** Rules that match, in order; those after the first that needs no count never decide. */
export function candidates(rules: readonly CorrelationRule[], subject: Subject): Candidate[] {
  const found: Candidate[] = []
  for (const rule of rules) {
    if (unmet(rule, subject) !== undefined) continue
    found.push({ rule, key: keyOf(rule.same, subject) })
    if (rule.count === undefined) break
  }
  return found
}

/** An alert that fires. */
export interface Firing {
  readonly subject: Subject
  readonly firedAt: Millis
}

/** Those of `firing` that count towards a rule's count with an alert that fired `at`. */
export function counted<F extends Firing>(
  { rule, key }: Candidate,
  at: Millis,
  firing: readonly F[],
): readonly F[] {
  const within = rule.count?.within ?? 0
  return firing.filter(
    ({ subject, firedAt }) =>
      Math.abs(firedAt - at) <= within &&
      unmet(rule, subject) === undefined &&
      keyOf(rule.same, subject) === key,
  )
}

/** How many different values of the counted label they have. */
export function countOf({ rule }: Candidate, firing: readonly Firing[]): number {
  const of = rule.count?.of ?? 'instance'
  const values = new Set(firing.map(({ subject }) => labelOf(of, subject)))
  values.delete('')
  return values.size
}

/** What there is for a candidate: an open incident of its key that is young enough, and its count. */
export interface Found<I> {
  readonly incident?: I | undefined
  readonly count: number
}

export type Decision<I> =
  | { readonly kind: 'join'; readonly candidate: Candidate; readonly incident: I }
  | { readonly kind: 'open'; readonly candidate: Candidate }
  /** `candidate` is missing when no rule decided. */
  | { readonly kind: 'nothing'; readonly candidate?: Candidate }

/** What one candidate decides; undefined when its count is not reached and the rules after it decide. */
export function decideBy<I>(candidate: Candidate, found: Found<I>): Decision<I> | undefined {
  const { action, count } = candidate.rule
  if (action === 'ignore') return { kind: 'nothing', candidate }
  if (found.incident !== undefined) return { kind: 'join', candidate, incident: found.incident }
  if (action === 'join') return { kind: 'nothing', candidate }
  if (count !== undefined && found.count < count.atLeast) return undefined
  return { kind: 'open', candidate }
}

/** Whether an alert only stands beside its incident: one that is not critical and came by a rule that only joins. */
export function isBeside(severity: string, action: CorrelationRule['action']): boolean {
  return severity !== 'critical' && action !== 'open'
}

/** Keys under which rules that only join look for an incident with this alert: labels, a space, the key. */
export function labelKeys(rules: readonly CorrelationRule[], subject: Subject): readonly string[] {
  const sets = new Map(
    rules.filter(({ action }) => action === 'join').map(({ same }) => [same.join(' '), same]),
  )
  return [...sets].map(([names, same]) => `${names} ${keyOf(same, subject)}`)
}
