import Type from 'typebox'
import { clockStates } from '../../clocks/evaluate.ts'

const Nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) =>
  Type.Union([schema, Type.Null()])
const Time = Type.String()
const Texts = Type.Array(Type.String())

/** Names that are supposed at once. */
export const supposedMax = 20

export const ClocksQuery = Type.Object(
  {
    /** Another regime, to see what it would want. */
    regime: Type.Optional(Type.String({ pattern: '^[a-z][a-z0-9_-]{0,62}$' })),
  },
  {
    patternProperties: { '^suppose\\.[a-z][a-z0-9_-]{0,62}$': Type.String({ maxLength: 40 }) },
    additionalProperties: false,
    maxProperties: supposedMax + 1,
  },
)

const ClockView = Type.Object({
  code: Type.String(),
  title: Type.String(),
  state: Type.Enum(clockStates),
  /** A deadline that a corrected fact has moved. */
  moved: Type.Boolean(),
  because: Type.String(),
  deadline: Nullable(Time),
  startedAt: Nullable(Time),
  atRiskAt: Nullable(Time),
  satisfiedAt: Nullable(Time),
  rounds: Nullable(Type.Object({ owed: Type.Integer(), late: Type.Integer() })),
  previous: Type.Array(
    Type.Object({ deadline: Nullable(Time), until: Time, because: Type.String() }),
  ),
  steps: Type.Array(Type.Object({ kind: Type.String(), text: Type.String() })),
  missing: Texts,
  citation: Type.Object({
    document: Type.String(),
    article: Type.String(),
    url: Nullable(Type.String()),
  }),
  confidence: Type.String(),
  verifiedOn: Type.String(),
  note: Nullable(Type.String()),
  ifItCannotBeMet: Nullable(Type.String()),
  rule: Type.String(),
  /** What may stop it for a while; empty: nothing does. */
  pauseReasons: Texts,
  /** Ids of the incident's facts it rests on. */
  facts: Texts,
})

export const IncidentClocks = Type.Object({
  now: Time,
  supposed: Type.Array(Type.Object({ fact: Type.String(), at: Time })),
  regimes: Type.Array(
    Type.Object({
      regime: Type.String(),
      title: Type.String(),
      caution: Type.String(),
      zone: Type.String(),
      inForce: Type.Boolean(),
      clocks: Type.Array(ClockView),
    }),
  ),
  actions: Type.Array(
    Type.Object({
      number: Type.Integer(),
      text: Type.String(),
      owner: Nullable(Type.String()),
      dueAt: Nullable(Time),
      doneAt: Nullable(Time),
      state: Type.Enum(['open', 'overdue', 'done', 'done late']),
    }),
  ),
})

export const DueQuery = Type.Object(
  { limit: Type.Integer({ minimum: 1, maximum: 1000, default: 200 }) },
  { additionalProperties: false },
)

export const DueList = Type.Object({
  now: Time,
  /** All that run, also what did not fit. */
  total: Type.Integer(),
  due: Type.Array(
    Type.Object({
      incident: Type.Object({
        id: Type.String(),
        number: Type.Integer(),
        title: Type.String(),
        severity: Type.String(),
        state: Type.String(),
      }),
      regime: Type.String(),
      clock: Type.String(),
      title: Type.String(),
      state: Type.Enum(['running', 'at risk', 'breached', 'paused', 'without undue delay']),
      dueAt: Nullable(Time),
      remainingSeconds: Nullable(Type.Number()),
    }),
  ),
})

export const DraftQuery = Type.Object(
  {
    stage: Type.Enum(['initial', 'intermediate', 'final'], { default: 'initial' }),
    language: Type.Enum(['en', 'zh', 'vi', 'ru'], { default: 'en' }),
    format: Type.Enum(['json', 'markdown'], { default: 'json' }),
  },
  { additionalProperties: false },
)

export const DraftAnswer = Type.Object({
  form: Type.String(),
  source: Type.String(),
  stage: Type.String(),
  incident: Type.Object({ id: Type.String(), number: Type.Integer(), title: Type.String() }),
  made: Time,
  counts: Type.Object({
    known: Type.Integer(),
    estimated: Type.Integer(),
    missing: Type.Integer(),
    conditional: Type.Integer(),
  }),
  fields: Type.Array(
    Type.Object({
      number: Type.String(),
      title: Type.String(),
      state: Type.Enum(['known', 'estimated', 'missing', 'conditional']),
      value: Nullable(Type.Union([Type.String(), Type.Number(), Type.Boolean(), Texts])),
      /** When a field that is not there is wanted, or what to write. */
      note: Nullable(Type.String()),
      facts: Texts,
    }),
  ),
})

/** Figures of the impact that no fact holds. */
export const PreviewBody = Type.Object(
  { impact: Type.Optional(Type.Record(Type.String({ maxLength: 60 }), Type.Unknown())) },
  { additionalProperties: false },
)

const Criterion = Type.Object({
  code: Type.String(),
  met: Nullable(Type.Boolean()),
  because: Type.String(),
  citation: Type.String(),
})

export const PreviewAnswer = Type.Object({
  /** A suggestion: what counts is the fact `major` that a person writes. */
  suggestion: Type.Literal(true),
  major: Nullable(Type.Boolean()),
  because: Type.String(),
  gate: Criterion,
  alone: Criterion,
  criteria: Type.Array(Criterion),
  unknown: Texts,
  /** What it was worked out from, each with its facts; given figures name none. */
  figures: Type.Array(
    Type.Object({
      name: Type.String(),
      value: Type.Union([Type.Number(), Type.Boolean()]),
      from: Type.Enum(['facts', 'request']),
      facts: Texts,
    }),
  ),
})
