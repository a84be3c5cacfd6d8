import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { Counter, Gauge, type Registry } from 'prom-client'
import type { AlertChange, AlertView, Labels } from '../../alerts/alert.ts'
import type { Calendars } from '../../alerts/calendar.ts'
import type { Matcher } from '../../alerts/matchers.ts'
import type { AlertExplanation } from '../../alerts/pipeline.ts'
import type { PipelineContext, PipelineState } from '../../alerts/pipeline-state.ts'
import { extrasReader, type RuleExtras } from '../../alerts/rule-extras.ts'
import type { Silence } from '../../alerts/silence.ts'
import type { Clock, Millis } from '../clock.ts'
import type { HubConfig } from '../config.ts'
import type {} from '../holds/plugin.ts'
import type {} from '../inventory/plugin.ts'
import type {} from '../ledger/plugin.ts'
import type {} from '../live/plugin.ts'
import type {} from '../obligations/plugin.ts'
import type {} from '../paging/plugin.ts'
import type { RecordsTransaction } from '../records/records.ts'
import type {} from '../rules/plugin.ts'
import { systemTimers, type Timers } from '../timers.ts'
import { catchUp, routedDuty, timeDuty } from './duties.ts'
import { PipelineKeeper } from './keeper.ts'
import { type RoutedChange, Router, type RouterOptions } from './router.ts'
import { routingRoutes } from './routes.ts'
import { holdsOf, pruneHolds } from './routing-store.ts'
import { Settings } from './settings.ts'
import { type Author, SilenceDesk } from './silence-desk.ts'
import {
  explained,
  groupViews,
  type NotTold,
  type ReceiverView,
  type RoutedGroup,
  reasonsNow,
  type SilencePreview,
  type SilenceView,
  silenceViews,
} from './views.ts'

export type { ReceiverTarget } from './receivers.ts'
export type { RoutedChange } from './router.ts'
export type { Author } from './silence-desk.ts'
export type {
  NotTold,
  ReceiverView,
  RoutedAlert,
  RoutedGroup,
  SilencePreview,
  SilenceView,
} from './views.ts'

/** Which alerts reach whom, with what others and when; and why others do not. */
export interface Routing {
  /** As `alertsChanged`, for one. */
  alertChanged(
    tx: RecordsTransaction,
    change: AlertChange,
    incidentId: string | undefined,
  ): Promise<void>
  /**
   * Routes changes of alerts inside the caller's transaction, all that happened in it at once: pages, notices and why
   * others are not told are written with them. Call `wake` after the commit.
   */
  alertsChanged(tx: RecordsTransaction, changes: readonly RoutedChange[]): Promise<void>
  /** After a commit. */
  wake(): void
  /** Resolves when `state` holds what was committed before the call. */
  settled(): Promise<void>
  /** The last committed state. */
  state(): PipelineState
  context(): PipelineContext
  /** Why each receiver was told of an alert that is not over, or was not, or has not taken what it was told. */
  explain(fingerprint: string): Promise<readonly AlertExplanation[]>
  /** What kept people from being told of one life of an alert, the oldest first. */
  notTold(alertId: string): Promise<readonly NotTold[]>
  /** What keeps people now from being told of this life; undefined for one that routing does not hold any more. */
  why(fingerprint: string, alertId: string): readonly NotTold[] | undefined
  groups(): readonly RoutedGroup[]
  receivers(): readonly ReceiverView[]
  /** By their end. */
  silences(): readonly SilenceView[]
  preview(matchers: readonly Matcher[], startsAt: Millis, endsAt: Millis): SilencePreview
  /** Sets or replaces a silence by its id. Throws bad_request, and conflict for one that is too broad without `force`. */
  setSilence(silence: Silence, by: Author, options?: { force?: boolean }): Promise<SilenceView>
  /** Throws not_found. */
  endSilence(id: string, by: Author): Promise<void>
  /** Reads the routing file now, not only by timer. */
  look(): Promise<void>
}

declare module 'fastify' {
  interface FastifyInstance {
    /** `routing` is Fastify's own. */
    alertRouting: Routing
  }
}

export interface RoutingOptions {
  readonly clock: Clock
  readonly config: Pick<HubConfig, 'routing'>
  readonly timers?: Timers
  /** Pure; tests put a faulty one in its place. */
  readonly pipeline?: RouterOptions['pipeline']
}

/** What rule files add to Prometheus's format, by whoever reads them. */
interface RuleBook {
  readonly extrasOf?: (alert: AlertView) => RuleExtras
  readonly calendars?: () => Calendars
}

const lookEveryMillis = 5_000
const pruneEveryMillis = 600_000
const keptMillis = 90 * 86_400_000
const prunedAtOnce = 5_000
/** How long a routing that failed is told of. */
const faultShownMillis = 600_000

export const routingPlugin = fp(
  async (app, { clock, config, timers = systemTimers, pipeline }: RoutingOptions) => {
    const { records, obligations } = app
    const book = app.rules as RuleBook
    const settings = new Settings({
      path: config.routing,
      extrasOf: book.extrasOf ?? extrasReader(new Map()),
      calendars: book.calendars?.() ?? new Map(),
      log: app.log,
    })
    const metrics = routingMetrics(app.telemetry.registry, () => keeper.committed.silences.size)
    let faultAt = Number.NEGATIVE_INFINITY
    const onFault = (err: unknown, alerts: number) => {
      faultAt = clock.monotonic()
      metrics.faults.inc()
      app.log.error({ err, alerts }, 'routing failed; critical alerts page without it')
    }
    const keeper = new PipelineKeeper({
      records,
      clock,
      onBadRow: (table, id, err) =>
        app.log.error({ err, table, id }, 'a row of routing cannot be read and is left out'),
    })
    const router = new Router({
      clock,
      keeper,
      obligations,
      pages: app.paging,
      ledger: (tx, entry) => app.ledger.append(tx, entry),
      setting: () => settings.current,
      onDecision: (kind) => metrics.decisions.inc({ kind }),
      onFault,
      ...(pipeline === undefined ? {} : { pipeline }),
    })
    const wake = () => {
      obligations.wake()
      keeper.confirm().catch((err: unknown) => app.log.warn({ err }, 'routing cannot be read'))
    }
    obligations.register(timeDuty({ router, clock, obligations, committed: wake, onFault }))
    obligations.register(routedDuty(router, clock))

    const desk = new SilenceDesk({
      ...{ records, clock, router, keeper },
      ledger: (tx, entry) => app.ledger.append(tx, entry),
      hosts: () =>
        (app.hasDecorator('inventory') ? app.inventory.hosts() : []).map(
          ({ labels }) => labels as unknown as Labels,
        ),
      changed() {
        obligations.wake()
        app.live.hint('alerts')
      },
    })

    app.decorate('alertRouting', {
      alertChanged: (tx, change, incidentId) => router.take(tx, [{ change, incidentId }]),
      alertsChanged: (tx, changes) => router.take(tx, changes),
      wake,
      settled: () => keeper.confirm(),
      state: () => keeper.committed,
      context: () => settings.current.context,
      explain: (fingerprint) =>
        explained(keeper.committed, settings.current.plan, fingerprint, (key) =>
          app.paging.whyUntaken(key),
        ),
      why: (fingerprint, alertId) =>
        reasonsNow(keeper.committed, settings.current.plan, fingerprint, alertId),
      notTold: (alertId) => holdsOf(records.read, alertId),
      groups: () => groupViews(keeper.committed),
      receivers: () =>
        [...settings.current.plan.targets].map(([name, targets]) => ({ name, targets })),
      silences: () => silenceViews(keeper.committed),
      preview: (matchers) => desk.preview(matchers),
      setSilence: (silence, by, options) => desk.set(silence, by, options),
      endSilence: (id, by) => desk.end(id, by),
      look: () => settings.apply(() => desk.review(onFault)),
    })
    const faulty = () => (settings.faults.length > 0 ? 1 : 0)
    app.rules.watchFigure('callward_routing_file_faulty', faulty)
    const bypassed = () => (clock.monotonic() - faultAt < faultShownMillis ? 1 : 0)
    app.rules.watchFigure('callward_routing_bypassed', bypassed)
    await app.register(routingRoutes, { settings })

    await keeper.confirm()
    await catchUpAtStart(app, router, clock)
    await keeper.confirm()

    upkeep(app, timers, [
      [lookEveryMillis, () => app.alertRouting.look()],
      [
        pruneEveryMillis,
        () => records.write((tx) => pruneHolds(tx, sweptBefore(app, clock), prunedAtOnce)),
      ],
    ])
  },
  {
    name: 'callward-routing',
    dependencies: [
      'callward-records',
      'callward-access',
      'callward-live',
      'callward-ledger',
      'callward-obligations',
      'callward-rules',
      'callward-paging',
    ],
  },
)

/** Alerts that fire and that routing has not heard of: after an upgrade. What is left out the watchdog finds. */
async function catchUpAtStart(app: FastifyInstance, router: Router, clock: Clock): Promise<void> {
  try {
    const alerts = await app.records.write((tx) => catchUp(tx, router, clock))
    if (alerts > 0) app.log.info({ alerts }, 'alerts of before were routed')
  } catch (err) {
    app.log.error({ err }, 'alerts of before could not be routed; the watchdog tries each again')
  }
  try {
    // The file, extras or calendars may be others than those of before.
    await app.alertRouting.look()
  } catch (err) {
    app.log.error({ err }, 'alerts could not be looked at anew at the start; tried again soon')
  }
}

function upkeep(
  app: FastifyInstance,
  timers: Timers,
  works: readonly (readonly [delay: Millis, work: () => Promise<unknown>])[],
): void {
  const cancels: (() => void)[] = []
  const each = (place: number, delay: Millis, work: () => Promise<unknown>) => {
    cancels[place] = timers.after(delay, () => {
      work()
        .catch((err: unknown) => app.log.warn({ err }, 'upkeep of routing failed'))
        .finally(() => each(place, delay, work))
    })
  }
  app.addHook('onReady', async () => {
    for (const [place, [delay, work]] of works.entries()) each(place, delay, work)
  })
  app.addHook('preClose', async () => {
    for (const cancel of cancels) cancel()
  })
}

function routingMetrics(registry: Registry, silences: () => number) {
  new Gauge({
    name: 'callward_silences',
    help: 'Silences that have not ended.',
    registers: [registry],
    collect() {
      this.set(silences())
    },
  })
  return {
    decisions: new Counter({
      name: 'callward_routing_decisions_total',
      help: 'Decisions of routing: notify (a receiver is told), hold (somebody is not, and why), what became of silences.',
      labelNames: ['kind'],
      registers: [registry],
    }),
    faults: new Counter({
      name: 'callward_routing_faults_total',
      help: 'Times routing failed; critical alerts paged without it.',
      registers: [registry],
    }),
  }
}

/** What is older is swept, but for what a legal hold keeps. */
function sweptBefore(app: FastifyInstance, clock: Clock): number {
  return Math.min(clock.now() - keptMillis, app.holds.keepFrom())
}
