import type { VectorElement } from '../../alerts/state.ts'
import type { Expr, Promql, Value } from '../promql/plugin.ts'
import type { AtOnce, RuleExpression, RuleQueries } from './queries.ts'
import { watchedOf } from './watched.ts'

/** The rules' way to the hub's query engine. */
export function promqlQueries(promql: Promql): RuleQueries {
  /** What is asked at once without remembering anything: an empty answer then changes nothing. */
  const exprs = new WeakMap<AtOnce, Expr>()
  const prepared = (whole: Expr): RuleExpression => {
    const keepsInstance = promql.keepsInstance(whole)
    const now = keepsInstance ? atOnce(promql, whole) : undefined
    if (now !== undefined) exprs.set(now, whole)
    return {
      keepsInstance,
      async evaluate(at, instance) {
        const expr =
          instance === undefined
            ? whole
            : promql.withMatcher(whole, { name: 'instance', op: '=', value: instance })
        return vectorOf((await promql.instant(expr, at)).value)
      },
      atOnce: now,
    }
  }
  return {
    compile: (text) => prepared(promql.parse(text)),
    watched(text) {
      const values = watchedOf(promql.parse(text))
      return values === undefined ? undefined : prepared(values)
    },
    together(groups) {
      const look = promql.together(groups.map((group) => group.map((one) => one && exprs.get(one))))
      return (at, host) => look(at, host.fixed)
    },
  }
}

function atOnce(promql: Promql, expr: Expr): AtOnce | undefined {
  const reads = promql.reads(expr)
  if (!reads.keepsLabels || reads.reach === Number.POSITIVE_INFINITY) return undefined
  const query = promql.repeated(expr)
  return {
    reads,
    evaluate(at, host) {
      const value = query(at, host)
      if (value === undefined) return undefined
      const vector = vectorOf(value)
      // Mostly nothing is wrong.
      if (vector.length === 0) return vector
      return vector.map((element) => ({
        labels: host.labels(element.labels),
        value: element.value,
      }))
    },
  }
}

/** A scalar counts as one result without labels, as in Prometheus. */
function vectorOf(value: Value): readonly VectorElement[] {
  if (value.kind === 'vector') return value.samples
  if (value.kind === 'scalar') return [{ labels: {}, value: value.value }]
  throw new Error(`rule result is not a vector or scalar but a ${value.kind}; select an instant`)
}
