import type { AlertView, Labels } from '../../alerts/alert.ts'
import { formatScientific } from '../../alerts/go-format.ts'
import { type Millis, rfc3339 } from '../clock.ts'
import { AlertRunner, type RecordRunner, type RuleHealth } from './rule-runner.ts'
import type { RunningGroup } from './scheduler.ts'

/** A rule and how its newest evaluation went. */
export interface RuleStatus extends RuleHealth {
  readonly kind: 'alert' | 'record'
  readonly name: string
  readonly expr: string
  readonly labels: Labels
  readonly annotations: Labels
  readonly forSeconds: number
  readonly keepFiringForSeconds: number
  /** The worst state of its alerts. */
  readonly state: 'inactive' | 'pending' | 'firing'
  readonly alerts: readonly AlertView[]
}

/** A group and how its newest evaluation went. */
export interface RuleGroupStatus {
  readonly name: string
  readonly file: string
  readonly intervalSeconds: number
  readonly limit: number
  readonly lastEvaluation: Millis | undefined
  readonly evaluationSeconds: number
  readonly rules: readonly RuleStatus[]
}

/** What a group looks like from outside. */
export function groupStatus(running: RunningGroup): RuleGroupStatus {
  const { group, intervalMillis, runners, lastEvaluation, evaluationSeconds } = running
  return {
    name: group.name,
    file: group.file,
    intervalSeconds: intervalMillis / 1000,
    limit: group.limit,
    lastEvaluation,
    evaluationSeconds,
    rules: runners.map(ruleStatus),
  }
}

function ruleStatus(runner: AlertRunner | RecordRunner): RuleStatus {
  const { name, expr, labels } = runner.rule
  const base = { name, expr, labels, ...runner.health }
  if (!(runner instanceof AlertRunner)) {
    return {
      kind: 'record',
      ...base,
      annotations: {},
      forSeconds: 0,
      keepFiringForSeconds: 0,
      state: 'inactive',
      alerts: [],
    }
  }
  const alerts = runner.views()
  const state = alerts.some((alert) => alert.state === 'firing')
    ? 'firing'
    : alerts.length > 0
      ? 'pending'
      : 'inactive'
  const { annotations, for: holdFor, keepFiringFor } = runner.rule
  return {
    kind: 'alert',
    ...base,
    annotations,
    forSeconds: holdFor / 1000,
    keepFiringForSeconds: keepFiringFor / 1000,
    state,
    alerts,
  }
}

/** `data` of Prometheus's GET /api/v1/rules. */
export function prometheusRules(groups: readonly RuleGroupStatus[]): { groups: unknown[] } {
  return {
    groups: groups.map((group) => ({
      name: group.name,
      file: group.file,
      rules: group.rules.map(prometheusRule),
      interval: group.intervalSeconds,
      limit: group.limit,
      evaluationTime: group.evaluationSeconds,
      lastEvaluation: promTime(group.lastEvaluation),
    })),
  }
}

/** `data` of Prometheus's GET /api/v1/alerts. */
export function prometheusAlerts(alerts: readonly AlertView[]): { alerts: unknown[] } {
  return { alerts: alerts.map(prometheusAlert) }
}

function prometheusRule(rule: RuleStatus): Record<string, unknown> {
  const common = {
    name: rule.name,
    query: rule.expr,
    labels: rule.labels,
    health: rule.health,
    ...(rule.lastError === undefined ? {} : { lastError: rule.lastError }),
    evaluationTime: rule.evaluationSeconds,
    lastEvaluation: promTime(rule.lastEvaluation),
  }
  if (rule.kind === 'record') return { ...common, type: 'recording' }
  return {
    state: rule.state,
    ...common,
    duration: rule.forSeconds,
    keepFiringFor: rule.keepFiringForSeconds,
    annotations: rule.annotations,
    alerts: rule.alerts.map(prometheusAlert),
    type: 'alerting',
  }
}

function prometheusAlert(alert: AlertView): Record<string, unknown> {
  return {
    labels: alert.labels,
    annotations: alert.annotations,
    state: alert.state,
    activeAt: rfc3339(alert.activeAt),
    value: scientific(alert.value),
  }
}

function scientific(value: string): string {
  const number = Number(value)
  return Number.isNaN(number) ? value : formatScientific(number)
}

/** Go's zero time stands for "never". */
function promTime(at: Millis | undefined): string {
  return at === undefined ? '0001-01-01T00:00:00Z' : rfc3339(at)
}
