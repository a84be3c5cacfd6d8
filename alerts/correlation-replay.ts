import type { Millis } from './alert.ts'
import {
  type Candidate,
  candidates,
  counted,
  countOf,
  type Decision,
  decideBy,
  type Firing,
  isBeside,
  labelKeys,
} from './correlation.ts'
import type { CorrelationRule } from './correlation-config.ts'

/** One life of an alert of the past. */
export interface PastLife extends Firing {
  /** Absent: it fires on. */
  readonly resolvedAt?: Millis | undefined
}

/** What a rule did in a replay. */
export interface RuleCount {
  readonly rule: string
  opened: number
  /** Alerts that went into an open incident, those that opened it left out. */
  joined: number
  /** Alerts of which it made nothing. */
  nothing: number
}

export interface ReplayTotals {
  readonly alerts: number
  readonly opened: number
  /** Of those opened, how many a rule with a count took over. */
  readonly merged: number
  /** Alerts that no rule decided on. */
  readonly undecided: number
  readonly rules: readonly Readonly<RuleCount>[]
}

interface Modelled {
  readonly openedAt: Millis
  readonly key: string
  readonly keys: Set<string>
  readonly lives: Set<PastLife>
  /** Label sets in it; true: it holds the recovery. */
  readonly prints: Map<string, boolean>
  /** When the last alert that holds it ended; Infinity while one fires. */
  heldUntil: Millis
}

export interface ReplayTimes {
  /** How long after the last alert an incident recovers. */
  readonly greenMillis: Millis
  /** How long after that it takes a relapse. */
  readonly stabilityMillis: Millis
}

/**
 * What rules would have opened of alerts of the past, given in the order in which they fired. It models the hub alone: what people
 * took up, closed or merged is not in it.
 */
export class CorrelationReplay {
  readonly #rules: readonly CorrelationRule[]
  readonly #times: ReplayTimes
  readonly #counts: Map<CorrelationRule, RuleCount>
  #open: Modelled[] = []
  #recent: PastLife[] = []
  readonly #longest: Millis
  #alerts = 0
  #merged = 0
  #undecided = 0

  constructor(rules: readonly CorrelationRule[], times: ReplayTimes) {
    this.#rules = rules
    this.#times = times
    this.#counts = new Map(
      rules.map((rule) => [rule, { rule: rule.name, opened: 0, joined: 0, nothing: 0 }]),
    )
    this.#longest = Math.max(0, ...rules.map(({ count }) => count?.within ?? 0))
  }

  take(life: PastLife): void {
    const { greenMillis, stabilityMillis } = this.#times
    const now = life.firedAt
    this.#alerts++
    this.#open = this.#open.filter(
      ({ heldUntil }) => heldUntil + greenMillis + stabilityMillis >= now,
    )
    this.#recent = this.#recent.filter(
      ({ firedAt, resolvedAt }) =>
        firedAt >= now - this.#longest && (resolvedAt === undefined || resolvedAt > now),
    )
    if (this.#longest > 0) this.#recent.push(life)
    const known = this.#open.findLast(
      (one) => this.#isOpen(one, now) && one.prints.has(life.subject.fingerprint),
    )
    const decision = known === undefined ? this.#decide(life) : undefined
    const relapsed = decision?.kind === 'join' ? undefined : this.#relapsing(decision, life)
    const into = known ?? relapsed
    if (into !== undefined) this.#goesOn(into, life)
    else if (decision === undefined) this.#undecided++
    else this.#carryOut(decision, life)
  }

  get totals(): ReplayTotals {
    const rules = [...this.#counts.values()].map((one) => ({ ...one }))
    const opened = rules.reduce((sum, one) => sum + one.opened, 0)
    return {
      ...{ alerts: this.#alerts, opened, merged: this.#merged },
      ...{ undecided: this.#undecided, rules },
    }
  }

  #isOpen({ heldUntil }: Modelled, now: Millis): boolean {
    return heldUntil + this.#times.greenMillis > now
  }

  /** The incident that takes the alert as its relapse, unless a rule says to make nothing of it. */
  #relapsing(decision: Decision<Modelled> | undefined, life: PastLife): Modelled | undefined {
    if (decision?.kind === 'nothing' && decision.candidate?.rule.action === 'ignore')
      return undefined
    return this.#open.findLast(({ prints }) => prints.get(life.subject.fingerprint) === true)
  }

  #goesOn(into: Modelled, life: PastLife): void {
    const last = candidates(this.#rules, life.subject).at(-1)
    if (last !== undefined) this.#count(last).joined++
    const holds = into.prints.get(life.subject.fingerprint) === true
    this.#put(into, life, holds ? 'open' : 'join')
  }

  #decide(life: PastLife): Decision<Modelled> | undefined {
    for (const candidate of candidates(this.#rules, life.subject)) {
      const count =
        candidate.rule.count === undefined
          ? 0
          : countOf(candidate, counted(candidate, life.firedAt, this.#recent))
      const incident = this.#incidentOf(candidate, life.firedAt)
      const decision = decideBy(candidate, { incident, count })
      if (decision !== undefined) return decision
    }
    return undefined
  }

  #incidentOf({ rule, key }: Candidate, now: Millis): Modelled | undefined {
    const same = rule.same.join(' ')
    return this.#open.findLast(
      (one) =>
        this.#isOpen(one, now) &&
        one.openedAt >= now - (rule.within ?? Number.POSITIVE_INFINITY) &&
        (one.key === key || (rule.action === 'join' && one.keys.has(`${same} ${key}`))),
    )
  }

  #carryOut(decision: Decision<Modelled>, life: PastLife): void {
    const { candidate } = decision
    if (candidate === undefined) return
    if (decision.kind === 'nothing') this.#count(candidate).nothing++
    else if (decision.kind === 'join') {
      this.#count(candidate).joined++
      this.#put(decision.incident, life, candidate.rule.action)
    } else this.#opened(candidate, life)
  }

  #opened(candidate: Candidate, life: PastLife): void {
    const { key, rule } = candidate
    this.#count(candidate).opened++
    const keys = new Set<string>()
    const one: Modelled = {
      ...{ openedAt: life.firedAt, key, keys, lives: new Set<PastLife>() },
      prints: new Map(),
      heldUntil: Number.NEGATIVE_INFINITY,
    }
    const gathered = rule.count === undefined ? [] : counted(candidate, life.firedAt, this.#recent)
    const before = this.#open.filter(
      (other) =>
        this.#isOpen(other, life.firedAt) && gathered.some((each) => other.lives.has(each)),
    )
    this.#merged += before.length
    this.#open = [...this.#open.filter((other) => !before.includes(other)), one]
    const all = new Set([...before.flatMap(({ lives }) => [...lives]), ...gathered, life])
    for (const each of all) this.#put(one, each, rule.action)
  }

  #put(into: Modelled, life: PastLife, action: CorrelationRule['action']): void {
    const { fingerprint, labels } = life.subject
    const beside = isBeside(labels['severity'] ?? '', action)
    into.lives.add(life)
    into.prints.set(fingerprint, !beside || into.prints.get(fingerprint) === true)
    for (const key of labelKeys(this.#rules, life.subject)) into.keys.add(key)
    if (beside) return
    into.heldUntil = Math.max(into.heldUntil, life.resolvedAt ?? Number.POSITIVE_INFINITY)
  }

  #count({ rule }: Candidate): RuleCount {
    return this.#counts.get(rule)!
  }
}
