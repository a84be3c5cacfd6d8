import Type from 'typebox'
import { roles } from './access.ts'

export const RoleName = Type.Enum([...roles])

const Name = Type.String({
  minLength: 1,
  maxLength: 64,
  pattern: '^[\\p{L}\\p{N}][\\p{L}\\p{N}._@ -]*$',
})

export const TokenRequest = Type.Object(
  { name: Name, role: RoleName, label: Type.Optional(Type.String({ maxLength: 200 })) },
  { additionalProperties: false },
)

export const NewToken = Type.Object({
  id: Type.String(),
  token: Type.String(),
  name: Type.String(),
  role: RoleName,
})

export const TokenList = Type.Object({
  tokens: Type.Array(
    Type.Object({
      id: Type.String(),
      name: Type.String(),
      role: RoleName,
      label: Type.String(),
      createdAt: Type.String(),
      lastUsedAt: Type.Union([Type.String(), Type.Null()]),
      revokedAt: Type.Union([Type.String(), Type.Null()]),
    }),
  ),
})

export const SignInRequest = Type.Object(
  {
    code: Type.Optional(Type.String({ maxLength: 200 })),
    token: Type.Optional(Type.String({ maxLength: 200 })),
  },
  { additionalProperties: false },
)

export const SignedIn = Type.Object({ name: Type.String(), role: RoleName })

export const SignInLink = Type.Object({ url: Type.String(), expiresAt: Type.String() })

export const Me = Type.Object({
  name: Type.String(),
  role: RoleName,
  /** True when the role needs a second factor that is not set up yet: nothing else is open until then. */
  needsSecondFactor: Type.Boolean(),
  hub: Type.Object({ version: Type.String(), simulated: Type.Boolean() }),
})
