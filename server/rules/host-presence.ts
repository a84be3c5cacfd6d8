import type { ActiveAlert } from '../../alerts/state.ts'
import type { Clock, Millis } from '../clock.ts'
import type { HostReading } from './host-views.ts'
import { clockToleranceMillis, type RuleExpression, type RuleQueries } from './queries.ts'

/** What the hub knows of a host since it started: 1 reports, 0 silent, absent not known yet. */
export type KnownHosts = ReadonlyMap<string, number>

/** How long after the start an alert without any news is held, in milliseconds. */
export const holdAfterStartMillis = 60_000
/** The same for a host with a collector: three of the longest report intervals, and the reconnection. */
export const holdCollectorMillis = 200_000

/** What the hub knows at this moment without asking the store. */
export interface HostsNow {
  /** 1 reports, 0 silent, undefined not known. */
  up(instance: string): 0 | 1 | undefined
  /** True while the store takes no samples: what it answers is old. */
  blind(): boolean
}

/**
 * Decides whether an alert may resolve because its condition is no longer seen. It may only when its host was
 * heard since the hub started and is not silent now: no news is not good news.
 */
export class HostPresence {
  readonly #clock: Clock
  readonly #queries: RuleQueries
  readonly #onError: (error: unknown) => void
  readonly #now: HostsNow
  readonly #startedAt: number
  readonly #up: RuleExpression
  readonly #heard: RuleExpression
  #collectors: ReadonlySet<string> = new Set()

  constructor(options: {
    clock: Clock
    queries: RuleQueries
    onError: (error: unknown) => void
    now?: HostsNow
  }) {
    this.#now = options.now ?? { up: () => undefined, blind: () => false }
    this.#clock = options.clock
    this.#queries = options.queries
    this.#onError = options.onError
    this.#startedAt = options.clock.monotonic()
    this.#up = options.queries.compile('callward_collector_up')
    this.#heard = options.queries.compile('timestamp(callward_collector_up)')
  }

  /** Names the hosts that had a collector before the hub started. */
  expect(instances: Iterable<string>): void {
    this.#collectors = new Set(instances)
  }

  /**
   * Asks what is known now, for one host when `instance` is given. Ask before the rule's own query: a report that
   * arrives in between must not count as heard while its data is not in the answer. Undefined when the question
   * cannot be answered.
   */
  async known(at: Millis, instance?: string): Promise<KnownHosts | undefined> {
    const sinceStart = this.#clock.monotonic() - this.#startedAt
    const startedAt = (at - sinceStart) / 1000
    // A sample from before the start is what the former process knew.
    const text = `callward_collector_up and timestamp(callward_collector_up) >= ${startedAt.toFixed(3)}`
    try {
      const results = await this.#queries
        .compile(text)
        .evaluate(at + clockToleranceMillis, instance)
      return new Map(results.map(({ labels, value }) => [labels['instance'] ?? '', value]))
    } catch (error) {
      this.#onError(error)
      return undefined
    }
  }

  /** Expressions `knownNow` asks for a host. */
  get expressions(): readonly RuleExpression[] {
    return [this.#up, this.#heard]
  }

  /** As `known` for one host, from memory; `unanswered` when memory does not tell. */
  knownNow(at: Millis, instance: string, host: HostReading): KnownHosts | 'unanswered' {
    const until = at + clockToleranceMillis
    const up = this.#up.atOnce?.evaluate(until, host, instance)
    const heard = this.#heard.atOnce?.evaluate(until, host, instance)
    if (up === undefined || heard === undefined) return 'unanswered'
    const startedAt = (at - (this.#clock.monotonic() - this.#startedAt)) / 1000
    // Both give the same series in the same order.
    const since = up.filter((_, series) => heard[series]!.value >= startedAt)
    return new Map(since.map(({ value }) => [instance, value]))
  }

  /** True while the store takes no samples: what it answers is old, and nothing is missed. */
  get blind(): boolean {
    return this.#now.blind()
  }

  /** True while the alert must stay although its condition was not seen at `at`; a clock that is set on meanwhile changes nothing. */
  holds(alert: ActiveAlert, known: KnownHosts | undefined, at: Millis): boolean {
    if (known === undefined || this.#now.blind()) return true
    const instance = alert.labels['instance']
    const lookedAgo = Math.max(0, this.#clock.now() - at)
    const sinceStart = this.#clock.monotonic() - this.#startedAt - lookedAgo
    if (instance === undefined) return sinceStart < holdAfterStartMillis
    const up = known.get(instance)
    if (up === undefined) {
      // The host is known, but what is stored of it is out of sight (a clock jumped): no news.
      if (this.#now.up(instance) !== undefined) return true
      return (
        sinceStart < (this.#collectors.has(instance) ? holdCollectorMillis : holdAfterStartMillis)
      )
    }
    return up === 0 && alert.state === 'firing'
  }
}
