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
export const TellingView = Type.Object({
  /** `notice`: said once, nobody is asked to act. */
  kind: Type.Enum(['page', 'notice', 'resolved']),
  recipient: Type.Object({ kind: Type.String(), id: Type.String(), name: Type.String() }),
  place: Type.String(),
  state: Type.Enum(['waiting', 'told', 'over']),
  reason: Type.String(),
  openedAt: Time,
  endedAt: MaybeTime,
  attempts: Type.Array(AttemptView),
})

const AskView = Type.Object({
  title: Type.String(),
  incident: Type.String(),
  askedAt: Time,
  /** Null: it is not over. */
  endedAt: MaybeTime,
})

const StepView = Type.Object({
  sequence: Type.Integer(),
  at: Time,
  kind: Type.String(),
  content: Type.Record(Type.String(), Type.Unknown()),
})

/** One rung of the frozen policy: who was told there, or why nobody was. */
const RungView = Type.Object({
  step: Type.Integer(),
  kind: Type.Enum(['step', 'catch-all']),
  targets: Type.Array(Type.Object({ kind: Type.String(), id: Type.String(), name: Type.String() })),
  state: Type.Enum(['told', 'empty', 'next', 'later', 'spared']),
  times: Type.Integer(),
  at: MaybeTime,
  because: Type.String(),
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
      /** What it asks for besides its alerts: time limits of an incident that were over. */
      asks: Type.Array(AskView),
      steps: Type.Array(StepView),
      tellings: Type.Array(TellingView),
      climb: Type.Array(RungView),
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
  /** What kept people from being told, the oldest first. */
  notTold: Type.Array(
    Type.Object({
      at: Time,
      /** `silence`, `inhibit`, `dependency`, `flap`, `group`, `calendar`, `repeat` or `route`. */
      stage: Type.String(),
      /** Null: everybody. */
      receiver: Type.Union([Type.String(), Type.Null()]),
      because: Type.String(),
      until: MaybeTime,
    }),
  ),
})
export const WhyParams = Type.Object({ alert: Type.String({ minLength: 1, maxLength: 64 }) })

const SearchText = Type.String({ minLength: 1, maxLength: 200 })
const EitherTime = Type.String({ minLength: 1, maxLength: 64 })

/** Everybody who was, or was to be, told: the newest first. */
export const ToldQuery = Type.Object({
  person: Type.Optional(SearchText),
  page: Type.Optional(SearchText),
  state: Type.Optional(Type.Enum(['waiting', 'told', 'over'])),
  /** RFC 3339. */
  from: Type.Optional(EitherTime),
  to: Type.Optional(EitherTime),
  before: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
  limit: Type.Integer({ minimum: 1, maximum: 1000, default: 100 }),
  format: Type.Enum(['json', 'csv'], { default: 'json' }),
})
export const ToldList = Type.Object({
  told: Type.Array(
    Type.Intersect([
      TellingView,
      Type.Object({
        id: Type.String(),
        page: Type.Object({
          number: Type.Integer(),
          title: Type.String(),
          severity: Type.String(),
        }),
      }),
    ]),
  ),
  next: Type.Union([Type.String(), Type.Null()]),
})
