import Type from 'typebox'
import { channelNames } from './contact-point.ts'
import { forms } from './default-texts.ts'
import { languages, messageKinds } from './message.ts'
import { templateLimits } from './templates.ts'

const Text = (most: number) =>
  Type.String({ minLength: 1, maxLength: most, pattern: '^[^\\u0000-\\u001f\\u007f]+$' })
const Language = Type.Enum([...languages])
const TimeZone = Type.String({ pattern: '^[A-Za-z0-9_+/-]{1,64}$' })
/** Each channel's own schema checks them. */
const Settings = Type.Record(Type.String({ pattern: '^[A-Za-z]{1,40}$' }), Type.Unknown(), {
  maxProperties: 20,
  additionalProperties: false,
})

export const IdParams = Type.Object({ id: Type.String({ minLength: 1, maxLength: 64 }) })

const OwnerView = Type.Object({
  kind: Type.Enum(['person', 'team', 'shared']),
  id: Type.String(),
  name: Type.String(),
})

export const ContactPointRequest = Type.Object(
  {
    channel: Type.Enum([...channelNames]),
    label: Text(100),
    /** Absent: the caller. */
    owner: Type.Optional(
      Type.Object(
        { kind: Type.Enum(['person', 'team', 'shared']), id: Type.Optional(Text(64)) },
        { additionalProperties: false },
      ),
    ),
    language: Type.Optional(Language),
    timeZone: Type.Optional(TimeZone),
    settings: Settings,
  },
  { additionalProperties: false },
)

export const ContactPointChange = Type.Object(
  {
    label: Type.Optional(Text(100)),
    language: Type.Optional(Language),
    timeZone: Type.Optional(TimeZone),
    /** Keys that are absent stay; `null` takes one out. */
    settings: Type.Optional(Settings),
    disabled: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
)

export const ContactPointView = Type.Object({
  id: Type.String(),
  channel: Type.String(),
  label: Type.String(),
  owner: OwnerView,
  language: Language,
  timeZone: Type.String(),
  /** Without secrets; empty for who may not see them. */
  settings: Type.Record(Type.String(), Type.Unknown()),
  secrets: Type.Array(Type.String()),
  /** True when a shared contact point lends what is missing. */
  lent: Type.Boolean(),
  testedAt: Type.Union([Type.String(), Type.Null()]),
  testOutcome: Type.Union([Type.String(), Type.Null()]),
  testReason: Type.Union([Type.String(), Type.Null()]),
  disabledAt: Type.Union([Type.String(), Type.Null()]),
  createdAt: Type.String(),
  /** Whether the caller may change and test it. */
  mine: Type.Boolean(),
})

export const ContactPointAnswer = Type.Object({ contactPoint: ContactPointView })
export const ContactPointList = Type.Object({ contactPoints: Type.Array(ContactPointView) })

export const ChannelList = Type.Object({
  channels: Type.Array(
    Type.Object({
      name: Type.String(),
      /** Keys that are enough where a shared contact point lends the rest. */
      personal: Type.Array(Type.String()),
      /** Whether there is one that lends. */
      lends: Type.Boolean(),
      fields: Type.Array(
        Type.Object({
          key: Type.String(),
          required: Type.Boolean(),
          secret: Type.Boolean(),
          input: Type.Enum(['line', 'number', 'choice', 'lines', 'text']),
          choices: Type.Array(Type.String()),
        }),
      ),
    }),
  ),
})

export const OutcomeView = Type.Object({
  outcome: Type.Enum(['accepted', 'delivered', 'retry', 'refused']),
  reason: Type.String(),
  retryAfterSeconds: Type.Union([Type.Number(), Type.Null()]),
  providerReference: Type.Union([Type.String(), Type.Null()]),
})

export const PreviewRequest = Type.Object(
  {
    kind: Type.Enum([...messageKinds]),
    channel: Type.Optional(Type.Enum(channelNames.filter((name) => name !== 'live'))),
    language: Type.Optional(Language),
    timeZone: Type.Optional(TimeZone),
    /** Administrators: a template that is not installed yet. */
    template: Type.Optional(
      Type.String({ minLength: 1, maxLength: templateLimits.characters * 2 }),
    ),
    form: Type.Optional(Type.Enum([...forms])),
  },
  { additionalProperties: false },
)

export const PreviewAnswer = Type.Object({
  title: Type.String(),
  text: Type.String(),
  short: Type.String(),
  sms: Type.Object({ encoding: Type.String(), units: Type.Integer(), segments: Type.Integer() }),
  /** Own templates that failed; the default text stands in for them. */
  faults: Type.Array(Type.String()),
})

export const AttemptQuery = Type.Object(
  {
    contactPoint: Type.Optional(Type.String({ maxLength: 64 })),
    key: Type.Optional(Type.String({ maxLength: 200 })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500 })),
  },
  { additionalProperties: false },
)

export const AttemptList = Type.Object({
  attempts: Type.Array(
    Type.Object({
      at: Type.String(),
      contactPoint: Type.String(),
      channel: Type.String(),
      kind: Type.String(),
      key: Type.String(),
      outcome: Type.String(),
      reason: Type.String(),
      providerReference: Type.Union([Type.String(), Type.Null()]),
      durationSeconds: Type.Number(),
    }),
  ),
})
