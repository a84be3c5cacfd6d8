/** Refused because more already wait for the target, or for the channel, than may. */
export class LaneFull extends Error {}

/** How many may run, and wait for their turn, of a channel and of one target. */
export interface LaneSizes {
  readonly running: number
  readonly runningOfTarget: number
  readonly waiting: number
  readonly waitingOfTarget: number
}

interface Waiting {
  readonly target: string
  readonly start: () => void
}

/**
 * Bounds what runs at once for one channel, and for one target of it: what waits for a target that does not answer holds up
 * no other target while the channel has room.
 */
export class Lane {
  readonly #most: number
  readonly #mostOfTarget: number
  readonly #mostWaiting: number
  readonly #mostWaitingOfTarget: number
  readonly #running = new Map<string, number>()
  #count = 0
  #waiting: Waiting[] = []

  constructor(sizes: LaneSizes) {
    this.#most = sizes.running
    this.#mostOfTarget = sizes.runningOfTarget
    this.#mostWaiting = sizes.waiting
    this.#mostWaitingOfTarget = sizes.waitingOfTarget
  }

  /** Runs `work` when there is room. Throws LaneFull at once, or the signal's reason while it waits. */
  async run<T>(target: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    if (this.#hasRoom(target)) this.#enter(target)
    else await this.#turn(target, signal)
    try {
      return await work()
    } finally {
      this.#leave(target)
    }
  }

  #hasRoom(target: string): boolean {
    return this.#count < this.#most && (this.#running.get(target) ?? 0) < this.#mostOfTarget
  }

  #enter(target: string): void {
    this.#count++
    this.#running.set(target, (this.#running.get(target) ?? 0) + 1)
  }

  #leave(target: string): void {
    this.#count--
    const left = (this.#running.get(target) ?? 1) - 1
    if (left === 0) this.#running.delete(target)
    else this.#running.set(target, left)
    const next = this.#waiting.findIndex((one) => this.#hasRoom(one.target))
    if (next >= 0) this.#waiting.splice(next, 1)[0]?.start()
  }

  #turn(target: string, signal: AbortSignal): Promise<void> {
    const ofTarget = this.#waiting.filter((one) => one.target === target).length
    if (ofTarget >= this.#mostWaitingOfTarget || this.#waiting.length >= this.#mostWaiting)
      return Promise.reject(new LaneFull(`${ofTarget} messages already wait for this receiver`))
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        target,
        start: () => {
          signal.removeEventListener('abort', stop)
          this.#enter(target)
          resolve()
        },
      }
      const stop = () => {
        this.#waiting = this.#waiting.filter((one) => one !== waiting)
        reject(signal.reason)
      }
      if (signal.aborted) return reject(signal.reason)
      signal.addEventListener('abort', stop, { once: true })
      this.#waiting.push(waiting)
    })
  }
}
