import type { Millis } from '../clock.ts'
import type { SeriesIndex } from './series/series-index.ts'
import type { Batch, Row, SeriesId } from './writer.ts'

/** Largest time of a JavaScript Date. */
export const farthestTime = 8.64e15

/** Throws `BUG:` for a batch that breaks the writer's contract. */
export function checkBatch(batch: Batch, seriesKnown: number): void {
  const sequence = batch.origin?.sequence
  if (sequence !== undefined && !(Number.isSafeInteger(sequence) && sequence > 0)) {
    throw new Error(`BUG: sequence ${sequence} is not a positive whole number`)
  }
  for (const { t, ids, values, stale } of batch.rows) {
    if (!(Math.abs(t) <= farthestTime)) throw new Error(`BUG: ${t} is not a time`)
    if (ids.length !== values.length)
      throw new Error(`BUG: ${ids.length} series and ${values.length} values`)
    for (const list of stale ? [ids, stale] : [ids]) {
      for (let i = 0; i < list.length; i++) {
        if (list[i]! >= seriesKnown)
          throw new Error(`BUG: series ${list[i]} is not known, ${seriesKnown} are`)
      }
    }
  }
}

export interface PreparedRows {
  readonly rows: readonly Row[]
  /** Samples and marks older than `oldest`, left out. */
  readonly tooOld: number
}

/** Rows with whole milliseconds and present ids, without those before `oldest`. */
export function prepareRows(
  rows: readonly Row[],
  oldest: Millis,
  index: SeriesIndex,
): PreparedRows {
  const prepared: Row[] = []
  let tooOld = 0
  for (const row of rows) {
    const t = Math.round(row.t) + 0
    if (t < oldest) tooOld += row.ids.length + (row.stale?.length ?? 0)
    else {
      const ids = currentIds(row.ids, index)
      const stale = row.stale && currentIds(row.stale, index)
      prepared.push(stale ? { t, ids, values: row.values, stale } : { t, ids, values: row.values })
    }
  }
  return { rows: prepared, tooOld }
}

function currentIds(ids: Uint32Array, index: SeriesIndex): Uint32Array {
  if (!index.hasRetired) return ids
  return ids.map((id: SeriesId) => index.current(id))
}
