import { createHmac } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import type { Clock } from '../clock.ts'
import { uuid } from '../ids.ts'
import type { Settled } from '../incidents/plugin.ts'
import type { HttpAnswer } from '../notify/plugin.ts'
import type { ObligationKind, Opening } from '../obligations/plugin.ts'
import { later, type Records } from '../records/records.ts'
import type { IncidentWebhookMessageRow } from '../records/schema.ts'
import { endsWithin } from '../time-limit.ts'
import { bodyOf, type ConfiguredWebhook, eventsOf, wants } from './events.ts'

export const webhookKind = 'incident-webhook'
/** A receiver that has not taken a message for so long never gets it; it is counted. */
export const givenUpMillis = 3 * 86_400_000
const timeoutMillis = 10_000
const longestWaitMillis = 15 * 60_000

export interface OutboxParts {
  readonly app: FastifyInstance
  readonly clock: Clock
  readonly webhooks: readonly ConfiguredWebhook[]
  readonly url: string
  readonly ended: (state: 'sent' | 'given up', webhook: string) => void
}

/** Writes a message for each receiver that wants one, in the transaction of the facts; sending comes after. */
export function noteMessages({ app, clock, webhooks, url }: OutboxParts): Settled {
  return async (tx, { before, after, picture, facts }) => {
    const opened = picture.facts[0]
    // What is of the past is no news.
    if (opened?.kind === 'opened' && opened.value.how === 'import' && before === undefined) return
    const at = clock.now()
    for (const event of eventsOf(before, after, facts))
      for (const webhook of webhooks.filter((one) => wants(one, event))) {
        const id = uuid(at)
        const body = bodyOf({ id, event, at }, after, facts, picture.facts.length, url)
        const row = { id, webhook: webhook.name, incident_id: after.id, event, body, at }
        const message = { ...row, state: 'waiting', answer: null, ended_at: null }
        await later(tx, tx.insertInto('incident_webhook_messages').values(message))
        await app.obligations.open(tx, opening(message))
      }
  }
}

/** Receivers do not wait for each other. */
function opening({ id, webhook, at }: IncidentWebhookMessageRow, key = id): Opening {
  return { kind: webhookKind, subject: id, key, lane: webhook, dueAt: Number(at) }
}

/** Sends what waits, at least once, each time under the same key. */
export function sendDuty(parts: OutboxParts): ObligationKind {
  const { app, clock, webhooks } = parts
  const { records } = app
  const read = async (id: string) =>
    records.read
      .selectFrom('incident_webhook_messages')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst()
  return {
    kind: webhookKind,
    promise: 'another system that asked for it is told what happened to an incident',
    concurrency: 4,
    attemptMillis: 20_000,
    async perform({ subject, payload }, signal) {
      const row = await read(subject)
      if (row === undefined || row.state !== 'waiting') return {}
      const webhook = webhooks.find(({ name }) => name === row.webhook)
      if (webhook === undefined)
        return ended(row, 'given up', 'the webhook is not in the configuration any more')
      const answer = await attempt(webhook, row, signal)
      if (answer.taken) return ended(row, 'sent', answer.text)
      if (clock.now() - Number(row.at) > givenUpMillis) return ended(row, 'given up', answer.text)
      await keepAnswer(row.id, answer.text)
      // Not an attempt that failed: who does not take it is another system, and the hub's own duties are not behind for that.
      const tries = ((payload as { tries?: number } | null)?.tries ?? 0) + 1
      const dueAt = clock.now() + Math.min(longestWaitMillis, 2000 * 2 ** Math.min(tries, 10))
      return { again: { dueAt, payload: { tries } } }
    },
    owed: (from) =>
      (from as Records['read'])
        .selectFrom('incident_webhook_messages')
        .select('id as subject')
        .where('state', '=', 'waiting'),
    async mend(tx, subject) {
      const row = await tx
        .selectFrom('incident_webhook_messages')
        .selectAll()
        .where('id', '=', subject)
        .executeTakeFirst()
      if (row === undefined) return false
      return app.obligations.open(tx, opening(row, `${row.id} ${uuid(clock.now())}`))
    },
  }

  function ended(row: IncidentWebhookMessageRow, state: 'sent' | 'given up', answer: string) {
    return {
      async settle(tx: Parameters<ObligationKind['mend']>[0]) {
        await tx
          .updateTable('incident_webhook_messages')
          .set({ state, answer: answer.slice(0, 500), ended_at: clock.now() })
          .where('id', '=', row.id)
          .execute()
      },
      committed: () => parts.ended(state, row.webhook),
    }
  }

  async function keepAnswer(id: string, answer: string): Promise<void> {
    await records.write((tx) =>
      tx
        .updateTable('incident_webhook_messages')
        .set({ answer: answer.slice(0, 500) })
        .where('id', '=', id)
        .execute(),
    )
  }

  async function attempt(
    { url, secret }: ConfiguredWebhook,
    { id, body }: IncidentWebhookMessageRow,
    signal: AbortSignal,
  ): Promise<{ readonly taken: boolean; readonly text: string }> {
    const timestamp = String(Math.floor(clock.now() / 1000))
    const within = endsWithin(timeoutMillis, signal)
    try {
      const answer: HttpAnswer = await app.notify.request(
        {
          method: 'POST',
          url,
          headers: {
            'content-type': 'application/json; charset=utf-8',
            'idempotency-key': id,
            'callward-timestamp': timestamp,
            'callward-signature': signatureOf(secret, timestamp, body),
          },
          body,
        },
        within,
      )
      return { taken: answer.status >= 200 && answer.status < 300, text: `HTTP ${answer.status}` }
    } catch (error) {
      return { taken: false, text: error instanceof Error ? error.message : String(error) }
    }
  }
}

/** As docs/notify.md says of signed webhooks: `v1=` and the HMAC-SHA256, hex, over timestamp, a dot and the body. */
function signatureOf(secret: string, timestamp: string, body: string): string {
  return `v1=${createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')}`
}
