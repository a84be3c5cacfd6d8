import type { Binary, VectorMatching } from '../syntax/ast.ts'
import { type LabelSet, only, without } from './label-set.ts'
import type { Query } from './query.ts'
import { assembleRows, type Frame, type Row } from './rows.ts'

/** Signatures by operator: an expression asked again and again meets the same label sets each time. */
const signatures = new WeakMap<VectorMatching, WeakMap<LabelSet, LabelSet>>()

/** The labels by which samples of two vectors find each other. */
export function signature(labels: LabelSet, matching: VectorMatching): LabelSet {
  let known = signatures.get(matching)
  if (known === undefined) {
    known = new WeakMap()
    signatures.set(matching, known)
  }
  let found = known.get(labels)
  if (found === undefined) {
    found = matching.on
      ? only(labels, matching.labels)
      : without(labels, ['__name__', ...matching.labels])
    known.set(labels, found)
  }
  return found
}

/** The steps at which any row of each signature has a sample. */
function presence(
  rows: readonly Row[],
  matching: VectorMatching,
  steps: number,
): ReadonlyMap<string, Uint8Array> {
  const found = new Map<string, Uint8Array>()
  for (const row of rows) {
    const { key } = signature(row.labels, matching)
    let any = found.get(key)
    if (any === undefined) {
      any = new Uint8Array(steps)
      found.set(key, any)
    }
    for (let step = 0; step < steps; step += 1) if (row.present[step] === 1) any[step] = 1
  }
  return found
}

/** Keeps of a row the steps where `other` has (1) or lacks (0) a sample. */
function masked(row: Row, other: Uint8Array | undefined, wanted: 0 | 1): Row {
  const present = row.present.map((here, step) => here & Number((other?.[step] ?? 0) === wanted))
  return { ...row, present }
}

/** `and`, `or` and `unless` between two vectors. */
export function combineSets(
  query: Query,
  expr: Binary,
  frame: Frame,
  left: readonly Row[],
  right: readonly Row[],
): readonly Row[] {
  const { matching, op } = expr
  const mask = (
    rows: readonly Row[],
    others: ReadonlyMap<string, Uint8Array>,
    wanted: 0 | 1,
  ): readonly Row[] =>
    rows.map((row) => masked(row, others.get(signature(row.labels, matching).key), wanted))
  let rows: readonly Row[]
  if (op === 'or') {
    rows = [...left, ...mask(right, presence(left, matching, frame.steps), 0)]
  } else {
    rows = mask(left, presence(right, matching, frame.steps), op === 'and' ? 1 : 0)
  }
  return assembleRows(rows, frame, query.delayedNames)
}
