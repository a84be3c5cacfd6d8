import Type from 'typebox'

const Kind = Type.Union([Type.Literal('fact'), Type.Literal('attachment')])
const Id = Type.String({ minLength: 1, maxLength: 64 })

export const ErasureView = Type.Object({
  id: Type.String(),
  incident: Type.Integer(),
  kind: Kind,
  of: Type.String({ description: 'Id of the fact or the attachment.' }),
  fields: Type.Array(Type.String()),
  reason: Type.String(),
  askedBy: Type.String(),
  approvedBy: Type.String(),
  at: Type.String(),
})
export const ErasureList = Type.Object({ erasures: Type.Array(ErasureView) })
export const ErasureQuery = Type.Object(
  {
    incident: Type.Optional(Id),
    limit: Type.Integer({ minimum: 1, maximum: 1000, default: 200 }),
  },
  { additionalProperties: false },
)
export const ErasureBody = Type.Object(
  {
    incident: Id,
    kind: Kind,
    id: Id,
    fields: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 40 }), {
        minItems: 1,
        maxItems: 10,
        description: 'Fields of a fact; without it all that may hold personal data.',
      }),
    ),
    reason: Type.String({
      minLength: 1,
      maxLength: 2000,
      pattern: '\\S',
      description:
        'Who asked for it and on what ground; it stays, so write nothing here that is to go.',
    }),
  },
  { additionalProperties: false },
)
export const AskedFor = Type.Object({
  approval: Type.Object({
    id: Type.String({
      description: 'The request a second person agrees to, under /api/v1/approvals.',
    }),
    expiresAt: Type.String(),
  }),
})
