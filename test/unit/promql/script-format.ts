import { parseDuration } from '../../../server/promql/syntax/duration.ts'
import { tokenize } from '../../../server/promql/syntax/lexer.ts'
import { numberValue } from '../../../server/promql/syntax/numbers.ts'
import { unquote } from '../../../server/promql/syntax/quote.ts'
import type { Labels } from '../../../server/store/reader.ts'

/** One place in a sequence of points; `native` stands for a native histogram. */
export type Point = number | 'none' | 'stale' | 'native'

export interface SeriesLine {
  readonly labels: Labels
  readonly points: readonly Point[]
}

export interface LoadCommand {
  readonly kind: 'load'
  readonly step: number
  readonly series: readonly SeriesLine[]
  /** Also makes native histograms of the classic ones. */
  readonly native: boolean
}

/** What an annotation or an error must say; without a test anything will do. */
export interface Expectation {
  readonly kind: 'fail' | 'warn' | 'no_warn' | 'info' | 'no_info' | 'ordered'
  readonly shown: string
  test(text: string): boolean
}

export interface EvalCommand {
  readonly kind: 'eval'
  readonly line: number
  readonly query: string
  /** An instant has one time. */
  readonly range: { readonly start: number; readonly end: number; readonly step: number }
  readonly instant: boolean
  readonly expectations: readonly Expectation[]
  readonly text: string | undefined
  readonly scalar: number | undefined
  readonly series: readonly SeriesLine[]
  /** Times of an expected range vector. */
  readonly window:
    | { readonly start: number; readonly end: number; readonly step: number }
    | undefined
}

export type Command = LoadCommand | EvalCommand | { readonly kind: 'clear' }

function milliseconds(text: string): number {
  const value = parseDuration(text)
  if (typeof value === 'string') throw new Error(`${text}: ${value}`)
  return value
}

function readLabels(text: string): { labels: Labels; rest: string } {
  const labels: Record<string, string> = {}
  const bare = /^[a-zA-Z_:][a-zA-Z0-9_:]*/.exec(text)?.[0] ?? ''
  if (bare !== '') labels['__name__'] = bare
  let rest = text.slice(bare.length)
  if (!rest.startsWith('{')) return { labels, rest }
  const tokens = tokenize(rest)
  let at = 1
  while (tokens[at] !== undefined && tokens[at]?.word !== '}') {
    const [name, equals, value] = tokens.slice(at, at + 3)
    if (name === undefined || name.kind === 'error') throw new Error(`labels of ${text}`)
    const shown = name.kind === 'string' ? unquote(name.text) : name.text
    if (equals?.word === '=' && value?.kind === 'string') {
      labels[shown] = unquote(value.text)
      at += 3
    } else {
      labels['__name__'] = shown
      at += 1
    }
    if (tokens[at]?.word === ',') at += 1
  }
  const close = tokens[at]
  if (close === undefined) throw new Error(`labels of ${text} do not end`)
  rest = rest.slice(close.end)
  return { labels, rest }
}

function parsePoint(text: string): readonly Point[] {
  if (text.includes('{{')) {
    const times = /\}\}x(\d+)$/.exec(text) ?? /\}\}[+-]?\{\{.*\}\}x(\d+)$/.exec(text)
    return Array<Point>(1 + Number(times?.[1] ?? 0)).fill('native')
  }
  const absent = /^_(?:x(\d+))?$/.exec(text)
  if (absent) return Array<Point>(Number(absent[1] ?? 1)).fill('none')
  const stale = /^stale(?:x(\d+))?$/.exec(text)
  if (stale) return Array<Point>(stale[1] === undefined ? 1 : Number(stale[1]) + 1).fill('stale')
  const number = String.raw`[+-]?(?:[iI]nf|[nN]a[nN]|\.?\d[\d.]*(?:[eE][+-]?\d+)?)`
  const match = new RegExp(`^(${number})(?:(${number}))?(?:x(\\d+))?$`).exec(text)
  if (match === null) throw new Error(`point ${text}`)
  const first = signed(match[1] ?? '')
  const increment = match[2] === undefined ? 0 : signed(match[2])
  const count = Number(match[3] ?? 0)
  const points: number[] = []
  let value = first
  for (let index = 0; index <= count; index += 1) {
    points.push(value)
    value += increment
  }
  return points
}

function signed(text: string): number {
  const plain = text.replace(/^[+-]/, '')
  const value = numberValue(plain)
  return text.startsWith('-') ? -value : value
}

/** Splits points at spaces outside `{{...}}`. */
function splitPoints(text: string): readonly string[] {
  return text.match(/(?:\{\{[^}]*\}\}|[^\s{])+/g) ?? []
}

export function parseSeriesLine(text: string): SeriesLine {
  const { labels, rest } = readLabels(text)
  return { labels, points: splitPoints(rest).flatMap(parsePoint) }
}

function parseExpectation(text: string): Expectation {
  const match = /^expect\s+(\w+)\s*(?:(msg|regex):(.*))?$/.exec(text)
  if (match === null) throw new Error(`expectation ${text}`)
  const [, kind = '', how, said = ''] = match
  const shown = said.trim()
  const test = (actual: string): boolean => {
    if (how === 'msg') return actual === shown
    return how === 'regex' ? new RegExp(shown).test(actual) : true
  }
  return { kind: kind as Expectation['kind'], shown, test }
}

const instantForm = /^eval(?:_(fail|warn|ordered|info))?\s+instant\s+(?:at\s+(\S+))?\s+(.+)$/i
const rangeForm =
  /^eval(?:_(fail|warn|info))?\s+range\s+from\s+(\S+)\s+to\s+(\S+)\s+step\s+(\S+)\s+(.+)$/i

function parseHead(text: string, line: number) {
  const instant = instantForm.exec(text)
  const range = rangeForm.exec(text)
  const old = (instant ?? range)?.[1]
  const expectations = old === undefined ? [] : [parseExpectation(`expect ${old.toLowerCase()}`)]
  if (instant !== null) {
    const at = milliseconds(instant[2] ?? '0')
    const times = { start: at, end: at, step: 0 }
    return { line, query: instant[3] ?? '', range: times, instant: true, expectations }
  }
  if (range === null) throw new Error(`line ${line}: ${text}`)
  const [, , start = '', end = '', step = '', query = ''] = range
  const times = { start: milliseconds(start), end: milliseconds(end), step: milliseconds(step) }
  return { line, query, range: times, instant: false, expectations }
}

function parseEval(text: string, line: number, body: readonly string[]): EvalCommand {
  const head = parseHead(text, line)
  const expectations = [...head.expectations]
  const series: SeriesLine[] = []
  let scalar: number | undefined
  let expected: string | undefined
  let window: EvalCommand['window']
  for (const entry of body) {
    const range = /^expect range vector from (\S+) to (\S+) step (\S+)$/.exec(entry)
    const old = /^expected_fail_(message|regexp)\s+(.*)$/.exec(entry)
    if (range) {
      const [, start = '', end = '', step = ''] = range
      window = { start: milliseconds(start), end: milliseconds(end), step: milliseconds(step) }
    } else if (entry.startsWith('expect string ')) expected = unquote(entry.slice(14).trim())
    else if (old) {
      const how = old[1] === 'message' ? 'msg' : 'regex'
      expectations.push(parseExpectation(`expect fail ${how}: ${old[2]}`))
    } else if (/^expect\s/.test(entry)) expectations.push(parseExpectation(entry))
    else if (/^[+-]?(?:\.?\d|inf$|nan$)\S*$/i.test(entry)) scalar = signed(entry)
    else series.push(parseSeriesLine(entry))
  }
  return { kind: 'eval', ...head, expectations, text: expected, scalar, series, window }
}

/** Reads a script of `load`, `clear` and `eval` commands. */
export function parseScript(script: string): readonly Command[] {
  const lines = script.split('\n').map((line) => line.trim().replace(/^#.*$/, ''))
  const commands: Command[] = []
  for (let at = 0; at < lines.length; at += 1) {
    const text = lines[at] ?? ''
    if (text === '') continue
    const line = at + 1
    const body: string[] = []
    if (!text.startsWith('clear')) {
      while ((lines[at + 1] ?? '') !== '') {
        at += 1
        body.push(lines[at] ?? '')
      }
    }
    if (text.startsWith('clear')) commands.push({ kind: 'clear' })
    else if (/^eval/i.test(text)) commands.push(parseEval(text, line, body))
    else if (/^load/i.test(text)) {
      const [word = '', step = ''] = text.split(/\s+/)
      const series = body.filter((entry) => !/^\S+@st\s/.test(entry)).map(parseSeriesLine)
      const native = word.toLowerCase() === 'load_with_nhcb'
      commands.push({ kind: 'load', step: milliseconds(step), series, native })
    } else throw new Error(`line ${line}: ${text}`)
  }
  return commands
}
