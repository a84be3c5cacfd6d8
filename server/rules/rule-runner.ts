import type { AlertChange, AlertView, Labels } from '../../alerts/alert.ts'
import type { AlertingRule, RecordingRule } from '../../alerts/rule.ts'
import {
  type ActiveAlert,
  type ActiveAlerts,
  advance,
  noAlerts,
  type Transition,
  type VectorElement,
  viewOf,
} from '../../alerts/state.ts'
import { expand } from '../../alerts/template.ts'
import type { Clock, Millis } from '../clock.ts'
import type { OutboxBatch } from './alert-outbox.ts'
import { type AlertWrite, rowOf } from './alert-store.ts'
import type { HostPresence } from './host-presence.ts'
import { clockToleranceMillis, type RuleExpression } from './queries.ts'

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
  readonly presence: HostPresence
  readonly newId: () => string
  readonly externalLabels: Labels
  readonly limit: number
  /** Which rule has the alert of a fingerprint; shared by all runners. */
  readonly owners: Map<string, AlertRunner>
  /** Takes what an evaluation changed, at once and in order. */
  readonly changed: (batch: OutboxBatch) => void
}

const notYet: RuleHealth = {
  health: 'unknown',
  lastError: undefined,
  lastEvaluation: undefined,
  evaluationSeconds: 0,
}

/** Runs evaluations one after another in the order asked for, and remembers how the newest went. */
class Turns {
  readonly #clock: Clock
  #tail: Promise<void> = Promise.resolve()
  health: RuleHealth = notYet

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Never rejects: a failed evaluation is the rule's health. */
  take(evaluate: (now: Millis) => Promise<void>): Promise<void> {
    this.#tail = this.#tail.then(async () => {
      const started = this.#clock.monotonic()
      const now = this.#clock.now()
      const lastError = await evaluate(now).then(
        () => undefined,
        (error: unknown) => (error instanceof Error ? error.message : String(error)),
      )
      this.health = {
        health: lastError === undefined ? 'ok' : 'err',
        lastError,
        lastEvaluation: now,
        evaluationSeconds: (this.#clock.monotonic() - started) / 1000,
      }
    })
    return this.#tail
  }
}

/** One alerting rule with its alerts. Evaluations of it never overlap. */
export class AlertRunner {
  readonly rule: AlertingRule
  /** Whether it may be evaluated for one host; a limit counts the alerts of all hosts. */
  readonly keepsInstance: boolean
  readonly #expression: RuleExpression
  readonly #context: RunnerContext
  readonly #turns: Turns
  #active: ActiveAlerts = noAlerts

  constructor(rule: AlertingRule, expression: RuleExpression, context: RunnerContext) {
    this.rule = rule
    this.keepsInstance =
      expression.keepsInstance && rule.labels['instance'] === undefined && context.limit === 0
    this.#expression = expression
    this.#context = context
    this.#turns = new Turns(context.clock)
  }

  get health(): RuleHealth {
    return this.#turns.health
  }

  /** Puts alerts back as they were; before the first evaluation. */
  restore(alerts: readonly ActiveAlert[], evaluatedAt: Millis): void {
    if (alerts.length === 0) return
    this.#active = {
      byFingerprint: new Map(alerts.map((alert) => [alert.fingerprint, alert])),
      evaluatedAt,
    }
    for (const { fingerprint } of alerts) this.#context.owners.set(fingerprint, this)
  }

  views(): AlertView[] {
    return [...this.#active.byFingerprint.values()].map((alert) => viewOf(this.rule, alert))
  }

  active(fingerprint: string): ActiveAlert | undefined {
    return this.#active.byFingerprint.get(fingerprint)
  }

  /** Sets the acknowledgement on the life it belongs to; nothing when that has ended. */
  acknowledged(id: string, fingerprint: string, by: string, at: Millis): void {
    const alert = this.#active.byFingerprint.get(fingerprint)
    if (alert?.id !== id) return
    const next = new Map(this.#active.byFingerprint)
    next.set(fingerprint, { ...alert, acknowledgedAt: at, acknowledgedBy: by })
    this.#active = { ...this.#active, byFingerprint: next }
  }

  /** Evaluates the rule, for one host when `instance` is given; resolves when its state has advanced. */
  evaluate(instance?: string): Promise<void> {
    return this.#turns.take((now) => this.#evaluate(now, instance))
  }

  async #evaluate(now: Millis, instance: string | undefined): Promise<void> {
    const { presence, limit, newId, externalLabels, owners, changed } = this.#context
    const known = this.#concerns(instance)
      ? await presence.known(now, instance)
      : new Map<string, number>()
    const vector = await this.#expression.evaluate(now + clockToleranceMillis, instance)
    if (limit > 0 && vector.length > limit) {
      throw new Error(
        `exceeded limit of ${limit} with ${vector.length} alerts; raise the group's "limit" or narrow the expression`,
      )
    }
    // The state may only have gained acknowledgements since the query began.
    const { active, transitions } = advance(this.rule, this.#active, vector, now, {
      newId,
      onlyInstance: instance,
      hold: (alert) => presence.holds(alert, known),
      externalLabels,
      taken: (fingerprint) => (owners.get(fingerprint) ?? this) !== this,
    })
    this.#active = active
    for (const { kind, alert } of transitions) {
      if (kind === 'resolved' || kind === 'dropped') owners.delete(alert.fingerprint)
      else owners.set(alert.fingerprint, this)
    }
    if (transitions.length > 0) changed(batchOf(this.rule, transitions, now))
  }

  /** Whether an alert could go away in this evaluation. */
  #concerns(instance: string | undefined): boolean {
    for (const alert of this.#active.byFingerprint.values()) {
      if (instance === undefined || alert.labels['instance'] === instance) return true
    }
    return false
  }
}

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
    return this.#turns.health
  }

  /** The new samples with all their labels; none when the evaluation failed. */
  async evaluate(): Promise<readonly VectorElement[]> {
    let samples: readonly VectorElement[] = []
    await this.#turns.take(async (now) => {
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
    const data = { labels, value, externalLabels: {} }
    const set = Object.entries(this.rule.labels).map(([name, text]) => [name, expand(text, data)])
    return { labels: { ...labels, ...Object.fromEntries(set), __name__: this.rule.name }, value }
  }
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
