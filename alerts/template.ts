import type { Labels } from './alert.ts'
import { formatPlain, printf } from './go-format.ts'
import {
  humanize,
  humanize1024,
  humanizeDuration,
  humanizePercentage,
  humanizeTimestamp,
} from './humanize.ts'

/** What a template of a rule may read. */
export interface TemplateData {
  readonly labels: Labels
  readonly value: number
  readonly externalLabels: Labels
}

type Value = string | number | Labels

class TemplateError extends Error {}

/**
 * Expands the part of Prometheus's template language that rules use: `{{ $labels.x }}`, `{{ $value }}`,
 * `{{ $externalLabels.x }}`, pipes, printf and the humanize functions. A fault gives
 * `<error expanding template: …>` in Prometheus's words; never throws.
 */
export function expand(text: string, data: TemplateData): string {
  try {
    return expandParts(text, data)
  } catch (error) {
    if (error instanceof TemplateError) return `<error expanding template: ${error.message}>`
    throw error
  }
}

/** What is wrong with a template whatever the labels, or undefined. */
export function templateFault(text: string): string | undefined {
  try {
    expandParts(text, { labels: {}, value: 1, externalLabels: {} })
    return undefined
  } catch (error) {
    if (error instanceof TemplateError) return error.message
    throw error
  }
}

function expandParts(text: string, data: TemplateData): string {
  let output = ''
  let at = 0
  let trimNext = false
  while (at <= text.length) {
    const open = text.indexOf('{{', at)
    const plain = text.slice(at, open < 0 ? text.length : open)
    const trimEnd = open >= 0 && /^\{\{-\s/.test(text.slice(open, open + 4))
    output += trimmed(plain, trimNext, trimEnd)
    if (open < 0) return output
    const action = readAction(text, open)
    trimNext = action.trimNext
    at = action.end
    if (action.body !== '') output += printed(new Action(action.body, data).run())
  }
  return output
}

function trimmed(text: string, start: boolean, end: boolean): string {
  const left = start ? text.trimStart() : text
  return end ? left.trimEnd() : left
}

interface ActionText {
  readonly body: string
  readonly end: number
  readonly trimNext: boolean
}

/** Finds the end of the action that opens at `open`; braces inside quotes do not close it. */
function readAction(text: string, open: number): ActionText {
  const comment = /^\{\{(?:- )?\/\*[\s\S]*?\*\/(?: -)?\}\}/.exec(text.slice(open))
  if (comment !== null) {
    return { body: '', end: open + comment[0].length, trimNext: comment[0].endsWith(' -}}') }
  }
  const match = /^\{\{(?:-(?=\s))?((?:"(?:\\.|[^"\\])*"|`[^`]*`|(?!\}\})[\s\S])*)\}\}/.exec(
    text.slice(open),
  )
  if (match === null) throw new TemplateError('unclosed action: write {{ … }}')
  const inner = match[1]!
  const trimNext = /\s-$/.test(inner)
  const body = (trimNext ? inner.slice(0, -1) : inner).trim()
  if (body === '') throw new TemplateError('missing value for command')
  return { body, end: open + match[0].length, trimNext }
}

const tokenPattern =
  /\s*(?:("(?:\\.|[^"\\])*")|(`[^`]*`)|([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)|((?:\$[A-Za-z_]\w*|\.[A-Za-z_]\w*)(?:\.\w+)*|\.)|([A-Za-z_]\w*)|([|()]))/y

interface Token {
  readonly kind: 'string' | 'number' | 'path' | 'word' | 'mark'
  readonly text: string
}

function tokensOf(body: string): Token[] {
  const tokens: Token[] = []
  tokenPattern.lastIndex = 0
  while (tokenPattern.lastIndex < body.length) {
    const at = tokenPattern.lastIndex
    const match = tokenPattern.exec(body)
    if (match === null) {
      throw new TemplateError(`unexpected "${body.slice(at).trim().slice(0, 20)}" in action`)
    }
    const [, quoted, raw, number, path, word, mark] = match
    if (quoted !== undefined) tokens.push({ kind: 'string', text: unquoted(quoted) })
    else if (raw !== undefined) tokens.push({ kind: 'string', text: raw.slice(1, -1) })
    else if (number !== undefined) tokens.push({ kind: 'number', text: number })
    else if (path !== undefined) tokens.push({ kind: 'path', text: path })
    else if (word !== undefined) tokens.push({ kind: 'word', text: word })
    else tokens.push({ kind: 'mark', text: mark! })
  }
  return tokens
}

function unquoted(text: string): string {
  try {
    return JSON.parse(text) as string
  } catch {
    throw new TemplateError(`malformed string ${text}`)
  }
}

/** Evaluates one `{{ … }}`. */
class Action {
  readonly #tokens: readonly Token[]
  readonly #data: TemplateData
  #at = 0

  constructor(body: string, data: TemplateData) {
    this.#tokens = tokensOf(body)
    this.#data = data
  }

  run(): Value {
    const value = this.#pipeline()
    const rest = this.#tokens[this.#at]
    if (rest !== undefined) throw new TemplateError(`unexpected "${rest.text}" in action`)
    return value
  }

  #pipeline(): Value {
    let value = this.#command(undefined)
    while (this.#takeMark('|')) value = this.#command(value)
    return value
  }

  /** A function with its arguments, or one operand; `piped` becomes the last argument. */
  #command(piped: Value | undefined): Value {
    const first = this.#tokens[this.#at]
    if (first === undefined) throw new TemplateError('missing value for command')
    const name = first.kind === 'word' ? first.text : undefined
    if (name !== undefined) this.#at++
    const args: Value[] = []
    while (this.#operandFollows()) args.push(this.#operand())
    if (name !== undefined) return call(name, piped === undefined ? args : [...args, piped])
    if (args.length !== 1 || piped !== undefined) {
      throw new TemplateError(`can't give argument to non-function ${first.text}`)
    }
    return args[0]!
  }

  #operandFollows(): boolean {
    const token = this.#tokens[this.#at]
    return token !== undefined && (token.kind !== 'mark' || token.text === '(')
  }

  #operand(): Value {
    const token = this.#tokens[this.#at++]!
    if (token.kind === 'string') return token.text
    if (token.kind === 'number') return Number(token.text)
    if (token.kind === 'path') return this.#path(token.text)
    if (token.kind === 'word') return call(token.text, [])
    const value = this.#pipeline()
    if (!this.#takeMark(')')) throw new TemplateError('unclosed left paren')
    return value
  }

  #path(text: string): Value {
    const [root, ...fields] = text.startsWith('.')
      ? [`.${text.split('.')[1]}`, ...text.split('.').slice(2)]
      : text.split('.')
    const value = this.#root(root!)
    if (fields.length === 0) return value
    if (typeof value !== 'object' || fields.length > 1) {
      throw new TemplateError(`can't evaluate field ${fields.at(-1)} in ${root}`)
    }
    return value[fields[0]!] ?? ''
  }

  #root(name: string): Value {
    switch (name) {
      case '$labels':
      case '.Labels':
        return this.#data.labels
      case '$externalLabels':
      case '.ExternalLabels':
        return this.#data.externalLabels
      case '$value':
      case '.Value':
        return this.#data.value
      case '$externalURL':
      case '.ExternalURL':
        return ''
      default:
        throw new TemplateError(`undefined variable "${name}"`)
    }
  }

  #takeMark(text: string): boolean {
    const token = this.#tokens[this.#at]
    if (token?.kind !== 'mark' || token.text !== text) return false
    this.#at++
    return true
  }
}

const ofNumber: Readonly<Record<string, (value: number) => string>> = {
  humanize,
  humanize1024,
  humanizeDuration,
  humanizePercentage,
  humanizeTimestamp,
}

const ofText: Readonly<Record<string, (text: string) => string>> = {
  title: (text) =>
    text.replace(
      /(^|[^\p{L}\p{N}_'])(\p{L})/gu,
      (_all, before: string, letter: string) => before + letter.toUpperCase(),
    ),
  toUpper: (text) => text.toUpperCase(),
  toLower: (text) => text.toLowerCase(),
}

function call(name: string, args: readonly Value[]): Value {
  const wrong = (count: number) =>
    new TemplateError(`wrong number of args for ${name}: want ${count} got ${args.length}`)
  if (Object.hasOwn(ofNumber, name)) {
    if (args.length !== 1) throw wrong(1)
    return ofNumber[name]!(toNumber(args[0]!, name))
  }
  if (Object.hasOwn(ofText, name)) {
    if (args.length !== 1) throw wrong(1)
    return ofText[name]!(toText(args[0]!, name))
  }
  if (name === 'printf') {
    if (args.length === 0) throw wrong(1)
    return printf(
      toText(args[0]!, name),
      args.slice(1).map((arg) => (typeof arg === 'object' ? printed(arg) : arg)),
    )
  }
  if (name === 'index') {
    if (args.length !== 2 || typeof args[0] !== 'object') throw wrong(2)
    return args[0][toText(args[1]!, name)] ?? ''
  }
  throw new TemplateError(`function "${name}" not defined`)
}

function toNumber(value: Value, name: string): number {
  const number =
    typeof value === 'number'
      ? value
      : typeof value === 'string' && value.trim() !== ''
        ? Number(value)
        : Number.NaN
  if (Number.isNaN(number) && value !== 'NaN' && typeof value !== 'number') {
    throw new TemplateError(`error calling ${name}: can't convert ${printed(value)} to float`)
  }
  return number
}

function toText(value: Value, name: string): string {
  if (typeof value === 'string') return value
  throw new TemplateError(`wrong type for value of ${name}; expected string; got ${typeof value}`)
}

function printed(value: Value): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number') return formatPlain(value)
  const entries = Object.keys(value)
    .sort()
    .map((key) => `${key}:${value[key]}`)
  return `map[${entries.join(' ')}]`
}
