import type { IPoint } from 'influx'
import type { StoreLogger } from '../log.ts'
import type { Part } from '../parts/part.ts'
import { RetryLoop } from '../spool/retry-loop.ts'
import {
  batchesOf,
  idsOf,
  ownEntries,
  type SealedSource,
  type Unit,
  unitsOf,
} from '../spool/sealed-units.ts'
import { SentSoFar } from '../spool/sent-so-far.ts'
import { type InfluxClient, PointsRefused } from './influx-client.ts'
import { pointsOf, unwritable } from './points.ts'

export interface OutletParts {
  readonly source: SealedSource
  /** Of the store, which the cursor goes with. */
  readonly folder: string
  readonly client: Pick<InfluxClient, 'target' | 'prepare' | 'probe' | 'write'>
  readonly logger: StoreLogger
  readonly pollMillis?: number
  /** First wait after a failure; doubled up to a minute. */
  readonly retryMillis?: number
}

/** Points of one request. The package makes its text in one go: more would hold up the hub's other work. */
const pointsPerRequest = 2000

/**
 * Sends what the store has sealed to InfluxDB, file by file, in the order in which files became final. InfluxDB has a point on its disk
 * when it answers, and the same point written twice is one: so after a failure of either side the file is sent again, and the cursor
 * moves when a file is through.
 */
export class Outlet {
  readonly #parts: OutletParts
  readonly #loop: RetryLoop
  readonly #sent: SentSoFar
  /** The database was looked at since the newest failure. */
  #prepared = false
  /** What of the file under way is through, so that a failure does not begin it anew. */
  #through = new WeakMap<Unit['slot'], number>()
  /** Since the start. `unwritable`: NaN and infinities. */
  readonly counters = { sent: 0, refused: 0, unwritable: 0, lost: 0, retried: 0 }

  constructor(parts: OutletParts) {
    this.#parts = parts
    const { client, logger, pollMillis, retryMillis } = parts
    this.#sent = new SentSoFar({ ...parts, engine: 'InfluxDB', cursorName: 'outlet.json' })
    this.#loop = new RetryLoop({
      engine: 'InfluxDB',
      logger,
      pollMillis,
      retryMillis,
      round: () => this.#attempt(() => this.round()),
      probe: () => this.#attempt(() => client.probe(this.#loop.signal)),
    })
  }

  /** Why the newest attempt failed; undefined while all is well. */
  get away(): string | undefined {
    return this.#loop.away
  }

  /** Failed attempts since the start. */
  get failures(): number {
    return this.#loop.failures
  }

  /** Samples that InfluxDB will not have: refused, or gone before it took them. */
  get dropped(): number {
    return this.counters.refused + this.counters.lost
  }

  /** Files that are not known to be in InfluxDB. */
  get waiting(): readonly Part[] {
    return this.#sent.waiting
  }

  /** A file went because of its age. */
  agedOut(part: Part): void {
    this.counters.lost += this.#sent.lostWith(part)
  }

  start(): void {
    this.#loop.start()
  }

  /** What is under way ends; its file is sent again at the next start. */
  stop(): Promise<void> {
    return this.#loop.stop()
  }

  /** After a failure the database may be another one: it is looked at anew. */
  async #attempt<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      this.#prepared = false
      throw error
    }
  }

  /** Sends the next file; false when there is none. Throws EngineAway. */
  async round(): Promise<boolean> {
    const { client } = this.#parts
    const { signal } = this.#loop
    await this.#sent.load(0)
    if (!this.#prepared) await client.prepare(() => this.#beginAnew(), signal)
    this.#prepared = true
    const next = this.waiting[0]?.order
    if (next === undefined) return false
    const parts = this.waiting.filter(({ order }) => order === next)
    for (const part of parts) part.retain()
    try {
      for (const unit of unitsOf(parts)) await this.#send(unit)
      signal.throwIfAborted()
      await this.#sent.save({ forwarded: next, begun: next })
      return true
    } finally {
      for (const part of parts) part.release()
    }
  }

  /** A new database holds nothing of what an older one was sent. */
  async #beginAnew(): Promise<void> {
    this.#through = new WeakMap()
    await this.#sent.save({ forwarded: 0, begun: 0 })
  }

  async #send(unit: Unit): Promise<void> {
    const { source } = this.#parts
    const { signal } = this.#loop
    const through = this.#through.get(unit.slot) ?? 0
    let at = 0
    for (const batch of batchesOf(unit, idsOf(unit))) {
      if (at++ < through) continue
      await this.#loop.giveWay()
      signal.throwIfAborted()
      const series = await ownEntries(source, unit, batch, signal)
      for (const points of inRequests(pointsOf(series))) await this.#write(points)
      this.counters.unwritable += unwritable(series)
      this.#through.set(unit.slot, at)
    }
  }

  /** Where InfluxDB does not say how many points it dropped, halves until the refused ones stand alone. */
  async #write(points: readonly IPoint[]): Promise<void> {
    const { client, logger } = this.#parts
    try {
      await client.write(points, this.#loop.signal)
      this.counters.sent += points.length
    } catch (error) {
      if (!(error instanceof PointsRefused)) {
        this.counters.retried += points.length
        throw error
      }
      const { dropped } = error
      if (dropped === undefined && points.length > 1) {
        const half = points.length >> 1
        await this.#write(points.slice(0, half))
        await this.#write(points.slice(half))
        return
      }
      const refused = Math.min(points.length, dropped ?? 1)
      this.counters.refused += refused
      this.counters.sent += points.length - refused
      logger.warn({ metric: points[0]?.measurement, samples: refused }, error.message)
    }
  }
}

/** Points in pieces of a request. */
function* inRequests(points: Iterable<IPoint>): Generator<readonly IPoint[]> {
  let piece: IPoint[] = []
  for (const point of points) {
    piece.push(point)
    if (piece.length < pointsPerRequest) continue
    yield piece
    piece = []
  }
  if (piece.length > 0) yield piece
}
