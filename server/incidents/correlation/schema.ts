import Type from 'typebox'
import { documentCharactersMax } from './document.ts'

const OrNull = <T extends Type.TSchema>(schema: T) => Type.Union([schema, Type.Null()])
const Time = Type.String({ format: 'date-time' })
const Text = Type.String({ maxLength: documentCharactersMax })
const Faults = Type.Array(Type.Object({ line: Type.Integer(), message: Type.String() }))

export const DocumentView = Type.Object({
  /** 0: the built-in document. */
  version: Type.Integer(),
  document: Type.String(),
  storedAt: OrNull(Time),
  storedBy: OrNull(Type.String()),
  /** Why this program cannot read the stored document; the built-in rules hold then. */
  faults: Faults,
})

export const VersionList = Type.Object({
  versions: Type.Array(
    Type.Object({
      version: Type.Integer(),
      hash: Type.String(),
      storedAt: Time,
      storedBy: Type.String(),
    }),
  ),
})

export const VersionParams = Type.Object({ version: Type.Integer({ minimum: 0 }) })

export const PutBody = Type.Object(
  {
    document: Text,
    /** The version it was made from; another one that holds is a conflict. */
    madeFrom: Type.Optional(Type.Integer({ minimum: 0 })),
  },
  { additionalProperties: false },
)

export const CheckBody = Type.Object({ document: Text }, { additionalProperties: false })
export const CheckAnswer = Type.Object({ rules: Type.Integer(), faults: Faults })

export const ExplainBody = Type.Object(
  {
    /** Labels of an alert that fires now. */
    labels: Type.Optional(
      Type.Record(Type.String({ maxLength: 200 }), Type.String({ maxLength: 2_000 }), {
        maxProperties: 100,
      }),
    ),
    /** Id or fingerprint of a real alert. */
    alert: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
    /** Absent: the document that holds. */
    document: Type.Optional(Text),
  },
  { additionalProperties: false },
)

export const ExplainAnswer = Type.Object({
  version: Type.Integer(),
  outcome: Type.Enum(['open', 'join', 'goes on', 'relapse', 'nothing']),
  /** The rule that decides. */
  rule: OrNull(Type.String()),
  incident: OrNull(Type.Object({ id: Type.String(), number: Type.Integer() })),
  /** It only stands beside the incident. */
  related: OrNull(Type.Boolean()),
  text: Type.String(),
  rules: Type.Array(
    Type.Object({
      rule: Type.String(),
      action: Type.String(),
      decides: Type.Boolean(),
      because: Type.String(),
    }),
  ),
})

export const TryBody = Type.Object(
  {
    document: Type.Optional(Text),
    days: Type.Optional(Type.Integer({ minimum: 1, maximum: 90 })),
  },
  { additionalProperties: false },
)

const Totals = Type.Object({
  opened: Type.Integer(),
  merged: Type.Integer(),
  undecided: Type.Integer(),
  rules: Type.Array(
    Type.Object({
      rule: Type.String(),
      opened: Type.Integer(),
      joined: Type.Integer(),
      nothing: Type.Integer(),
    }),
  ),
})

export const TryAnswer = Type.Object({
  from: Time,
  to: Time,
  /** Lives of alerts that were looked at. */
  alerts: Type.Integer(),
  /** True: there were more; the oldest were left out. */
  cut: Type.Boolean(),
  /** The document that holds. */
  now: Totals,
  /** The one that was sent; null without one. */
  tried: OrNull(Totals),
})
