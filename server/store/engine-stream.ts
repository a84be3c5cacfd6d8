import type { Millis } from '../clock.ts'
import { farthestTime } from './batch-check.ts'
import { type Generation, type LooseUndo, looseRow } from './head/generation.ts'
import type { Group } from './head/group.ts'
import type { Head } from './head/head.ts'
import type { Journal, Ticket } from './journal/journal.ts'
import type { Position } from './journal/positions.ts'
import {
  type RowPlace,
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
  /** Samples before it are dropped. */
  oldest(now: Millis): Millis
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
  /** Rows that went loose. */
  loose: LooseUndo[] | undefined
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
    for (const undo of this.loose?.toReversed() ?? []) undo.generation.undo(undo)
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

  append(row: StreamRow): void {
    this.check(row)
    const { host, position } = this
    if (row.sequence <= position.accepted) {
      this.repeated(row.sequence)
      return
    }
    const now = host.now()
    const t = Math.round(row.t) + 0
    this.journalRow(row, t)
    position.accepted = row.sequence
    position.movedAt = now
    const ticket = this.openTicket()
    ticket.sequence = row.sequence
    ticket.rows++
    if (t < host.oldest(now)) host.counters.samplesTooOld += this.columns
    else this.enter(row, t, ticket)
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

  private journalRow(row: StreamRow, t: Millis): void {
    const { journal, counters } = this.host
    const { encoded } = row
    if (this.segment !== journal.segment) this.keyed = false
    const snapshot = this.keyed ? undefined : encoded?.decoder.snapshot()
    let writer: ReturnType<Journal['begin']>
    try {
      writer = journal.begin()
    } catch (error) {
      if (error instanceof StoreUnavailable) counters.batchesRefused++
      this.keyed = false
      throw error
    }
    const place = { sequence: row.sequence, t }
    if (this.segment !== journal.segment) {
      writeOpen(writer, this.number, this.position.stream)
      this.segment = journal.segment
      this.journalled = 0
    }
    if (this.journalled < this.layout.length) {
      writeLayout(writer, this.number, this.layout.subarray(this.journalled))
      this.journalled = this.layout.length
    }
    if (!encoded) writeFullRow(writer, this.number, { ...row, t })
    else if (snapshot) {
      const { absent, stale } = row
      writeKeyRow(writer, this.number, { ...place, absent, stale }, this.layout.length, snapshot)
    } else writeFrame(writer, this.number, place, this.before, encoded.bytes)
    this.keyed = encoded !== undefined
    this.before = place
  }

  /** The ticket of the rows since the last commit; ends the record. */
  private openTicket(): StreamTicket {
    const { journal } = this.host
    this.prepareGroup()
    if (this.ticket && this.ticketCommit === journal.nextCommit) {
      journal.end(undefined)
      return this.ticket
    }
    this.ticket = new StreamTicket(this, this.group)
    this.ticketCommit = journal.nextCommit
    journal.end(this.ticket)
    return this.ticket
  }

  /** The stream's group in the open generation, with every column. */
  private prepareGroup(): void {
    const { open } = this.host.head
    if (this.generation !== open) {
      const expectedRows = (this.group?.rows ?? 0) + 1
      this.generation = open
      const { index } = this.host
      if (index.hasRetired) for (const id of this.layout) index.current(id)
      this.group = open.openGroup(this.layout, expectedRows)
    } else if (this.group && this.group.ids.length < this.layout.length) {
      const fresh = this.layout.subarray(this.group.ids.length)
      if (!open.extendGroup(this.group, fresh)) this.group = undefined
    }
  }

  private enter({ values, absent, stale }: StreamRow, t: Millis, ticket: StreamTicket): void {
    const { open } = this.host.head
    const { group } = this
    if (group && open.takes(group, t)) open.appendRow(group, t, values, absent, stale)
    else {
      const undo = open.write(looseRow(t, this.layout, values, absent, stale))
      if (ticket.loose) ticket.loose.push(undo)
      else ticket.loose = [undo]
    }
    ticket.samples += absent || stale ? present(this.columns, absent, stale) : this.columns
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
