import t from 'tap'
import { boards } from '../../dashboards/boards.ts'
import { prometheusInstalled } from '../differential/peers.ts'
import { panelsOf, targetsOf } from '../unit/dashboards/board-lint.ts'
import { filled, parsed, uses } from '../unit/dashboards/queries.ts'
import { compare, type Difference, inOrder, rounding, told } from './board-answers.ts'
import { type Asked, type Points, threeEngines } from './board-engines.ts'
import { boardWeek, quiet, scrapeSeconds, troubled, weekEnd, weekStart } from './board-week.ts'
import { victoriaInstalled } from './victoria-peer.ts'

/**
 * Every query of every board, asked of the hub, of Prometheus and of VictoriaMetrics over the same week. Equal to Prometheus. Equal to
 * VictoriaMetrics, within 2 % for rates where the counters have neither gap nor reset. What else differs stands in `known`.
 */
const hour = 3600_000
const week = 7 * 24 * hour
const windowSeconds = 3600

interface Ask {
  readonly name: string
  readonly start: number
  readonly end: number
  /** Absent: asked for `end` alone. */
  readonly stepSeconds?: number
  readonly chosen?: Readonly<Record<string, string>>
}

const everyone = { customer: '.+', site: '.+', role: '.+', server: '.+' }
const asks: readonly Ask[] = [
  { name: 'at the end', start: weekEnd - 6 * hour, end: weekEnd },
  { name: 'while a host is silent', start: troubled - 6 * hour, end: troubled },
  {
    name: 'of two servers',
    ...{ start: weekEnd - 6 * hour, end: weekEnd },
    chosen: { ...everyone, customer: 'bank-a', server: '(pbx-1|sbc-1)' },
  },
  { name: 'three hours', start: weekEnd - 3 * hour, end: weekEnd, stepSeconds: 60 },
  { name: 'the week', start: weekStart, end: weekEnd, stepSeconds: 3600 },
]

/** What may differ, and why. An entry that nothing needs any more fails the test. */
const known: readonly {
  readonly engine: 'Prometheus' | 'VictoriaMetrics'
  readonly query: RegExp
  readonly asks: readonly string[]
  readonly most: number
  readonly why: string
}[] = [
  {
    engine: 'VictoriaMetrics',
    query: /\bchanges\(/,
    asks: asks.map(({ name }) => name),
    most: 1,
    why: 'changes() of VictoriaMetrics counts the first sample of a series too',
  },
]

/** Queries without an answer, and why. */
const empty: readonly { query: RegExp; asks: readonly string[]; why: string }[] = [
  {
    query: / offset 1w/,
    asks: ['while a host is silent'],
    why: 'a week before the middle of the week nothing had been stored',
  },
  {
    query: /changes\(ALERTS_FOR_STATE/,
    asks: ['at the end', 'of two servers', 'three hours'],
    why: 'in the last day of the week no alert began anew: those that come and go did so before',
  },
]

const overGaps =
  'a range over a gap, a reset or the beginning of a counter: VictoriaMetrics takes the last sample before the range and does not extrapolate'

/** Queries of every panel and overlay, each once, with the places where it stands. */
function boardQueries(): Map<string, string[]> {
  const found = new Map<string, string[]>()
  const add = (expr: string, place: string) => found.set(expr, [...(found.get(expr) ?? []), place])
  for (const { model } of boards('http://127.0.0.1:9770')) {
    for (const panel of panelsOf(model))
      for (const { expr } of targetsOf(panel)) add(expr, `${model.uid}/${panel.id}`)
    for (const { name, expr } of model.annotations!.list! as { name: string; expr?: string }[])
      if (expr !== undefined) add(expr, `${model.uid}, ${name}`)
  }
  return found
}

/** The query as Grafana sends it; the data source knows how often hosts report. */
function askedOf(expr: string, { start, end, stepSeconds, chosen = everyone }: Ask): Asked {
  const step = stepSeconds ?? 60
  const variables = {
    ...chosen,
    __rate_interval: `${Math.max(step + scrapeSeconds, 4 * scrapeSeconds)}s`,
    __range: `${(end - start) / 1000}s`,
    window: `${windowSeconds}s`,
  }
  return { expr: filled(expr, variables), start, end, ...(stepSeconds ? { stepSeconds } : {}) }
}

const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 }

/** Whether the counters are whole in all that a query reads for a time in seconds. */
function readsQuiet(expr: string): (seconds: number) => boolean {
  const ranges = [...expr.matchAll(/\[(\d+)([smhd])\]/g)].map(
    ([, count, unit]) => Number(count) * unitSeconds[unit!]!,
  )
  const back = 1000 * (Math.max(0, ...ranges) + 2 * scrapeSeconds)
  const offset = expr.includes(' offset 1w') ? week : 0
  return (seconds) => quiet(1000 * seconds - offset - back, 1000 * seconds - offset)
}

const missing = [
  ...(prometheusInstalled() ? [] : ['prometheus']),
  ...(victoriaInstalled() ? [] : ['victoria-metrics']),
]

t.test('every board query on three engines', { timeout: 300_000 }, async (t) => {
  if (missing.length > 0) {
    const reason = `not installed: ${missing.join(', ')}`
    if (process.env['CALLWARD_REQUIRE_PEERS'] === '1') t.fail(reason)
    else t.pass(reason, { skip: reason })
    return
  }
  const queries = boardQueries()
  const names = [...queries.keys()].flatMap((expr) => uses(parsed(expr)).map((use) => use.metric))
  const series = boardWeek(new Set(names))
  const samples = series.reduce((sum, { times }) => sum + times.length, 0)
  t.comment(`${queries.size} queries; ${series.length} series, ${samples} samples`)
  const engines = await threeEngines(t, series, weekStart, weekEnd)

  const needed = new Set<object>()
  const count = { answers: 0, points: 0, exact: 0, within: 0, known: 0, overGaps: 0, empty: 0 }
  /** Passes what the list knows, and fails the rest. */
  const judge = (
    difference: Difference | undefined,
    engine: 'Prometheus' | 'VictoriaMetrics',
    expr: string,
    ask: Ask,
    place: string,
  ) => {
    if (difference === undefined) return
    const reason = known.find(
      (one) =>
        one.engine === engine &&
        one.query.test(expr) &&
        one.asks.includes(ask.name) &&
        difference.widest <= one.most,
    )
    const line = `${place}, ${ask.name}, against ${engine}: ${told(difference)}`
    if (reason === undefined) {
      t.fail(line, { expr })
      return
    }
    needed.add(reason)
    count.known++
    t.comment(`${line}: ${reason.why}`)
  }

  const againstVictoria = (hub: Points, there: Points, expr: string, ask: Ask, place: string) => {
    if (!/\b(rate|increase|deriv)\(/.test(expr)) {
      count.exact++
      judge(compare(hub, there, rounding), 'VictoriaMetrics', expr, ask, place)
      return
    }
    const wholly = readsQuiet(askedOf(expr, ask).expr)
    count.within++
    judge(compare(hub, there, 0.02, wholly), 'VictoriaMetrics', expr, ask, place)
    const rest = compare(hub, there, 0.02, (seconds) => !wholly(seconds))
    if (rest === undefined) return
    count.overGaps++
    t.comment(`${place}, ${ask.name}, against VictoriaMetrics: ${told(rest)}: ${overGaps}`)
  }

  for (const ask of asks) {
    for (const [expr, [place = '']] of queries) {
      const asked = askedOf(expr, ask)
      const [hub, prometheus, victoria] = await Promise.all([
        engines.hub.ask(asked),
        engines.Prometheus.ask(asked),
        engines.VictoriaMetrics.ask(asked),
      ])
      count.answers++
      for (const values of hub.values()) count.points += values.size
      if (hub.size === 0) {
        const reason = empty.find((one) => one.query.test(expr) && one.asks.includes(ask.name))
        if (reason === undefined) t.fail(`${place}, ${ask.name}: no answer`, { expr })
        else needed.add(reason)
        count.empty++
      }
      judge(compare(hub, prometheus, rounding), 'Prometheus', expr, ask, place)
      againstVictoria(hub, victoria, expr, ask, place)
      if (ask.stepSeconds === undefined && expr.startsWith('sort'))
        for (const [name, other] of Object.entries({ prometheus, victoria })) {
          const difference = compare(
            new Map([['in order', new Map(inOrder(hub).entries())]]),
            new Map([['in order', new Map(inOrder(other).entries())]]),
            0.02,
          )
          t.equal(difference, undefined, `${place}, ${ask.name}: sorted as by ${name}`)
        }
    }
  }
  t.comment(
    `${count.answers} answers of each engine, ${count.points} points, ${count.empty} without a series; ${count.known} differ for a listed reason`,
  )
  t.comment(
    `with VictoriaMetrics ${count.exact} exactly, ${count.within} within 2 % where counters are whole; ${count.overGaps} differ elsewhere`,
  )
  for (const reason of [...known, ...empty])
    if (!needed.has(reason)) t.fail(`nothing differs any more: ${reason.why}`)
  t.equal(count.answers, asks.length * queries.size)
})
