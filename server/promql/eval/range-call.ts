import { executionFailure } from '../failure.ts'
import type { Call, Expr, MatrixSelector, Subquery } from '../syntax/ast.ts'
import { absentLabels } from './absent.ts'
import { counterFunctions, extendable, extendedSamples } from './counters.ts'
import { type LabelSet, metricName, withoutName } from './label-set.ts'
import { overTimeFunctions } from './over-time.ts'
import type { Query } from './query.ts'
import { emptyRow, type Frame, frameEnd, type Row, refuseDuplicates } from './rows.ts'
import { load, lookupTime } from './source.ts'
import type { RangeFunction, Window } from './window.ts'

/** One series of a range vector before it is cut into windows. */
interface RangeSeries {
  readonly labels: LabelSet
  readonly times: Float64Array
  readonly values: Float64Array
  readonly dropName: boolean
}

/** A range vector: its series, and where the range ends when the query stands at a time. */
interface RangeSource {
  readonly series: readonly RangeSeries[]
  readonly range: number
  readonly lookback: number
  readonly extension: 'anchored' | 'smoothed' | undefined
  end(time: number): number
}

function milliseconds(duration: unknown): number {
  if (typeof duration !== 'number') throw new Error('BUG: duration is not resolved')
  return duration
}

async function matrixSource(
  query: Query,
  expr: MatrixSelector,
  frame: Frame,
): Promise<RangeSource> {
  const { selector } = expr
  const { extension } = selector
  const range = milliseconds(expr.range)
  const before = extension === undefined ? 0 : query.lookback
  const after = extension === 'smoothed' ? query.lookback : 0
  const start = lookupTime(selector, frame.start) - range - before + 1
  const end = lookupTime(selector, frameEnd(frame)) + after
  const found = await load(query, selector.matchers, start, end)
  return {
    series: found.map((series) => ({ ...series, dropName: false })),
    range,
    lookback: query.lookback,
    extension,
    end: (time) => lookupTime(selector, time),
  }
}

function rowSamples({ labels, values, present, dropName }: Row, frame: Frame): RangeSeries {
  let count = 0
  for (const one of present) count += one
  const times = new Float64Array(count)
  const kept = new Float64Array(count)
  let at = 0
  for (let step = 0; step < frame.steps; step += 1) {
    if (present[step] !== 1) continue
    times[at] = frame.start + step * frame.interval
    kept[at] = values[step] ?? 0
    at += 1
  }
  return { labels, times, values: kept, dropName }
}

/** The steps a subquery takes for all steps of the frame around it; undefined when there are none. */
function subqueryFrame(query: Query, expr: Subquery, frame: Frame): Frame | undefined {
  const offset = milliseconds(expr.offset)
  const fixed = typeof expr.at === 'number' ? expr.at : undefined
  const end = (fixed ?? frameEnd(frame)) - offset
  const interval = expr.step === undefined ? query.subqueryStep : milliseconds(expr.step)
  const before = (fixed ?? frame.start) - offset - milliseconds(expr.range)
  let start = interval * Math.trunc(before / interval)
  if (start <= before) start += interval
  if (end < start) return undefined
  return { start, interval, steps: Math.floor((end - start) / interval) + 1 }
}

async function subquerySource(query: Query, expr: Subquery, frame: Frame): Promise<RangeSource> {
  const inner = subqueryFrame(query, expr, frame)
  const rows = inner === undefined ? [] : await query.evaluate(expr.expr, inner)
  const offset = milliseconds(expr.offset)
  return {
    series: inner === undefined ? [] : rows.map((row) => rowSamples(row, inner)),
    range: milliseconds(expr.range),
    lookback: query.lookback,
    extension: undefined,
    end: (time) => (typeof expr.at === 'number' ? expr.at : time) - offset,
  }
}

function rangeSource(query: Query, expr: Expr, frame: Frame): Promise<RangeSource> {
  if (expr.kind === 'matrix') return matrixSource(query, expr, frame)
  if (expr.kind === 'subquery') return subquerySource(query, expr, frame)
  throw new Error(`BUG: ${expr.kind} is no range vector`)
}

function startWindow(source: RangeSource, series: RangeSeries): Window {
  const { times, values } = series
  const rangeSeconds = source.range / 1000
  return {
    times,
    values,
    from: 0,
    to: 0,
    rangeStart: 0,
    rangeEnd: 0,
    rangeSeconds,
    evaluationTime: 0,
    extension: source.extension,
  }
}

/** Moves a window forward to the step at `time`; times never go back. */
function moveWindow(window: Window, source: RangeSource, time: number): void {
  const { times } = window
  window.evaluationTime = time
  window.rangeEnd = source.end(time)
  window.rangeStart = window.rangeEnd - source.range
  const last = window.rangeEnd + (source.extension === 'smoothed' ? source.lookback : 0)
  const first = window.rangeStart - (source.extension === undefined ? 0 : source.lookback)
  let { from, to } = window
  while (to < times.length && (times[to] ?? 0) <= last) to += 1
  while (from < to && (times[from] ?? 0) <= first) from += 1
  window.from = from
  window.to = to
}

const counterSuffix = /_(?:total|sum|count|bucket)$/
const keepsName: ReadonlySet<string> = new Set(['last_over_time', 'first_over_time'])

function implementation(name: string): RangeFunction {
  const found = counterFunctions[name] ?? overTimeFunctions[name]
  if (found === undefined) throw new Error(`BUG: no range function ${name}`)
  return found
}

function checkExtension(name: string, source: RangeSource): void {
  if (source.extension === undefined) return
  const allowed = extendable[source.extension]
  if (allowed.includes(name)) return
  throw executionFailure(
    `${source.extension} modifier can only be used with: ${allowed.join(', ')} - not with ${name}`,
  )
}

interface Application {
  readonly query: Query
  readonly call: Call
  readonly frame: Frame
  readonly source: RangeSource
  readonly scalars: readonly Float64Array[]
}

async function applyToSeries(application: Application, series: RangeSeries): Promise<Row> {
  const { query, call, frame, source, scalars } = application
  const { name } = call.signature
  const compute = implementation(name)
  const dropName = !keepsName.has(name) || series.dropName
  const labels = dropName && !query.delayedNames ? withoutName(series.labels) : series.labels
  const row = emptyRow(labels, frame.steps, dropName)
  const window = startWindow(source, series)
  const [first, second] = scalars
  for (let step = 0; step < frame.steps; step += 1) {
    moveWindow(window, source, frame.start + step * frame.interval)
    if (query.budget.spend(1 + window.to - window.from)) await query.budget.pause()
    if (window.from === window.to) continue
    const phi = first?.[step] ?? 0
    if (name === 'quantile_over_time' && !(phi >= 0 && phi <= 1)) {
      query.notes.quantileOutOfRange(phi, call.args[0]?.span ?? call.span)
    }
    const value = compute(window, phi, second?.[step] ?? 0)
    if (value === undefined) continue
    row.present[step] = 1
    row.values[step] = value
  }
  return row
}

function noteCounters(query: Query, call: Call, series: RangeSeries): void {
  const { name } = call.signature
  if (name !== 'rate' && name !== 'increase') return
  const metric = metricName(series.labels)
  if (metric === '' || counterSuffix.test(metric)) return
  query.notes.possibleNonCounter(metric, call.args[0]?.span ?? call.span)
}

/** One row of 1 where no row has a sample, with the labels the selector asks for. */
function invert(rows: readonly Row[], argument: Expr, frame: Frame): readonly Row[] {
  const row = emptyRow(absentLabels(argument), frame.steps, true)
  for (let step = 0; step < frame.steps; step += 1) {
    if (rows.some(({ present }) => present[step] === 1)) continue
    row.present[step] = 1
    row.values[step] = 1
  }
  return row.present.includes(1) ? [row] : []
}

/** Calls a function that takes a range vector, on every step of a frame. */
export async function callRangeFunction(
  query: Query,
  call: Call,
  frame: Frame,
): Promise<readonly Row[]> {
  const { name } = call.signature
  const argument = call.args.find((arg) => arg.kind === 'matrix' || arg.kind === 'subquery')
  if (argument === undefined) throw new Error(`BUG: ${name} without a range vector`)
  const source = await rangeSource(query, argument, frame)
  checkExtension(name, source)
  const scalars: Float64Array[] = []
  for (const arg of call.args) {
    if (arg !== argument) scalars.push(await query.scalar(arg, frame))
  }
  const application: Application = { query, call, frame, source, scalars }
  const rows: Row[] = []
  for (const series of source.series) {
    query.budget.hold(frame.steps)
    const row = await applyToSeries(application, series)
    if (row.present.includes(1)) {
      rows.push(row)
      noteCounters(query, call, series)
    }
  }
  if (name === 'absent_over_time') return invert(rows, argument, frame)
  return query.delayedNames ? rows : refuseDuplicates(rows)
}

/** A range vector that is itself the query's answer at one instant. */
export async function evaluateRange(
  query: Query,
  expr: Expr,
  frame: Frame,
): Promise<readonly RangeSeries[]> {
  const source = await rangeSource(query, expr, frame)
  const result: RangeSeries[] = []
  for (const series of source.series) {
    const window = startWindow(source, series)
    moveWindow(window, source, frame.start)
    const { from, to } = window
    if (from === to) continue
    const cut =
      source.extension === undefined
        ? { times: series.times.slice(from, to), values: series.values.slice(from, to) }
        : extendedSamples(window)
    if (cut.times.length > 0) result.push({ ...series, ...cut })
  }
  return result
}
