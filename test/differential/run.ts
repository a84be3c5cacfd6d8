import { compareAnswers } from './compare.ts'
import { Grammar, productions, type Query } from './grammar.ts'
import type { HttpRequest, Peer } from './peers.ts'
import { Random } from './random.ts'

export interface Difference {
  readonly query: Query
  readonly what: string
}

export interface Report {
  readonly queries: number
  /** Queries that reached each production. */
  readonly coverage: ReadonlyMap<string, number>
  readonly outcomes: Readonly<Record<'values' | 'empty' | 'error', number>>
  readonly differences: readonly Difference[]
}

/** A query as a request. */
export function requestOf({ text, time, until, step }: Query): HttpRequest {
  const query = `query=${encodeURIComponent(text)}`
  if (until === undefined || step === undefined)
    return { path: `/api/v1/query?${query}&time=${time / 1000}` }
  const range = `start=${time / 1000}&end=${until / 1000}&step=${step / 1000}`
  return { path: `/api/v1/query_range?${query}&${range}` }
}

/** Asks both sides the same queries: each production in turn as the outermost one, until `queries` are asked. */
export async function runQueries(
  sides: { readonly ours: Peer; readonly theirs: Peer },
  {
    queries,
    seed,
    onProgress,
  }: { queries: number; seed: number; onProgress?: (done: number) => void },
): Promise<Report> {
  const grammar = new Grammar(new Random(seed))
  const coverage = new Map(productions.map((production) => [production, 0]))
  const outcomes = { values: 0, empty: 0, error: 0 }
  const differences: Difference[] = []
  for (let asked = 0; asked < queries; asked++) {
    const query = grammar.query(productions[asked % productions.length]!)
    for (const use of query.uses) coverage.set(use, (coverage.get(use) ?? 0) + 1)
    const request = requestOf(query)
    const [mine, other] = await Promise.all([sides.ours.ask(request), sides.theirs.ask(request)])
    const { difference, outcome } = compareAnswers(mine.body, other.body, query.ordered)
    outcomes[outcome]++
    const what =
      mine.status === other.status
        ? difference
        : `status ${mine.status} against ${other.status}: ${mine.body.slice(0, 300)} against ${other.body.slice(0, 300)}`
    if (what !== undefined) differences.push({ query, what })
    onProgress?.(asked + 1)
  }
  return { queries, coverage, outcomes, differences }
}

/** The report as lines of text. */
export function reportText(report: Report, seed: number): string {
  const { queries, coverage, outcomes, differences } = report
  const counts = [...coverage].map(([production, count]) => `${production}: ${count}`)
  const share = ((100 * outcomes.values) / queries).toFixed(1)
  const least = Math.min(...coverage.values())
  return [
    `coverage, queries a production: ${counts.join(', ')}`,
    ...differences.flatMap(({ query, what }) => [
      `DIFFERENCE ${query.text}`,
      `  ${requestOf(query).path}`,
      `  ${what.replaceAll('\n', '\n  ')}`,
    ]),
    `seed ${seed}: ${queries} queries; ${coverage.size} productions, each at least ${least} times; ${share} % with a result, ${outcomes.empty} empty, ${outcomes.error} errors on both sides; ${differences.length} differences`,
  ].join('\n')
}
