import { literalPattern } from '../../literal-pattern.ts'
import type { Labels } from '../reader.ts'
import { AnswerTooLong } from '../spool/bounded-text.ts'

/** Series whose label has one of these values. */
export interface Only {
  readonly label: string
  readonly values: readonly string[]
}

type Counts = ReadonlyMap<string, number>

/** Letters of the values of one question: VictoriaMetrics takes no query beyond 16 KiB as it comes. */
const mostLetters = 8000

/**
 * What `ask` answers of all series, or of some after the other where one answer would be too long: `members` are the labels of those that
 * matter. Throws AnswerTooLong when a single value of a label is still too long, and what `ask` throws.
 */
export async function countsInPieces(
  members: readonly Labels[],
  ask: (only: Only | undefined) => Promise<Counts>,
): Promise<Counts> {
  try {
    return await ask(undefined)
  } catch (error) {
    if (!(error instanceof AnswerTooLong)) throw error
    const { label, values } = mostDivided(members)
    if (values.length < 2) throw error
    const found = new Map<string, number>()
    for (const piece of piecesOf(values)) await collect({ label, values: piece }, ask, found)
    return found
  }
}

/** Halves what is still too long. */
async function collect(
  only: Only,
  ask: (only: Only) => Promise<Counts>,
  found: Map<string, number>,
): Promise<void> {
  const { label, values } = only
  try {
    for (const [key, count] of await ask(only)) found.set(key, count)
  } catch (error) {
    if (!(error instanceof AnswerTooLong) || values.length < 2) throw error
    const half = values.length >> 1
    await collect({ label, values: values.slice(0, half) }, ask, found)
    await collect({ label, values: values.slice(half) }, ask, found)
  }
}

/** VictoriaMetrics 1.79 takes no other name in a selector. */
function isPlain(name: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name)
}

/** The label with the most values; a series without it has an empty one. */
function mostDivided(members: readonly Labels[]): Only {
  const names = new Set(members.flatMap((labels) => Object.keys(labels)).filter(isPlain))
  names.delete('__name__')
  let most: Only = { label: '', values: [] }
  for (const label of names) {
    const values = new Set(members.map((labels) => labels[label] ?? ''))
    if (values.size > most.values.length) most = { label, values: [...values].sort() }
  }
  return most
}

/** Values in pieces of one question. */
function* piecesOf(values: readonly string[]): Generator<readonly string[]> {
  let piece: string[] = []
  let letters = 0
  for (const value of values) {
    if (piece.length > 0 && letters + value.length > mostLetters) {
      yield piece
      piece = []
      letters = 0
    }
    piece.push(value)
    letters += value.length + 1
  }
  yield piece
}

/** As a matcher of a selector. */
export function matcherOf({ label, values }: Only): string {
  return `${label}=~${JSON.stringify(literalPattern(values))}`
}
