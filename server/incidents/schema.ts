import Type from 'typebox'
import { stateNames } from '../../incidents/workflow.ts'

const OrNull = (schema: ReturnType<typeof Type.String>) => Type.Union([schema, Type.Null()])
const Text = Type.String({ minLength: 1, maxLength: 10_000, pattern: '\\S' })
const State = Type.Union([
  Type.Literal('open'),
  Type.Literal('acknowledged'),
  Type.Literal('resolved'),
])
const StringMap = Type.Record(Type.String(), Type.String())

export const IncidentSummary = Type.Object({
  id: Type.String(),
  number: Type.Integer(),
  title: Type.String(),
  severity: Type.String(),
  state: State,
  workflowState: Type.String(),
  major: Type.Boolean(),
  server: Type.String(),
  openedAt: Type.String(),
  acknowledgedAt: OrNull(Type.String()),
  acknowledgedBy: OrNull(Type.String()),
  resolvedAt: OrNull(Type.String()),
  closedAt: OrNull(Type.String()),
  simulated: Type.Boolean(),
  firing: Type.Integer(),
})

export const FactView = Type.Object({
  id: Type.String(),
  sequence: Type.Integer(),
  kind: Type.String(),
  value: Type.Unknown(),
  certainty: Type.Union([
    Type.Literal('actual'),
    Type.Literal('estimate'),
    Type.Literal('suggestion'),
  ]),
  occurredAt: Type.String(),
  recordedAt: Type.String(),
  recordedBy: Type.String(),
  supersedes: OrNull(Type.String()),
  text: Type.String(),
})

export const AlertOfIncident = Type.Object({
  id: Type.String(),
  fingerprint: Type.String(),
  rule: Type.String(),
  group: Type.String(),
  severity: Type.String(),
  instance: Type.Optional(Type.String()),
  labels: StringMap,
  annotations: StringMap,
  state: Type.String(),
  value: Type.String(),
  activeAt: Type.String(),
  firedAt: OrNull(Type.String()),
  resolvedAt: OrNull(Type.String()),
  acknowledgedAt: OrNull(Type.String()),
  acknowledgedBy: OrNull(Type.String()),
  runbook: Type.String(),
  /** Joined beside what the incident was opened for: it recovers without this one. */
  related: Type.Boolean(),
  incident: Type.Object({ id: Type.String(), number: Type.Integer() }),
})

export const IncidentList = Type.Object({
  incidents: Type.Array(IncidentSummary),
  /** Give it as `cursor` for the next page. */
  next: Type.Union([Type.Integer(), Type.Null()]),
})

export const IncidentDetail = Type.Object({
  incident: Type.Intersect([
    IncidentSummary,
    Type.Object({
      facts: Type.Array(FactView),
      alerts: Type.Array(AlertOfIncident),
      runbook: Type.Union([
        Type.Object({
          name: Type.String(),
          hash: Type.String(),
          body: Type.String(),
          html: Type.String(),
          steps: Type.Array(Type.Object({ id: Type.String(), text: Type.String() })),
        }),
        Type.Null(),
      ]),
    }),
  ]),
})

export const ListQuery = Type.Object(
  {
    state: Type.Union([Type.Literal('open'), Type.Literal('resolved'), Type.Literal('all')], {
      default: 'open',
    }),
    limit: Type.Integer({ minimum: 1, maximum: 1000, default: 100 }),
    cursor: Type.Optional(Type.Integer({ minimum: 1 })),
    severity: Type.Optional(
      Type.Union(['sev1', 'sev2', 'sev3', 'sev4'].map((one) => Type.Literal(one))),
    ),
    /** A state of the workflow. */
    workflow: Type.Optional(Type.Union(stateNames.map((one) => Type.Literal(one)))),
    /** A service that the impact names. */
    service: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
  },
  { additionalProperties: false },
)

export const IncidentParams = Type.Object({ id: Type.String({ minLength: 1, maxLength: 64 }) })
export const AcknowledgeBody = Type.Object(
  { note: Type.Optional(Text) },
  { additionalProperties: false },
)
export const TextBody = Type.Object(
  { text: Text, key: Type.Optional(Type.String({ minLength: 8, maxLength: 100 })) },
  { additionalProperties: false },
)
