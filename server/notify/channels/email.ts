import { createHash } from 'node:crypto'
import { isIP } from 'node:net'
import nodemailer from 'nodemailer'
import Type, { type Static } from 'typebox'
import { rfc3339 } from '../../clock.ts'
import { abortable } from '../http.ts'
import { accepted, clean, type Outcome, refused, retry } from '../outcome.ts'
import {
  Authority,
  channel,
  type Delivery,
  fitted,
  fittedLine,
  settingsOf,
  type Tools,
} from './channel.ts'

// One address and nothing else: no name, no list, no line end, no quoted local part (RFC 5321 allows it, nobody has it).
const Address = Type.String({
  pattern:
    "^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?$",
  maxLength: 254,
})

const Settings = settingsOf({
  to: Address,
  from: Address,
  host: Type.String({ pattern: '^[A-Za-z0-9_.:-]{1,253}$' }),
  port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65_535 })),
  /** `tls` from the first byte, `starttls` or nothing is sent, `none` only past a relay that is trusted. */
  security: Type.Optional(Type.Enum(['starttls', 'tls', 'none'])),
  user: Type.Optional(
    Type.String({ minLength: 1, maxLength: 256, pattern: '^[^\\u0000-\\u001f]+$' }),
  ),
  password: Type.Optional(
    Type.String({ minLength: 1, maxLength: 1024, pattern: '^[^\\u0000-\\u001f]+$' }),
  ),
  authority: Type.Optional(Authority),
})

/** Characters of a mail's text. */
const textCharacters = 20_000

/** Refuses what would end a header and begin another. Throws HeaderInjection. */
export function headerValue(name: string, value: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be in a header
  if (/[\r\n\u0000]/.test(value))
    throw new HeaderInjection(`${name}: a line end inside a header of an e-mail is refused`)
  return value
}

export class HeaderInjection extends Error {}

/** The same for each attempt, so that a mail server or reader drops repeats. */
export function messageIdOf(idempotencyKey: string, from: string): string {
  const digest = createHash('sha256').update(idempotencyKey).digest('hex').slice(0, 40)
  return `<${digest}@${from.split('@')[1] ?? 'callward.invalid'}>`
}

/** The parts of a mail, each header checked. Throws HeaderInjection. */
export function mailOf(
  { rendered, idempotencyKey, language, message }: Delivery,
  settings: Pick<Static<typeof Settings>, 'to' | 'from'>,
  now: number,
) {
  return {
    from: headerValue('from', settings.from),
    to: headerValue('to', settings.to),
    subject: fittedLine(headerValue('subject', rendered.title), 200),
    text: fitted(rendered.text, textCharacters, language),
    messageId: messageIdOf(idempotencyKey, settings.from),
    date: rfc3339(now),
    headers: {
      // RFC 3834: no out-of-office answers.
      'Auto-Submitted': 'auto-generated',
      'Content-Language': headerValue('language', language),
      ...(message.severity === 'critical' ? { Importance: 'high', 'X-Priority': '1' } : {}),
    },
    disableFileAccess: true,
    disableUrlAccess: true,
  }
}

/** SMTP through a relay; a shared contact point can lend the relay to everybody's address. */
export const email = channel({
  name: 'email',
  settings: Settings,
  secrets: ['password'],
  personal: ['to'],
  limits: [{ count: 100, perMillis: 60_000 }],
  timeoutMillis: 20_000,
  target: ({ host, port }) => `${host.toLowerCase()}:${port ?? ''}`,
  fault: ({ user, password, security }) => {
    if ((user === undefined) !== (password === undefined))
      return 'password: user and password go together'
    if (security === 'none' && user !== undefined)
      return 'security: a password is not sent without TLS; use starttls or tls'
    return undefined
  },
  async send(delivery, settings, tools) {
    let mail: ReturnType<typeof mailOf>
    try {
      mail = mailOf(delivery, settings, tools.now)
    } catch (error) {
      if (error instanceof HeaderInjection) return refused(error.message)
      throw error
    }
    const { security = 'starttls' } = settings
    const port = settings.port ?? (security === 'tls' ? 465 : security === 'none' ? 25 : 587)
    const addresses = await tools.addressesOf(settings.host, port)
    let last: Outcome = retry('the relay has no address')
    for (const address of addresses) {
      last = await sendBy(address, port, mail, settings, tools)
      if (!(last.outcome === 'retry' && last.reason.startsWith('connection'))) return last
    }
    return last
  },
})

/** One try over one checked address. */
async function sendBy(
  address: string,
  port: number,
  mail: ReturnType<typeof mailOf>,
  settings: Static<typeof Settings>,
  tools: Tools,
): Promise<Outcome> {
  const { security = 'starttls', user, password, authority, host } = settings
  const transport = nodemailer.createTransport({
    // An address: nothing is resolved again.
    host: address,
    port,
    secure: security === 'tls',
    requireTLS: security === 'starttls',
    ignoreTLS: security === 'none',
    tls: {
      minVersion: 'TLSv1.2',
      rejectUnauthorized: true,
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ...(authority === undefined ? {} : { ca: authority }),
    },
    ...(user === undefined || password === undefined ? {} : { auth: { user, pass: password } }),
    connectionTimeout: 8000,
    greetingTimeout: 8000,
    socketTimeout: 15_000,
    dnsTimeout: 1000,
    disableFileAccess: true,
    disableUrlAccess: true,
  })
  try {
    const info = await abortable(transport.sendMail(mail), tools.signal)
    return accepted(clean(info.response, 160))
  } catch (error) {
    if (tools.signal.aborted) throw error
    return smtpOutcome(error)
  } finally {
    transport.close()
  }
}

interface SmtpError extends Error {
  readonly code?: string
  readonly responseCode?: number
  readonly response?: string
  readonly command?: string
}

const greylistMillis = 60_000

/** 4xx: later, a greylisting relay after a minute; 5xx: refused (RFC 5321 §4.2.1). */
export function smtpOutcome(error: unknown): Outcome {
  const { code, responseCode, response, message, command } = error as SmtpError
  const said = clean(response ?? message, 200)
  if (responseCode !== undefined && responseCode >= 500)
    return refused(command === 'STARTTLS' ? `the relay offers no TLS: ${said}` : said)
  if (responseCode !== undefined && responseCode >= 400) return retry(said, greylistMillis)
  if (/certificate|self.signed|altnames|CERT_/i.test(`${code} ${message}`))
    return refused(
      `the relay’s certificate is not trusted: ${clean(message, 120)}. Enter its authority, or the name it is made for.`,
    )
  if (code === 'EAUTH') return refused(`signing in to the relay failed: ${said}`)
  if (code === 'ETLS') return refused(`the relay offers no TLS: ${said}`)
  if (code === 'ECONNECTION' || code === 'ESOCKET' || code === 'ETIMEDOUT')
    return retry(`connection: ${said}`)
  return retry(said)
}
