import type { RowDecoder } from '../../collector/wire/row-codec.ts'
import type { Millis } from '../clock.ts'
import type { Labels } from './reader.ts'

/** Dense number of a label set, valid for the life of the process. */
export type SeriesId = number

/** Identity of a stream of reports; sequences count from 1 in each. */
export interface StreamKey {
  readonly collector: string
  readonly epoch: string
  readonly lane: string
}

/** Samples that share one instant. */
export interface Row {
  readonly t: Millis
  readonly ids: Uint32Array
  readonly values: Float64Array
  /** Series that end at `t`. */
  readonly stale?: Uint32Array
}

/** What every ingest path becomes. Committed whole or not at all. */
export interface Batch {
  /** Absent for writers without sequences (remote write, the hub's own series). */
  readonly origin?: StreamKey & { readonly sequence: number }
  readonly rows: readonly Row[]
}

/** One report on a stream: a value for every column of the stream's layout at one instant. */
export interface StreamRow {
  readonly sequence: number
  readonly t: Millis
  /** One a column, `columns` long; the store reads them during the call only. */
  readonly values: Float64Array
  /** Bit c (byte c >> 3, bit c & 7) set: column c has no sample in this row. Absent: every column has one. */
  readonly absent: Uint8Array | undefined
  /** Bit c set: the series of column c ends at `t`; such a column has no sample. */
  readonly stale: Uint8Array | undefined
  /**
   * The row as it came over the wire, and the decoder that has just read it: what the journal keeps. Absent when the decoder
   * has read rows since the last one given that were not.
   */
  readonly encoded?: { readonly bytes: Uint8Array; readonly decoder: RowDecoder }
}

/** What a stream is told, in the order of its rows and never inside `append`. */
export interface StreamEvents {
  /** Every row up to `sequence` is durable. */
  committed(sequence: number): void
  /** The disk refused rows after the last committed one; the stream takes no more, close it and begin anew. */
  failed(error: StoreUnavailable): void
}

/** An open stream of reports. Its layout only grows; a new session opens a new one. */
export interface StreamWriter {
  /** Series of the layout so far. */
  readonly columns: number
  /** Appends series to the layout, in order. */
  extend(ids: readonly SeriesId[]): void
  /**
   * Makes the row visible to readers at once; `committed` follows when it is durable. A row whose sequence is not above the
   * stream's position is dropped (and told as committed once it is), and 0 returned. Returns the bytes that wait for the disk because of it: many
   * times those of the frame where the journal needs the whole row. Throws StoreUnavailable when the disk refuses.
   */
  append(row: StreamRow): number
  close(): void
}

/** Thrown by `append` when the disk refuses: nothing of the batch counts, no ack may go out. */
export class StoreUnavailable extends Error {}

export interface StoreWriter {
  /** The id of a label set, made on first sight; empty label values are dropped. Cheap when known. */
  intern(labels: Labels): SeriesId
  /** Label set of an id this process interned. */
  labels(id: SeriesId): Labels
  /**
   * Makes the batch visible to readers at once and resolves when it is durable. A sample at an existing
   * (series, t) replaces it. A batch whose sequence is not above `position` is dropped: it is already in.
   */
  append(batch: Batch): Promise<void>
  /** Opens a stream of reports: the fast way in for a sender whose rows share one layout. */
  stream(key: StreamKey, events: StreamEvents): StreamWriter
  /** Highest sequence made durable for a stream; 0 when none. */
  position(stream: StreamKey): number
  /** The same, once everything taken of the stream is durable. Rejects with StoreUnavailable when the disk refuses it. */
  settled(stream: StreamKey): Promise<number>
}

/** Figures of a store for /metrics and the console. */
export interface StoreStats {
  readonly series: number
  readonly samplesAppended: number
  readonly bytesOnDisk: number
  readonly journalBytes: number
  /** Oldest and newest sample time held; undefined when empty. */
  readonly oldest: Millis | undefined
  readonly newest: Millis | undefined
}
