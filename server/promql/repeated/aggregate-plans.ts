import { groupRows } from '../eval/aggregate.ts'
import { quantile } from '../eval/arithmetic.ts'
import { startFold } from '../eval/fold.ts'
import { emptyRow, type Row } from '../eval/rows.ts'
import type { Aggregate } from '../syntax/ast.ts'
import { type Planning, Unplanned, type Vector } from './plan.ts'
import type { Slots } from './slots.ts'

const planned: ReadonlySet<string> = new Set([
  ...['sum', 'avg', 'count', 'group', 'min', 'max', 'stdvar', 'stddev', 'quantile'],
])

/** What aggregates into one sample. */
interface Group {
  /** Slots, ascending. */
  readonly members: Uint32Array
  readonly rows: readonly Row[]
}

function groupsOf({ slots }: Planning, expr: Aggregate, inner: Vector) {
  const rows = inner.labels.map((labels) => emptyRow(labels, 0))
  const slotOf = new Map(rows.map((row, index) => [row, inner.at + index]))
  const found = groupRows(rows, expr)
  const groups = found.map((group): Group => {
    const members = Uint32Array.from(group.rows, (row) => slotOf.get(row)!)
    return { members, rows: Array.from(members, (slot) => slots.row(slot)) }
  })
  return { labels: found.map(({ labels }) => labels), groups }
}

/** Puts a group's sample into an empty slot; `param` counts for quantiles. */
type Fold = (group: Group, slot: number, param: number) => void

function foldRows({ op }: Aggregate, slots: Slots): Fold {
  return ({ rows }, slot) => {
    const fold = startFold(op, slots.row(slot))
    for (const row of rows) fold.add(row)
    fold.finish(rows)
  }
}

function foldQuantile({ values, present }: Slots, size: number): Fold {
  const gathered = new Float64Array(size)
  return ({ members }, slot, phi) => {
    let count = 0
    for (const member of members) if (present[member] === 1) gathered[count++] = values[member]!
    present[slot] = 1
    values[slot] = quantile(phi, gathered.subarray(0, count))
  }
}

/** An aggregation that makes one series of each group; see `aggregate`. */
export function planAggregate(planning: Planning, expr: Aggregate): Vector {
  if (!planned.has(expr.op)) throw new Unplanned(expr.op)
  const { slots } = planning
  const { values, present } = slots
  const param = expr.param === undefined ? undefined : planning.scalar(expr.param)
  const inner = planning.vector(expr.expr)
  const { run: runInner } = inner
  const { labels, groups } = groupsOf(planning, expr, inner)
  const at = planning.take(groups.length)
  const fold =
    expr.op === 'quantile' ? foldQuantile(slots, inner.labels.length) : foldRows(expr, slots)
  return {
    labels,
    at,
    run(moment) {
      const phi = param?.(moment) ?? 0
      runInner(moment)
      let count = 0
      let before = -1
      for (let index = 0; index < groups.length; index += 1) {
        const group = groups[index]!
        const slot = at + index
        present[slot] = 0
        const first = firstPresent(group.members, present)
        if (first < 0) continue
        // The interpreter has groups in the order of their first samples; that order is no other here.
        if (first < before) moment.handedOver = true
        before = first
        values[slot] = 0
        fold(group, slot, phi)
        count += 1
      }
      return count
    },
  }
}

function firstPresent(members: Uint32Array, present: Uint8Array): number {
  for (let index = 0; index < members.length; index += 1) {
    if (present[members[index]!] === 1) return members[index]!
  }
  return -1
}
