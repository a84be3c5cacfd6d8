import Type from 'typebox'

const Time = Type.String({ format: 'date-time' })
const OrNull = <T extends ReturnType<typeof Type.String>>(schema: T) =>
  Type.Union([schema, Type.Null()])

/** One obligation as the API shows it; what it carries stays inside. */
export const ObligationView = Type.Object({
  id: Type.String(),
  kind: Type.String(),
  subject: Type.String(),
  key: Type.String(),
  state: Type.Enum(['waiting', 'done', 'closed']),
  dueAt: Time,
  nextAttemptAt: OrNull(Time),
  attempts: Type.Integer(),
  lastFault: OrNull(Type.String()),
  openedAt: Time,
  closedAt: OrNull(Time),
  closeReason: OrNull(Type.String()),
})

/** Kinds with their promise and how they stand. */
export const KindView = Type.Object({
  kind: Type.String(),
  promise: Type.String(),
  waiting: Type.Integer(),
  oldestDueSeconds: Type.Number(),
  lost: Type.Integer(),
})

/** What was owed and remembered by nothing. */
export const LostView = Type.Object({
  id: Type.String(),
  kind: Type.String(),
  subject: Type.String(),
  foundAt: Time,
  mendedAt: OrNull(Time),
})

export const ObligationList = Type.Object({
  kinds: Type.Array(KindView),
  obligations: Type.Array(ObligationView),
})
export const LostList = Type.Object({ lost: Type.Array(LostView) })

export const ObligationQuery = Type.Object({
  kind: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
  subject: Type.Optional(Type.String({ minLength: 1, maxLength: 1024 })),
  state: Type.Enum(['waiting', 'all'], { default: 'waiting' }),
  limit: Type.Integer({ minimum: 1, maximum: 500, default: 100 }),
})
