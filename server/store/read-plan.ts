import type { Millis } from '../clock.ts'
import type { Labels, Matcher } from './reader.ts'
import { type Entries, noEntries } from './samples.ts'
import type { SeriesId } from './writer.ts'

/** What a read needs that only the store's own thread knows: the rest is done wherever the files can be read. */
export interface ReadPlan {
  /** Ascending. */
  readonly ids: Uint32Array
  labels(id: SeriesId): Labels
  /** Entries in memory by index of the ids; shorter when there are none. */
  readonly inMemory: readonly (Entries | undefined)[]
  /** Part files by ascending order; one may be gone when it is opened: then a new plan is due. */
  readonly files: readonly string[]
}

/** A reader that can hand out plans. */
export interface PlanningReader {
  plan(matchers: readonly Matcher[], start: Millis, end: Millis): ReadPlan
  /** Logs and counts damage that the reader of a plan has met. */
  reportDamage(path: string, error: Error): void
}

/** A plan in arrays that move between threads without a copy. */
export interface PackedPlan {
  readonly ids: Uint32Array
  readonly files: readonly string[]
  /** Ids whose labels the other side does not know yet, and the labels: numbers of texts, names and values in turn. */
  readonly fresh: Uint32Array
  readonly texts: readonly string[]
  readonly labelCounts: Uint32Array
  readonly labelTexts: Uint32Array
  /** The other side drops the labels it knows first. */
  readonly forget: boolean
  /** Samples and marks of each id, two numbers each; empty when memory holds nothing. */
  readonly counts: Uint32Array
  readonly times: Float64Array
  readonly values: Float64Array
  readonly staleTimes: Float64Array
}

/** Label sets that the other side keeps at most. */
const mostLabels = 50_000

/** Packs plans for one other side, which remembers labels. */
export class PlanPacker {
  private readonly sent = new Set<SeriesId>()

  pack(plan: ReadPlan): PackedPlan {
    const forget = this.sent.size > mostLabels
    if (forget) this.sent.clear()
    const fresh = plan.ids.filter((id) => !this.sent.has(id))
    for (const id of fresh) this.sent.add(id)
    return {
      ids: plan.ids,
      files: plan.files,
      fresh,
      forget,
      ...packLabels(fresh, (id) => plan.labels(id)),
      ...packEntries(plan.inMemory),
    }
  }
}

function packLabels(
  ids: Uint32Array,
  labelsOf: (id: SeriesId) => Labels,
): Pick<PackedPlan, 'texts' | 'labelCounts' | 'labelTexts'> {
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
  entries: readonly (Entries | undefined)[],
): Pick<PackedPlan, 'counts' | 'times' | 'values' | 'staleTimes'> {
  const counts = new Uint32Array(entries.length * 2)
  let samples = 0
  let marks = 0
  for (const [i, one] of entries.entries()) {
    counts[2 * i] = one?.times.length ?? 0
    counts[2 * i + 1] = one?.staleTimes.length ?? 0
    samples += counts[2 * i]!
    marks += counts[2 * i + 1]!
  }
  const times = new Float64Array(samples)
  const values = new Float64Array(samples)
  const staleTimes = new Float64Array(marks)
  let sample = 0
  let mark = 0
  for (const one of entries) {
    if (!one) continue
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

  learn({ forget, fresh, texts, labelCounts, labelTexts }: PackedPlan): void {
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
  }

  of(id: SeriesId): Labels {
    return this.labels.get(id)!
  }
}

/** Entries of memory by index of the ids of a plan, as views. */
export function unpackEntries({ counts, times, values, staleTimes }: PackedPlan): Entries[] {
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
