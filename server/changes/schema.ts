import Type from 'typebox'

const Text = (maxLength: number) => Type.String({ minLength: 1, maxLength, pattern: '\\S' })
const OrNull = (schema: ReturnType<typeof Type.String>) => Type.Union([schema, Type.Null()])
/** RFC 3339 with its zone. */
const Time = Type.String({
  pattern:
    '^\\d{4}-\\d{2}-\\d{2}[Tt ]\\d{2}:\\d{2}(:\\d{2}(\\.\\d{1,9})?)?([Zz]|[+-]\\d{2}:\\d{2})$',
})
const ChangeNumber = Type.Union([
  Type.Integer({ minimum: 1 }),
  Type.String({ minLength: 1, maxLength: 64 }),
])

const ItemKind = Type.Enum(['package', 'service', 'file', 'kernel'])
const State = Type.Enum(['draft', 'approved', 'in progress', 'closed', 'rejected'])
const VersionState = Type.Enum(['matched', 'open', 'linked'])

const Expected = Type.Object(
  { kind: ItemKind, subject: Text(4096), to: Type.Optional(Text(256)) },
  { additionalProperties: false },
)

const HourText = Type.String({ pattern: '^([01]\\d|2[0-3]):[0-5]\\d$' })
const Hours = Type.Object(
  {
    from: HourText,
    to: HourText,
    zone: Type.String({ pattern: '^[+-](0\\d|1[0-4]):[0-5]\\d$' }),
    days: Type.Optional(
      Type.Array(Type.Enum(['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']), {
        minItems: 1,
        maxItems: 7,
      }),
    ),
  },
  { additionalProperties: false },
)
/** With it a record covers what it says again and again, in these hours, until its window ends. */
const StandingBody = Type.Object(
  { origin: Type.Optional(Type.Enum(['security'])), hours: Type.Optional(Hours) },
  { additionalProperties: false },
)

const Window = Type.Object({ start: Time, end: Time }, { additionalProperties: false })

/** What a person writes; a correction is given whole. */
export const ChangeBody = Type.Object(
  {
    title: Text(200),
    description: Text(10_000),
    hosts: Type.Array(Text(1024), { minItems: 1, maxItems: 500 }),
    window: Window,
    expected: Type.Array(Expected, { maxItems: 500, default: [] }),
    standing: Type.Optional(StandingBody),
  },
  { additionalProperties: false },
)

export const NoteBody = Type.Object(
  { note: Type.Optional(Text(10_000)) },
  { additionalProperties: false },
)
export const ReasonBody = Type.Object({ reason: Text(10_000) }, { additionalProperties: false })
export const VerifyBody = Type.Object(
  { result: Type.Enum(['ok', 'failed']), note: Text(10_000) },
  { additionalProperties: false },
)
export const LinkBody = Type.Object(
  { change: ChangeNumber, reason: Text(10_000) },
  { additionalProperties: false },
)

export const IdParams = Type.Object({ id: Type.String({ minLength: 1, maxLength: 64 }) })
export const HostParams = Type.Object({ instance: Type.String({ minLength: 1, maxLength: 1024 }) })

/** `before`: the number of the last one seen, for the next page. */
const page = {
  before: Type.Optional(Type.Integer({ minimum: 1 })),
  limit: Type.Integer({ minimum: 1, maximum: 200, default: 50 }),
}
export const ChangeQuery = Type.Object(
  { state: Type.Optional(Type.Enum(['draft', 'approved', 'closed', 'rejected'])), ...page },
  { additionalProperties: false },
)
export const VersionQuery = Type.Object(
  { state: Type.Optional(VersionState), ...page },
  { additionalProperties: false },
)
export const HostChangesQuery = Type.Object(page, { additionalProperties: false })

const Verification = Type.Object({
  by: Type.String(),
  at: Type.String(),
  result: Type.Enum(['ok', 'failed']),
  note: Type.String(),
})

export const ChangeView = Type.Object({
  id: Type.String(),
  number: Type.Integer(),
  title: Type.String(),
  description: Type.String(),
  hosts: Type.Array(Type.String()),
  window: Type.Object({ start: Type.String(), end: Type.String() }),
  expected: Type.Array(Expected),
  standing: Type.Union([StandingBody, Type.Null()]),
  state: State,
  requestedBy: Type.String(),
  requestedAt: Type.String(),
  approvedBy: OrNull(Type.String()),
  approvedAt: OrNull(Type.String()),
  updatedAt: Type.String(),
})

export const EntryView = Type.Object({
  id: Type.String(),
  sequence: Type.Integer(),
  kind: Type.String(),
  value: Type.Unknown(),
  recordedAt: Type.String(),
  recordedBy: Type.String(),
  supersedes: OrNull(Type.String()),
})

export const VersionChangeView = Type.Object({
  id: Type.String(),
  number: Type.Integer(),
  instance: Type.String(),
  document: Type.String(),
  detectedAt: Type.String(),
  state: VersionState,
  items: Type.Array(
    Type.Object({
      kind: ItemKind,
      subject: Type.String(),
      from: OrNull(Type.String()),
      to: OrNull(Type.String()),
      covered: Type.Boolean(),
    }),
  ),
  /** Items that are not shown here. */
  omitted: Type.Integer(),
  uncovered: Type.Integer(),
  links: Type.Array(
    Type.Object({
      change: Type.Object({ id: Type.String(), number: Type.Integer(), title: Type.String() }),
      kind: Type.Enum(['matched', 'linked']),
      reason: Type.String(),
      at: Type.String(),
      by: Type.String(),
    }),
  ),
})

/** `next`: what to give as `before` for the following page; null on the last. */
const Next = Type.Union([Type.Integer(), Type.Null()])

export const ChangeList = Type.Object({ changes: Type.Array(ChangeView), next: Next })
export const ChangeDetail = Type.Object({
  change: Type.Intersect([
    ChangeView,
    Type.Object({
      verification: Type.Union([Verification, Type.Null()]),
      entries: Type.Array(EntryView),
      /** What it was linked to on hosts, newest first, at most 200. */
      versionChanges: Type.Array(VersionChangeView),
    }),
  ]),
})
export const VersionChangeList = Type.Object({
  versionChanges: Type.Array(VersionChangeView),
  next: Next,
})
export const VersionChangeDetail = Type.Object({ versionChange: VersionChangeView })
