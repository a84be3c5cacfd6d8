import type { AlertChange, AlertView, Labels } from '../../alerts/alert.ts'
import type { AlertingRule, RuleGroup } from '../../alerts/rule.ts'
import type { RuleExtras } from '../../alerts/rule-extras.ts'
import { type VectorElement, viewOf } from '../../alerts/state.ts'
import type { Clock, Millis } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type { Records, RecordsTransaction } from '../records/records.ts'
import type { Matcher, SeriesColumns } from '../store/reader.ts'
import type { SeriesId, StoreWriter } from '../store/writer.ts'
import type { Timers } from '../timers.ts'
import { AlertOutbox } from './alert-outbox.ts'
import {
  loadActive,
  loadCollectorInstances,
  type SavedAlert,
  stampAcknowledged,
  touchPending,
} from './alert-store.ts'
import { HostPresence, type HostsNow } from './host-presence.ts'
import { HostViews } from './host-views.ts'
import { HubSeries } from './hub-series.ts'
import { isMeasured, measuredExpression } from './measured-expression.ts'
import { type AlertIntake, type AlertSource, batchOfPosts, makeRoom } from './other-alerts.ts'
import type { RuleExpression, RuleQueries } from './queries.ts'
import { restoreAlerts } from './restore.ts'
import type { RuleMetrics } from './rule-metrics.ts'
import type { AlertRunner, RunnerContext } from './rule-runner.ts'
import { type HostSource, RuleScheduler, type RunningGroup, seriesOf } from './scheduler.ts'
import { SeriesWriter } from './series-writer.ts'

/** What the engine tells the log. */
export interface EngineLog {
  info(fields: object, text: string): void
  warn(fields: object, text: string): void
  error(fields: object, text: string): void
}

export interface EngineOptions {
  readonly clock: Clock
  readonly timers: Timers
  /** Without it only the store tells who reports. */
  readonly hostsNow?: HostsNow
  readonly queries: RuleQueries
  readonly matches: (matcher: Matcher, value: string) => boolean
  readonly records: Records
  readonly store: StoreWriter & { readonly columns?: SeriesColumns }
  readonly groups: readonly RuleGroup[]
  readonly extrasOfRule?: (rule: AlertingRule) => RuleExtras
  readonly defaultInterval: Millis
  readonly hubLabels: Labels
  /** Labels and address of this installation, for templates; absent: none. */
  readonly templates?: RunnerContext['templates']
  readonly newId: () => string
  readonly metrics: RuleMetrics
  readonly log: EngineLog
  /** Tells incidents and people of what happened together, inside the transaction. */
  readonly deliver: (tx: RecordsTransaction, changes: readonly AlertChange[]) => Promise<void>
  /** Wakes the screens: after a commit, and when the records fail. */
  readonly wake: (committed: boolean) => void
}

const touchEveryMillis = 60_000
const hubSeriesEveryMillis = 5_000
/** How often the hub's own rules look at its figures; a store that refuses is told within this time. */
const hubEveryMillis = 2_000
const logFailuresEveryMillis = 60_000

/** Everything that runs the rules; the plugin wires it to the hub. */
export class RuleEngine {
  readonly scheduler: RuleScheduler
  readonly #options: EngineOptions
  readonly #outbox: AlertOutbox
  readonly #presence: HostPresence
  readonly #series: SeriesWriter
  readonly #hub: HubSeries
  readonly #loggedAt = new Map<string, number>()
  readonly #owners = new Map<string, AlertRunner>()
  #source: AlertSource | undefined
  #hubSeriesAt = Number.NEGATIVE_INFINITY
  #cancelTouch: (() => void) | undefined
  #cancelHub: (() => void) | undefined

  constructor(options: EngineOptions) {
    const { clock, timers, queries, groups, defaultInterval, metrics, newId, store } = options
    const { hostsNow } = options
    this.#options = options
    this.#series = new SeriesWriter(store)
    this.#hub = new HubSeries(options.matches)
    this.#outbox = this.#makeOutbox()
    this.#presence = new HostPresence({
      clock,
      queries,
      ...(hostsNow === undefined ? {} : { now: hostsNow }),
      onError: (err) =>
        this.#warnNowAndThen(
          'presence',
          { err },
          'who reports could not be asked; alerts are held',
        ),
    })
    const context: Omit<RunnerContext, 'limit' | 'calm'> = {
      clock,
      presence: this.#presence,
      newId,
      templates: options.templates ?? { externalLabels: {} },
      ask: async (text, at) => queries.compile(text).evaluate(at),
      owners: this.#owners,
      changed: (batch) => {
        makeRoom(this.#source, this.#outbox, batch, clock.now())
        this.#outbox.add(batch)
      },
    }
    this.scheduler = new RuleScheduler({
      clock,
      timers,
      queries,
      groups,
      extrasOfRule: options.extrasOfRule,
      onHeld: () => metrics.heldByTraffic(),
      context,
      hosts: this.#hostSource(),
      defaultInterval,
      store: (running, samples, at) => this.#store(running, samples, at),
      onMissed: (running, count) => {
        metrics.missed(count)
        this.#warnNowAndThen(
          `missed ${running.group.name}`,
          { group: running.group.name, count },
          'a rule group was not evaluated in time',
        )
      },
      onRefusedHost: () => metrics.refusedHost(),
    })
  }

  /** Changes of alerts the records do not hold yet. */
  get waiting(): number {
    return this.#outbox.waiting
  }

  /** Alerts that no rule raises live beside those of the rules; before `start`. */
  provideAlerts(source: AlertSource): AlertIntake {
    const outbox = this.#outbox
    this.#source = source
    return {
      raisedByRule: (fingerprint) =>
        this.#owners.get(fingerprint)?.active(fingerprint)?.state === 'firing',
      get waiting() {
        return outbox.waiting
      },
      put: (posts) => outbox.put(batchOfPosts(posts)),
    }
  }

  /** Pending and firing alerts, of the rules and posted ones. */
  activeAlerts(): AlertView[] {
    return [...this.scheduler.activeAlerts(), ...(this.#source?.active() ?? [])]
  }

  /** Loads the saved alerts, then evaluates. Rejects when the records cannot be read. */
  async start(): Promise<void> {
    const { records, clock, log } = this.#options
    const all = await loadActive(records, (row, err) =>
      log.error(
        { err, alert: row.id, rule: row.rule },
        'a saved alert cannot be read and is left out',
      ),
    )
    const saved = this.#source === undefined ? all : all.filter((one) => !this.#restored(one))
    this.#presence.expect(await loadCollectorInstances(records))
    const ended = restoreAlerts(this.scheduler.alertRunners, saved, clock.now())
    for (const batch of ended) this.#outbox.add(batch)
    for (const running of this.scheduler.groups)
      this.#series.resume(sourceOf(running), seriesOf(running))
    if (saved.length > 0)
      log.info({ alerts: saved.length, ended: ended.length }, 'alerts taken up again')
    await this.#recall()
    this.scheduler.start()
    this.#watchHub()
    this.#touchLater()
  }

  async stop(): Promise<void> {
    this.#cancelTouch?.()
    this.#cancelHub?.()
    await this.scheduler.stop()
    await this.#outbox.close()
    if (!this.#outbox.empty)
      this.#options.log.error(
        { changes: this.waiting },
        'stopped with changes of alerts the records never took',
      )
  }

  /** Resolves when no evaluation and no write is running. */
  async settled(): Promise<void> {
    await this.scheduler.settled()
    await this.#outbox.settled()
  }

  /**
   * Records who takes care of a firing alert; the first one stays. Throws not_found, conflict, or
   * storage_unavailable when the records do not hold the alert yet.
   */
  async acknowledge(fingerprint: string, by: string, at: Millis): Promise<AlertView> {
    const runner = this.scheduler.alertRunners.find(
      (candidate) => candidate.active(fingerprint) !== undefined,
    )
    const alert = runner?.active(fingerprint) ?? this.#source?.find(fingerprint)
    if (alert === undefined) {
      throw new CallwardError(
        'not_found',
        'No alert with that fingerprint is active; it may have resolved. See GET /api/v1/alerts.',
      )
    }
    if (alert.state === 'pending')
      throw new CallwardError(
        'conflict',
        'The alert is pending, it has not fired; there is nothing to acknowledge yet.',
      )
    // What is being written now may be the very firing of this alert.
    await this.#outbox.settled()
    const view =
      runner?.views().find(({ id }) => id === alert.id) ?? this.#source?.find(fingerprint)
    if (view?.id !== alert.id) throw new CallwardError('conflict', 'The alert has just resolved.')
    const stamp = await this.#stamp(view, by, at)
    if (stamp === undefined) {
      throw new CallwardError(
        'storage_unavailable',
        'The alert is not in the records yet, or has just resolved; try again in a few seconds.',
      )
    }
    const { acknowledgedAt, acknowledgedBy } = stamp
    const keeper = runner ?? this.#source
    keeper?.acknowledged(view.id, fingerprint, acknowledgedBy, acknowledgedAt)
    if (stamp.first) this.#options.wake(true)
    return { ...view, acknowledgedAt, acknowledgedBy }
  }

  /** Gives a posted alert back to its source; false for an alert of a rule. */
  #restored({ rule, group, alert }: SavedAlert): boolean {
    return this.#source?.restore(viewOf({ name: rule, group }, alert)) === true
  }

  /** What cannot be recalled is missed only once it was seen again. */
  async #recall(): Promise<void> {
    for (const runner of this.scheduler.alertRunners) {
      try {
        await runner.recall()
      } catch (err) {
        this.#options.log.warn(
          { err, rule: runner.rule.name },
          'what was there before the start could not be asked; series missing since then are not noticed',
        )
      }
    }
  }

  #hostSource(): HostSource | undefined {
    const { store, groups, queries } = this.#options
    const { columns } = store
    if (columns === undefined) return undefined
    const rules = groups.flatMap((group) => group.rules).filter((rule) => rule.kind === 'alert')
    const expressions = [
      ...rules.map((rule) => this.#expressionOf(rule, queries)),
      ...this.#presence.expressions,
    ]
    const reads = expressions.flatMap(({ atOnce }) => atOnce?.reads ?? [])
    const metrics = reads.some((one) => one.metrics === undefined)
      ? undefined
      : new Set(reads.flatMap((one) => [...(one.metrics ?? [])]))
    const looked = new Set(reads.flatMap(({ labels }) => [...labels]))
    const shown = { columns, labels: (id: SeriesId) => store.labels(id), metrics, looked }
    const views = new HostViews(shown)
    const ofHub = new HostViews({ ...shown, alone: true })
    const hub = this.#hubInstance
    return {
      reading: (instance) =>
        instance === hub ? this.#hub.reading(ofHub.reading(instance)) : views.reading(instance),
      instances() {
        const { values, everywhere } = columns.values('instance')
        return { values: [...values, hub], everywhere }
      },
    }
  }

  /** For what it reads only. */
  #expressionOf(rule: AlertingRule, queries: RuleQueries): RuleExpression {
    const extras = this.#options.extrasOfRule?.(rule)
    if (extras === undefined || !isMeasured(extras)) return queries.compile(rule.expr)
    return measuredExpression(rule.expr, {
      extras,
      queries,
      firing: () => false,
      blind: () => false,
    })
  }

  get #hubInstance(): string {
    return this.#options.hubLabels['instance'] ?? ''
  }

  /** Looks at the hub's own figures and runs its rules, now and then again. */
  #watchHub(): void {
    const { clock, metrics, hubLabels, timers } = this.#options
    this.#hub.add(metrics.series(hubLabels), clock.now())
    this.scheduler.hostReported(this.#hubInstance)
    this.#cancelHub = timers.after(hubEveryMillis, () => this.#watchHub())
  }

  /** One transaction: the stamp, and who must know of it. */
  async #stamp(view: AlertView, by: string, at: Millis) {
    const { records, deliver, log } = this.#options
    try {
      return await records.write(async (tx) => {
        const stamped = await stampAcknowledged(tx, view.id, by, at)
        const alert = { ...view, acknowledgedAt: at, acknowledgedBy: by }
        if (stamped?.first) await deliver(tx, [{ kind: 'acknowledged', alert, at, by }])
        return stamped
      })
    } catch (err) {
      if (err instanceof CallwardError) throw err
      log.error(
        { err, rule: view.rule, fingerprint: view.fingerprint },
        'an acknowledgement could not be recorded',
      )
      throw new CallwardError(
        'storage_unavailable',
        'The acknowledgement could not be recorded; try again in a few seconds. The hub’s log holds the reason.',
        { cause: err },
      )
    }
  }

  #makeOutbox(): AlertOutbox {
    const { records, deliver, timers, metrics, wake, log } = this.#options
    return new AlertOutbox({
      write: (work) => records.write(work),
      deliver,
      timers,
      onWritten: (changes) => {
        for (const change of changes) if (change.late) metrics.lateChange()
        wake(true)
      },
      onFailed: (err, changes) => {
        this.#warnNowAndThen(
          'records',
          { err, changes },
          'alerts could not be recorded; the screens are told, it is tried again every second',
        )
        wake(false)
      },
      onLost: ({ kind, alert }) => {
        metrics.lostChange()
        log.error(
          { kind, rule: alert.rule, fingerprint: alert.fingerprint },
          'a change of an alert was given up: too many wait for the records',
        )
      },
    })
  }

  async #store(
    running: RunningGroup,
    samples: readonly VectorElement[],
    at: Millis,
  ): Promise<void> {
    const { metrics, clock, hubLabels } = this.#options
    const writes = [this.#series.write(sourceOf(running), samples, at - running.group.queryOffset)]
    if (clock.monotonic() - this.#hubSeriesAt >= hubSeriesEveryMillis) {
      this.#hubSeriesAt = clock.monotonic()
      writes.push(this.#series.write('hub', metrics.series(hubLabels), at))
    }
    for (const result of await Promise.allSettled(writes)) {
      if (result.status === 'fulfilled') continue
      metrics.storeFailed()
      this.#warnNowAndThen(
        'store',
        { err: result.reason as unknown },
        'series of the rules could not be stored',
      )
    }
  }

  #touchLater(): void {
    this.#cancelTouch = this.#options.timers.after(touchEveryMillis, () => {
      const { records, clock } = this.#options
      const pending = this.scheduler.activeAlerts().some(({ state }) => state === 'pending')
      if (pending && this.#outbox.empty) {
        touchPending(records, clock.now()).catch((err: unknown) =>
          this.#warnNowAndThen('records', { err }, 'pending alerts could not be marked as watched'),
        )
      }
      this.#touchLater()
    })
  }

  /** The first of a kind at once, then at most one a minute. */
  #warnNowAndThen(kind: string, fields: object, text: string): void {
    const now = this.#options.clock.monotonic()
    if (now - (this.#loggedAt.get(kind) ?? Number.NEGATIVE_INFINITY) < logFailuresEveryMillis)
      return
    this.#loggedAt.set(kind, now)
    this.#options.log.warn(fields, text)
  }
}

function sourceOf({ group }: RunningGroup): string {
  return `${group.file}:${group.name}`
}
