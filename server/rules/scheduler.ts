import { setImmediate as othersTurn } from 'node:timers/promises'
import type { AlertView } from '../../alerts/alert.ts'
import type { AlertingRule, RuleGroup } from '../../alerts/rule.ts'
import { noExtras, type RuleExtras } from '../../alerts/rule-extras.ts'
import type { VectorElement } from '../../alerts/state.ts'
import type { Clock, Millis } from '../clock.ts'
import type { Timers } from '../timers.ts'
import { type Cadence, firstTurn, nextTurn } from './cadence.ts'
import { HostQueue } from './host-queue.ts'
import { HostRounds } from './host-round.ts'
import type { HostReading } from './host-views.ts'
import { isMeasured, measuredExpression } from './measured-expression.ts'
import { looksBack, type RuleQueries } from './queries.ts'
import { AlertRunner, Calm, RecordRunner, type RunnerContext } from './rule-runner.ts'
import { alertSeries } from './series-writer.ts'

/** A group while it runs. */
export interface RunningGroup {
  readonly group: RuleGroup
  readonly intervalMillis: Millis
  readonly runners: readonly (AlertRunner | RecordRunner)[]
  /** The runners that go host by host. */
  readonly byHost: readonly AlertRunner[]
  readonly calm: Calm
  lastEvaluation: Millis | undefined
  evaluationSeconds: number
  /** On the monotonic clock, when its newest turn ended; at first when the hub started. */
  evaluatedAt: number
}

export interface SchedulerOptions {
  readonly clock: Clock
  readonly timers: Timers
  readonly queries: RuleQueries
  readonly groups: readonly RuleGroup[]
  readonly context: Omit<RunnerContext, 'limit' | 'calm'>
  /** What memory holds by host; without it everything asks the store and waits. */
  readonly hosts: HostSource | undefined
  /** What Prometheus's format lacks, of a rule; without it nothing is added. */
  readonly extrasOfRule?: ((rule: AlertingRule) => RuleExtras) | undefined
  /** A result of the rule was left out because too little goes on there. */
  readonly onHeld?: ((rule: AlertingRule) => void) | undefined
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

/** Hosts, and what memory holds of each. */
export interface HostSource {
  /** What memory holds of a host now; good until the next turn of the event loop. */
  reading(instance: string): HostReading
  /** Every host with series, and whether no series is without one. */
  instances(): { readonly values: readonly string[]; readonly everywhere: boolean }
}

interface Turn {
  readonly running: RunningGroup
  cadence: Cadence
  evaluation: Promise<void> | undefined
}

const hostsAtOnce = 8
const hostsWaiting = 10_000
/** How long evaluations may hold up everybody else, in milliseconds. */
const sliceMillis = 5
/** Hosts of a rule that memory does not answer for; with more of them one query for all is cheaper. */
const hostsOneByOne = 16
/** Hosts whose rules wait for the store because memory does not answer; beyond it they are left to the group's turn. */
const hostsLater = 64

/** Evaluates every group in its rhythm, and a host's rules when its report arrived. */
export class RuleScheduler {
  readonly #options: SchedulerOptions
  readonly #turns: readonly Turn[]
  readonly #rounds: HostRounds
  /** Hosts whose report arrived. */
  readonly #arrived = new Set<string>()
  #draining: NodeJS.Immediate | undefined
  /** Hosts with rules that must wait for the store, and those rules. */
  readonly #hosts: HostQueue
  readonly #waiting = new Map<string, Set<AlertRunner>>()
  /** By host, when each group was evaluated for it last, on the monotonic clock. */
  readonly #evaluatedAt = new Map<string, Float64Array>()
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
    this.#rounds = new HostRounds(this.groups, options.queries)
    this.#hosts = new HostQueue({
      work: (instance) => this.#evaluateWaiting(instance),
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

  /** How far the group that is furthest behind is behind its rhythm, in seconds; 0 before the start. */
  behindSeconds(): number {
    if (!this.#started) return 0
    const now = this.#options.clock.monotonic()
    const behind = this.groups.map((one) => now - one.evaluatedAt - one.intervalMillis)
    return Math.max(0, ...behind) / 1000
  }

  activeAlerts(): AlertView[] {
    return this.alertRunners.flatMap((runner) => runner.views())
  }

  start(): void {
    this.#started = true
    for (const { running } of this.#turns) running.evaluatedAt = this.#options.clock.monotonic()
    this.#hosts.start()
    if (this.#arrived.size > 0) this.#drainSoon()
    this.#arm()
  }

  /** Takes no more turns; resolves when the running ones are done. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#cancelTimer?.()
    this.#arrived.clear()
    this.#hosts.stop()
    await this.settled()
  }

  /** Never throws; a host waits once however often it reports. */
  hostReported(instance: string): void {
    if (this.#stopped || this.#arrived.has(instance)) return
    if (this.#arrived.size >= hostsWaiting) {
      this.#options.onRefusedHost(instance)
      return
    }
    this.#arrived.add(instance)
    // Not in the caller's stack: its report must be answered first.
    if (this.#started) this.#drainSoon()
  }

  /** Resolves when nothing is being evaluated. */
  async settled(): Promise<void> {
    while (this.#started && this.#arrived.size > 0) await othersTurn()
    await Promise.all(this.#turns.map(({ evaluation }) => evaluation))
    await this.#hosts.settled()
  }

  /** Takes the turns that are due now; the timer calls it. */
  takeDueTurns(): void {
    if (!this.#started || this.#stopped) return
    const monotonic = this.#options.clock.monotonic()
    for (const [number, turn] of this.#turns.entries()) {
      if (turn.cadence.nextAt > monotonic) continue
      const { cadence, missed } = nextTurn(turn.cadence, monotonic)
      turn.cadence = cadence
      // A turn that comes while the last one still runs is missed, not queued.
      const late = missed + (turn.evaluation === undefined ? 0 : 1)
      if (late > 0) this.#options.onMissed(turn.running, late)
      if (turn.evaluation !== undefined) continue
      turn.evaluation = this.#evaluateGroup(number, turn.running).finally(() => {
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

  #drainSoon(): void {
    this.#draining ??= setImmediate(() => {
      this.#draining = undefined
      const until = performance.now() + sliceMillis
      for (const instance of this.#arrived) {
        this.#arrived.delete(instance)
        this.#evaluateHost(instance)
        if (performance.now() > until) break
      }
      if (this.#arrived.size > 0) this.#drainSoon()
    })
  }

  /** Runs the rules of a host that are due: from memory at once, the others as soon as the store answers. */
  #evaluateHost(instance: string): void {
    const now = this.#options.clock.monotonic()
    const last = this.#lastOf(instance)
    const reading = this.#options.hosts?.reading(instance)
    const round = this.#rounds.of(instance, reading, this.#options.clock.now())
    for (const [number, { running }] of this.#turns.entries()) {
      const { group, byHost } = running
      const wait = group.interval === undefined ? 0 : running.intervalMillis
      // A report that comes a moment early must not wait for the next one.
      if (byHost.length === 0 || now - last[number]! < wait * 0.9) continue
      let done = true
      for (const runner of round(number))
        if (reading === undefined || !runner.evaluateNow(instance, reading))
          done = this.#evaluateLater(instance, runner) && done
      if (done) last[number] = now
    }
  }

  #lastOf(instance: string): Float64Array {
    let last = this.#evaluatedAt.get(instance)
    if (last === undefined) {
      last = new Float64Array(this.#turns.length).fill(Number.NEGATIVE_INFINITY)
      this.#evaluatedAt.set(instance, last)
    }
    return last
  }

  /** False when so many wait that the group's turn has to do it. */
  #evaluateLater(instance: string, runner: AlertRunner): boolean {
    const runners = this.#waiting.get(instance)
    if (runners !== undefined) runners.add(runner)
    else if (this.#options.hosts !== undefined && this.#waiting.size >= hostsLater) return false
    else this.#waiting.set(instance, new Set([runner]))
    this.#hosts.add(instance)
    return true
  }

  async #evaluateWaiting(instance: string): Promise<void> {
    const runners = this.#waiting.get(instance) ?? []
    this.#waiting.delete(instance)
    for (const runner of runners) await runner.evaluate(instance)
  }

  async #evaluateGroup(turn: number, running: RunningGroup): Promise<void> {
    const { clock, store, hosts } = this.#options
    const started = clock.monotonic()
    const now = clock.now()
    const samples: VectorElement[] = []
    for (const runner of running.runners) {
      if (runner instanceof AlertRunner) {
        if (hosts === undefined || runner.atOnce === undefined) await runner.evaluate()
      } else samples.push(...(await runner.evaluate()))
    }
    if (hosts !== undefined) await this.#catchUp(turn, running, hosts)
    samples.push(...seriesOf(running))
    running.lastEvaluation = now
    running.evaluatedAt = clock.monotonic()
    running.evaluationSeconds = (running.evaluatedAt - started) / 1000
    await store(running, samples, now)
  }

  /** Evaluates a group for the hosts that did not report of late, in slices; those that did were evaluated then. */
  async #catchUp(turn: number, running: RunningGroup, hosts: HostSource): Promise<void> {
    const runners = running.byHost.filter(({ atOnce }) => atOnce !== undefined)
    if (runners.length === 0) return
    const { clock } = this.#options
    const started = clock.monotonic()
    const { values, everywhere } = hosts.instances()
    const instances = new Set(values)
    for (const runner of runners) for (const instance of runner.hosts) instances.add(instance)
    instances.delete('')
    const later = new Map<AlertRunner, string[]>(runners.map((runner) => [runner, []]))
    let until = performance.now() + sliceMillis
    for (const instance of instances) {
      const last = this.#evaluatedAt.get(instance)?.[turn] ?? Number.NEGATIVE_INFINITY
      if (clock.monotonic() - last < running.intervalMillis * 1.5) continue
      const reading = hosts.reading(instance)
      for (const runner of this.#rounds.of(instance, reading, clock.now())(turn))
        if (runner.atOnce !== undefined && !runner.evaluateNow(instance, reading))
          later.get(runner)!.push(instance)
      if (performance.now() < until) continue
      await othersTurn()
      if (this.#stopped) return
      until = performance.now() + sliceMillis
    }
    for (const [runner, waiting] of later) {
      runner.evaluatedAll(instances, (clock.monotonic() - started) / 1000)
      if (waiting.length > hostsOneByOne) await runner.evaluate()
      else for (const instance of waiting) await runner.evaluate(instance)
      // Series without a host.
      if (!everywhere || [...runner.hosts].includes('')) await runner.evaluate('')
    }
  }
}

/** The synthetic series of a group's alerts as they are now. */
export function seriesOf(running: RunningGroup): VectorElement[] {
  return running.runners.flatMap((runner) =>
    runner instanceof AlertRunner ? alertSeries(runner.activeAlerts()) : [],
  )
}

function alertRunner(
  rule: AlertingRule,
  context: RunnerContext,
  { queries, extrasOfRule, onHeld }: SchedulerOptions,
): AlertRunner {
  const extras = extrasOfRule?.(rule) ?? noExtras
  if (!isMeasured(extras))
    return new AlertRunner(rule, queries.compile(rule.expr), context, extras.tiers)
  const measured = measuredExpression(rule.expr, {
    extras,
    queries,
    firing: (labels) => runner.fires(labels),
    blind: () => context.presence.blind,
    onHeld: () => onHeld?.(rule),
  })
  const runner = new AlertRunner(rule, measured, context, extras.tiers)
  return runner
}

function runningGroup(group: RuleGroup, options: SchedulerOptions): RunningGroup {
  const calm = new Calm()
  const context: RunnerContext = { ...options.context, limit: group.limit, calm }
  const queries = looksBack(options.queries, group.queryOffset)
  const runners = group.rules.map((rule) =>
    rule.kind === 'alert'
      ? alertRunner(rule, context, { ...options, queries })
      : new RecordRunner(rule, queries.compile(rule.expr), context),
  )
  const intervalMillis = group.interval ?? options.defaultInterval
  const byHost = runners.filter(
    (runner): runner is AlertRunner => runner instanceof AlertRunner && runner.keepsInstance,
  )
  return {
    ...{ group, intervalMillis, runners, byHost, calm },
    ...{ lastEvaluation: undefined, evaluationSeconds: 0, evaluatedAt: options.clock.monotonic() },
  }
}
