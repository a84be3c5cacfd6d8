import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { AlertChange, AlertView, Labels } from '../../alerts/alert.ts'
import type { Calendar } from '../../alerts/calendar.ts'
import type { RuleExtras } from '../../alerts/rule-extras.ts'
import { type Clock, type Millis, systemClock } from '../clock.ts'
import type { HubConfig } from '../config.ts'
import { systemZone } from '../config.ts'
import { hubLabels } from '../hub-labels.ts'
import { uuid } from '../ids.ts'
import type { Principal } from '../people/plugin.ts'
import type { RecordsTransaction } from '../records/records.ts'
import { systemTimers, type Timers } from '../timers.ts'
import { RuleEngine } from './engine.ts'
import type { StoreRoom } from './hub-series.ts'
import { ledgerEntryOf } from './ledgered.ts'
import type { AlertIntake, AlertSource } from './other-alerts.ts'
import { promqlQueries } from './promql-queries.ts'
import type { RuleQueries } from './queries.ts'
import { ReplayDesk } from './replay-desk.ts'
import { replayRoutes } from './replay-routes.ts'
import { ruleRoutes } from './routes.ts'
import {
  faultText,
  ownRulesFolder,
  type RuleFileFault,
  type RuleFolders,
  readRuleFiles,
} from './rule-files.ts'
import { type RuleMetrics, ruleMetrics } from './rule-metrics.ts'
import { alertJson } from './schema.ts'
import { groupStatus, type RuleGroupStatus } from './status.ts'

export type { AlertIntake, AlertSource, Posts } from './other-alerts.ts'
export {
  prometheusAlerts,
  prometheusRules,
  type RuleGroupStatus,
  type RuleStatus,
} from './status.ts'

/** The rules and the alerts they raise. */
export interface Rules {
  /** Evaluates this host's rules now; called when its report arrived or its state flipped. Never throws; coalesces. */
  hostReported(instance: string): void
  /** Every group with its rules, their health and alerts. */
  groups(): readonly RuleGroupStatus[]
  /** Pending and firing alerts, of rules and posted ones. */
  activeAlerts(): readonly AlertView[]
  /** Records who takes care of a firing alert; the first one stays. Throws not_found, conflict, storage_unavailable. */
  acknowledge(fingerprint: string, by: Principal, at: Millis): Promise<AlertView>
  /** How far the rule group that is furthest behind is behind its rhythm, in seconds. */
  behindSeconds(): number
  /** Share of the rules whose newest evaluation failed, 0 to 1. */
  failingRatio(): number
  /** A figure of the hub itself for the hub's own rules, read every two seconds. */
  watchFigure(name: string, value: () => number, labels?: Labels): void
  /** Alerts that no rule raises live beside those of the rules; one source, before the hub is ready. */
  provideAlerts(source: AlertSource): AlertIntake
  /** What the rule's sibling file or its annotations add to Prometheus's format; for any alert, equal for equal ones. */
  extrasOf(alert: AlertView): RuleExtras
  /** Calendars the sibling files define, by name. */
  calendars(): ReadonlyMap<string, Calendar>
  /** What is wrong in the rule files. */
  faults(): readonly RuleFileFault[]
  /** Resolves when no evaluation and no write of alerts is running; what failed waits for its retry. */
  settled(): Promise<void>
}

declare module 'fastify' {
  interface FastifyInstance {
    rules: Rules
  }
}

export interface RulesOptions {
  readonly clock?: Clock
  readonly timers?: Timers
  readonly config?: Pick<HubConfig, 'rulesFolder' | 'ruleIntervalSeconds' | 'timeZone'> &
    Partial<Pick<HubConfig, 'externalLabels'>>
  /** The hub's own address for people, in templates. */
  readonly externalUrl?: string
  /** Folder of the rules that ship; another one for tests. */
  readonly rulesFolder?: string
  /** Labels of the hub's own series. */
  readonly hubLabels?: Readonly<Record<string, string>>
}

/** What the store says of its disk; a store without figures (in tests) never refuses. */
function roomOf(store: { stats?: () => object }): StoreRoom {
  return store.stats?.() ?? {}
}

/** Tells incidents, routing, the ledger and the screens of changes, in their transaction. */
function deliverTo(app: FastifyInstance) {
  return async (tx: RecordsTransaction, changes: readonly AlertChange[]): Promise<void> => {
    const taken = []
    for (const change of changes)
      taken.push({
        change,
        // That a value passed another tier is news for the routing only.
        incident: change.revalued ? undefined : await app.incidents.alertChanged(tx, change),
      })
    // Routing registers after the rules; nothing fires before all of it is there.
    await app.alertRouting?.alertsChanged(
      tx,
      taken.map(({ change, incident }) => ({ change, incidentId: incident?.id })),
    )
    for (const { change, incident } of taken) {
      if (change.revalued) continue
      await app.ledger.append(tx, ledgerEntryOf(change, incident?.number))
      const body = {
        change: change.kind,
        alert: alertJson(change.alert, incident),
        ...(change.late ? { late: true } : {}),
      }
      await app.live.publish(tx, { kind: 'alert', at: change.at, body })
    }
  }
}

/** What can be said of an expression before it runs. */
function checksOf(queries: RuleQueries) {
  return {
    check(text: string): string | undefined {
      try {
        queries.compile(text)
        return undefined
      } catch (error) {
        return error instanceof Error ? error.message : String(error)
      }
    },
    isWatched: (text: string) => queries.watched?.(text) !== undefined,
  }
}

function replayDesk(
  app: FastifyInstance,
  clock: Clock,
  defaultInterval: Millis,
  files: RuleFolders,
  { check, isWatched }: ReturnType<typeof checksOf>,
): ReplayDesk {
  const { promql, store } = app
  // Routing registers after the rules.
  const routing = () => app.alertRouting?.context()
  return new ReplayDesk({ clock, promql, store, defaultInterval, files, check, isWatched, routing })
}

/** Reads the rule files, evaluates them, keeps the alerts and tells incidents and people. */
export const rulesPlugin = fp(
  async (app, options: RulesOptions) => {
    const clock = options.clock ?? systemClock
    const queries = promqlQueries(app.promql)
    const defaultInterval = (options.config?.ruleIntervalSeconds ?? 10) * 1000
    const checks = checksOf(queries)
    const folders = [options.rulesFolder ?? ownRulesFolder, options.config?.rulesFolder].filter(
      (folder) => folder !== undefined,
    )
    const files = readRuleFiles(folders, checks.check, checks.isWatched)
    for (const fault of files.faults)
      app.log.error({ file: fault.file, line: fault.line }, faultText(fault))

    let engine: RuleEngine | undefined
    const others: [name: string, value: () => number, labels: Labels][] = []
    const metrics: RuleMetrics = ruleMetrics(app.telemetry.registry, {
      faults: () => files.faults.length,
      failing: () =>
        engine?.scheduler.groups
          .flatMap(({ runners }) => runners)
          .filter(({ health }) => health.health === 'err').length ?? 0,
      waiting: () => engine?.waiting ?? 0,
      store: () => roomOf(app.store),
      others: () => others.map(([name, value, labels]) => [name, value(), labels]),
    })
    const running = new RuleEngine({
      clock,
      timers: options.timers ?? systemTimers,
      queries,
      matches: (matcher, value) => app.promql.matches(matcher, value),
      records: app.records,
      store: app.store,
      groups: files.groups,
      extrasOfRule: files.extrasOfRule,
      defaultInterval,
      hubLabels: options.hubLabels ?? hubLabels,
      templates: {
        externalLabels: options.config?.externalLabels ?? {},
        externalUrl: options.externalUrl,
      },
      newId: () => uuid(clock.now()),
      metrics,
      log: app.log,
      // `inventory` registers after the rules it wakes; nothing is evaluated before both are there.
      hostsNow: {
        up(instance) {
          const inventory = app.hasDecorator('inventory') ? app.inventory : undefined
          const host = inventory?.host(instance)
          return host === undefined ? undefined : inventory?.up(host)
        },
        blind: () => roomOf(app.store).refusal !== undefined,
      },
      deliver: deliverTo(app),
      wake(committed) {
        if (committed) {
          app.live.flush()
          app.obligations?.wake()
          app.alertRouting?.wake()
        }
        for (const topic of ['alerts', 'incidents', 'hosts']) app.live.hint(topic)
      },
    })
    engine = running

    app.decorate('rules', {
      hostReported: (instance) => running.scheduler.hostReported(instance),
      groups: () => running.scheduler.groups.map(groupStatus),
      activeAlerts: () => running.activeAlerts(),
      provideAlerts: (source) => running.provideAlerts(source),
      async acknowledge(fingerprint, by, at) {
        const view = await running.acknowledge(fingerprint, by.name, at)
        // An older acknowledgement of the alert may have become too old for its page.
        await app.paging?.alertTaken(view.id, by.name, at)
        return view
      },
      behindSeconds: () => running.scheduler.behindSeconds(),
      failingRatio() {
        const runners = running.scheduler.groups.flatMap((group) => group.runners)
        const failing = runners.filter(({ health }) => health.health === 'err').length
        return runners.length === 0 ? 0 : failing / runners.length
      },
      watchFigure: (name, value, labels = {}) => void others.push([name, value, labels]),
      extrasOf: files.extrasOf,
      calendars: () => files.calendars,
      faults: () => files.faults,
      settled: () => running.settled(),
    })
    await app.register(replayRoutes, {
      desk: replayDesk(app, clock, defaultInterval, files, checks),
      zone: options.config?.timeZone ?? systemZone(),
    })
    await app.register(ruleRoutes, { records: app.records, clock, faults: () => files.faults })
    app.addHook('onReady', () => running.start())
    app.addHook('preClose', () => running.stop())
  },
  {
    name: 'callward-rules',
    dependencies: [
      'callward-telemetry',
      'callward-records',
      'callward-store',
      'callward-promql',
      'callward-live',
      'callward-ledger',
      'callward-incidents',
    ],
  },
)
