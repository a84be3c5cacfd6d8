import type { Millis } from '../clock.ts'
import type { Breathing } from './parts/column-read.ts'
import { type Labels, type Matcher, type ReadLimits, tooLarge } from './reader.ts'
import { type Entries, noEntries } from './samples.ts'
import type { SeriesId } from './writer.ts'

/** What a read needs that only the store's own thread knows: the rest is done wherever the files can be read. */
export interface ReadPlan {
  /** Ascending. */
  readonly ids: Uint32Array
  labels(id: SeriesId): Labels
  /** What memory holds of a series, looked up when it is called. */
  inMemory(id: SeriesId): Entries | undefined
  /** Part files by ascending order; one may be gone when it is opened: then a new plan is due. */
  readonly files: readonly string[]
  /** Every part file that the store has now. */
  allFiles(): readonly string[]
}

/** A reader that can hand out plans. */
export interface PlanningReader {
  /** Throws `query_too_large` when more series match than `limits` allow. */
  plan(matchers: readonly Matcher[], start: Millis, end: Millis, limits?: ReadLimits): ReadPlan
  /** Logs and counts damage that the reader of a plan has met. */
  reportDamage(path: string, error: Error): void
}

/** Some series of a plan in arrays that move between threads without a copy; pieces follow one another by ids. */
export interface PlanPiece {
  readonly ids: Uint32Array
  /** Ids whose labels the other side does not know yet, and the labels: numbers of texts, names and values in turn. */
  readonly fresh: Uint32Array
  readonly texts: readonly string[]
  readonly labelCounts: Uint32Array
  readonly labelTexts: Uint32Array
  /** The other side drops the labels it knows first. */
  readonly forget: boolean
  /** Samples and marks of each id, two numbers each. */
  readonly counts: Uint32Array
  readonly times: Float64Array
  readonly values: Float64Array
  readonly staleTimes: Float64Array
  /** With the last piece. */
  readonly last?: {
    readonly files: readonly string[]
    /** Files of earlier plans that the store has no more. */
    readonly gone: readonly string[]
  }
}

/** Label sets that the other side keeps at most, save those of one piece. */
const mostLabels = 50_000
/** Where a piece ends, so that packing one is short work. */
const pieceSeries = 256
const pieceSamples = 50_000

/**
 * Packs plans for one other side, which remembers labels and files. What a piece tells is noted in the turn that posts it: a plan that
 * ends early, or whose asker has gone, leaves both sides of one mind.
 */
export class PlanPacker {
  private readonly labelsSent = new Set<SeriesId>()
  private readonly filesSent = new Set<string>()

  /** Looks up what memory holds and gives the plan away piece by piece. Throws `query_too_large`. */
  async send(
    plan: ReadPlan,
    { maxSamples = Infinity }: ReadLimits,
    breathing: Breathing,
    post: (piece: PlanPiece) => void,
  ): Promise<void> {
    const { ids } = plan
    let from = 0
    let entries: Entries[] = []
    let inPiece = 0
    let samples = 0
    for (let i = 0; i < ids.length; i++) {
      const found = plan.inMemory(ids[i]!) ?? noEntries
      entries.push(found)
      inPiece += found.times.length
      samples += found.times.length
      if (samples > maxSamples) tooLarge('samples', maxSamples)
      if (breathing.due) await breathing.take()
      const end = i + 1
      if (end === ids.length || (end - from < pieceSeries && inPiece < pieceSamples)) continue
      post(this.piece(plan, ids.slice(from, end), entries))
      from = end
      entries = []
      inPiece = 0
    }
    const last = { files: plan.files, gone: this.gone(plan) }
    for (const path of plan.files) this.filesSent.add(path)
    post({ ...this.piece(plan, from === 0 ? ids : ids.slice(from), entries), last })
  }

  private piece(plan: ReadPlan, ids: Uint32Array, entries: readonly Entries[]): PlanPiece {
    const { labelsSent } = this
    const forget = labelsSent.size > mostLabels
    if (forget) labelsSent.clear()
    const fresh = ids.filter((id) => !labelsSent.has(id))
    for (const id of fresh) labelsSent.add(id)
    return {
      ids,
      fresh,
      forget,
      ...packLabels(fresh, (id) => plan.labels(id)),
      ...packEntries(entries),
    }
  }

  private gone(plan: ReadPlan): readonly string[] {
    const { filesSent } = this
    if (filesSent.size === 0) return []
    const present = new Set(plan.allFiles())
    const gone = [...filesSent].filter((path) => !present.has(path))
    for (const path of gone) filesSent.delete(path)
    return gone
  }
}

function packLabels(
  ids: Uint32Array,
  labelsOf: (id: SeriesId) => Labels,
): Pick<PlanPiece, 'texts' | 'labelCounts' | 'labelTexts'> {
  const numbers = new Map<string, number>()
  const labelTexts: number[] = []
  const labelCounts = new Uint32Array(ids.length)
  const numberOf = (text: string) => {
    let number = numbers.get(text)
    if (number === undefined) {
      number = numbers.size
      numbers.set(text, number)
    }
    return number
  }
  for (let i = 0; i < ids.length; i++) {
    const labels = labelsOf(ids[i]!)
    for (const name in labels) {
      labelTexts.push(numberOf(name), numberOf(labels[name]!))
      labelCounts[i]!++
    }
  }
  return { texts: [...numbers.keys()], labelCounts, labelTexts: Uint32Array.from(labelTexts) }
}

function packEntries(
  entries: readonly Entries[],
): Pick<PlanPiece, 'counts' | 'times' | 'values' | 'staleTimes'> {
  const counts = new Uint32Array(entries.length * 2)
  let samples = 0
  let marks = 0
  for (const [i, one] of entries.entries()) {
    counts[2 * i] = one.times.length
    counts[2 * i + 1] = one.staleTimes.length
    samples += one.times.length
    marks += one.staleTimes.length
  }
  const times = new Float64Array(samples)
  const values = new Float64Array(samples)
  const staleTimes = new Float64Array(marks)
  let sample = 0
  let mark = 0
  for (const one of entries) {
    times.set(one.times, sample)
    values.set(one.values, sample)
    staleTimes.set(one.staleTimes, mark)
    sample += one.times.length
    mark += one.staleTimes.length
  }
  return { counts, times, values, staleTimes }
}

/** Label sets that a plan's other side has been told, by id. */
export class KnownLabels {
  private readonly labels = new Map<SeriesId, Labels>()

  /** Learns what a piece tells; every piece that comes must come here. Returns the labels of its series. */
  learn({ ids, forget, fresh, texts, labelCounts, labelTexts }: PlanPiece): Labels[] {
    if (forget) this.labels.clear()
    let at = 0
    for (let i = 0; i < fresh.length; i++) {
      const labels: Record<string, string> = {}
      for (let left = labelCounts[i]!; left > 0; left--) {
        labels[texts[labelTexts[at]!]!] = texts[labelTexts[at + 1]!]!
        at += 2
      }
      this.labels.set(fresh[i]!, labels)
    }
    return Array.from(ids, (id) => this.of(id))
  }

  private of(id: SeriesId): Labels {
    const labels = this.labels.get(id)
    if (labels === undefined) throw new Error(`BUG: the labels of series ${id} were never told`)
    return labels
  }
}

/** Entries of memory by index of the ids of a piece, as views. */
export function unpackEntries({ counts, times, values, staleTimes }: PlanPiece): Entries[] {
  const entries: Entries[] = []
  let sample = 0
  let mark = 0
  for (let i = 0; i < counts.length; i += 2) {
    const samples = counts[i]!
    const marks = counts[i + 1]!
    entries.push(
      samples + marks === 0
        ? noEntries
        : {
            times: times.subarray(sample, sample + samples),
            values: values.subarray(sample, sample + samples),
            staleTimes: staleTimes.subarray(mark, mark + marks),
          },
    )
    sample += samples
    mark += marks
  }
  return entries
}
