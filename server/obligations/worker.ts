import type { Clock, Millis } from '../clock.ts'
import type { Records, RecordsTransaction } from '../records/records.ts'
import { endsWithin } from '../time-limit.ts'
import type { Timers } from '../timers.ts'
import {
  type Obligation,
  type ObligationKind,
  type Opening,
  type Outcome,
  retryDelay,
} from './obligation.ts'
import {
  anyDue,
  cameFromAhead,
  claim,
  finish,
  nextAt,
  openObligation,
  putBack,
  renewLeases,
  timeAnew,
} from './obligation-store.ts'

/** Held at one time of a kind; what is more waits in the table, where a newcomer's lane still goes first. */
const maxHeld = 64
/** The net under the wake-ups: how long a due obligation can lie when nobody woke the worker. */
const sweepMillis = 5_000

/** How long what a killed hub held stays with it, by the database's clock. */
const leaseMillis = 15_000
const renewMillis = 5_000
/** A step of the clock back that counts. */
const clockStepMillis = 1_000

export interface WorkerOptions {
  readonly records: Records
  readonly clock: Clock
  readonly timers: Timers
  /** Names this run of this hub in leases. */
  readonly holder: string
  readonly onPerformed: (
    kind: string,
    outcome: 'done' | 'again' | 'failed',
    lateMillis: Millis,
  ) => void
  readonly onFault: (err: unknown, fields: object) => void
}

interface Running {
  readonly kind: ObligationKind
  /** Claimed, waiting for a free place. */
  readonly queue: Obligation[]
  /** Attempts going on. */
  busy: number
  /** How many of them each lane has. */
  readonly lanes: Map<string, number>
  claiming: boolean
  /** A wake-up came while it was claiming. */
  again: boolean
}

/**
 * Meets obligations when they are due: claims them in bounded batches, fairly by lane, performs them side by side, and closes
 * each in a transaction with what was done. What fails comes again, later and later; it is never given up.
 */
export class ObligationWorker {
  readonly #options: WorkerOptions
  readonly #kinds = new Map<string, Running>()
  /** Attempts, claims and looks that are going on. */
  readonly #work = new Set<Promise<void>>()
  readonly #stopping = new AbortController()
  #cancelTimer: (() => void) | undefined
  #roundAt: Millis | undefined
  #started = false
  /** One was opened since the last wake-up; what an attempt opens is taken when the attempt has ended. */
  #opened = false
  #renewing = false
  /** Claimed and not ended: only these are renewed. */
  readonly #held = new Set<string>()
  /** Wall clock less monotonic clock, as when the times of the table were made. */
  #offset: Millis | undefined

  constructor(options: WorkerOptions) {
    this.#options = options
  }

  register(kind: ObligationKind): void {
    if (this.#kinds.has(kind.kind)) throw new Error(`BUG: obligations ${kind.kind} twice`)
    this.#kinds.set(kind.kind, {
      kind,
      queue: [],
      busy: 0,
      lanes: new Map(),
      claiming: false,
      again: false,
    })
  }

  get kinds(): readonly ObligationKind[] {
    return [...this.#kinds.values()].map(({ kind }) => kind)
  }

  /** Monotonic time of the newest finished look at the table; undefined: none yet. */
  get roundAt(): Millis | undefined {
    return this.#roundAt
  }

  start(): void {
    this.#started = true
    this.#track(this.#timeAfterStop())
    this.wake()
  }

  /** The clock may have gone back while no hub ran: then what waits was timed by one that was ahead. */
  async #timeAfterStop(): Promise<void> {
    const { records, clock, onFault } = this.#options
    try {
      const now = clock.now()
      if (!(await cameFromAhead(records, now + clockStepMillis))) return
      await timeAnew(records, now)
      this.wake()
    } catch (err) {
      onFault(err, { what: 'it is not known whether the clock went back while the hub was down' })
    }
  }

  /** Opens one inside the caller's transaction; false when its key was opened before. */
  open(tx: RecordsTransaction, opening: Opening): Promise<boolean> {
    this.#opened = true
    return openObligation(tx, opening, this.#options.clock.now())
  }

  /** Looks for due obligations at once; call it after a commit that opened or moved one. */
  wake(): void {
    if (!this.#started || this.#stopping.signal.aborted) return
    this.#opened = false
    this.#watchClock()
    for (const running of this.#kinds.values()) this.#track(this.#take(running))
    this.#track(this.#sleep())
  }

  /** Resolves when nothing is performed, claimed or looked up; what is due later waits for its timer. */
  async settled(): Promise<void> {
    while (this.#work.size > 0) await Promise.all(this.#work)
  }

  /** Ends the attempts that are running; what they did not finish stays owed. */
  async stop(): Promise<void> {
    this.#cancelTimer?.()
    this.#stopping.abort(new Error('the hub is stopping'))
    await this.settled()
  }

  /** Takes what is due while there is room for it. */
  async #take(running: Running): Promise<void> {
    running.again = true
    if (running.claiming) return
    running.claiming = true
    const { records, clock, holder, onFault } = this.#options
    const { kind, queue } = running
    try {
      while (running.again && !this.#stopping.signal.aborted) {
        running.again = false
        // A claim looks through all that is due: a few large ones instead of one for each that ends.
        if (queue.length >= kind.concurrency) break
        // Whoever woke it during this look saw more than the look did: then it looks again.
        if (!(await anyDue(records, kind.kind, clock.now()))) continue
        const room = maxHeld - queue.length
        const taken = await claim(records, kind.kind, holder, clock.now(), {
          limit: room,
          lease: leaseMillis,
        })
        queue.push(...taken)
        for (const { id } of taken) this.#held.add(id)
        this.#renewLater()
        this.#fill(running)
      }
      this.#roundAt = clock.monotonic()
    } catch (err) {
      onFault(err, { kind: kind.kind, what: 'due obligations could not be taken' })
    } finally {
      running.claiming = false
    }
  }

  #fill(running: Running): void {
    const { kind, queue } = running
    while (queue.length > 0 && running.busy < kind.concurrency && !this.#stopping.signal.aborted)
      this.#begin(running, nextOf(running))
  }

  #begin(running: Running, obligation: Obligation): void {
    running.busy++
    const { id, lane } = obligation
    running.lanes.set(lane, (running.lanes.get(lane) ?? 0) + 1)
    const ended = () => {
      this.#held.delete(id)
      const left = running.lanes.get(lane)! - 1
      if (left === 0) running.lanes.delete(lane)
      else running.lanes.set(lane, left)
      running.busy--
      this.#fill(running)
      this.#track(this.#take(running))
    }
    this.#track(this.#perform(running.kind, obligation).then(ended))
  }

  /** What waits was timed by a clock that was ahead and went back: all of it is looked at now, and timed anew. */
  #watchClock(): void {
    const { records, clock, onFault } = this.#options
    const now = clock.now()
    const offset = now - clock.monotonic()
    if (this.#offset === undefined || offset >= this.#offset - clockStepMillis) {
      this.#offset = offset
      return
    }
    this.#track(
      timeAnew(records, now).then(
        () => {
          this.#offset = offset
          this.wake()
        },
        (err: unknown) =>
          onFault(err, { what: 'the clock went back; what waits is not timed anew yet' }),
      ),
    )
  }

  /** Keeps what is held, as long as anything is. */
  #renewLater(): void {
    const { records, holder, timers, onFault } = this.#options
    const holds = [...this.#kinds.values()].some(({ busy, queue }) => busy + queue.length > 0)
    if (this.#renewing || !holds || this.#stopping.signal.aborted) return
    this.#renewing = true
    timers.after(renewMillis, () => {
      this.#renewing = false
      this.#track(
        renewLeases(records, holder, [...this.#held], leaseMillis).then(
          () => this.#renewLater(),
          (err: unknown) => {
            onFault(err, { what: 'leases of obligations could not be renewed' })
            this.#renewLater()
          },
        ),
      )
    })
  }

  /** None of these ever rejects. */
  #track(work: Promise<void>): void {
    const tracked = work.finally(() => this.#work.delete(tracked))
    this.#work.add(tracked)
  }

  async #perform(kind: ObligationKind, obligation: Obligation): Promise<void> {
    const { records, clock, holder, onPerformed, onFault } = this.#options
    const late = Math.max(0, clock.now() - obligation.dueAt)
    let outcome: Outcome
    try {
      const signal = endsWithin(kind.attemptMillis, this.#stopping.signal)
      outcome = await kind.perform(obligation, signal)
      await records.write(async (tx) => {
        const live = await finish(tx, obligation, holder, outcome.again, clock.now())
        await outcome.settle?.(tx, live)
      })
    } catch (err) {
      onPerformed(kind.kind, 'failed', late)
      onFault(err, {
        kind: kind.kind,
        subject: obligation.subject,
        attempts: obligation.attempts + 1,
      })
      await this.#putBack(obligation, err)
      return
    }
    onPerformed(kind.kind, outcome.again === undefined ? 'done' : 'again', late)
    outcome.committed?.()
    if (this.#opened) this.wake()
    else if (outcome.again !== undefined) this.#track(this.#sleep())
  }

  async #putBack(obligation: Obligation, err: unknown): Promise<void> {
    const { records, clock, holder, onFault } = this.#options
    const fault = err instanceof Error ? err.message : String(err)
    const at = clock.now() + retryDelay(obligation.attempts)
    try {
      await records.write((tx) => putBack(tx, obligation, holder, at, fault))
    } catch (error) {
      // Its lease ends by itself.
      onFault(error, { kind: obligation.kind, what: 'a failed attempt could not be recorded' })
    }
    this.#track(this.#sleep())
  }

  /** Wakes when the next one is due, at the latest after a sweep's time. */
  async #sleep(): Promise<void> {
    const { records, clock, timers } = this.#options
    const names = [...this.#kinds.keys()]
    const next = await nextAt(records, names).catch(() => undefined)
    if (this.#stopping.signal.aborted) return
    this.#cancelTimer?.()
    const delay = Math.min(
      sweepMillis,
      Math.max(0, (next ?? Number.MAX_SAFE_INTEGER) - clock.now()),
    )
    // One that is due already waits for room; the end of an attempt takes it.
    this.#cancelTimer = timers.after(delay === 0 ? 250 : delay, () => this.wake())
  }
}

/** The first whose lane has nothing under way, else the first. */
function nextOf({ queue, lanes }: Running): Obligation {
  const place = queue.findIndex(({ lane }) => !lanes.has(lane))
  return queue.splice(Math.max(0, place), 1)[0]!
}
