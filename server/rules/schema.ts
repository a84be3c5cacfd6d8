import Type, { type Static } from 'typebox'
import type { AlertView } from '../../alerts/alert.ts'
import { type Millis, rfc3339 } from '../clock.ts'
import type { AlertIncident } from './alert-store.ts'

const Texts = Type.Record(Type.String(), Type.String())
const Time = Type.Union([Type.String(), Type.Null()])

/** An alert as REST and the live messages show it. */
export const Alert = Type.Object({
  id: Type.String(),
  fingerprint: Type.String(),
  rule: Type.String(),
  group: Type.String(),
  severity: Type.String(),
  instance: Type.Optional(Type.String()),
  labels: Texts,
  annotations: Texts,
  state: Type.String(),
  value: Type.String(),
  activeAt: Type.String(),
  firedAt: Time,
  resolvedAt: Time,
  acknowledgedAt: Time,
  acknowledgedBy: Time,
  runbook: Type.String(),
  incident: Type.Union([Type.Object({ id: Type.String(), number: Type.Integer() }), Type.Null()]),
})

export const AlertQuery = Type.Object({
  state: Type.Union([Type.Literal('firing'), Type.Literal('pending'), Type.Literal('all')], {
    default: 'firing',
  }),
  /** Resolved alerts shown with `all`. */
  limit: Type.Integer({ minimum: 1, maximum: 1000, default: 200 }),
})

export const AlertList = Type.Object({ alerts: Type.Array(Alert) })
export const OneAlert = Type.Object({ alert: Alert })
export const FingerprintParams = Type.Object({
  fingerprint: Type.String({ pattern: '^[0-9a-f]{16}$' }),
})
export const AcknowledgeBody = Type.Union([
  Type.Object({}, { additionalProperties: false }),
  Type.Null(),
])

const Rule = Type.Object({
  kind: Type.Union([Type.Literal('alert'), Type.Literal('record')]),
  name: Type.String(),
  expr: Type.String(),
  labels: Texts,
  annotations: Texts,
  forSeconds: Type.Number(),
  keepFiringForSeconds: Type.Number(),
  state: Type.String(),
  health: Type.String(),
  lastError: Type.Union([Type.String(), Type.Null()]),
  lastEvaluation: Time,
  evaluationSeconds: Type.Number(),
  active: Type.Integer(),
})

export const RuleList = Type.Object({
  groups: Type.Array(
    Type.Object({
      name: Type.String(),
      file: Type.String(),
      intervalSeconds: Type.Number(),
      lastEvaluation: Time,
      evaluationSeconds: Type.Number(),
      rules: Type.Array(Rule),
    }),
  ),
  faults: Type.Array(
    Type.Object({
      file: Type.String(),
      line: Type.Integer(),
      message: Type.String(),
      leavesOut: Type.String(),
    }),
  ),
})

/** An alert with RFC 3339 times, its runbook's address and its incident. */
export function alertJson(
  alert: AlertView,
  incident: AlertIncident | undefined,
): Static<typeof Alert> {
  return {
    id: alert.id,
    fingerprint: alert.fingerprint,
    rule: alert.rule,
    group: alert.group,
    severity: alert.severity,
    ...(alert.instance === undefined ? {} : { instance: alert.instance }),
    labels: alert.labels,
    annotations: alert.annotations,
    state: alert.state,
    value: alert.value,
    activeAt: rfc3339(alert.activeAt),
    firedAt: time(alert.firedAt),
    resolvedAt: time(alert.resolvedAt),
    acknowledgedAt: time(alert.acknowledgedAt),
    acknowledgedBy: alert.acknowledgedBy ?? null,
    runbook: `/runbooks/${alert.rule}`,
    incident: incident === undefined ? null : { id: incident.id, number: incident.number },
  }
}

/** RFC 3339, or null when it has not happened. */
export function time(at: Millis | undefined): string | null {
  return at === undefined ? null : rfc3339(at)
}
