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
