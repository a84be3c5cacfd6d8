export interface HostQueueOptions {
  /** Evaluates one host; must not reject. */
  readonly work: (instance: string) => Promise<void>
  readonly atOnce: number
  readonly maxWaiting: number
  readonly onRefused: (instance: string) => void
}

/**
 * Hosts whose report arrived and whose rules are yet to run. A host waits once however often it reports; one that
 * reports while it is being evaluated is evaluated once more.
 */
export class HostQueue {
  readonly #options: HostQueueOptions
  readonly #waiting = new Set<string>()
  readonly #running = new Map<string, Promise<void>>()
  #open = false

  constructor(options: HostQueueOptions) {
    this.#options = options
  }

  /** Never throws; before `start` hosts only wait. */
  add(instance: string): void {
    if (this.#waiting.has(instance)) return
    if (this.#waiting.size >= this.#options.maxWaiting) {
      this.#options.onRefused(instance)
      return
    }
    this.#waiting.add(instance)
    // Not in the caller's stack: its report must be answered first.
    queueMicrotask(() => this.#fill())
  }

  start(): void {
    this.#open = true
    this.#fill()
  }

  stop(): void {
    this.#open = false
    this.#waiting.clear()
  }

  async settled(): Promise<void> {
    while (this.#running.size > 0 || (this.#open && this.#waiting.size > 0)) {
      await Promise.all([...this.#running.values(), Promise.resolve()])
    }
  }

  #fill(): void {
    if (!this.#open) return
    for (const instance of this.#waiting) {
      if (this.#running.size >= this.#options.atOnce) return
      if (this.#running.has(instance)) continue
      this.#waiting.delete(instance)
      const run = this.#options.work(instance).finally(() => {
        this.#running.delete(instance)
        this.#fill()
      })
      this.#running.set(instance, run)
    }
  }
}
