import Type from 'typebox'
import { audiences, forms, noticeLimits } from './notice.ts'

const Time = Type.String({ format: 'date-time' })
const MaybeTime = Type.Union([Time, Type.Null()])
const MaybeText = Type.Union([Type.String(), Type.Null()])
const Name = Type.String({ minLength: 1, maxLength: 200 })

export const IncidentParams = Type.Object({ id: Type.String({ minLength: 1, maxLength: 64 }) })
export const NoticeParams = Type.Object({
  id: Type.String({ minLength: 1, maxLength: 64 }),
  notice: Type.String({ minLength: 1, maxLength: 64 }),
})

const wanted = {
  audience: Type.Enum([...audiences]),
  form: Type.Enum([...forms]),
  language: Type.Enum(['en', 'zh', 'vi', 'ru']),
  /** Without them what the template makes is taken. */
  title: Type.Optional(
    Type.String({ minLength: 1, maxLength: 2 * noticeLimits.titleCharacters, pattern: '\\S' }),
  ),
  text: Type.Optional(
    Type.String({ minLength: 1, maxLength: 2 * noticeLimits.textCharacters, pattern: '\\S' }),
  ),
  /** Ids or labels; without them those of the configuration. */
  contactPoints: Type.Optional(
    Type.Array(Name, { minItems: 1, maxItems: noticeLimits.contactPoints }),
  ),
  /** Id of a notice that this one corrects. */
  corrects: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
}
export const PreviewBody = Type.Object(wanted, { additionalProperties: false })
export const NoticeBody = Type.Object(
  {
    ...wanted,
    key: Type.Optional(Type.String({ minLength: 8, maxLength: 100 })),
  },
  { additionalProperties: false },
)

export const PreviewAnswer = Type.Object({
  title: Type.String(),
  text: Type.String(),
  missing: Type.Array(Type.String()),
  faults: Type.Array(Type.String()),
  nextUpdateAt: MaybeTime,
  needsApproval: Type.Boolean(),
  contactPoints: Type.Array(
    Type.Object({ id: Type.String(), label: Type.String(), channel: Type.String() }),
  ),
})

const DeliveryView = Type.Object({
  id: Type.String(),
  recipient: Type.String(),
  channel: Type.String(),
  contactPoint: MaybeText,
  /** `waiting`, `accepted` by the provider, `delivered`, `refused`, or `given_up` after 24 hours. */
  state: Type.String(),
  attempts: Type.Integer(),
  reason: Type.String(),
  key: Type.String(),
  openedAt: Time,
  updatedAt: Time,
})

export const NoticeView = Type.Object({
  id: Type.String(),
  series: Type.String(),
  version: Type.Integer(),
  audience: Type.String(),
  form: Type.String(),
  language: MaybeText,
  title: Type.String(),
  text: Type.String(),
  textHash: Type.String(),
  /** `waiting` for a second person, `rejected`, `expired`, `sent`. */
  state: Type.String(),
  approval: MaybeText,
  fact: MaybeText,
  nextUpdateAt: MaybeTime,
  writtenBy: Type.String(),
  approvedBy: MaybeText,
  writtenAt: Time,
  sentAt: MaybeTime,
  deliveries: Type.Array(DeliveryView),
})
export const NoticeAnswer = Type.Object({ notice: NoticeView })

export const CommunicationView = Type.Object({
  severity: Type.String(),
  /** Null: no updates are promised. */
  everyMinutes: Type.Union([Type.Integer(), Type.Null()]),
  /** What the promise counts from. */
  since: MaybeTime,
  nextUpdateDueAt: MaybeTime,
  overdue: Type.Boolean(),
  /** When its people were last told that it is overdue. */
  overdueToldAt: MaybeTime,
  notices: Type.Array(NoticeView),
  /** What the incident's own people were told. */
  words: Type.Array(NoticeView),
})
export const CommunicationAnswer = Type.Object({ communication: CommunicationView })
