import Type from 'typebox'

const OrNull = (schema: ReturnType<typeof Type.String>) => Type.Union([schema, Type.Null()])

export const NameParams = Type.Object({ name: Type.String({ minLength: 1, maxLength: 200 }) })
const Hash = Type.String({ pattern: '^[0-9a-f]{64}$' })
export const HashParams = Type.Object({ hash: Hash })
export const VersionQuery = Type.Object({ version: Type.Optional(Hash) })

const headFields = {
  name: Type.String(),
  title: Type.String(),
  alert: Type.String(),
  severity: Type.String(),
  estimatedMinutes: Type.Number(),
  /** SHA-256 of the file's bytes. */
  hash: Type.String(),
}
export const RunbookList = Type.Object({ runbooks: Type.Array(Type.Object(headFields)) })

const Step = Type.Object({
  id: Type.String(),
  text: Type.String(),
  query: Type.Optional(Type.String()),
})
const Whole = Type.Object({
  ...headFields,
  roles: Type.Array(Type.String()),
  steps: Type.Array(Step),
  checks: Type.Array(Step),
  contacts: Type.Array(Type.Object({ who: Type.String(), how: Type.String() })),
  customerText: Type.Record(Type.String(), Type.String()),
  /** The whole file. */
  text: Type.String(),
})
export const RunbookAnswer = Type.Object({ runbook: Whole })

export const VersionList = Type.Object({
  versions: Type.Array(
    Type.Object({ hash: Type.String(), recordedAt: Type.String(), isCurrent: Type.Boolean() }),
  ),
})
export const VersionAnswer = Type.Object({
  name: Type.String(),
  hash: Type.String(),
  recordedAt: Type.String(),
  text: Type.String(),
})

export const UseAnswer = Type.Object({
  rulesWithoutRunbook: Type.Array(
    Type.Object({
      rule: Type.String(),
      group: Type.String(),
      file: Type.String(),
      severity: Type.String(),
      elsewhere: OrNull(Type.String()),
    }),
  ),
  neverUsed: Type.Array(
    Type.Object({ name: Type.String(), title: Type.String(), severity: Type.String() }),
  ),
  used: Type.Array(
    Type.Object({
      name: Type.String(),
      /** Null: the runbook is gone. */
      title: OrNull(Type.String()),
      incidents: Type.Integer(),
      pinned: Type.Integer(),
      opened: Type.Integer(),
      lastUsedAt: Type.String(),
    }),
  ),
})

export const AnswersQuery = Type.Object(
  {
    /** Id or number; its host is asked about, by the version it was worked by. */
    incident: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
    instance: Type.Optional(Type.String({ minLength: 1, maxLength: 1024 })),
  },
  { additionalProperties: false },
)
export const LiveAnswers = Type.Object({
  name: Type.String(),
  hash: Type.String(),
  instance: Type.String(),
  answers: Type.Array(
    Type.Object({
      id: Type.String(),
      text: Type.String(),
      of: Type.Enum(['step', 'check']),
      query: Type.String(),
      at: Type.String(),
      state: Type.Enum(['answered', 'nothing', 'failed']),
      values: Type.Array(
        Type.Object({ labels: Type.Record(Type.String(), Type.String()), value: Type.String() }),
      ),
      more: Type.Integer(),
      fault: Type.Optional(Type.String()),
    }),
  ),
})
