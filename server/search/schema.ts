import Type from 'typebox'

/** A day, or an instant with its zone. */
const Time = Type.String({
  pattern:
    '^\\d{4}-\\d{2}-\\d{2}([Tt ]\\d{2}:\\d{2}(:\\d{2}(\\.\\d{1,9})?)?([Zz]|[+-]\\d{2}:\\d{2}))?$',
})

export const SearchQuery = Type.Object(
  {
    q: Type.String({ minLength: 1, maxLength: 200 }),
    kind: Type.Enum(['all', 'incident', 'runbook'], { default: 'all' }),
    service: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
    from: Type.Optional(Time),
    to: Type.Optional(Time),
    cursor: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
    limit: Type.Integer({ minimum: 1, maximum: 50, default: 20 }),
  },
  { additionalProperties: false },
)

const marks = { type: 'array', items: { type: 'array', items: { type: 'integer' } } }
/** `marks`: pairs of beginning and end in UTF-16 units of `text`. */
const excerptFields = {
  text: Type.String(),
  marks: Type.Unsafe<(readonly [number, number])[]>(marks),
}
const Excerpt = Type.Object(excerptFields)

/** Fields of both kinds; those that a kind lacks are absent. */
const Result = Type.Object({
  kind: Type.Enum(['incident', 'runbook']),
  score: Type.Integer(),
  title: Excerpt,
  severity: Type.String(),
  id: Type.Optional(Type.String()),
  number: Type.Optional(Type.Integer()),
  state: Type.Optional(Type.String()),
  server: Type.Optional(Type.String()),
  openedAt: Type.Optional(Type.String()),
  name: Type.Optional(Type.String()),
  hash: Type.Optional(Type.String()),
  excerpts: Type.Array(
    Type.Object({
      ...excerptFields,
      fact: Type.Optional(Type.String()),
      kind: Type.Optional(Type.String()),
      occurredAt: Type.Optional(Type.String()),
    }),
  ),
})

export const SearchAnswer = Type.Object({
  results: Type.Array(Result),
  next: Type.Union([Type.String(), Type.Null()]),
  cut: Type.Boolean(),
})
