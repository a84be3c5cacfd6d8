import Type, { type Static } from 'typebox'

const address = Type.String({ pattern: '^https?://', maxLength: 2000 })

/** The `store:` setting of the hub; docs/victoriametrics.md. */
export const storeSettings = Type.Object(
  {
    engine: Type.Enum(['victoriametrics']),
    /** Where samples are written: a single node, or vminsert. */
    write: address,
    /** Where they are read: vmselect; absent: as `write`. */
    read: Type.Optional(address),
    /** Of a cluster: `accountID` or `accountID:projectID`; absent: a single node. */
    tenant: Type.Optional(Type.String({ pattern: '^\\d{1,10}(:\\d{1,10})?$' })),
    username: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
    password: Type.Optional(Type.String({ minLength: 1, maxLength: 1000 })),
    /** Sent as `Authorization: Bearer`. */
    token: Type.Optional(Type.String({ minLength: 1, maxLength: 4000 })),
    /** How long after a write VictoriaMetrics is asked whether it holds it on disk. */
    settleSeconds: Type.Integer({ default: 30, minimum: 10, maximum: 600 }),
  },
  { additionalProperties: false },
)

export type VictoriaSettings = Readonly<Static<typeof storeSettings>>

/** What is wrong with the setting beyond its shape; shows no secret. */
export function storeFaults(setting: unknown): string[] {
  if (typeof setting !== 'object' || setting === null) return []
  const { write, read, username, password, token } = setting as Record<string, unknown>
  const faults = Object.entries({ write, read }).flatMap(([key, text]) =>
    typeof text === 'string' ? addressFaults(key, text) : [],
  )
  if ((username === undefined) !== (password === undefined))
    faults.push('username and password go together. Give both, or neither.')
  if (token !== undefined && username !== undefined)
    faults.push('give either token, or username and password.')
  return faults
}

function addressFaults(key: string, text: string): string[] {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined) return [`${key} is no URL. Example: ${key}: 'http://10.20.0.9:8428'`]
  if (url.username !== '' || url.password !== '')
    return [`${key} holds a password. Give it as username: and password: instead.`]
  if (url.search !== '' || url.hash !== '')
    return [`${key} must end before "?" and "#". Example: ${key}: 'http://10.20.0.9:8428'`]
  return []
}

/** Where VictoriaMetrics takes remote write and answers Prometheus's API, without `/api/v1`. */
export function endpointsOf({ write, read, tenant }: VictoriaSettings): {
  readonly write: string
  readonly read: string
} {
  const base = (text: string) => text.replace(/\/+$/, '')
  if (tenant === undefined) return { write: base(write), read: base(read ?? write) }
  return {
    write: `${base(write)}/insert/${tenant}/prometheus`,
    read: `${base(read ?? write)}/select/${tenant}/prometheus`,
  }
}

/** The header that lets the hub in; empty when none is needed. */
export function authorizationOf({
  token,
  username,
  password,
}: VictoriaSettings): Readonly<Record<string, string>> {
  if (token !== undefined) return { authorization: `Bearer ${token}` }
  if (username === undefined) return {}
  const pair = Buffer.from(`${username}:${password}`).toString('base64')
  return { authorization: `Basic ${pair}` }
}
