import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type OutgoingReport, PendingReports, type Series } from '../../../collector/pending.ts'
import type { SegmentFile, SpoolFiles } from '../../../collector/spool/files.ts'
import { type OpenedSpool, openSpool } from '../../../collector/spool/open.ts'
import { Spool, type SpoolLimits } from '../../../collector/spool/spool.ts'
import { type Lane, lanes } from '../../../collector/wire/frames.ts'

/** What a disk says no to. */
export type Refusal = 'ENOSPC' | 'EROFS' | 'EIO'

interface Content {
  bytes: Uint8Array
  /** How much of it outlives a power failure. */
  synced: number
  /** Where the last write began: a kill may cut that one short. */
  lastWrite: number
  /** Its name outlives a power failure; of every file of an earlier start. */
  named?: boolean
}

/** A disk in memory. `refusal` fails what is written from then on; a partial write is left as a full disk leaves it. */
export class MemoryDisk {
  readonly segments = new Map<number, Content>()
  whole = false
  ledger: Uint8Array | undefined
  /** Files the medium gives nothing back of. */
  readonly unreadable = new Set<number>()
  refusal: Refusal | undefined
  /** So many reads fail for want of descriptors. */
  readsFail = 0
  /** Fails what is brought to the medium; writes go on. */
  syncFails = false
  /** Writes come to no end. */
  hangs = false
  /** What takes the marker away fails. */
  markerStays = false
  syncs = 0
  writes = 0
  /** Share of the next write that a kill in the midst of it leaves; what is then there becomes `torn`. */
  tearAt: number | undefined
  torn: MemoryDisk | undefined

  /** What a kill leaves: of the last write to the newest segment only `share` (0 to 1). */
  afterKill(share = 1): MemoryDisk {
    return this.#copy(({ bytes, lastWrite }, isNewest) =>
      isNewest ? Math.round(lastWrite + (bytes.length - lastWrite) * share) : bytes.length,
    )
  }

  /** What a power failure leaves. */
  afterPowerFailure(): MemoryDisk {
    const copy = this.#copy(({ synced }) => synced)
    for (const [serial, { named }] of this.segments) if (!named) copy.segments.delete(serial)
    return copy
  }

  #copy(lengthOf: (content: Content, isNewest: boolean) => number): MemoryDisk {
    const copy = new MemoryDisk()
    copy.whole = this.whole
    copy.ledger = this.ledger
    for (const serial of this.unreadable) copy.unreadable.add(serial)
    const newest = Math.max(...this.segments.keys())
    for (const [serial, content] of this.segments) {
      const bytes = Uint8Array.from(content.bytes.subarray(0, lengthOf(content, serial === newest)))
      const { length } = bytes
      copy.segments.set(serial, { bytes, synced: length, lastWrite: length, named: true })
    }
    return copy
  }

  get bytes(): number {
    return [...this.segments.values()].reduce((sum, { bytes }) => sum + bytes.length, 0)
  }

  files(): SpoolFiles {
    return {
      list: async () => [...this.segments.keys()].sort((a, b) => a - b),
      read: async (serial, from = 0) => {
        if (this.readsFail-- > 0) throw Object.assign(new Error('EMFILE: open'), { code: 'EMFILE' })
        const content = this.segments.get(serial)
        if (this.unreadable.has(serial))
          throw Object.assign(new Error('EIO: read'), { code: 'EIO' })
        if (content === undefined) throw Object.assign(new Error('ENOENT'), { code: 'ENOENT' })
        return Uint8Array.from(content.bytes.subarray(from))
      },
      create: async (serial) => this.#create(serial),
      remove: async (serial) => void this.segments.delete(serial),
      syncFolder: async () => {
        for (const content of this.segments.values()) content.named = true
      },
      readLedger: async () => this.ledger,
      writeLedger: async (bytes) => {
        // A full disk takes what needs no room.
        if (this.ledger === undefined || this.refusal !== 'ENOSPC') this.#check()
        this.ledger = Uint8Array.from(bytes)
      },
      removeLedger: async () => {
        if (this.refusal === 'EROFS' || this.markerStays) this.#check()
        this.ledger = undefined
      },
      isWhole: async () => this.whole,
      setWhole: async (whole) => {
        if (whole) this.#check()
        else if (this.markerStays) throw Object.assign(new Error('EIO: unlink'), { code: 'EIO' })
        this.whole = whole
      },
    }
  }

  #check(): void {
    if (this.refusal !== undefined)
      throw Object.assign(new Error(`${this.refusal}: write`), { code: this.refusal })
  }

  #create(serial: number): SegmentFile {
    if (this.refusal === 'EROFS') this.#check()
    const content: Content = { bytes: new Uint8Array(0), synced: 0, lastWrite: 0 }
    this.segments.set(serial, content)
    const append = (bytes: Uint8Array) => {
      content.lastWrite = content.bytes.length
      content.bytes = Buffer.concat([content.bytes, bytes])
    }
    return {
      write: async (bytes) => {
        this.writes++
        if (this.hangs) await new Promise(() => undefined)
        if (this.refusal !== undefined) append(bytes.subarray(0, bytes.length >> 1))
        this.#check()
        if (this.tearAt !== undefined) {
          const { bytes: former } = content
          append(bytes)
          this.torn = this.afterKill(this.tearAt)
          this.tearAt = undefined
          content.bytes = former
        }
        append(bytes)
      },
      sync: async () => {
        this.syncs++
        if (this.syncFails) throw Object.assign(new Error('EIO: fdatasync'), { code: 'EIO' })
        this.#check()
        content.synced = content.bytes.length
      },
      cut: async (length) => {
        content.bytes = content.bytes.slice(0, length)
        content.lastWrite = Math.min(content.lastWrite, length)
      },
      close: async () => {},
    }
  }
}

export const wallStart = Date.UTC(2026, 0, 5, 8)

/** A hub that keeps each report by its identity and complains about what the protocol does not allow. */
export class ModelHub {
  readonly faults: string[] = []
  /** Times a report was stored, by its number. */
  readonly stored = new Map<number, number>()
  gaps = 0
  readonly #positions = new Map<string, number>()
  readonly #committed = new Map<string, number>()

  committed(epoch: string): Record<Lane, number> {
    const of = (lane: Lane) => this.#positions.get(`${epoch} ${lane}`) ?? 0
    return { live: of('live'), backlog: of('backlog') }
  }

  receive(epoch: string, lane: Lane, sequence: number, report: OutgoingReport): void {
    const n = (report.wall - wallStart) / 10_000
    const stream = `${epoch} ${lane}`
    const position = this.#positions.get(stream) ?? 0
    const identity = `${stream} ${sequence}`
    if (sequence <= position) {
      if (this.#committed.get(identity) !== n)
        this.faults.push(`${identity} was ${this.#committed.get(identity)}, now ${n}`)
      return
    }
    if (report.series.length === 0) {
      // Shows a gap, and is nothing itself.
      this.gaps += sequence - position - 1
      this.#positions.set(stream, sequence)
      this.#committed.set(identity, n)
      return
    }
    if (report.values[0] !== n) this.faults.push(`${identity}: ${report.values[0]} is not ${n}`)
    this.gaps += sequence - position - 1
    this.#positions.set(stream, sequence)
    this.#committed.set(identity, n)
    this.stored.set(n, (this.stored.get(n) ?? 0) + 1)
  }
}

export const plainSeries: readonly Series[] = Array.from({ length: 12 }, (_, i) => ({
  name: `node_test_${i}`,
  labels: { job: 'callward', instance: 'pbx-1', device: `d${i}` },
}))

export function report(n: number, series: readonly Series[] = plainSeries): OutgoingReport {
  const values = Float64Array.from(series, (_, i) => (i === 0 ? n : n * 1000 + i / 4))
  const wall = wallStart + n * 10_000
  return { lane: 'live', wall, monotonic: n * 10_000, series, values, stale: [] }
}

export const silent = { info: () => {}, warn: () => {}, error: () => {} }
export const wide: SpoolLimits = { bytes: 64 * 1024 * 1024, milliseconds: 72 * 3_600_000 }

export interface HostOptions {
  readonly limits?: SpoolLimits
  readonly boot?: string
  readonly hadSpool?: boolean
  readonly collector?: string
  /** Number of the report this process begins at; its clock. */
  readonly at?: number
  /** Hours the wall clock is ahead. */
  readonly hoursAhead?: number
  readonly onFirst?: () => void
}

/** One process of a collector over a disk in memory: its spool and its reports, without a network. */
export class SpoolHost {
  readonly disk: MemoryDisk
  readonly opened: OpenedSpool
  readonly pending: PendingReports
  #now: number

  private constructor(disk: MemoryDisk, opened: OpenedSpool, clock: { now: number }) {
    this.disk = disk
    this.opened = opened
    this.#now = clock.now
    this.pending = new PendingReports({ reports: 500, bytes: 1e9 }, opened.spool)
  }

  static async open(disk: MemoryDisk, options: HostOptions = {}): Promise<SpoolHost> {
    const folder = mkdtempSync(join(tmpdir(), 'callward-spool-'))
    mkdirSync(join(folder, 'spool'))
    const at = { now: (options.at ?? 0) * 10_000 }
    const host: { made?: SpoolHost } = {}
    const now = () => (host.made === undefined ? at.now : host.made.#now)
    const opened = await openSpool({
      folder,
      collector: options.collector ?? 'c-1',
      hadSpool: options.hadSpool ?? disk.segments.size > 0,
      limits: options.limits ?? wide,
      clock: {
        now: () => wallStart + now() + (options.hoursAhead ?? 0) * 3_600_000,
        monotonic: now,
      },
      ...(options.onFirst && { onFirst: options.onFirst }),
      logger: silent,
      boot: options.boot ?? 'boot-1',
      files: () => disk.files(),
    })
    rmSync(folder, { recursive: true })
    host.made = new SpoolHost(disk, opened, at)
    await host.made.settled()
    return host.made
  }

  async settled(): Promise<void> {
    if (this.opened.spool instanceof Spool) await this.opened.spool.settled()
    // Those who wait for what was read are told in a turn of their own.
    await new Promise(setImmediate)
  }

  /** Reads report `n`; without waiting for the disk. */
  read(n: number, series?: readonly Series[]): void {
    this.#now = n * 10_000
    this.pending.add(report(n, series))
  }

  connect(hub: ModelHub): void {
    this.pending.connected(hub.committed(this.opened.epoch))
  }

  /** Sends up to `most` reports; the hub gets them, and answers when `answers`. Returns how many went out. */
  async send(
    hub: ModelHub,
    most = Number.POSITIVE_INFINITY,
    { arrive = true, answers = true, answersOnly = '' } = {},
  ): Promise<number> {
    let count = 0
    for (; count < most; count++) {
      let next = this.pending.next()
      if (next === undefined) {
        await this.settled()
        next = this.pending.next()
      }
      if (next === undefined) break
      this.pending.sent(next)
      if (arrive) hub.receive(this.opened.epoch, next.lane, next.sequence, next.report)
      if (arrive && (answers || next.lane === answersOnly)) this.answer(hub, next.lane)
    }
    await this.settled()
    return count
  }

  answer(hub: ModelHub, lane: Lane): void {
    this.pending.acknowledge(lane, hub.committed(this.opened.epoch)[lane])
  }

  /** Connects and sends until nothing waits. */
  async drain(hub: ModelHub): Promise<void> {
    this.connect(hub)
    while ((await this.send(hub, 40)) > 0);
    for (const lane of lanes) this.answer(hub, lane)
    await this.settled()
  }
}
