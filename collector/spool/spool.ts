import type { Clock } from '../clock.ts'
import type {
  LanePositions,
  OutgoingReport,
  ReportSpool,
  SpoolSource,
  Waiting,
} from '../pending.ts'
import type { Section } from '../wire/frames.ts'
import { BodyReader } from './body-reader.ts'
import type { SegmentFile, SpoolFiles } from './files.ts'
import { SpoolHealth, type SpoolLogger } from './health.ts'
import { ledgerRuns, writeLedger } from './ledger.ts'
import { recordKinds, recordOf } from './record.ts'
import { givenRecord, headRecord, positionsRecord, runsOf, SegmentWriter } from './segment.ts'
import { doneSegments, fullBytes, overLimit, type Segment } from './segments.ts'

/** Reports of one write; more wait for the next. */
const reportsTogether = 256
/** So often what waits is brought to the medium: what a power failure may take. */
const syncMilliseconds = 10_000
/** A disk that takes longer is not waited for: reports then go out without it. */
const stuckMilliseconds = 2000
/** A read that failed for want of descriptors or memory is tried again after so long. */
const readAgainMilliseconds = 1000
const passingCodes = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN', 'EINTR'])
/** Series of one segment's dictionary; beyond, a new segment begins with those in use. */
const seriesPerSegment = 40_000

/** Default and bounds of the two limits are in `config.ts`. */
export interface SpoolLimits {
  readonly bytes: number
  /** Reports older than this are given up. */
  readonly milliseconds: number
}

export interface SpoolOptions {
  readonly files: SpoolFiles
  readonly found: ReportSpool['found']
  /** Files of earlier processes, by rising serial. */
  readonly segments: readonly Segment[]
  readonly nextSerial: number
  readonly collector: string
  readonly epoch: string
  readonly boot: string
  /** Whether the marker stands that the files know of everything that was sent. */
  readonly whole: boolean
  /** The ledger goes on: the marker is missing, and the files and it know everything together. */
  readonly isLedgered: boolean
  /** Called once, when the files hold the first report. */
  readonly onFirst?: (() => void) | undefined
  readonly limits: SpoolLimits
  readonly clock: Clock
  readonly logger: SpoolLogger
  /** What an earlier process lost, for the section; empty when nothing. */
  readonly trouble: string
  readonly release: () => void
}

interface Active {
  readonly segment: Segment
  readonly file: SegmentFile
  readonly writer: SegmentWriter
  hasHead: boolean
  syncedBytes: number
}

interface Read {
  readonly reports: readonly Waiting[]
  resolve(bodies: ReadonlyMap<number, OutgoingReport>): void
}

/**
 * Keeps the reports that wait in segment files: appended before they are sent, read back for the drain, removed whole when nothing
 * in them waits. One piece of work at a time; nothing throws. README.md says what holds after a kill and after a power failure.
 */
export class Spool implements ReportSpool {
  readonly found: ReportSpool['found']
  readonly epoch: string
  readonly longestMilliseconds: number
  readonly #options: SpoolOptions
  readonly #health: SpoolHealth
  readonly #bodies: BodyReader
  #source: SpoolSource | undefined
  #closed: Segment[]
  #active: Active | undefined
  #nextSerial: number
  /** Not in files yet, by age. */
  #queue: Waiting[] = []
  /** In files, with an identity that is not. */
  #given: Waiting[] = []
  #reads: Read[] = []
  #moved = false
  #syncNext = false
  #isWhole: boolean
  /** Beside the files the ledger is kept, in which everything stands before it is sent. */
  #isLedgered: boolean
  #ledgerDue = false
  #hasReport = false
  #writes = 0
  #written = 0
  #syncedAt = Number.NEGATIVE_INFINITY
  #namesSynced = false
  #work: Promise<void> | undefined
  #isClosing = false

  constructor(options: SpoolOptions) {
    this.#options = options
    this.found = options.found
    this.epoch = options.epoch
    this.longestMilliseconds = options.limits.milliseconds
    this.#closed = [...options.segments]
    this.#nextSerial = options.nextSerial
    this.#isWhole = options.whole
    this.#isLedgered = options.isLedgered
    const { files, clock, logger, trouble } = options
    this.#health = new SpoolHealth(clock, logger, trouble)
    this.#bodies = new BodyReader(({ serial }, from) => files.read(serial, from))
  }

  get section(): Section {
    return this.#health.section
  }

  get isWorking(): boolean {
    return this.#health.isWorking
  }

  /** Bytes of all its files. */
  get bytes(): number {
    return this.#closed.reduce((sum, { bytes }) => sum + bytes, this.#active?.segment.bytes ?? 0)
  }

  attach(source: SpoolSource): void {
    this.#source = source
    this.#moved = true
    this.#begin()
  }

  keep(report: Waiting): void {
    this.#queue.push(report)
    this.#ledgerDue = this.#isLedgered
    this.#begin()
  }

  given(reports: readonly Waiting[]): void {
    this.#ledgerDue = this.#isLedgered
    for (const report of reports) {
      if (report.place === 'memory') continue
      report.safeAfter = Number.POSITIVE_INFINITY
      this.#given.push(report)
      this.#syncNext = true
    }
    if (reports.length > 0) this.#begin()
  }

  moved(): void {
    this.#moved = true
    if (this.#done().length > 0) this.#begin()
  }

  isSafe({ safeAfter, place }: Waiting): boolean {
    if (safeAfter <= this.#written) return true
    // The ledger is written first, unless the disk hangs: that is not waited for.
    if (this.#health.isWorking || (this.#isLedgered && !this.#health.isStuck)) return false
    // The next process begins an epoch of its own when the marker is gone. Otherwise what it would find without this identity waits.
    const comesBack = place === 'files' || (place === 'writing' && safeAfter > this.#writes)
    return !(this.#isWhole || this.#isLedgered) || !comesBack
  }

  overLimit(): number | undefined {
    const { lowest } = this.#positions()
    const activeBytes = this.#active?.segment.bytes ?? 0
    return overLimit(this.#closed, activeBytes, lowest, this.#options.limits.bytes)
  }

  read(reports: readonly Waiting[]): Promise<ReadonlyMap<number, OutgoingReport>> {
    return new Promise((resolve) => {
      this.#reads.push({ reports, resolve })
      this.#begin()
    })
  }

  /** Resolves when all work there is has been done, or failed. */
  async settled(): Promise<void> {
    while (this.#work !== undefined) await this.#work
  }

  /** Brings everything to the medium, says that it is whole, and lets go of the folder. Waits 2 s at most. */
  async close(): Promise<void> {
    const timer = new AbortController()
    const late = new Promise<void>((resolve) => {
      const handle = setTimeout(resolve, stuckMilliseconds)
      timer.signal.addEventListener('abort', () => clearTimeout(handle))
    })
    await Promise.race([this.#closeNow(), late])
    timer.abort()
    this.#options.release()
  }

  async #closeNow(): Promise<void> {
    this.#begin()
    await this.settled()
    this.#isClosing = true
    const active = this.#active
    if (this.#isLedgered) await this.#keepLedger(true)
    if (active === undefined || !this.#health.isWorking || !this.#isWhole) return
    try {
      const closed = recordOf(recordKinds.closed, new Uint8Array(0))
      await active.file.write(Buffer.concat([positionsRecord(this.#positions()), closed]))
      await active.file.sync()
      await this.#options.files.syncFolder()
      await active.file.close()
    } catch (error) {
      this.#health.failed(error)
    }
  }

  #positions() {
    const source = this.#source
    if (source === undefined) throw new Error('BUG: the spool has no reports')
    return source.positions()
  }

  /** As far as the files go without `reports`: a sequence of one that a kill keeps out of them is given again, as it was never sent. */
  #positionsWithout(reports: readonly Waiting[]): LanePositions {
    const positions = this.#positions()
    const next = { ...positions.next }
    for (const { given, gone } of reports)
      if (given !== undefined && !gone)
        next[given.lane] = Math.min(next[given.lane], given.sequence)
    return { ...positions, next }
  }

  #done(): Segment[] {
    return doneSegments(this.#closed, this.#positions().lowest)
  }

  #begin(): void {
    if (this.#work !== undefined || this.#isClosing || this.#source === undefined) return
    this.#work = this.#workOff()
  }

  /** One thing after the other until nothing is left. */
  async #workOff(): Promise<void> {
    // What is told within one turn goes out as one write.
    await undefined
    for (;;) {
      const mayWrite = this.#health.mayTry
      if (mayWrite && this.#hasToWrite()) await this.#watched(() => this.#write())
      else if (this.#ledgerDue) await this.#watched(() => this.#keepLedger())
      else if (mayWrite && this.#done().length > 0) await this.#watched(() => this.#removeDone())
      else if (this.#reads.length > 0) await this.#watched(() => this.#readNext())
      else break
    }
    this.#work = undefined
  }

  /** Does a piece of work, and tells those who wait when the disk takes too long. */
  async #watched(work: () => Promise<void>): Promise<void> {
    const timer = setTimeout(() => {
      this.#health.stuck()
      this.#source?.ready()
    }, stuckMilliseconds)
    try {
      await work()
    } catch (error) {
      this.#health.failed(error)
    }
    clearTimeout(timer)
    this.#health.answered()
  }

  #hasToWrite(): boolean {
    if (this.#active === undefined || this.#given.length > 0) return true
    while (this.#queue[0]?.gone === true) this.#queue.shift()
    return this.#queue.length > 0 || (this.#moved && this.#done().length > 0)
  }

  async #write(): Promise<void> {
    const number = ++this.#writes
    const batch = this.#queue.splice(0, reportsTogether).filter(({ gone }) => !gone)
    const given = this.#given.splice(0)
    const sync = this.#syncNext
    this.#syncNext = false
    try {
      const active = await this.#openSegment(batch)
      const bytes = this.#bytesOf(active, batch, given)
      for (const report of [...batch, ...given]) report.safeAfter = number
      await active.file.write(bytes)
      active.hasHead = true
      active.segment.bytes += bytes.length
      active.segment.last = batch.at(-1)?.number ?? active.segment.last
      if (sync) await this.#trySync(active)
    } catch (error) {
      this.#syncNext ||= sync
      await this.#writeFailed(error, batch, given)
      return
    }
    this.#written = number
    if (batch.length > 0 && !this.#hasReport) {
      this.#hasReport = true
      this.#options.onFirst?.()
    }
    this.#health.works()
    if (!this.#isWhole && this.#queue.length === 0) await this.#setWhole()
    this.#source?.stored(batch)
    this.#source?.ready()
    await this.#syncSometimes()
  }

  /** The segment to append to: a new one when there is none or it is full. */
  async #openSegment(batch: readonly Waiting[]): Promise<Active> {
    const { files, limits } = this.#options
    const former = this.#active
    if (former !== undefined) {
      const isFull =
        former.segment.bytes >= fullBytes(former.writer.dictionaryBytes, limits.bytes) ||
        former.writer.columns > seriesPerSegment
      if (!isFull) return former
      if (former.segment.last >= this.#positions().lowest) await this.#trySync(former)
      this.#active = undefined
      this.#closed.push(former.segment)
      await former.file.close()
    }
    const serial = this.#nextSerial++
    const first = batch[0]?.number ?? this.found.nextNumber
    const known = Math.max(first, ...this.#closed.slice(-1).map(({ last }) => last + 1))
    const segment = { serial, first: known, last: known - 1, bytes: 0 }
    const file = await files.create(serial)
    const writer = new SegmentWriter()
    this.#active = { segment, file, writer, hasHead: false, syncedBytes: 0 }
    this.#namesSynced = false
    return this.#active
  }

  /** All that is new, as records; nothing may be awaited here, so that it is of one instant. */
  #bytesOf(active: Active, batch: readonly Waiting[], given: readonly Waiting[]): Buffer {
    const { collector, epoch, boot } = this.#options
    const positions = this.#positionsWithout([...batch, ...this.#queue])
    const records: Uint8Array[] = []
    if (!active.hasHead) {
      const inFiles = this.#source!.waiting().filter(({ place }) => place === 'files')
      const { first } = active.segment
      records.push(headRecord({ collector, epoch, boot, first, positions, runs: runsOf(inFiles) }))
    } else {
      const waiting = given.filter(({ gone }) => !gone).sort((a, b) => a.number - b.number)
      records.push(...runsOf(waiting).map(givenRecord))
      if (this.#moved) records.push(positionsRecord(positions))
    }
    this.#moved = false
    for (const waiting of batch) {
      if (waiting.report === undefined) throw new Error(`BUG: report ${waiting.number} has no body`)
      waiting.place = 'writing'
      records.push(...active.writer.report(waiting, waiting.report))
    }
    return Buffer.concat(records)
  }

  /** What was begun is undone: the batch waits in memory, and the next segment's head says everything again. */
  async #writeFailed(
    error: unknown,
    batch: readonly Waiting[],
    given: readonly Waiting[],
  ): Promise<void> {
    for (const report of batch) report.place = 'memory'
    for (const report of [...batch, ...given]) report.safeAfter = Number.POSITIVE_INFINITY
    this.#queue = [...batch.filter(({ gone }) => !gone), ...this.#queue]
    this.#given = [...given, ...this.#given]
    this.#moved = true
    await this.#endSegment()
    // Without it the next process knows that more was sent than the files tell; it goes before anything is sent unwritten.
    await this.#keepLedger()
    this.#health.failed(error)
    this.#source?.ready()
  }

  /** Leaves the segment as it was before the write that failed. */
  async #endSegment(): Promise<void> {
    const active = this.#active
    this.#active = undefined
    if (active === undefined) return
    const { segment, file } = active
    await file.cut(segment.bytes).catch(() => undefined)
    await file.close().catch(() => undefined)
    if (segment.bytes > 0) this.#closed.push(segment)
    else await this.#options.files.remove(segment.serial).catch(() => undefined)
  }

  async #takeMarkerAway(): Promise<void> {
    try {
      await this.#options.files.setWhole(false)
      this.#isWhole = false
    } catch {
      // It stands, and nothing else counts: what would come back under another identity is not sent.
      this.#isLedgered = false
    }
  }

  /** Writes down what the files do not know, and takes away the marker that they know all; what then stands there may be sent. */
  async #keepLedger(sync = false): Promise<void> {
    const written = await this.#writeLedger(sync)
    if (this.#isWhole) await this.#takeMarkerAway()
    if (this.#isLedgered)
      for (const report of written) report.safeAfter = Math.min(report.safeAfter, this.#written)
    this.#source?.ready()
  }

  /** Resolves to the reports whose identity stands in it. */
  async #writeLedger(sync: boolean): Promise<readonly Waiting[]> {
    this.#ledgerDue = false
    const { files, collector, epoch, boot } = this.#options
    const all = this.#source!.waiting()
    const given = all.filter((one) => one.given !== undefined)
    const positions = this.#positions()
    const nextNumber = Math.max((all.at(-1)?.number ?? 0) + 1, positions.lowest)
    const ledger = { collector, epoch, boot, nextNumber, positions, ...ledgerRuns(all) }
    try {
      const bytes = writeLedger(ledger)
      if (bytes === undefined) throw new Error('the ledger is too small')
      await files.writeLedger(bytes, sync)
      this.#isLedgered = true
      return given
    } catch {
      // What it says no longer holds: without it the next process knows that reports were lost, not how many.
      this.#isLedgered = false
      await files.removeLedger().catch(() => undefined)
      return []
    }
  }

  async #setWhole(): Promise<void> {
    try {
      const { files } = this.#options
      // What the ledger says of losses must not end before the files say it.
      if (this.#isLedgered && this.#active !== undefined) await this.#sync(this.#active)
      await files.setWhole(true)
      this.#isWhole = true
      this.#isLedgered = false
      this.#ledgerDue = false
      // Room for it is taken while there is some.
      await files.writeLedger(writeLedger('blank')!).catch(() => undefined)
    } catch (error) {
      this.#health.failed(error)
    }
  }

  async #syncSometimes(): Promise<void> {
    const active = this.#active
    const now = this.#options.clock.monotonic()
    if (active === undefined || now - this.#syncedAt < syncMilliseconds) return
    if (this.#positions().lowest < active.segment.last) await this.#trySync(active)
  }

  /** A file that cannot be brought to the medium still outlives this process. */
  async #trySync(active: Active): Promise<void> {
    try {
      await this.#sync(active)
    } catch (error) {
      this.#health.failed(error)
    }
  }

  async #sync(active: Active): Promise<void> {
    if (active.syncedBytes === active.segment.bytes) return
    await active.file.sync()
    active.syncedBytes = active.segment.bytes
    this.#syncedAt = this.#options.clock.monotonic()
    if (this.#namesSynced) return
    await this.#options.files.syncFolder()
    this.#namesSynced = true
  }

  async #removeDone(): Promise<void> {
    for (const segment of this.#done()) {
      try {
        await this.#options.files.remove(segment.serial)
      } catch (error) {
        this.#health.failed(error)
        return
      }
      this.#closed.shift()
      this.#bodies.forget(segment)
    }
  }

  async #readNext(): Promise<void> {
    const { reports, resolve } = this.#reads.shift()!
    const numbers = reports.map(({ number }) => number)
    const segments = this.#active ? [...this.#closed, this.#active.segment] : this.#closed
    let bodies = new Map<number, OutgoingReport>()
    try {
      bodies = await this.#bodies.bodies(numbers, segments)
      const missing = reports.filter(({ number, gone }) => !gone && !bodies.has(number)).length
      if (missing > 0) this.#health.lost(`${missing} reports in the spool are damaged`)
    } catch (error) {
      if (isPassing(error)) {
        this.#readLater({ reports, resolve })
        return
      }
      this.#health.lost(`${reports.length} reports cannot be read back: ${String(error)}`)
    }
    resolve(bodies)
  }

  /** What is there but cannot be read just now is not given up. */
  #readLater(read: Read): void {
    const again = () => {
      this.#reads.push(read)
      this.#begin()
    }
    setTimeout(again, readAgainMilliseconds).unref()
  }
}

function isPassing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && passingCodes.has(String(error.code))
}
