import Type from 'typebox'

const Position = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const Base64 = Type.String({ description: '32 bytes, base64.' })

export const LedgerQuery = Type.Object(
  {
    from: Type.Optional(Position),
    limit: Type.Integer({ minimum: 1, maximum: 1000, default: 100 }),
    objectType: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
    objectId: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
    epoch: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
  },
  { additionalProperties: false },
)

export const LedgerEntryView = Type.Object({
  index: Type.Integer({ description: 'Place in the tree, from 0.' }),
  entry: Type.String({ description: 'Canonical JSON (RFC 8785), the very text that is hashed.' }),
  leaf: Base64,
  treeLeaf: Type.Union([Base64, Type.Null()], {
    description: 'What the tree holds at that place.',
  }),
  opening: Type.Union([Type.Record(Type.String(), Type.Unknown()), Type.Null()], {
    description: 'Salts and texts behind the salted hashes, unless erased.',
  }),
})

export const LedgerPage = Type.Object({
  origin: Type.String(),
  size: Type.Integer({ description: 'Entries with a place in the tree.' }),
  entries: Type.Array(LedgerEntryView),
  next: Type.Union([Type.Integer(), Type.Null()], {
    description: '`from` of the next page; null at the end.',
  }),
})

export const LedgerStatus = Type.Object({
  origin: Type.String(),
  epoch: Type.Integer(),
  openedAt: Type.String(),
  size: Type.Integer(),
  waitingSeconds: Type.Number({ description: 'How long the oldest entry waits for its place.' }),
  inconsistency: Type.Union([Type.String(), Type.Null()], {
    description: 'Why no checkpoint is signed.',
  }),
  lastCheckpoint: Type.Union([
    Type.Object({ size: Type.Integer(), root: Base64, signedAt: Type.String() }),
    Type.Null(),
  ]),
  verifierKeys: Type.Array(Type.String(), { description: 'Keys as C2SP signed-note writes them.' }),
  epochs: Type.Array(
    Type.Object({
      number: Type.Integer(),
      origin: Type.String(),
      size: Type.Integer(),
      openedAt: Type.String(),
    }),
  ),
})

export const CheckpointQuery = Type.Object(
  {
    epoch: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
    after: Type.Integer({ minimum: -1, maximum: Number.MAX_SAFE_INTEGER, default: -1 }),
    limit: Type.Integer({ minimum: 1, maximum: 1000, default: 500 }),
  },
  { additionalProperties: false },
)

export const CheckpointList = Type.Object({
  checkpoints: Type.Array(Type.Object({ size: Type.Integer(), note: Type.String() })),
  next: Type.Union([Type.Integer(), Type.Null()]),
})

export const IndexParams = Type.Object({ index: Position })
export const ProofQuery = Type.Object(
  { size: Type.Optional(Position) },
  { additionalProperties: false },
)
export const InclusionProof = Type.Object({
  origin: Type.String(),
  index: Type.Integer(),
  size: Type.Integer(),
  leaf: Base64,
  entry: Type.String(),
  proof: Type.Array(Base64),
  root: Base64,
})

export const ConsistencyQuery = Type.Object(
  { from: Position, to: Type.Optional(Position) },
  { additionalProperties: false },
)
export const ConsistencyProof = Type.Object({
  origin: Type.String(),
  from: Type.Integer(),
  to: Type.Integer(),
  proof: Type.Array(Base64),
  fromRoot: Base64,
  toRoot: Base64,
})
