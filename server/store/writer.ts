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
  /** Highest sequence made durable for a stream; 0 when none. */
  position(stream: StreamKey): number
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
