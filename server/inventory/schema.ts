import Type from 'typebox'

const Figure = Type.Union([Type.Number(), Type.Null()])

export const SectionView = Type.Object({
  name: Type.String(),
  state: Type.Enum(['ok', 'absent', 'denied', 'error']),
  detail: Type.String(),
})

export const HostView = Type.Object({
  instance: Type.String(),
  server: Type.String(),
  customer: Type.String(),
  site: Type.String(),
  role: Type.String(),
  env: Type.String(),
  simulated: Type.Boolean(),
  state: Type.Enum(['ok', 'attention', 'critical', 'silent', 'unknown']),
  connected: Type.Boolean(),
  lastReportAt: Type.Union([Type.String(), Type.Null()]),
  version: Type.String(),
  intervalSeconds: Type.Number(),
  firing: Type.Integer(),
  figures: Type.Object({
    cpuUsedRatio: Figure,
    load1: Figure,
    memoryUsedRatio: Figure,
    fullestFilesystemRatio: Figure,
    uptimeSeconds: Figure,
    clockOffsetSeconds: Figure,
  }),
  sections: Type.Array(SectionView),
})

export const HostList = Type.Object({ hosts: Type.Array(HostView) })

export const HostDetail = Type.Object({
  host: HostView,
  sections: Type.Array(SectionView),
  facts: Type.Record(
    Type.String(),
    Type.Object({ receivedAt: Type.String(), document: Type.Unknown() }),
  ),
})

export const InstanceParams = Type.Object({
  instance: Type.String({ minLength: 1, maxLength: 1024 }),
})

export const DocumentParams = Type.Object({
  instance: Type.String({ minLength: 1, maxLength: 1024 }),
  name: Type.String({ minLength: 1, maxLength: 128 }),
})

/** RFC 3339 with its zone; in an address `+` has to be written `%2B`. */
export const DocumentQuery = Type.Object(
  {
    at: Type.Optional(
      Type.String({
        pattern:
          '^\\d{4}-\\d{2}-\\d{2}[Tt ]\\d{2}:\\d{2}:\\d{2}(\\.\\d{1,9})?([Zz]|[+-]\\d{2}:\\d{2})$',
      }),
    ),
  },
  { additionalProperties: false },
)

export const DocumentView = Type.Object({
  instance: Type.String(),
  name: Type.String(),
  hash: Type.String(),
  receivedAt: Type.String(),
  document: Type.Unknown(),
})
