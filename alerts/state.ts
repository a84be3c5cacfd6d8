import { type AlertView, fingerprint, type Labels, type Millis, severityOf } from './alert.ts'
import { formatSampleValue } from './go-format.ts'
import type { AlertingRule } from './rule.ts'
import { expand, type TemplateData } from './template.ts'

/** One result of the rule's expression. */
export interface VectorElement {
  readonly labels: Labels
  readonly value: number
}

/** An alert whose condition holds, or held a moment ago. */
export interface ActiveAlert {
  readonly id: string
  readonly fingerprint: string
  readonly labels: Labels
  readonly annotations: Labels
  readonly state: 'pending' | 'firing'
  readonly value: number
  readonly activeAt: Millis
  readonly firedAt?: Millis | undefined
  /** When a firing alert's condition was first missed; unset while the condition holds. */
  readonly keepFiringSince?: Millis | undefined
  readonly acknowledgedAt?: Millis | undefined
  readonly acknowledgedBy?: string | undefined
}

/** All active alerts of one rule, by fingerprint. */
export interface ActiveAlerts {
  readonly byFingerprint: ReadonlyMap<string, ActiveAlert>
  /** `now` of the newest evaluation; how a clock that went back is noticed. */
  readonly evaluatedAt: Millis | undefined
}

/** No alerts, never evaluated. */
export const noAlerts: ActiveAlerts = { byFingerprint: new Map(), evaluatedAt: undefined }

/**
 * What an evaluation changed. `pending`, `firing`, `resolved` are states reached; `dropped` is a pending alert
 * whose condition went away; `keeping` and `holds` are a firing alert whose condition went away and came back
 * within `keep_firing_for`.
 */
export interface Transition {
  readonly kind: 'pending' | 'firing' | 'resolved' | 'dropped' | 'keeping' | 'holds'
  readonly alert: ActiveAlert
  readonly at: Millis
}

export interface AdvanceOptions {
  /** Makes the id of a new life. */
  readonly newId: () => string
  /** The vector holds this host only, so only its alerts may change. */
  readonly onlyInstance?: string | undefined
  /** True for an alert that must stay as it is although the vector lacks it: its host has not been heard. */
  readonly hold?: ((alert: ActiveAlert) => boolean) | undefined
  /** What the rule's templates may use beside the result; absent: nothing. */
  readonly templates?: TemplateSurroundings | undefined
  /** True for a fingerprint another rule's alert already has; two rules may not raise the same alert. */
  readonly taken?: ((fingerprint: string) => boolean) | undefined
}

/** What every template of every rule may use. */
export type TemplateSurroundings = Pick<TemplateData, 'externalLabels' | 'externalUrl' | 'query'>

const noSurroundings: TemplateSurroundings = { externalLabels: {} }

/** Two results have equal labels once the rule's labels are applied. */
export class DuplicateAlertError extends Error {}

/**
 * One evaluation of a rule: inactive, pending, firing, kept firing, resolved, exactly as Prometheus
 * (rules/alerting.go, AlertingRule.Eval). Differs where the clock went back since the last evaluation: what has
 * elapsed for `for` and `keep_firing_for` is kept, so nothing un-fires, re-fires or waits twice.
 * Throws DuplicateAlertError, then nothing has changed.
 */
export function advance(
  rule: AlertingRule,
  active: ActiveAlerts,
  vector: readonly VectorElement[],
  now: Millis,
  options: AdvanceOptions,
): { readonly active: ActiveAlerts; readonly transitions: readonly Transition[] } {
  const seen = resultsOf(rule, vector, options)
  const transitions: Transition[] = []
  const next = new Map<string, ActiveAlert>()
  const back = Math.max(0, (active.evaluatedAt ?? now) - now)
  for (const [key, before] of active.byFingerprint) {
    const alert = back > 0 ? shifted(before, back) : before
    const result = seen.get(key)
    const { after, kinds } =
      result === undefined ? missing(rule, alert, now, options) : present(rule, alert, result, now)
    if (after !== undefined) next.set(key, after)
    for (const kind of kinds) transitions.push({ kind, alert: after ?? alert, at: now })
  }
  for (const [key, result] of seen) {
    if (active.byFingerprint.has(key)) continue
    const { after, kinds } = started(rule, result, now, options.newId())
    next.set(key, after)
    for (const kind of kinds) transitions.push({ kind, alert: after, at: now })
  }
  return { active: { byFingerprint: next, evaluatedAt: now }, transitions }
}

interface Result {
  readonly fingerprint: string
  readonly labels: Labels
  readonly annotations: Labels
  readonly value: number
}

interface Step {
  readonly after: ActiveAlert | undefined
  readonly kinds: readonly Transition['kind'][]
}

function resultsOf(
  rule: AlertingRule,
  vector: readonly VectorElement[],
  options: AdvanceOptions,
): Map<string, Result> {
  const results = new Map<string, Result>()
  for (const element of vector) {
    const result = resultOf(rule, element, options.templates ?? noSurroundings)
    if (options.onlyInstance !== undefined && result.labels['instance'] !== options.onlyInstance)
      continue
    if (results.has(result.fingerprint)) {
      throw new DuplicateAlertError(
        `vector contains metrics with the same labelset after applying alert labels: ${JSON.stringify(result.labels)}; aggregate the expression, or set fewer labels`,
      )
    }
    if (options.taken?.(result.fingerprint)) {
      throw new DuplicateAlertError(
        `another rule already raises this alert: ${JSON.stringify(result.labels)}; give one of them another name or severity`,
      )
    }
    results.set(result.fingerprint, result)
  }
  return results
}

/** The labels of the alert a result raises. */
export function alertLabels(
  rule: AlertingRule,
  element: VectorElement,
  templates: TemplateSurroundings = noSurroundings,
): Labels {
  const data = { labels: element.labels, value: element.value, ...templates }
  const labels: Record<string, string> = {}
  for (const [name, value] of Object.entries(element.labels))
    if (name !== '__name__') labels[name] = value
  for (const [name, text] of Object.entries(rule.labels)) labels[name] = expand(text, data)
  labels['alertname'] = rule.name
  for (const [name, value] of Object.entries(labels)) if (value === '') delete labels[name]
  return labels
}

function resultOf(
  rule: AlertingRule,
  element: VectorElement,
  templates: TemplateSurroundings,
): Result {
  const data = { labels: element.labels, value: element.value, ...templates }
  const labels = alertLabels(rule, element, templates)
  const annotations = Object.fromEntries(
    Object.entries(rule.annotations).map(([name, text]) => [name, expand(text, data)]),
  )
  return { fingerprint: fingerprint(labels), labels, annotations, value: element.value }
}

function started(
  rule: AlertingRule,
  result: Result,
  now: Millis,
  id: string,
): Step & { after: ActiveAlert } {
  const pending: ActiveAlert = { id, ...result, state: 'pending', activeAt: now }
  if (rule.for > 0) return { after: pending, kinds: ['pending'] }
  return { after: { ...pending, state: 'firing', firedAt: now }, kinds: ['firing'] }
}

function present(rule: AlertingRule, alert: ActiveAlert, result: Result, now: Millis): Step {
  const { keepFiringSince, ...rest } = alert
  const after: ActiveAlert = { ...rest, value: result.value, annotations: result.annotations }
  if (alert.state === 'pending' && now - alert.activeAt >= rule.for) {
    return { after: { ...after, state: 'firing', firedAt: now }, kinds: ['firing'] }
  }
  return { after, kinds: keepFiringSince === undefined ? [] : ['holds'] }
}

function missing(
  rule: AlertingRule,
  alert: ActiveAlert,
  now: Millis,
  options: AdvanceOptions,
): Step {
  const otherHost =
    options.onlyInstance !== undefined && alert.labels['instance'] !== options.onlyInstance
  if (otherHost || options.hold?.(alert)) return { after: alert, kinds: [] }
  if (alert.state === 'pending') return { after: undefined, kinds: ['dropped'] }
  const since = alert.keepFiringSince ?? now
  if (rule.keepFiringFor === 0 || now - since >= rule.keepFiringFor)
    return { after: undefined, kinds: ['resolved'] }
  if (alert.keepFiringSince !== undefined) return { after: alert, kinds: [] }
  return { after: { ...alert, keepFiringSince: since }, kinds: ['keeping'] }
}

/** Moves the clocks still running back with the wall clock; when it fired stays a fact. */
function shifted(alert: ActiveAlert, back: Millis): ActiveAlert {
  const keepFiringSince =
    alert.keepFiringSince === undefined ? {} : { keepFiringSince: alert.keepFiringSince - back }
  const activeAt = alert.state === 'pending' ? { activeAt: alert.activeAt - back } : {}
  return { ...alert, ...activeAt, ...keepFiringSince }
}

/** The alert as others see it; `resolvedAt` makes it a resolved one. */
export function viewOf(
  rule: { readonly name: string; readonly group: string },
  alert: ActiveAlert,
  resolvedAt?: Millis,
): AlertView {
  return {
    id: alert.id,
    fingerprint: alert.fingerprint,
    rule: rule.name,
    group: rule.group,
    severity: severityOf(alert.labels),
    instance: alert.labels['instance'],
    labels: alert.labels,
    annotations: alert.annotations,
    state: resolvedAt === undefined ? alert.state : 'resolved',
    value: formatSampleValue(alert.value),
    activeAt: alert.activeAt,
    firedAt: alert.firedAt,
    resolvedAt,
    acknowledgedAt: alert.acknowledgedAt,
    acknowledgedBy: alert.acknowledgedBy,
  }
}
