import Type, { type TSchema } from 'typebox'

const OrNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()])

export const ApprovalQuery = Type.Object(
  {
    state: Type.Optional(Type.Enum(['open', 'approved', 'rejected', 'expired'])),
    limit: Type.Integer({ minimum: 1, maximum: 500, default: 100 }),
  },
  { additionalProperties: false },
)
export const ApprovalRequest = Type.Object(
  {
    kind: Type.String({ minLength: 1, maxLength: 64 }),
    subject: Type.String({ minLength: 1, maxLength: 300 }),
  },
  { additionalProperties: false },
)
export const Rejection = Type.Object(
  { reason: Type.String({ minLength: 1, maxLength: 2000 }) },
  { additionalProperties: false },
)
export const IdParams = Type.Object({ id: Type.String({ minLength: 1, maxLength: 64 }) })

const view = {
  id: Type.String(),
  kind: Type.String(),
  title: Type.String(),
  subject: Type.String(),
  state: Type.Enum(['open', 'approved', 'rejected', 'expired']),
  requestedBy: Type.String(),
  requestedAt: Type.String(),
  expiresAt: Type.String(),
  decidedBy: OrNull(Type.String()),
  decidedAt: OrNull(Type.String()),
  reason: OrNull(Type.String()),
  /** Whether who asks may agree to it. */
  mayApprove: Type.Boolean(),
  /** Whether who asks may reject it or take it back. */
  mayReject: Type.Boolean(),
}
export const ApprovalView = Type.Object(view)
export const ApprovalDetail = Type.Object({
  approval: Type.Object({ ...view, content: Type.Unknown() }),
})
export const ApprovalList = Type.Object({ approvals: Type.Array(ApprovalView) })
