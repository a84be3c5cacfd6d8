import {
  align,
  type Curve,
  type CurveQuery,
  type MatrixSeries,
  type Range,
  timesOf,
  window as windowOf,
} from '../curves.ts'
import { t } from '../i18n/language.ts'
import { queryRange } from './sparks.ts'

const linesShown = 8

export interface Line {
  readonly label: string
  readonly values: readonly (number | null)[]
}

export interface CurveData {
  /** Seconds, ascending. */
  readonly times: readonly number[]
  readonly lines: readonly Line[]
}

/** Reads all expressions of a curve; at most 8 lines, those with the largest values. Throws ApiError. */
export async function readCurve(curve: Curve, range: Range): Promise<CurveData> {
  const { start, end } = windowOf(Date.now(), range.seconds, range.stepSeconds)
  const times = timesOf(start, end, range.stepSeconds)
  const answers = await Promise.all(
    curve.queries.map(async (query) => {
      const { data } = await queryRange(query.expression, start, end, range.stepSeconds)
      return data.result.map((series) => ({
        label: labelOf(query, series),
        values: align(series, times),
      }))
    }),
  )
  const known = answers.flat().filter((line) => line.values.some((value) => value !== null))
  // A device that never moved only crowds the legend of those that did.
  const moved = known.filter((line) => line.values.some((value) => value !== null && value !== 0))
  const lines = moved.length > 0 && isByDevice(curve) ? moved : known
  if (lines.length <= linesShown) return { times, lines }
  const size = (line: Line) => Math.max(...line.values.map((value) => Math.abs(value ?? 0)))
  const kept = new Set([...lines].sort((a, b) => size(b) - size(a)).slice(0, linesShown))
  return { times, lines: lines.filter((line) => kept.has(line)) }
}

function isByDevice(curve: Curve): boolean {
  return curve.name === 'network' || curve.name === 'disk'
}

function labelOf(query: CurveQuery, series: MatrixSeries): string {
  if ('key' in query.label) {
    const { key } = query.label
    if (key === '1 min' || key === '5 min' || key === '15 min') return key
    return t(`curve.${key}`)
  }
  const name = series.metric[query.label.series] ?? ''
  return query.direction ? t(`curve.${query.direction}`, { name }) : name
}
