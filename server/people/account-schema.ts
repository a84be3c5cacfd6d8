import Type, { type TSchema } from 'typebox'
import { RoleName } from './schema.ts'

const OrNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()])
const closed = { additionalProperties: false } as const

/** Names of people, and of programs. */
export const Name = Type.String({
  minLength: 1,
  maxLength: 64,
  pattern: '^[\\p{L}\\p{N}][\\p{L}\\p{N}._@ -]*$',
})
const StaffRole = Type.Enum(['admin', 'operator', 'auditor'])
/** Longer than the longest password may be in UTF-16, so that the answer says what is wrong with it. */
const Password = Type.String({ minLength: 1, maxLength: 1024 })
const Code = Type.String({ maxLength: 64 })
const Email = Type.String({ maxLength: 254, pattern: '^[^\\s@,;<>"]+@[^\\s@,;<>"]+$' })
export const IdParams = Type.Object({ id: Type.String({ minLength: 1, maxLength: 64 }) })

export const SessionRequest = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 64 }),
    password: Password,
    code: Type.Optional(Code),
  },
  closed,
)

export const SessionList = Type.Object({
  sessions: Type.Array(
    Type.Object({
      id: Type.String(),
      way: OrNull(Type.String()),
      address: OrNull(Type.String()),
      createdAt: Type.String(),
      lastSeenAt: Type.String(),
      expiresAt: Type.String(),
      current: Type.Boolean(),
    }),
  ),
})

export const SessionsEnded = Type.Object({ ended: Type.Integer() })

export const AccountView = Type.Object({
  name: Type.String(),
  role: RoleName,
  email: OrNull(Type.String()),
  passwordSetAt: OrNull(Type.String()),
  secondFactor: Type.Object({
    state: Type.Enum(['none', 'begun', 'on']),
    since: OrNull(Type.String()),
    required: Type.Boolean(),
    recoveryCodesLeft: Type.Integer(),
  }),
  teams: Type.Array(Type.Object({ id: Type.String(), name: Type.String() })),
})

export const PasswordChange = Type.Object({ password: Password, newPassword: Password }, closed)
export const PasswordByLink = Type.Object(
  { code: Type.String({ minLength: 1, maxLength: 200 }), password: Password },
  closed,
)
export const LinkOwner = Type.Object({ name: Type.String() })
export const LinkCode = Type.Object({ code: Type.String({ minLength: 1, maxLength: 200 }) }, closed)
export const PasswordProof = Type.Object({ password: Password }, closed)
export const FactorCode = Type.Object({ code: Code }, closed)
export const FactorBegun = Type.Object({
  secret: Type.String(),
  uri: Type.String(),
  /** SVG. */
  qr: Type.String(),
})
export const RecoveryCodes = Type.Object({ recoveryCodes: Type.Array(Type.String()) })

export const PersonRequest = Type.Object(
  { name: Name, role: StaffRole, email: Type.Optional(OrNull(Email)) },
  closed,
)
export const PersonPatch = Type.Object(
  {
    role: Type.Optional(StaffRole),
    email: Type.Optional(OrNull(Email)),
    disabled: Type.Optional(Type.Boolean()),
  },
  closed,
)
export const Person = Type.Object({
  id: Type.String(),
  name: Type.String(),
  role: RoleName,
  email: OrNull(Type.String()),
  createdAt: Type.String(),
  disabledAt: OrNull(Type.String()),
  hasPassword: Type.Boolean(),
  hasSecondFactor: Type.Boolean(),
  teams: Type.Array(Type.String()),
})
export const PersonList = Type.Object({ people: Type.Array(Person) })
export const PersonAnswer = Type.Object({ person: Person })
export const Invitation = Type.Object({ url: Type.String(), expiresAt: Type.String() })
export const Invited = Type.Object({ person: Person, invitation: Invitation })

export const TeamParams = Type.Object({
  id: Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,62}$', maxLength: 63 }),
})
export const TeamBody = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 100, pattern: '^[^\\p{Cc}]*$' }),
    members: Type.Array(Type.String({ minLength: 1, maxLength: 64 }), { maxItems: 1000 }),
  },
  closed,
)
export const TeamView = Type.Object({
  id: Type.String(),
  name: Type.String(),
  members: Type.Array(
    Type.Object({ id: Type.String(), name: Type.String(), enabled: Type.Boolean() }),
  ),
})
export const TeamList = Type.Object({ teams: Type.Array(TeamView) })
export const TeamAnswer = Type.Object({ team: TeamView })
