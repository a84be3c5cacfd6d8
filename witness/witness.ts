import type { KeyObject } from 'node:crypto'
import type { NamedKey, TreeHead } from '../server/ledger/checkpoint.ts'
import { cosign, signatureLines } from '../server/ledger/cosignature.ts'
import { type Identified, identify, objection, type Refusal, type Submission } from './judge.ts'

/** The last checkpoint of a log that this witness cosigned. */
export interface Held extends TreeHead {
  /** Signed by the log and by this witness. */
  readonly note: string
  /** Time in the cosignature, seconds since the epoch. */
  readonly seconds: number
}

/** Where a witness keeps what it has signed. */
export interface Shelf {
  /** Every log it has cosigned. */
  logs(): readonly Held[]
  held(origin: string): Held | undefined
  /** Keeps the newest of a log; it is on disk, or rejects, before any cosignature leaves. */
  keep(held: Held): Promise<void>
  /** Keeps two notes that speak against a log; gives where. */
  accuse(accusation: Accusation): Promise<string>
  /** Where the proof lies that this log forked. */
  forkOf(origin: string): string | undefined
}

/** What speaks against a log, in the log's own words. */
export interface Accusation {
  readonly kind: 'fork' | 'proof' | 'smaller'
  readonly origin: string
  readonly reason: string
  readonly held: string
  readonly submitted: string
}

export type Answer =
  | {
      readonly kind: 'cosigned'
      readonly held: Held
      /** The cosignature, with its line feed. */
      readonly line: string
      /** The log was not pinned by its name: a restored hub opened it. */
      readonly isNewLog: boolean
    }
  | (Refusal & { readonly evidence?: string })

export interface WitnessParts {
  readonly name: string
  readonly privateKey: KeyObject
  /** Keys of logs; no other is cosigned. */
  readonly pinned: readonly NamedKey[]
  readonly shelf: Shelf
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/** A clock may be this much behind the last cosignature, seconds; the new one then takes that one's time. */
const clockSlackSeconds = 300
/** Logs of the pinned keys; each hub has one, and one more for each restore. */
const logsMax = 1000

/** Cosigns checkpoints of pinned logs, one at a time, each only as a later state of the one before. */
export class Witness {
  readonly #parts: WitnessParts
  #turn: Promise<unknown> = Promise.resolve()

  constructor(parts: WitnessParts) {
    this.#parts = parts
  }

  held(origin: string): Held | undefined {
    return this.#parts.shelf.held(origin)
  }

  logs(): readonly Held[] {
    return this.#parts.shelf.logs()
  }

  /** Cosigns or says why not. Rejects when what it would sign cannot be kept: nothing is signed then. */
  add(submission: Submission): Promise<Answer> {
    // Looking at what is held and keeping the next is one step: two that overlap could sign two histories.
    const answer = this.#turn.then(() => this.#add(submission))
    this.#turn = answer.catch(() => undefined)
    return answer
  }

  async #add(submission: Submission): Promise<Answer> {
    const { pinned, shelf } = this.#parts
    const identified = identify(submission.note, pinned)
    if (identified.kind === 'refused') return identified
    const { head } = identified
    const forked = shelf.forkOf(head.origin)
    if (forked !== undefined)
      return {
        ...{ kind: 'refused', status: 422, against: 'fork', evidence: forked },
        reason: `FORK: ${head.origin} signed two histories; nothing of it is cosigned any more.`,
      }
    const held = shelf.held(head.origin)
    const refusal = objection(head, submission, held)
    if (refusal !== undefined) return this.#accused(refusal, identified, held)
    if (held === undefined && shelf.logs().length >= logsMax)
      return {
        kind: 'refused',
        status: 503,
        reason: `This witness holds ${logsMax} logs, its limit.`,
      }
    return this.#cosign(identified, held)
  }

  async #cosign(identified: Identified, held: Held | undefined): Promise<Answer> {
    const { name, privateKey, shelf, now } = this.#parts
    const { head, logLine, isNewLog } = identified
    const clock = Math.floor(now() / 1000)
    const seconds = Math.max(clock, held?.seconds ?? 1)
    if (seconds - clock > clockSlackSeconds) {
      const reason = `This machine's clock (${iso(clock)}) is behind the last cosignature (${iso(seconds)}). Set the clock.`
      return { kind: 'refused', status: 503, reason }
    }
    const line = cosign(head.text, seconds, name, privateKey)
    const { origin, size, root } = head
    const next = { origin, size, root, seconds, note: `${head.text}\n${logLine}${line}` }
    await shelf.keep(next)
    return { kind: 'cosigned', held: next, line, isNewLog: isNewLog && held === undefined }
  }

  async #accused(refusal: Refusal, { head }: Identified, held: Held | undefined): Promise<Answer> {
    // An older checkpoint of the same log is no news to whoever keeps the newer one, unless the hub itself shows it: see pull.ts.
    if (refusal.against === undefined || refusal.against === 'smaller' || held === undefined)
      return refusal
    const evidence = await this.accuse(
      refusal,
      held,
      `${head.text}\n${signatureLines(head).join('')}`,
    )
    return { ...refusal, evidence }
  }

  /** Keeps what speaks against a log. */
  accuse({ against = 'proof', reason }: Refusal, held: Held, submitted: string): Promise<string> {
    const { origin, note } = held
    return this.#parts.shelf.accuse({ kind: against, origin, reason, held: note, submitted })
  }
}

function iso(seconds: number): string {
  return new Date(seconds * 1000).toISOString()
}
