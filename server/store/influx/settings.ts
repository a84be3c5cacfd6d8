import Type, { type Static } from 'typebox'

/** A name that needs no quoting in a line of a log, a URL or a query. */
const name = { pattern: '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$' }

/** The `influx:` setting of the hub; docs/influxdb.md. */
export const influxSettings = Type.Object(
  {
    /** InfluxDB 1.x, or a later one where it takes writes of 1.x. */
    url: Type.String({ pattern: '^https?://', maxLength: 2000 }),
    /** Made when it is missing. */
    database: Type.String({ ...name, default: 'callward' }),
    /** Made when it is missing, as the database's default. */
    retentionPolicy: Type.String({ ...name, default: 'callward' }),
    /** How long InfluxDB keeps samples, when the policy is made; 0 keeps everything. */
    retentionDays: Type.Integer({ default: 0, minimum: 0, maximum: 36_500 }),
    username: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
    password: Type.Optional(Type.String({ minLength: 1, maxLength: 1000 })),
    /** How long an answer is waited for. */
    timeoutSeconds: Type.Integer({ default: 30, minimum: 1, maximum: 600 }),
  },
  { additionalProperties: false },
)

export type InfluxSettings = Readonly<Static<typeof influxSettings>>

/** What is wrong with the setting beyond its shape; shows no secret. */
export function influxFaults(setting: unknown): string[] {
  if (typeof setting !== 'object' || setting === null) return []
  const { url: text, username, password } = setting as Record<string, unknown>
  const faults = typeof text === 'string' ? addressFaults(text) : []
  if ((username === undefined) !== (password === undefined))
    faults.push('username and password go together. Give both, or neither.')
  if (typeof username === 'string' && username.includes(':'))
    faults.push('username holds a colon, which HTTP does not allow there. Give another user.')
  return faults
}

function addressFaults(text: string): string[] {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined) return ["url is no URL. Example: url: 'http://10.20.0.9:8086'"]
  if (url.username !== '' || url.password !== '')
    return ['url holds a password. Give it as username: and password: instead.']
  if (url.search !== '' || url.hash !== '')
    return [`url must end before "?" and "#". Example: url: 'http://10.20.0.9:8086'`]
  return []
}
