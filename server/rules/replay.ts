import { setImmediate as othersTurn } from 'node:timers/promises'
import type { AlertChange, Labels, Millis } from '../../alerts/alert.ts'
import type { AlertingRule } from '../../alerts/rule.ts'
import type { RuleExtras } from '../../alerts/rule-extras.ts'
import type { ActiveAlert, VectorElement } from '../../alerts/state.ts'
import { CallwardError } from '../errors.ts'
import { literalPattern } from '../literal-pattern.ts'
import { isMeasured, measuredExpression } from './measured-expression.ts'
import { clockToleranceMillis, type RuleExpression, type RuleQueries } from './queries.ts'
import { AlertRunner, Calm } from './rule-runner.ts'

/** One series of stored results; times ascend. */
export interface PastSeries {
  readonly labels: Labels
  readonly times: Float64Array
  readonly values: Float64Array
}

/** Asks for an expression's results at each step of a stretch, both ends included. */
export type AskPast = (
  text: string,
  start: Millis,
  end: Millis,
  step: Millis,
) => Promise<readonly PastSeries[]>

export interface PastRule {
  readonly rule: AlertingRule
  readonly intervalMillis: Millis
  /** Of its group; 0 is none. */
  readonly limit: number
  readonly extras: RuleExtras
}

export interface PastParts {
  readonly ask: AskPast
  /** The text of the values a condition looks at; undefined where there are none. */
  readonly watched: (expr: string) => string | undefined
  readonly newId: () => string
  readonly signal: AbortSignal
  /** Called with the share done, 0 to 1. */
  readonly onProgress: (share: number) => void
}

/** What a rule would have done. */
export interface PastOfRule {
  /** As the hub would have been told, in order of time. */
  readonly changes: readonly AlertChange[]
  readonly evaluations: number
  /** Evaluations that would have failed, as by the group's limit, and the newest reason. */
  readonly failed: number
  readonly lastError: string | undefined
}

/** Steps asked for at once; an answer that is too long is asked for in smaller pieces. */
const stepsAtOnce = 2_000
/** Results one replay walks through. */
export const resultsMax = 20_000_000
/** Changes of alerts one rule may make: each is held with its whole view. */
export const changesMax = 100_000
const sliceMillis = 5
const up = 'callward_collector_up'

/** Which of these hosts reported; all hosts where they are many. */
function upOf(hosts: ReadonlySet<string>): string {
  if (hosts.size > 100) return up
  return `${up}{instance=~${JSON.stringify(literalPattern(hosts))}}`
}

/** The results of one stretch, by expression and instant. */
class Stretch {
  /** Hosts of the results. */
  readonly hosts = new Set<string>()
  readonly #byText = new Map<string, ReadonlyMap<Millis, readonly VectorElement[]>>()
  results = 0

  set(text: string, series: readonly PastSeries[]): void {
    const byTime = new Map<Millis, VectorElement[]>()
    for (const { labels, times, values } of series) {
      this.hosts.add(labels['instance'] ?? '')
      for (const [i, time] of times.entries()) {
        const at = time - clockToleranceMillis
        const element = { labels, value: values[i]! }
        const list = byTime.get(at)
        if (list === undefined) byTime.set(at, [element])
        else list.push(element)
        this.results++
      }
    }
    this.#byText.set(text, byTime)
  }

  at(text: string, time: Millis): readonly VectorElement[] {
    return this.#byText.get(text)?.get(time) ?? []
  }
}

/**
 * Runs a rule over what is stored, with the state machine that runs it live: the same runner, at its group's interval, with its extras,
 * and an alert of a silent host stays as it would have. Between two instants others have their turn. Throws query_too_large.
 */
export async function replayRule(
  past: PastRule,
  from: Millis,
  to: Millis,
  parts: PastParts,
): Promise<PastOfRule> {
  const replay = new Replay(past, parts)
  await replay.run(from, to)
  return replay.answer()
}

class Replay {
  readonly #past: PastRule
  readonly #parts: PastParts
  readonly #texts: readonly string[]
  readonly #runner: AlertRunner
  readonly #changes: AlertChange[] = []
  readonly #known = new Set<string>()
  #stretch = new Stretch()
  #now: Millis = 0
  #evaluations = 0
  #failed = 0
  #lastError: string | undefined
  #results = 0
  #sliceEnd = 0

  constructor(past: PastRule, parts: PastParts) {
    this.#past = past
    this.#parts = parts
    const { rule, extras } = past
    const watched =
      extras.recovery === undefined && extras.absentFor === undefined
        ? undefined
        : parts.watched(rule.expr)
    this.#texts = [rule.expr, watched, extras.minimumTraffic?.expr].filter(
      (text) => text !== undefined,
    )
    this.#runner = this.#makeRunner(watched)
  }

  async run(from: Millis, to: Millis): Promise<void> {
    const step = this.#past.intervalMillis
    let steps = stepsAtOnce
    let start = from
    while (start <= to) {
      const end = Math.min(
        start + (steps - 1) * step,
        start + Math.floor((to - start) / step) * step,
      )
      const stretch = await this.#read(start, end, step)
      if (stretch === undefined) {
        steps = Math.max(1, Math.floor(steps / 4))
        continue
      }
      this.#stretch = stretch
      await this.#walk(start, end, step)
      start = end + step
      steps = Math.min(stepsAtOnce, steps * 2)
      this.#parts.onProgress(Math.min(1, (start - from) / Math.max(1, to - from)))
    }
  }

  answer(): PastOfRule {
    return {
      changes: this.#changes,
      evaluations: this.#evaluations,
      failed: this.#failed,
      lastError: this.#lastError,
    }
  }

  /** Undefined when it is too much for one answer and fewer steps may do. */
  async #read(start: Millis, end: Millis, step: Millis): Promise<Stretch | undefined> {
    const stretch = new Stretch()
    try {
      for (const text of this.#texts) {
        const ahead = clockToleranceMillis
        stretch.set(text, await this.#parts.ask(text, start + ahead, end + ahead, step))
      }
      const hosts = new Set([...stretch.hosts, ...this.#runner.hosts])
      hosts.delete('')
      if (hosts.size > 0) {
        const ahead = clockToleranceMillis
        stretch.set(up, await this.#parts.ask(upOf(hosts), start + ahead, end + ahead, step))
      }
    } catch (error) {
      const tooMuch = (error as { kind?: unknown }).kind === 'execution'
      if (tooMuch && end > start) return undefined
      throw error
    }
    this.#results += stretch.results
    if (this.#changes.length > changesMax)
      throw new CallwardError(
        'query_too_large',
        `The rule "${this.#past.rule.name}" changes its alerts more than ${changesMax} times in that time; replay fewer days, or give it a "for".`,
      )
    if (this.#results > resultsMax)
      throw new CallwardError(
        'query_too_large',
        `The rule "${this.#past.rule.name}" gives more than ${resultsMax} results in that time; replay fewer days, or a narrower expression.`,
      )
    return stretch
  }

  async #walk(start: Millis, end: Millis, step: Millis): Promise<void> {
    for (let at = start; at <= end; at += step) {
      this.#evaluations++
      this.#now = at
      for (const { labels } of this.#stretch.at(up, at)) this.#known.add(labels['instance'] ?? '')
      if (this.#isIdle(at)) continue
      if (performance.now() > this.#sliceEnd) await this.#letOthers()
      await this.#runner.evaluate()
      const { health, lastError } = this.#runner.health
      if (health !== 'err') continue
      this.#failed++
      this.#lastError = lastError
    }
  }

  /** Nothing holds, nothing is active and nothing would be missed. */
  #isIdle(at: Millis): boolean {
    for (const _host of this.#runner.hosts) return false
    return this.#texts.every((text) => this.#stretch.at(text, at).length === 0)
  }

  async #letOthers(): Promise<void> {
    await othersTurn()
    this.#parts.signal.throwIfAborted()
    this.#sliceEnd = performance.now() + sliceMillis
  }

  #makeRunner(watched: string | undefined): AlertRunner {
    const { rule, extras, limit } = this.#past
    const clock = { now: () => this.#now, monotonic: () => this.#now }
    const stored = (text: string): RuleExpression => ({
      keepsInstance: false,
      evaluate: async () => this.#stretch.at(text, this.#now),
    })
    const queries: RuleQueries = {
      compile: stored,
      watched: () => (watched === undefined ? undefined : stored(watched)),
    }
    const expression = isMeasured(extras)
      ? measuredExpression(rule.expr, {
          extras,
          queries,
          firing: (labels) => runner.fires(labels),
          blind: () => false,
        })
      : stored(rule.expr)
    const context = {
      clock,
      presence: this.#presence(),
      newId: this.#parts.newId,
      templates: { externalLabels: {} },
      limit,
      calm: new Calm(),
      owners: new Map<string, AlertRunner>(),
      changed: ({ changes }: { readonly changes: readonly AlertChange[] }) =>
        void this.#changes.push(...changes),
    }
    const runner: AlertRunner = new AlertRunner(rule, expression, context, extras.tiers)
    return runner
  }

  /** Which hosts reported then, as `HostPresence` would have known. */
  #presence() {
    const known = async () =>
      new Map(
        this.#stretch
          .at(up, this.#now)
          .map(({ labels, value }) => [labels['instance'] ?? '', value]),
      )
    return {
      blind: false,
      known,
      knownNow: () => 'unanswered' as const,
      holds: (alert: ActiveAlert, hosts: ReadonlyMap<string, number> | undefined) => {
        const instance = alert.labels['instance']
        if (instance === undefined) return false
        const state = hosts?.get(instance)
        if (state === undefined) return this.#known.has(instance)
        return state === 0 && alert.state === 'firing'
      },
    }
  }
}
