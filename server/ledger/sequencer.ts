import type { FastifyBaseLogger } from 'fastify'
import type { Clock } from '../clock.ts'
import type { TreeHead } from './checkpoint.ts'
import type { Checkpointed, LedgerLog } from './ledger-log.ts'

export interface SequencerOptions {
  readonly log: LedgerLog
  readonly clock: Clock
  readonly logger: Pick<FastifyBaseLogger, 'error' | 'info'>
  /** The last checkpoint this hub signed, or why it is not known. */
  readonly lastSigned: TreeHead | { readonly fault: string } | undefined
  /** Keeps the last checkpoint this hub signed, before anybody gets it. */
  readonly keepSigned: (note: string) => Promise<TreeHead>
}

/** How long after an entry its place is looked for: many share one turn. */
const gatherMillis = 100
/** Entries of other hubs are found by looking. */
const pollMillis = 500
const checkpointMillis = 60_000
/** A standing fault is told again this often. */
const complainMillis = 60_000

/** Gives entries their places within a second, and signs a checkpoint a minute. */
export class Sequencer {
  readonly #options: SequencerOptions
  #lastSigned: SequencerOptions['lastSigned']
  /** The note that `keepSigned` got last. */
  #kept: string | undefined
  #turn: Promise<void> = Promise.resolve()
  #wake: NodeJS.Timeout | undefined
  #poll: NodeJS.Timeout | undefined
  #minute: NodeJS.Timeout | undefined
  #looking = false
  #stopped = false
  /** Monotonic: since when something waits, or nobody knows. */
  #waitingSince: number | undefined
  #size = 0
  #complaints = new Map<string, number>()
  /** Why nothing may be signed. */
  inconsistency: string | undefined

  constructor(options: SequencerOptions) {
    this.#options = options
    this.#lastSigned = options.lastSigned
  }

  /** Entries with their place. */
  get size(): number {
    return this.#size
  }

  /** How long the oldest entry has waited for its place, seconds; 0 when none waits. */
  get waitingSeconds(): number {
    if (this.#waitingSince === undefined) return 0
    return Math.max(0, this.#options.clock.monotonic() - this.#waitingSince) / 1000
  }

  start(): void {
    this.#poll = setInterval(() => this.#look(), pollMillis).unref()
    this.#minute = setInterval(() => {
      this.checkpoint().catch((err: unknown) => this.#complain('no checkpoint was signed', { err }))
    }, checkpointMillis).unref()
  }

  /** Entries and checkpoint of the time until now are done before this resolves, if they can be. */
  async stop(): Promise<void> {
    clearInterval(this.#poll)
    clearInterval(this.#minute)
    clearTimeout(this.#wake)
    await this.sequence()
    await this.checkpoint().catch((err: unknown) =>
      this.#complain('no checkpoint was signed', { err }),
    )
    this.#stopped = true
  }

  /** An entry was added, in a transaction that may still be open. */
  appended(): void {
    this.#waitingSince ??= this.#options.clock.monotonic()
    if (this.#wake !== undefined || this.#stopped) return
    this.#wake = setTimeout(() => {
      this.#wake = undefined
      this.#look()
    }, gatherMillis).unref()
  }

  /** Places all entries that are there now; never rejects. */
  sequence(): Promise<void> {
    this.#turn = this.#turn.then(() => this.#sequenceAll())
    return this.#turn
  }

  /** As `sequence`, unless a turn is under way: while the records hang, turns must not pile up. */
  #look(): void {
    if (this.#looking) return
    this.#looking = true
    void this.sequence().then(() => {
      this.#looking = false
    })
  }

  /** The newest checkpoint, which covers every entry committed before the call. Rejects when the records cannot be written. */
  async checkpoint(): Promise<Checkpointed> {
    await this.sequence()
    const answer = this.#turn.then(async () => {
      const made = await this.#sign()
      this.inconsistency = made.kind === 'inconsistent' ? made.reason : undefined
      if (made.kind === 'inconsistent')
        this.#complain('the ledger contradicts a checkpoint; nothing is signed', made)
      else if (made.note !== this.#kept) {
        this.#lastSigned = await this.#options.keepSigned(made.note)
        this.#kept = made.note
      }
      return made
    })
    this.#turn = answer.then(
      () => undefined,
      () => undefined,
    )
    return answer
  }

  async #sign(): Promise<Checkpointed> {
    const last = this.#lastSigned
    if (last !== undefined && 'fault' in last) return { kind: 'inconsistent', reason: last.fault }
    return this.#options.log.checkpoint(last)
  }

  async #sequenceAll(): Promise<void> {
    const { clock, log } = this.#options
    try {
      for (;;) {
        // An entry added from here on may be missed by this turn.
        const startedAt = clock.monotonic()
        const { size, more, gapAt, oldestWaitingAt } = await log.sequence()
        this.#size = size
        if (gapAt !== undefined) {
          this.#waitingSince ??= startedAt - Math.max(0, clock.now() - (oldestWaitingAt ?? 0))
          this.#complain('an entry of the ledger is gone; those after it wait', { entry: gapAt })
          return
        }
        this.#waitingSince = this.#wake === undefined ? undefined : startedAt
        if (!more) return
      }
    } catch (err) {
      // Whether something waits is not known: say so rather than that all is well.
      this.#waitingSince ??= clock.monotonic()
      this.#complain('entries of the ledger could not be given their places', { err })
    }
  }

  #complain(text: string, about: object): void {
    const now = this.#options.clock.monotonic()
    if (now - (this.#complaints.get(text) ?? Number.NEGATIVE_INFINITY) < complainMillis) return
    this.#complaints.set(text, now)
    this.#options.logger.error(about, text)
  }
}
