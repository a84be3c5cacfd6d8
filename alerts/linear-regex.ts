// Regular expressions come from people who silence alerts and from imported configurations, and are tried on every
// alert. JavaScript's engine backtracks: one bad expression could stop the hub. This one is a set of states that
// advances once a character, so its cost is bounded by (length of the text) x (size of the expression).

/** An expression RE2 would refuse, or one that is too large. The message says where and what to do. */
export class RegexFault extends Error {}

/** States an expression may have; counted repeats are written out. */
export const statesMax = 10_000
/** Characters an expression may have. */
export const patternLengthMax = 4_096
const repeatMax = 1_000
const depthMax = 200

type Test = (codePoint: number) => boolean

type Node =
  | { readonly kind: 'empty' }
  | { readonly kind: 'one'; readonly test: Test }
  | { readonly kind: 'assert'; readonly holds: Assertion }
  | { readonly kind: 'sequence' | 'choice'; readonly items: readonly Node[] }
  | { readonly kind: 'repeat'; readonly item: Node; readonly min: number; readonly max: number }

/** `before` and `after` are the code points beside a position; undefined at the ends. */
type Assertion = (before: number | undefined, after: number | undefined) => boolean

interface Flags {
  readonly ignoreCase: boolean
  readonly dotAll: boolean
  readonly multiline: boolean
}

type State =
  | { readonly op: 'one'; readonly test: Test }
  | { readonly op: 'assert'; readonly holds: Assertion }
  | { readonly op: 'split'; readonly to: readonly number[] }
  | { readonly op: 'match' }

const plainWords = /^[A-Za-z0-9_:/ @=,\-|]+$/

/**
 * Compiles an expression in RE2's syntax, anchored at both ends as Alertmanager does (`^(?:…)$`, `.` is not a
 * line end). Throws RegexFault.
 */
export function compileAnchored(pattern: string): (text: string) => boolean {
  if (pattern.length > patternLengthMax)
    throw new RegexFault(
      `longer than ${patternLengthMax} characters; split it into several matchers`,
    )
  if (plainWords.test(pattern)) {
    const words = new Set(pattern.split('|'))
    return (text) => words.has(text)
  }
  const program = assemble(new Parser(pattern).parse())
  return (text) => run(program, text)
}

const word: Test = (c) =>
  (c >= 48 && c <= 57) || (c >= 65 && c <= 90) || c === 95 || (c >= 97 && c <= 122)
const digit: Test = (c) => c >= 48 && c <= 57
const space: Test = (c) => c === 9 || c === 10 || c === 12 || c === 13 || c === 32
const not =
  (test: Test): Test =>
  (c) =>
    !test(c)
const isWord = (c: number | undefined) => c !== undefined && word(c)
const perl: Readonly<Record<string, Test>> = {
  d: digit,
  D: not(digit),
  w: word,
  W: not(word),
  s: space,
  S: not(space),
}
const controls: Readonly<Record<string, number>> = { a: 7, f: 12, t: 9, n: 10, r: 13, v: 11 }
const posix: Readonly<Record<string, RegExp>> = {
  alnum: /[0-9A-Za-z]/,
  alpha: /[A-Za-z]/,
  ascii: /[\0-\x7f]/,
  blank: /[\t ]/,
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the class is made of control characters
  cntrl: /[\0-\x1f\x7f]/,
  digit: /[0-9]/,
  graph: /[!-~]/,
  lower: /[a-z]/,
  print: /[ -~]/,
  punct: /[!-/:-@[-`{-~]/,
  space: /[\t\n\v\f\r ]/,
  upper: /[A-Z]/,
  word: /[0-9A-Za-z_]/,
  xdigit: /[0-9A-Fa-f]/,
}

function folded(test: Test): Test {
  return (c) => {
    if (test(c)) return true
    const text = String.fromCodePoint(c)
    const [lower, upper] = [text.toLowerCase(), text.toUpperCase()]
    return test(lower.codePointAt(0)!) || test(upper.codePointAt(0)!)
  }
}

class Parser {
  readonly #chars: readonly string[]
  #at = 0
  #depth = 0
  #flags: Flags = { ignoreCase: false, dotAll: false, multiline: false }

  constructor(pattern: string) {
    this.#chars = [...pattern]
  }

  parse(): Node {
    const node = this.#choice()
    if (this.#at < this.#chars.length) this.#fail('unexpected )')
    return node
  }

  #choice(): Node {
    if (++this.#depth > depthMax) this.#fail('nested too deep')
    const before = this.#flags
    const items = [this.#sequence()]
    while (this.#take('|')) items.push(this.#sequence())
    this.#flags = before
    this.#depth--
    return items.length === 1 ? items[0]! : { kind: 'choice', items }
  }

  #sequence(): Node {
    const items: Node[] = []
    for (;;) {
      const next = this.#peek()
      if (next === undefined || next === '|' || next === ')') break
      items.push(this.#repeated(this.#atom()))
    }
    return items.length === 1 ? items[0]! : { kind: 'sequence', items }
  }

  #repeated(item: Node): Node {
    const counts = this.#counts()
    if (counts === undefined) return item
    this.#take('?')
    if (this.#counts() !== undefined) this.#fail('two repeats in a row; put the first into ( )')
    const [min, max] = counts
    if (min > repeatMax || (max !== Infinity && max > repeatMax))
      this.#fail(`repeats more than ${repeatMax} times`)
    if (max < min) this.#fail('repeat counts are the wrong way round')
    return { kind: 'repeat', item, min, max }
  }

  /** The repeat at this place, consumed; undefined when there is none. */
  #counts(): readonly [number, number] | undefined {
    if (this.#take('*')) return [0, Infinity]
    if (this.#take('+')) return [1, Infinity]
    if (this.#take('?')) return [0, 1]
    if (this.#peek() !== '{') return undefined
    const rest = this.#chars.slice(this.#at, this.#at + 24).join('')
    const match = /^\{(\d+)(,(\d*))?\}/.exec(rest)
    if (match === null) return undefined
    this.#at += match[0].length
    const min = Number(match[1])
    return [min, match[2] === undefined ? min : match[3] === '' ? Infinity : Number(match[3])]
  }

  #atom(): Node {
    const start = this.#at
    if (this.#counts() !== undefined) {
      this.#at = start
      this.#fail('nothing to repeat')
    }
    const char = this.#next()
    if (char === '(') return this.#group()
    if (char === '[') return this.#one(this.#class())
    if (char === '.')
      return { kind: 'one', test: this.#flags.dotAll ? () => true : (c) => c !== 10 }
    if (char === '^') {
      const multiline = this.#flags.multiline
      return assertion((before) => before === undefined || (multiline && before === 10))
    }
    if (char === '$') {
      const multiline = this.#flags.multiline
      return assertion((_before, after) => after === undefined || (multiline && after === 10))
    }
    if (char === '\\') return this.#escape()
    return this.#literal(char)
  }

  #literal(char: string): Node {
    const code = char.codePointAt(0)!
    return this.#one((c) => c === code)
  }

  #one(test: Test): Node {
    return { kind: 'one', test: this.#flags.ignoreCase ? folded(test) : test }
  }

  #group(): Node {
    if (this.#take('?')) {
      const rest = this.#chars.slice(this.#at, this.#at + 80).join('')
      const name = /^P?<\w+>/.exec(rest)
      const flags = /^([imsU]*)(?:-([imsU]+))?([:)])/.exec(rest)
      if (name !== null) this.#at += name[0].length
      else if (flags === null || flags[0] === ')')
        this.#fail(
          'look-around and other Perl groups do not exist in RE2; use !~ or several matchers',
        )
      else {
        this.#at += flags[0].length
        const before = this.#flags
        this.#setFlags(flags[1]!, true)
        this.#setFlags(flags[2] ?? '', false)
        if (flags[3] === ')') return { kind: 'empty' }
        const node = this.#closed()
        this.#flags = before
        return node
      }
    }
    return this.#closed()
  }

  #closed(): Node {
    const node = this.#choice()
    if (!this.#take(')')) this.#fail('missing )')
    return node
  }

  #setFlags(names: string, on: boolean): void {
    for (const name of names) {
      if (name === 'i') this.#flags = { ...this.#flags, ignoreCase: on }
      if (name === 's') this.#flags = { ...this.#flags, dotAll: on }
      if (name === 'm') this.#flags = { ...this.#flags, multiline: on }
    }
  }

  #escape(): Node {
    const char = this.#peek()
    if (char === 'Q') return this.#quoted()
    this.#at++
    if (char === 'b') return assertion((before, after) => isWord(before) !== isWord(after))
    if (char === 'B') return assertion((before, after) => isWord(before) === isWord(after))
    if (char === 'A') return assertion((before) => before === undefined)
    if (char === 'z') return assertion((_before, after) => after === undefined)
    this.#at--
    return this.#one(this.#escapedTest())
  }

  #quoted(): Node {
    this.#at++
    const items: Node[] = []
    while (this.#at < this.#chars.length) {
      if (this.#peek() === '\\' && this.#chars[this.#at + 1] === 'E') {
        this.#at += 2
        break
      }
      items.push(this.#literal(this.#next()))
    }
    const last = items.pop()
    if (last !== undefined) items.push(this.#repeated(last))
    return { kind: 'sequence', items }
  }

  /** What stands after a backslash, inside a class or outside. */
  #escapedTest(): Test {
    const char = this.#next()
    const known = perl[char]
    if (known !== undefined) return known
    if (char === 'p' || char === 'P') return this.#property(char === 'P')
    const code = this.#escapedCode(char)
    return (c) => c === code
  }

  #escapedCode(char: string): number {
    const control = controls[char]
    if (control !== undefined) return control
    const rest = this.#chars.slice(this.#at, this.#at + 10).join('')
    const number =
      char === 'x'
        ? /^(?:\{([0-9A-Fa-f]{1,6})\}|([0-9A-Fa-f]{2}))/.exec(rest)
        : char === '0'
          ? /^([0-7]{0,2})/.exec(rest)
          : null
    if (number !== null) {
      this.#at += number[0].length
      const code = Number.parseInt(number[1] || number[2] || '0', char === 'x' ? 16 : 8)
      if (code > 0x10ffff) this.#fail('no such character')
      return code
    }
    if (/[1-9]/.test(char)) this.#fail('back references do not exist in RE2')
    if (/[\w]/.test(char) || char.codePointAt(0)! >= 128) this.#fail(`unknown escape \\${char}`)
    return char.codePointAt(0)!
  }

  #property(negated: boolean): Test {
    let name = this.#next()
    if (name === '{') {
      name = ''
      while (this.#peek() !== '}') name += this.#next()
      this.#at++
    }
    const inverted = name.startsWith('^')
    const bare = inverted ? name.slice(1) : name
    for (const source of [`^\\p{${bare}}$`, `^\\p{Script=${bare}}$`]) {
      try {
        const regex = new RegExp(source, 'u')
        return (c) => regex.test(String.fromCodePoint(c)) !== (negated !== inverted)
      } catch {
        // Not a category; try it as a script.
      }
    }
    return this.#fail(`no Unicode class "${bare}"`)
  }

  #class(): Test {
    const negated = this.#take('^')
    const tests: Test[] = []
    let first = true
    while (first || this.#peek() !== ']') {
      if (this.#peek() === undefined) this.#fail('missing ]')
      tests.push(this.#classItem())
      first = false
    }
    this.#at++
    const any: Test = (c) => tests.some((test) => test(c))
    const exact = this.#flags.ignoreCase ? folded(any) : any
    return negated ? not(exact) : exact
  }

  #classItem(): Test {
    const rest = this.#chars.slice(this.#at, this.#at + 12).join('')
    const named = /^\[:(\^?)(\w+):\]/.exec(rest)
    if (named !== null) {
      const regex = posix[named[2]!]
      if (regex === undefined) this.#fail(`no class [:${named[2]}:]`)
      this.#at += named[0].length
      return (c) => regex.test(String.fromCodePoint(c)) !== (named[1] === '^')
    }
    if (this.#peek() === '\\' && /[dDwWsSpP]/.test(this.#chars[this.#at + 1] ?? '')) {
      this.#at++
      return this.#escapedTest()
    }
    const low = this.#classCode()
    if (this.#peek() !== '-' || (this.#chars[this.#at + 1] ?? ']') === ']') return (c) => c === low
    this.#at++
    const high = this.#classCode()
    if (high < low) this.#fail('class range is the wrong way round')
    return (c) => c >= low && c <= high
  }

  #classCode(): number {
    const char = this.#next()
    return char === '\\' ? this.#escapedCode(this.#next()) : char.codePointAt(0)!
  }

  #peek(): string | undefined {
    return this.#chars[this.#at]
  }

  #next(): string {
    const char = this.#chars[this.#at]
    if (char === undefined) return this.#fail('ends too early')
    this.#at++
    return char
  }

  #take(char: string): boolean {
    if (this.#peek() !== char) return false
    this.#at++
    return true
  }

  #fail(message: string): never {
    throw new RegexFault(`${message}, at character ${this.#at + 1}`)
  }
}

function assertion(holds: Assertion): Node {
  return { kind: 'assert', holds }
}

function assemble(node: Node): readonly State[] {
  const states: State[] = []
  const add = (state: State): number => {
    if (states.length >= statesMax)
      throw new RegexFault(`more than ${statesMax} states; use smaller repeat counts`)
    return states.push(state) - 1
  }
  emit(node, states, add)
  add({ op: 'match' })
  return states
}

/** Appends the states of a node; falling off their end is the node's success. */
function emit(node: Node, states: State[], add: (state: State) => number): void {
  if (node.kind === 'one') add({ op: 'one', test: node.test })
  else if (node.kind === 'assert') add({ op: 'assert', holds: node.holds })
  else if (node.kind === 'sequence') for (const item of node.items) emit(item, states, add)
  else if (node.kind === 'choice') {
    const fork = add({ op: 'split', to: [] })
    const starts: number[] = []
    const exits: number[] = []
    for (const item of node.items) {
      starts.push(states.length)
      emit(item, states, add)
      exits.push(add({ op: 'split', to: [] }))
    }
    states[fork] = { op: 'split', to: starts }
    for (const exit of exits) states[exit] = { op: 'split', to: [states.length] }
  } else if (node.kind === 'repeat') emitRepeat(node, states, add)
}

function emitRepeat(
  node: Node & { kind: 'repeat' },
  states: State[],
  add: (state: State) => number,
): void {
  for (let i = 0; i < node.min; i++) emit(node.item, states, add)
  if (node.max === Infinity) {
    const fork = add({ op: 'split', to: [] })
    emit(node.item, states, add)
    add({ op: 'split', to: [fork] })
    states[fork] = { op: 'split', to: [fork + 1, states.length] }
    return
  }
  const forks: number[] = []
  for (let i = node.min; i < node.max; i++) {
    forks.push(add({ op: 'split', to: [] }))
    emit(node.item, states, add)
  }
  for (const fork of forks) states[fork] = { op: 'split', to: [fork + 1, states.length] }
}

function run(program: readonly State[], text: string): boolean {
  const codes = [...text].map((char) => char.codePointAt(0)!)
  const mark = new Int32Array(program.length).fill(-1)
  let current = reach(program, [0], mark, 0, codes)
  for (let i = 0; i < codes.length && current.length > 0; i++) {
    const code = codes[i]!
    const next: number[] = []
    for (const at of current) {
      const state = program[at]!
      if (state.op === 'one' && state.test(code)) next.push(at + 1)
    }
    current = reach(program, next, mark, i + 1, codes)
  }
  return current.some((at) => program[at]!.op === 'match')
}

/** The states that wait for a character, or match, reachable from `from` at this position. */
function reach(
  program: readonly State[],
  from: readonly number[],
  mark: Int32Array,
  position: number,
  codes: readonly number[],
): number[] {
  const found: number[] = []
  const open = [...from]
  while (open.length > 0) {
    const at = open.pop()!
    if (mark[at] === position) continue
    mark[at] = position
    const state = program[at]!
    if (state.op === 'split') open.push(...state.to)
    else if (state.op === 'assert') {
      if (state.holds(codes[position - 1], codes[position])) open.push(at + 1)
    } else found.push(at)
  }
  return found
}
