import Type from 'typebox'
import { handshakeLimits } from '../../collector/wire/handshake.ts'

const Name = Type.String({
  minLength: 1,
  maxLength: 128,
  pattern: '^[^\\u0000-\\u001f\\u007f\\ud800-\\udfff]+$',
})
const Bytes32 = Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' })
const Bytes64 = Type.String({ pattern: '^[A-Za-z0-9_-]{86}$' })
const TimeOrNull = Type.Union([Type.String(), Type.Null()])
const TextOrNull = Type.Union([Type.String(), Type.Null()])

export const GivenLabels = Type.Object(
  {
    customer: Type.Optional(Name),
    site: Type.Optional(Name),
    role: Type.Optional(Name),
    env: Type.Optional(Name),
  },
  { additionalProperties: false },
)

export const Machine = Type.Record(
  Type.String({ pattern: '^[a-z][a-z0-9-]{0,31}$' }),
  Type.String({ pattern: '^[A-Za-z0-9_-]{22}$' }),
  { maxProperties: handshakeLimits.machineFacts, additionalProperties: false },
)

export const InstanceParams = Type.Object({ instance: Name })

export const TokenRequest = Type.Object(
  {
    instance: Type.Optional(Name),
    labels: Type.Optional(GivenLabels),
    /** An active enrolment of the host gives way when the token is used. */
    replace: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
)

export const NewToken = Type.Object({
  id: Type.String(),
  token: Type.String({ description: 'Shown once.' }),
  expiresAt: Type.String(),
  instance: TextOrNull,
  hubKey: Type.String({ description: 'Fingerprint of the hub’s public key.' }),
  url: Type.String({ description: 'Where collectors reach the hub, as far as the hub knows.' }),
  tlsPin: Type.Union([Type.String(), Type.Null()], {
    description:
      'SHA-256 of the public key in the hub’s certificate, base64, as curl --pinnedpubkey takes it; null when the hub ends no TLS.',
  }),
  bundle: Type.String({ description: 'Path of the collector in one file.' }),
})

export const IdentityRequest = Type.Object({ nonce: Bytes32 }, { additionalProperties: false })

export const Identity = Type.Object({
  hubKey: Bytes32,
  binding: Type.Enum(['tls-exporter', 'tls-proxy', 'local']),
  signature: Bytes64,
})

export const RegistrationRequest = Type.Object(
  {
    token: Type.String({ pattern: '^cwe_[A-Za-z0-9_-]{43}$' }),
    instance: Name,
    version: Type.String({ pattern: '^[\\x21-\\x7e]{1,64}$' }),
    publicKey: Bytes32,
    link: Bytes32,
    machine: Machine,
    signature: Bytes64,
  },
  { additionalProperties: false },
)

export const Registered = Type.Object({
  enrolment: Type.String(),
  instance: Type.String(),
  labels: GivenLabels,
})

const EnrolmentView = Type.Object({
  id: Type.String(),
  instance: Type.String(),
  state: Type.Enum(['active', 'revoked', 'replaced']),
  connected: Type.Boolean(),
  publicKey: Type.String({ description: 'Fingerprint of the collector’s public key.' }),
  sessions: Type.Integer(),
  machine: Type.Array(Type.String(), {
    description: 'Facts the machine is known by; never their values.',
  }),
  version: Type.String(),
  createdAt: Type.String(),
  createdBy: Type.String(),
  lastSessionAt: TimeOrNull,
  endedAt: TimeOrNull,
  endedBy: TextOrNull,
  refusals: Type.Integer(),
  lastRefusedAt: TimeOrNull,
  lastRefusal: TextOrNull,
  lastRefusedFrom: TextOrNull,
})

const TokenView = Type.Object({
  id: Type.String(),
  instance: TextOrNull,
  state: Type.Enum(['waiting', 'used', 'expired']),
  createdAt: Type.String(),
  createdBy: Type.String(),
  expiresAt: Type.String(),
  usedAt: TimeOrNull,
  usedFrom: TextOrNull,
  enrolment: TextOrNull,
  misuses: Type.Integer(),
  lastMisusedAt: TimeOrNull,
  lastMisusedFrom: TextOrNull,
})

export const EnrolmentList = Type.Object({
  hubKey: Type.String(),
  enrolments: Type.Array(EnrolmentView),
  tokens: Type.Array(TokenView, { description: 'The newest 50.' }),
})
