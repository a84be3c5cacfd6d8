import Type from 'typebox'
import type { HttpRequest } from '../http.ts'
import { accepted, clean, refused, retry, statusOutcome } from '../outcome.ts'
import { smsSize } from '../sms-segments.ts'
import { fit } from '../truncate.ts'
import { Authority, channel, headerSafe, settingsOf, urlFault } from './channel.ts'

const places = ['to', 'text', 'key', 'reference'] as const

/** Fills `{to}`, `{text}`, `{key}`, `{reference}`; each value is encoded for the place it stands in. */
export function filled(
  template: string,
  values: Readonly<Record<(typeof places)[number], string>>,
  encode: (text: string) => string,
): string {
  return template.replace(/\{(to|text|key|reference)\}/g, (_, name: (typeof places)[number]) =>
    encode(values[name]),
  )
}

const encoders: Readonly<Record<string, (text: string) => string>> = {
  // Inside the quotes of a JSON text.
  'application/json': (text) => JSON.stringify(text).slice(1, -1),
  'application/x-www-form-urlencoded': encodeURIComponent,
  'text/plain': (text) => text,
}

/** Whether a text holds the pattern: literal, `*` for anything; time grows with the text only. */
export function holds(text: string, pattern: string): boolean {
  let from = 0
  for (const piece of pattern.split('*')) {
    const at = text.indexOf(piece, from)
    if (at < 0) return false
    from = at + piece.length
  }
  return true
}

/** The SMS within its number of parts; what is missing is told by three dots, which every alphabet has. */
export function smsText(short: string, segments: number): string {
  return fit(
    short,
    segments,
    () => '...',
    (text) => smsSize(text).segments,
  )
}

const headerLine = /^([A-Za-z0-9-]{1,64}):[ \t]*([\x20-\x7e]{0,1000})$/

function headersOf(
  lines: readonly string[],
  encode: (line: string) => string,
): Record<string, string> {
  return Object.fromEntries(
    lines.flatMap((line) => {
      const match = headerLine.exec(encode(line))
      return match?.[1] === undefined ? [] : [[match[1].toLowerCase(), match[2] ?? '']]
    }),
  )
}

/** Headers that decide where and how a request goes are the hub's own. */
const ownHeaders =
  /^(?:host|content-length|transfer-encoding|connection|upgrade|proxy-.*|te|trailer|expect)$/i

/** An SMS gateway that speaks HTTP; a shared contact point can lend the gateway to everybody's number. */
export const sms = channel({
  name: 'sms',
  settings: settingsOf({
    /** E.164. */
    to: Type.String({ pattern: '^\\+[1-9][0-9]{6,14}$' }),
    url: Type.String({ pattern: '^https?://[^\\s\\u0000-\\u001f]+$', maxLength: 2000 }),
    method: Type.Optional(Type.Enum(['GET', 'POST', 'PUT'])),
    /** `Name: value` each. */
    headers: Type.Optional(
      Type.Array(Type.String({ maxLength: 1100, pattern: '^[^\\r\\n\\u0000]+$' }), {
        maxItems: 10,
      }),
    ),
    contentType: Type.Optional(
      Type.Enum(['application/json', 'application/x-www-form-urlencoded', 'text/plain']),
    ),
    body: Type.Optional(Type.String({ maxLength: 4000 })),
    /** What the answer's text holds when the gateway took the message. */
    success: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
    segments: Type.Optional(Type.Integer({ minimum: 1, maximum: 10 })),
    authority: Type.Optional(Authority),
  }),
  secrets: ['url', 'headers', 'body'],
  personal: ['to'],
  limits: [{ count: 10, perMillis: 1000 }],
  timeoutMillis: 15_000,
  target: ({ url }) => url,
  fault({ url, headers = [], body, method = 'POST' }) {
    for (const line of headers) {
      const name = headerLine.exec(line)?.[1]
      if (name === undefined) return `headers: "${clean(line, 40)}" is not "Name: value"`
      if (ownHeaders.test(name)) return `headers: ${name} is set by the hub itself`
    }
    if (!`${url}${body ?? ''}`.includes('{text}'))
      return 'body: nothing says where the text goes; put {text} in the body or the address'
    if (!`${url}${body ?? ''}${headers.join('')}`.includes('{to}'))
      return 'body: nothing says where the number goes; put {to} in the body or the address'
    if (method === 'GET' && body !== undefined)
      return 'body: a GET has none; put {to} and {text} into the address'
    const host = new URL(
      filled(url, { to: 'a', text: 'a', key: 'a', reference: 'a' }, encodeURIComponent),
    ).host
    if (
      host !==
      new URL(filled(url, { to: 'b', text: 'b', key: 'b', reference: 'b' }, encodeURIComponent))
        .host
    )
      return 'url: the host must not depend on the message'
    return urlFault(url)
  },
  async send({ rendered, idempotencyKey, reference }, settings, tools) {
    const text = smsText(rendered.short, settings.segments ?? 3)
    const values = { to: settings.to, text, key: idempotencyKey, reference }
    const contentType = settings.contentType ?? 'application/json'
    const encode = encoders[contentType] ?? encodeURIComponent
    const request: HttpRequest = {
      method: settings.method ?? 'POST',
      url: filled(settings.url, values, encodeURIComponent),
      headers: {
        'idempotency-key': headerSafe(idempotencyKey),
        ...(settings.body === undefined ? {} : { 'content-type': `${contentType}; charset=utf-8` }),
        ...headersOf(settings.headers ?? [], (line) => filled(line, values, headerSafe)),
      },
      ...(settings.body === undefined ? {} : { body: filled(settings.body, values, encode) }),
      ...(settings.authority === undefined ? {} : { authority: settings.authority }),
    }
    const answer = await tools.request(request)
    const bad = statusOutcome(answer, tools.now)
    if (bad !== undefined) return bad
    const { segments, encoding } = smsSize(text)
    if (settings.success !== undefined && !holds(answer.body, settings.success))
      return answer.body === ''
        ? retry('the gateway answered without a text')
        : refused(
            `the gateway answered "${clean(answer.body, 160)}", which does not hold the success pattern`,
          )
    return accepted(`taken by the gateway, ${segments} part(s), ${encoding}`)
  },
})
