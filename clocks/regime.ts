import type { Weekday, WorkingHours } from './calendar.ts'
import type { Pick } from './fact.ts'
import type { Formula } from './formula.ts'

/** How sure it is that a clock says what its source says. */
export type Confidence = 'confirmed' | 'secondary' | 'memory'

/** Where a rule stands. */
export interface Citation {
  readonly document: string
  readonly article: string
  readonly url: string | undefined
}

/** A deadline that falls on such a day moves to a time of the next working day. */
export interface RollRule {
  readonly on: readonly ('weekend' | 'holiday')[]
  /** Minute of the local day. */
  readonly atMinute: number
  /** Kinds of institution whose deadline stays where it is. */
  readonly notFor: readonly string[]
  readonly citation: Citation
}

export interface PauseRule {
  /** Fact that begins a pause (with its reason), and the one that ends it. */
  readonly begins: string
  readonly ends: string
  /** For any other reason the clock goes on. */
  readonly reasons: readonly string[]
}

/** A fact that ends a clock; with `notBefore` only one at or after the first fact of that name. */
export interface Ending {
  readonly fact: string
  readonly notBefore: string | undefined
}

/** Again and again until it is over: progress reports. */
export interface Rhythm {
  readonly everyMillis: number
  /** The fact that is owed each time. */
  readonly event: string
  readonly until: string
  /** A fact from which on it counts anew: what was owed before the latest one is counted no more. */
  readonly anew: string | undefined
}

/** One duty with its time limit, as a regime file declares it. */
export interface ClockRule {
  /** Unique in its regime. */
  readonly code: string
  readonly title: string
  readonly citation: Citation
  /** The fact without which nothing is owed. */
  readonly startsWith: string
  readonly startPick: Pick
  /** A further fact without which nothing is owed: that the incident is a major one. */
  readonly requires: string | undefined
  /** Attributes of the incident that must have one of these values. */
  readonly appliesTo: Readonly<Record<string, readonly string[]>>
  /** Absent of a rhythm, and of a duty that is owed without undue delay. */
  readonly deadline: Formula | undefined
  readonly rhythm: Rhythm | undefined
  /** Counts working hours only. */
  readonly workingHours: boolean
  readonly roll: RollRule | undefined
  readonly pause: PauseRule | undefined
  /** The first such fact meets the clock. */
  readonly satisfiedBy: Ending | undefined
  /** A fact that takes the ground away: the incident is no longer what the duty is about. */
  readonly voidBy: string | undefined
  /** Such a fact by the deadline means the duty never arose. */
  readonly lapsesBy: Ending | undefined
  /** Share of the counted time after which the clock is at risk, over 0 and under 1. */
  readonly atRiskShare: number
  /** What to do when the deadline cannot be met. */
  readonly ifItCannotBeMet: string | undefined
  readonly note: string | undefined
  readonly confidence: Confidence
  /** The day somebody last compared it with its source. */
  readonly verifiedOn: string
}

/** The rules of one authority or agreement. */
export interface Regime {
  readonly name: string
  readonly title: string
  readonly jurisdiction: string
  /** What a reader must know before relying on it. */
  readonly caution: string
  readonly calendar: {
    /** Undefined: that of the institution. */
    readonly zone: string | undefined
    readonly weekend: readonly Weekday[]
    readonly holidays: readonly string[]
    readonly workingHours: WorkingHours
  }
  /** Kinds of institution it knows; empty where none matters. */
  readonly kinds: readonly string[]
  /** Names of facts and what each means. */
  readonly facts: Readonly<Record<string, string>>
  readonly clocks: readonly ClockRule[]
  /** What the source says that no clock here expresses. */
  readonly notExpressed: readonly string[]
}

/** What an evaluation needs to know of whom the duties bind. */
export interface Institution {
  /** `credit-institution`, …; undefined where nobody said, which moves no deadline to a later day. */
  readonly kinds: readonly string[] | undefined
  readonly zone: string | undefined
  readonly weekend: readonly Weekday[] | undefined
  /** Added to those of the regime. */
  readonly holidays: readonly string[]
  readonly workingHours: WorkingHours | undefined
}
