import { UsageError } from './command.ts'

export interface ExpectedField {
  readonly kind: string
  readonly subject: string
  readonly to?: string
}

const kinds = ['package', 'service', 'file', 'kernel']

/** `a,b` as a list; empty parts are left out. */
export function listField(text: string | undefined): string[] {
  return (text ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
}

/** `package:asterisk=1:20.6.0~dfsg-1,file:/etc/asterisk/pjsip.conf`; the kind is `package` where none is given. Throws UsageError. */
export function expectedField(text: string | undefined): ExpectedField[] {
  return listField(text).map((part) => {
    const [, kind = 'package', rest = part] = /^([a-z]+):(.+)$/s.exec(part) ?? []
    const named = kinds.includes(kind)
    const field = named ? rest : part
    const equals = field.indexOf('=')
    const subject = equals < 0 ? field : field.slice(0, equals)
    if (subject === '')
      throw new UsageError(
        `"${part}" names nothing. Example: --expect package:asterisk=1:20.6.0~dfsg-1`,
      )
    const to = equals < 0 ? undefined : field.slice(equals + 1)
    return { kind: named ? kind : 'package', subject, ...(to === undefined ? {} : { to }) }
  })
}

export interface StandingField {
  readonly origin?: string
  readonly hours?: {
    readonly from: string
    readonly to: string
    readonly zone: string
    readonly days?: readonly string[]
  }
}

/** What makes a record stand; undefined where nothing does. `offsetMinutes` is this machine's, east of UTC. Throws UsageError. */
export function standingField(
  given: {
    readonly standing: boolean
    readonly origin: string | undefined
    readonly daily: string | undefined
    readonly days: string | undefined
  },
  offsetMinutes: number,
): StandingField | undefined {
  const { standing, origin, daily, days } = given
  if (!standing && origin === undefined && daily === undefined && days === undefined)
    return undefined
  if (origin !== undefined && origin !== 'security')
    throw new UsageError(`--origin ${origin} is not known; only this one is: --origin security`)
  const named = listField(days)
  if (daily === undefined) {
    if (named.length > 0)
      throw new UsageError('--days needs the hours. Example: --daily 01:00-04:00')
    return origin === undefined ? {} : { origin }
  }
  const [, from, to, zone] =
    /^(\d{2}:\d{2})-(\d{2}:\d{2})(Z|[+-]\d{2}:\d{2})?$/.exec(daily.trim()) ?? []
  if (from === undefined || to === undefined)
    throw new UsageError(
      `"${daily}" is no part of a day. Example: --daily 23:00-04:00, or --daily 23:00-04:00+07:00`,
    )
  const hours = { from, to, zone: zone === 'Z' ? '+00:00' : (zone ?? offsetText(offsetMinutes)) }
  return {
    ...(origin === undefined ? {} : { origin }),
    hours: named.length === 0 ? hours : { ...hours, days: named },
  }
}

function offsetText(minutes: number): string {
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0')
  const size = Math.abs(minutes)
  return `${minutes < 0 ? '-' : '+'}${two(size / 60)}:${two(size % 60)}`
}

/** The time as the hub takes it: RFC 3339 with a zone, or local time without one. Throws UsageError. */
export function timeField(text: string | undefined, name: string): string {
  const example = `Example: --${name} 2026-03-02T22:00:00+07:00, or --${name} '2026-03-02 22:00' in this machine's zone`
  if (text === undefined)
    throw new UsageError(`Say the window's ${name === 'from' ? 'start' : 'end'}. ${example}`)
  const shape =
    /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)(Z|[+-]\d{2}:\d{2})?$/i.exec(
      text.trim(),
    )
  const at = shape === null ? Number.NaN : Date.parse(`${shape[1]}T${shape[2]}${shape[3] ?? ''}`)
  if (Number.isNaN(at)) throw new UsageError(`"${text}" is no time. ${example}`)
  return new Date(at).toISOString()
}
