import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { AlertChange, AlertView } from '../../alerts/alert.ts'
import type { Clock, Millis } from '../clock.ts'
import { type HubConfig, publicUrl } from '../config.ts'
import type {} from '../holds/plugin.ts'
import type {} from '../ledger/plugin.ts'
import type {} from '../live/plugin.ts'
import type {} from '../notify/plugin.ts'
import type {} from '../obligations/plugin.ts'
import type {} from '../oncall/plugin.ts'
import type { RecordsTransaction } from '../records/records.ts'
import type {} from '../rules/plugin.ts'
import { Asks, type PlainPage } from './asks.ts'
import { escalationDuty } from './escalation-duty.ts'
import { hubPorts } from './hub-ports.ts'
import { messageOf } from './message.ts'
import { pagingMetrics } from './metrics.ts'
import { missedDuty } from './missed-duty.ts'
import { giveNotice, type Notice, whyUntaken } from './notices.ts'
import { groupKeyOf } from './page.ts'
import { Pager, type PageWord } from './pager.ts'
import { findPage, pagesOfAlert, shoutingPages } from './paging-store.ts'
import { type PlainNotice, sayPlainly } from './plain-words.ts'
import { prunePages } from './pruning.ts'
import { stampReceipts } from './receipts.ts'
import { pageRoutes } from './routes.ts'
import { defaultTellingTimes, TellingDuty, type TellingTimes } from './telling-duty.ts'
import { toldRoutes } from './told-routes.ts'

export type { PlainPage } from './asks.ts'
export type { Notice, NoticeTarget } from './notices.ts'
export type { PageWord } from './pager.ts'
export type { PlainNotice } from './plain-words.ts'

/** Alerts that page somebody, and the proof of it. */
export interface Paging {
  /**
   * Takes a change of an alert into its page without asking routing: a critical alert opens one, an acknowledgement
   * stops it, recovery of all closes it. Like all of these inside the caller's transaction, who calls
   * `app.obligations.wake()` after the commit.
   */
  alertChanged(
    tx: RecordsTransaction,
    change: AlertChange,
    incidentId: string | undefined,
  ): Promise<void>
  /** The page of an incident's alerts, or of one without an incident. */
  groupKeyOf(alert: AlertView, incidentId: string | undefined): string
  /** Opens a page for alerts or joins them to the one that is open under that name. */
  tell(tx: RecordsTransaction, word: PageWord): Promise<void>
  /** Tells those again whom the page named, while nobody has taken it; `key` names the reminder for ever. */
  remind(tx: RecordsTransaction, word: PageWord, key: string): Promise<void>
  /** An alert is over: a page that asks for nothing more is closed. */
  ended(tx: RecordsTransaction, alertId: string, at: Millis): Promise<void>
  /** An alert goes on as another life; its pages stay open for that one. */
  continued(tx: RecordsTransaction, before: string, after: string, at: Millis): Promise<void>
  /** Says something once to somebody, and asks nobody to act. */
  notice(tx: RecordsTransaction, notice: Notice): Promise<void>
  /** Says something that no alert stands behind, once; nobody is asked to act. */
  say(tx: RecordsTransaction, word: PlainNotice): Promise<void>
  /**
   * Asks for somebody where no alert does, until it is over (`askedFor`): on the page that the incident has open, and who
   * took that is asked again; else on a page of its own, which alerts of the incident join.
   */
  ask(tx: RecordsTransaction, word: PlainPage): Promise<void>
  /** What was asked for under that name is over; a page that asks for nothing more is closed. */
  askedFor(tx: RecordsTransaction, name: string, reason: string): Promise<void>
  /** Why nobody has taken the notice of a key yet; undefined: somebody has, or there is none of that key. */
  whyUntaken(key: string): Promise<string | undefined>
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
const pruneEveryMillis = 3_600_000
const dayMillis = 86_400_000

export const pagingPlugin = fp(
  async (app, { clock, config, times }: PagingOptions) => {
    const { records, obligations, oncall } = app
    const ports = hubPorts(app, config.escalationPolicy)
    const duties = { records, clock, ports, obligations, escalation: oncall.escalation }
    const pager = new Pager(duties)
    const asks = new Asks(duties, pager)
    const contactNamed = (name: string) => app.notify.contactPointNamed(name)
    let shouting = 0
    const countShouting = async () => {
      shouting = await shoutingPages(records.read)
    }
    const counting = setInterval(() => {
      countShouting().catch((err: unknown) => app.log.warn({ err }, 'pages could not be counted'))
    }, countEveryMillis)
    counting.unref()
    app.addHook('preClose', async () => clearInterval(counting))
    if (config.pageDays > 0) keepPages(app, clock, config.pageDays * dayMillis)
    obligations.register(escalationDuty(duties))
    obligations.register(
      new TellingDuty({
        ...duties,
        times: { ...defaultTellingTimes, ...times },
        messageOf: (page, telling) => messageOf(records.read, page, telling, publicUrl(config)),
      }),
    )
    obligations.register(missedDuty(pager, true))

    knowContacts(app)
    app.live.onReceipts((tx, receipts) => stampReceipts(tx, receipts))
    app.decorate('paging', {
      async alertChanged(tx, change, incidentId) {
        await pager.take(tx, change, incidentId)
      },
      groupKeyOf,
      async tell(tx, word) {
        await pager.tell(tx, word)
      },
      remind: (tx, word, key) => pager.remind(tx, word, key),
      async ended(tx, alertId, at) {
        await pager.ended(tx, alertId, at)
      },
      continued: (tx, before, after, at) => pager.continued(tx, before, after, at),
      notice: (tx, notice) => giveNotice(duties, contactNamed, tx, notice),
      say: (tx, notice) => sayPlainly(duties, contactNamed, tx, notice),
      ask: (tx, word) => asks.ask(tx, word),
      askedFor: (tx, name, reason) => asks.askedFor(tx, name, reason),
      whyUntaken: (key) => whyUntaken(records.read, key),
      async alertTaken(alertId, by, at) {
        const open = (await pagesOfAlert(records.read, alertId)).some((row) => row.state === 'open')
        if (!open) return
        await records.write(async (tx) => {
          for (const row of await pagesOfAlert(tx, alertId))
            await pager.acknowledge(tx, row, by, at)
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
    ports.attempts = pagingMetrics(app, clock)
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

/** On-call duty asks who has which contact points, and whether a contact is there. */
function knowContacts({ oncall, notify }: FastifyInstance): void {
  oncall.provideContactPoints(async (ids) => {
    const pointsOf = (id: string) => notify.contactPointsOf({ kind: 'person', id })
    return new Map(ids.map((id) => [id, pointsOf(id)]))
  })
  oncall.provideResolvers({
    contact: (id) =>
      notify.contactPoint(id) === undefined ? undefined : [{ kind: 'contact', id }],
  })
}

/** Drops closed pages that are older, at the start and each hour. */
function keepPages(app: FastifyInstance, clock: Clock, keptMillis: Millis): void {
  let pruning: Promise<void> | undefined
  const prune = () => {
    pruning ??= prunePages(app.records, Math.min(clock.now() - keptMillis, app.holds.keepFrom()))
      .then(
        () => undefined,
        (err: unknown) => app.log.warn({ err }, 'old pages could not be removed'),
      )
      .finally(() => {
        pruning = undefined
      })
  }
  const timer = setInterval(prune, pruneEveryMillis)
  timer.unref()
  app.addHook('onReady', async () => prune())
  app.addHook('preClose', async () => {
    clearInterval(timer)
    await pruning
  })
}
