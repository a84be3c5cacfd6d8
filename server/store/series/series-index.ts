import { CallwardError } from '../../errors.ts'
import type { Labels } from '../reader.ts'
import type { SeriesId } from '../writer.ts'
import { type CompiledMatcher, labelKey, labelValue, normalLabels } from './labels.ts'

/** Ascending ids of the series that carry one label pair. */
interface Posting {
  readonly value: string
  ids: Uint32Array
  count: number
}

function insertId(posting: Posting, id: SeriesId): void {
  if (posting.count === posting.ids.length) {
    const grown = new Uint32Array(Math.max(4, posting.count * 2))
    grown.set(posting.ids)
    posting.ids = grown
  }
  let at = posting.count++
  for (; at > 0 && posting.ids[at - 1]! > id; at--) posting.ids[at] = posting.ids[at - 1]!
  posting.ids[at] = id
}

/**
 * Label sets, their ids and the way from label pairs to ids. A series without data is retired: it leaves the way but keeps its id,
 * so that a writer who still holds the id may write again.
 */
export class SeriesIndex {
  private readonly maxSeries: number
  private readonly byKey = new Map<string, SeriesId>()
  private readonly labelsOf: Labels[] = []
  private readonly names = new Map<string, Map<string, Posting>>()
  private readonly all: Posting = { value: '', ids: new Uint32Array(16), count: 0 }
  /** Retired ids; an alias when the same labels came back under a new id, else the id itself. */
  private readonly retired = new Map<SeriesId, SeriesId>()
  /** Times a new series was refused because `maxSeries` was reached. */
  refused = 0

  constructor(maxSeries: number) {
    this.maxSeries = maxSeries
  }

  /** Ids given so far; every id is below it. */
  get size(): number {
    return this.labelsOf.length
  }

  /** Series that can be found. */
  get live(): number {
    return this.all.count
  }

  /**
   * Id of a label set. Throws CallwardError `unprocessable` for a bad set, or a new one over the limit of live series; `stored` sets,
   * read back from disk, are beyond the limit.
   */
  intern(labels: Labels, stored = false): SeriesId {
    const known = this.byKey.get(labelKey(labels))
    if (known !== undefined) return known
    const normal = normalLabels(labels)
    const key = labelKey(normal)
    const same = this.byKey.get(key)
    if (same !== undefined) return same
    if (!stored) this.refuseOverLimit()
    const id = this.labelsOf.length
    this.labelsOf.push(this.publish(key, id, normal))
    return id
  }

  private refuseOverLimit(): void {
    if (this.all.count < this.maxSeries) return
    this.refused++
    throw new CallwardError(
      'unprocessable',
      `The store holds its limit of ${this.maxSeries} series; drop a label with many values, or raise the limit.`,
    )
  }

  /** Enters a set into the way; returns it with the texts shared with other series. */
  private publish(key: string, id: SeriesId, labels: Labels): Labels {
    const shared: Record<string, string> = {}
    for (const name of Object.keys(labels)) {
      const value = labels[name]!
      const posting = this.posting(name, value)
      insertId(posting, id)
      shared[name] = posting.value
    }
    this.byKey.set(key, id)
    insertId(this.all, id)
    return shared
  }

  private posting(name: string, value: string): Posting {
    let values = this.names.get(name)
    if (!values) {
      values = new Map()
      this.names.set(name, values)
    }
    let posting = values.get(value)
    if (!posting) {
      posting = { value, ids: new Uint32Array(1), count: 0 }
      values.set(value, posting)
    }
    return posting
  }

  /** Throws `BUG:` for an id never given. */
  labels(id: SeriesId): Labels {
    const labels = this.labelsOf[id]
    if (labels === undefined)
      throw new Error(`BUG: series ${id} is not known, ${this.labelsOf.length} are`)
    return labels
  }

  get hasRetired(): boolean {
    return this.retired.size > 0
  }

  /** The id under which a writer's id is kept now; brings a retired series back. */
  current(id: SeriesId): SeriesId {
    const kept = this.retired.size === 0 ? undefined : this.retired.get(id)
    if (kept === undefined) return id
    if (kept !== id) return this.current(kept)
    const key = labelKey(this.labels(id))
    const successor = this.byKey.get(key)
    if (successor !== undefined) {
      this.retired.set(id, successor)
      return successor
    }
    this.publish(key, id, this.labels(id))
    this.retired.delete(id)
    return id
  }

  /** Takes every live series out of the way for which `hasData` is false; cost linear in the series. */
  retireWithout(hasData: (id: SeriesId) => boolean): number {
    const before = this.all.count
    for (let i = 0; i < before; i++) {
      const id = this.all.ids[i]!
      if (hasData(id)) continue
      this.retired.set(id, id)
      this.byKey.delete(labelKey(this.labels(id)))
    }
    const gone = (id: SeriesId) => this.retired.get(id) === id
    keepIds(this.all, gone)
    if (this.all.count === before) return 0
    for (const [name, values] of this.names) {
      for (const [value, posting] of values) {
        keepIds(posting, gone)
        if (posting.count === 0) values.delete(value)
      }
      if (values.size === 0) this.names.delete(name)
    }
    return before - this.all.count
  }

  /** Ascending ids that match all; the cost follows the smallest posting list that a matcher names. */
  select(matchers: readonly CompiledMatcher[]): Uint32Array {
    const candidates = this.candidates(matchers)
    let kept = 0
    const ids = candidates.ids
    for (let i = 0; i < ids.length; i++) {
      const labels = this.labelsOf[ids[i]!]!
      let matches = true
      for (const matcher of matchers) {
        if (matcher !== candidates.by && !matcher.test(labelValue(labels, matcher.name))) {
          matches = false
          break
        }
      }
      if (matches) ids[kept++] = ids[i]!
    }
    return ids.subarray(0, kept)
  }

  private candidates(matchers: readonly CompiledMatcher[]): {
    ids: Uint32Array
    by: CompiledMatcher | undefined
  } {
    let best: { postings: Posting[]; count: number; by: CompiledMatcher } | undefined
    const cheapFirst = matchers
      .filter((m) => !m.matchesEmpty)
      .sort((a, b) => Number(!a.literals) - Number(!b.literals))
    for (const matcher of cheapFirst) {
      if (best && !matcher.literals && best.count < 10_000) break
      const postings = this.postings(matcher)
      const count = postings.reduce((sum, posting) => sum + posting.count, 0)
      if (!best || count < best.count) best = { postings, count, by: matcher }
    }
    if (!best) return { ids: this.all.ids.slice(0, this.all.count), by: undefined }
    const ids = new Uint32Array(best.count)
    let at = 0
    for (const posting of best.postings) {
      ids.set(posting.ids.subarray(0, posting.count), at)
      at += posting.count
    }
    if (best.postings.length > 1) ids.sort()
    return { ids, by: best.by }
  }

  private postings(matcher: CompiledMatcher): Posting[] {
    const values = this.names.get(matcher.name)
    if (!values) return []
    if (!matcher.literals)
      return [...values.values()].filter((posting) => matcher.test(posting.value))
    return [...new Set(matcher.literals)].flatMap((literal) => values.get(literal) ?? [])
  }

  /** Every label name in use. */
  labelNames(): string[] {
    return [...this.names.keys()]
  }

  /** Values of a label and the ascending ids that carry each. */
  *valuesOf(name: string): Iterable<{ value: string; ids: Uint32Array }> {
    for (const posting of this.names.get(name)?.values() ?? []) {
      yield { value: posting.value, ids: posting.ids.subarray(0, posting.count) }
    }
  }
}

function keepIds(posting: Posting, gone: (id: SeriesId) => boolean): void {
  let kept = 0
  for (let i = 0; i < posting.count; i++) {
    const id = posting.ids[i]!
    if (!gone(id)) posting.ids[kept++] = id
  }
  posting.count = kept
}
