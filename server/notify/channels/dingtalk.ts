import { createHmac } from 'node:crypto'
import Type from 'typebox'
import { codeOutcome } from '../outcome.ts'
import { utf8Bytes } from '../truncate.ts'
import {
  channel,
  type Delivery,
  fitted,
  jsonPost,
  settingsOf,
  urlFault,
  WebUrl,
} from './channel.ts'

/** The `sign` parameter: HMAC-SHA256 by the secret over `timestamp\nsecret`, milliseconds, base64 (not yet percent-encoded). */
export function dingtalkSign(secret: string, timestampMillis: string): string {
  return createHmac('sha256', secret).update(`${timestampMillis}\n${secret}`).digest('base64')
}

/** The address with `timestamp` and `sign`. */
export function dingtalkUrl(
  url: string,
  secret: string | undefined,
  timestampMillis: string,
): string {
  if (secret === undefined) return url
  const signed = new URL(url)
  signed.searchParams.set('timestamp', timestampMillis)
  signed.searchParams.set('sign', dingtalkSign(secret, timestampMillis))
  return signed.href
}

/** Plain text, which cannot mention anybody without the `at` list; a message may have 20,000 bytes. */
export function dingtalkBody({ rendered, language }: Delivery): unknown {
  const size = (text: string) => utf8Bytes(JSON.stringify(text))
  const content = fitted(`${rendered.title}\n\n${rendered.text}`, 18_000, language, size)
  return { msgtype: 'text', text: { content }, at: { isAtAll: false } }
}

/** More than 20 in a minute, and the robot is silenced for ten. */
const silencedMillis = 600_000

/** A custom robot of a DingTalk group. */
export const dingtalk = channel({
  name: 'dingtalk',
  settings: settingsOf({
    url: WebUrl,
    secret: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
  }),
  secrets: ['url', 'secret'],
  personal: [],
  limits: [{ count: 20, perMillis: 60_000 }],
  timeoutMillis: 10_000,
  target: ({ url }) => url,
  fault: ({ url }) => urlFault(url),
  async send(delivery, { url, secret }, tools) {
    const signed = dingtalkUrl(url, secret, String(tools.now))
    const answer = await tools.request(
      jsonPost(signed, dingtalkBody(delivery), delivery.idempotencyKey),
    )
    return codeOutcome(
      answer,
      tools.now,
      { codes: ['errcode'], texts: ['errmsg'] },
      {
        [-1]: { means: 'DingTalk is busy', retryAfterMillis: 5000 },
        130101: { means: 'too many messages for this robot', retryAfterMillis: silencedMillis },
        410100: { means: 'too many messages for this robot', retryAfterMillis: silencedMillis },
      },
    )
  },
})
