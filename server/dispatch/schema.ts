import Type from 'typebox'

const Time = Type.String({ format: 'date-time' })
const MaybeTime = Type.Union([Time, Type.Null()])
const MaybeText = Type.Union([Type.String(), Type.Null()])
const Text = Type.String({ minLength: 1, maxLength: 2000, pattern: '\\S' })
const Name = Type.String({ minLength: 1, maxLength: 200, pattern: '\\S' })

/** What a phone sends with each word; the same key twice is once. */
const sent = {
  key: Type.Optional(Type.String({ minLength: 8, maxLength: 100 })),
  /** When it happened, where that was before it is sent. */
  occurredAt: Type.Optional(Type.String({ maxLength: 40 })),
}
const closed = { additionalProperties: false }

export const IncidentParams = Type.Object({ id: Type.String({ minLength: 1, maxLength: 64 }) })
export const AssignmentParams = Type.Object({
  id: Type.String({ minLength: 1, maxLength: 64 }),
  fact: Type.String({ minLength: 1, maxLength: 64 }),
})

export const AssignBody = Type.Object(
  {
    /** Without one the schedule decides. */
    technician: Type.Optional(Name),
    /** Whose schedule, where the incident has several services. */
    service: Type.Optional(Name),
    text: Text,
    key: Type.Optional(Type.String({ minLength: 8, maxLength: 100 })),
  },
  closed,
)
export const AcceptBody = Type.Object({ ...sent, text: Type.Optional(Text) }, closed)
export const DeclineBody = Type.Object({ ...sent, reason: Text }, closed)
export const ArrivedBody = Type.Object(
  { ...sent, mode: Type.Enum(['on_site', 'remote']), text: Type.Optional(Text) },
  closed,
)
export const FindingBody = Type.Object({ ...sent, text: Text }, closed)
export const PartBody = Type.Object(
  {
    ...sent,
    part: Name,
    quantity: Type.Integer({ minimum: 1, maximum: 10_000 }),
    text: Type.Optional(Text),
  },
  closed,
)

const assignment = {
  /** Id of the fact, which routes name. */
  fact: Type.String(),
  technician: Type.String(),
  assignedBy: Type.String(),
  /** What was asked, and why of this person. */
  text: Type.String(),
  /** `waiting`, `accepted`, `declined`, `passed` to the next, or `over`. */
  state: Type.String(),
  assignedAt: Time,
  answerBy: Time,
  endedAt: MaybeTime,
  reason: MaybeText,
  /** When nobody was left to ask. */
  exhaustedAt: MaybeTime,
}
export const AssignmentView = Type.Object(assignment)
export const AssignmentAnswer = Type.Object({ assignment: AssignmentView })
export const AssignmentList = Type.Object({ assignments: Type.Array(AssignmentView) })

export const MineView = Type.Object({
  ...assignment,
  incident: Type.Object({
    id: Type.String(),
    number: Type.Integer(),
    title: Type.String(),
    severity: Type.String(),
    state: Type.String(),
  }),
  /** Labels of the hosts. */
  sites: Type.Array(Type.String()),
  hosts: Type.Array(Type.String()),
  services: Type.Array(Type.String()),
  runbook: MaybeText,
  /** Those who lead, with the number of their text messages. */
  contacts: Type.Array(
    Type.Object({ name: Type.String(), roles: Type.Array(Type.String()), phone: MaybeText }),
  ),
  /** What is still to be written: in English, and by a code in any language. */
  owed: Type.Array(
    Type.Object({
      code: Type.Optional(Type.String()),
      params: Type.Optional(Type.Record(Type.String(), Type.Union([Type.String(), Type.Number()]))),
      text: Type.String(),
    }),
  ),
})
export const MineAnswer = Type.Object({ assignments: Type.Array(MineView) })
