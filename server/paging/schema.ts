import Type from 'typebox'

const Time = Type.String({ format: 'date-time' })
const MaybeTime = Type.Union([Time, Type.Null()])

export const PageView = Type.Object({
  id: Type.String(),
  number: Type.Integer(),
  title: Type.String(),
  severity: Type.String(),
  state: Type.Enum(['open', 'acknowledged', 'closed']),
  /** The escalation policy as it was when the page was opened. */
  policy: Type.String(),
  /** `escalating`, `shouting` (the policy is over and nobody took it), `acknowledged` or `resolved`. */
  phase: Type.String(),
  nextStepAt: MaybeTime,
  openedAt: Time,
  acknowledgedAt: MaybeTime,
  acknowledgedBy: Type.Union([Type.String(), Type.Null()]),
  closedAt: MaybeTime,
})

const AttemptView = Type.Object({
  channel: Type.String(),
  contactPoint: Type.Union([Type.String(), Type.Null()]),
  outcome: Type.String(),
  reason: Type.String(),
  at: Time,
  receivedAt: MaybeTime,
  displayedAt: MaybeTime,
})

/** One recipient: told when and how, or not told because. */
const TellingView = Type.Object({
  kind: Type.Enum(['page', 'resolved']),
  recipient: Type.Object({ kind: Type.String(), id: Type.String(), name: Type.String() }),
  place: Type.String(),
  state: Type.Enum(['waiting', 'told', 'over']),
  reason: Type.String(),
  openedAt: Time,
  endedAt: MaybeTime,
  attempts: Type.Array(AttemptView),
})

const StepView = Type.Object({
  sequence: Type.Integer(),
  at: Time,
  kind: Type.String(),
  content: Type.Record(Type.String(), Type.Unknown()),
})

export const PageList = Type.Object({
  pages: Type.Array(PageView),
  next: Type.Union([Type.Integer(), Type.Null()]),
})
export const PageDetail = Type.Object({
  page: Type.Intersect([
    PageView,
    Type.Object({
      alerts: Type.Array(Type.String()),
      steps: Type.Array(StepView),
      tellings: Type.Array(TellingView),
    }),
  ]),
})

export const PageQuery = Type.Object({
  state: Type.Enum(['open', 'all'], { default: 'open' }),
  /** The number of the last one seen, for the next page of the list. */
  before: Type.Optional(Type.Integer({ minimum: 1 })),
  limit: Type.Integer({ minimum: 1, maximum: 200, default: 50 }),
})
export const PageParams = Type.Object({ id: Type.String({ minLength: 1, maxLength: 64 }) })

/** Why people were or were not told of an alert. */
export const WhyView = Type.Object({
  alert: Type.Object({
    id: Type.String(),
    rule: Type.String(),
    severity: Type.String(),
    state: Type.String(),
  }),
  /** One sentence. */
  answer: Type.String(),
  pages: Type.Array(PageDetail.properties.page),
})
export const WhyParams = Type.Object({ alert: Type.String({ minLength: 1, maxLength: 64 }) })
