import t from 'tap'
import {
  type Axis,
  countAxis,
  drawing,
  heightOf,
  isNamed,
  middleOf,
  shareAxis,
  timeAxis,
  widthOf,
} from '../../../server/console/web/src/charts/month-scale.ts'
import { monthName } from '../../../server/console/web/src/i18n/format.ts'
import { figuresPath, parseRoute } from '../../../server/console/web/src/routes.ts'

const minute = 60_000
const day = 86_400_000

t.test('an axis holds the largest value, begins at 0 and has few lines', (t) => {
  const holds = (axis: Axis, largest: number) => {
    t.ok(axis.top >= largest, `${largest} is in it`)
    t.equal(axis.ticks[0], 0)
    t.equal(axis.ticks.at(-1), axis.top)
    t.ok(axis.ticks.length >= 2 && axis.ticks.length <= 5, `${axis.ticks.length} lines`)
  }
  for (const largest of [0, 1, 3, 4, 5, 9, 41, 399, 12_345]) holds(countAxis(largest), largest)
  for (const largest of [0, 1, minute, 33 * minute, 241 * minute, 5 * day, 400 * day, 9000 * day])
    holds(timeAxis(largest), largest)
  t.same(countAxis(9).ticks, [0, 5, 10], 'whole numbers')
  t.same(
    timeAxis(32 * minute).ticks,
    [0, 10, 20, 30, 40].map((count) => count * minute),
  )
  t.end()
})

t.test('months stand side by side inside the drawing', (t) => {
  for (const months of [1, 3, 12, 24]) {
    const first = middleOf(0, months) - widthOf(months) / 2
    const last = middleOf(months - 1, months) + widthOf(months) / 2
    t.ok(Math.abs(first - drawing.left) < 1e-6)
    t.ok(Math.abs(last - (drawing.width - drawing.right)) < 1e-6)
    const named = Array.from({ length: months }, (_, index) => isNamed(index, months))
    t.ok(named.at(-1), 'the newest is named')
    t.ok(named.filter(Boolean).length <= 6, 'names have room')
  }
  t.equal(heightOf(0, shareAxis), drawing.height - drawing.bottom)
  t.equal(heightOf(1, shareAxis), drawing.top)
  t.equal(heightOf(7, shareAxis), drawing.top, 'never above it')
  t.end()
})

t.test('the address holds which figures are shown; what makes no sense is left out', (t) => {
  const filter = { months: 24, service: 'a & b', acknowledgeMinutes: 5, restoreMinutes: 60 }
  t.same(parseRoute(figuresPath(filter)), { page: 'figures', ...filter })
  const usual = { months: 12, service: '', acknowledgeMinutes: 15, restoreMinutes: 240 }
  t.same(parseRoute('/incidents/figures'), { page: 'figures', ...usual })
  t.same(parseRoute('/incidents/figures?months=7&restoreMinutes=-1&acknowledgeMinutes=x'), {
    page: 'figures',
    ...usual,
  })
  t.equal(parseRoute('/incidents/figures/x'), null)
  t.end()
})

t.test('months are named in the reader’s language', (t) => {
  t.equal(monthName('en', '2026-03'), 'March 2026')
  t.equal(monthName('zh', '2026-03'), '2026年3月')
  t.match(monthName('ru', '2026-03'), /март 2026/)
  t.equal(monthName('en', '2026-03', true), 'Mar')
  t.match(monthName('en', '2026-01', true), /Jan 26/)
  t.equal(monthName('en', 'x'), 'x')
  t.end()
})
