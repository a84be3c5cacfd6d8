import type { FastifyBaseLogger } from 'fastify'

/** Pause between hosts that nobody waits for: a whole fleet is judged after a start without holding up what is live. */
const idleMillis = 10

/** Hosts that wait to be judged, one at a time; those with news before those that are merely due. A host waits once. */
export class JudgeQueue {
  readonly #work: (instance: string) => Promise<void>
  readonly #log: Pick<FastifyBaseLogger, 'warn'>
  readonly #now = new Set<string>()
  readonly #idle = new Set<string>()
  #running: Promise<void> | undefined
  #wake: (() => void) | undefined
  #stopped = false

  constructor(work: (instance: string) => Promise<void>, log: Pick<FastifyBaseLogger, 'warn'>) {
    this.#work = work
    this.#log = log
  }

  add(instance: string, when: 'now' | 'idle'): void {
    if (this.#stopped) return
    if (when === 'now') {
      this.#idle.delete(instance)
      this.#now.add(instance)
      this.#wake?.()
    } else if (!this.#now.has(instance)) this.#idle.add(instance)
    this.#start()
  }

  /** What waits is dropped. */
  stop(): void {
    this.#stopped = true
    this.#now.clear()
    this.#idle.clear()
    this.#wake?.()
  }

  async settled(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  #start(): void {
    this.#running ??= this.#drain().finally(() => {
      this.#running = undefined
      // Added while the last round was ending.
      if (this.#now.size + this.#idle.size > 0) this.#start()
    })
  }

  async #drain(): Promise<void> {
    for (;;) {
      const [urgent] = this.#now
      const [due] = this.#idle
      const instance = urgent ?? due
      if (instance === undefined) return
      this.#now.delete(instance)
      this.#idle.delete(instance)
      try {
        await this.#work(instance)
      } catch (err) {
        this.#log.warn({ err, instance }, 'a host was not judged')
      }
      if (urgent === undefined && this.#now.size === 0) await this.#pause()
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, idleMillis)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}
