import { setImmediate as othersTurn } from 'node:timers/promises'
import type { AlertView } from '../../alerts/alert.ts'
import { type Calendar, zoneFault } from '../../alerts/calendar.ts'
import { noTopology } from '../../alerts/dependency.ts'
import type { PipelineContext } from '../../alerts/pipeline-state.ts'
import { defaultRouting } from '../../alerts/routing-config.ts'
import type { AlertingRule } from '../../alerts/rule.ts'
import type { RuleExtras } from '../../alerts/rule-extras.ts'
import type { Clock, Millis } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type { Expr, Promql } from '../promql/plugin.ts'
import type { StoreReader } from '../store/reader.ts'
import { endsWithin } from '../time-limit.ts'
import { type PastOfRule, type PastRule, type PastSeries, replayRule } from './replay.ts'
import {
  firingsOf,
  nightOf,
  type PastFiring,
  type PastPage,
  type PastSummary,
  pagesOf,
  summaryOf,
} from './replay-report.ts'
import { faultText, type RuleFolders, readRulePair } from './rule-files.ts'
import { watchedOf } from './watched.ts'

export interface ReplayWish {
  /** Text of a rule file. */
  readonly rules: string
  /** Text of its sibling `<name>.callward.yaml`. */
  readonly extras?: string | undefined
  /** One alert of the file; all without. */
  readonly rule?: string | undefined
  readonly days: number
  /** When the replayed time ends; now without. */
  readonly to?: Millis | undefined
  /** IANA zone of the site. */
  readonly zone: string
  /** Name of a calendar whose pages are counted. */
  readonly calendar?: string | undefined
}

/** What became of one rule. */
export interface ReplayedRule {
  readonly rule: PastRule
  readonly past: PastOfRule
  /** Metrics nothing is stored of in that time: the rule could not see them. */
  readonly missing: readonly string[]
  /** From when on all its metrics are stored; undefined: at no time. */
  readonly dataFrom: Millis | undefined
}

export interface ReplayReport {
  readonly from: Millis
  readonly to: Millis
  readonly summary: PastSummary
  readonly rules: readonly ReplayedRule[]
  readonly firings: readonly PastFiring[]
  readonly pages: readonly PastPage[]
  /** What would be wrong with the file. */
  readonly faults: readonly string[]
}

export interface ReplayParts {
  readonly clock: Clock
  readonly promql: Promql
  readonly store: Pick<StoreReader, 'series'>
  readonly defaultInterval: Millis
  /** What the hub runs: the sibling files' calendars are known to a new file too. */
  readonly files: Pick<RuleFolders, 'calendars'>
  readonly check: (text: string) => string | undefined
  readonly isWatched: (text: string) => boolean
  /** The hub's own routing; undefined: that of a hub without a routing file. */
  readonly routing: () => PipelineContext | undefined
}

/** Replays at once; each takes a query's place among those of the HTTP API. */
export const replaysAtOnce = 2
export const daysMax = 366
/** Evaluations of one replay, all rules together. */
export const evaluationsMax = 5_000_000
/** Longest replay, and longest single question to the store, in milliseconds. */
export const replayMaxMillis = 300_000
const questionMillis = 60_000
const questionBytes = 2 * 1024 * 1024
const day = 86_400_000

/** Answers what rules that are not saved yet would have done with what is stored. */
export class ReplayDesk {
  readonly #parts: ReplayParts
  #running = 0

  constructor(parts: ReplayParts) {
    this.#parts = parts
  }

  /** Throws bad_request, unprocessable, too_many_requests, query_too_large, query_timeout, unavailable. */
  async replay(
    wish: ReplayWish,
    signal: AbortSignal,
    onProgress: (share: number) => void,
  ): Promise<ReplayReport> {
    const files = this.#read(wish)
    const rules = rulesOf(files, wish.rule, this.#parts.defaultInterval)
    const to = Math.min(wish.to ?? this.#parts.clock.now(), this.#parts.clock.now())
    const from = to - wish.days * day
    checkExtent(rules, to - from)
    const calendar = this.#calendar(files, wish.calendar)
    if (this.#running >= replaysAtOnce)
      throw new CallwardError('too_many_requests', 'Two replays are running; wait for one to end.')
    this.#running++
    try {
      const limit = endsWithin(replayMaxMillis, signal)
      return await this.#run(
        { files, rules, from, to, calendar, zone: wish.zone },
        limit,
        onProgress,
      )
    } catch (error) {
      throw shownFailure(error)
    } finally {
      this.#running--
    }
  }

  #read({ rules, extras, zone }: ReplayWish): RuleFolders {
    const fault = zoneFault(zone)
    if (fault !== undefined) throw new CallwardError('bad_request', fault)
    const { check, isWatched } = this.#parts
    return readRulePair(rules, extras, 'rules.yaml', check, isWatched)
  }

  #calendar(files: RuleFolders, name: string | undefined): Calendar | undefined {
    if (name === undefined) return undefined
    const calendar = files.calendars.get(name) ?? this.#contextOf(files).routing.calendars.get(name)
    if (calendar !== undefined) return calendar
    throw new CallwardError(
      'unprocessable',
      `There is no calendar "${name}"; define it in a file <name>.callward.yaml or in the routing file.`,
    )
  }

  /** The hub's routing, with the extras and calendars of the file. */
  #contextOf(files: RuleFolders): PipelineContext {
    const extrasOf = (alert: AlertView) => files.extrasOf(alert)
    const own = this.#parts.routing()
    const routing = own?.routing ?? defaultRouting()
    const known = new Map([
      ...this.#parts.files.calendars,
      ...routing.calendars,
      ...files.calendars,
    ])
    return {
      routing: { ...routing, calendars: known },
      topology: noTopology,
      extrasOf,
      nudgeBefore: own?.nudgeBefore ?? 0,
    }
  }

  async #run(
    { files, rules, from, to, calendar, zone }: Run,
    signal: AbortSignal,
    onProgress: (share: number) => void,
  ): Promise<ReplayReport> {
    let ids = 0
    const newId = () => `replay-${++ids}`
    const replayed: ReplayedRule[] = []
    const seen = new Map<string, Promise<Millis | undefined>>()
    for (const [number, rule] of rules.entries()) {
      const begin = Math.ceil(from / rule.intervalMillis) * rule.intervalMillis
      const past = await replayRule(rule, begin, to, {
        ask: this.#asker(signal),
        watched: (expr) => this.#watched(expr),
        newId,
        signal,
        onProgress: (share) => onProgress((number + share) / rules.length),
      })
      replayed.push({ rule, past, ...(await this.#dataOf(rule.rule, from, to, seen, signal)) })
    }
    const changes = replayed.flatMap(({ past }) => past.changes).sort((a, b) => a.at - b.at)
    const judge = { night: nightOf(zone), calendar }
    const pause = async () => {
      await othersTurn()
      signal.throwIfAborted()
    }
    const pages = await pagesOf(changes, this.#contextOf(files), { from, to }, judge, pause)
    const firings = firingsOf(changes)
    const faults = files.faults.map(faultText)
    return {
      from,
      to,
      summary: summaryOf(firings, pages, to),
      rules: replayed,
      firings,
      pages,
      faults,
    }
  }

  #asker(signal: AbortSignal) {
    const { history } = this.#parts.promql
    if (history === undefined) throw new CallwardError('unavailable')
    const limits = { signal, timeoutMilliseconds: questionMillis, maxBytes: questionBytes }
    return (
      text: string,
      start: Millis,
      end: Millis,
      step: Millis,
    ): Promise<readonly PastSeries[]> => history(text, start, end, step, limits)
  }

  #watched(text: string): string | undefined {
    const { promql } = this.#parts
    const values = watchedOf(promql.parse(text))
    return values === undefined ? undefined : promql.printExpr(values)
  }

  /** Since when there is something of every metric the rule reads. */
  async #dataOf(
    rule: AlertingRule,
    from: Millis,
    to: Millis,
    seen: Map<string, Promise<Millis | undefined>>,
    signal: AbortSignal,
  ) {
    const metrics = metricsOf(this.#parts.promql, this.#parts.promql.parse(rule.expr))
    const missing: string[] = []
    let dataFrom: Millis | undefined = from
    for (const metric of metrics) {
      const known = seen.get(metric) ?? firstSeen(this.#parts.store, metric, from, to, signal)
      seen.set(metric, known)
      const first = await known
      if (first === undefined) missing.push(metric)
      else if (dataFrom !== undefined) dataFrom = Math.max(dataFrom, first)
    }
    if (missing.length === metrics.length && metrics.length > 0) dataFrom = undefined
    return { missing, dataFrom }
  }
}

interface Run {
  readonly files: RuleFolders
  readonly rules: readonly PastRule[]
  readonly from: Millis
  readonly to: Millis
  readonly calendar: Calendar | undefined
  readonly zone: string
}

function rulesOf(
  files: RuleFolders & { readonly extrasOfRule: (rule: AlertingRule) => RuleExtras },
  name: string | undefined,
  defaultInterval: Millis,
): PastRule[] {
  const rules = files.groups.flatMap((group) =>
    group.rules
      .filter((rule) => rule.kind === 'alert')
      .filter((rule) => name === undefined || rule.name === name)
      .map((rule) => ({
        rule,
        intervalMillis: group.interval ?? defaultInterval,
        limit: group.limit,
        extras: files.extrasOfRule(rule),
      })),
  )
  if (rules.length > 0) return rules
  const faults = files.faults.map(faultText)
  const reason =
    faults.length > 0
      ? faults.slice(0, 10).join('\n')
      : name === undefined
        ? 'The file has no alerting rule.'
        : `The file has no alert "${name}".`
  throw new CallwardError('unprocessable', reason)
}

function checkExtent(rules: readonly PastRule[], length: Millis): void {
  const evaluations = rules.reduce((sum, { intervalMillis }) => sum + length / intervalMillis, 0)
  if (evaluations <= evaluationsMax) return
  throw new CallwardError(
    'query_too_large',
    `That takes ${Math.ceil(evaluations)} evaluations, more than ${evaluationsMax}; replay one rule, or fewer days.`,
  )
}

function metricsOf(promql: Promql, expr: Expr): readonly string[] {
  return [...(promql.reads(expr).metrics ?? [])]
}

/** To the hour. */
async function firstSeen(
  store: Pick<StoreReader, 'series'>,
  metric: string,
  from: Millis,
  to: Millis,
  signal: AbortSignal,
): Promise<Millis | undefined> {
  const matchers = [[{ name: '__name__', op: '=', value: metric } as const]]
  const isThere = async (start: Millis, end: Millis) =>
    (await store.series(matchers, start, end, { limit: 1, signal })).length > 0
  for (let start = from; start <= to; start += day) {
    if (!(await isThere(start, Math.min(to, start + day)))) continue
    for (let hour = start; hour < start + day; hour += day / 24)
      if (await isThere(hour, Math.min(to, hour + day / 24))) return hour
  }
  return undefined
}

function shownFailure(error: unknown): unknown {
  if (error instanceof CallwardError) return error
  const { name, message, kind } = error as { name?: string; message?: string; kind?: string }
  const advice = 'replay one rule, fewer days, or a narrower expression.'
  if (name === 'TimeoutError' || kind === 'timeout')
    return new CallwardError('query_timeout', `The replay took too long; ${advice}`)
  if (kind === 'canceled' || name === 'AbortError') return error
  if (kind === 'unavailable') return new CallwardError('unavailable', message)
  if (kind !== undefined) return new CallwardError('query_too_large', `${message}; ${advice}`)
  return error
}
