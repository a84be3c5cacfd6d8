import { QueryFailure } from '../failure.ts'

interface Waiting {
  readonly enter: () => void
  readonly refuse: (reason: QueryFailure) => void
}

/** Lets a number of queries run at once; others wait, and beyond a second number they are refused. */
export class Gate {
  private readonly maxRunning: number
  private readonly maxWaiting: number
  private readonly waiting: Waiting[] = []
  private running = 0

  constructor(maxRunning: number, maxWaiting: number) {
    this.maxRunning = maxRunning
    this.maxWaiting = maxWaiting
  }

  /** Queries that run now. */
  get active(): number {
    return this.running
  }

  /** Queries that wait for their turn. */
  get queued(): number {
    return this.waiting.length
  }

  private enter(signal: AbortSignal): Promise<void> {
    if (this.running < this.maxRunning) {
      this.running += 1
      return Promise.resolve()
    }
    if (this.waiting.length >= this.maxWaiting) {
      const message = `too many queries: ${this.running} run and ${this.waiting.length} wait; try again`
      return Promise.reject(new QueryFailure('timeout', message))
    }
    return new Promise((resolve, reject) => {
      const entry: Waiting = { enter: resolve, refuse: reject }
      this.waiting.push(entry)
      const give = (): void => {
        const at = this.waiting.indexOf(entry)
        if (at < 0) return
        this.waiting.splice(at, 1)
        reject(new QueryFailure('canceled', 'query was canceled in query queue'))
      }
      signal.addEventListener('abort', give, { once: true })
    })
  }

  private leave(): void {
    const next = this.waiting.shift()
    if (next === undefined) this.running -= 1
    else next.enter()
  }

  /** Runs `work` when its turn comes. Throws `QueryFailure` when the queue is full or the signal aborts. */
  async run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    await this.enter(signal)
    try {
      return await work()
    } finally {
      this.leave()
    }
  }
}
