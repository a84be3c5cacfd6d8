import Type from 'typebox'

export const HostParams = Type.Object({ instance: Type.String({ minLength: 1, maxLength: 1024 }) })

const BaselineView = Type.Object({
  role: Type.String(),
  version: Type.String(),
  approvedBy: Type.String(),
  approvedAt: Type.String(),
  packages: Type.Integer(),
  services: Type.Integer(),
  files: Type.Integer(),
  forbidden: Type.Integer(),
})

export const BaselineList = Type.Object({
  baselines: Type.Array(BaselineView),
  /** Versions in the folder that two people have not agreed on yet. */
  waiting: Type.Array(
    Type.Object({ role: Type.String(), version: Type.String(), file: Type.String() }),
  ),
  faults: Type.Array(
    Type.Object({ file: Type.String(), line: Type.Integer(), message: Type.String() }),
  ),
})

export const FindingView = Type.Object({
  kind: Type.Enum(['drift', 'missing', 'forbidden', 'unapproved change', 'unknown']),
  subject: Type.String(),
  expected: Type.String(),
  found: Type.String(),
  /** Of an unapproved change: the number to link. */
  versionChange: Type.Optional(Type.Integer()),
})

export const DriftView = Type.Object({
  instance: Type.String(),
  role: Type.String(),
  state: Type.Enum(['ok', 'drift', 'unknown']),
  baseline: Type.Union([BaselineView, Type.Null()]),
  findings: Type.Array(FindingView),
  /** Findings beyond the first 1,000. */
  omitted: Type.Integer(),
})
