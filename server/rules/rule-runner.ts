import { type AlertChange, type AlertView, fingerprint, type Labels } from '../../alerts/alert.ts'
import type { AlertingRule, RecordingRule } from '../../alerts/rule.ts'
import type { Tier } from '../../alerts/rule-extras.ts'
import {
  type ActiveAlert,
  type ActiveAlerts,
  advance,
  alertLabels,
  noAlerts,
  type TemplateSurroundings,
  type Transition,
  type VectorElement,
  viewOf,
} from '../../alerts/state.ts'
import { standingOnTiers } from '../../alerts/tiers.ts'
import type { Clock, Millis } from '../clock.ts'
import type { OutboxBatch } from './alert-outbox.ts'
import { type AlertWrite, rowOf } from './alert-store.ts'
import type { HostPresence, KnownHosts } from './host-presence.ts'
import type { HostReading } from './host-views.ts'
import { type AtOnce, clockToleranceMillis, type RuleExpression } from './queries.ts'
import { type AskedRule, answersTo, asksStore } from './template-answers.ts'

/** How the newest evaluation of a rule went. */
export interface RuleHealth {
  readonly health: 'ok' | 'err' | 'unknown'
  readonly lastError: string | undefined
  readonly lastEvaluation: Millis | undefined
  /** Duration of the newest evaluation, in seconds. */
  readonly evaluationSeconds: number
}

/** What the runners of all rules share. */
export interface RunnerContext {
  readonly clock: Clock
  readonly presence: Pick<HostPresence, 'known' | 'knownNow' | 'holds' | 'blind'>
  readonly newId: () => string
  /** Labels and address of this installation, for templates. */
  readonly templates: Pick<TemplateSurroundings, 'externalLabels' | 'externalUrl'>
  /** Answers what templates ask; absent: nothing is answered. */
  readonly ask?: AskedRule['ask']
  readonly limit: number
  /** Of the runner's group. */
  readonly calm: Calm
  /** Which rule has the alert of a fingerprint; shared by all runners. */
  readonly owners: Map<string, AlertRunner>
  /** Takes what an evaluation changed, at once and in order. */
  readonly changed: (batch: OutboxBatch) => void
}

/** What rules of a group are passed over for a host because they give nothing there: most of them, most of the time. */
export class Calm {
  /** Rules that an empty result may concern: they have alerts, had a fault, or an evaluation of them is under way. */
  readonly restless = new Set<AlertRunner>()
  /** When a host's round was last, and the rules that it left to be evaluated. */
  at: Millis | undefined
  asked: readonly AlertRunner[] = []
}

const notYet: RuleHealth = {
  health: 'unknown',
  lastError: undefined,
  lastEvaluation: undefined,
  evaluationSeconds: 0,
}

/** How the evaluations of one rule went: of all hosts together, and of hosts alone. */
class Health {
  readonly #failing = new Map<string, string>()
  #whole: string | undefined
  lastEvaluation: Millis | undefined
  evaluationSeconds = 0

  /** Notes how an evaluation went, of one host when `instance` is given. */
  note(instance: string | undefined, error: string | undefined): void {
    if (instance === undefined) {
      this.#whole = error
      this.#failing.clear()
    } else if (error !== undefined) this.#failing.set(instance, error)
    else if (this.#failing.size > 0) this.#failing.delete(instance)
  }

  /** Hosts are noted as failing. */
  get fails(): boolean {
    return this.#failing.size > 0
  }

  /** All hosts were evaluated one by one, and these are all there are. */
  allOf(instances: ReadonlySet<string>): void {
    this.#whole = undefined
    for (const instance of this.#failing.keys())
      if (!instances.has(instance)) this.#failing.delete(instance)
  }

  get state(): RuleHealth {
    return this.stateAt(this.lastEvaluation)
  }

  /** The state when the rule was last evaluated at the time given. */
  stateAt(lastEvaluation: Millis | undefined): RuleHealth {
    const { evaluationSeconds } = this
    if (lastEvaluation === undefined) return notYet
    const lastError = this.#whole ?? this.#failing.values().next().value
    const health = lastError === undefined ? 'ok' : 'err'
    return { health, lastError, lastEvaluation, evaluationSeconds }
  }
}

/** Runs evaluations one after another in the order asked for, and remembers how they went. */
class Turns {
  readonly #clock: Clock
  readonly health = new Health()
  #tail: Promise<void> = Promise.resolve()
  /** Evaluations that run or wait. */
  count = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Never rejects: a failed evaluation is the rule's health. */
  take(instance: string | undefined, evaluate: (now: Millis) => Promise<void>): Promise<void> {
    this.count++
    this.#tail = this.#tail.then(async () => {
      const started = this.#clock.monotonic()
      const now = this.#clock.now()
      const error = await evaluate(now).then(
        () => undefined,
        (error: unknown) => (error instanceof Error ? error.message : String(error)),
      )
      this.count--
      this.health.note(instance, error)
      this.health.lastEvaluation = now
      this.health.evaluationSeconds = (this.#clock.monotonic() - started) / 1000
    })
    return this.#tail
  }
}

/** Alerts of a rule by host; those of no host, and all of a rule that sets `instance` itself, under the empty text. */
type Parts = Map<string, ActiveAlerts>

/** One alerting rule with its alerts. Evaluations of it never overlap. */
export class AlertRunner {
  readonly rule: AlertingRule
  /** Whether it may be evaluated for one host; a limit counts the alerts of all hosts. */
  readonly keepsInstance: boolean
  readonly #expression: RuleExpression
  /** Its templates ask the store, which takes a wait. */
  readonly #asks: boolean
  readonly #context: RunnerContext
  readonly #tiers: readonly Tier[]
  /** By id of a firing alert, on which tiers its value stood when it was last told. */
  readonly #toldOnTiers = new Map<string, string>()
  readonly #turns: Turns
  readonly #parts: Parts = new Map()
  /** Hosts evaluated at once since the evaluation that runs now began: its answer is older than theirs. */
  readonly #fresher = new Set<string>()

  constructor(
    rule: AlertingRule,
    expression: RuleExpression,
    context: RunnerContext,
    tiers: readonly Tier[] = [],
  ) {
    this.rule = rule
    this.#tiers = tiers
    this.#asks = asksStore(rule)
    this.keepsInstance =
      expression.keepsInstance && rule.labels['instance'] === undefined && context.limit === 0
    this.#expression = expression
    this.#context = context
    this.#turns = new Turns(context.clock)
  }

  get health(): RuleHealth {
    const { health } = this.#turns
    const { at, asked } = this.#context.calm
    if (at === undefined || this.atOnce === undefined || asked.includes(this)) return health.state
    return health.stateAt(Math.max(at, health.lastEvaluation ?? at))
  }

  /** The expressions it evaluates at once. */
  get atOnce(): AtOnce | undefined {
    return this.keepsInstance && !this.#asks ? this.#expression.atOnce : undefined
  }

  /** Puts alerts back as they were; before the first evaluation. */
  restore(alerts: readonly ActiveAlert[], evaluatedAt: Millis): void {
    for (const alert of alerts) {
      const key = this.#partOf(alert.labels)
      const byFingerprint = new Map(this.#parts.get(key)?.byFingerprint)
      byFingerprint.set(alert.fingerprint, alert)
      this.#parts.set(key, { byFingerprint, evaluatedAt })
      this.#stir()
      this.#context.owners.set(alert.fingerprint, this)
      if (Number.isNaN(alert.value))
        this.#expression.memory?.missing(resultLabels(this.rule, alert), evaluatedAt)
    }
  }

  /** Learns what was there of late, where it matters that something is gone; before the first evaluation. */
  async recall(): Promise<void> {
    await this.#expression.memory?.recall(this.#context.clock.now())
  }

  /** True when an alert with a result's labels fires now. */
  fires(labels: Labels): boolean {
    const { templates } = this.#context
    const name = fingerprint(alertLabels(this.rule, { labels, value: 0 }, templates))
    return this.active(name)?.state === 'firing'
  }

  views(): AlertView[] {
    return [...this.activeAlerts()].map((alert) => viewOf(this.rule, alert))
  }

  /** Pending and firing alerts. */
  *activeAlerts(): Iterable<ActiveAlert> {
    for (const { byFingerprint } of this.#parts.values()) yield* byFingerprint.values()
  }

  active(fingerprint: string): ActiveAlert | undefined {
    if (this.#context.owners.get(fingerprint) !== this) return undefined
    for (const { byFingerprint } of this.#parts.values()) {
      const alert = byFingerprint.get(fingerprint)
      if (alert !== undefined) return alert
    }
    return undefined
  }

  /** Hosts with active alerts, and of series that would be missed. */
  get hosts(): Iterable<string> {
    const remembered = this.#expression.memory?.hosts()
    return remembered === undefined ? this.#parts.keys() : [...this.#parts.keys(), ...remembered]
  }

  /** Sets the acknowledgement on the life it belongs to; nothing when that has ended. */
  acknowledged(id: string, fingerprint: string, by: string, at: Millis): void {
    const alert = this.active(fingerprint)
    if (alert?.id !== id) return
    const key = this.#partOf(alert.labels)
    const part = this.#parts.get(key)!
    const next = new Map(part.byFingerprint)
    next.set(fingerprint, { ...alert, acknowledgedAt: at, acknowledgedBy: by })
    this.#parts.set(key, { ...part, byFingerprint: next })
  }

  /** Evaluates the rule, for one host when `instance` is given; resolves when its state has advanced. */
  evaluate(instance?: string): Promise<void> {
    this.#stir()
    return this.#turns.take(instance, (now) => this.#evaluate(now, instance))
  }

  /** From now on its group asks it about every host. Rules that wait for the store are not passed over, so there is nothing to ask. */
  #stir(): void {
    if (this.atOnce !== undefined) this.#context.calm.restless.add(this)
  }

  /** True when an empty result for whatever host changes nothing: its group need not ask it. */
  get isCalm(): boolean {
    return this.#parts.size === 0 && this.#turns.count === 0 && !this.#turns.health.fails
  }

  /** Takes note that the rule gives nothing for a host; false when that may change its alerts, so that it must be evaluated. */
  passOver(instance: string): boolean {
    if (this.#parts.has(instance)) return false
    if (this.#turns.count > 0) this.#fresher.add(instance)
    this.#turns.health.note(instance, undefined)
    return true
  }

  /**
   * Evaluates the rule for one host from memory; false when that is not possible or fails, and nothing has changed. Where it is
   * possible it is the newest evidence: an evaluation that began earlier and still waits for its answer leaves this host alone.
   */
  evaluateNow(instance: string, host: HostReading): boolean {
    const { atOnce } = this
    if (atOnce === undefined) return false
    const { clock, presence } = this.#context
    const now = clock.now()
    const part = this.#parts.get(instance)
    try {
      const known = part === undefined ? noHosts : presence.knownNow(now, instance, host)
      if (known === 'unanswered') return false
      const vector = atOnce.evaluate(now + clockToleranceMillis, host, instance)
      if (vector === undefined) return false
      if (part !== undefined || vector.length > 0) {
        const next = this.#advance(part, vector, now, known, instance)
        this.#commit([[instance, next]], now)
      }
    } catch {
      // Whoever asks evaluates it again, waiting, and notes the fault with the host's own labels.
      return false
    }
    if (this.#turns.count > 0) this.#fresher.add(instance)
    this.#turns.health.note(instance, undefined)
    this.#turns.health.lastEvaluation = now
    return true
  }

  /** All hosts were evaluated one by one, and these are all there are. */
  evaluatedAll(instances: ReadonlySet<string>, seconds: number): void {
    this.#turns.health.allOf(instances)
    this.#turns.health.lastEvaluation = this.#context.clock.now()
    this.#turns.health.evaluationSeconds = seconds
  }

  async #evaluate(now: Millis, instance: string | undefined): Promise<void> {
    const { presence, limit } = this.#context
    this.#fresher.clear()
    const concerned = instance === undefined ? this.#parts.size > 0 : this.#parts.has(instance)
    const known = concerned ? await presence.known(now, instance) : noHosts
    const vector = await this.#expression.evaluate(now + clockToleranceMillis, instance)
    if (limit > 0 && vector.length > limit) {
      throw new Error(
        `exceeded limit of ${limit} with ${vector.length} alerts; raise the group's "limit" or narrow the expression`,
      )
    }
    const query = await this.#answers(vector, now)
    // The state may have gained acknowledgements, and newer evidence of some hosts, since the query began.
    const results = new Map<string, VectorElement[]>()
    if (instance !== undefined) results.set(instance, [])
    else for (const key of this.#parts.keys()) results.set(key, [])
    for (const element of vector) {
      const key = this.#partOf(element.labels)
      const list = results.get(key)
      if (list !== undefined) list.push(element)
      else if (instance === undefined) results.set(key, [element])
    }
    const advanced: [string, Advanced][] = []
    for (const [key, elements] of results) {
      if (this.#fresher.has(key)) continue
      const next = this.#advance(this.#parts.get(key), elements, now, known, instance, query)
      advanced.push([key, next])
    }
    this.#commit(advanced, now)
  }

  /** What its templates ask of the store, answered; undefined when they ask nothing. */
  async #answers(
    vector: readonly VectorElement[],
    now: Millis,
  ): Promise<TemplateSurroundings['query']> {
    const { ask, templates } = this.#context
    if (!this.#asks || ask === undefined) return undefined
    return answersTo({ rule: this.rule, vector, templates, ask }, now + clockToleranceMillis)
  }

  #partOf(labels: Labels): string {
    return this.rule.labels['instance'] === undefined ? (labels['instance'] ?? '') : ''
  }

  #advance(
    part: ActiveAlerts | undefined,
    vector: readonly VectorElement[],
    now: Millis,
    known: KnownHosts | undefined,
    instance: string | undefined,
    query?: TemplateSurroundings['query'],
  ): Advanced {
    const { presence, newId, templates, owners } = this.#context
    return advance(this.rule, part ?? noAlerts, vector, now, {
      newId,
      onlyInstance: instance === '' ? undefined : instance,
      hold: (alert) => presence.holds(alert, known, now),
      templates: query === undefined ? templates : { ...templates, query },
      taken: (fingerprint) => (owners.get(fingerprint) ?? this) !== this,
    })
  }

  #commit(advanced: readonly (readonly [string, Advanced])[], now: Millis): void {
    const { owners, changed } = this.#context
    const all: Transition[] = []
    for (const [key, { active, transitions }] of advanced) {
      if (active.byFingerprint.size > 0) this.#stir()
      if (active.byFingerprint.size > 0) this.#parts.set(key, active)
      else this.#parts.delete(key)
      for (const { kind, alert } of transitions) {
        if (kind === 'resolved' || kind === 'dropped') owners.delete(alert.fingerprint)
        else owners.set(alert.fingerprint, this)
      }
      all.push(...transitions)
    }
    const batch = batchOf(this.rule, all, now)
    const revalued = this.#tiers.length === 0 ? [] : this.#revalued(advanced, all, now)
    if (all.length > 0 || revalued.length > 0)
      changed({ ...batch, changes: [...batch.changes, ...revalued] })
  }

  /** Alerts that fire on with a value on other tiers than the one last told. */
  #revalued(
    advanced: readonly (readonly [string, Advanced])[],
    transitions: readonly Transition[],
    at: Millis,
  ): AlertChange[] {
    const told = this.#toldOnTiers
    const begun = new Set<string>()
    for (const { kind, alert } of transitions) {
      if (kind === 'resolved') told.delete(alert.id)
      if (kind === 'firing') begun.add(alert.id)
    }
    const firing = advanced.flatMap(([, { active }]) =>
      [...active.byFingerprint.values()].filter(({ state }) => state === 'firing'),
    )
    return firing.flatMap((alert): AlertChange[] => {
      const standing = standingOnTiers(this.#tiers, alert.value)
      if (told.get(alert.id) === standing) return []
      told.set(alert.id, standing)
      if (begun.has(alert.id)) return []
      return [{ kind: 'firing', alert: viewOf(this.rule, alert), at, revalued: true }]
    })
  }
}

type Advanced = ReturnType<typeof advance>

const noHosts: KnownHosts = new Map()

/** One recording rule. */
export class RecordRunner {
  readonly rule: RecordingRule
  readonly #expression: RuleExpression
  readonly #turns: Turns
  readonly #limit: number

  constructor(
    rule: RecordingRule,
    expression: RuleExpression,
    context: Pick<RunnerContext, 'clock' | 'limit'>,
  ) {
    this.rule = rule
    this.#expression = expression
    this.#limit = context.limit
    this.#turns = new Turns(context.clock)
  }

  get health(): RuleHealth {
    return this.#turns.health.state
  }

  /** The new samples with all their labels; none when the evaluation failed. */
  async evaluate(): Promise<readonly VectorElement[]> {
    let samples: readonly VectorElement[] = []
    await this.#turns.take(undefined, async (now) => {
      const vector = await this.#expression.evaluate(now + clockToleranceMillis)
      if (this.#limit > 0 && vector.length > this.#limit) {
        throw new Error(
          `exceeded limit of ${this.#limit} with ${vector.length} series; raise the group's "limit"`,
        )
      }
      samples = vector.map((element) => this.#recorded(element))
    })
    return samples
  }

  #recorded({ labels, value }: VectorElement): VectorElement {
    return { labels: { ...labels, ...this.rule.labels, __name__: this.rule.name }, value }
  }
}

/** The labels of the result that raised an alert, as far as its rule did not set them. */
function resultLabels(rule: AlertingRule, alert: ActiveAlert): Labels {
  const set = new Set(['alertname', ...Object.keys(rule.labels)])
  return Object.fromEntries(Object.entries(alert.labels).filter(([name]) => !set.has(name)))
}

/** What one evaluation's transitions mean for the records and for people. */
export function batchOf(
  rule: { readonly name: string; readonly group: string },
  transitions: readonly Transition[],
  now: Millis,
): OutboxBatch {
  const writes: AlertWrite[] = []
  const changes: AlertChange[] = []
  for (const { kind, alert, at } of transitions) {
    if (kind === 'dropped') {
      writes.push({ kind: 'drop', id: alert.id })
      continue
    }
    const view = viewOf(rule, alert, kind === 'resolved' ? at : undefined)
    writes.push({ kind: 'save', row: rowOf(view, alert.keepFiringSince, now) })
    if (kind === 'firing' || kind === 'resolved') changes.push({ kind, alert: view, at })
  }
  return { writes, changes }
}
