import fp from 'fastify-plugin'
import { Counter, Gauge } from 'prom-client'
import Type from 'typebox'
import { type Clock, rfc3339 } from '../clock.ts'
import { type HubConfig, publicUrl } from '../config.ts'
import type {} from '../incidents/plugin.ts'
import type {} from '../notify/plugin.ts'
import type {} from '../obligations/plugin.ts'
import type {} from '../people/plugin.ts'
import type {} from '../records/plugin.ts'
import type {} from '../rules/plugin.ts'
import type {} from '../telemetry/plugin.ts'
import { countWaiting, oldestWaiting, sweepEnded } from './messages.ts'
import { noteMessages, sendDuty } from './outbox.ts'

export interface WebhooksOptions {
  readonly clock: Clock
  readonly config: HubConfig
}

const sweepEveryMillis = 3_600_000
const readEveryMillis = 15_000
const shown = 100
const readers = { owner: 'webhooks', roles: ['admin', 'operator', 'auditor'] } as const

const WebhooksAnswer = Type.Object({
  webhooks: Type.Array(
    Type.Object({
      name: Type.String(),
      events: Type.Union([Type.Array(Type.String()), Type.Null()]),
      waiting: Type.Integer(),
    }),
  ),
  messages: Type.Array(
    Type.Object({
      id: Type.String(),
      webhook: Type.String(),
      incident: Type.String(),
      event: Type.String(),
      at: Type.String(),
      state: Type.String(),
      answer: Type.Union([Type.String(), Type.Null()]),
    }),
  ),
})

/** Tells other systems what happens to incidents. */
export const webhooksPlugin = fp(
  async (app, { clock, config }: WebhooksOptions) => {
    const { records } = app
    const webhooks = config.incidents?.webhooks ?? []
    const registers = [app.telemetry.registry]
    const messages = new Counter({
      name: 'callward_incident_webhook_messages_total',
      help: 'Messages about incidents to other systems that ended, by how: sent or given up.',
      labelNames: ['webhook', 'state'],
      registers,
    })
    let oldest = Number.POSITIVE_INFINITY
    app.rules.watchFigure('callward_incident_webhook_waiting_seconds', () =>
      Math.max(0, (clock.now() - oldest) / 1000),
    )
    new Gauge({
      name: 'callward_incident_webhook_waiting',
      help: 'Messages about incidents that a webhook has not taken yet.',
      labelNames: ['webhook'],
      registers,
      async collect() {
        const waiting = await countWaiting(records)
        this.reset()
        for (const { name } of webhooks) this.set({ webhook: name }, waiting.get(name) ?? 0)
      },
    })
    const parts = {
      ...{ app, clock, webhooks, url: publicUrl(config) },
      ended: (state: string, webhook: string) => messages.labels(webhook, state).inc(),
    }
    if (webhooks.length > 0) app.incidents.onFacts(noteMessages(parts))
    app.obligations.register(sendDuty(parts))

    app.get(
      '/api/v1/incidents/webhooks',
      { config: { access: readers }, schema: { response: { 200: WebhooksAnswer } } },
      async () => {
        const [counts, rows] = await Promise.all([
          countWaiting(records),
          records.read
            .selectFrom('incident_webhook_messages')
            .select(['id', 'webhook', 'incident_id', 'event', 'at', 'state', 'answer'])
            .orderBy('id', 'desc')
            .limit(shown)
            .execute(),
        ])
        return {
          webhooks: webhooks.map(({ name, events }) => ({
            ...{ name, events: events === undefined ? null : [...events] },
            waiting: counts.get(name) ?? 0,
          })),
          messages: rows.map(({ incident_id: incident, at, ...row }) => ({
            ...{ ...row, incident, at: rfc3339(Number(at)) },
          })),
        }
      },
    )
    let sweeping = Promise.resolve()
    let reading = Promise.resolve()
    let timer: NodeJS.Timeout | undefined
    let readTimer: NodeJS.Timeout | undefined
    app.addHook('onReady', async () => {
      readTimer = setInterval(() => {
        reading = oldestWaiting(records)
          .then((at) => {
            oldest = at
          })
          .catch(() => undefined)
      }, readEveryMillis)
      readTimer.unref()
      timer = setInterval(() => {
        sweeping = sweepEnded(records, clock).catch((err: unknown) =>
          app.log.warn({ err }, 'old messages about incidents not removed'),
        )
      }, sweepEveryMillis)
      timer.unref()
    })
    app.addHook('preClose', async () => {
      clearInterval(timer)
      clearInterval(readTimer)
      await sweeping
      await reading
    })
  },
  {
    name: 'callward-webhooks',
    dependencies: [
      'callward-records',
      'callward-telemetry',
      'callward-obligations',
      'callward-incidents',
      'callward-notify',
      'callward-rules',
    ],
  },
)
