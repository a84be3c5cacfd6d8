import fp from 'fastify-plugin'
import { Counter, Gauge } from 'prom-client'
import type { AlertChange } from '../../alerts/alert.ts'
import type { Clock, Millis } from '../clock.ts'
import { type HubConfig, publicUrl } from '../config.ts'
import type {} from '../ledger/plugin.ts'
import type {} from '../live/plugin.ts'
import type {} from '../notify/plugin.ts'
import type {} from '../obligations/plugin.ts'
import type {} from '../oncall/plugin.ts'
import type { RecordsTransaction } from '../records/records.ts'
import type {} from '../rules/plugin.ts'
import { escalationDuty } from './escalation-duty.ts'
import { hubPorts } from './hub-ports.ts'
import { messageOf } from './message.ts'
import { missedDuty } from './missed-duty.ts'
import { Pager } from './pager.ts'
import { findPage, pageOfAlert, shoutingPages } from './paging-store.ts'
import { stampReceipts } from './receipts.ts'
import { pageRoutes } from './routes.ts'
import { defaultTellingTimes, TellingDuty, type TellingTimes } from './telling-duty.ts'
import { toldRoutes } from './told-routes.ts'

/** Alerts that page somebody, and the proof of it. */
export interface Paging {
  /**
   * Takes a change of an alert into its page, inside the caller's transaction: a critical alert opens one, an
   * acknowledgement stops it, recovery of all closes it. Call `app.obligations.wake()` after the commit.
   */
  alertChanged(
    tx: RecordsTransaction,
    change: AlertChange,
    incidentId: string | undefined,
  ): Promise<void>
  /** Somebody has taken an alert, perhaps for the second time: takes its page where that is open. */
  alertTaken(alertId: string, by: string, at: Millis): Promise<void>
}

declare module 'fastify' {
  interface FastifyInstance {
    paging: Paging
  }
}

export interface PagingOptions {
  readonly clock: Clock
  readonly config: HubConfig
  readonly times?: Partial<TellingTimes>
}

const countEveryMillis = 5_000

export const pagingPlugin = fp(
  async (app, { clock, config, times }: PagingOptions) => {
    const { records, obligations, oncall } = app
    const ports = hubPorts(app, config.escalationPolicy)
    const duties = { records, clock, ports, obligations, escalation: oncall.escalation }
    const pager = new Pager(duties)
    let shouting = 0
    const countShouting = async () => {
      shouting = await shoutingPages(records.read)
    }
    const counting = setInterval(() => {
      countShouting().catch((err: unknown) => app.log.warn({ err }, 'pages could not be counted'))
    }, countEveryMillis)
    counting.unref()
    app.addHook('preClose', async () => clearInterval(counting))
    obligations.register(escalationDuty(duties))
    obligations.register(
      new TellingDuty({
        ...duties,
        times: { ...defaultTellingTimes, ...times },
        messageOf: (page, telling) => messageOf(records.read, page, telling, publicUrl(config)),
      }),
    )
    obligations.register(missedDuty(pager))

    oncall.provideContactPoints(async (ids) => {
      const pointsOf = (id: string) => app.notify.contactPointsOf({ kind: 'person', id })
      return new Map(ids.map((id) => [id, pointsOf(id)]))
    })
    oncall.provideResolvers({
      contact: (id) =>
        app.notify.contactPoint(id) === undefined ? undefined : [{ kind: 'contact', id }],
    })
    app.live.onReceipts((tx, receipts) => stampReceipts(tx, receipts))
    app.decorate('paging', {
      async alertChanged(tx, change, incidentId) {
        await pager.take(tx, change, incidentId)
      },
      async alertTaken(alertId, by, at) {
        if ((await pageOfAlert(records.read, alertId))?.state !== 'open') return
        await records.write(async (tx) => {
          const row = await pageOfAlert(tx, alertId)
          if (row !== undefined) await pager.acknowledge(tx, row, by, at)
        })
        obligations.wake()
      },
    })
    app.rules.watchFigure('callward_obligations_lost', () => obligations.lost().length)
    app.rules.watchFigure('callward_obligations_overdue_seconds', () =>
      obligations.overdueSeconds(),
    )
    app.rules.watchFigure('callward_pages_shouting', () => shouting)
    await app.register(pageRoutes, {
      // The rules register after paging, which they call.
      acknowledge: async (fingerprint, by) => {
        await app.rules.acknowledge(fingerprint, by, clock.now())
      },
      async take(pageId, by) {
        await records.write(async (tx) =>
          pager.acknowledge(tx, await findPage(tx, pageId), by.name, clock.now()),
        )
        obligations.wake()
      },
    })
    await app.register(toldRoutes)
    registerMetrics()

    function registerMetrics(): void {
      new Gauge({
        name: 'callward_pages',
        help: 'Pages that are not closed, by state: open (nobody has taken it), acknowledged.',
        labelNames: ['state'],
        registers: [app.telemetry.registry],
        async collect() {
          const rows = await records.read
            .selectFrom('pages')
            .select((is) => ['state', is.fn.countAll<number>().as('count')])
            .where('state', '<>', 'closed')
            .groupBy('state')
            .execute()
            .catch(() => undefined)
          for (const state of rows === undefined ? [] : ['open', 'acknowledged'])
            this.set({ state }, Number(rows?.find((row) => row.state === state)?.count ?? 0))
        },
      })
      ports.attempts = new Counter({
        name: 'callward_page_attempts_total',
        help: 'Attempts to tell somebody of a page, by channel and outcome.',
        labelNames: ['channel', 'outcome'],
        registers: [app.telemetry.registry],
      })
    }
  },
  {
    name: 'callward-paging',
    dependencies: [
      'callward-records',
      'callward-access',
      'callward-live',
      'callward-obligations',
      'callward-oncall',
      'callward-notify',
      'callward-ledger',
    ],
  },
)
