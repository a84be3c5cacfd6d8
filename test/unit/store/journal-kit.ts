import { createRowDecoder, createRowEncoder } from '../../../collector/wire/row-codec.ts'
import { ByteWriter } from '../../../server/store/bytes.ts'
import {
  beginBlock,
  blockHeaderBytes,
  endBlock,
  type RowPlace,
  writeBatch,
  writeFrame,
  writeFullRow,
  writeHeader,
  writeKeyRow,
  writeLayout,
  writeOpen,
} from '../../../server/store/journal/record.ts'
import type { Labels } from '../../../server/store/reader.ts'
import type { Batch, StreamKey } from '../../../server/store/writer.ts'
import fc from '../../helpers/property.ts'
import { base, bitmapOf, type Cell, type Model, row, sequenced } from './store-kit.ts'

const streams = [
  { collector: 'a', epoch: 'e', lane: 'live', firstId: 0 },
  { collector: 'a', epoch: 'e', lane: 'backlog', firstId: 0 },
  { collector: 'b', epoch: 'ë', lane: 'live', firstId: 5 },
]
const mostColumns = 11

/** The model keeps series by their labels. */
export const labelsOf = (id: number): Labels => ({ id: String(id) })

/** What one commit wrote, and what it means. */
export interface Block {
  readonly bytes: Buffer
  readonly means: readonly ((model: Model) => void)[]
}

/** What a journal is told. */
export type Step =
  | {
      readonly kind: 'row'
      readonly stream: number
      /** Columns more than the row before. */
      readonly grow: number
      /** Sequence and time from those of the row before. */
      readonly ahead: number
      readonly dt: number
      readonly cells: readonly Cell[]
      readonly encoded: boolean
    }
  | {
      readonly kind: 'batch'
      readonly collector: string | undefined
      readonly rows: Batch['rows']
    }
  | { readonly kind: 'commit' | 'rotate' }

/** Writes segments as the engine does, one stream's rows behind the other's. */
export class Recorder {
  readonly segments: Block[][] = []
  private readonly writer = new ByteWriter()
  private means: ((model: Model) => void)[] = []
  private link = 0
  private readonly positions = new Map<string, StreamKey & { sequence: number; movedAt: number }>()
  private readonly lanes = streams.map((stream) => ({
    ...stream,
    encoder: createRowEncoder(),
    decoder: createRowDecoder(),
    ids: [] as number[],
    known: -1,
    keyed: false,
    place: { sequence: 1, t: base } as RowPlace,
  }))

  constructor(steps: readonly Step[]) {
    this.rotate()
    for (const step of steps) {
      if (step.kind === 'row') this.row(step)
      else if (step.kind === 'batch') this.batch(step)
      else {
        this.commit()
        if (step.kind === 'rotate') this.rotate()
        else this.begin()
      }
    }
    this.commit()
  }

  private begin(): void {
    this.writer.length = 0
    this.means = []
    beginBlock(this.writer)
  }

  private commit(): void {
    const { writer, means } = this
    if (writer.length === blockHeaderBytes) return
    this.link = endBlock(writer, 0, this.link)
    this.segments.at(-1)!.push({ bytes: Buffer.from(writer.bytes()), means })
  }

  private rotate(): void {
    this.link = this.segments.push([]) - 1
    for (const lane of this.lanes) {
      lane.known = -1
      lane.keyed = false
    }
    this.begin()
    const positions = [...this.positions.values()]
    writeHeader(this.writer, { generation: 1, positions })
    this.means.push((model) => {
      for (const { collector, epoch, lane, sequence } of positions) {
        const name = `${collector}/${epoch}/${lane}`
        model.positions.set(name, Math.max(sequence, model.positions.get(name) ?? 0))
      }
    })
  }

  private moved(key: StreamKey, sequence: number): void {
    const { collector, epoch, lane } = key
    const position = { collector, epoch, lane, sequence, movedAt: base }
    this.positions.set(`${collector}/${epoch}/${lane}`, position)
  }

  private row({ stream, grow, ahead, dt, cells, encoded }: Extract<Step, { kind: 'row' }>): void {
    const lane = this.lanes[stream]!
    const { writer } = this
    const columns = Math.min(mostColumns, Math.max(1, lane.ids.length + grow))
    while (lane.ids.length < columns) lane.ids.push(lane.firstId + lane.ids.length)
    if (lane.known < 0) {
      writeOpen(writer, stream, lane)
      lane.known = 0
    }
    if (lane.known < columns) {
      writeLayout(writer, stream, Uint32Array.from(lane.ids.slice(lane.known)))
      lane.known = columns
    }
    const own = cells.slice(0, columns)
    const [absent, stale] = [bitmapOf(own, 'absent'), bitmapOf(own, 'stale')]
    const values = Float64Array.from(own, (cell) => (typeof cell === 'number' ? cell : 0))
    const place = { sequence: lane.place.sequence + ahead, t: lane.place.t + dt }
    const whole = { ...place, absent, stale, values }
    if (encoded) {
      const bytes = lane.encoder.encode(values, absent, stale)
      lane.decoder.decode(bytes, columns)
      if (lane.keyed) writeFrame(writer, stream, place, lane.place, bytes)
      else writeKeyRow(writer, stream, whole, columns, lane.decoder.snapshot())
    } else writeFullRow(writer, stream, whole)
    lane.keyed = encoded
    lane.place = place
    this.moved(lane, place.sequence)
    const labels = lane.ids.map(labelsOf)
    this.means.push((model) => model.appendRow(lane, place.sequence, place.t, labels, own))
  }

  private batch({ collector, rows }: Extract<Step, { kind: 'batch' }>): void {
    const sequence = 1 + (this.positions.get(`${collector}/e/live`)?.sequence ?? 0)
    const batch = collector === undefined ? { rows } : sequenced(sequence, rows, collector)
    writeBatch(this.writer, batch)
    if (batch.origin) this.moved(batch.origin, sequence)
    this.means.push((model) => model.append(batch, labelsOf))
  }
}

const anyValue = fc.oneof(
  fc.integer({ min: -1000, max: 1000 }),
  fc.double(),
  fc.constantFrom(0, -0, Number.NaN, Infinity, 0.1),
)
const anyCell = fc.oneof(
  { weight: 8, arbitrary: anyValue },
  { weight: 1, arbitrary: fc.constantFrom<Cell>('absent', 'stale') },
)
const anyId = fc.nat({ max: 20 })
const anyBatchRow = fc
  .record({
    dt: fc.constantFrom(0, 1, 10_000, -(2 ** 51)),
    samples: fc.array(fc.tuple(anyId, anyValue), { maxLength: 6 }),
    ended: fc.array(anyId, { maxLength: 2 }),
  })
  .map(({ dt, samples, ended }) =>
    row(
      base + dt,
      samples.map(([id]) => id),
      samples.map(([, value]) => value),
      ended,
    ),
  )
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('row' as const),
      stream: fc.nat({ max: streams.length - 1 }),
      grow: fc.constantFrom(0, 0, 0, 1, 5),
      // A row that was refused may be there, and come again.
      ahead: fc.constantFrom(1, 1, 1, 1, 7, 0),
      dt: fc.constantFrom(10_000, 10_000, 10_001, 0, -60_000, 2 ** 50),
      cells: fc.array(anyCell, { minLength: mostColumns, maxLength: mostColumns }),
      encoded: fc.constantFrom(true, true, true, false),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('batch' as const),
      collector: fc.constantFrom(undefined, 'w', 'x'),
      rows: fc.array(anyBatchRow, { maxLength: 3 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('commit' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('rotate' as const) }) },
)
export const anySteps = fc.array(anyStep, { minLength: 1, maxLength: 40 })

/** A change of bytes. */
export interface Edit {
  readonly kind: 'flip' | 'cut' | 'insert' | 'leave out' | 'repeat' | 'splice'
  /** Where, as shares of the length. */
  readonly at: number
  readonly to: number
  readonly bytes: Uint8Array
}

const share = fc.nat({ max: 1_000_000 }).map((n) => n / 1_000_000)
export const anyEdit: fc.Arbitrary<Edit> = fc.record({
  kind: fc.constantFrom('flip', 'flip', 'cut', 'insert', 'leave out', 'repeat', 'splice'),
  at: share,
  to: share,
  bytes: fc.uint8Array({ minLength: 1, maxLength: 20 }),
})

/** The bytes with the edit done; a splice goes on with the end of `other`. */
export function edited(bytes: Buffer, other: Buffer, { kind, at, to, bytes: fresh }: Edit): Buffer {
  const from = Math.floor(at * bytes.length)
  const end = from + Math.ceil(to * Math.min(100, bytes.length - from))
  const head = bytes.subarray(0, from)
  if (kind === 'cut') return head
  if (kind === 'insert') return Buffer.concat([head, fresh, bytes.subarray(from)])
  if (kind === 'leave out') return Buffer.concat([head, bytes.subarray(end)])
  if (kind === 'repeat') return Buffer.concat([bytes.subarray(0, end), bytes.subarray(from)])
  if (kind === 'splice') return Buffer.concat([head, other.subarray(Math.floor(to * other.length))])
  const flipped = Buffer.from(bytes)
  if (from < bytes.length) flipped[from]! ^= 1 << (fresh[0]! & 7)
  return flipped
}
