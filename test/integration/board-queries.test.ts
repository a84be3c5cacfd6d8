import t from 'tap'
import { boards } from '../../dashboards/boards.ts'
import { prometheusInstalled } from '../differential/peers.ts'
import { panelsOf, targetsOf } from '../unit/dashboards/board-lint.ts'
import { filled, parsed, uses } from '../unit/dashboards/queries.ts'
import { compare, rounding } from './board-answers.ts'
import { threeEngines } from './board-engines.ts'
import { boardWeek, calmStart, scrapeSeconds, troubled, weekEnd, weekStart } from './board-week.ts'
import { withoutVictoria } from './victoria-peer.ts'

/** Queries of every panel and overlay, each once, with the first place where it stands. */
function boardQueries(): Map<string, string> {
  const found = new Map<string, string>()
  const add = (expr: string, at: string) => found.has(expr) || found.set(expr, at)
  for (const { model } of boards('http://127.0.0.1:9770')) {
    for (const panel of panelsOf(model))
      for (const { expr } of targetsOf(panel)) add(expr, `${model.uid}/${panel.id}`)
    for (const { name, expr } of model.annotations!.list! as { name: string; expr?: string }[])
      if (expr !== undefined) add(expr, `${model.uid}, overlay ${name}`)
  }
  return found
}

const q = boardQueries()
const names = new Set(
  [...q.keys()].flatMap((expr) => uses(parsed(expr)).map(({ metric }) => metric)),
)
const hour = 3600_000
const asks = [
  { name: 'end', end: weekEnd },
  { name: 'troubled', end: troubled },
  { name: 'calm', start: weekEnd - 3 * hour, end: weekEnd, stepSeconds: 60 },
  { name: 'week', start: weekStart, end: weekEnd, stepSeconds: 3600 },
]
const everyone = { customer: '.+', site: '.+', role: '.+', server: '.+', window: '1h' }
t.test('x', { timeout: 200_000 }, async (t) => {
  console.time('make')
  const week = boardWeek(names)
  console.timeEnd('make')
  console.log(
    q.size,
    names.size,
    week.length,
    week.reduce((n, s) => n + s.times.length, 0),
  )
  console.time('fill')
  const engines = await threeEngines(t, week, weekStart, weekEnd)
  console.timeEnd('fill')
  for (const { name, start = weekEnd - 6 * hour, end, stepSeconds } of asks) {
    console.time(name)
    for (const [expr, at] of q) {
      const ri = Math.max((stepSeconds ?? 60) + scrapeSeconds, 4 * scrapeSeconds)
      const f = filled(expr, {
        ...everyone,
        __rate_interval: `${ri}s`,
        __range: `${(end - start) / 1000}s`,
      })
      const asked = { expr: f, start, end, ...(stepSeconds ? { stepSeconds } : {}) }
      const [hub, prom, vm] = await Promise.all(engines.map((e) => e.ask(asked)))
      if (hub!.size === 0) console.log('EMPTY', name, at, prom!.size, vm!.size, expr)
      const p = compare(hub!, prom!, rounding)
      if (p) console.log('PROM', name, at, JSON.stringify(p), expr)
      const rates = /\b(rate|increase|deriv)\(/.test(f)
      const v = compare(hub!, vm!, rates ? 0.02 : rounding)
      if (v) console.log('VM', name, at, JSON.stringify(v), expr)
    }
    console.timeEnd(name)
  }
  t.pass()
  console.log(prometheusInstalled(), withoutVictoria(), calmStart)
})
