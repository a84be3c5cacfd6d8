import type { Millis } from '../clock.ts'

const everyMillis = 1000

/** A host whose session tells that it reports; one a session. */
export interface ReportingHost {
  readonly collector: string
  readonly instance: string
  /** When the newest live report was received. */
  heardAt: Millis
  /** Whether a report since the last telling is fresh enough for rules. */
  fresh: boolean
  toldAt: Millis
  waiting: boolean
}

/**
 * Tells the rest of the hub that hosts report: at the end of the event loop's turn, and of a host that reports in a
 * burst once a second, the newest report last.
 */
export class HostNews {
  readonly #tell: (host: ReportingHost, fresh: boolean) => void
  #soon: ReportingHost[] = []
  #later: ReportingHost[] = []
  #timer: NodeJS.Timeout | undefined

  /** `tell` must not throw. */
  constructor(tell: (host: ReportingHost, fresh: boolean) => void) {
    this.#tell = tell
  }

  reported(host: ReportingHost, at: Millis, fresh: boolean): void {
    host.heardAt = at
    if (fresh) host.fresh = true
    if (host.waiting) return
    host.waiting = true
    if (Math.abs(at - host.toldAt) >= everyMillis) {
      if (this.#soon.push(host) === 1) setImmediate(() => this.#flushSoon())
    } else {
      this.#later.push(host)
      this.#timer ??= setTimeout(() => this.#flushLater(), everyMillis)
    }
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#later = []
  }

  #flushSoon(): void {
    const hosts = this.#soon
    this.#soon = []
    for (const host of hosts) this.#tellOf(host)
  }

  #flushLater(): void {
    this.#timer = undefined
    const hosts = this.#later
    this.#later = []
    for (const host of hosts) this.#tellOf(host)
  }

  #tellOf(host: ReportingHost): void {
    const { fresh } = host
    host.waiting = false
    host.fresh = false
    host.toldAt = host.heardAt
    this.#tell(host, fresh)
  }
}
