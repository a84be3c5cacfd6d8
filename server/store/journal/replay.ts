import { join } from 'node:path'
import type { Millis } from '../../clock.ts'
import type { Disk } from '../disk.ts'
import { type Head, windowStart } from '../head/head.ts'
import type { StoreLogger } from '../log.ts'
import type { SealedBlock } from '../parts/part.ts'
import type { Labels } from '../reader.ts'
import type { SeriesIndex } from '../series/series-index.ts'
import type { Batch, Row, SeriesId } from '../writer.ts'
import type { Positions } from './positions.ts'
import type { SegmentVisitor } from './record.ts'
import { listSegments, replaySegment, segmentName } from './segments.ts'

export interface ReplayTarget {
  readonly folder: string
  readonly disk: Disk
  readonly logger: StoreLogger
  readonly index: SeriesIndex
  readonly head: Head
  readonly positions: Positions
  readonly blocks: readonly SealedBlock[]
  /** Older samples are left out. */
  readonly oldest: Millis
  readonly now: Millis
}

export interface Replayed {
  /** Sizes of the segments found, by number. */
  readonly segments: Map<number, number>
  readonly nextSegment: number
  readonly nextBatch: number
  /** Segments set aside. */
  readonly damaged: number
}

/** Brings the journal back into memory: positions, series, and the rows that no sealed file holds. */
export async function replayJournal(target: ReplayTarget): Promise<Replayed> {
  const { folder, disk, logger, blocks } = target
  const numbers = await listSegments(folder, disk)
  const sealedBelow = sealedBatches(blocks)
  const segments = new Map<number, number>()
  let nextBatch = Math.max(1, ...sealedBelow.values())
  let damaged = 0
  for (const [i, number] of numbers.entries()) {
    const visitor = new Replay(target, number, sealedBelow)
    const replayed = await replaySegment(folder, number, i === numbers.length - 1, visitor, {
      disk,
      logger,
    })
    if (replayed.bytes > 0) segments.set(number, replayed.bytes)
    if (replayed.damaged !== undefined) damaged++
    nextBatch = Math.max(nextBatch, visitor.nextBatch)
  }
  return { segments, nextSegment: (numbers.at(-1) ?? 0) + 1, nextBatch, damaged }
}

/** For each window the number below which its batches are in sealed files. */
function sealedBatches(blocks: readonly SealedBlock[]): Map<Millis, number> {
  const below = new Map<Millis, number>()
  for (const { trailer } of blocks) {
    below.set(
      trailer.windowStart,
      Math.max(below.get(trailer.windowStart) ?? 0, trailer.sealedBelow),
    )
  }
  return below
}

class Replay implements SegmentVisitor {
  nextBatch = 0
  private readonly target: ReplayTarget
  private readonly segment: number
  private readonly sealedBelow: ReadonlyMap<Millis, number>
  /** From the segment's ids. */
  private readonly ids: SeriesId[] = []

  constructor(target: ReplayTarget, segment: number, sealedBelow: ReadonlyMap<Millis, number>) {
    this.target = target
    this.segment = segment
    this.sealedBelow = sealedBelow
  }

  header(header: {
    readonly firstBatch: number
    readonly positions: Parameters<SegmentVisitor['header']>[0]['positions']
  }): void {
    this.nextBatch = header.firstBatch
    for (const position of header.positions) this.target.positions.restore(position)
  }

  series(segmentId: number, labels: Labels): void {
    this.ids[segmentId] = this.target.index.intern(labels, true)
  }

  batch({ origin, rows }: Batch, batchNumber: number): void {
    const { positions, now } = this.target
    this.nextBatch = batchNumber + 1
    if (origin) {
      if (origin.sequence <= positions.durable(origin)) return
      positions.restore({ ...origin, movedAt: now })
    }
    for (const row of rows) {
      if (row.t < this.target.oldest) continue
      if (batchNumber < (this.sealedBelow.get(windowStart(row.t)) ?? 0)) continue
      this.target.head.write(this.translated(row), this.segment, now)
    }
  }

  private translated({ t, ids, values, stale }: Row): Row {
    this.translate(ids)
    if (!stale) return { t, ids, values }
    this.translate(stale)
    return { t, ids, values, stale }
  }

  /** In place: the arrays are this replay's own. */
  private translate(ids: Uint32Array): void {
    for (let i = 0; i < ids.length; i++) {
      const id = this.ids[ids[i]!]
      if (id === undefined) {
        const path = join(this.target.folder, segmentName(this.segment))
        throw new Error(`BUG: ${path} names series ${ids[i]} without defining it`)
      }
      ids[i] = id
    }
  }
}
