import Type from 'typebox'
import { clockStates } from '../../clocks/evaluate.ts'
import { factsMax } from '../../clocks/fact.ts'

const OrNull = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) =>
  Type.Union([schema, Type.Null()])
const closed = { additionalProperties: false } as const
const Text = (maxLength: number) => Type.String({ minLength: 1, maxLength })
const Time = Type.String({ maxLength: 40 })
const Name = Type.String({ pattern: '^[a-z][a-z0-9_-]{0,62}$' })

/** What is supposed at once. */
export const supposedMax = 20
export const evaluateBytes = 256 * 1024

const FactBody = Type.Object(
  {
    id: Type.Optional(Text(100)),
    fact: Name,
    /** RFC 3339 with its zone. */
    at: Type.Optional(Time),
    certainty: Type.Optional(Type.Enum(['actual', 'estimate'])),
    recorded_at: Type.Optional(Time),
    supersedes: Type.Optional(Text(100)),
    reason: Type.Optional(Text(200)),
    withdrawn: Type.Optional(Type.Boolean()),
  },
  closed,
)

export const EvaluateBody = Type.Object(
  {
    regime: Name,
    institution: Type.Optional(
      Type.Object(
        {
          kinds: Type.Optional(Type.Array(Name, { maxItems: 20 })),
          zone: Type.Optional(Text(64)),
          weekend: Type.Optional(Type.Array(Text(10), { maxItems: 7 })),
          holidays: Type.Optional(Type.Array(Text(10), { maxItems: 1000 })),
          working_hours: Type.Optional(Type.Object({ from: Text(5), to: Text(5) }, closed)),
        },
        closed,
      ),
    ),
    attributes: Type.Optional(Type.Record(Name, Text(200), { maxProperties: 50 })),
    facts: Type.Array(FactBody, { maxItems: factsMax }),
    /** Facts to suppose, by name: "what if it had been classified at". */
    suppose: Type.Optional(Type.Record(Name, Time, { maxProperties: supposedMax })),
    /** As of when; now when absent. */
    now: Type.Optional(Time),
  },
  closed,
)

const Citation = Type.Object({
  document: Type.String(),
  article: Type.String(),
  url: OrNull(Type.String()),
})
const source = {
  citation: Citation,
  confidence: Type.Enum(['confirmed', 'secondary', 'memory']),
  verifiedOn: Type.String(),
  note: OrNull(Type.String()),
  ifItCannotBeMet: OrNull(Type.String()),
}
const Step = Type.Object({
  kind: Type.Enum(['anchor', 'rule', 'choice', 'pause', 'roll', 'result', 'note']),
  text: Type.String(),
})

const ClockView = Type.Object({
  code: Type.String(),
  title: Type.String(),
  state: Type.Enum([...clockStates]),
  because: Type.String(),
  deadline: OrNull(Type.String()),
  startedAt: OrNull(Type.String()),
  atRiskAt: OrNull(Type.String()),
  satisfiedAt: OrNull(Type.String()),
  rounds: OrNull(Type.Object({ owed: Type.Integer(), late: Type.Integer() })),
  previous: Type.Array(
    Type.Object({
      deadline: OrNull(Type.String()),
      until: Type.String(),
      because: Type.String(),
    }),
  ),
  steps: Type.Array(Step),
  missing: Type.Array(Type.String()),
  ...source,
})

export const EvaluateAnswer = Type.Object({
  regime: Type.String(),
  title: Type.String(),
  caution: Type.String(),
  zone: Type.String(),
  now: Type.String(),
  unusedFacts: Type.Array(Type.String()),
  clocks: Type.Array(ClockView),
})

export const RegimeList = Type.Object({
  regimes: Type.Array(
    Type.Object({
      name: Type.String(),
      title: Type.String(),
      jurisdiction: Type.String(),
      caution: Type.String(),
      own: Type.Boolean(),
      zone: OrNull(Type.String()),
      /** Kinds of institution it knows. */
      kinds: Type.Array(Type.String()),
      facts: Type.Array(Type.Object({ fact: Type.String(), meaning: Type.String() })),
      clocks: Type.Array(
        Type.Object({
          code: Type.String(),
          title: Type.String(),
          rule: Type.String(),
          startsWith: Type.String(),
          satisfiedBy: Type.String(),
          ...source,
        }),
      ),
      notExpressed: Type.Array(Type.String()),
    }),
  ),
  faults: Type.Array(
    Type.Object({ file: Type.String(), line: Type.Integer(), message: Type.String() }),
  ),
})
