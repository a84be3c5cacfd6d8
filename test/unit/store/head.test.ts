import t from 'tap'
import { Generation, looseRow } from '../../../server/store/head/generation.ts'
import type { Group } from '../../../server/store/head/group.ts'
import { Head } from '../../../server/store/head/head.ts'
import { SampleRoom } from '../../../server/store/head/sample-room.ts'
import { Spans } from '../../../server/store/head/spans.ts'
import type { PartSource } from '../../../server/store/parts/part-source.ts'
import type { LatestEntry } from '../../../server/store/reader.ts'
import { RecentColumns } from '../../../server/store/recent-columns.ts'
import { absentHigh, type Entries, staleHigh } from '../../../server/store/samples.ts'
import { SeriesIndex } from '../../../server/store/series/series-index.ts'
import fc from '../../helpers/property.ts'
import { row } from './store-kit.ts'

const seriesCount = 7
type Cell = number | 'absent' | 'stale'

/** What a generation should hold: entries by series and time. */
type Held = Map<number, Map<number, string>>

const cell: fc.Arbitrary<Cell> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(0, -0, 1.5, -7, Number.NaN, Infinity, 1e300) },
  { weight: 1, arbitrary: fc.constant('absent' as const) },
  { weight: 1, arbitrary: fc.constant('stale' as const) },
)
const time = fc.integer({ min: 0, max: 12 })
const series = fc.integer({ min: 0, max: seriesCount - 1 })

type Step =
  | { readonly kind: 'open'; readonly ids: readonly number[] }
  | { readonly kind: 'extend'; readonly stream: number; readonly id: number }
  | {
      readonly kind: 'row'
      readonly stream: number
      readonly ahead: number
      readonly cells: readonly Cell[]
    }
  | {
      readonly kind: 'loose'
      readonly t: number
      readonly cells: readonly (readonly [number, Cell])[]
    }
  | { readonly kind: 'undo'; readonly count: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('open' as const),
      ids: fc.array(series, { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('extend' as const), stream: fc.nat(3), id: series }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('row' as const),
      stream: fc.nat(3),
      ahead: fc.integer({ min: -3, max: 3 }),
      cells: fc.array(cell, { minLength: 8, maxLength: 8 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('loose' as const),
      t: time,
      cells: fc.array(fc.tuple(series, cell), { maxLength: 4 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('undo' as const), count: fc.nat(4) }),
  },
)

interface Stream {
  ids: Uint32Array
  group: Group | undefined
  last: number
}

function text(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value)
}

function bitmap(cells: readonly Cell[], kind: Cell): Uint8Array | undefined {
  const bits = new Uint8Array(Math.ceil(cells.length / 8))
  cells.forEach((c, i) => {
    if (c === kind) bits[i >> 3]! |= 1 << (i & 7)
  })
  return bits.some((byte) => byte !== 0) ? bits : undefined
}

/** Runs steps against a generation and against plain maps side by side. */
class Run {
  readonly generation: Generation
  held: Held = new Map()
  private readonly streams: Stream[] = []
  private readonly undos: (() => void)[] = []

  constructor(generation = new Generation(1, 0)) {
    this.generation = generation
  }

  take(step: Step): void {
    if (step.kind === 'open' && this.streams.length < 4) {
      const ids = Uint32Array.from(step.ids)
      this.streams.push({ ids, group: this.generation.openGroup(ids, 1), last: 0 })
    } else if (step.kind === 'extend') this.extend(step.stream, step.id)
    else if (step.kind === 'row') this.row(step.stream, step.ahead, step.cells)
    else if (step.kind === 'loose') this.loose(step.t, step.cells)
    else if (step.kind === 'undo') for (let i = 0; i < step.count; i++) this.undos.pop()?.()
  }

  private extend(number: number, id: number): void {
    const stream = this.streams[number]
    if (!stream || stream.ids.length >= 8) return
    stream.ids = Uint32Array.from([...stream.ids, id])
    const fresh = Uint32Array.of(id)
    if (stream.group && !this.generation.extendGroup(stream.group, fresh)) stream.group = undefined
  }

  private remember(undo: () => void): void {
    const before = new Map([...this.held].map(([id, entries]) => [id, new Map(entries)]))
    this.undos.push(() => {
      undo()
      this.held = before
    })
  }

  private row(number: number, ahead: number, drawn: readonly Cell[]): void {
    const stream = this.streams[number]
    if (!stream) return
    const { ids, group } = stream
    const t = Math.max(0, stream.last + ahead)
    stream.last = t
    // The last of several columns of one series counts; a mark is written after the samples.
    const cells = drawn.slice(0, ids.length)
    const values = Float64Array.from(cells, (c) => (typeof c === 'number' ? c : 99))
    const absent = bitmap(cells, 'absent')
    const stale = bitmap(cells, 'stale')
    if (group && this.generation.takes(group, t)) {
      const rows = group.rows
      this.remember(() => group.truncate(rows))
      this.generation.appendRow(group, t, values, absent, stale)
    } else {
      const loose = looseRow(t, ids, values, absent, stale)
      let written: ReturnType<Generation['write']> | undefined
      this.remember(() => this.generation.undo(written!))
      written = this.generation.write(loose)
    }
    for (const [i, c] of cells.entries()) if (typeof c === 'number') this.set(ids[i]!, t, c)
    for (const [i, c] of cells.entries()) if (c === 'stale') this.set(ids[i]!, t, c)
  }

  private loose(t: number, cells: readonly (readonly [number, Cell])[]): void {
    const samples = cells.filter(([, c]) => typeof c === 'number')
    const marks = cells.filter(([, c]) => c === 'stale')
    let written: ReturnType<Generation['write']> | undefined
    this.remember(() => this.generation.undo(written!))
    written = this.generation.write(
      row(
        t,
        samples.map(([id]) => id),
        samples.map(([, c]) => c as number),
        marks.map(([id]) => id),
      ),
    )
    for (const [id, c] of [...samples, ...marks]) this.set(id, t, c)
  }

  private set(id: number, t: number, c: Cell): void {
    const entries = this.held.get(id) ?? new Map<number, string>()
    this.held.set(id, entries.set(t, typeof c === 'number' ? text(c) : c))
  }

  /** Entries of a series within [start, end] as the model has them. */
  expected(id: number, start: number, end: number): string {
    return [...(this.held.get(id) ?? [])]
      .filter(([at]) => at >= start && at <= end)
      .sort((a, b) => a[0] - b[0])
      .map(([at, value]) => `${at}=${value}`)
      .join(' ')
  }
}

function plainEntries(entries: Entries | undefined): string {
  if (!entries) return ''
  const all: [number, string][] = [...entries.times].map((at, i) => [at, text(entries.values[i]!)])
  for (const at of entries.staleTimes) all.push([at, 'stale'])
  return all
    .sort((a, b) => a[0] - b[0])
    .map(([at, value]) => `${at}=${value}`)
    .join(' ')
}

/** What a reader of the part source would find, loose entries over those of groups. */
function fromSource({ groups, loose }: PartSource): Map<number, Map<number, string>> {
  const found = new Map<number, Map<number, string>>()
  const put = (id: number, at: number, value: number, high: number) => {
    if (high === absentHigh) return
    const entries = found.get(id) ?? new Map<number, string>()
    found.set(id, entries.set(at, high === staleHigh ? 'stale' : text(value)))
  }
  for (const { ids, rows, capacity, times, values } of groups) {
    const words = new Uint32Array(values.buffer)
    ids.forEach((id, c) => {
      for (let r = 0; r < rows; r++) {
        const at = c * capacity + r
        if (found.get(id)?.has(times[r]!) && words[at * 2 + 1] !== absentHigh)
          throw new Error(`series ${id} stands twice at ${times[r]}`)
        put(id, times[r]!, values[at]!, words[at * 2 + 1]!)
      }
    })
  }
  loose.ids.forEach((id, i) => {
    const slab = loose.slabs[loose.slab[i]!]!
    const words = new Uint32Array(slab.buffer)
    for (let k = 0; k < loose.count[i]!; k++) {
      const at = loose.offset[i]! + loose.room[i]! + k
      put(id, slab[loose.offset[i]! + k]!, slab[at]!, words[at * 2 + 1]!)
    }
  })
  return found
}

t.test('rows, loose entries, marks, undone writes: a generation holds what a map holds', (t) => {
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 1, maxLength: 60 }),
      time,
      fc.nat(12),
      (steps, start, length) => {
        const run = new Run()
        for (const next of steps) run.take(next)
        const source = fromSource(run.generation.partSource())
        for (let id = 0; id < seriesCount; id++) {
          for (const [from, to] of [
            [-Infinity, Infinity],
            [start, start + length],
          ] as const) {
            const expected = run.expected(id, from, to)
            const found = plainEntries(run.generation.entries(id, from, to))
            if (found !== expected)
              throw new Error(`series ${id} [${from}, ${to}]: ${found}, not ${expected}`)
            if (run.generation.has(id, from, to) !== (expected !== ''))
              throw new Error(`series ${id} [${from}, ${to}]: has`)
            const newest = expected.split(' ').at(-1)
            if (latestOf(run.generation, id, from, to) !== newest)
              throw new Error(`series ${id} [${from}, ${to}]: latest is not ${newest}`)
          }
          const sourced = [...(source.get(id) ?? [])]
            .sort((a, b) => a[0] - b[0])
            .map(([at, value]) => `${at}=${value}`)
            .join(' ')
          if (sourced !== run.expected(id, -Infinity, Infinity))
            throw new Error(`series ${id} as a part's source: ${sourced}`)
        }
        const ids = [...run.generation.ids()]
        if (ids.some((id, i) => i > 0 && ids[i - 1]! >= id)) throw new Error('ids do not ascend')
        if ([...run.held].some(([id, entries]) => entries.size > 0 && !ids.includes(id)))
          throw new Error('an id is missing')
      },
    ),
    { numRuns: 1500 },
  )
  t.pass('1500 histories')
  t.end()
})

/** The newest entry, written as in `Run.expected`. */
function latestOf(
  source: Pick<Generation, 'latest'>,
  id: number,
  start: number,
  end: number,
): string {
  const found = { time: -Infinity, value: 0, isMark: false }
  source.latest(id, start, end, found)
  if (found.time === -Infinity) return ''
  return `${found.time}=${found.isMark ? 'stale' : text(found.value)}`
}

type HeadStep = Step | { readonly kind: 'freeze' } | { readonly kind: 'seal' }

const headStep: fc.Arbitrary<HeadStep> = fc.oneof(
  { weight: 10, arbitrary: step.filter(({ kind }) => kind !== 'undo') },
  { weight: 1, arbitrary: fc.constant({ kind: 'freeze' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'seal' as const }) },
)

t.test('over generations the newest entry and gathered samples are those of the column', (t) => {
  let gathered = 0
  let unanswered = 0
  fc.assert(
    fc.property(
      fc.array(headStep, { minLength: 1, maxLength: 60 }),
      time,
      fc.nat(12),
      (steps, start, length) => {
        let run = new Run()
        const head = new Head([run.generation])
        for (const next of steps) {
          if (next.kind === 'freeze' || next.kind === 'seal') {
            for (const group of head.freeze(0).groups) group.freeze()
            run = new Run(head.open)
            if (next.kind === 'seal') head.seal(head.frozen[0]!)
          } else run.take(next)
        }
        const columns = new RecentColumns(new SeriesIndex(1), head)
        for (let id = 0; id < seriesCount; id++) {
          const end = start + length
          const column = columns.column(id, start, end)
          const samples = columns.samples(id, start, end)
          if ((column === undefined) !== (samples === undefined)) throw new Error('samples: memory')
          if (column === undefined || samples === undefined) {
            unanswered++
            continue
          }
          const room = new SampleRoom()
          head.gather(id, start, end, room)
          if (!room.tangled) gathered++
          const plain = ({ times, values }: typeof samples) =>
            JSON.stringify([[...times], [...values].map(text)])
          if (plain(samples) !== plain(column))
            throw new Error(`series ${id}: ${plain(samples)}, not ${plain(column)}`)
          const newest = plainEntries(column).split(' ').at(-1)
          if (latestOf(head, id, start, end) !== newest)
            throw new Error(`series ${id}: ${latestOf(head, id, start, end)}, not ${newest}`)
        }
      },
    ),
    { numRuns: 1500 },
  )
  t.ok(gathered > 5000, `${gathered} columns gathered without a detour`)
  t.ok(unanswered > 100, `${unanswered} columns not in memory alone`)
  t.end()
})

t.test('a long column of one series moves to larger rooms and loses nothing', (t) => {
  const generation = new Generation(1, 0)
  const count = 40_000
  for (let i = 0; i < count; i++) {
    generation.write(row(i * 2, [3], [i]))
    if (i % 100 === 0) generation.write(row(i * 2 - 1, [5], [-i]))
  }
  const { times, values } = generation.entries(3)!
  t.equal(times.length, count)
  t.ok(times.every((at, i) => at === i * 2 && values[i] === i))
  t.equal(generation.entries(5)!.times.length, count / 100)
  t.equal(generation.entries(4), undefined)
  t.end()
})

t.test('a stream that grows by a column a report is not copied with each', (t) => {
  const reports = 1000
  const generation = new Generation(1, 0)
  const group = generation.openGroup(Uint32Array.of(0), 1)!
  t.equal(group.bytes, 8 * 16 * 2 + 4, 'no column to spare before a new one comes')
  let [copies, values] = [0, group.values]
  for (let at = 1; at <= reports; at++) {
    generation.appendRow(group, at, new Float64Array(at).fill(at), undefined, undefined)
    t.ok(generation.extendGroup(group, Uint32Array.of(at)))
    if (group.values !== values) copies++
    values = group.values
  }
  t.ok(copies < 60, `${copies} copies`)
  t.ok(group.bytes < 1.2 * 8 * group.capacity * reports)
  const before = group.ids
  for (const twice of [[0], [reports], [reports + 1, reports + 1]])
    t.notOk(generation.extendGroup(group, Uint32Array.from(twice)), `${twice} would stand twice`)
  t.equal(group.ids, before)
  for (let id = 0; id < reports; id++) {
    const { times, values } = generation.entries(id)!
    if (
      times.length !== reports - id ||
      times[0] !== id + 1 ||
      values.some((v, i) => v !== times[i])
    )
      t.fail(`series ${id}: ${times.length} entries from ${times[0]} on`)
  }
  t.equal(generation.entries(reports), undefined)
  t.end()
})

t.test('recent reads end where parts begin', (t) => {
  const head = new Head([new Generation(1, 0)])
  const write = (at: number) => head.open.write(row(at, [0], [at]))
  write(10)
  t.equal(head.recent(0, 20)?.length, 1, 'nothing is in parts yet')
  const first = head.freeze(1)
  write(20)
  t.same(
    head.overlapping(0, 30).map(({ order }) => order),
    [1, 2],
  )
  head.seal(first)
  t.same(
    head.overlapping(0, 30).map(({ order }) => order),
    [2],
    'the part answers for it',
  )
  t.same(
    head.recent(0, 30)?.map(({ order }) => order),
    [1, 2],
    'recent reads still find it in memory',
  )
  head.seal(head.freeze(2))
  write(30)
  t.equal(head.recent(10, 40), undefined, 'the first generation is in its part alone')
  t.same(
    head.recent(11, 40)?.map(({ order }) => order),
    [2, 3],
  )
  head.partsHold(35, -Infinity)
  t.equal(head.recent(35, 40), undefined)
  t.end()
})

t.test('a stray time far ahead does not keep reads from memory', (t) => {
  const minute = 60_000
  const head = new Head([new Generation(1, 0)])
  const far = 10_000_000 * minute
  const found: LatestEntry = { time: 0, value: 0, isMark: false }
  head.partsHold(0, -3 * minute)
  for (let at = 1; at <= 100; at++) {
    head.open.write(row(at * minute, [0], [at]))
    if (at === 7) head.open.write(row(far, [1], [1]))
    if (at % 5 === 0) head.seal(head.freeze(at))
  }
  // What has left memory: up to minute 95, and the stray one.
  t.ok(head.recent(95 * minute + 1, 100 * minute), 'the newest are in memory alone')
  t.ok(head.latest(0, 95 * minute + 1, 100 * minute, found))
  t.equal(found.value, 100)
  t.ok(head.recent(101 * minute, far - 1))
  t.equal(head.recent(101 * minute, far), undefined, 'a read that reaches it must look there too')
  t.notOk(head.latest(1, 101 * minute, far, found))
  t.equal(head.recent(95 * minute, 100 * minute), undefined)
  t.equal(head.recent(-minute, 0), undefined)
  t.ok(head.recent(far + 1, Infinity))
  t.end()
})

t.test('spans hold every time they took, however few they are', (t) => {
  const range = fc.tuple(fc.integer({ min: -500, max: 500 }), fc.nat(30))
  fc.assert(
    fc.property(fc.array(range, { maxLength: 60 }), range, (added, [start, length]) => {
      const gap = 600_000
      const spans = new Spans()
      for (const [from, more] of added) spans.add(from * gap, (from + more) * gap)
      const asked = spans.overlap(start * gap, (start + length) * gap)
      const meets = (space: number) =>
        added.some(([from, more]) => from - space <= start + length && from + more + space >= start)
      if (meets(0)) return asked
      // What is not there may only be said to be next to what is, while the spans are few.
      return added.length > 16 || !asked || meets(1)
    }),
    { numRuns: 2000 },
  )
  t.end()
})
