import { createEngine, type Engine, type Value } from '../../../server/promql/engine.ts'
import type { Expr } from '../../../server/promql/syntax/ast.ts'
import { parse } from '../../../server/promql/syntax/parser.ts'
import { printExpr } from '../../../server/promql/syntax/print.ts'
import type { Labels, StoreReader } from '../../../server/store/reader.ts'
import {
  type EvalCommand,
  type LoadCommand,
  type Point,
  parseScript,
  type SeriesLine,
} from './script-format.ts'

/** What a script needs of a store: one that can be filled. */
export interface ScriptStore {
  readonly reader: StoreReader
  add(labels: Labels, time: number, value: number): void | Promise<void>
  addStale(labels: Labels, time: number): void | Promise<void>
  /** Called after each `load`. */
  loaded?(): Promise<void>
  close?(): Promise<void>
}

export interface CaseResult {
  readonly line: number
  readonly query: string
  /** Undefined when the case passed. */
  readonly fault: string | undefined
  /** Native histograms were loaded or expected: this engine has none. */
  readonly native: boolean
}

/** Relative difference at which two values count as equal; NaN equals NaN. */
const tolerance = 1e-6
const smallest = 2.2250738585072014e-308

export function almostEqual(left: number, right: number): boolean {
  if (left === right || (Number.isNaN(left) && Number.isNaN(right))) return true
  const sum = Math.abs(left) + Math.abs(right)
  const difference = Math.abs(left - right)
  if (left === 0 || right === 0 || sum < smallest) return difference < tolerance * smallest
  return difference / Math.min(sum, Number.MAX_VALUE) < tolerance
}

function keyOf(labels: Labels): string {
  return JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)))
}

class Fault extends Error {}

function check(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Fault(message)
}

const timeDependent = new Set([
  ...['days_in_month', 'day_of_month', 'day_of_week', 'day_of_year', 'end', 'hour', 'minute'],
  ...['month', 'year', 'predict_linear', 'range', 'start', 'step', 'time', 'timestamp'],
])

/** Pins every selector to a time; undefined when the result varies with the time all the same. */
function pinned(expr: Expr, at: number): Expr | undefined {
  let varies = false
  const pin = (node: Expr): Expr => {
    switch (node.kind) {
      case 'selector':
        return typeof node.at === 'number' ? node : { ...node, at }
      case 'matrix': {
        const { selector } = node
        return typeof selector.at === 'number' ? node : { ...node, selector: { ...selector, at } }
      }
      case 'subquery':
        return typeof node.at === 'number' ? node : { ...node, at }
      case 'unary':
      case 'paren':
        return { ...node, expr: pin(node.expr) }
      case 'binary':
        return { ...node, left: pin(node.left), right: pin(node.right) }
      case 'call':
        if (timeDependent.has(node.signature.name)) varies = true
        return { ...node, args: node.args.map(pin) }
      case 'aggregate': {
        const inner = { ...node, expr: pin(node.expr) }
        return node.param === undefined ? inner : { ...inner, param: pin(node.param) }
      }
      default:
        return node
    }
  }
  const result = pin(expr)
  return varies ? undefined : result
}

function pointsAt(line: SeriesLine, start: number, step: number): [number, number][] {
  const points: [number, number][] = []
  line.points.forEach((point, index) => {
    if (typeof point === 'number') points.push([start + index * step, point])
  })
  return points
}

function compareMatrix(command: EvalCommand, value: Value & { kind: 'matrix' }): void {
  const { start, step } = command.window ?? command.range
  const expected = new Map(command.series.map((line) => [keyOf(line.labels), line]))
  for (const { labels, times, values } of value.series) {
    const line = expected.get(keyOf(labels))
    check(line !== undefined, `unexpected series ${JSON.stringify(labels)}: ${values}`)
    expected.delete(keyOf(labels))
    const points = pointsAt(line, start, step)
    const shown = `${JSON.stringify(labels)}: ${values} at ${times}`
    check(points.length === times.length, `expected ${points.length} points in ${shown}`)
    points.forEach(([time, number], index) => {
      check(times[index] === time, `expected a point at ${time} in ${shown}`)
      check(almostEqual(values[index] ?? 0, number), `expected ${number} at ${time} in ${shown}`)
    })
  }
  check(expected.size === 0, `missing series ${[...expected.keys()]}`)
}

function compareVector(
  command: EvalCommand,
  samples: readonly { labels: Labels; value: number }[],
  ordered: boolean,
): void {
  const expected = new Map(
    command.series.map((line, place) => [keyOf(line.labels), { point: line.points[0], place }]),
  )
  samples.forEach(({ labels, value }, place) => {
    const key = keyOf(labels)
    const found = expected.get(key)
    check(found !== undefined, `unexpected sample ${key} ${value}`)
    expected.delete(key)
    check(!ordered || found.place === place, `${key} is at place ${place}, not ${found.place}`)
    const { point } = found
    check(typeof point === 'number' && almostEqual(value, point), `${key}: ${value}, not ${point}`)
  })
  check(expected.size === 0, `missing samples ${[...expected.keys()]}`)
}

function compare(command: EvalCommand, value: Value): void {
  const ordered = command.expectations.some(({ kind }) => kind === 'ordered')
  if (value.kind === 'string') {
    check(value.value === command.text, `string ${value.value}, not ${command.text}`)
  } else if (value.kind === 'scalar') {
    check(command.scalar !== undefined, `unexpected scalar ${value.value}`)
    check(almostEqual(value.value, command.scalar), `${value.value}, not ${command.scalar}`)
  } else if (value.kind === 'vector') {
    check(command.scalar === undefined, 'expected a scalar, got a vector')
    compareVector(command, value.samples, ordered)
  } else {
    check(!ordered, 'expected an order, got a matrix')
    compareMatrix(command, value)
  }
}

function compareNotes(command: EvalCommand, kind: 'warn' | 'info', said: readonly string[]): void {
  const expected = command.expectations.filter((one) => one.kind === kind)
  if (command.expectations.some((one) => one.kind === `no_${kind}`)) {
    check(said.length === 0, `unexpected ${kind}: ${said}`)
  }
  if (expected.length === 0) return
  check(said.length > 0, `no ${kind}`)
  for (const one of expected) check(said.some(one.test), `no ${kind} ${one.shown}: ${said}`)
  for (const text of said) {
    check(
      expected.some((one) => one.test(text)),
      `unexpected ${kind}: ${text}`,
    )
  }
}

async function attempt(command: EvalCommand, run: () => Promise<void>): Promise<void> {
  const failure = command.expectations.find(({ kind }) => kind === 'fail')
  try {
    await run()
  } catch (cause) {
    if (cause instanceof Fault || failure === undefined) throw cause
    const { message } = cause as Error
    const expected = command.expectations.filter(({ kind }) => kind === 'fail')
    check(
      expected.some((one) => one.test(message)),
      `failed with ${message}`,
    )
    return
  }
  check(failure === undefined, 'did not fail')
}

async function runInstant(engine: Engine, command: EvalCommand, query: string, time: number) {
  const answer = await engine.instant(query, time)
  if (command.expectations.some(({ kind }) => kind === 'fail')) return
  compareNotes(command, 'warn', answer.warnings)
  compareNotes(command, 'info', answer.infos)
  compare(command, answer.value)
  const unfit = command.window !== undefined || command.text !== undefined
  if (unfit || /(?:start|end|range|step)\(\)/.test(query)) return
  const ranged = await engine.range(query, time - 60_000, time + 60_000, 60_000)
  if (command.expectations.some(({ kind }) => kind === 'ordered')) return
  check(ranged.value.kind === 'matrix', 'a range query gives a matrix')
  const samples = ranged.value.series.flatMap(({ labels, times, values }) => {
    const at = times.indexOf(time)
    return at < 0 ? [] : [{ labels, value: values[at] ?? 0 }]
  })
  if (command.scalar === undefined) compareVector(command, samples, false)
  else check(almostEqual(samples[0]?.value ?? 0, command.scalar), 'scalar in a range')
}

async function runEval(engine: Engine, command: EvalCommand): Promise<void> {
  const { start, end, step } = command.range
  if (!command.instant) {
    await attempt(command, async () => {
      const answer = await engine.range(command.query, start, end, step)
      compareNotes(command, 'warn', answer.warnings)
      compareNotes(command, 'info', answer.infos)
      if (!command.expectations.some(({ kind }) => kind === 'fail')) {
        compare(command, answer.value)
      }
    })
    return
  }
  const time = command.window?.end ?? start
  await attempt(command, () => runInstant(engine, command, command.query, time))
  const expr = pinned(parse(command.query, { experimental: true }), time)
  if (expr === undefined) return
  const query = printExpr(expr)
  const times =
    time === 0 ? [-1000, 0, 1000] : [-10 * time, 0, Math.trunc(time / 5), time, 10 * time]
  for (const at of times) {
    try {
      await attempt(command, () => runInstant(engine, command, query, at))
    } catch (cause) {
      throw new Fault(`${(cause as Error).message} (as ${query} at ${at})`)
    }
  }
}

const hasNative = (lines: readonly SeriesLine[]): boolean =>
  lines.some((line) => line.points.includes('native' satisfies Point))

async function fill(store: ScriptStore, { series, step }: LoadCommand): Promise<void> {
  for (const { labels, points } of series) {
    for (const [index, point] of points.entries()) {
      if (typeof point === 'number') await store.add(labels, index * step, point)
      else if (point === 'stale') await store.addStale(labels, index * step)
    }
  }
  await store.loaded?.()
}

/** Runs a script against the engine as Prometheus's own tests set it up; `clear` asks for a new store. */
export async function runScript(
  script: string,
  newStore: () => ScriptStore | Promise<ScriptStore>,
): Promise<readonly CaseResult[]> {
  const results: CaseResult[] = []
  let store = await newStore()
  let native = false
  for (const command of parseScript(script)) {
    if (command.kind === 'clear') {
      await store.close?.()
      store = await newStore()
      native = false
    } else if (command.kind === 'load') {
      native ||= command.native || hasNative(command.series)
      await fill(store, command)
    } else {
      const { line, query } = command
      const engine = createEngine({ reader: store.reader, experimental: true, delayedNames: true })
      let fault: string | undefined
      try {
        await runEval(engine, command)
      } catch (cause) {
        const { message, stack } = cause as Error
        fault = cause instanceof Fault || message === '' ? message : `${message}\n${stack}`
      }
      results.push({ line, query, fault, native: native || hasNative(command.series) })
    }
  }
  await store.close?.()
  return results
}
