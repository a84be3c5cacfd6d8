import type { Millis } from '../clock.ts'
import { farthestTime } from './batch-check.ts'
import type { ByteWriter } from './bytes.ts'
import { type Generation, type LooseUndo, looseRow } from './head/generation.ts'
import type { Group } from './head/group.ts'
import type { Head } from './head/head.ts'
import type { Journal, Ticket } from './journal/journal.ts'
import type { Position } from './journal/positions.ts'
import {
  type RowPlace,
  writeBatch,
  writeFrame,
  writeFullRow,
  writeKeyRow,
  writeLayout,
  writeOpen,
} from './journal/record.ts'
import type { SeriesIndex } from './series/series-index.ts'
import {
  type SeriesId,
  StoreUnavailable,
  type StreamEvents,
  type StreamRow,
  type StreamWriter,
} from './writer.ts'

/** What the streams of a store share. */
export interface StreamHost {
  readonly journal: Journal
  readonly head: Head
  readonly index: SeriesIndex
  now(): Millis
  /** True when a sample at `t` is past its retention and dropped. */
  isTooOld(t: Millis, now: Millis): boolean
  /** As the journal's `begin`; counts refusals. */
  beginRecord(): ByteWriter
  readonly counters: {
    samplesAppended: number
    samplesTooOld: number
    batchesRepeated: number
    batchesRefused: number
  }
}

/** The rows of one stream that wait for one commit. */
class StreamTicket implements Ticket {
  private readonly stream: EngineStream
  private readonly group: Group | undefined
  private readonly rowsBefore: number
  sequence = 0
  samples = 0
  rows = 0

  constructor(stream: EngineStream, group: Group | undefined) {
    this.stream = stream
    this.group = group
    this.rowsBefore = group?.rows ?? 0
  }

  committed(): void {
    this.stream.committed(this.sequence, this.samples)
  }

  discarded(error: StoreUnavailable): void {
    this.group?.truncate(this.rowsBefore)
    this.stream.discarded(error, this.rows)
  }
}

/** A stream of reports into the embedded store: rows go to the journal as they came, and into the stream's group in memory. */
export class EngineStream implements StreamWriter {
  private readonly host: StreamHost
  private readonly number: number
  private readonly position: Position
  private readonly events: StreamEvents
  private layout: Uint32Array = new Uint32Array(0)
  private state: 'open' | 'failed' | 'closed' = 'open'
  /** Segment that knows the stream, how many columns it knows, and whether frames can follow there. */
  private segment = -1
  private journalled = 0
  private keyed = false
  private before: RowPlace = { sequence: 0, t: 0 }
  private generation: Generation | undefined
  private group: Group | undefined
  private ticket: StreamTicket | undefined
  private ticketCommit: object | undefined

  constructor(host: StreamHost, number: number, position: Position, events: StreamEvents) {
    this.host = host
    this.number = number
    this.position = position
    this.events = events
    position.holders++
  }

  get columns(): number {
    return this.layout.length
  }

  extend(ids: readonly SeriesId[]): void {
    const { index } = this.host
    for (const id of ids)
      if (!(id < index.size)) throw new Error(`BUG: series ${id} is not known, ${index.size} are`)
    const longer = new Uint32Array(this.layout.length + ids.length)
    longer.set(this.layout)
    longer.set(ids, this.layout.length)
    this.layout = longer
  }

  append(row: StreamRow): number {
    this.check(row)
    const { host, position } = this
    if (row.sequence <= position.accepted) {
      this.repeated(row.sequence)
      return 0
    }
    const now = host.now()
    const t = Math.round(row.t) + 0
    const writer = this.beginRecord()
    let loose: LooseUndo | undefined
    try {
      this.prepareGroup()
      this.prepareTicket()
      if (host.isTooOld(t, now)) this.drop(writer, row.sequence)
      else {
        this.journalRow(writer, row, t)
        loose = this.enter(row, t)
      }
    } catch (error) {
      // The journal leaves out what was begun, so it knows nothing of the stream for sure.
      this.segment = -1
      this.keyed = false
      throw error
    }
    position.accepted = row.sequence
    position.movedAt = now
    return this.endRecord(row.sequence, loose)
  }

  private check({ sequence, t, values }: StreamRow): void {
    if (this.state === 'failed')
      throw new StoreUnavailable('The stream has failed; open a new one.')
    if (this.state === 'closed') throw new Error('BUG: a row on a closed stream')
    if (!(Number.isSafeInteger(sequence) && sequence > 0))
      throw new Error(`BUG: sequence ${sequence} is not a positive whole number`)
    if (!(Math.abs(t) <= farthestTime)) throw new Error(`BUG: ${t} is not a time`)
    if (values.length !== this.columns)
      throw new Error(`BUG: ${values.length} values for ${this.columns} columns`)
  }

  /** The row is in already; it is told once it is durable. */
  private repeated(sequence: number): void {
    this.host.counters.batchesRepeated++
    // The sender's decoder has moved on without the journal.
    this.keyed = false
    this.host.journal.tellWithLast({
      committed: () => this.committed(sequence, 0),
      discarded: (error) => this.discarded(error, 0),
    })
  }

  private beginRecord(): ByteWriter {
    try {
      return this.host.beginRecord()
    } catch (error) {
      this.keyed = false
      throw error
    }
  }

  private journalRow(writer: ByteWriter, row: StreamRow, t: Millis): void {
    const { journal } = this.host
    const { encoded } = row
    if (this.segment !== journal.segment) {
      writeOpen(writer, this.number, this.position.stream)
      this.segment = journal.segment
      this.journalled = 0
      this.keyed = false
    }
    if (this.journalled < this.layout.length) {
      writeLayout(writer, this.number, this.layout.subarray(this.journalled))
      this.journalled = this.layout.length
    }
    const place = { sequence: row.sequence, t }
    if (!encoded) writeFullRow(writer, this.number, { ...row, t })
    else if (this.keyed) writeFrame(writer, this.number, place, this.before, encoded.bytes)
    else {
      const { absent, stale } = row
      const snapshot = encoded.decoder.snapshot()
      writeKeyRow(writer, this.number, { ...place, absent, stale }, this.layout.length, snapshot)
    }
    this.keyed = encoded !== undefined
    this.before = place
  }

  /** Of a row past its retention only the sequence counts: a start must not bring the rest back. */
  private drop(writer: ByteWriter, sequence: number): void {
    writeBatch(writer, { origin: { ...this.position.stream, sequence }, rows: [] })
    this.keyed = false
    this.host.counters.samplesTooOld += this.columns
  }

  /** The stream's group in the open generation, with every column. */
  private prepareGroup(): void {
    const { open } = this.host.head
    const { group, layout } = this
    if (this.generation !== open) {
      this.bringBack(layout)
      this.group = open.openGroup(layout, (group?.rows ?? 0) + 1)
      this.generation = open
    } else if (!group) this.bringBack(layout)
    else if (group.ids.length < layout.length) {
      const fresh = layout.subarray(group.ids.length)
      this.bringBack(fresh)
      if (!open.extendGroup(group, fresh)) this.group = undefined
    }
  }

  /** Series may have been retired before their first row; in a group of the open generation they are safe. */
  private bringBack(ids: Uint32Array): void {
    const { index } = this.host
    if (index.hasRetired) for (const id of ids) index.current(id)
  }

  /** The ticket of the rows since the last commit. */
  private prepareTicket(): void {
    const { journal } = this.host
    if (this.ticket && this.ticketCommit === journal.nextCommit) return
    this.ticket = new StreamTicket(this, this.group)
    this.ticketCommit = journal.nextCommit
  }

  /** Into memory; returns what undoes a row that went loose. */
  private enter({ values, absent, stale }: StreamRow, t: Millis): LooseUndo | undefined {
    const { open } = this.host.head
    const { group } = this
    const ticket = this.ticket!
    let loose: LooseUndo | undefined
    if (group && open.takes(group, t)) open.appendRow(group, t, values, absent, stale)
    else loose = open.write(looseRow(t, this.layout, values, absent, stale))
    ticket.samples += absent || stale ? present(this.columns, absent, stale) : this.columns
    return loose
  }

  /** Hands the record over; returns its bytes. */
  private endRecord(sequence: number, loose: LooseUndo | undefined): number {
    const { journal } = this.host
    const ticket = this.ticket!
    ticket.sequence = sequence
    const isNew = ticket.rows++ === 0
    return journal.end(isNew ? ticket : undefined, loose && [loose])
  }

  committed(sequence: number, samples: number): void {
    if (sequence > this.position.durable) this.position.durable = sequence
    this.host.counters.samplesAppended += samples
    if (this.state === 'open') this.events.committed(sequence)
  }

  discarded(error: StoreUnavailable, rows: number): void {
    this.host.counters.batchesRefused += rows
    if (this.state !== 'open') return
    this.leave('failed')
    this.events.failed(error)
  }

  close(): void {
    if (this.state === 'open') this.leave('closed')
  }

  private leave(state: 'failed' | 'closed'): void {
    this.state = state
    this.position.holders--
  }
}

function present(columns: number, ...struck: (Uint8Array | undefined)[]): number {
  let count = columns
  for (const bits of struck)
    if (bits) for (let byte of bits) for (; byte !== 0; byte &= byte - 1) count--
  return count
}
