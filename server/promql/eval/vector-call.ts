import type { Call } from '../syntax/ast.ts'
import { absentLabels } from './absent.ts'
import { larger, smaller } from './arithmetic.ts'
import { compareLabels, labelValue, noLabels } from './label-set.ts'
import { naturallyBefore } from './natural-order.ts'
import type { Query } from './query.ts'
import { assembleRows, computedRow, emptyRow, type Frame, type Row } from './rows.ts'
import { timeFunctions } from './time-functions.ts'

type NumberFunction = (value: number) => number

function sign(value: number): number {
  if (value < 0) return -1
  return value > 0 ? 1 : value
}

/** Functions of one number. */
export const numberFunctions: Readonly<Record<string, NumberFunction>> = {
  abs: Math.abs,
  ceil: Math.ceil,
  floor: Math.floor,
  exp: Math.exp,
  sqrt: Math.sqrt,
  ln: Math.log,
  log2: Math.log2,
  log10: Math.log10,
  sgn: sign,
  sin: Math.sin,
  cos: Math.cos,
  tan: Math.tan,
  asin: Math.asin,
  acos: Math.acos,
  atan: Math.atan,
  sinh: Math.sinh,
  cosh: Math.cosh,
  tanh: Math.tanh,
  asinh: Math.asinh,
  acosh: Math.acosh,
  atanh: Math.atanh,
  rad: (value) => (value * Math.PI) / 180,
  deg: (value) => (value * 180) / Math.PI,
}

/** A vector function at work. */
export interface VectorCall {
  readonly query: Query
  readonly call: Call
  readonly frame: Frame
  /** The vector argument; empty when there is none. */
  readonly rows: readonly Row[]
  /** The scalar arguments in order. */
  readonly scalars: readonly Float64Array[]
}

function mapValues(
  { query, rows, frame }: VectorCall,
  compute: (value: number, step: number) => number,
): readonly Row[] {
  return rows.map((row) => {
    const values = new Float64Array(frame.steps)
    for (let step = 0; step < frame.steps; step += 1) {
      if (row.present[step] === 1) values[step] = compute(row.values[step] ?? 0, step)
    }
    return computedRow(row, values, query.delayedNames)
  })
}

/** The value between two bounds; undefined where they leave no room. */
export function clamped(value: number, low: number, high: number): number | undefined {
  return high < low ? undefined : larger(low, smaller(high, value))
}

function clamp(context: VectorCall, low: Float64Array | number, high: Float64Array | number) {
  const { frame } = context
  const bound = (of: Float64Array | number, step: number): number =>
    typeof of === 'number' ? of : (of[step] ?? 0)
  const rows = mapValues(
    context,
    (value, step) => clamped(value, bound(low, step), bound(high, step)) ?? 0,
  )
  return rows.map((row) => {
    const present = row.present.slice()
    for (let step = 0; step < frame.steps; step += 1) {
      if (bound(high, step) < bound(low, step)) present[step] = 0
    }
    return { ...row, present }
  })
}

/** The multiple of `nearest` that is closest; the upper one of two. */
export function rounded(value: number, nearest: number): number {
  const inverse = 1 / nearest
  return Math.floor(value * inverse + 0.5) / inverse
}

function round(context: VectorCall): readonly Row[] {
  const nearest = context.scalars[0]
  return mapValues(context, (value, step) => rounded(value, nearest?.[step] ?? 1))
}

function absent({ rows, call, frame }: VectorCall): readonly Row[] {
  const argument = call.args[0]
  const row = emptyRow(argument === undefined ? noLabels : absentLabels(argument), frame.steps)
  for (let step = 0; step < frame.steps; step += 1) {
    if (rows.some(({ present }) => present[step] === 1)) continue
    row.present[step] = 1
    row.values[step] = 1
  }
  return [row]
}

function warnWhenRange({ query, call, frame }: VectorCall): boolean {
  if (frame.steps === 1) return false
  const text = 'sort is ineffective for range queries since results are always ordered by labels'
  query.notes.warn(text, call.span)
  return true
}

function sort(context: VectorCall, direction: 1 | -1): readonly Row[] {
  if (warnWhenRange(context)) return context.rows
  return [...context.rows].sort((left, right) => {
    const a = left.values[0] ?? 0
    const b = right.values[0] ?? 0
    if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b))
    if (a === b) return 0
    return a < b ? -direction : direction
  })
}

function sortByLabel(context: VectorCall, direction: 1 | -1): readonly Row[] {
  if (warnWhenRange(context)) return context.rows
  const names = context.call.args.slice(1).map((arg) => (arg.kind === 'string' ? arg.value : ''))
  return [...context.rows].sort((left, right) => {
    for (const name of names) {
      const a = labelValue(left.labels, name)
      const b = labelValue(right.labels, name)
      if (a !== b) return naturallyBefore(a, b) ? -direction : direction
    }
    return direction * compareLabels(left.labels, right.labels)
  })
}

function timeFunction(context: VectorCall, compute: NumberFunction): readonly Row[] {
  const { call, frame } = context
  if (call.args.length > 0) return mapValues(context, compute)
  const row = emptyRow(noLabels, frame.steps)
  for (let step = 0; step < frame.steps; step += 1) {
    const time = frame.start + step * frame.interval
    row.values[step] = compute(Math.trunc(time / 1000))
  }
  row.present.fill(1)
  return [row]
}

function fromScalar({ scalars, frame }: VectorCall): readonly Row[] {
  const row = emptyRow(noLabels, frame.steps)
  row.values.set(scalars[0] ?? [])
  row.present.fill(1)
  return [row]
}

const vectorFunctions: Readonly<Record<string, (context: VectorCall) => readonly Row[]>> = {
  clamp: (context) => clamp(context, context.scalars[0] ?? 0, context.scalars[1] ?? 0),
  clamp_min: (context) => clamp(context, context.scalars[0] ?? 0, Number.POSITIVE_INFINITY),
  clamp_max: (context) => clamp(context, Number.NEGATIVE_INFINITY, context.scalars[0] ?? 0),
  round,
  absent,
  sort: (context) => sort(context, 1),
  sort_desc: (context) => sort(context, -1),
  sort_by_label: (context) => sortByLabel(context, 1),
  sort_by_label_desc: (context) => sortByLabel(context, -1),
  vector: fromScalar,
  timestamp: (context) =>
    mapValues(context, (_, step) => {
      return (context.frame.start + step * context.frame.interval) / 1000
    }),
}

/** Functions that take native histograms only: no float sample gives a result. */
const nativeOnly: ReadonlySet<string> = new Set([
  ...['histogram_avg', 'histogram_count', 'histogram_stddev', 'histogram_stdvar'],
  ...['histogram_sum', 'start_timestamp'],
])

/** Calls a function of instant vectors that looks at one series at a time, or at all of a step. */
export function callVectorFunction(context: VectorCall): readonly Row[] {
  const { call, frame, query } = context
  const { name } = call.signature
  if (nativeOnly.has(name)) return []
  const ofNumber = numberFunctions[name]
  const ofTime = timeFunctions[name]
  const ofVector = vectorFunctions[name]
  let rows: readonly Row[]
  if (ofNumber !== undefined) rows = mapValues(context, ofNumber)
  else if (ofTime !== undefined) rows = timeFunction(context, ofTime)
  else if (ofVector !== undefined) rows = ofVector(context)
  else throw new Error(`BUG: no function ${name}`)
  return assembleRows(rows, frame, query.delayedNames)
}
