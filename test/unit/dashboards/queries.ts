import { hostLabels, type Metric, metricCatalogue } from '../../../dashboards/catalogue.ts'
import { childrenOf, type Expr } from '../../../server/promql/syntax/ast.ts'
import { parse } from '../../../server/promql/syntax/parser.ts'

/** Stand-ins for Grafana's variables; the ranges are lengths nobody would write, so that they can be told apart. */
const standIns: Readonly<Record<string, string>> = {
  __rate_interval: '241s',
  __range: '21601s',
  window: '907s',
  customer: 'bank-a',
  site: 'hall',
  role: 'pbx',
  server: 'pbx-1',
  device: '.+',
}

export const rateIntervalMillis = 241_000
export const windowMillis = 907_000

/** The query with every `$name` and `${name}` replaced; `chosen` names values of the host variables. */
export function filled(expr: string, chosen: Readonly<Record<string, string>> = {}): string {
  const values = { ...standIns, ...chosen }
  return expr.replace(/\$\{?(\w+)\}?/g, (_, name: string) => {
    const value = values[name as keyof typeof values]
    if (value === undefined) throw new Error(`unknown variable $${name} in ${expr}`)
    return value
  })
}

export function parsed(expr: string): Expr {
  return parse(filled(expr))
}

/** A selector of a query, with the functions and ranges around it, innermost first. */
export interface Use {
  readonly metric: string
  readonly matchers: Readonly<Record<string, string>>
  readonly around: readonly Expr[]
}

export function uses(expr: Expr, around: readonly Expr[] = []): Use[] {
  if (expr.kind === 'selector') {
    const matchers = Object.fromEntries(
      expr.matchers
        .filter(({ name }) => name !== '__name__')
        .map(({ name, value }) => [name, value]),
    )
    return [{ metric: expr.name, matchers, around }]
  }
  return childrenOf(expr).flatMap((child) => uses(child, [expr, ...around]))
}

/** The catalogue's entry for a series name; a histogram's parts belong to the histogram. */
export function catalogued(series: string): Metric | undefined {
  return metricCatalogue.find(
    ({ name, type }) =>
      name === series ||
      (type === 'histogram' && new RegExp(`^${name}_(bucket|sum|count)$`).test(series)),
  )
}

/** Labels a metric's series may have. */
export function labelsOf(series: string): Set<string> {
  const metric = catalogued(series)
  if (metric === undefined) return new Set()
  return new Set([
    // The hub stores its own figures, and another Prometheus scrapes them: these two are there either way.
    ...(metric.own === true ? ['job', 'instance'] : hostLabels),
    ...metric.labels,
    ...(series.endsWith('_bucket') ? ['le'] : []),
  ])
}

/** Labels the answer's series may have. */
export function answeredLabels(expr: Expr): Set<string> {
  switch (expr.kind) {
    case 'selector':
      return labelsOf(expr.name)
    case 'aggregate': {
      const inner = answeredLabels(expr.expr)
      if (['topk', 'bottomk', 'limitk'].includes(expr.op)) return inner
      if (expr.without) return new Set([...inner].filter((name) => !expr.grouping.includes(name)))
      return new Set(expr.grouping)
    }
    case 'binary': {
      const left = answeredLabels(expr.left)
      const right = answeredLabels(expr.right)
      if (expr.op === 'or') return new Set([...left, ...right])
      if (expr.left.kind === 'number' || withoutSeries(expr.left)) return right
      return left
    }
    default:
      return new Set(childrenOf(expr).flatMap((child) => [...answeredLabels(child)]))
  }
}

function withoutSeries(expr: Expr): boolean {
  return uses(expr).length === 0
}

/** Groupings of a query, each with the metrics below it. */
export function groupings(expr: Expr): { labels: readonly string[]; metrics: readonly string[] }[] {
  const below = childrenOf(expr).flatMap((child) => groupings(child))
  if (expr.kind !== 'aggregate') return below
  return [{ labels: expr.grouping, metrics: uses(expr.expr).map(({ metric }) => metric) }, ...below]
}
