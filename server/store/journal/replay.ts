import { FrameError } from '../../../collector/wire/frames.ts'
import type { RowDecoder } from '../../../collector/wire/row-codec.ts'
import { restoreDecoder } from '../../../collector/wire/row-codec.ts'
import type { Millis } from '../../clock.ts'
import { farthestTime } from '../batch-check.ts'
import { BytesError } from '../bytes.ts'
import type { Disk } from '../disk.ts'
import { Generation, looseRow } from '../head/generation.ts'
import type { Group } from '../head/group.ts'
import type { StoreLogger } from '../log.ts'
import type { Batch, SeriesId, StreamKey } from '../writer.ts'
import type { SegmentInfo } from './journal.ts'
import type { Position, Positions } from './positions.ts'
import type { Bitmaps, RowPlace, SegmentHeader, SegmentVisitor } from './record.ts'
import { listSegments, replaySegment } from './segments.ts'

export interface ReplayTarget {
  readonly folder: string
  readonly disk: Disk
  readonly logger: StoreLogger
  readonly positions: Positions
  /** Generations up to this one are in parts. */
  readonly sealedOrder: number
  readonly now: Millis
  readonly monotonic: number
}

export interface Replayed {
  /** Segments found, by number. */
  readonly segments: Map<number, SegmentInfo>
  readonly nextSegment: number
  /** Those no part holds, oldest first. */
  readonly generations: readonly Generation[]
  /** Every series id met is below it. */
  readonly idsBelow: SeriesId
  /** Segments set aside. */
  readonly damaged: number
}

/** Brings the journal back into memory: positions, and the samples that no part holds, of whatever time. */
export async function replayJournal(target: ReplayTarget): Promise<Replayed> {
  const { folder, disk, logger } = target
  const numbers = await listSegments(folder, disk)
  const segments = new Map<number, SegmentInfo>()
  const generations = new Map<number, Generation>()
  let damaged = 0
  let idsBelow = 0
  for (const [i, number] of numbers.entries()) {
    const replay = new Replay(target, generations)
    const found = await replaySegment(folder, number, i === numbers.length - 1, replay, {
      disk,
      logger,
    })
    if (found.bytes > 0) segments.set(number, { generation: replay.generation, bytes: found.bytes })
    if (found.damaged !== undefined) damaged++
    idsBelow = Math.max(idsBelow, replay.idsBelow)
  }
  return {
    segments,
    nextSegment: (numbers.at(-1) ?? 0) + 1,
    generations: [...generations.values()].sort((a, b) => a.order - b.order),
    idsBelow,
    damaged,
  }
}

/** A stream as far as a segment has told of it. */
interface ReplayedStream {
  readonly position: Position
  ids: Uint32Array
  decoder: RowDecoder | undefined
  place: RowPlace
  /** Where its rows stand; `null`: they go loose. */
  group: Group | undefined | null
}

/** No store has given so many ids: memory is made for all below the highest. */
const mostIds = 2 ** 26

/** Rows that a generation's groups are made for at first: five minutes at ten seconds. */
const expectedRows = 32

class Replay implements SegmentVisitor {
  generation = 0
  idsBelow = 0
  private readonly target: ReplayTarget
  private readonly generations: Map<number, Generation>
  private readonly streams = new Map<number, ReplayedStream>()
  /** Undefined when a part holds the segment's samples. */
  private into: Generation | undefined

  constructor(target: ReplayTarget, generations: Map<number, Generation>) {
    this.target = target
    this.generations = generations
  }

  header({ generation, positions }: SegmentHeader): void {
    this.generation = generation
    for (const position of positions) this.target.positions.restore(position)
    if (generation <= this.target.sealedOrder) return
    this.into = this.generations.get(generation)
    if (!this.into) {
      this.into = new Generation(generation, this.target.monotonic)
      this.generations.set(generation, this.into)
    }
  }

  open(stream: number, key: StreamKey): void {
    const { positions, now } = this.target
    this.streams.set(stream, {
      position: positions.of(key, now),
      ids: new Uint32Array(0),
      decoder: undefined,
      place: { sequence: 0, t: 0 },
      group: undefined,
    })
  }

  private stream(number: number): ReplayedStream {
    const stream = this.streams.get(number)
    if (!stream) throw new BytesError(`stream ${number} has rows before its beginning`)
    return stream
  }

  private meet(ids: Uint32Array): void {
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i]!
      if (id < this.idsBelow) continue
      if (id >= mostIds) throw new BytesError(`series ${id} is beyond all that can be`)
      this.idsBelow = id + 1
    }
  }

  layout(number: number, ids: Uint32Array): void {
    this.meet(ids)
    const stream = this.stream(number)
    const longer = new Uint32Array(stream.ids.length + ids.length)
    longer.set(stream.ids)
    longer.set(ids, stream.ids.length)
    stream.ids = longer
    if (stream.group && this.into && !this.into.extendGroup(stream.group, ids)) stream.group = null
  }

  columns(number: number): number {
    return this.stream(number).ids.length
  }

  keyRow(number: number, row: RowPlace & Bitmaps, snapshot: Uint8Array): void {
    const stream = this.stream(number)
    stream.decoder = decoded(() => restoreDecoder(snapshot))
    const { values } = stream.decoder
    if (values.length < stream.ids.length)
      throw new BytesError(`a key row of ${values.length} values for ${stream.ids.length} columns`)
    this.row(stream, row, values, row)
  }

  fullRow(number: number, row: RowPlace & Bitmaps, values: Float64Array): void {
    const stream = this.stream(number)
    stream.decoder = undefined
    this.row(stream, row, values, row)
  }

  frame(number: number, behind: number, time: (before: number) => number, bytes: Buffer): void {
    const stream = this.stream(number)
    if (!stream.decoder) throw new BytesError(`stream ${number} has a frame before its key row`)
    const { decoder, ids } = stream
    const { values, absent, stale } = decoded(() => decoder.decode(bytes, ids.length))
    const { sequence, t } = stream.place
    this.row(stream, { sequence: sequence + behind, t: time(t) }, values, { absent, stale })
  }

  private row(
    stream: ReplayedStream,
    { sequence, t }: RowPlace,
    values: Float64Array,
    { absent, stale }: Bitmaps,
  ): void {
    checkTime(t)
    stream.place = { sequence, t }
    const { now } = this.target
    const { into } = this
    const { position } = stream
    if (sequence <= position.durable) return
    position.accepted = sequence
    position.durable = sequence
    position.movedAt = now
    if (!into) return
    stream.group ??=
      stream.group === null ? null : (into.openGroup(stream.ids, expectedRows) ?? null)
    if (stream.group && into.takes(stream.group, t))
      into.appendRow(stream.group, t, values, absent, stale)
    else into.write(looseRow(t, stream.ids, values, absent, stale))
  }

  batch({ origin, rows }: Batch): void {
    const { positions, now } = this.target
    for (const { t, ids, stale } of rows) {
      checkTime(t)
      this.meet(ids)
      if (stale) this.meet(stale)
    }
    if (origin) {
      if (origin.sequence <= positions.durable(origin)) return
      positions.restore({ ...origin, movedAt: now })
    }
    // A row past its retention, too: the clock may be ahead, and what is left out here is gone for good.
    if (this.into) for (const row of rows) this.into.write(row)
  }
}

function checkTime(t: Millis): void {
  if (!(Math.abs(t) <= farthestTime)) throw new BytesError(`${t} is no time`)
}

/** What a checked block holds of the wire's making does not have to make sense either. */
function decoded<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw error instanceof FrameError ? new BytesError(error.message, { cause: error }) : error
  }
}
