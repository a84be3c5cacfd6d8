import { accepted, clean, refused, retry, statusOutcome } from '../outcome.ts'
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

const escaped = (text: string) =>
  text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;')

/** What an incoming webhook takes: plain text in blocks, so that nothing in an alert can mention or link. */
export function slackBody({ rendered, language }: Delivery): unknown {
  const { title, text, url } = rendered
  const link = url === undefined ? undefined : `<${escaped(url).replace(/\|/g, '%7C')}>`
  return {
    // The line of the notification; blocks are what is shown.
    text: escaped(fittedLine(title, 300)),
    unfurl_links: false,
    unfurl_media: false,
    blocks: [
      { type: 'header', text: { type: 'plain_text', emoji: false, text: fittedLine(title, 150) } },
      {
        type: 'section',
        text: { type: 'plain_text', emoji: false, text: fitted(text, 3000, language) },
      },
      ...(link === undefined
        ? []
        : [{ type: 'context', elements: [{ type: 'mrkdwn', text: link }] }]),
    ],
  }
}

/** Slack's incoming webhooks, and what speaks like them. */
export const slack = channel({
  name: 'slack',
  settings: settingsOf({ url: WebUrl }),
  secrets: ['url'],
  personal: [],
  limits: [{ count: 1, perMillis: 1000 }],
  timeoutMillis: 10_000,
  target: ({ url }) => url,
  fault: ({ url }) => urlFault(url),
  async send(delivery, { url }, tools) {
    const answer = await tools.request(jsonPost(url, slackBody(delivery), delivery.idempotencyKey))
    const bad = statusOutcome(answer, tools.now)
    if (bad !== undefined) return bad
    if (answer.body.trim() === 'ok') return accepted('ok')
    return /^\s*</.test(answer.body)
      ? refused('a web page answered, not a webhook; check the address')
      : retry(`it answered "${clean(answer.body, 100)}" instead of "ok"`)
  },
})
