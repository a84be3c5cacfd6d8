import { functionNames } from './functions.ts'
import { TemplateError, type Value } from './values.ts'

/** An operand of a command. */
export type Operand =
  | { readonly kind: 'constant'; readonly value: Value }
  | { readonly kind: 'dot' }
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Operand[] }
  | { readonly kind: 'pipeline'; readonly pipeline: Pipeline }
  | { readonly kind: 'fields'; readonly of: Operand; readonly names: readonly string[] }

export interface Pipeline {
  /** Variables it declares, or sets. */
  readonly variables: readonly string[]
  readonly declares: boolean
  /** The value of each is the last argument of the next. */
  readonly commands: readonly Operand[]
}

export type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'output'; readonly pipeline: Pipeline }
  | {
      readonly kind: 'if' | 'with' | 'range'
      readonly pipeline: Pipeline
      readonly body: readonly Node[]
      readonly otherwise: readonly Node[]
    }
  | { readonly kind: 'template'; readonly name: string; readonly pipeline: Pipeline | undefined }
  | { readonly kind: 'break' | 'continue' }

export interface Template {
  readonly body: readonly Node[]
  /** Those that `define` names in it. */
  readonly named: ReadonlyMap<string, readonly Node[]>
}

interface Token {
  readonly kind: 'constant' | 'fields' | 'variable' | 'word' | 'mark' | 'end'
  readonly text: string
  readonly value?: Value
  /** White space stands before it. */
  readonly spaced: boolean
}

type Item = { readonly text: string } | { readonly tokens: readonly Token[] }

/** Nested blocks and brackets a template may have. */
const depthMax = 50

/** Reads Go's template language as far as rules use it. Throws TemplateError. */
export function parseTemplate(text: string): Template {
  return new Parser(itemsOf(text)).template()
}

function itemsOf(text: string): Item[] {
  const items: Item[] = []
  let at = 0
  let trimNext = false
  while (at <= text.length) {
    const open = text.indexOf('{{', at)
    const plain = text.slice(at, open < 0 ? text.length : open)
    const trimEnd = open >= 0 && /^\{\{-\s/.test(text.slice(open, open + 4))
    const left = trimNext ? plain.trimStart() : plain
    const kept = trimEnd ? left.trimEnd() : left
    if (kept !== '') items.push({ text: kept })
    if (open < 0) return items
    const action = readAction(text, open)
    trimNext = action.trimNext
    at = action.end
    if (action.body !== undefined) items.push({ tokens: tokensOf(action.body) })
  }
  return items
}

interface ActionText {
  /** Undefined for a comment. */
  readonly body: string | undefined
  readonly end: number
  readonly trimNext: boolean
}

/** Finds the end of the action that opens at `open`; braces inside quotes do not close it. */
function readAction(text: string, open: number): ActionText {
  const rest = text.slice(open)
  const comment = /^\{\{(?:- )?\/\*[\s\S]*?\*\/(?: -)?\}\}/.exec(rest)
  if (comment !== null) {
    const [all] = comment
    return { body: undefined, end: open + all.length, trimNext: all.endsWith(' -}}') }
  }
  const match =
    /^\{\{(?:-(?=\s))?((?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`|(?!\}\})[\s\S])*)\}\}/.exec(
      rest,
    )
  if (match === null) throw new TemplateError('unclosed action: write {{ … }}')
  const inner = match[1]!
  const trimNext = /\s-$/.test(inner)
  const body = (trimNext ? inner.slice(0, -1) : inner).trim()
  if (body === '') throw new TemplateError('missing value for command')
  return { body, end: open + match[0].length, trimNext }
}

const tokenPattern =
  /(\s*)(?:("(?:\\.|[^"\\])*")|(`[^`]*`)|'(\\.|[^'\\])'|([-+]?(?:0[xX][\da-fA-F]+|\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?))(?![\w.])|((?:\.[A-Za-z_]\w*)+|\.(?![\w.]))|(\$\w*)|([A-Za-z_]\w*)|(:=|[|(),=]))/y

function tokensOf(body: string): Token[] {
  const tokens: Token[] = []
  tokenPattern.lastIndex = 0
  while (tokenPattern.lastIndex < body.length) {
    const at = tokenPattern.lastIndex
    const match = tokenPattern.exec(body)
    if (match === null)
      throw new TemplateError(`unexpected "${body.slice(at).trim().slice(0, 20)}" in action`)
    const [all, space, quoted, raw, char, number, fields, variable, word, mark] = match
    const spaced = space !== ''
    const constant = (value: Value) =>
      tokens.push({ kind: 'constant', text: all.trim(), value, spaced })
    if (quoted !== undefined) constant(unquoted(quoted))
    else if (raw !== undefined) constant(raw.slice(1, -1))
    else if (char !== undefined) constant(BigInt(unquoted(`"${char}"`).codePointAt(0) ?? 0))
    else if (number !== undefined) constant(numberConstant(number))
    else if (fields !== undefined) tokens.push({ kind: 'fields', text: fields, spaced })
    else if (variable !== undefined) tokens.push({ kind: 'variable', text: variable, spaced })
    else if (word !== undefined) tokens.push({ kind: 'word', text: word, spaced })
    else tokens.push({ kind: 'mark', text: mark!, spaced })
  }
  return tokens
}

/** Whole numbers are Go's int, however they are written (`1e3` too). */
function numberConstant(text: string): Value {
  if (/^[-+]?\d+$/.test(text)) return BigInt(text.replace('+', ''))
  if (/^0[xX]/.test(text)) return BigInt(text)
  return Number(text)
}

function unquoted(text: string): string {
  try {
    return JSON.parse(text.replaceAll("\\'", "'")) as string
  } catch {
    throw new TemplateError(`malformed string ${text}`)
  }
}

const noToken: Token = { kind: 'end', text: 'end of action', spaced: false }
const wholeWords: Readonly<Record<string, Value>> = { true: true, false: false, nil: undefined }
const ends = new Set(['end', 'else'])

/** Variables every template of Prometheus begins with. */
export const firstVariables = ['$', '$labels', '$externalLabels', '$externalURL', '$value'] as const

class Parser {
  readonly #items: readonly Item[]
  readonly #named = new Map<string, readonly Node[]>()
  #item = 0
  #tokens: readonly Token[] = []
  #token = 0
  #depth = 0
  #inRange = 0
  /** Those in scope. */
  #variables: string[] = [...firstVariables]

  constructor(items: readonly Item[]) {
    this.#items = items
  }

  template(): Template {
    const { nodes, endedBy } = this.#nodes()
    if (endedBy !== undefined) throw new TemplateError(`unexpected {{${endedBy}}}`)
    return { body: nodes, named: this.#named }
  }

  /** Up to the `end` or `else` that closes the block, whose word is taken but not what follows it. */
  #nodes(): { nodes: Node[]; endedBy: string | undefined } {
    const nodes: Node[] = []
    while (this.#item < this.#items.length) {
      const item = this.#items[this.#item++]!
      if ('text' in item) {
        nodes.push({ kind: 'text', text: item.text })
        continue
      }
      this.#tokens = item.tokens
      this.#token = 0
      const first = this.#peek()
      if (first.kind === 'word' && ends.has(first.text)) {
        this.#token++
        return { nodes, endedBy: first.text }
      }
      const node = this.#action(first)
      if (node !== undefined) nodes.push(node)
    }
    return { nodes, endedBy: undefined }
  }

  #action(first: Token): Node | undefined {
    const word = first.kind === 'word' ? first.text : ''
    switch (word) {
      case 'if':
      case 'with':
      case 'range':
        this.#token++
        return this.#block(word)
      case 'define':
        this.#token++
        this.#define(this.#name())
        return undefined
      case 'block': {
        this.#token++
        const name = this.#name()
        const pipeline = this.#whole(this.#pipeline())
        this.#define(name)
        return { kind: 'template', name, pipeline }
      }
      case 'template': {
        this.#token++
        const name = this.#name()
        const hasMore = this.#peek().kind !== 'end'
        return {
          kind: 'template',
          name,
          pipeline: hasMore ? this.#whole(this.#pipeline()) : undefined,
        }
      }
      case 'break':
      case 'continue':
        this.#token++
        if (this.#inRange === 0) throw new TemplateError(`{{${word}}} outside {{range}}`)
        this.#ended()
        return { kind: word }
      default:
        return { kind: 'output', pipeline: this.#whole(this.#pipeline()) }
    }
  }

  #block(kind: 'if' | 'with' | 'range'): Node {
    return this.#nested(() => {
      const pipeline = this.#whole(this.#pipeline(kind === 'range'))
      const begin = this.#variables.length
      if (kind === 'range') this.#inRange++
      const { nodes: body, endedBy } = this.#nodes()
      if (kind === 'range') this.#inRange--
      this.#variables.length = begin
      return { kind, pipeline, body, otherwise: this.#otherwise(kind, endedBy) }
    })
  }

  #otherwise(kind: string, endedBy: string | undefined): Node[] {
    if (endedBy === undefined) throw new TemplateError(`{{${kind}}} without {{end}}`)
    if (endedBy === 'end') {
      this.#ended()
      return []
    }
    const next = this.#peek()
    if (kind === 'if' && next.kind === 'word' && next.text === 'if') {
      this.#token++
      return [this.#block('if')]
    }
    this.#ended()
    const { nodes, endedBy: last } = this.#nodes()
    if (last !== 'end') throw new TemplateError(`{{${kind}}} without {{end}}`)
    this.#ended()
    return nodes
  }

  #define(name: string): void {
    const [before, inRange] = [this.#variables, this.#inRange]
    this.#variables = ['$']
    this.#inRange = 0
    this.#ended()
    this.#nested(() => {
      const { nodes, endedBy } = this.#nodes()
      if (endedBy !== 'end') throw new TemplateError(`{{define "${name}"}} without {{end}}`)
      this.#ended()
      this.#named.set(name, nodes)
    })
    this.#variables = before
    this.#inRange = inRange
  }

  #name(): string {
    const { kind, value } = this.#next()
    if (kind !== 'constant' || typeof value !== 'string')
      throw new TemplateError('a template is named by a text: {{template "name" .}}')
    return value
  }

  /** Variables that a block declares are in scope until it ends, the others until the block around them does. */
  #nested<T>(read: () => T): T {
    if (++this.#depth > depthMax)
      throw new TemplateError(`more than ${depthMax} blocks or brackets within each other`)
    const begin = this.#variables.length
    const result = read()
    this.#variables.length = Math.min(begin, this.#variables.length)
    this.#depth--
    return result
  }

  #pipeline(isRange = false): Pipeline {
    const { variables, declares } = this.#declared(isRange)
    const commands = [this.#command(true)]
    while (this.#takes('|')) commands.push(this.#command(false))
    if (declares) this.#variables.push(...variables)
    return { variables, declares, commands }
  }

  #declared(isRange: boolean): { variables: string[]; declares: boolean } {
    const from = this.#token
    const names: string[] = []
    while (this.#peek().kind === 'variable') {
      names.push(this.#next().text)
      if (this.#takes(':=')) return { variables: names, declares: true }
      if (this.#takes('=')) {
        for (const name of names) this.#known(name)
        return { variables: names, declares: false }
      }
      if (!isRange || names.length === 2 || !this.#takes(',')) break
    }
    this.#token = from
    return { variables: [], declares: true }
  }

  /** A function with its arguments, or one operand. */
  #command(isFirst: boolean): Operand {
    const first = this.#peek()
    if (first.kind === 'word' && !Object.hasOwn(wholeWords, first.text)) {
      this.#token++
      const args: Operand[] = []
      while (this.#operandFollows()) args.push(this.#operand())
      return { kind: 'call', name: this.#function(first.text), args }
    }
    if (!this.#operandFollows()) throw new TemplateError('missing value for command')
    const operand = this.#operand()
    const given = this.#operandFollows() || !isFirst
    if (given) throw new TemplateError(`can't give argument to non-function ${first.text}`)
    if (operand.kind === 'constant' && operand.value === undefined)
      throw new TemplateError('nil is not a command')
    return operand
  }

  #operandFollows(): boolean {
    const { kind, text } = this.#peek()
    return kind !== 'end' && (kind !== 'mark' || text === '(')
  }

  #operand(): Operand {
    const operand = this.#term()
    const next = this.#peek()
    if (next.kind !== 'fields' || next.spaced || next.text === '.') return operand
    this.#token++
    return { kind: 'fields', of: operand, names: next.text.slice(1).split('.') }
  }

  #term(): Operand {
    const token = this.#next()
    switch (token.kind) {
      case 'constant':
        return { kind: 'constant', value: token.value }
      case 'fields':
        if (token.text === '.') return { kind: 'dot' }
        return { kind: 'fields', of: { kind: 'dot' }, names: token.text.slice(1).split('.') }
      case 'variable':
        return { kind: 'variable', name: this.#known(token.text) }
      case 'word':
        return Object.hasOwn(wholeWords, token.text)
          ? { kind: 'constant', value: wholeWords[token.text] }
          : { kind: 'call', name: this.#function(token.text), args: [] }
      default:
        return this.#nested(() => {
          const pipeline = this.#pipeline()
          if (!this.#takes(')')) throw new TemplateError('unclosed left paren')
          return { kind: 'pipeline', pipeline }
        })
    }
  }

  #function(name: string): string {
    if (!functionNames.has(name)) throw new TemplateError(`function "${name}" not defined`)
    return name
  }

  #known(name: string): string {
    if (!this.#variables.includes(name)) throw new TemplateError(`undefined variable "${name}"`)
    return name
  }

  #whole(pipeline: Pipeline): Pipeline {
    this.#ended()
    return pipeline
  }

  #ended(): void {
    const { kind, text } = this.#peek()
    if (kind !== 'end') throw new TemplateError(`unexpected "${text}" in action`)
  }

  #takes(mark: string): boolean {
    const { kind, text } = this.#peek()
    if (kind !== 'mark' || text !== mark) return false
    this.#token++
    return true
  }

  #peek(): Token {
    return this.#tokens[this.#token] ?? noToken
  }

  #next(): Token {
    const token = this.#peek()
    this.#token++
    return token
  }
}
