import type { Millis } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type { Labels, Matcher } from './reader.ts'

/** A PromQL question; both ends are included. */
export interface ArchiveQuestion {
  /** As the hub's own parser printed it. */
  readonly text: string
  readonly start: Millis
  readonly end: Millis
  /** 0: one instant, `start`. */
  readonly step: Millis
  readonly lookbackMilliseconds: Millis
}

/** Bounds of one question. */
export interface ArchiveLimits {
  readonly timeoutMilliseconds: number
  /** Longest answer that is read. */
  readonly maxBytes: number
  readonly signal: AbortSignal
}

/** Values of one series; times ascend. */
export interface ArchiveSeries {
  readonly labels: Labels
  readonly times: Float64Array
  readonly values: Float64Array
}

/** Selectors of series in [start, end]. */
export interface ArchiveSelection {
  readonly selectors: readonly (readonly Matcher[])[]
  readonly start: Millis
  readonly end: Millis
}

/**
 * An engine that keeps what the store has forwarded, for longer than the store does. All methods throw ArchiveAway, ArchiveRefusal, or
 * `query_too_large` and `query_timeout` where a limit is met.
 */
export interface Archive {
  /** As people know it. */
  readonly name: string
  /** From here on the store itself holds all there is. */
  heldFrom(): Millis
  /** What the store was given from here on has not reached the end of its retention; not after `heldFrom`. */
  keptFrom(): Millis
  /** Up to here the archive is known to hold what the store was given. */
  heldTo(): Millis
  query(question: ArchiveQuestion, limits: ArchiveLimits): Promise<readonly ArchiveSeries[]>
  series(selection: ArchiveSelection, limits: ArchiveLimits): Promise<readonly Labels[]>
  /** In any order. */
  labelNames(selection: ArchiveSelection, limits: ArchiveLimits): Promise<readonly string[]>
  /** In any order. */
  labelValues(
    name: string,
    selection: ArchiveSelection,
    limits: ArchiveLimits,
  ): Promise<readonly string[]>
}

/** The archive cannot be asked now; the message says why, without address and secret. */
export class ArchiveAway extends CallwardError {
  constructor(message: string) {
    super('unavailable', message)
  }
}

/** The archive does not answer this question; asking again is of no use. */
export class ArchiveRefusal extends Error {}
