import Type from 'typebox'

const OrNull = <T extends ReturnType<typeof Type.String> | ReturnType<typeof Type.Integer>>(
  of: T,
) => Type.Union([of, Type.Null()])
export const Reason = Type.String({ minLength: 1, maxLength: 2000, pattern: '\\S' })
const Time = Type.String({ format: 'date-time', maxLength: 64 })

export const HoldView = Type.Object({
  id: Type.String(),
  incident: OrNull(Type.Integer({ description: 'Its number; null: of a period.' })),
  from: Type.String({ description: 'What was recorded from here on is kept.' }),
  to: OrNull(Type.String()),
  reason: Type.String(),
  until: OrNull(Type.String({ description: 'When it ends by itself.' })),
  setAt: Type.String(),
  setBy: Type.String(),
  standing: Type.Boolean(),
  releasedAt: OrNull(Type.String()),
  releasedBy: Type.Array(Type.String(), { description: 'Who asked for it, and who agreed.' }),
  releaseReason: OrNull(Type.String()),
})

export const HoldList = Type.Object({ holds: Type.Array(HoldView) })
export const HoldDetail = Type.Object({ hold: HoldView })
export const HoldQuery = Type.Object(
  {
    incident: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
    state: Type.Union([Type.Literal('standing'), Type.Literal('all')], { default: 'standing' }),
    limit: Type.Integer({ minimum: 1, maximum: 1000, default: 200 }),
  },
  { additionalProperties: false },
)
export const HoldBody = Type.Object(
  {
    incident: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
    from: Type.Optional(Time),
    to: Type.Optional(Time),
    until: Type.Optional(Time),
    reason: Reason,
  },
  { additionalProperties: false },
)
export const IdParams = Type.Object({ id: Type.String({ minLength: 1, maxLength: 64 }) })
export const ReleaseBody = Type.Object({ reason: Reason }, { additionalProperties: false })
export const AskedFor = Type.Object({
  approval: Type.Object({
    id: Type.String({
      description: 'The request a second person agrees to, under /api/v1/approvals.',
    }),
    expiresAt: Type.String(),
  }),
})
