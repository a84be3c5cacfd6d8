/** What is checked, in the order of the report. */
export const checkIds = [
  'form',
  'inclusion',
  'consistency',
  'signatures',
  'order',
  'states',
  'rows',
  'deadlines',
  'paging',
  'notices',
  'digests',
  'reads',
] as const
export type CheckId = (typeof checkIds)[number]

/** One check and what it found. `not checked` never counts as passed. */
export interface Check {
  readonly id: CheckId
  readonly state: 'passed' | 'failed' | 'not checked'
  /** What was compared, in one line; or why it could not be. */
  readonly said: string
  /** Each names the entry or the row. */
  readonly faults: readonly string[]
  /** Worth a look, and no fault. */
  readonly flags: readonly string[]
  /** Faults and flags beyond those that are named. */
  readonly unnamed: number
}

export interface Report {
  readonly origin: string
  readonly size: number
  readonly root: string
  readonly entries: number
  readonly asked: string
  readonly madeAt: string
  readonly checks: readonly Check[]
  /** `verified`: nothing failed and the signature is good; `incomplete`: the signature could not be checked, so anybody could have made the bundle. */
  readonly verdict: 'verified' | 'incomplete' | 'failed'
}

const named = 200

/** Gathers what one check finds. */
export class Findings {
  readonly id: CheckId
  readonly #faults: string[] = []
  readonly #flags: string[] = []
  #unnamed = 0
  #failed = false
  #unchecked: string | undefined

  constructor(id: CheckId) {
    this.id = id
  }

  fault(text: string): void {
    this.#failed = true
    this.#add(this.#faults, text)
  }

  flag(text: string): void {
    this.#add(this.#flags, text)
  }

  /** It could not be done; a fault found before stands all the same. */
  notChecked(why: string): void {
    this.#unchecked ??= why
  }

  done(said: string): Check {
    const state = this.#failed ? 'failed' : this.#unchecked === undefined ? 'passed' : 'not checked'
    return {
      id: this.id,
      state,
      said: state === 'not checked' ? (this.#unchecked ?? '') : said,
      faults: this.#faults,
      flags: this.#flags,
      unnamed: this.#unnamed,
    }
  }

  #add(list: string[], text: string): void {
    if (list.length < named) list.push(shown(text))
    else this.#unnamed++
  }
}

/** Text of a bundle as a terminal may show it: no control or direction characters, and an end. */
export function shown(text: string): string {
  const plain = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\ufffd')
  return plain.length > 400 ? `${plain.slice(0, 400)}…` : plain
}
