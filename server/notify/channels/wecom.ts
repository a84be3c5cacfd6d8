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

/** Plain text of at most 2,048 bytes; without a list of names it mentions nobody. */
export function wecomBody({ rendered, language }: Delivery): unknown {
  const content = fitted(`${rendered.title}\n${rendered.text}`, 2048, language, utf8Bytes)
  return { msgtype: 'text', text: { content } }
}

/** A robot of a WeCom (WeChat Work) group. */
export const wecom = channel({
  name: 'wecom',
  settings: settingsOf({ url: WebUrl }),
  secrets: ['url'],
  personal: [],
  limits: [{ count: 20, perMillis: 60_000 }],
  timeoutMillis: 10_000,
  target: ({ url }) => url,
  fault: ({ url }) => urlFault(url),
  async send(delivery, { url }, tools) {
    const answer = await tools.request(jsonPost(url, wecomBody(delivery), delivery.idempotencyKey))
    return codeOutcome(
      answer,
      tools.now,
      { codes: ['errcode'], texts: ['errmsg'] },
      {
        [-1]: { means: 'WeCom is busy', retryAfterMillis: 5000 },
        45009: { means: 'too many messages for this robot', retryAfterMillis: 60_000 },
        45033: { means: 'too many calls at once', retryAfterMillis: 5000 },
      },
    )
  },
})
