import { createHmac } from 'node:crypto'
import Type from 'typebox'
import { codeOutcome } from '../outcome.ts'
import { utf8Bytes } from '../truncate.ts'
import {
  channel,
  type Delivery,
  fitted,
  fittedLine,
  jsonPost,
  settingsOf,
  urlFault,
  WebUrl,
} from './channel.ts'

/** The signature of a custom bot: the key is `timestamp\nsecret`, the signed text is empty. Seconds, base64. */
export function feishuSign(secret: string, timestampSeconds: string): string {
  return createHmac('sha256', `${timestampSeconds}\n${secret}`).digest('base64')
}

const colours: Readonly<Record<string, string>> = { critical: 'red', warning: 'orange' }

/** A card of plain text, so that nothing in an alert can mention anybody; a request may have 20 KB. */
export function feishuBody({
  rendered,
  message,
  language,
}: Delivery): Readonly<Record<string, unknown>> {
  const size = (text: string) => utf8Bytes(JSON.stringify(text))
  const plain = (content: string) => ({ tag: 'plain_text', content })
  const { url } = rendered
  return {
    msg_type: 'interactive',
    card: {
      config: { wide_screen_mode: true },
      header: {
        template:
          message.kind === 'resolved' ? 'green' : (colours[message.severity ?? ''] ?? 'blue'),
        title: plain(fittedLine(rendered.title, 300)),
      },
      elements: [
        { tag: 'div', text: plain(fitted(rendered.text, 14_000, language, size)) },
        ...(url === undefined
          ? []
          : [
              {
                tag: 'action',
                actions: [{ tag: 'button', type: 'primary', text: plain('Callward'), url }],
              },
            ]),
      ],
    },
  }
}

/** A custom bot of a Feishu or Lark group. */
export const feishu = channel({
  name: 'feishu',
  settings: settingsOf({
    url: WebUrl,
    secret: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
  }),
  secrets: ['url', 'secret'],
  personal: [],
  limits: [
    { count: 5, perMillis: 1000 },
    { count: 100, perMillis: 60_000 },
  ],
  timeoutMillis: 10_000,
  target: ({ url }) => url,
  fault: ({ url }) => urlFault(url),
  async send(delivery, { url, secret }, tools) {
    const timestamp = String(Math.floor(tools.now / 1000))
    const signed = secret === undefined ? {} : { timestamp, sign: feishuSign(secret, timestamp) }
    const body = { ...signed, ...feishuBody(delivery) }
    const answer = await tools.request(jsonPost(url, body, delivery.idempotencyKey))
    const keys = { codes: ['code', 'StatusCode'], texts: ['msg', 'StatusMessage'] }
    return codeOutcome(answer, tools.now, keys, {
      11232: { means: 'too many messages for this bot', retryAfterMillis: 60_000 },
    })
  },
})
