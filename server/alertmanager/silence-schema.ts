import Type, { type Static } from 'typebox'
import { matchersMax } from '../../alerts/matchers.ts'

const Time = Type.String({ maxLength: 40 })
const Minutes = Type.Number({ minimum: 1, maximum: 366 * 1440 })
const Reason = Type.String({ minLength: 1, maxLength: 2_000 })

const MatcherData = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 200 }),
    value: Type.String({ maxLength: 2_000 }),
    isRegex: Type.Optional(Type.Boolean()),
    /** True when it is left out. */
    isEqual: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
)

/** `{a="b",c=~"d"}` as text, or the same as data. */
const Matchers = Type.Union([
  Type.String({ minLength: 1, maxLength: 10_000 }),
  Type.Array(MatcherData, { minItems: 1, maxItems: matchersMax }),
])

/** From when until when; one of `endsAt` and `minutes`. */
const span = {
  startsAt: Type.Optional(Time),
  endsAt: Type.Optional(Time),
  minutes: Type.Optional(Minutes),
}

export const SilenceBody = Type.Object(
  {
    matchers: Matchers,
    reason: Reason,
    ...span,
    /** Name of a time interval of the routing file: it hides only inside that. */
    during: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
    /** It ends by itself once what it hid is over. */
    untilResolved: Type.Optional(Type.Boolean()),
    /** Administrators only: set it although it is too broad. */
    force: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
)
export type SilenceBody = Static<typeof SilenceBody>

export const PreviewBody = Type.Object(
  { matchers: Matchers, ...span },
  { additionalProperties: false },
)

export const ExtendBody = Type.Object(
  { endsAt: Type.Optional(Time), minutes: Type.Optional(Minutes), reason: Type.Optional(Reason) },
  { additionalProperties: false },
)

export const EndBody = Type.Union([Type.Object({}, { additionalProperties: false }), Type.Null()])

export const SilenceParams = Type.Object({ id: Type.String({ maxLength: 100 }) })

export const SilenceQuery = Type.Object({
  state: Type.Union([Type.Literal('standing'), Type.Literal('all')], { default: 'standing' }),
})

const Hidden = Type.Object({
  fingerprint: Type.String(),
  rule: Type.String(),
  severity: Type.String(),
  instance: Type.Union([Type.String(), Type.Null()]),
  summary: Type.String(),
})
export type Hidden = Static<typeof Hidden>

export const Silence = Type.Object({
  id: Type.String(),
  state: Type.String(),
  text: Type.String(),
  matchers: Type.Array(MatcherData),
  reason: Type.String(),
  createdBy: Type.String(),
  createdAt: Type.String(),
  startsAt: Type.String(),
  endsAt: Type.String(),
  during: Type.Union([Type.String(), Type.Null()]),
  untilResolved: Type.Boolean(),
  hidesCount: Type.Integer(),
  /** The worst of them, at most 100. */
  hides: Type.Array(Hidden),
})
export type SilenceJson = Static<typeof Silence>

export const SilenceList = Type.Object({
  silences: Type.Array(Silence),
  /** Time intervals that `during` may name. */
  calendars: Type.Array(Type.String()),
})
export const OneSilence = Type.Object({ silence: Silence })

export const Preview = Type.Object({
  text: Type.String(),
  hidesCount: Type.Integer(),
  critical: Type.Integer(),
  hides: Type.Array(Hidden),
  /** Why only an administrator may set it. */
  tooBroad: Type.Union([Type.String(), Type.Null()]),
})
