import Type from 'typebox'
import { policyLimits } from './policy.ts'
import { scheduleLimits, weekdays } from './schedule.ts'

const Text = (maxLength: number) => Type.String({ minLength: 1, maxLength, pattern: '\\S' })
const OrNull = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) =>
  Type.Union([schema, Type.Null()])
const closed = { additionalProperties: false } as const

/** What people call a schedule or policy; also its label in metrics, so no person's name. */
const slug = '^[a-z0-9][a-z0-9-]{0,62}$'
export const Slug = Type.String({ pattern: slug })
/** RFC 3339 with its zone. */
const Time = Type.String({
  maxLength: 40,
  pattern:
    '^\\d{4}-\\d{2}-\\d{2}[Tt ]\\d{2}:\\d{2}(:\\d{2}(\\.\\d{1,9})?)?([Zz]|[+-]\\d{2}:\\d{2})$',
})
const Day = Type.String({ pattern: '^\\d{4}-\\d{2}-\\d{2}$' })
const Clock = Type.String({ pattern: '^\\d{2}:\\d{2}$' })
const Zone = Type.String({ minLength: 1, maxLength: 64 })
/** A person's id, or name. */
const Person = Text(128)

const Window = Type.Object(
  {
    days: Type.Array(Type.Enum([...weekdays]), { minItems: 1, maxItems: 7 }),
    from: Clock,
    to: Clock,
  },
  closed,
)
const Rotation = Type.Object(
  {
    unit: Type.Enum(['hour', 'day', 'week']),
    count: Type.Integer({ minimum: 1, maximum: scheduleLimits.rotationCount, default: 1 }),
  },
  closed,
)

export const LayerBody = Type.Object(
  {
    name: Text(60),
    /** Default: the schedule's. */
    timeZone: Type.Optional(Zone),
    rotation: Rotation,
    handOff: Clock,
    startsOn: Day,
    endsOn: Type.Optional(Day),
    participants: Type.Array(Person, { maxItems: scheduleLimits.participants }),
    windows: Type.Array(Window, { maxItems: scheduleLimits.windows, default: [] }),
  },
  closed,
)

/** A schedule as a person writes it. */
export const ScheduleBody = Type.Object(
  {
    name: Text(120),
    description: Type.String({ maxLength: 2000, default: '' }),
    timeZone: Zone,
    /** Hours outside the windows of all layers are meant to have nobody. */
    plannedGaps: Type.Boolean({ default: false }),
    /** The first that has somebody wins. */
    layers: Type.Array(LayerBody, { maxItems: scheduleLimits.layers }),
  },
  closed,
)

const TargetBody = Type.Object(
  { kind: Type.Enum(['person', 'schedule', 'team', 'contact']), id: Text(128) },
  closed,
)
const Targets = (options: object) =>
  Type.Array(TargetBody, { maxItems: policyLimits.targetsOfStep, ...options })

/** An escalation policy as a person writes it. */
export const PolicyBody = Type.Object(
  {
    name: Text(120),
    description: Type.String({ maxLength: 2000, default: '' }),
    steps: Type.Array(
      Type.Object(
        {
          delaySeconds: Type.Integer({
            minimum: policyLimits.delaySecondsLeast,
            maximum: policyLimits.delaySecondsMost,
          }),
          targets: Targets({ minItems: 1 }),
        },
        closed,
      ),
      { minItems: 1, maxItems: policyLimits.steps },
    ),
    repeat: Type.Integer({ minimum: 0, maximum: policyLimits.repeat, default: 0 }),
    /** Told when nobody acknowledged: a policy without it would end in silence. */
    catchAll: Targets({ minItems: 1 }),
    catchAllEverySeconds: Type.Integer({ minimum: 60, maximum: 86_400, default: 900 }),
    acknowledgementSeconds: Type.Union(
      [
        Type.Integer({
          minimum: policyLimits.acknowledgementSecondsLeast,
          maximum: policyLimits.acknowledgementSecondsMost,
        }),
        Type.Null(),
      ],
      { default: null },
    ),
  },
  closed,
)

/** `revision`: the one that was read; another in the records is a conflict. Absent: it must not exist yet. */
const revision = Type.Optional(Type.Integer({ minimum: 1 }))
export const SaveSchedule = Type.Object({ schedule: ScheduleBody, revision }, closed)
export const SavePolicy = Type.Object({ policy: PolicyBody, revision }, closed)

export const OverrideBody = Type.Object(
  { person: Person, from: Time, to: Time, reason: Text(500) },
  closed,
)
export const NoteBody = Type.Object({ text: Text(10_000) }, closed)

/** Schedules and policies as a file holds them, by their ids. */
export const Plan = Type.Object(
  {
    schedules: Type.Record(Slug, ScheduleBody, { ...closed, default: {}, maxProperties: 500 }),
    policies: Type.Record(Slug, PolicyBody, { ...closed, default: {}, maxProperties: 500 }),
  },
  closed,
)
export const ApplyBody = Type.Object(
  {
    plan: Plan,
    /** false: carry it out; true: only say what would change. */
    dryRun: Type.Boolean({ default: true }),
    /** Delete what the plan does not name. */
    prune: Type.Boolean({ default: false }),
  },
  closed,
)

export const SlugParams = Type.Object({ id: Slug })
export const IdParams = Type.Object({ id: Type.String({ minLength: 1, maxLength: 64 }) })
export const AtQuery = Type.Object({ at: Type.Optional(Time) }, closed)
export const SpanQuery = Type.Object({ from: Type.Optional(Time), to: Type.Optional(Time) }, closed)
export const ReadinessQuery = Type.Object(
  { days: Type.Integer({ minimum: 1, maximum: 92, default: 14 }) },
  closed,
)
export const HistoryQuery = Type.Object(
  {
    type: Type.Optional(Type.Enum(['schedule', 'policy', 'override', 'handover'])),
    id: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
    before: Type.Optional(Type.Integer({ minimum: 1 })),
    limit: Type.Integer({ minimum: 1, maximum: 200, default: 50 }),
  },
  closed,
)
export const HandoverQuery = Type.Object(
  {
    schedule: Type.Optional(Slug),
    state: Type.Optional(Type.Enum(['open', 'acknowledged'])),
    limit: Type.Integer({ minimum: 1, maximum: 200, default: 50 }),
  },
  closed,
)

const PersonView = Type.Object({ id: Type.String(), name: Type.String(), enabled: Type.Boolean() })
const OnCallView = Type.Object({
  principalId: Type.String(),
  name: Type.String(),
  layer: Type.String(),
  /** At least until then. */
  until: Type.String(),
})

export const NowList = Type.Object({
  at: Type.String(),
  schedules: Type.Array(
    Type.Object({
      id: Type.String(),
      name: Type.String(),
      timeZone: Type.String(),
      onCall: Type.Array(OnCallView),
      /** Why nobody is, and until when at least. */
      gap: OrNull(
        Type.Object({ reason: Type.String(), until: Type.String(), planned: Type.Boolean() }),
      ),
      next: OrNull(Type.Object({ name: Type.String(), at: Type.String() })),
    }),
  ),
})

const LayerView = Type.Object({
  name: Type.String(),
  timeZone: Type.String(),
  rotation: Rotation,
  handOff: Type.String(),
  startsOn: Type.String(),
  endsOn: OrNull(Type.String()),
  participants: Type.Array(PersonView),
  windows: Type.Array(Window),
})
export const ScheduleView = Type.Object({
  id: Type.String(),
  revision: Type.Integer(),
  name: Type.String(),
  description: Type.String(),
  timeZone: Type.String(),
  plannedGaps: Type.Boolean(),
  layers: Type.Array(LayerView),
  updatedAt: Type.String(),
})

const SegmentView = Type.Object({
  from: Type.String(),
  to: Type.String(),
  person: OrNull(PersonView),
  /** Layer it comes from, `override`; empty in a gap. */
  layer: Type.String(),
  overrideId: OrNull(Type.String()),
  /** Why nobody; empty where somebody is. */
  reason: Type.String(),
})
export const OverrideView = Type.Object({
  id: Type.String(),
  schedule: Type.String(),
  person: PersonView,
  from: Type.String(),
  to: Type.String(),
  reason: Type.String(),
  createdBy: Type.String(),
  createdAt: Type.String(),
})
export const ExpansionView = Type.Object({
  from: Type.String(),
  to: Type.String(),
  /** Local days of the schedule's zone that it touches, whole; 23, 24 or 25 hours. */
  days: Type.Array(Type.Object({ date: Type.String(), from: Type.String(), to: Type.String() })),
  layers: Type.Array(Type.Object({ name: Type.String(), segments: Type.Array(SegmentView) })),
  final: Type.Array(SegmentView),
})

export const ScheduleList = Type.Object({ schedules: Type.Array(ScheduleView) })
export const ScheduleAnswer = Type.Object({ schedule: ScheduleView })
export const ScheduleDetail = Type.Object({
  schedule: ScheduleView,
  expansion: ExpansionView,
  overrides: Type.Array(OverrideView),
})
export const OverrideAnswer = Type.Object({ override: OverrideView })

const TargetView = Type.Object({
  kind: Type.String(),
  id: Type.String(),
  name: Type.String(),
  /** Whom it reaches now; empty with the reason. */
  now: Type.Array(Type.String()),
  reason: Type.String(),
})
export const PolicyView = Type.Object({
  id: Type.String(),
  revision: Type.Integer(),
  name: Type.String(),
  description: Type.String(),
  steps: Type.Array(Type.Object({ delaySeconds: Type.Integer(), targets: Type.Array(TargetView) })),
  repeat: Type.Integer(),
  catchAll: Type.Array(TargetView),
  catchAllEverySeconds: Type.Integer(),
  acknowledgementSeconds: OrNull(Type.Integer()),
  updatedAt: Type.String(),
})
export const PolicyList = Type.Object({ policies: Type.Array(PolicyView) })
export const PolicyAnswer = Type.Object({ policy: PolicyView })

export const PeopleList = Type.Object({ people: Type.Array(PersonView) })

export const HistoryList = Type.Object({
  history: Type.Array(
    Type.Object({
      sequence: Type.Integer(),
      type: Type.String(),
      id: Type.String(),
      action: Type.String(),
      before: Type.Unknown(),
      after: Type.Unknown(),
      recordedAt: Type.String(),
      recordedBy: Type.String(),
    }),
  ),
  next: OrNull(Type.Integer()),
})

const ShiftView = Type.Object({
  schedule: Type.String(),
  from: Type.String(),
  to: Type.String(),
  person: OrNull(Type.String()),
  state: Type.Enum(['ready', 'unready', 'unknown']),
  reason: OrNull(Type.String()),
  detail: Type.String(),
})
export const ReadinessAnswer = Type.Object({
  at: Type.String(),
  days: Type.Integer(),
  /** `ready` only where every shift is; without any schedule `unknown`. */
  state: Type.Enum(['ready', 'unready', 'unknown']),
  counts: Type.Object({
    ready: Type.Integer(),
    unready: Type.Integer(),
    unknown: Type.Integer(),
  }),
  shifts: Type.Array(ShiftView),
  /** Shifts beyond those shown. */
  omitted: Type.Integer(),
  overloads: Type.Array(
    Type.Object({
      kind: Type.String(),
      person: Type.String(),
      schedules: Type.Array(Type.String()),
      from: Type.String(),
      to: Type.String(),
    }),
  ),
  /** The last nightly proof; null before the first. */
  proof: OrNull(Type.Object({ day: Type.String(), provenAt: Type.String(), state: Type.String() })),
})

const Named = Type.Object({ id: Type.String(), text: Type.String() })
export const HandoverView = Type.Object({
  id: Type.String(),
  schedule: Type.String(),
  at: Type.String(),
  from: OrNull(PersonView),
  to: OrNull(PersonView),
  alerts: Type.Array(Named),
  incidents: Type.Array(Named),
  /** Open alerts and incidents beyond those listed. */
  omitted: Type.Integer(),
  notes: Type.Array(Type.Object({ text: Type.String(), by: Type.String(), at: Type.String() })),
  acknowledgedAt: OrNull(Type.String()),
})
export const HandoverList = Type.Object({ handovers: Type.Array(HandoverView) })
export const HandoverAnswer = Type.Object({ handover: HandoverView })
export const NoteAnswer = Type.Object({ note: Type.Object({ id: Type.String() }) })

export const PlanAnswer = Type.Object({ plan: Plan })
export const ApplyAnswer = Type.Object({
  applied: Type.Boolean(),
  changes: Type.Array(
    Type.Object({
      type: Type.Enum(['schedule', 'policy']),
      id: Type.String(),
      action: Type.Enum(['created', 'changed', 'deleted']),
      /** One line a value that differs: `layers.0.handOff: 09:00 -> 10:00`. */
      lines: Type.Array(Type.String()),
    }),
  ),
  unchanged: Type.Integer(),
})
