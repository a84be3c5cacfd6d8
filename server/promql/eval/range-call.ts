import { executionFailure } from '../failure.ts'
import type { Call, Expr, MatrixSelector, Subquery } from '../syntax/ast.ts'
import { absentLabels } from './absent.ts'
import {
  counterFunctions,
  extendable,
  extendedSamples,
  extrapolate,
  extrapolations,
} from './counters.ts'
import { type LabelSet, metricName, withoutName } from './label-set.ts'
import { overTimeFunctions } from './over-time.ts'
import type { Query } from './query.ts'
import { rollupOfRange } from './rollups.ts'
import { emptyRow, type Frame, frameEnd, type Row, RowBlock, refuseDuplicates } from './rows.ts'
import { load, lookupTime } from './source.ts'
import { type Evaluation, pause } from './turns.ts'
import type { Usage } from './usage.ts'
import {
  moveWindow,
  type RangeBounds,
  type RangeFunction,
  type RangeSamples,
  startWindow,
  type Window,
} from './window.ts'

/** One series of a range vector. */
interface RangeSeries extends RangeSamples {
  readonly labels: LabelSet
  readonly dropName: boolean
}

/** A range vector: its series, and the range that is cut from them at each step. */
interface RangeSource {
  readonly series: readonly RangeSeries[]
  readonly bounds: RangeBounds
}

function milliseconds(duration: unknown): number {
  if (typeof duration !== 'number') throw new Error('BUG: duration is not resolved')
  return duration
}

function* matrixSource(
  query: Query,
  expr: MatrixSelector,
  frame: Frame,
  name: string,
): Evaluation<RangeSource> {
  const { selector } = expr
  const { extension } = selector
  const asked = milliseconds(expr.range)
  const before = extension === undefined ? 0 : query.lookback
  const after = extension === 'smoothed' ? query.lookback : 0
  const start = lookupTime(selector, frame.start) - asked - before + 1
  const end = lookupTime(selector, frameEnd(frame)) + after
  const rolled = rollupOfRange(name, selector, asked, frame, query.coarsest)
  const found = yield* load(query, selector.matchers, start, end, rolled?.rollup)
  const isRolledUp = rolled !== undefined && found.some((series) => series.isRolledUp)
  const { range, slack } = isRolledUp ? rolled : { range: asked, slack: 0 }
  if (range < asked) query.notes.windowsRounded(asked - range, expr.span)
  const at = typeof selector.at === 'number' ? selector.at : undefined
  const offset = milliseconds(selector.offset)
  return {
    series: found.map(({ labels, times, values, weights }) => ({
      ...{ labels, times, values, weights },
      dropName: false,
    })),
    bounds: { range, slack, lookback: query.lookback, extension, at, offset },
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

function* subquerySource(query: Query, expr: Subquery, frame: Frame): Evaluation<RangeSource> {
  const inner = subqueryFrame(query, expr, frame)
  query.usage?.suspend()
  const rows = inner === undefined ? [] : yield* query.evaluate(expr.expr, inner)
  query.usage?.resume()
  return {
    series: inner === undefined ? [] : rows.map((row) => rowSamples(row, inner)),
    bounds: {
      range: milliseconds(expr.range),
      slack: 0,
      lookback: query.lookback,
      extension: undefined,
      at: typeof expr.at === 'number' ? expr.at : undefined,
      offset: milliseconds(expr.offset),
    },
  }
}

/** The range that the function `name` takes; none: the range is itself what is asked for. */
function* rangeSource(query: Query, expr: Expr, frame: Frame, name = ''): Evaluation<RangeSource> {
  if (expr.kind === 'matrix') return yield* matrixSource(query, expr, frame, name)
  if (expr.kind === 'subquery') return yield* subquerySource(query, expr, frame)
  throw new Error(`BUG: ${expr.kind} is no range vector`)
}

const counterSuffix = /_(?:total|sum|count|bucket)$/
/** Functions of a range whose results keep the metric's name. */
export const keepsName: ReadonlySet<string> = new Set(['last_over_time', 'first_over_time'])

/** What computes a function of a range from its window; those of `extrapolations` on extended ranges only. */
export function implementation(name: string): RangeFunction {
  const found = counterFunctions[name] ?? overTimeFunctions[name]
  if (found === undefined) throw new Error(`BUG: no range function ${name}`)
  return found
}

function checkExtension(name: string, source: RangeSource): void {
  if (source.bounds.extension === undefined) return
  const allowed = extendable[source.bounds.extension]
  if (allowed.includes(name)) return
  throw executionFailure(
    `${source.bounds.extension} modifier can only be used with: ${allowed.join(', ')} - not with ${name}`,
  )
}

interface Application {
  readonly query: Query
  readonly call: Call
  readonly frame: Frame
  readonly bounds: RangeBounds
  readonly compute: RangeFunction
  readonly scalars: readonly Float64Array[]
}

/** Computes steps from `step` on until much work is done; gives the next step and the work. */
function computeSteps(
  { query, call, frame, bounds, compute, scalars }: Application,
  window: Window,
  row: Row,
  from: number,
): { readonly step: number; readonly work: number } {
  const { values, present } = row
  const { usage } = query
  const quantiles = call.signature.name === 'quantile_over_time'
  const [first, second] = scalars
  let work = 0
  let step = from
  for (; step < frame.steps && work < workOfTurn; step += 1) {
    moveWindow(window, bounds, frame, step)
    const samples = window.to - window.from
    work += 1 + samples
    if (samples === 0) continue
    usage?.count(samples, step, frame)
    const phi = first === undefined ? 0 : first[step]!
    if (quantiles && !(phi >= 0 && phi <= 1)) {
      query.notes.quantileOutOfRange(phi, call.args[0]?.span ?? call.span)
    }
    const value = compute(window, phi, second === undefined ? 0 : second[step]!)
    if (value === undefined) continue
    present[step] = 1
    values[step] = value
  }
  return { step, work }
}

/** Samples looked at between two looks at the clock. */
const workOfTurn = 20_000

function countWindows(usage: Usage, series: RangeSeries, bounds: RangeBounds, frame: Frame): void {
  const window = startWindow(series, bounds)
  for (let step = 0; step < frame.steps; step += 1) {
    moveWindow(window, bounds, frame, step)
    usage.count(window.to - window.from, step, frame)
  }
}

function* applyToSeries(application: Application, series: RangeSeries, row: Row): Evaluation<void> {
  const { query, call, frame, bounds } = application
  const extrapolation =
    bounds.extension === undefined ? extrapolations[call.signature.name] : undefined
  if (extrapolation !== undefined) {
    if (extrapolate(series, bounds, frame, extrapolation, row))
      query.notes.windowsRounded(bounds.slack, call.span)
    if (query.usage !== undefined) countWindows(query.usage, series, bounds, frame)
    if (query.budget.spend(frame.steps + series.times.length)) yield pause
    return
  }
  const window = startWindow(series, bounds)
  let step = 0
  while (step < frame.steps) {
    const done = computeSteps(application, window, row, step)
    step = done.step
    if (query.budget.spend(done.work)) yield pause
  }
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
export function* callRangeFunction(
  query: Query,
  call: Call,
  frame: Frame,
): Evaluation<readonly Row[]> {
  const { name } = call.signature
  const argument = call.args.find((arg) => arg.kind === 'matrix' || arg.kind === 'subquery')
  if (argument === undefined) throw new Error(`BUG: ${name} without a range vector`)
  const source = yield* rangeSource(query, argument, frame, name)
  checkExtension(name, source)
  const scalars: Float64Array[] = []
  for (const arg of call.args) {
    if (arg !== argument) scalars.push(yield* query.scalar(arg, frame))
  }
  const { bounds } = source
  const application = { query, call, frame, bounds, compute: implementation(name), scalars }
  const rows: Row[] = []
  const block = new RowBlock(source.series.length, frame.steps)
  for (const series of source.series) {
    query.budget.hold(frame.steps)
    const dropName = !keepsName.has(name) || series.dropName
    const labels = dropName && !query.delayedNames ? withoutName(series.labels) : series.labels
    const row = block.row(labels, dropName)
    yield* applyToSeries(application, series, row)
    if (row.present.includes(1)) {
      rows.push(row)
      noteCounters(query, call, series)
    } else block.drop()
  }
  if (name === 'absent_over_time') return invert(rows, argument, frame)
  return query.delayedNames ? rows : refuseDuplicates(rows)
}

/** A range vector that is itself the query's answer at one instant. */
export function* evaluateRange(
  query: Query,
  expr: Expr,
  frame: Frame,
): Evaluation<readonly RangeSeries[]> {
  const source = yield* rangeSource(query, expr, frame)
  const { bounds } = source
  const result: RangeSeries[] = []
  for (const series of source.series) {
    const window = startWindow(series, bounds)
    moveWindow(window, bounds, frame, 0)
    const { from, to } = window
    if (from === to) continue
    query.usage?.count(to - from, 0, frame)
    const cut =
      source.bounds.extension === undefined
        ? { times: series.times.slice(from, to), values: series.values.slice(from, to) }
        : extendedSamples(window)
    if (cut.times.length > 0) result.push({ ...series, ...cut })
  }
  return result
}
