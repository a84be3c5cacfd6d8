import type { Expr } from '../syntax/ast.ts'
import { fromLabels, type LabelSet, noLabels } from './label-set.ts'

/** The labels an absent series would have: those the selector fixes with one equality each. */
export function absentLabels(expr: Expr): LabelSet {
  const selector = expr.kind === 'matrix' ? expr.selector : expr
  if (selector.kind !== 'selector') return noLabels
  const labels = new Map<string, string>()
  const seen = new Set<string>()
  for (const { name, op, value } of selector.matchers) {
    if (name === '__name__') continue
    if (op === '=' && !seen.has(name)) {
      labels.set(name, value)
      seen.add(name)
    } else labels.delete(name)
  }
  return fromLabels(Object.fromEntries(labels))
}
