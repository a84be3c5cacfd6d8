import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import Fastify from 'fastify'
import t from 'tap'
import { type EmbeddedStore, openEmbeddedStore } from '../../server/store/embedded-store.ts'
import { createMemoryStore } from '../../server/store/memory-store.ts'
import { storePlugin } from '../../server/store/plugin.ts'
import { type Labels, type Matcher, OutsideMemory } from '../../server/store/reader.ts'
import type { Batch, Row } from '../../server/store/writer.ts'
import fc from '../helpers/property.ts'
import {
  base,
  type Cell,
  dump,
  handClock,
  hour,
  listeningLogger,
  Model,
  openStore,
  plain,
  type ReadWrite,
  row,
  Sender,
  sequenced,
  temporaryFolder,
} from '../unit/store/store-kit.ts'

const names = ['up', 'load1']
const instances = ['a', 'b', '']
const labelSets: readonly Labels[] = names.flatMap((name) =>
  instances.map((instance) => ({ __name__: name, instance, job: 'node' })),
)

type Step =
  | {
      readonly kind: 'append'
      readonly rows: readonly RowPlan[]
      readonly origin: { readonly collector: string; readonly ahead: number } | undefined
    }
  | {
      readonly kind: 'send'
      readonly lane: number
      readonly wider: boolean
      readonly isEncoded: boolean
      readonly rows: readonly LanePlan[]
    }
  | { readonly kind: 'pass'; readonly hours: number }
  | { readonly kind: 'compact' }
  | { readonly kind: 'reopen' }
  | { readonly kind: 'look'; readonly from: number; readonly length: number }

interface RowPlan {
  readonly at: number
  readonly samples: readonly (readonly [number, number])[]
  readonly stale: readonly number[]
}

interface LanePlan {
  readonly at: number
  readonly ahead: number
  readonly cells: readonly Cell[]
}

const series = fc.integer({ min: 0, max: labelSets.length - 1 })
const value = fc.oneof(
  fc.double(),
  fc.integer({ min: -9, max: 9 }),
  fc.constantFrom(-0, 0, Number.NaN, Infinity, -Infinity, 0.1),
)
const time = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 5 }))
      .map(([w, k]) => base + w * 2 * hour + k * 60_000),
  },
  { weight: 1, arbitrary: fc.constantFrom(0, 1, -1, -7_200_001, base - 1, base + 2 * hour - 1) },
)
const rowPlan: fc.Arbitrary<RowPlan> = fc.record({
  at: time,
  samples: fc.array(fc.tuple(series, value), { maxLength: 6 }),
  stale: fc.array(series, { maxLength: 2 }),
})
const lanePlan: fc.Arbitrary<LanePlan> = fc.record({
  at: time,
  ahead: fc.integer({ min: -1, max: 3 }),
  cells: fc.array(
    fc.oneof(
      { weight: 8, arbitrary: value },
      { weight: 1, arbitrary: fc.constantFrom('absent' as const, 'stale' as const) },
    ),
    { minLength: labelSets.length, maxLength: labelSets.length },
  ),
})
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('send' as const),
      lane: fc.nat(1),
      wider: fc.boolean(),
      isEncoded: fc.boolean(),
      rows: fc.array(lanePlan, { minLength: 1, maxLength: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'compact' as const }) },
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      rows: fc.array(rowPlan, { maxLength: 4 }),
      origin: fc.option(
        fc.record({
          collector: fc.constantFrom('c1', 'c2'),
          ahead: fc.integer({ min: -2, max: 3 }),
        }),
        { nil: undefined },
      ),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('pass' as const),
      hours: fc.integer({ min: 1, max: 9 }),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: 'reopen' as const }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('look' as const),
      from: time,
      length: fc.integer({ min: 0, max: 5 * hour }),
    }),
  },
)

function batchOf(plan: Step & { kind: 'append' }, store: ReadWrite, model: Model): Batch {
  const ids = labelSets.map((labels) => store.intern(labels))
  const rows: Row[] = plan.rows.map(({ at, samples, stale }) =>
    row(
      at,
      samples.map(([s]) => ids[s]!),
      samples.map(([, v]) => v),
      stale.map((s) => ids[s]!),
    ),
  )
  if (!plan.origin) return { rows }
  const { collector, ahead } = plan.origin
  const sequence = Math.max(1, (model.positions.get(`${collector}/e/live`) ?? 0) + ahead)
  return sequenced(sequence, rows, collector)
}

/** Layouts of the two lanes: they share every series. */
const layouts = [labelSets, labelSets.toReversed()]

/** Two streams into one store; a reopened store gets new ones. */
class Lanes {
  private readonly store: ReadWrite
  private readonly senders: Sender[]

  constructor(store: ReadWrite) {
    this.store = store
    this.senders = layouts.map((_, lane) => new Sender(store, `lane ${lane}`))
  }

  /** Sends what the step says and waits until it is durable. */
  async send({ lane, wider, isEncoded, rows }: Step & { kind: 'send' }, model?: Model) {
    const sender = this.senders[lane]!
    const layout = layouts[lane]!
    const { stream, key } = sender
    if (stream.columns < layout.length && (wider || stream.columns === 0))
      stream.extend([this.store.intern(layout[stream.columns]!)])
    const columns = layout.map((labels) => this.store.labels(this.store.intern(labels)))
    let sequence = Math.max(sender.committed, this.store.position(key))
    let highest = 0
    for (const { at, ahead, cells } of rows) {
      const mine = Math.max(1, sequence + ahead)
      const row = cells.slice(0, stream.columns)
      sender.send(mine, at, row, isEncoded)
      model?.appendRow(key, mine, at, columns, row)
      sequence = Math.max(sequence, mine)
      highest = Math.max(highest, mine)
    }
    // A repeat is told too, by its own number.
    await sender.durable(highest)
  }
}

async function compare(store: ReadWrite, model: Model, start: number, end: number): Promise<void> {
  const same = (what: string, found: unknown, expected: unknown) => {
    const [a, b] = [JSON.stringify(found), JSON.stringify(expected)]
    if (a !== b) throw new Error(`${what} within [${start}, ${end}]: found ${a}, expected ${b}`)
  }
  const sorted = (record: Record<string, string[]>) =>
    Object.entries(record).sort((a, b) => (a[0] < b[0] ? -1 : 1))
  const isUp: Matcher = { name: '__name__', op: '=', value: 'up' }
  same(
    'everything',
    sorted(await dump(store, start, end)),
    sorted(model.select(start, end, () => true)),
  )
  same(
    'up',
    sorted(plain(await store.select([isUp], start, end))),
    sorted(model.select(start, end, (l) => l['__name__'] === 'up')),
  )
  const sets = model.labelSetsWithin(start, end)
  const text = (labels: readonly Labels[]) =>
    labels.map((set) => JSON.stringify(Object.entries(set).sort())).sort()
  same('series', text(await store.series([[]], start, end)), text(sets))
  same(
    'label names',
    await store.labelNames([], start, end),
    [...new Set(sets.flatMap((set) => Object.keys(set)))].sort(),
  )
  const ups = sets.filter((set) => set['__name__'] === 'up')
  same(
    'names of up',
    await store.labelNames([[isUp]], start, end),
    [...new Set(ups.flatMap((set) => Object.keys(set)))].sort(),
  )
  const values = (of: readonly Labels[]) =>
    [...new Set(of.flatMap((set) => set['instance'] ?? []))].sort()
  same('instances', await store.labelValues('instance', [], start, end), values(sets))
  same(
    'instances of up',
    await store.labelValues('instance', [[isUp], [isUp]], start, end),
    values(ups),
  )
}

t.test(
  'whatever is written, repeated, sealed and reopened: reads equal a naive model',
  async (t) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
        const clock = handClock()
        const folder = temporaryFolder(t)
        const options = { segmentBytes: 600 }
        let store = await openStore(folder, clock, options)
        const memory = createMemoryStore()
        const model = new Model()
        let lanes = new Lanes(store)
        let memoryLanes = new Lanes(memory)
        for (const next of steps) {
          if (next.kind === 'append') {
            const forMemory = batchOf(next, memory, model)
            const batch = batchOf(next, store, model)
            model.append(batch, store.labels)
            await Promise.all([store.append(batch), memory.append(forMemory)])
          } else if (next.kind === 'send') {
            await Promise.all([lanes.send(next, model), memoryLanes.send(next)])
          } else if (next.kind === 'pass') {
            clock.at += next.hours * hour
            await store.maintain()
          } else if (next.kind === 'compact') {
            await store.compact()
          } else if (next.kind === 'reopen') {
            await store.close()
            store = await openStore(folder, clock, options)
            lanes = new Lanes(store)
            // Its streams begin anew, too: the layouts must be the same.
            memoryLanes = new Lanes(memory)
          } else {
            await compare(store, model, next.from, next.from + next.length)
            await compare(memory, model, next.from, next.from + next.length)
          }
        }
        await compare(store, model, -1e15, 1e15)
        for (const [stream, sequence] of model.positions) {
          const [collector = '', epoch = '', lane = ''] = stream.split('/')
          if (store.position({ collector, epoch, lane }) !== sequence)
            throw new Error(`position of ${stream}`)
        }
        await store.close()
      }),
      { numRuns: 120 },
    )
    t.pass('120 random histories')
  },
)

t.test(
  'a batch is read at once, counts when durable, and a repeat has no second effect',
  async (t) => {
    const store = await openStore(temporaryFolder(t), handClock())
    const id = store.intern({ __name__: 'up' })
    const stream = { collector: 'c', epoch: 'e', lane: 'live' }
    const first = store.append(sequenced(1, [row(base, [id], [1])]))
    t.same(Object.values(await dump(store)), [[`${base}=1`]], 'read before it is durable')
    const repeat = store.append(sequenced(1, [row(base, [id], [99])]))
    t.equal(store.position(stream), 0, 'not durable yet')
    await repeat
    t.equal(store.position(stream), 1, 'the repeat resolves with the original')
    await first
    await store.append(sequenced(1, [row(base, [id], [99])]))
    t.same(Object.values(await dump(store)), [[`${base}=1`]])
    t.equal(store.stats().batchesRepeated, 2)
    await Promise.all(
      [3, 4, 9].map((sequence) =>
        store.append(sequenced(sequence, [row(base + sequence, [id], [sequence])])),
      ),
    )
    t.equal(store.position(stream), 9)
    t.equal(store.position({ ...stream, epoch: 'other' }), 0)
    t.equal(store.stats().samplesAppended, 4)
    await t.rejects(store.append({ rows: [row(base, [77], [1])] }), /BUG: series 77/)
    await t.rejects(store.append({ rows: [row(Number.NaN, [id], [1])] }), /BUG: NaN is not a time/)
    await t.rejects(store.append({ rows: [row(base, [id], [])] }), /BUG: 1 series and 0 values/)
    await t.rejects(store.append(sequenced(1.5, [])), /BUG: sequence/)
    await store.close()
    await t.rejects(store.append({ rows: [row(base, [id], [1])] }), { code: 'unavailable' })
  },
)

t.test('values are exact: -0, infinities, NaN as one NaN, stale marks apart', async (t) => {
  const folder = temporaryFolder(t)
  const clock = handClock()
  let store = await openStore(folder, clock)
  const id = store.intern({ __name__: 'x' })
  const prometheusStale = new Float64Array(new BigUint64Array([0x7ff0000000000002n]).buffer)[0]!
  const values = [
    -0,
    0,
    Infinity,
    -Infinity,
    Number.NaN,
    prometheusStale,
    5e-324,
    Number.MAX_VALUE,
    0.1,
  ]
  for (const [i, value] of values.entries())
    await store.append({ rows: [row(base + i, [id], [value])] })
  await store.append({ rows: [row(base + 20, [], [], [id])] })
  const check = async (where: string) => {
    const [found] = await store.select(
      [{ name: '__name__', op: '=', value: 'x' }],
      base,
      base + hour,
    )
    t.ok(
      values.every((value, i) => Object.is(found!.values[i], value)),
      where,
    )
    t.same([...found!.staleTimes], [base + 20], where)
    const bits = new BigUint64Array(found!.values.slice().buffer)
    t.equal(bits[4], bits[5], `${where}: no NaN payload`)
  }
  await check('in memory')
  await store.close()
  store = await openStore(folder, clock)
  await check('replayed')
  clock.at += 5 * hour
  await store.maintain()
  t.equal(store.stats().partFiles, 1)
  await check('sealed')
  await store.close()
  store = await openStore(folder, clock)
  await check('sealed and reopened')
  await store.close()
})

async function openSealed(
  folder: string,
  clock: ReturnType<typeof handClock>,
): Promise<EmbeddedStore> {
  const store = await openStore(folder, clock, { segmentBytes: 2000 })
  const ids = ['a', 'b'].map((instance) => store.intern({ __name__: 'up', instance }))
  for (let i = 0; i < 40; i++)
    await store.append(sequenced(i + 1, [row(base + i * 60_000, ids, [i, i / 3])]))
  clock.at = base + 3 * hour
  await store.maintain()
  return store
}

t.test(
  'sealing keeps every sample, trims the journal, and late data goes into a file of its own',
  async (t) => {
    const folder = temporaryFolder(t)
    const clock = handClock()
    let store = await openSealed(folder, clock)
    const segments = () => readdirSync(join(folder, 'journal')).length
    const files = () => readdirSync(join(folder, 'parts')).sort()
    t.equal(files().length, 1)
    t.equal(segments(), 1, 'only the newest segment stays: it holds the positions')
    const before = await dump(store)
    const a = store.intern({ __name__: 'up', instance: 'a' })
    const late = {
      rows: [
        row(base + 60_000, [a], [-5]),
        row(base + 61_000, [a], [-6]),
        row(base + 120_000, [], [], [a]),
      ],
    }
    await store.append(late)
    const withLate = await dump(store)
    t.notSame(withLate, before)
    t.match(Object.values(withLate)[0]!.slice(0, 4), [
      `${base}=0`,
      `${base + 60_000}=-5`,
      `${base + 61_000}=-6`,
      `${base + 120_000}=stale`,
    ])
    clock.at += hour
    await store.maintain()
    t.same(await dump(store), withLate)
    await store.append({ rows: [row(base + 120_000, [a], [8])] })
    clock.at += hour
    await store.maintain()
    const last = await dump(store)
    t.equal(Object.values(last)[0]![3], `${base + 120_000}=8`, 'a sample replaces a mark')
    await store.close()
    writeFileSync(join(folder, 'parts', '00000099-99.part.tmp'), 'unfinished')
    store = await openStore(folder, clock)
    t.same(await dump(store), last)
    t.equal(store.stats().series, 2)
    t.notOk(files().includes('00000099-99.part.tmp'))
    t.equal(store.position({ collector: 'c', epoch: 'e', lane: 'live' }), 40)
    t.equal(store.stats().oldest, base)
    const left = files()
    await store.maintain()
    t.same(files(), left, 'what a sealed file holds is not sealed again after a reopen')
    await store.close()
  },
)

t.test('sealing goes on beside writes and reads, and hides nothing for an instant', async (t) => {
  const clock = handClock()
  const store = await openStore(temporaryFolder(t), clock)
  const ids = Array.from({ length: 6000 }, (_, i) =>
    store.intern({ __name__: 'm', instance: `i${i}` }),
  )
  for (let i = 0; i < 60; i++)
    await store.append({
      rows: [
        row(
          base + i * 1000,
          ids,
          ids.map((id) => id * 3.3 + i),
        ),
      ],
    })
  clock.at = base + 3 * hour
  let sealing = true
  const sealed = store.maintain().finally(() => {
    sealing = false
  })
  await setImmediate()
  let reads = 0
  let longest = 0
  while (sealing) {
    const started = performance.now()
    await store.append({
      rows: [row(base + 60_000 + reads, [ids[0]!], [reads]), row(clock.at, [ids[1]!], [reads])],
    })
    longest = Math.max(longest, performance.now() - started)
    const [found] = await store.select([{ name: 'instance', op: '=', value: 'i7' }], base, clock.at)
    if (found?.times.length !== 60) t.fail(`${found?.times.length} samples while sealing`)
    reads++
  }
  await sealed
  t.ok(
    reads > 5,
    `${reads} appends and reads while sealing, the longest append took ${longest.toFixed(1)} ms`,
  )
  t.equal(store.stats().partFiles, 1)
  const [late] = await store.select([{ name: 'instance', op: '=', value: 'i0' }], base, base + hour)
  t.equal(late?.times.length, 60 + reads)
  await store.close()
})

t.test('samples of any time, and a silent sender, hold no journal', async (t) => {
  const folder = temporaryFolder(t)
  const clock = handClock()
  const store = await openStore(folder, clock, { segmentBytes: 500 })
  const id = store.intern({ __name__: 'up' })
  const silent = new Sender(store, 'silent')
  silent.stream.extend([store.intern({ __name__: 'said', instance: 'once' })])
  silent.send(1, clock.at, [1])
  const future = base + 1000 * 24 * hour
  for (let i = 0; i < 200; i++) {
    clock.at += 1000
    const rows = [future + i, base - 50 * hour + i, clock.at].map((at) => row(at, [id], [i]))
    await store.append({ rows })
    if (i % 20 === 19) await store.maintain()
    const segments = readdirSync(join(folder, 'journal')).length
    if (segments > 2) t.fail(`${segments} segments after ${i} batches`)
  }
  t.ok(store.stats().partFiles > 2, 'frozen by the length of the journal, long before their age')
  t.equal(
    (await store.select([{ name: '__name__', op: '=', value: 'up' }], -Infinity, Infinity))[0]
      ?.times.length,
    600,
  )
  t.equal(store.position(silent.key), 1)
  await store.close()
})

t.test(
  'retention unlinks whole files, drops what comes too late, and lets series without data go',
  async (t) => {
    const folder = temporaryFolder(t)
    const clock = handClock()
    const day = 24 * hour
    const store = await openStore(folder, clock, { retentionDays: 15 })
    const old = store.intern({ __name__: 'old' })
    const kept = store.intern({ __name__: 'kept' })
    await store.append(sequenced(1, [row(base, [old, kept], [1, 2])]))
    clock.at = base + day
    await store.maintain()
    await store.append(sequenced(2, [row(clock.at, [kept], [3])]))
    clock.at = base + 16 * day
    await store.maintain()
    t.equal(
      readdirSync(join(folder, 'parts')).length,
      2,
      'nothing goes while the newest sample is not 15 days younger',
    )
    await store.append(sequenced(3, [row(clock.at, [kept], [4])]))
    await store.maintain()
    t.equal(store.stats().partFiles, 1)
    t.same(await store.labelValues('__name__', [], -Infinity, Infinity), ['kept'])
    t.equal(store.stats().series, 1)
    await store.append(sequenced(4, [row(base, [kept], [9]), row(clock.at - 1000, [old], [5])]))
    t.equal(store.stats().samplesTooOld, 1, 'dropped, counted, not refused')
    t.same(
      Object.values(await dump(store)).sort(),
      [[`${base + day}=3`, `${clock.at}=4`], [`${clock.at - 1000}=5`]],
      'a retired series comes back',
    )
    await store.append({ rows: [row(1, [kept], [9])] })
    t.equal(store.stats().samplesTooOld, 2)
    t.equal(store.position({ collector: 'c', epoch: 'e', lane: 'live' }), 4)
    await store.close()
  },
)

t.test('a clock that is ahead costs nothing that was acknowledged', async (t) => {
  const folder = temporaryFolder(t)
  const day = 24 * hour
  const clock = { at: base, passed: 0, now: () => clock.at, monotonic: () => clock.passed }
  const open = () => openStore(folder, clock, { retentionDays: 15 })
  const a = { __name__: 'a' }
  let store = await open()
  await store.append({ rows: [row(base, [store.intern(a)], [1])] })
  await store.close()

  clock.at += 20 * day
  store = await open()
  await store.append({ rows: [row(base + 1, [store.intern(a)], [2])] })
  await store.append({ rows: [row(clock.at, [store.intern({ __name__: 'b' })], [1])] })
  await store.compact()
  await store.close()
  clock.at -= 20 * day
  store = await open()
  t.same(
    plain(await store.select([], -Infinity, base + day)),
    { '8:__name__1:a': [`${base}=1`, `${base + 1}=2`] },
    'a start with a wrong clock leaves nothing out',
  )

  const sender = new Sender(store)
  sender.stream.extend([store.intern(a)])
  clock.at += 20 * day
  await store.append({ rows: [row(base + 2, [store.intern(a)], [3])] })
  sender.send(1, base + 3, [4])
  await sender.durable(1)
  clock.at -= 20 * day
  t.equal(store.stats().samplesTooOld, 0)

  sender.send(2, base - 16 * day, [5])
  sender.send(3, base + 4, [6])
  await sender.durable(3)
  await store.append({ rows: [row(base - 16 * day, [store.intern(a)], [5])] })
  t.equal(store.stats().samplesTooOld, 2, 'by a right clock they are too old')
  for (const when of ['as written', 'replayed']) {
    t.same(
      plain(await store.select([], -Infinity, base + day)),
      { '8:__name__1:a': [1, 2, 3, 4, 6].map((n, i) => `${base + i}=${n}`) },
      when,
    )
    t.equal(store.position(sender.key), 3, when)
    await store.close()
    store = await open()
  }
  await store.close()
})

t.test(
  'a series is not taken for one past its retention before its first sample came',
  async (t) => {
    const clock = handClock()
    const store = await openSealed(temporaryFolder(t), clock)
    const early = store.intern({ __name__: 'early' })
    await store.maintain()
    t.equal(store.stats().series, 3)
    await store.append({ rows: [row(clock.at, [early], [1])] })
    t.equal(Object.keys(await dump(store)).length, 3)
    await store.close()
  },
)

t.test('reads are bounded, and stop when asked', async (t) => {
  const folder = temporaryFolder(t)
  const clock = handClock()
  const store = await openSealed(folder, clock)
  const tooLarge = { code: 'query_too_large' }
  await t.rejects(store.select([], base, base + hour, { maxSeries: 1 }), tooLarge)
  await t.rejects(store.select([], base, base + hour, { maxSamples: 79 }), tooLarge)
  t.equal((await store.select([], base, base + hour, { maxSamples: 80, maxSeries: 2 })).length, 2)
  t.equal((await store.select([], base + 5 * hour, base + 6 * hour, { maxSeries: 0 })).length, 0)
  await t.rejects(store.select([], base, base + hour, { signal: AbortSignal.abort() }), {
    name: 'AbortError',
  })
  const stop = new AbortController()
  const reading = store.select([], base, base + hour, { signal: stop.signal })
  stop.abort()
  await t.rejects(reading, { name: 'AbortError' })
  t.equal((await store.series([[]], base, base + hour, { limit: 1 })).length, 1)
  t.same(
    await store.select([], base + hour, base),
    [],
    'an interval that ends before it starts is empty',
  )
  await t.rejects(store.select([{ name: 'a', op: '=~', value: '(' }], base, base), {
    code: 'bad_request',
  })
  const over = await openStore(temporaryFolder(t), clock, { maxSeries: 1 })
  over.intern({ __name__: 'a' })
  t.throws(() => over.intern({ __name__: 'b' }), { code: 'unprocessable' })
  t.equal(over.stats().seriesRefused, 1)
  await Promise.all([store.close(), over.close()])
})

t.test(
  'a reader of few series is sent elsewhere for many series, and for weeks of files',
  async (t) => {
    const clock = handClock(base + 800 * hour)
    const folder = temporaryFolder(t)
    let store = await openStore(folder, clock)
    const ids = ['a', 'b'].map((instance) => store.intern({ __name__: 'up', instance }))
    const rows = Array.from({ length: 360 }, (_, slot) =>
      row(base + slot * 2 * hour, ids, [slot, 1]),
    )
    await store.append({ rows })
    clock.at += 24 * hour
    await store.maintain()
    // Opened anew, it has nothing in memory.
    await store.close()
    store = await openStore(folder, clock)
    const select = (hours: number, fileSeries: number) =>
      store.select([], base, base + hours * hour, { fileSeries })
    t.equal((await select(100, 2)).length, 2)
    const refusal = (hours: number, fileSeries: number) =>
      select(hours, fileSeries).catch((error: unknown) => error)
    t.ok((await refusal(100, 1)) instanceof OutsideMemory, 'many series')
    t.ok((await refusal(719, 2)) instanceof OutsideMemory, 'weeks')
    t.equal((await store.select([], base, base + 219 * hour))[0]?.times.length, 110)
    await store.close()
  },
)

t.test('one hub a folder; a folder that cannot be used says what to do', async (t) => {
  const folder = temporaryFolder(t)
  const store = await openStore(folder, handClock())
  await t.rejects(openStore(folder, handClock()), {
    message: new RegExp(`${folder}.* in use by process ${process.pid}`),
  })
  await t.rejects(
    openStore(`${folder}/../${folder.split('/').at(-1)}`, handClock()),
    /in use by process/,
  )
  await store.close()
  t.notOk(existsSync(join(folder, 'lock')))
  const lock = (holder: object) => writeFileSync(join(folder, 'lock'), JSON.stringify(holder))
  lock({ pid: process.ppid })
  await t.rejects(openStore(folder, handClock()), {
    message: new RegExp(`process ${process.ppid};`),
  })
  for (const gone of [
    { pid: 2 ** 22 + 5 },
    { pid: process.pid },
    { pid: process.ppid, startTicks: '1' },
    { pid: process.ppid, boot: 'x' },
    { pid: -1 },
    {},
  ]) {
    lock(gone)
    const taken = await openStore(folder, handClock())
    t.equal(
      (JSON.parse(readFileSync(join(folder, 'lock'), 'utf8')) as { pid: number }).pid,
      process.pid,
    )
    await taken.close()
  }
  t.same(readdirSync(folder).sort(), ['format', 'journal', 'parts'])
  const file = join(folder, 'file')
  writeFileSync(file, '')
  await t.rejects(openStore(join(file, 'store'), handClock()), {
    message: /cannot be written \(ENOTDIR\)\. Create it/,
  })
  if (process.getuid?.() === 0) return
  chmodSync(folder, 0o500)
  await t.rejects(openStore(folder, handClock()), { message: /cannot be written \(EACCES\)/ })
})

t.test('damage in a sealed file costs what is damaged, and is said', async (t) => {
  const folder = temporaryFolder(t)
  const clock = handClock()
  const first = await openSealed(folder, clock)
  const whole = await dump(first)
  await first.close()
  const parts = join(folder, 'parts')
  const path = join(parts, readdirSync(parts)[0]!)
  const good = readFileSync(path)
  const outcomes = new Set<string>()
  for (let at = 0; at < good.length; at++) {
    const bad = Buffer.from(good)
    bad[at]! ^= 0x10
    writeFileSync(path, bad)
    const logger = listeningLogger()
    const store = await openStore(folder, clock, { logger })
    const found = await dump(store)
    const damaged = store.stats().damaged
    await store.close()
    const intact = JSON.stringify(found) === JSON.stringify(whole)
    // What the newest journal segment still holds comes back from there.
    const subset = Object.entries(found).every(([key, entries]) =>
      entries.every((entry) => whole[key]?.includes(entry)),
    )
    if (
      !subset ||
      (!intact && (damaged === 0 || !logger.lines.some((line) => line.startsWith('error'))))
    ) {
      t.fail(`byte ${at}: ${damaged} damaged, ${JSON.stringify(found).slice(0, 200)}`)
    }
    outcomes.add(`${Object.keys(found).length} series`)
  }
  t.ok(outcomes.has('1 series'), 'a damaged column costs no other series')
  t.notOk(outcomes.has('2 series'), 'no byte is without a check')
})

t.test('the plugin opens the store with the application and closes it', async (t) => {
  const folder = temporaryFolder(t)
  const app = Fastify()
  await app.register(storePlugin, {
    folder,
    retentionDays: 15,
    clock: handClock(),
    reserveBytes: 0,
  })
  await app.ready()
  const id = app.store.intern({ __name__: 'up' })
  await app.store.append({ rows: [row(base, [id], [1])] })
  t.equal(app.store.stats().series, 1)
  t.equal(app.store.stats().refusal, undefined)
  await t.rejects(openEmbeddedStore({ folder, clock: handClock() }), /in use/)
  await app.close()
  const again = await openEmbeddedStore({ folder, clock: handClock() })
  t.equal((await again.select([], base, base)).length, 1)
  await again.close()
})
