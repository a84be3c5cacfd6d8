import t from 'tap'
import { createEngine, type Value } from '../../../server/promql/engine.ts'
import { resolve } from '../../../server/promql/eval/plan.ts'
import { matches } from '../../../server/promql/matching.ts'
import { Unplanned } from '../../../server/promql/repeated/plan.ts'
import { makePlan } from '../../../server/promql/repeated/plans.ts'
import type {
  FixedSeries,
  Plan,
  SeriesAtHand,
} from '../../../server/promql/repeated/series-at-hand.ts'
import { makeSlots } from '../../../server/promql/repeated/slots.ts'
import { typeOf } from '../../../server/promql/syntax/ast.ts'
import { ownRulesFolder, readRuleFiles } from '../../../server/rules/rule-files.ts'
import type { Labels, Matcher, SeriesColumn } from '../../../server/store/reader.ts'
import { makeSeries, start } from '../../differential/data.ts'
import { Grammar, productions } from '../../differential/grammar.ts'
import { Random } from '../../differential/random.ts'
import { MemoryReader } from '../../helpers/memory-reader.ts'
import fc from '../../helpers/property.ts'

const engine = createEngine({ reader: new MemoryReader() })
const settings = { slots: makeSlots(), lookback: 300_000, maxSeries: 1_000_000 }

interface HeldSeries extends SeriesColumn {
  readonly labels: Labels
}

/** A host whose series stand in the order given; memory reaches back to `from`. */
function hostOf(
  series: readonly HeldSeries[],
  plans: FixedSeries['plans'] = new Map(),
  from = -Infinity,
): SeriesAtHand & { readonly fixed: FixedSeries } {
  const cut = (place: number, first: number, last: number): HeldSeries => {
    const { labels, times, values, staleTimes } = series[place]!
    const kept = [...times.keys()].filter((at) => times[at]! >= first && times[at]! <= last)
    return {
      labels,
      times: Float64Array.from(kept, (at) => times[at]!),
      values: Float64Array.from(kept, (at) => values[at]!),
      staleTimes: staleTimes.filter((time) => time >= first && time <= last),
    }
  }
  const fixed: FixedSeries = {
    plans,
    select: (matchers) =>
      [...series.keys()]
        .filter((place) =>
          matchers.every((one) => matches(one, series[place]!.labels[one.name] ?? '')),
        )
        .map((place) => ({ place, labels: series[place]!.labels })),
    latest(place, first, last, found) {
      const { times, values, staleTimes } = cut(place, first, last)
      const mark = staleTimes.at(-1) ?? -Infinity
      found.time = Math.max(times.at(-1) ?? -Infinity, mark)
      found.value = values.at(-1) ?? 0
      found.isMark = found.time === mark && mark > -Infinity
      return Math.max(first, found.time) >= from
    },
    samples: (place, first, last) => (first < from ? undefined : cut(place, first, last)),
  }
  return {
    fixed,
    read: (matchers, first, last) =>
      fixed
        .select(matchers)
        .map(({ place }) => cut(place, first, last))
        .filter(({ times, staleTimes }) => times.length + staleTimes.length > 0),
  }
}

/** Series of about 50 label sets, the same for every seed, of which some have nothing, some have ended, some hold what is no number. */
function seriesOf(seed: number): readonly HeldSeries[] {
  const random = new Random(seed)
  return makeSeries(seed).map(({ labels, samples }) => {
    const drawn = random.next()
    const kept = drawn < 0.1 ? [] : samples.filter(() => drawn > 0.3 || random.chance(0.6))
    const numbers = kept.filter(({ value }) => value !== 'stale')
    const odd = random.chance(0.1) ? [Number.NaN, -0, Infinity, 0, -Infinity] : []
    const values = numbers.map(({ value }) =>
      odd.length > 0 && random.chance(0.2) ? random.pick(odd) : Number(value),
    )
    return {
      labels: Object.fromEntries(labels),
      times: Float64Array.from(numbers, (sample) => sample.t),
      values: Float64Array.from(values),
      staleTimes: Float64Array.from(
        kept.filter(({ value }) => value === 'stale'),
        (sample) => sample.t,
      ),
    }
  })
}

/** A value in full: order, labels, and the bits of every number. */
function shown(value: Value | undefined): string {
  const bits = (number: number): string => (Object.is(number, -0) ? '-0' : String(number))
  if (value?.kind === 'scalar') return bits(value.value)
  if (value?.kind !== 'vector') return String(value?.kind)
  return value.samples
    .map(({ labels, time, value: number }) => `${JSON.stringify(labels)} ${time} ${bits(number)}`)
    .join('\n')
}

function outcome(work: () => Value | undefined): string {
  try {
    return shown(work())
  } catch (error) {
    return `fails: ${(error as Error).message}`
  }
}

function planOf(text: string, fixed: FixedSeries): Plan | string {
  try {
    const expr = resolve(engine.parse(text), { start: 0, end: 0, step: 0 })
    return makePlan(expr, fixed, settings)
  } catch (error) {
    if (error instanceof Unplanned) return error.message
    throw error
  }
}

const plans: FixedSeries['plans'] = new Map()
const seeds = [1, 2, 3, 4]
const hosts = seeds.map((seed) => hostOf(seriesOf(seed), plans))
/** The same, remembered for 25 minutes of the two hours. */
const recent = seeds.map((seed) => hostOf(seriesOf(seed), plans, start + 5_000_000))

/** Expressions as rules have them: nested filters, sets of filters, ranges of several metrics. */
const handmade = [
  'temp > 30 and on (instance, job) load > 1 unless on (instance) flap < 0',
  'rate(req_total[5m]) > 1 or rate(lat_seconds_count[5m]) > 0.1',
  'rate({__name__=~"req_total|near_total"}[5m])',
  'abs({__name__=~"temp|cap"})',
  '-{__name__=~"temp|cap"}',
  'temp * on (instance) group_left (version, os) info',
  'temp * on (instance) info',
  'load + on (instance) group_right state',
  'cap == bool on (instance, zone) temp',
  'sum by (zone) (temp > 22)',
  'max by (mode) (state > 1)',
  'avg without (zone) (temp) / on (instance) load',
  'quantile by (instance) (scalar(one), state)',
  'clamp(temp, scalar(load), 40)',
  'clamp_min(temp, 30) - clamp_max(temp, 20)',
  'round(temp, 0.25)',
  'absent(load{instance="pbx-1"}) or absent(flap)',
  'timestamp(temp) - timestamp(-temp)',
  'predict_linear(temp[10m], 3600) <= 0',
  'time() - near_total offset 7m < 1.78e9',
  'stddev(req_total) + stdvar(temp) > 1',
  'hour() + vector(scalar(flap))',
  'count(temp > 20) == 3 or group(load)',
  'last_over_time(flap[3m]) >= flap',
]

t.test('a plan gives what the interpreter gives, bit by bit', (t) => {
  const counts = { asked: 0, planned: 0, answered: 0, empty: 0, detours: 0, failing: 0 }
  const reasons = new Map<string, number>()
  const answered = new Set<string>()
  const check = (text: string, time: number) => {
    const plan = planOf(text, hosts[0]!.fixed)
    counts.asked++
    if (typeof plan === 'string') {
      reasons.set(plan, (reasons.get(plan) ?? 0) + 1)
      return
    }
    counts.planned++
    const query = engine.repeated(engine.parse(text))
    for (const [index, host] of hosts.entries()) {
      const interpreted = outcome(() => query(time, { read: host.read }))
      for (const { fixed } of [host, recent[index]!]) {
        const found = plan(time, fixed)
        if (found === undefined) {
          if (fixed === host.fixed && !interpreted.startsWith('fails')) counts.detours++
        } else if (shown(found) !== interpreted)
          throw new Error(`${text} at ${time} of ${index}: ${shown(found)}, not ${interpreted}`)
        else if (interpreted === '') counts.empty++
        else {
          counts.answered++
          answered.add(text)
        }
      }
      const whole = outcome(() => query(time, host))
      if (whole !== interpreted) throw new Error(`${text}: ${whole}, not ${interpreted}`)
      if (whole.startsWith('fails')) counts.failing++
    }
  }
  fc.assert(
    fc.property(fc.integer(), fc.nat(productions.length - 1), (seed, number) => {
      const { text, time } = new Grammar(new Random(seed)).query(productions[number]!)
      check(text, time)
    }),
    { numRuns: 1000 },
  )
  for (const text of handmade) {
    for (let time = start + 2_000_000; time < start + 7_300_000; time += 197_000) check(text, time)
  }
  const { asked, planned } = counts
  t.comment(JSON.stringify(counts))
  t.comment(JSON.stringify(Object.fromEntries([...reasons].sort((a, b) => b[1] - a[1]))))
  t.ok(planned / asked > 0.6, `${planned} of ${asked} expressions were planned`)
  t.same(
    handmade.filter((text) => !answered.has(text)),
    ['abs({__name__=~"temp|cap"})', '-{__name__=~"temp|cap"}', 'temp * on (instance) info'],
    'all but what the interpreter refuses had a result by plan',
  )
  t.ok(
    counts.detours < counts.answered / 20,
    `${counts.detours} results left to the interpreter: groups in another order`,
  )
  t.ok(counts.answered > 4_000, `${counts.answered} results`)
  t.ok(counts.failing > 50, `${counts.failing} faults, told by the interpreter`)
  t.end()
})

/** The text of a vector held against limits, two of them from both sides. */
function limited(text: string, seed: number): string[] {
  const random = new Random(seed)
  const limits = ['0', '-2.5', '20', '1e9', '-Inf', 'NaN']
  const ops = ['>', '>=', '<', '<=', '==', '> bool']
  return [0, 1, 2].map(() => `(${text}) ${random.pick(ops)} ${random.pick(limits)}`)
}

t.test('asked together, what is left out gives nothing', (t) => {
  const counts = { asked: 0, empty: 0, needless: 0 }
  const check = (texts: readonly string[], time: number) => {
    const groups = [texts.slice(0, 3), texts.slice(3), texts].map((group) =>
      group.map((text) => engine.parse(text)),
    )
    const together = engine.together(groups)
    const queries = groups.map((group) => group.map(engine.repeated))
    for (const [index, host] of hosts.entries()) {
      for (const { fixed } of [host, recent[index]!]) {
        const look = together(time, fixed)!
        for (const [number, group] of queries.entries()) {
          const open = look(number)
          if (open.some((one, at) => at > 0 && one <= open[at - 1]!)) throw new Error('order')
          for (const [at, query] of group.entries()) {
            const given = outcome(() => query(time, { read: host.read }))
            counts.asked++
            if (given === '' && fixed === host.fixed) {
              counts.empty++
              if (open.includes(at)) counts.needless++
            }
            if (!open.includes(at) && given !== '')
              throw new Error(`${texts.join('\n')}\nat ${time} of ${index}: ${given} is left out`)
          }
        }
      }
    }
  }
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer(), fc.nat(productions.length - 1)), {
        minLength: 2,
        maxLength: 4,
      }),
      (drawn) => {
        const found = drawn.map(([seed, number]) => ({
          seed,
          ...new Grammar(new Random(seed)).query(productions[number]!),
        }))
        const texts = found.flatMap(({ seed, text }) => [
          text,
          ...(typeOf(engine.parse(text)) === 'vector' ? limited(text, seed) : []),
        ])
        check(texts, found[0]!.time)
      },
    ),
    { numRuns: 60 },
  )
  for (let time = start + 2_000_000; time < start + 7_300_000; time += 997_000) {
    check([...handmade, ...handmade.slice(0, 8).flatMap(limited)], time)
  }
  t.comment(JSON.stringify(counts))
  t.ok(counts.empty > 1_000 && counts.empty < counts.asked, 'some give something')
  t.ok(
    counts.needless < counts.empty / 4,
    `${counts.needless} of ${counts.empty} that give nothing are asked in vain`,
  )
  t.end()
})

t.test('asked together, each series is read once', (t) => {
  const { fixed } = hostOf(seriesOf(7))
  const reads = new Map<string, number>()
  const count = (what: string) => reads.set(what, (reads.get(what) ?? 0) + 1)
  const counted: FixedSeries = {
    ...fixed,
    latest(place, ...rest) {
      count(`newest of ${place}`)
      return fixed.latest(place, ...rest)
    },
    samples(place, ...rest) {
      count(`range of ${place}`)
      return fixed.samples(place, ...rest)
    },
  }
  const groups = [0, 1].map((group) =>
    Array.from({ length: 100 }, (_, number) => [
      `temp > ${1e6 + number + group}`,
      `temp < ${-1e6 - number}`,
      `rate(req_total[5m]) > ${1e6 + number}`,
      `temp > 1e6 and load > ${number}`,
    ])
      .flat()
      .map((text) => engine.parse(text)),
  )
  const together = engine.together(groups)
  const time = start + 3_000_000
  for (let round = 1; round <= 3; round++) {
    const look = together(time, counted)!
    t.same([look(0), look(1)], [[], []])
    t.same(new Set(reads.values()), new Set([round]), 'by 800 expressions')
  }
  t.ok(reads.size > 4)
  const stale = together(time, counted)!
  together(time, counted)
  t.throws(() => stale(0), /BUG/, 'a look is over when the next begins')
  t.equal(together(time, undefined), undefined, 'series that come and go')
  t.end()
})

t.test('one plan serves hosts of one layout, another layout gets its own', (t) => {
  const [first, second] = [seriesOf(5), seriesOf(6)]
  const query = engine.repeated(engine.parse('sum by (instance) (temp) > 10'))
  const time = start + 3_000_000
  let selected = 0
  const counted = (host: ReturnType<typeof hostOf>) => ({
    ...host,
    fixed: {
      ...host.fixed,
      select(matchers: Parameters<FixedSeries['select']>[0]) {
        selected++
        return host.fixed.select(matchers)
      },
    },
  })
  const shape: FixedSeries['plans'] = new Map()
  for (const series of [first, second, first]) {
    const host = counted(hostOf(series, shape))
    t.equal(
      shown(query(time, host)),
      shown(query(time, { read: host.read })),
      'with the samples of each',
    )
  }
  t.equal(selected, 1, 'planned once')
  const more = {
    labels: { __name__: 'temp', instance: 'pbx-9', zone: 'a' },
    times: Float64Array.of(time),
    values: Float64Array.of(99),
    staleTimes: new Float64Array(0),
  }
  const changed = query(time, hostOf([more, ...first]))
  t.match(shown(changed), /pbx-9"} \d+ 99$/m, 'a series that came is seen')
  t.end()
})

t.test('every shipped rule is planned, whatever series it selects', (t) => {
  const { groups } = readRuleFiles([ownRulesFolder], () => undefined)
  const fixed: FixedSeries = {
    ...hostOf([]).fixed,
    select: (matchers) =>
      ['a', 'b'].map((device, place) => ({
        place,
        labels: { device, instance: 'a', __name__: matchers.find(isName)?.value ?? '' },
      })),
  }
  const left = groups
    .flatMap((group) => group.rules)
    .map(({ expr }) => ({ expr, plan: planOf(expr, fixed) }))
    .filter(({ plan }) => typeof plan === 'string')
  t.same(left, [])
  t.end()
})

function isName({ name }: Matcher): boolean {
  return name === '__name__'
}
