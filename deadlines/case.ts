import type { Fact as ClockFact, Millis } from '../clocks/fact.ts'
import type { Regime } from '../clocks/regime.ts'
import type { Fact, FactKind } from '../incidents/facts.ts'
import { hubActor } from '../incidents/facts.ts'
import { type Picture, relapseRules } from '../incidents/picture.ts'
import { promisedAnew } from '../incidents/promise.ts'

/** A fact of a clock, with where it comes from. */
export interface CaseFact extends ClockFact {
  /** Id of the fact of the incident. */
  readonly source: string
  /** Of a pause: the clock it is about. */
  readonly ofClock?: string
}

/**
 * Names that clocks know facts of an incident by. `classified`, `reclassified`, what restores it, pauses and submissions
 * (`duty_met`) take more than a name and are below.
 */
export const namesOfKind: Readonly<Partial<Record<FactKind, readonly string[]>>> = {
  opened: ['opened'],
  occurred: ['occurred', 'disruption_started'],
  detected: ['detected', 'discovered'],
  aware: ['aware'],
  acknowledged: ['responded'],
  accepted: ['responded'],
  arrived: ['responded'],
  root_cause_addressed: ['fixed'],
  reviewed: ['reviewed'],
  attestation: ['reviewed'],
  notice: ['update_sent'],
}
const toldCustomers = ['customers_told', 'clients_informed']
const namesOfRestored = ['restored', 'recovered', 'service_resumed', 'emergency_ended']

/** Every name that something other than a submission gives. */
const given: ReadonlySet<string> = new Set([
  ...Object.values(namesOfKind).flat(),
  ...toldCustomers,
  ...namesOfRestored,
  ...['classified', 'reclassified', 'paused', 'resumed', 'promised_anew'],
])

const others: ReadonlySet<FactKind> = new Set([
  ...(['severity', 'major', 'classified', 'recovered', 'clock_paused', 'clock_resumed'] as const),
  ...(['duty_owed', 'duty_met', 'duty_waived', 'action', 'action_done'] as const),
  ...(['transition', 'relapse', 'resolved'] as const),
])

/** Whether a fact of this kind can change a deadline. */
export function changesDeadlines(kind: FactKind): boolean {
  return others.has(kind) || namesOfKind[kind] !== undefined
}

/** The regime and clock that the code of a duty names: `dora.initial`, and `dora.initial.2` for a further one. */
export function dutyNames(duty: string): { readonly regime: string; readonly clock: string } {
  const [regime = '', clock = ''] = duty.split('.')
  return { regime, clock }
}

/** The facts of an incident as clocks read them, in order of recording; suggestions are none. */
export function caseFacts(picture: Picture, regimes: readonly Regime[]): CaseFact[] {
  const book = new CaseBook()
  const major = new MajorFacts(book)
  const restored = new RestoredFacts(book, picture)
  const byName = new Map(regimes.map((regime) => [regime.name, regime]))
  const anew = new Set(promisedAnew(picture))
  for (const [position, fact] of picture.facts.entries()) {
    restored.step(position, fact)
    // Facts of before stand beside it: none corrects another.
    if (anew.has(fact)) book.put(fact, 'promised_anew', { at: fact.recordedAt, corrects: false })
    if (fact.certainty === 'suggestion') continue
    for (const name of namesOf(fact, byName)) book.put(fact, name)
    if (fact.kind === 'major') major.said(fact, fact.value.major)
    if (fact.kind === 'classified') major.classified(fact)
    if (fact.kind === 'recovered') restored.recovered(fact)
    if (fact.kind === 'clock_paused' || fact.kind === 'clock_resumed') {
      const name = fact.kind === 'clock_paused' ? 'paused' : 'resumed'
      book.put(fact, name, { reason: fact.value.text, ofClock: fact.value.clock })
    }
    book.withdrawStale(fact)
  }
  return book.facts
}

function namesOf(fact: Fact, regimes: ReadonlyMap<string, Regime>): readonly string[] {
  switch (fact.kind) {
    case 'duty_met':
    case 'duty_owed': {
      const { regime, clock } = dutyNames(fact.value.duty)
      const rule = regimes.get(regime)?.clocks.find(({ code }) => code === clock)
      if (rule === undefined) return []
      if (fact.kind === 'duty_met') {
        const met = rule.satisfiedBy?.fact ?? rule.rhythm?.event
        return met === undefined ? [] : [met]
      }
      // Whoever writes that a duty arose says what began it, where no other fact does.
      const submissions = regimes.get(regime)!.clocks.map(({ satisfiedBy }) => satisfiedBy?.fact)
      const begins = rule.startsWith
      const known = given.has(begins) || submissions.includes(begins)
      return fact.recordedBy === hubActor || known ? [] : [begins]
    }
    case 'notice':
      return fact.value.audience === 'customers'
        ? [...(namesOfKind.notice ?? []), ...toldCustomers]
        : (namesOfKind.notice ?? [])
    default:
      return namesOfKind[fact.kind] ?? []
  }
}

interface More {
  readonly at?: Millis | undefined
  readonly reason?: string
  readonly ofClock?: string
  /** False: it corrects nothing, whatever its fact does. */
  readonly corrects?: false
  /** Id of the clock's fact it corrects, where that does not follow from the fact. */
  readonly supersedes?: string
}

/** Clock facts as they come, each with an id of its fact and name, so that corrections find what they correct. */
class CaseBook {
  readonly facts: CaseFact[] = []
  readonly #bySource = new Map<string, CaseFact[]>()

  /** Gives the id. What would have happened after its record counts as of its record. */
  put(fact: Fact, name: string, more: More = {}): string {
    const id = `${fact.id} ${name}`
    const live = more.corrects === false ? [] : this.#liveOf(fact.supersedes)
    const old = live.find((one) => one.name === name)
    const at = 'at' in more ? more.at : fact.occurredAt
    const made: CaseFact = {
      ...{ id, name, source: fact.id, recordedAt: fact.recordedAt },
      at: at === undefined ? undefined : Math.min(at, fact.recordedAt),
      certainty: fact.certainty === 'estimate' ? 'estimate' : 'actual',
      supersedes: more.supersedes ?? old?.id,
      reason: more.reason,
      ...(more.ofClock === undefined ? {} : { ofClock: more.ofClock }),
    }
    this.facts.push(made)
    this.#bySource.set(fact.id, [...(this.#bySource.get(fact.id) ?? []), made])
    return id
  }

  /** A corrected fact takes back what the correction does not say again. */
  withdrawStale(fact: Fact): void {
    const corrected = new Set(this.#bySource.get(fact.id)?.map(({ supersedes }) => supersedes))
    for (const old of this.#liveOf(fact.supersedes)) {
      const kept =
        namesOfRestored.includes(old.name) || ofMajor.has(old.name) || old.name === 'promised_anew'
      if (!corrected.has(old.id) && !kept)
        this.put(fact, old.name, { at: undefined, supersedes: old.id })
    }
  }

  #liveOf(source: string | null): readonly CaseFact[] {
    return source === null ? [] : (this.#bySource.get(source) ?? [])
  }
}

const ofMajor: ReadonlySet<string> = new Set(['classified', 'reclassified'])

/**
 * When it was classified as major, and when that was taken back. The instant `classified` says when; without it the
 * word that it is major does. Major again after it was taken back is a classification of its own.
 */
class MajorFacts {
  readonly #book: CaseBook
  #is: boolean | undefined
  /** The classification that counts now. */
  #ground: { readonly id: string; readonly ofMajor: boolean } | undefined
  #taken: { readonly id: string; readonly at: Millis } | undefined

  constructor(book: CaseBook) {
    this.#book = book
  }

  said(fact: Fact, major: boolean): void {
    const was = this.#is
    this.#is = major
    if (major && was !== true) {
      this.#turned(fact, was === false && this.#taken !== undefined)
      return
    }
    if (major && this.#ground?.ofMajor === true) {
      const at = Math.max(fact.occurredAt, (this.#taken?.at ?? -1) + 1)
      const id = this.#book.put(fact, 'classified', { at, supersedes: this.#ground.id })
      this.#ground = { id, ofMajor: true }
    }
    if (major) return
    if (was === true) this.#takeBack(fact)
    else if (this.#taken !== undefined) this.#takeBack(fact, this.#taken.id)
  }

  classified(fact: Fact): void {
    const old = this.#ground
    const id = this.#book.put(fact, 'classified', old === undefined ? {} : { supersedes: old.id })
    this.#ground = { id, ofMajor: false }
  }

  #turned(fact: Fact, again: boolean): void {
    if (!again && this.#ground !== undefined) return
    const at = Math.max(fact.occurredAt, (this.#taken?.at ?? -1) + 1)
    this.#ground = { id: this.#book.put(fact, 'classified', { at }), ofMajor: true }
  }

  #takeBack(fact: Fact, supersedes?: string): void {
    const id = this.#book.put(fact, 'reclassified', supersedes === undefined ? {} : { supersedes })
    this.#taken = { id, at: Math.min(fact.occurredAt, fact.recordedAt) }
  }
}

/** When service was restored: with the step, at the instant that `recovered` says; a relapse takes it back. */
class RestoredFacts {
  readonly #book: CaseBook
  readonly #steps: ReadonlyMap<number, Picture['steps'][number]>
  #said: Fact | undefined
  #live: readonly { readonly name: string; readonly id: string }[] = []
  #of: string | undefined

  constructor(book: CaseBook, picture: Picture) {
    this.#book = book
    this.#steps = new Map(picture.steps.map((step) => [step.position, step]))
  }

  recovered(fact: Fact): void {
    const corrects = fact.supersedes !== null && fact.supersedes === this.#of
    this.#said = fact
    if (corrects) this.#put(fact, fact.occurredAt)
  }

  step(position: number, fact: Fact): void {
    const step = this.#steps.get(position)
    if (step === undefined) return
    if ((relapseRules as readonly string[]).includes(step.rule)) {
      for (const { name, id } of this.#live)
        this.#book.put(fact, name, { at: undefined, supersedes: id })
      this.#live = []
      this.#said = undefined
      this.#of = undefined
    } else if (step.to === 'restored' && this.#live.length === 0)
      this.#put(fact, this.#said?.occurredAt ?? step.at)
  }

  #put(fact: Fact, at: Millis): void {
    const older = new Map(this.#live.map(({ name, id }) => [name, id]))
    this.#of = this.#said?.id
    this.#live = namesOfRestored.map((name) => {
      const supersedes = older.get(name)
      return {
        name,
        id: this.#book.put(fact, name, { at, ...(supersedes ? { supersedes } : {}) }),
      }
    })
  }
}
