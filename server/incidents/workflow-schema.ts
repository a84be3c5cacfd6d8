import Type from 'typebox'

const Text = Type.String({ minLength: 1, maxLength: 10_000, pattern: '\\S' })
const Name = Type.String({ minLength: 1, maxLength: 200, pattern: '\\S' })
const Names = Type.Array(Name, { maxItems: 200 })
const Instant = Type.String({ minLength: 10, maxLength: 40 })
const Key = Type.String({
  minLength: 8,
  maxLength: 100,
  description: 'Names this request: sent again, it is carried out once.',
})

const Params = Type.Record(Type.String(), Type.Union([Type.String(), Type.Number()]))
/** A sentence of the hub: its code with what changes in it, and the English text. */
const said = {
  code: Type.Optional(Type.String()),
  params: Type.Optional(Params),
  text: Type.String(),
}

export const Missing = Type.Object({ guard: Type.Optional(Type.String()), ...said })

/** A fact as somebody sends it. */
export const FactBody = Type.Object(
  {
    kind: Type.String({ minLength: 1, maxLength: 60 }),
    value: Type.Record(Type.String(), Type.Unknown()),
    certainty: Type.Optional(Type.Union([Type.Literal('actual'), Type.Literal('estimate')])),
    occurredAt: Type.Optional(Instant),
    supersedes: Type.Optional(Name),
  },
  { additionalProperties: false },
)

const Facts = Type.Array(FactBody, { minItems: 1, maxItems: 50 })

export const FactsBody = Type.Object(
  { facts: Facts, key: Type.Optional(Key) },
  { additionalProperties: false },
)

export const StepBody = Type.Object(
  {
    to: Name,
    role: Name,
    with: Type.Optional(Facts),
    key: Type.Optional(Key),
  },
  { additionalProperties: false },
)

export const RecordBody = Type.Object(
  {
    title: Type.Optional(Type.String({ minLength: 1, maxLength: 500, pattern: '\\S' })),
    phenomenon: Text,
    services: Type.Array(Name, { minItems: 1, maxItems: 200 }),
    hosts: Type.Optional(Names),
    customers: Type.Optional(Names),
    occurredAt: Type.Optional(Instant),
    detectedAt: Type.Optional(Instant),
    severity: Type.Optional(
      Type.Union(['sev1', 'sev2', 'sev3', 'sev4'].map((one) => Type.Literal(one))),
    ),
    cause: Type.Optional(Text),
    discovery: Type.Optional(Name),
    key: Type.Optional(Key),
  },
  { additionalProperties: false },
)

const Millis = Type.Optional(Type.Number())

export const WorkflowView = Type.Object({
  state: Type.String(),
  roles: Type.Array(Type.Object({ role: Type.String(), people: Type.Array(Type.String()) })),
  mine: Type.Array(Type.String()),
  steps: Type.Array(
    Type.Object({
      to: Type.String(),
      rule: Type.String(),
      roles: Type.Array(Type.String()),
      role: Type.String(),
      because: Type.String(),
      needs: Type.Array(Type.String()),
      missing: Type.Array(Missing),
    }),
  ),
  owed: Type.Array(
    Type.Object({
      what: Type.String(),
      id: Type.String(),
      ...said,
      by: Type.String(),
      dueAt: Type.Optional(Type.String()),
    }),
  ),
  figures: Type.Object({
    durationMillis: Millis,
    downtimeMillis: Millis,
    interruptionMillis: Millis,
    toAcknowledgeMillis: Millis,
    toRespondMillis: Millis,
    toRestoreMillis: Millis,
    relapses: Type.Number(),
    estimated: Type.Boolean(),
  }),
  violations: Type.Array(Type.Object(said)),
})

export const WorkflowAnswer = Type.Object({ workflow: WorkflowView })

export const PostMortemQuery = Type.Object(
  {
    format: Type.Union(
      ['html', 'markdown', 'json', 'pdf'].map((one) => Type.Literal(one)),
      { default: 'html' },
    ),
    language: Type.Union(
      ['en', 'zh', 'vi', 'ru'].map((one) => Type.Literal(one)),
      { default: 'en' },
    ),
    zone: Type.Optional(Type.String({ minLength: 1, maxLength: 60 })),
    download: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
)
