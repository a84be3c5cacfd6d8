import { CallwardError } from '../../errors.ts'
import { type Pattern, parsePattern } from './pattern-syntax.ts'

/** Longest regular expression of a matcher, in characters. */
export const maxPatternLength = 4096

/** States an expression may take; counted repeats are written out. */
const maxStates = 20_000

/** Sets of states kept ready before they are forgotten and made again. */
const maxReadySets = 2_000

const plainLiteral = /^(?:[^\\.+*?()|[\]{}^$]|\\[^\p{L}\p{N}])*$/u

/** Values of an expression that is only literals joined by `|`, perhaps in one pair of brackets; undefined for any other. */
export function literalAlternatives(pattern: string): readonly string[] | undefined {
  const inner = /^\((?:\?:)?((?:[^()\\]|\\.)*)\)$/.exec(pattern)?.[1] ?? pattern
  const literals = []
  for (const part of inner.split('|')) {
    if (!plainLiteral.test(part)) return undefined
    literals.push(part.replace(/\\(.)/gsu, '$1'))
  }
  return literals
}

/** A step of the automaton; `next` and `other` are numbers of steps. */
interface Step {
  readonly kind: 'character' | 'split' | 'begin' | 'end' | 'match'
  readonly matches?: (codePoint: number) => boolean
  next: number
  other: number
}

/** Character steps reachable without reading, and whether the text may end here. */
interface StateSet {
  readonly steps: readonly number[]
  readonly accepts: boolean
  readonly after: Map<number, StateSet>
}

/**
 * Compiles an RE2 expression, anchored at both ends. Runs in time linear in the text for every expression, as RE2 does: an automaton
 * whose sets of states are made as texts need them. Throws CallwardError `bad_request`.
 */
export function compilePattern(pattern: string): { test(text: string): boolean } {
  if (pattern.length > maxPatternLength) {
    throw new CallwardError(
      'bad_request',
      `A regular expression of ${pattern.length} characters is over the limit of ${maxPatternLength}.`,
    )
  }
  return new Automaton(parsePattern(pattern))
}

class Automaton {
  private readonly steps: Step[] = []
  private readonly start: number
  private ready = new Map<string, StateSet>()
  private first: StateSet

  constructor(pattern: Pattern) {
    this.start = this.build(pattern, this.add({ kind: 'match', next: 0, other: 0 }))
    this.first = this.setOf([this.start], true)
  }

  test(text: string): boolean {
    let set = this.first
    for (let i = 0; i < text.length; i++) {
      const codePoint = text.codePointAt(i)!
      if (codePoint > 0xffff) i++
      set = set.after.get(codePoint) ?? this.advance(set, codePoint)
      if (set.steps.length === 0 && !set.accepts) return false
    }
    return set.accepts
  }

  private add(step: Step): number {
    if (this.steps.length >= maxStates) {
      throw new CallwardError(
        'bad_request',
        'The regular expression is too large; repeat less often.',
      )
    }
    return this.steps.push(step) - 1
  }

  /** Steps for `pattern` that go on to `next`; returns the first. */
  private build(pattern: Pattern, next: number): number {
    switch (pattern.kind) {
      case 'character':
        return this.add({ kind: 'character', matches: pattern.matches, next, other: next })
      case 'begin':
      case 'end':
        return this.add({ kind: pattern.kind, next, other: next })
      case 'sequence':
        return pattern.parts.reduceRight((after, part) => this.build(part, after), next)
      case 'choice':
        return pattern.options
          .map((option) => this.build(option, next))
          .reduceRight((other, one) => this.add({ kind: 'split', next: one, other }))
      case 'repeat':
        return this.buildRepeat(pattern, next)
    }
  }

  private buildRepeat({ of, least, most }: Pattern & { kind: 'repeat' }, next: number): number {
    let first = next
    if (most === Infinity) {
      first = this.add({ kind: 'split', next, other: next })
      this.steps[first]!.next = this.build(of, first)
    } else {
      for (let i = least; i < most; i++) {
        first = this.add({ kind: 'split', next: this.build(of, first), other: next })
      }
    }
    for (let i = 0; i < least; i++) first = this.build(of, first)
    return first
  }

  private advance(set: StateSet, codePoint: number): StateSet {
    const reached: number[] = []
    for (const number of set.steps) {
      const step = this.steps[number]!
      if (step.matches!(codePoint)) reached.push(step.next)
    }
    const after = this.setOf(reached, false)
    set.after.set(codePoint, after)
    return after
  }

  private setOf(from: readonly number[], atBegin: boolean): StateSet {
    const reading = this.closure(from, atBegin, false)
    const accepts = this.closure(from, atBegin, true).has('match')
    const steps = [...reading].filter((step) => step !== 'match').sort((a, b) => a - b)
    const key = `${accepts}${steps.join()}`
    let set = this.ready.get(key)
    if (!set) {
      if (this.ready.size >= maxReadySets) this.forget()
      set = { steps, accepts, after: new Map() }
      this.ready.set(key, set)
    }
    return set
  }

  private forget(): void {
    this.ready = new Map()
    this.first = { ...this.first, after: new Map() }
  }

  /** Character steps reached from `from` without reading, and 'match' when the end is. */
  private closure(
    from: readonly number[],
    atBegin: boolean,
    atEnd: boolean,
  ): Set<number | 'match'> {
    const found = new Set<number | 'match'>()
    const seen = new Set<number>()
    const open = [...from]
    for (let number = open.pop(); number !== undefined; number = open.pop()) {
      if (seen.has(number)) continue
      seen.add(number)
      const { kind, next, other } = this.steps[number]!
      if (kind === 'character') found.add(number)
      else if (kind === 'match') found.add('match')
      else if (kind === 'split') open.push(next, other)
      else if (kind === 'begin' ? atBegin : atEnd) open.push(next)
    }
    return found
  }
}
