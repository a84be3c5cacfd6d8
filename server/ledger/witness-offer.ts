import { endsWithin } from '../time-limit.ts'
import type { Timers } from '../timers.ts'
import type { Hash } from './merkle.ts'
import type { StoredCheckpoint, WitnessState } from './witness-desk.ts'

/** What came of one offer. */
export type OfferOutcome =
  | { readonly kind: 'cosigned' }
  /** Nothing new, and its last word is fresh. */
  | { readonly kind: 'nothing' }
  /** The witness has seen more entries than the hub has. */
  | { readonly kind: 'ahead'; readonly size: number }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'unreachable'; readonly reason: string }

export interface OfferRequest {
  readonly url: string
  readonly body: string
}

export interface OfferAnswer {
  readonly status: number
  readonly body: string
}

export interface OfferParts {
  readonly timers: Timers
  readonly now: () => number
  /** The newest signed checkpoint; undefined: none. */
  readonly newest: () => Promise<StoredCheckpoint | undefined>
  readonly proof: (from: number, to: number) => Promise<readonly Hash[]>
  readonly state: () => WitnessState | undefined
  readonly request: (request: OfferRequest, signal: AbortSignal) => Promise<OfferAnswer>
  /** Verifies and keeps what a witness answered; rejects with what is wrong with it. */
  readonly take: (checkpoint: StoredCheckpoint, lines: string) => Promise<unknown>
  readonly onOutcome: (outcome: OfferOutcome) => void
}

/** Looked for new checkpoints this often; one is signed a minute. */
const lookMillis = 30_000
const attemptMillis = 10_000
const retryMillis = [60_000, 120_000, 300_000, 900_000, 1_800_000]
/** A quiet ledger's checkpoint is cosigned again, so that silence of the witness shows. */
const renewMillis = 60 * 60_000

/** Offers the newest checkpoint to one witness (C2SP tlog-witness) until it is stopped; one request at a time, beside the sequencer. */
export class WitnessOffer {
  readonly #url: string
  readonly #parts: OfferParts
  readonly #stopping = new AbortController()
  #cancel: (() => void) | undefined
  #running: Promise<void> | undefined
  #failures = 0
  /** Size that the witness holds, as it said last. */
  #held: { readonly epoch: number; readonly size: number } | undefined

  constructor(url: string, parts: OfferParts) {
    this.#url = `${url.replace(/\/+$/, '')}/add-checkpoint`
    this.#parts = parts
  }

  start(): void {
    this.#running = this.offer().then((outcome) => {
      if (this.#stopping.signal.aborted) return
      const failed = outcome.kind !== 'cosigned' && outcome.kind !== 'nothing'
      this.#failures = failed ? this.#failures + 1 : 0
      const delay = failed
        ? (retryMillis[Math.min(this.#failures, retryMillis.length) - 1] ?? lookMillis)
        : lookMillis
      this.#cancel = this.#parts.timers.after(delay, () => this.start())
    })
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the hub is stopping'))
    this.#cancel?.()
    await this.#running
  }

  /** One offer; never rejects. */
  async offer(): Promise<OfferOutcome> {
    const outcome = await this.#offer().catch((error: unknown): OfferOutcome => {
      const reason = error instanceof Error ? error.message : String(error)
      return { kind: 'unreachable', reason: reason.slice(0, 300) }
    })
    if (!this.#stopping.signal.aborted) this.#parts.onOutcome(outcome)
    return outcome
  }

  async #offer(): Promise<OfferOutcome> {
    const { newest, now, state } = this.#parts
    const checkpoint = await newest()
    if (checkpoint === undefined) return { kind: 'nothing' }
    const { epoch, size } = checkpoint
    const last = state()?.last
    const isSeen = last?.epoch === epoch && last.size === size
    if (isSeen && now() - last.witnessedAt < renewMillis) return { kind: 'nothing' }
    if (this.#held?.epoch !== epoch)
      this.#held = { epoch, size: last?.epoch === epoch ? last.size : 0 }
    // The witness says what it holds when that is another size; once is enough.
    const first = await this.#send(checkpoint, Math.min(this.#held.size, size))
    if (typeof first !== 'number') return first
    if (first > size) return { kind: 'ahead', size: first }
    const second = await this.#send(checkpoint, first)
    if (typeof second !== 'number') return second
    return { kind: 'refused', reason: `it holds ${first} entries, then ${second}` }
  }

  /** The size the witness holds when it is not `from`. */
  async #send(checkpoint: StoredCheckpoint, from: number): Promise<OfferOutcome | number> {
    const { proof, request, take } = this.#parts
    const { epoch, size, note } = checkpoint
    const hashes = from === 0 || from === size ? [] : await proof(from, size)
    const lines = hashes.map((hash) => `${hash.toString('base64')}\n`).join('')
    const signal = endsWithin(attemptMillis, this.#stopping.signal)
    const answer = await request({ url: this.#url, body: `old ${from}\n${lines}\n${note}` }, signal)
    if (answer.status === 409) {
      const said = /^(0|[1-9]\d{0,15})\n?$/.exec(answer.body)
      if (said === null) return { kind: 'refused', reason: 'it answered 409 without a size' }
      this.#held = { epoch, size: Number(said[1]) }
      return Number(said[1])
    }
    if (answer.status !== 200) {
      const reason = `it answered ${answer.status}: ${answer.body.trim()}`
      return { kind: 'refused', reason: reason.replace(/\p{C}/gu, ' ').slice(0, 300) }
    }
    try {
      await take(checkpoint, answer.body)
    } catch (error) {
      return { kind: 'refused', reason: error instanceof Error ? error.message : String(error) }
    }
    this.#held = { epoch, size }
    return { kind: 'cosigned' }
  }
}
