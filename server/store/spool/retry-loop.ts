import { setTimeout as sleep } from 'node:timers/promises'
import type { StoreLogger } from '../log.ts'

/** The engine cannot be reached, or did not answer as it should; try again later. Names no address and no secret. */
export class EngineAway extends Error {}

export interface RetryParts {
  /** Of the engine, as people know it. */
  readonly engine: string
  readonly logger: StoreLogger
  /** Sends what is next; false when nothing waits. Throws EngineAway. */
  readonly round: () => Promise<boolean>
  /** Asks something small, so that an absence shows while nothing waits. Throws EngineAway. */
  readonly probe: () => Promise<void>
  /** How often new files are looked for. */
  readonly pollMillis?: number | undefined
  /** First wait after a failure; doubled up to a minute. */
  readonly retryMillis?: number | undefined
}

const mostRetryMillis = 60_000
/** How long the event loop is looked at, and from when on it has no room. */
const lookMillis = 50
const busyShare = 0.9
const mostGivenWayMillis = 5000

/** Rounds one after the other until it is stopped; after a failure it waits, longer each time. */
export class RetryLoop {
  readonly #parts: RetryParts
  readonly #stopping = new AbortController()
  #running: Promise<void> | undefined
  /** Failed rounds since the start. */
  failures = 0
  /** Why the newest attempt failed; undefined while all is well. */
  away: string | undefined

  constructor(parts: RetryParts) {
    this.#parts = parts
  }

  /** Aborted when the loop is to end. */
  get signal(): AbortSignal {
    return this.#stopping.signal
  }

  start(): void {
    this.#running ??= this.#run()
  }

  /** Resolves when what is under way has ended. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the hub is stopping'))
    await this.#running
  }

  /** Ends early, without an error, when the loop is to end. */
  async sleep(millis: number): Promise<void> {
    await sleep(millis, undefined, { signal: this.signal }).catch(() => undefined)
  }

  /** Lets a hub that is fully at work go first: ends when its event loop has room, or after five seconds. Early when the loop is to end. */
  async giveWay(): Promise<void> {
    const latest = performance.now() + mostGivenWayMillis
    while (!this.signal.aborted && performance.now() < latest) {
      const before = performance.eventLoopUtilization()
      await this.sleep(lookMillis)
      if (performance.eventLoopUtilization(before).utilization < busyShare) return
    }
  }

  async #run(): Promise<void> {
    const { pollMillis = 5000, retryMillis = 5000, round, probe } = this.#parts
    let wait = retryMillis
    while (!this.signal.aborted) {
      try {
        const sent = await round()
        if (!sent) await probe()
        this.#isBack()
        wait = retryMillis
        if (!sent) await this.sleep(pollMillis)
      } catch (error) {
        if (this.signal.aborted) return
        this.#hasFailed(error)
        await this.sleep(wait)
        wait = Math.min(2 * wait, mostRetryMillis)
      }
    }
  }

  #isBack(): void {
    const { engine, logger } = this.#parts
    if (this.away !== undefined) logger.info({}, `${engine} takes samples again`)
    this.away = undefined
  }

  #hasFailed(error: unknown): void {
    const { engine, logger } = this.#parts
    this.failures++
    const why =
      error instanceof EngineAway ? error.message : `the hub failed to send samples to ${engine}`
    if (this.away === undefined)
      logger.warn({ err: error }, `${why}; samples are kept and sent later`)
    this.away = why
  }
}
