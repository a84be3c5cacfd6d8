/** Values may differ by this share of the larger one: sums are added up in another way since 2.54. */
export const relativeTolerance = 1e-9

/**
 * And by this much where large numbers cancel: the data is below 1e6 with steps of 2^-16, so that what is left of a difference
 * below this is rounding.
 */
export const absoluteTolerance = 1e-9

interface ApiAnswer {
  readonly status: string
  readonly errorType?: string
  readonly error?: string
  readonly data: { readonly resultType: string; readonly result: unknown }
}

type Pair = readonly [time: number, value: number]
type Entry = {
  metric: Readonly<Record<string, string>>
  value?: [number, string]
  values?: [number, string][]
}

function numberOf(text: string): number {
  return Number(text.replace('Inf', 'Infinity'))
}

function entriesOf({ data }: ApiAnswer): [string, readonly Pair[]][] {
  return (data.result as Entry[]).map(({ metric, value, values }): [string, readonly Pair[]] => {
    const key = JSON.stringify(Object.entries(metric).sort(([a], [b]) => (a < b ? -1 : 1)))
    const pairs = values ?? (value === undefined ? [] : [value])
    return [key, pairs.map(([time, text]) => [time, numberOf(text)])]
  })
}

function byName(entries: readonly [string, readonly Pair[]][]): [string, readonly Pair[]][] {
  return [...entries].sort(([a], [b]) => (a < b ? -1 : 1))
}

/** The values of sorted answers one after the other; which of equal ones comes first is left open. */
function inOrder(entries: readonly [string, readonly Pair[]][]): [string, readonly Pair[]][] {
  return [['in order', entries.flatMap(([, pairs]) => pairs)]]
}

function close(ours: number, theirs: number): boolean {
  if (Object.is(ours, theirs) || ours === theirs) return true
  const apart = Math.abs(ours - theirs)
  const larger = Math.max(Math.abs(ours), Math.abs(theirs))
  return apart <= Math.max(absoluteTolerance, relativeTolerance * larger)
}

function differenceOfEntries(
  ours: readonly [string, readonly Pair[]][],
  theirs: readonly [string, readonly Pair[]][],
): string | undefined {
  const names = [ours, theirs].map((side) => side.map(([key]) => key).join('\n'))
  if (names[0] !== names[1]) return `series\n${names[0]}\nagainst\n${names[1]}`
  for (const [index, [key, pairs]] of ours.entries()) {
    const others = theirs[index]?.[1] ?? []
    if (pairs.length !== others.length)
      return `${key}: ${pairs.length} points against ${others.length}`
    for (const [at, [time, value]] of pairs.entries()) {
      const [otherTime, other] = others[at] ?? [Number.NaN, Number.NaN]
      if (time !== otherTime || !close(value, other))
        return `${key} at ${time}: ${value} against ${other} at ${otherTime}`
    }
  }
  return undefined
}

export interface Comparison {
  /** What differs; undefined when nothing does. */
  readonly difference: string | undefined
  readonly outcome: 'values' | 'empty' | 'error'
}

/** Compares two answers: label sets and times exactly, values within the tolerances, an error with an error of its type. */
export function compareAnswers(ours: string, theirs: string, ordered: boolean): Comparison {
  const [mine, other] = [JSON.parse(ours) as ApiAnswer, JSON.parse(theirs) as ApiAnswer]
  if (mine.status !== other.status || mine.errorType !== other.errorType)
    return {
      difference: `${ours.slice(0, 500)}\nagainst\n${theirs.slice(0, 500)}`,
      outcome: 'error',
    }
  if (mine.status !== 'success') return { difference: undefined, outcome: 'error' }
  if (mine.data.resultType !== other.data.resultType)
    return {
      difference: `a ${mine.data.resultType} against a ${other.data.resultType}`,
      outcome: 'values',
    }
  if (mine.data.resultType === 'string') {
    const same = JSON.stringify(mine.data.result) === JSON.stringify(other.data.result)
    return { difference: same ? undefined : `${ours}\nagainst\n${theirs}`, outcome: 'values' }
  }
  if (mine.data.resultType === 'scalar') {
    const [left, right] = [mine, other].map(({ data }) => data.result as [number, string])
    const pairs = [left!, right!].map(([time, text]): [string, Pair[]] => [
      'scalar',
      [[time, numberOf(text)]],
    ])
    return { difference: differenceOfEntries([pairs[0]!], [pairs[1]!]), outcome: 'values' }
  }
  const [left, right] = [entriesOf(mine), entriesOf(other)]
  const sorted = ordered ? differenceOfEntries(inOrder(left), inOrder(right)) : undefined
  return {
    difference: sorted ?? differenceOfEntries(byName(left), byName(right)),
    outcome: right.length === 0 ? 'empty' : 'values',
  }
}
