import type { Millis } from '../../clock.ts'

/** Times no farther apart stand in one span. */
const gapMillis = 600_000
const mostSpans = 16

/** Where times lie, as a few spans: what a stray time far off tells of the times between is nothing. */
export class Spans {
  /** First and last time of each span in turn; ascending, none touches the next. */
  private readonly bounds: Millis[] = []

  /** Takes [from, until] in; with too many spans the closest two become one. */
  add(from: Millis, until: Millis): void {
    const { bounds } = this
    const last = bounds.length - 1
    if (last > 0 && from >= bounds[last - 1]! && until <= bounds[last]! + gapMillis) {
      if (until > bounds[last]!) bounds[last] = until
      return
    }
    let first = 0
    while (first < bounds.length && bounds[first + 1]! + gapMillis < from) first += 2
    let behind = first
    let low = from
    let high = until
    for (; behind < bounds.length && bounds[behind]! - gapMillis <= until; behind += 2) {
      low = Math.min(low, bounds[behind]!)
      high = Math.max(high, bounds[behind + 1]!)
    }
    if (behind - first === 2) {
      bounds[first] = low
      bounds[first + 1] = high
      return
    }
    bounds.splice(first, behind - first, low, high)
    if (bounds.length > mostSpans * 2) this.joinClosest()
  }

  addAll({ bounds }: Spans): void {
    for (let i = 0; i < bounds.length; i += 2) this.add(bounds[i]!, bounds[i + 1]!)
  }

  /** True when a span reaches into [start, end]. */
  overlap(start: Millis, end: Millis): boolean {
    const { bounds } = this
    // From the newest on: who asks mostly asks for what is behind all of them.
    for (let i = bounds.length - 2; i >= 0 && bounds[i + 1]! >= start; i -= 2)
      if (bounds[i]! <= end) return true
    return false
  }

  private joinClosest(): void {
    const { bounds } = this
    let closest = 1
    for (let i = 3; i + 1 < bounds.length; i += 2)
      if (bounds[i + 1]! - bounds[i]! < bounds[closest + 1]! - bounds[closest]!) closest = i
    bounds.splice(closest, 2)
  }
}
