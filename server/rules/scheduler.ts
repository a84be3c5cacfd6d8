import type { AlertView } from '../../alerts/alert.ts'
import type { RuleGroup } from '../../alerts/rule.ts'
import type { VectorElement } from '../../alerts/state.ts'
import type { Clock, Millis } from '../clock.ts'
import { type Cadence, firstTurn, nextTurn } from './cadence.ts'
import { HostQueue } from './host-queue.ts'
import type { RuleQueries } from './queries.ts'
import { AlertRunner, RecordRunner, type RunnerContext } from './rule-runner.ts'
import { alertSeries } from './series-writer.ts'
import type { Timers } from './timers.ts'

/** A group while it runs. */
export interface RunningGroup {
  readonly group: RuleGroup
  readonly intervalMillis: Millis
  readonly runners: readonly (AlertRunner | RecordRunner)[]
  lastEvaluation: Millis | undefined
  evaluationSeconds: number
}

export interface SchedulerOptions {
  readonly clock: Clock
  readonly timers: Timers
  readonly queries: RuleQueries
  readonly groups: readonly RuleGroup[]
  readonly context: Omit<RunnerContext, 'limit'>
  /** Interval of a group that names none, in milliseconds. */
  readonly defaultInterval: Millis
  /** Stores what a group's evaluation made; must not reject. */
  readonly store: (
    group: RunningGroup,
    samples: readonly VectorElement[],
    at: Millis,
  ) => Promise<void>
  /** Turns of a group that were not taken in time. */
  readonly onMissed: (group: RunningGroup, count: number) => void
  /** Evaluation of one host that was refused because too many hosts wait. */
  readonly onRefusedHost: (instance: string) => void
}

interface Turn {
  readonly running: RunningGroup
  cadence: Cadence
  evaluation: Promise<void> | undefined
}

const hostsAtOnce = 8
const hostsWaiting = 10_000

/** Evaluates every group in its rhythm, and a host's rules when its report arrived. */
export class RuleScheduler {
  readonly #options: SchedulerOptions
  readonly #turns: readonly Turn[]
  readonly #hosts: HostQueue
  #cancelTimer: (() => void) | undefined
  #started = false
  #stopped = false

  /** Compiles every expression; throws when one does not parse, which reading the files has ruled out. */
  constructor(options: SchedulerOptions) {
    this.#options = options
    const now = options.clock.now()
    const monotonic = options.clock.monotonic()
    this.#turns = options.groups.map((group) => {
      const running = runningGroup(group, options)
      const cadence = firstTurn(
        `${group.file}:${group.name}`,
        running.intervalMillis,
        now,
        monotonic,
      )
      return { running, cadence, evaluation: undefined }
    })
    this.#hosts = new HostQueue({
      work: (instance) => this.#evaluateHost(instance),
      atOnce: hostsAtOnce,
      maxWaiting: hostsWaiting,
      onRefused: options.onRefusedHost,
    })
  }

  get groups(): readonly RunningGroup[] {
    return this.#turns.map(({ running }) => running)
  }

  get alertRunners(): AlertRunner[] {
    return this.groups.flatMap(({ runners }) =>
      runners.filter((runner) => runner instanceof AlertRunner),
    )
  }

  activeAlerts(): AlertView[] {
    return this.alertRunners.flatMap((runner) => runner.views())
  }

  start(): void {
    this.#started = true
    this.#hosts.start()
    this.#arm()
  }

  /** Takes no more turns; resolves when the running ones are done. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#cancelTimer?.()
    this.#hosts.stop()
    await this.settled()
  }

  hostReported(instance: string): void {
    if (!this.#stopped) this.#hosts.add(instance)
  }

  /** Resolves when nothing is being evaluated. */
  async settled(): Promise<void> {
    await Promise.all(this.#turns.map(({ evaluation }) => evaluation))
    await this.#hosts.settled()
  }

  /** Takes the turns that are due now; the timer calls it. */
  takeDueTurns(): void {
    if (!this.#started || this.#stopped) return
    const monotonic = this.#options.clock.monotonic()
    for (const turn of this.#turns) {
      if (turn.cadence.nextAt > monotonic) continue
      const { cadence, missed } = nextTurn(turn.cadence, monotonic)
      turn.cadence = cadence
      // A turn that comes while the last one still runs is missed, not queued.
      const late = missed + (turn.evaluation === undefined ? 0 : 1)
      if (late > 0) this.#options.onMissed(turn.running, late)
      if (turn.evaluation !== undefined) continue
      turn.evaluation = this.#evaluateGroup(turn.running).finally(() => {
        turn.evaluation = undefined
      })
    }
    this.#arm()
  }

  #arm(): void {
    this.#cancelTimer?.()
    if (this.#stopped || this.#turns.length === 0) return
    const next = Math.min(...this.#turns.map(({ cadence }) => cadence.nextAt))
    const wait = Math.min(60_000, Math.max(0, Math.ceil(next - this.#options.clock.monotonic())))
    this.#cancelTimer = this.#options.timers.after(wait, () => this.takeDueTurns())
  }

  async #evaluateGroup(running: RunningGroup): Promise<void> {
    const { clock, store } = this.#options
    const started = clock.monotonic()
    const now = clock.now()
    const samples: VectorElement[] = []
    for (const runner of running.runners) {
      if (runner instanceof AlertRunner) await runner.evaluate()
      else samples.push(...(await runner.evaluate()))
    }
    samples.push(...seriesOf(running))
    running.lastEvaluation = now
    running.evaluationSeconds = (clock.monotonic() - started) / 1000
    await store(running, samples, now)
  }

  async #evaluateHost(instance: string): Promise<void> {
    for (const runner of this.alertRunners)
      if (runner.keepsInstance) await runner.evaluate(instance)
  }
}

/** The synthetic series of a group's alerts as they are now. */
export function seriesOf(running: RunningGroup): VectorElement[] {
  return alertSeries(
    running.runners.flatMap((runner) => (runner instanceof AlertRunner ? runner.views() : [])),
  )
}

function runningGroup(group: RuleGroup, options: SchedulerOptions): RunningGroup {
  const context: RunnerContext = { ...options.context, limit: group.limit }
  const runners = group.rules.map((rule) => {
    const expression = options.queries.compile(rule.expr)
    return rule.kind === 'alert'
      ? new AlertRunner(rule, expression, context)
      : new RecordRunner(rule, expression, context)
  })
  const intervalMillis = group.interval ?? options.defaultInterval
  return { group, intervalMillis, runners, lastEvaluation: undefined, evaluationSeconds: 0 }
}
