import { accepted, retry, statusOutcome } from '../outcome.ts'
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

/** A message may have 28 KB; the card around the text is small. */
const textBytes = 24_000

const colours: Readonly<Record<string, string>> = { critical: 'Attention', warning: 'Warning' }

/** An Adaptive Card for a workflow with the trigger "When a Teams webhook request is received". Runs of text hold no markup. */
export function teamsBody({ rendered, message, language }: Delivery): unknown {
  const lines = fitted(rendered.text, textBytes / 2, language, (text) =>
    utf8Bytes(JSON.stringify(text)),
  ).split('\n')
  const colour =
    message.kind === 'resolved' ? 'Good' : (colours[message.severity ?? ''] ?? 'Default')
  const line = (text: string, more: object = {}) => ({
    type: 'RichTextBlock',
    inlines: [{ type: 'TextRun', text, ...more }],
  })
  const { url } = rendered
  return {
    type: 'message',
    attachments: [
      {
        contentType: 'application/vnd.microsoft.card.adaptive',
        contentUrl: null,
        content: {
          $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
          type: 'AdaptiveCard',
          version: '1.4',
          msteams: { width: 'Full' },
          fallbackText: fittedLine(rendered.title, 300),
          body: [
            line(fittedLine(rendered.title, 300), {
              weight: 'Bolder',
              size: 'Medium',
              color: colour,
            }),
            line(lines.join('\n')),
          ],
          ...(url === undefined
            ? {}
            : { actions: [{ type: 'Action.OpenUrl', title: 'Callward', url }] }),
        },
      },
    ],
  }
}

/** Microsoft Teams, by a workflow's webhook. */
export const teams = channel({
  name: 'teams',
  settings: settingsOf({ url: WebUrl }),
  secrets: ['url'],
  personal: [],
  limits: [{ count: 4, perMillis: 1000 }],
  timeoutMillis: 10_000,
  target: ({ url }) => url,
  fault: ({ url }) => urlFault(url),
  async send(delivery, { url }, tools) {
    const answer = await tools.request(jsonPost(url, teamsBody(delivery), delivery.idempotencyKey))
    // The older connectors answer 200 and say in the text that it failed.
    const failed = /HTTP error (\d{3})/.exec(answer.body)
    if (answer.status === 200 && failed !== null)
      return retry(`Teams says HTTP error ${failed[1]}`, 5000)
    return statusOutcome(answer, tools.now) ?? accepted(`HTTP ${answer.status}`)
  },
})
