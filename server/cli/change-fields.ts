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
