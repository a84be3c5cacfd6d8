import t from 'tap'
import { keepsName, withSubquerySteps } from '../../../server/promql/archive/dialect.ts'
import { firstHeld, newestRead, reachOf } from '../../../server/promql/archive/reach.ts'
import { stitch, withoutNames } from '../../../server/promql/archive/stitch.ts'
import { parse } from '../../../server/promql/syntax/parser.ts'
import { printExpr } from '../../../server/promql/syntax/print.ts'

const exprOf = (text: string) => parse(text, { experimental: false })
const minute = 60_000

t.test('how far back an expression looks, and what is newest', async (t) => {
  const table: [string, number, number, number][] = [
    ['up', 5, Infinity, 0],
    ['up offset 1h', 65, Infinity, -60],
    ['up offset -1h', -55, Infinity, 60],
    ['rate(up[10m]) + up', 10, Infinity, 0],
    ['max_over_time(up[1h:1m] offset 1h)', 125, Infinity, -60],
    ['up @ 600', -Infinity, 5, 10],
    ['rate(up[10m] @ 600 offset 5m)', -Infinity, -5, 5],
    ['up @ 600 + up offset 1m', 6, 5, 10],
    ['1 + time()', -Infinity, Infinity, -Infinity],
  ]
  for (const [text, back, fixed, newest] of table) {
    const expr = exprOf(text)
    t.same(reachOf(expr, 5 * minute), { back: back * minute, fixed: fixed * minute }, text)
    t.equal(newestRead(expr, 0), newest * minute, `${text}: newest`)
  }
})

t.test('from which step on the store answers', async (t) => {
  const grid = { start: 0, end: 100, step: 10 }
  const table: [number, number, number][] = [
    [0, 0, 0],
    [5, 0, 10],
    [5, 15, 20],
    [5, 96, Infinity],
    [-Infinity, 1000, 0],
  ]
  for (const [back, heldFrom, first] of table)
    t.equal(firstHeld({ back, fixed: Infinity }, grid, heldFrom), first)
  t.equal(firstHeld({ back: 0, fixed: 5 }, grid, 6), Infinity)
  const instant = { start: 7, end: 7, step: 0 }
  t.equal(firstHeld({ back: 5, fixed: Infinity }, instant, 2), 7)
  t.equal(firstHeld({ back: 5, fixed: Infinity }, instant, 3), Infinity)
})

t.test('names, as PromQL keeps them', async (t) => {
  const kept = ['up', '(up)', 'sort(up)', 'last_over_time(up[5m])', 'topk(1, up)', 'up > 1']
  const more = ['1 < up', 'up or rate(up[5m])', 'rate(up[5m]) or up', 'sum by (__name__) (up)']
  for (const text of [...kept, ...more, 'label_replace(1 * up, "__name__", "a", "", "")', '+up'])
    t.equal(keepsName(exprOf(text)), true, text)
  const dropped = [
    '-up',
    'rate(up[5m])',
    'avg_over_time(up[5m])',
    'up > bool 1',
    'sum(up)',
    'abs(up)',
  ]
  for (const text of [...dropped, 'up * 2', 'rate(up[5m]) and up', '1', 'max by (job) (up)'])
    t.equal(keepsName(exprOf(text)), false, text)
})

t.test('subqueries say their step', async (t) => {
  const text = 'sum(max_over_time(-(up[1h:] offset 5m)[2h:5m])) + topk(scalar(a[1d:]), b)'
  t.throws(() => exprOf(text), 'a matrix is no operand')
  const expr = withSubquerySteps(
    exprOf('sum(max_over_time(rate(up[5m])[1h:])) / min_over_time(up[1h:5m])'),
    minute,
  )
  t.equal(printExpr(expr), 'sum(max_over_time(rate(up[5m])[1h:1m])) / min_over_time(up[1h:5m])')
})

t.test('older and newer points are one series', async (t) => {
  const one = (labels: Record<string, string>, ...times: number[]) => ({
    labels,
    times: Float64Array.from(times),
    values: Float64Array.from(times),
  })
  const found = stitch(
    [one({ b: '1', a: '2' }, 1, 2), one({ a: '9' }, 1)],
    [one({ a: '1' }, 3), one({ a: '2', b: '1' }, 3)],
  )
  t.same(
    found.map(({ labels, times }) => [labels, [...times]]),
    [
      [{ a: '1' }, [3]],
      [{ a: '2', b: '1' }, [1, 2, 3]],
      [{ a: '9' }, [1]],
    ],
  )
  t.throws(
    () => withoutNames([one({ __name__: 'x', a: '1' }, 1), one({ __name__: 'y', a: '1' }, 1)]),
    { message: 'vector cannot contain metrics with the same labelset' },
  )
})
