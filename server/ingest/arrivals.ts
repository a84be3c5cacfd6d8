/** Collectors between their hello and their first durable report: at first, and when the hub keeps up. */
const atFirst = 4
const atMost = 16
/** One that has nothing to report after its welcome, or is far away, holds its place so long. */
const placeMillis = 250
/** A hello waits no longer, however many there are: a collector without a welcome gives up after 10 s. */
const waitMillis = 4000
/** Answers to the backlog are kept back no longer than this from the beginning of a crowd on. */
const holdMillis = 5000
/** How exactly the last two are kept. */
const lookMillis = 250

/** A place among the collectors that are being let in. */
export interface Place {
  /** Resolves when it is this collector's turn, or it has left. */
  readonly turn: Promise<void>
  /** The welcome is out: the place is free when its first report is durable, at the latest after 250 ms. */
  welcomed(): void
  /** Gives the place back, or the turn up; more calls do nothing. */
  leave(): void
}

/** Time as arrivals need it. */
export interface ArrivalsClock {
  /** Milliseconds that never go back. */
  monotonic(): number
  /** Calls once after so many milliseconds; returns how to stop. */
  after(millis: number, call: () => void): () => void
}

const systemTime: ArrivalsClock = {
  monotonic: () => performance.now(),
  after(millis, call) {
    const timer = setTimeout(call, millis)
    return () => clearTimeout(timer)
  },
}

interface Waiting {
  readonly since: number
  readonly enter: () => void
}

/**
 * Lets collectors in a few at a time when many come at once, in the order of their hellos: the live report of one that is in
 * waits behind a few dictionaries, not behind all. Meanwhile the backlog of those that are in gets no answers, so that their
 * windows hold it back.
 */
export class Arrivals {
  readonly #waiting = new Set<Waiting>()
  /** What is told when the crowd is in. */
  readonly #held: (() => void)[] = []
  #inside = 0
  #room = atFirst
  /** When the crowd began, by the monotonic clock. */
  #crowdedSince: number | undefined
  #stopLooking: (() => void) | undefined
  readonly #clock: ArrivalsClock

  constructor(clock: ArrivalsClock = systemTime) {
    this.#clock = clock
  }

  /** Collectors that wait for their turn. */
  get waiting(): number {
    return this.#waiting.size
  }

  arrive(): Place {
    if (this.#inside < this.#room && this.#waiting.size === 0) return this.#placeAfter(undefined)
    let enter: () => void = () => undefined
    const turn = new Promise<void>((resolve) => {
      enter = resolve
    })
    const now = this.#clock.monotonic()
    const waiting = { since: now, enter }
    this.#waiting.add(waiting)
    this.#crowdedSince ??= now
    this.#stopLooking ??= this.#clock.after(waitMillis, () => this.#look())
    return this.#placeAfter({ waiting, turn })
  }

  /** Calls back at once, or when the crowd is in. */
  whenQuiet(tell: () => void): void {
    const since = this.#crowdedSince
    if (since === undefined || this.#clock.monotonic() - since >= holdMillis) {
      tell()
      return
    }
    this.#held.push(tell)
    this.#stopLooking ??= this.#clock.after(lookMillis, () => this.#look())
  }

  /** The hub ends: nobody waits any more. */
  stop(): void {
    this.#stopLooking?.()
    for (const waiting of this.#waiting) this.#letIn(waiting)
    this.#tellHeld()
  }

  #placeAfter(queued: { waiting: Waiting; turn: Promise<void> } | undefined): Place {
    if (queued === undefined) this.#inside++
    let stop: (() => void) | undefined
    let left = false
    const leave = () => {
      if (left) return
      left = true
      stop?.()
      if (queued !== undefined && this.#waiting.delete(queued.waiting)) queued.waiting.enter()
      else this.#inside--
      if (this.#room < atMost) this.#room++
      this.#next()
    }
    const welcomed = () => {
      if (!left) stop = this.#clock.after(placeMillis, leave)
    }
    return { turn: queued?.turn ?? Promise.resolve(), welcomed, leave }
  }

  #next(): void {
    for (const waiting of this.#waiting) {
      if (this.#inside >= this.#room) break
      this.#letIn(waiting)
    }
    if (this.#waiting.size > 0 || this.#inside > 0) return
    this.#stopLooking?.()
    this.#stopLooking = undefined
    this.#crowdedSince = undefined
    this.#room = atFirst
    this.#tellHeld()
  }

  #letIn(waiting: Waiting): void {
    this.#waiting.delete(waiting)
    this.#inside++
    waiting.enter()
  }

  /** Lets in who has waited long enough, and ends what is held too long. */
  #look(): void {
    const now = this.#clock.monotonic()
    for (const waiting of this.#waiting) {
      if (now - waiting.since < waitMillis) break
      this.#letIn(waiting)
    }
    if (this.#crowdedSince !== undefined && now - this.#crowdedSince >= holdMillis) this.#tellHeld()
    const isOver = this.#waiting.size === 0 && this.#held.length === 0
    this.#stopLooking = isOver ? undefined : this.#clock.after(lookMillis, () => this.#look())
  }

  #tellHeld(): void {
    for (const tell of this.#held.splice(0)) tell()
  }
}
