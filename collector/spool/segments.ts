/** A segment file by what the spool must know of it. */
export interface Segment {
  readonly serial: number
  /** Numbers of its reports begin here. */
  readonly first: number
  /** The highest number in it; below `first` while it has none. */
  last: number
  bytes: number
}

/** A segment is full with so many bytes, or so many times its dictionary, whichever is more; at most this share of the limit. */
export const segmentBytes = 256 * 1024
const dictionaryTimes = 8
const shareOfLimit = 8

/** Bytes from which on a new segment is begun: short ones bound what damage costs, long ones what dictionaries cost. */
export function fullBytes(dictionaryBytes: number, limitBytes: number): number {
  const wanted = Math.max(segmentBytes, dictionaryTimes * dictionaryBytes)
  return Math.min(wanted, limitBytes / shareOfLimit)
}

/** Those of which nothing waits any more, from the oldest on; nothing is taken from the midst. */
export function doneSegments(closed: readonly Segment[], lowest: number): Segment[] {
  const kept = closed.findIndex(({ last }) => last >= lowest)
  return closed.slice(0, kept < 0 ? closed.length : kept)
}

/**
 * Up to which number reports are to be given up so that those that wait take no more than the limit; undefined while they
 * do not. `active` is written to and never given up.
 */
export function overLimit(
  closed: readonly Segment[],
  activeBytes: number,
  lowest: number,
  limitBytes: number,
): number | undefined {
  const holding = closed.slice(doneSegments(closed, lowest).length)
  const bytes = holding.reduce((sum, one) => sum + one.bytes, activeBytes)
  return bytes > limitBytes ? holding[0]?.last : undefined
}
