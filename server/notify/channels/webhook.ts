import { createHmac } from 'node:crypto'
import Type from 'typebox'
import { rfc3339 } from '../../clock.ts'
import { accepted, statusOutcome } from '../outcome.ts'
import {
  Authority,
  channel,
  type Delivery,
  fitted,
  headerSafe,
  settingsOf,
  urlFault,
  WebUrl,
} from './channel.ts'

/** Largest body that is sent. */
const bodyBytes = 256 * 1024

/** `v1=` and the HMAC-SHA256, hex, over timestamp, a dot and the body. docs/notify.md shows how to verify it. */
export function webhookSignature(secret: string, timestamp: string, body: string): string {
  return `v1=${createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')}`
}

/** The body: the message's fields and the texts made of them, version 1. */
export function webhookBody({
  message,
  rendered,
  language,
  idempotencyKey,
  reference,
}: Delivery): string {
  const time = (at: number | undefined) => (at === undefined ? undefined : rfc3339(at))
  const { startedAt, endedAt, alerts, ...rest } = message
  const make = (text: string, listed: typeof alerts) =>
    JSON.stringify({
      version: 1,
      id: idempotencyKey,
      reference,
      ...rest,
      language,
      startedAt: time(startedAt),
      endedAt: time(endedAt),
      alerts: listed?.map((alert) => ({ ...alert, startedAt: time(alert.startedAt) })),
      alertCount: alerts?.length ?? 0,
      text: { title: rendered.title, body: text, short: rendered.short },
    })
  const whole = make(rendered.text, alerts)
  if (Buffer.byteLength(whole) <= bodyBytes) return whole
  return make(fitted(rendered.text, 4000, language), alerts?.slice(0, 50))
}

/** A receiver of one's own: JSON, signed. */
export const webhook = channel({
  name: 'webhook',
  settings: settingsOf({
    url: WebUrl,
    secret: Type.String({ minLength: 16, maxLength: 256 }),
    authority: Type.Optional(Authority),
  }),
  secrets: ['url', 'secret'],
  personal: [],
  limits: [{ count: 20, perMillis: 1000 }],
  timeoutMillis: 10_000,
  target: ({ url }) => url,
  fault: ({ url }) => urlFault(url),
  async send(delivery, settings, tools) {
    const body = webhookBody(delivery)
    const timestamp = String(Math.floor(tools.now / 1000))
    const answer = await tools.request({
      method: 'POST',
      url: settings.url,
      headers: {
        'content-type': 'application/json; charset=utf-8',
        'idempotency-key': headerSafe(delivery.idempotencyKey),
        'callward-timestamp': timestamp,
        'callward-signature': webhookSignature(settings.secret, timestamp, body),
      },
      body,
      ...(settings.authority === undefined ? {} : { authority: settings.authority }),
    })
    return statusOutcome(answer, tools.now) ?? accepted(`HTTP ${answer.status}`)
  },
})
