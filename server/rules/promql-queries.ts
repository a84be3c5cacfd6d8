import type { Promql } from '../promql/plugin.ts'
import type { RuleQueries } from './queries.ts'

/** The rules' way to the hub's query engine. */
export function promqlQueries(promql: Promql): RuleQueries {
  throw new Error(`BUG: not wired ${String(promql)}`)
}
