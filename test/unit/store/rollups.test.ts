import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import t from 'tap'
import type { Series, Value } from '../../../server/promql/answer.ts'
import { createEngine } from '../../../server/promql/engine.ts'
import { dayMillis } from '../../../server/store/parts/part-format.ts'
import { rollUp } from '../../../server/store/parts/rollup.ts'
import type { ReadLimits, StoreReader } from '../../../server/store/reader.ts'
import fc from '../../helpers/property.ts'
import { generationOf, Shelf, seriesCount, type Write } from './parts-kit.ts'
import { base, hour, temporaryFolder } from './store-kit.ts'

const start = Math.floor(base / dayMillis) * dayMillis
const minute = 60_000

/** How a series goes: a value for each sample, from numbers that are drawn. */
type Course = 'counter' | 'gauge' | 'constant' | 'holes' | 'odd'

function courseValue(course: Course, i: number, dice: number): Write['value'] | undefined {
  if (course === 'constant') return 7
  // Resets now and then.
  if (course === 'counter') return (i % 173) * 3 + (dice % 3)
  if (course === 'gauge') return 200 + Math.sin(i / 20) * 50 + (dice % 1000) / 100
  if (course === 'holes') {
    if (i % 200 > 120) return i % 200 === 121 ? 'stale' : undefined
    return i + (dice % 2) / 4
  }
  return [Number.NaN, Infinity, -Infinity, -0, 1e300, 2, 3, 4][dice % 8]!
}

const course = fc.constantFrom<Course>('counter', 'gauge', 'constant', 'holes', 'odd')
const scene = fc.record({
  courses: fc.array(course, { minLength: seriesCount, maxLength: seriesCount }),
  /** Seconds from sample to sample. */
  every: fc.constantFrom(15, 60),
  /** Where the samples lie on the grid of buckets: on its lines, too. */
  shift: fc.constantFrom(0, 1, 3000, 14_999),
  seed: fc.nat(),
  /** Entries that come late: by hour of two days. */
  late: fc.array(fc.record({ hour: fc.nat({ max: 47 }), sealed: fc.boolean() }), { maxLength: 2 }),
})
type Scene = typeof scene extends fc.Arbitrary<infer S> ? S : never

function writesOf({ courses, every, shift, seed }: Scene, day: number): Write[] {
  const found: Write[] = []
  let dice = (seed + day * 7919) >>> 0
  for (let i = 0, t = start + day * dayMillis + shift; t < start + (day + 1) * dayMillis; i++) {
    for (let id = 0; id < seriesCount; id++) {
      dice = (Math.imul(dice, 1_664_525) + 1_013_904_223) >>> 0
      const value = courseValue(courses[id]!, i + day * 1000, dice >>> 8)
      if (value !== undefined) found.push({ id, t, value })
    }
    t += every * 1000
  }
  return found
}

/** Tells of the reads that gave a roll-up. */
function watched(reader: StoreReader, seen: Set<string>): StoreReader {
  return {
    ...reader,
    async select(matchers, from, to, limits: ReadLimits = {}) {
      const found = await reader.select(matchers, from, to, limits)
      if (found.some(({ isRolledUp }) => isRolledUp))
        seen.add(`${limits.rollup?.column} ${limits.rollup?.resolution}`)
      return found
    },
    series: (...asked) => reader.series(...asked),
    labelNames: (...asked) => reader.labelNames(...asked),
    labelValues: (...asked) => reader.labelValues(...asked),
  }
}

const exact = [
  'up',
  'up offset 1h',
  'rate(up[1h])',
  'increase(up[2h])',
  'increase(up[1d])',
  'delta(up[3h])',
  'rate(up[1h] offset 2h)',
  'min_over_time(up[2h])',
  'max_over_time(up[1h])',
  'last_over_time(up[1h])',
  'first_over_time(up[2h])',
  'present_over_time(up[1h])',
  'absent_over_time(up[1h])',
  'count_over_time(up[2h])',
  'timestamp(up)',
  'max_over_time(up[2h:1h])',
  'resets(up[2h])',
  'irate(up[1h])',
  'up @ 1800000000',
]
const rounded = ['sum_over_time(up[1h])', 'avg_over_time(up[2h])', 'avg_over_time(up[1d])']

function seriesOf(value: Value): readonly Series[] {
  if (value.kind !== 'matrix') throw new Error(`${value.kind} instead of a matrix`)
  return value.series
}

function same(a: number, b: number, close: number): boolean {
  if (Object.is(a, b) || a === b) return true
  return Math.abs(a - b) <= close * Math.max(Math.abs(a), Math.abs(b))
}

function differences(found: readonly Series[], expected: readonly Series[], close: number): string {
  if (found.length !== expected.length) return `${found.length} series, not ${expected.length}`
  for (const [i, one] of found.entries()) {
    const other = expected[i]!
    const name = JSON.stringify(one.labels)
    if (JSON.stringify(one.labels) !== JSON.stringify(other.labels)) return `${name} is another`
    if (one.times.join() !== other.times.join())
      return `${name}: ${one.times.length} points, not ${other.times.length}`
    for (const [k, value] of one.values.entries())
      if (!same(value, other.values[k]!, close))
        return `${name} at ${one.times[k]}: ${value}, not ${other.values[k]}`
  }
  return ''
}

async function plays(folder: string, scene: Scene, seen: Set<string>): Promise<void> {
  const shelf = await Shelf.open(folder)
  let order = 0
  const seal = async (writes: readonly Write[]) => {
    shelf.unsealed.push(generationOf(++order, writes))
    while (shelf.unsealed.length > 0) await shelf.seal()
  }
  try {
    for (let day = 0; day < 2; day++) await seal(writesOf(scene, day))
    await shelf.parts.compact()
    // Of a third day there are only samples.
    await seal(writesOf(scene, 2))
    for (const late of scene.late.toSorted((a, b) => Number(b.sealed) - Number(a.sealed))) {
      const writes = [{ id: 1, t: start + late.hour * hour + 1234, value: 12_345 }]
      if (late.sealed) await seal(writes)
      else shelf.unsealed.push(generationOf(++order, writes))
    }
    const engine = createEngine({ reader: watched(shelf.reads, seen), limits: { maxSeries: 100 } })
    const ask = async (query: string, step: number, coarsestMilliseconds: number) =>
      seriesOf(
        (
          await engine.range(query, start - 4 * hour, start + 3 * dayMillis, step, {
            coarsestMilliseconds,
          })
        ).value,
      )
    const check = async (query: string, step: number, close: number, instead = query) => {
      const found = await ask(query, step, Infinity)
      const problem = differences(found, await ask(instead, step, 0), close)
      if (problem !== '') throw new Error(`${query} by ${step / minute} min: ${problem}`)
    }
    for (const step of [2 * hour, 30 * minute]) {
      for (const query of exact) await check(query, step, 0)
      for (const query of rounded) await check(query, step, 1e-12)
    }
    // A window one scrape longer than its buckets.
    const longer = scene.every === 15 ? '7215s' : '7260s'
    for (const name of ['rate', 'increase', 'delta'])
      await check(`${name}(up[${longer}])`, 2 * hour, 0)
    if (scene.late.length === 0)
      await check(`max_over_time(up[${longer}])`, 2 * hour, 0, 'max_over_time(up[2h])')
    // Some scrapes longer: what is left out is reckoned from the rest.
    if (scene.courses.every((one) => one === 'counter' || one === 'constant'))
      await check('rate(up[125m])', 2 * hour, 0.05)
    await check('rate(up[2h])', 7 * minute, 0)
  } finally {
    await shelf.parts.close()
  }
}

t.test('a roll-up gives what the samples give', async (t) => {
  const seen = new Set<string>()
  await fc.assert(
    fc.asyncProperty(scene, async (scene) => {
      const folder = temporaryFolder(t)
      await plays(folder, scene, seen)
      rmSync(folder, { recursive: true })
    }),
    { numRuns: 10 },
  )
  for (const column of ['last', 'edges', 'min', 'max', 'sum'])
    t.ok(seen.has(`${column} 3600000`), `${column} of 1 h was read`)
  for (const column of ['last', 'edges'])
    t.ok(seen.has(`${column} 300000`), `${column} of 5 min was read`)
})

t.test('columns of a series', async (t) => {
  const times = Float64Array.from({ length: 1440 }, (_, i) => start + i * 5000)
  const entriesOf = (value: (i: number) => number) => ({
    times,
    values: Float64Array.from(times, (_, i) => value(i)),
    staleTimes: Float64Array.of(start + 1),
  })
  const names = (value: (i: number) => number, resolution = hour) =>
    rollUp(entriesOf(value), resolution).map(({ column }) => column)
  t.strictSame(
    names((i) => i),
    ['last', 'edges', 'edgeCounts'],
    'a counter has edges',
  )
  t.strictSame(
    names((i) => i % 7),
    ['last', 'min', 'max', 'sum', 'count'],
    'what moves has extremes and sums',
  )
  t.strictSame(
    names(() => 5),
    ['last', 'edges', 'edgeCounts', 'min', 'max', 'sum', 'count'],
    'what stays the same has both',
  )
  t.strictSame(
    names((i) => (i === 9 ? Number.NaN : i)),
    ['last', 'min', 'max', 'sum', 'count'],
    'NaN hides falls',
  )
  t.strictSame(
    names((i) => i, 20_000),
    [],
    'what saves little is left out',
  )
  const sums = (value: (i: number) => number) =>
    rollUp(entriesOf(value), hour).find(({ column }) => column === 'sum')?.values
  t.strictSame([...sums(() => 0.1)!], [0.1, 72, 71.9], 'sums of decimals are exact')
  t.strictSame(
    sums((i) => (i % 2 === 0 ? 2 ** 60 : -(2 ** 60)))![1],
    0,
    'those of large numbers are added as they are',
  )
  t.equal(
    rollUp({ ...entriesOf(() => 5), times: times.subarray(0, 900) }, hour).length,
    0,
    'a short day is left as it is',
  )
  t.strictSame(
    names((i) => i % 400),
    ['last', 'edges', 'edgeCounts', 'min', 'max', 'sum', 'count'],
    'what falls now and then has both',
  )
  const [last, edges, counts] = rollUp(
    entriesOf((i) => (i < 100 ? i : i - 100)),
    hour,
  )
  t.strictSame(
    [...last!.times],
    [start, start + hour, start + 1439 * 5000],
    'a bucket is open on the left',
  )
  t.strictSame([...last!.staleTimes], [start + 1], 'stale marks stand with the newest samples')
  t.strictSame([...edges!.values], [0, 1, 99, 0, 620, 621, 1339], 'both sides of a fall are kept')
  t.strictSame([...counts!.values], [1, 1, 98, 1, 620, 1, 718], 'and how many samples lie between')
})

t.test('where a roll-up is damaged the samples are read', async (t) => {
  const shelf = await Shelf.open(temporaryFolder(t))
  const writes = Array.from({ length: 2880 }, (_, i) => ({
    id: 1,
    t: start + i * 30_000,
    value: i,
  }))
  shelf.unsealed.push(generationOf(1, writes))
  await shelf.seal()
  await shelf.parts.compact()
  const [part] = shelf.parts.all
  const ask = () =>
    shelf.reads.select([], start, start + dayMillis, {
      rollup: { resolution: hour, column: 'edges' },
    })
  const [rolled] = await ask()
  t.strictSame(
    [rolled?.isRolledUp, rolled?.times.length],
    [true, 48 + 1],
    'an hour has two edges; midnight is an hour of its own',
  )
  t.ok(
    part!.rollups.every(({ runs }) => runs.length === 0),
    'the index tells which series have data by the samples alone',
  )
  const slot = part!.rollups.find(({ resolution }) => resolution === hour)!
  const bytes = readFileSync(part!.path)
  const directory = slot.blockOffsets[0]!
  for (const [what, from, to] of [
    ['columns', 0, directory],
    ['directory', directory, slot.length],
  ] as const) {
    const broken = Buffer.from(bytes)
    for (let at = from; at < to; at++) broken[slot.offset + at]! ^= 1
    writeFileSync(part!.path, broken)
    // Opened anew, nothing of the file is in memory.
    const other = await Shelf.open(shelf.folder)
    const [samples] = await other.reads.select([], start, start + dayMillis, {
      rollup: { resolution: hour, column: 'edges' },
    })
    t.strictSame([samples?.isRolledUp ?? false, samples?.times.length], [false, 2880], what)
    t.ok(other.parts.damaged > 0, 'which is counted')
    t.match(other.logger.lines, [/^error part of a sealed file is damaged/])
    await other.parts.close()
  }
  await shelf.parts.close()
})
