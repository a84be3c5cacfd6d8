import Type from 'typebox'

const Instant = Type.String({ minLength: 10, maxLength: 40 })
const Service = Type.String({ minLength: 1, maxLength: 200 })
const Minutes = (minutes: number) =>
  Type.Number({ minimum: 0.1, maximum: 525_600, default: minutes })

export const FiguresQuery = Type.Object(
  {
    from: Type.Optional(Instant),
    to: Type.Optional(Instant),
    service: Type.Optional(Service),
    by: Type.Union([Type.Literal('service'), Type.Literal('month')], {
      default: 'service',
      description: '`month` adds the figures of each calendar month, UTC.',
    }),
    acknowledgeMinutes: Minutes(15),
    restoreMinutes: Minutes(240),
    format: Type.Union([Type.Literal('json'), Type.Literal('csv')], { default: 'json' }),
  },
  { additionalProperties: false },
)

const Spread = Type.Object({
  count: Type.Integer(),
  unknown: Type.Integer(),
  medianMillis: Type.Optional(Type.Number()),
  p90Millis: Type.Optional(Type.Number()),
  withinTarget: Type.Optional(Type.Integer()),
  withinTargetShare: Type.Optional(Type.Number()),
  caution: Type.Optional(Type.String()),
})

const figures = {
  incidents: Type.Integer(),
  per30Days: Type.Number(),
  failedCallShare: Type.Optional(Type.Number()),
  toAcknowledge: Spread,
  toRestore: Spread,
  caution: Type.Optional(Type.String()),
}
const Whole = Type.Object(figures, {
  description: 'All incidents together, each counted once; of one service where one is asked for.',
})
const Services = Type.Array(Type.Object({ service: Type.String(), ...figures }))

export const FiguresAnswer = Type.Object({
  from: Type.String(),
  to: Type.String(),
  targets: Type.Object({ acknowledgeMillis: Type.Number(), restoreMillis: Type.Number() }),
  whole: Whole,
  services: Services,
  months: Type.Optional(
    Type.Array(
      Type.Object({
        month: Type.String(),
        from: Type.String(),
        to: Type.String(),
        whole: Whole,
        services: Services,
      }),
    ),
  ),
})

export const RecurrenceQuery = Type.Object(
  { until: Type.Optional(Instant) },
  { additionalProperties: false },
)

const Caused = Type.Object({
  id: Type.String(),
  number: Type.Integer(),
  state: Type.String(),
  services: Type.Array(Type.String()),
  at: Type.String(),
  causes: Type.Array(Type.String()),
})

export const RecurrenceAnswer = Type.Object({
  after: Type.String(),
  until: Type.String(),
  groups: Type.Array(
    Type.Object({
      service: Type.String(),
      cause: Type.String(),
      why: Type.String(),
      incidents: Type.Array(Caused),
    }),
  ),
  uncoded: Type.Array(Caused),
  uncodedCount: Type.Integer(),
  months: Type.Array(
    Type.Object({
      month: Type.String(),
      dueAt: Type.String(),
      overdue: Type.Boolean(),
      decision: Type.Union([Type.String(), Type.Null()]),
      text: Type.Union([Type.String(), Type.Null()]),
      signedBy: Type.Union([Type.String(), Type.Null()]),
      signedAt: Type.Union([Type.String(), Type.Null()]),
    }),
  ),
})

export const SignOffBody = Type.Object(
  {
    month: Type.String({ pattern: '^\\d{4}-(0[1-9]|1[0-2])$' }),
    decision: Type.Union([
      Type.Literal('no_recurrence'),
      Type.Literal('watched'),
      Type.Literal('recurring_major'),
    ]),
    text: Type.String({ minLength: 1, maxLength: 10_000, pattern: '\\S' }),
  },
  { additionalProperties: false },
)
