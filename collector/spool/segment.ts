import { deflateRawSync, inflateRawSync } from 'node:zlib'
import type { LanePositions, OutgoingReport, Series, Waiting } from '../pending.ts'
import { type Labels, type Lane, lanes, limits, type Millis } from '../wire/frames.ts'
import {
  createRowDecoder,
  createRowEncoder,
  type DecodedRow,
  type RowDecoder,
  type RowEncoder,
} from '../wire/row-codec.ts'
import {
  PayloadError,
  PayloadReader,
  PayloadWriter,
  recordKinds,
  recordOf,
  type SpoolRecord,
} from './record.ts'

const version = 1
/** After so many reports a row builds on none before it, so that damage costs no more than these. */
const reportsTogether = 64
/** Level 1 of zlib: a dictionary of 450 series in 2 ms to a tenth. */
const deflateOptions = { level: 1 } as const
const inflateOptions = { maxOutputLength: 64 * 1024 * 1024 } as const
const notGiven = 2
/** More reports than any spool holds. */
const longestRun = 10_000_000

/** Reports of consecutive numbers and, with a lane, consecutive sequences. */
export interface Run {
  /** Undefined: they have no identity yet. */
  readonly lane: Lane | undefined
  readonly number: number
  readonly count: number
  /** Of the first; 0 without a lane. */
  readonly sequence: number
}

/** What stands at the head of a segment: the whole state when it was begun. */
export interface SegmentHead {
  readonly collector: string
  readonly epoch: string
  /** Which start of the machine; tells a reboot from a restart. */
  readonly boot: string
  /** The number of the report that came next when it was begun. */
  readonly first: number
  readonly positions: LanePositions
  /** Everything that waited in files. */
  readonly runs: readonly Run[]
}

/** A report's record without its row. */
export interface ReportMeta {
  readonly number: number
  readonly wall: Millis
  readonly monotonic: number
  readonly wanted: Lane
  readonly given: { readonly lane: Lane; readonly sequence: number } | undefined
}

/** Merges reports, by rising number, into runs. */
export function runsOf(reports: readonly Waiting[]): Run[] {
  const runs: Run[] = []
  for (const { number, given } of reports) {
    const last = runs.at(-1)
    const sequence = given?.sequence ?? 0
    const follows =
      last !== undefined &&
      last.lane === given?.lane &&
      last.number + last.count === number &&
      (last.lane === undefined || last.sequence + last.count === sequence)
    if (follows) runs[runs.length - 1] = { ...last, count: last.count + 1 }
    else runs.push({ lane: given?.lane, number, count: 1, sequence })
  }
  return runs
}

export function headRecord({ positions, runs, ...rest }: SegmentHead): Uint8Array {
  const text = JSON.stringify({ version, ...rest, ...positions, runs: runsPacked(runs) })
  return recordOf(recordKinds.head, Buffer.from(text))
}

/** Runs as they stand in JSON. */
export function runsPacked(runs: readonly Run[]): number[][] {
  return runs.map(({ lane, number, count, sequence }) => [
    lane === undefined ? notGiven : lanes.indexOf(lane),
    number,
    count,
    sequence,
  ])
}

/** Throws what it throws when `packed` is none. */
export function readRuns(packed: unknown): Run[] {
  const runs = packed as unknown[][] // each member is checked just below
  return runs.map((run) => ({
    lane: lanes[whole(run[0])],
    number: whole(run[1]),
    count: counted(whole(run[2])),
    sequence: whole(run[3]),
  }))
}

/** Undefined when the payload is no head of this version. */
export function readHead(payload: Uint8Array): SegmentHead | undefined {
  try {
    const head = JSON.parse(Buffer.from(payload).toString('utf8')) as Record<string, unknown>
    if (head['version'] !== version) return undefined
    return { ...readPacked(head, 'first'), runs: readRuns(head['runs']) }
  } catch {
    return undefined
  }
}

/** Whose it is and how far its lanes are; `numberKey` names the number that comes next. Throws what it throws when `packed` is none. */
export function readPacked(
  packed: Record<string, unknown>,
  numberKey: string,
): Omit<SegmentHead, 'runs'> {
  return {
    collector: text(packed['collector']),
    epoch: text(packed['epoch']),
    boot: text(packed['boot']),
    first: whole(packed[numberKey]),
    positions: {
      next: pair(packed['next']),
      done: pair(packed['done']),
      lowest: whole(packed['lowest']),
    },
  }
}

function text(value: unknown): string {
  if (typeof value !== 'string') throw new PayloadError('no text')
  return value
}

function pair(value: unknown): Record<Lane, number> {
  const { live, backlog } = value as Record<string, unknown>
  return { live: whole(live), backlog: whole(backlog) }
}

function whole(value: unknown): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw new PayloadError('no number')
  return value as number
}

function counted(count: number): number {
  if (count > longestRun) throw new PayloadError(`a run of ${count} reports`)
  return count
}

export function givenRecord({ lane, number, count, sequence }: Run): Uint8Array {
  const code = lane === undefined ? notGiven : lanes.indexOf(lane)
  const payload = new PayloadWriter().u8(code).whole(number).whole(count).whole(sequence)
  return recordOf(recordKinds.given, payload.done())
}

/** Throws PayloadError. */
export function readGiven(payload: Uint8Array): Run {
  const reader = new PayloadReader(payload)
  const lane = lanes[reader.u8()]
  const number = reader.whole()
  return { lane, number, count: counted(reader.whole()), sequence: reader.whole() }
}

export function positionsRecord({ next, done, lowest }: LanePositions): Uint8Array {
  const payload = new PayloadWriter()
  payload.whole(next.live).whole(next.backlog).whole(done.live).whole(done.backlog).whole(lowest)
  return recordOf(recordKinds.positions, payload.done())
}

/** Throws PayloadError. */
export function readPositions(payload: Uint8Array): LanePositions {
  const reader = new PayloadReader(payload)
  const two = () => ({ live: reader.whole(), backlog: reader.whole() })
  return { next: two(), done: two(), lowest: reader.whole() }
}

/** Writes the reports of one segment: each row against the one before it, series once. */
export class SegmentWriter {
  #rows: RowEncoder = createRowEncoder()
  #place = 0
  readonly #columns = new Map<Series, number>()
  /** Bytes the dictionary took. */
  dictionaryBytes = 0
  #row = new Float64Array(0)

  /** Columns of the dictionary. */
  get columns(): number {
    return this.#columns.size
  }

  /** The records of one report: series that are new to the segment, then the report. */
  report(waiting: Waiting, report: OutgoingReport): Uint8Array[] {
    const { series, values, stale } = report
    const records = this.#newSeries([...series, ...stale])
    if (this.#place === reportsTogether) {
      this.#place = 0
      this.#rows = createRowEncoder()
    }
    const columns = this.#columns.size
    if (this.#row.length !== columns) this.#row = new Float64Array(columns)
    const absent = new Uint8Array((columns + 7) >> 3)
    absent.fill(255)
    if ((columns & 7) !== 0) absent[absent.length - 1] = (1 << (columns & 7)) - 1
    for (let i = 0; i < series.length; i++) {
      const column = this.#columns.get(series[i]!)!
      this.#row[column] = values[i]!
      absent[column >> 3]! &= ~(1 << (column & 7))
    }
    const ended = stale.length === 0 ? undefined : new Uint8Array(absent.length)
    for (const one of stale) {
      const column = this.#columns.get(one)!
      ended![column >> 3]! |= 1 << (column & 7)
      absent[column >> 3]! &= ~(1 << (column & 7))
    }
    const lacks = absent.some((byte) => byte !== 0)
    const row = this.#rows.encode(this.#row, lacks ? absent : undefined, ended)
    records.push(this.#reportRecord(waiting, report, row))
    return records
  }

  #reportRecord(waiting: Waiting, { monotonic }: OutgoingReport, row: Uint8Array): Uint8Array {
    const { number, wall, wanted, given } = waiting
    const lane = given === undefined ? notGiven : lanes.indexOf(given.lane)
    const payload = new PayloadWriter()
      .u8(lane | (lanes.indexOf(wanted) << 2))
      .whole(number)
      .double(wall)
      .double(monotonic)
    if (given !== undefined) payload.whole(given.sequence)
    payload
      .whole(this.#place++)
      .whole(this.#columns.size)
      .bytes(row)
    return recordOf(recordKinds.report, payload.done())
  }

  #newSeries(series: readonly Series[]): Uint8Array[] {
    const unknown: Series[] = []
    for (const one of series) {
      if (this.#columns.has(one)) continue
      this.#columns.set(one, this.#columns.size)
      unknown.push(one)
    }
    if (unknown.length === 0) return []
    const from = this.#columns.size - unknown.length
    const text = JSON.stringify({ from, series: unknown.map(({ name, labels }) => [name, labels]) })
    const record = recordOf(recordKinds.series, deflateRawSync(text, deflateOptions))
    this.dictionaryBytes += record.length
    return [record]
  }
}

/** The number, times and identity of a report's record. Throws PayloadError. */
export function readMeta(payload: Uint8Array): ReportMeta {
  return metaOf(new PayloadReader(payload))
}

function metaOf(reader: PayloadReader): ReportMeta {
  const flags = reader.u8()
  const lane = lanes[flags & 3]
  const wanted = lanes[flags >> 2]
  if (wanted === undefined || (flags & 3) > notGiven) throw new PayloadError('unknown flags')
  const number = reader.whole()
  const wall = reader.double()
  const monotonic = reader.double()
  if (!Number.isFinite(wall) || !Number.isFinite(monotonic)) throw new PayloadError('no time')
  const given = lane === undefined ? undefined : { lane, sequence: reader.whole() }
  return { number, wall, monotonic, wanted, given }
}

/** Reads the reports of one segment in their order. */
export class SegmentReader {
  readonly #series: Series[] = []
  #rows: RowDecoder = createRowDecoder()
  /** Place of the next row that builds on what was read; -1 after damage, until a row that builds on none. */
  #place = 0
  #absent: Uint8Array | undefined
  /** The series of the last report; handed on while the same ones are there. */
  #present: { readonly indexes: Uint32Array; readonly series: readonly Series[] } | undefined

  /** The report of a record with its number; undefined for other records, and for a report that damage before it made unreadable. */
  read({ kind, payload }: SpoolRecord): { number: number; report: OutgoingReport } | undefined {
    try {
      if (kind === recordKinds.series) this.#append(payload)
      return kind === recordKinds.report ? this.#report(payload) : undefined
    } catch {
      // The checksum held, so this is the row after a lost one, or no writer of ours.
      this.#place = -1
      return undefined
    }
  }

  #append(payload: Uint8Array): void {
    const text = inflateRawSync(payload, inflateOptions).toString('utf8')
    const { from, series } = JSON.parse(text) as { from: number; series: [string, Labels][] }
    if (from !== this.#series.length || from + series.length > limits.seriesPerSession * 2) return
    for (const [name, labels] of series) this.#series.push({ name, labels })
    this.#present = undefined
  }

  #report(payload: Uint8Array): { number: number; report: OutgoingReport } | undefined {
    const reader = new PayloadReader(payload)
    const { number, wall, monotonic, wanted } = metaOf(reader)
    const place = reader.whole()
    const columns = reader.whole()
    if (place === 0) this.#rows = createRowDecoder()
    const follows = place === 0 || place === this.#place
    if (!follows || columns !== this.#series.length) {
      this.#place = -1
      return undefined
    }
    this.#place = -1
    const row = this.#rows.decode(reader.rest(), columns)
    this.#place = place + 1
    const { indexes, series } = this.#presentIn(row, columns)
    const values = Float64Array.from(indexes, (index) => row.values[index]!)
    const stale = row.stale === undefined ? [] : this.#series.filter((_, c) => has(row.stale, c))
    return { number, report: { lane: wanted, wall, monotonic, series, values, stale } }
  }

  #presentIn(row: DecodedRow, columns: number) {
    const { absent, stale } = row
    if (this.#present !== undefined && stale === undefined && sameBits(absent, this.#absent)) {
      return this.#present
    }
    const indexes: number[] = []
    for (let c = 0; c < columns; c++) if (!has(absent, c) && !has(stale, c)) indexes.push(c)
    const present = {
      indexes: Uint32Array.from(indexes),
      series: indexes.map((c) => this.#series[c]!),
    }
    // A row with ended series is the only one of its kind.
    this.#present = stale === undefined ? present : undefined
    this.#absent = absent?.slice()
    return present
  }
}

function has(bits: Uint8Array | undefined, c: number): boolean {
  return bits !== undefined && (bits[c >> 3]! & (1 << (c & 7))) !== 0
}

function sameBits(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}
