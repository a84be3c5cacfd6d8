import type { VectorElement } from '../../alerts/state.ts'
import type { Answer, Promql } from '../promql/plugin.ts'
import type { RuleQueries } from './queries.ts'

/** The rules' way to the hub's query engine. */
export function promqlQueries(promql: Promql): RuleQueries {
  return {
    compile(text) {
      const whole = promql.parse(text)
      return {
        keepsInstance: promql.keepsInstance(whole),
        async evaluate(at, instance) {
          const expr =
            instance === undefined
              ? whole
              : promql.withMatcher(whole, { name: 'instance', op: '=', value: instance })
          return vectorOf(await promql.instant(expr, at))
        },
      }
    },
  }
}

/** A scalar counts as one result without labels, as in Prometheus. */
function vectorOf({ value }: Answer): readonly VectorElement[] {
  if (value.kind === 'vector') return value.samples
  if (value.kind === 'scalar') return [{ labels: {}, value: value.value }]
  throw new Error(`rule result is not a vector or scalar but a ${value.kind}; select an instant`)
}
