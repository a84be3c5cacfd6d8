import { ColumnRead } from '../parts/column-read.ts'
import type { Part } from '../parts/part.ts'
import type { PartFolder } from '../parts/part-folder.ts'
import type { Slot } from '../parts/part-format.ts'
import type { Labels } from '../reader.ts'
import { clip, type Entries, noEntries } from '../samples.ts'
import type { SeriesIndex } from '../series/series-index.ts'
import { Breathing } from '../store-reads.ts'
import type { SeriesId } from '../writer.ts'

/** Samples and ends of one series, as they are sent; times ascend, no time stands in both lists. */
export interface SentEntries {
  readonly labels: Labels
  readonly times: Float64Array
  readonly values: Float64Array
  readonly staleTimes: Float64Array
}

/** The sealed files of a store, and whose samples they hold. */
export interface SealedSource {
  readonly parts: Pick<PartFolder, 'all' | 'overlapping' | 'sources' | 'newestOrder'>
  readonly index: Pick<SeriesIndex, 'labels'>
}

/** What one sealed file holds of an interval: two hours, or a day. */
export interface Unit {
  readonly part: Part
  readonly slot: Slot
}

/** Samples of one request, about. */
const batchSamples = 100_000
const batchSeries = 1000

/** Units of files, in order. */
export function unitsOf(parts: readonly Part[]): Unit[] {
  return parts.flatMap((part) => part.slots.map((slot) => ({ part, slot })))
}

/** What units hold of [start, end]. */
export function unitsWithin(units: readonly Unit[], start: number, end: number): Unit[] {
  return units.flatMap(({ part, slot }) => {
    const minTime = Math.max(start, slot.minTime)
    const maxTime = Math.min(end, slot.maxTime)
    return minTime <= maxTime ? [{ part, slot: { ...slot, minTime, maxTime } }] : []
  })
}

/** Ascending ids of a unit. */
export function idsOf({ slot: { runs } }: Unit): SeriesId[] {
  const ids: SeriesId[] = []
  for (let i = 0; i < runs.length; i += 2)
    for (let id = runs[i]!; id < runs[i + 1]!; id++) ids.push(id)
  return ids
}

/** Ids of a unit in pieces that make one request each. */
export function* batchesOf(unit: Unit, ids: readonly SeriesId[]): Iterable<readonly SeriesId[]> {
  const each = Math.max(1, unit.slot.samples / Math.max(1, unit.slot.series))
  const length = Math.min(batchSeries, Math.max(1, Math.floor(batchSamples / each)))
  for (let at = 0; at < ids.length; at += length) yield ids.slice(at, at + length)
}

async function readEntries(
  source: SealedSource,
  parts: readonly Part[],
  ids: readonly SeriesId[],
  { slot }: Unit,
  signal: AbortSignal,
): Promise<readonly Entries[]> {
  if (parts.length === 0) return ids.map(() => noEntries)
  const list = Uint32Array.from(ids)
  const { minTime, maxTime } = slot
  const read = new ColumnRead(source.parts.sources, list, minTime, maxTime, new Breathing(signal))
  await read.locate(parts)
  return (await read.read()).map((entries) => entries ?? noEntries)
}

/** Without entries at these times, and without samples that are NaN: VictoriaMetrics keeps none of them. */
function without({ times, values, staleTimes }: Entries, taken: ReadonlySet<number>): Entries {
  const isKept = times.map((t, i) => Number(!taken.has(t) && !Number.isNaN(values[i]!)))
  return {
    times: times.filter((_, i) => isKept[i] === 1),
    values: values.filter((_, i) => isKept[i] === 1),
    staleTimes: staleTimes.filter((t) => !taken.has(t)),
  }
}

const nothing: ReadonlySet<number> = new Set()

/** Entries of some series of a unit, whatever older files have: for an engine where a sample sent twice is one. */
export async function ownEntries(
  source: SealedSource,
  unit: Unit,
  ids: readonly SeriesId[],
  signal: AbortSignal,
): Promise<readonly SentEntries[]> {
  const own = await readEntries(source, [unit.part], ids, unit, signal)
  return ids.map((id, i) => ({
    labels: source.index.labels(id),
    ...clip(own[i]!, unit.slot.minTime, unit.slot.maxTime),
  }))
}

/** Entries of some series of a unit that no older file has: what has been sent once is not sent again. */
export async function freshEntries(
  source: SealedSource,
  unit: Unit,
  ids: readonly SeriesId[],
  signal: AbortSignal,
): Promise<readonly SentEntries[]> {
  const { part, slot } = unit
  const older = source.parts
    .overlapping(slot.minTime, slot.maxTime)
    .filter(({ order }) => order < part.order)
  const own = await readEntries(source, [part], ids, unit, signal)
  const before = await readEntries(source, older, ids, unit, signal)
  return ids.map((id, i) => {
    const { times, staleTimes } = before[i]!
    const whole = clip(own[i]!, slot.minTime, slot.maxTime)
    const taken =
      times.length + staleTimes.length === 0 ? nothing : new Set([...times, ...staleTimes])
    return { labels: source.index.labels(id), ...without(whole, taken) }
  })
}

/** What is to be sent of entries when VictoriaMetrics has these times already. */
export function missing(
  entries: SentEntries,
  present: ReadonlySet<number> | undefined,
): SentEntries {
  return present === undefined ? entries : { labels: entries.labels, ...without(entries, present) }
}

/** How many samples and marks of a series VictoriaMetrics must hold. */
export interface Expected {
  readonly id: SeriesId
  readonly samples: number
  readonly marks: number
}

/** What all files up to an order hold of some series within the times of a unit. */
export async function expectedOf(
  source: SealedSource,
  unit: Unit,
  ids: readonly SeriesId[],
  order: number,
  signal: AbortSignal,
): Promise<readonly Expected[]> {
  const { minTime, maxTime } = unit.slot
  const parts = source.parts.overlapping(minTime, maxTime).filter((part) => part.order <= order)
  const found = await readEntries(source, parts, ids, unit, signal)
  return ids.map((id, i) => {
    const kept = without(clip(found[i]!, minTime, maxTime), nothing)
    return { id, samples: kept.times.length, marks: kept.staleTimes.length }
  })
}
