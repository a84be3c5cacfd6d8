import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { dayMillis, slotMillis } from '../../../server/store/parts/part-format.ts'
import fc from '../../helpers/property.ts'
import { generationOf, Held, read, Shelf, seriesCount, type Write } from './parts-kit.ts'
import { base, hour, temporaryFolder } from './store-kit.ts'

const start = Math.floor(base / dayMillis) * dayMillis

const value = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: -5, max: 5 }) },
  { weight: 3, arbitrary: fc.double() },
  { weight: 1, arbitrary: fc.constantFrom(-0, Number.NaN, Infinity, -Infinity, 2 ** 60) },
  { weight: 1, arbitrary: fc.constant('stale' as const) },
)
const time = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(fc.integer({ min: 0, max: 14 }), fc.integer({ min: 0, max: 9 }))
      .map(([slot, k]) => start + slot * slotMillis + k * 10_000),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(0, -1, start - 1, start + slotMillis - 1, start + dayMillis - 1),
  },
)
const id = fc.integer({ min: 0, max: seriesCount - 1 })
const writes = fc.oneof(
  fc.array(fc.record({ id, t: time, value }), { minLength: 1, maxLength: 25 }),
  // A run of rows that all series share.
  fc.record({ from: time, count: fc.integer({ min: 1, max: 40 }), value }).map((run) =>
    Array.from({ length: run.count * seriesCount }, (_, i) => ({
      id: i % seriesCount,
      t: run.from + Math.floor(i / seriesCount) * 10_000,
      value: typeof run.value === 'number' ? run.value + Math.floor(i / 5) : i,
    })),
  ),
)
type Step =
  | { readonly kind: 'write'; readonly writes: readonly Write[] }
  | { readonly kind: 'seal' }
  | { readonly kind: 'merge'; readonly hours: number }
  | { readonly kind: 'compact' }
  | { readonly kind: 'reopen' }
  | { readonly kind: 'look'; readonly from: number; readonly to: number }
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('write' as const), writes }) },
  { weight: 5, arbitrary: fc.constant({ kind: 'seal' as const }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('merge' as const), hours: fc.nat({ max: 60 }) }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'compact' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'reopen' as const }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('look' as const), from: time, to: time }),
  },
)

async function plays(folder: string, steps: readonly Step[]): Promise<void> {
  let shelf = await Shelf.open(folder)
  const held = new Held()
  let order = 0
  const same = async (from: number, to: number, what: string) => {
    const found = JSON.stringify(await read(shelf.reads, from, to))
    const expected = JSON.stringify(held.within(from, to))
    if (found !== expected) throw new Error(`${what}: ${found} instead of ${expected}`)
    const labels = await shelf.reads.series([], from, to)
    const present = labels.map(({ series }) => series!).join()
    const ids = Object.keys(held.within(from, to)).join()
    if (from <= to && present !== ids)
      throw new Error(`${what}: series ${present} instead of ${ids}`)
  }
  try {
    for (const step of steps) {
      if (step.kind === 'write') {
        shelf.unsealed.push(generationOf(++order, step.writes))
        held.write(step.writes)
      } else if (step.kind === 'seal') await shelf.seal()
      else if (step.kind === 'merge') await shelf.parts.mergeDue(start + step.hours * hour)
      else if (step.kind === 'compact') await shelf.parts.compact()
      else if (step.kind === 'reopen') {
        const { unsealed } = shelf
        await shelf.parts.close()
        shelf = await Shelf.open(folder)
        shelf.unsealed.push(...unsealed)
      } else await same(step.from, step.to, 'look')
    }
    await same(-Infinity, Infinity, 'all')
    while (shelf.unsealed.length > 0) await shelf.seal()
    await same(-Infinity, Infinity, 'sealed')
    await shelf.parts.compact()
    await same(-Infinity, Infinity, 'compacted')
    const days = shelf.parts.all.flatMap(({ slots }) => [
      ...new Set(slots.map((slot) => Math.floor(slot.start / dayMillis))),
    ])
    if (new Set(days).size !== days.length) throw new Error('a day in two files')
    if (shelf.parts.damaged > 0) throw new Error('damage reported')
  } finally {
    await shelf.parts.close()
  }
}

t.test('whatever is written, sealed, merged and reopened reads as a map says', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
      const folder = temporaryFolder(t)
      await plays(folder, steps)
      rmSync(folder, { recursive: true })
    }),
    { numRuns: 60, endOnFailure: true },
  )
  t.pass('60 stories')
})

t.test('long columns: a day of seconds in small generations becomes one file', async (t) => {
  const folder = temporaryFolder(t)
  const shelf = await Shelf.open(folder)
  const held = new Held()
  const seconds = 3 * 7200 + 100
  const perGeneration = 1777
  for (let at = 0, order = 1; at < seconds; at += perGeneration, order++) {
    const count = Math.min(perGeneration, seconds - at)
    const some = Array.from({ length: count * 3 }, (_, i): Write => {
      const second = at + Math.floor(i / 3)
      const id = i % 3
      return { id, t: start + second * 1000, value: id === 0 ? second * 7 : Math.sin(second + id) }
    })
    held.write(some)
    shelf.unsealed.push(generationOf(order, some))
    await shelf.seal()
  }
  const all = held.within(-Infinity, Infinity)
  t.same(await read(shelf.reads), all)
  const merges = await shelf.parts.mergeDue(start + 6 * hour + 600_000)
  t.equal(merges, 1, 'generations that reach over intervals are merged together')
  t.same(await read(shelf.reads), all)
  t.equal(await shelf.parts.mergeDue(start + dayMillis), 0)
  t.equal(await shelf.parts.mergeDue(start + dayMillis + hour), 1)
  t.equal(shelf.parts.all.length, 1)
  t.same(await read(shelf.reads), all)
  const from = start + 2 * hour - 5000
  t.same(await read(shelf.reads, from, from + 9000), held.within(from, from + 9000))
  t.same(readdirSync(folder).length, 1, 'nothing is left behind')
  await shelf.parts.close()
})

t.test('a backlog of days in many generations is merged in few steps', async (t) => {
  const folder = temporaryFolder(t)
  const shelf = await Shelf.open(folder)
  const held = new Held()
  const seal = async (order: number, hours: readonly number[]) => {
    const some = hours.map((h, i) => ({ id: i % 4, t: start + h * hour + order, value: order + h }))
    held.write(some)
    shelf.unsealed.push(generationOf(order, some))
    await shelf.seal()
  }
  const all = Array.from({ length: 70 }, (_, h) => h)
  await seal(1, [3, 4])
  await seal(2, [3, 30])
  t.equal(await shelf.parts.mergeDue(start + 8 * hour), 1)
  for (let order = 3; order < 15; order++) await seal(order, all)
  const merges = await shelf.parts.mergeDue(start + 8 * dayMillis)
  t.ok(merges <= 4, `${merges} merges`)
  t.equal(shelf.parts.all.length, 3, 'a file a day')
  t.same(await read(shelf.reads), held.within(-Infinity, Infinity))
  t.equal(await shelf.parts.mergeDue(start + 8 * dayMillis), 0)
  await shelf.parts.close()
})

t.test('a merge that was interrupted after its output leaves nothing wrong', async (t) => {
  const folder = temporaryFolder(t)
  const shelf = await Shelf.open(folder)
  const held = new Held()
  for (let order = 1; order <= 4; order++) {
    const some = Array.from({ length: 40 }, (_, i): Write => {
      const t = start + (i + order * 5) * 10_000
      return { id: i % seriesCount, t, value: i % 7 === order ? 'stale' : order * 1000 + i }
    })
    held.write(some)
    shelf.unsealed.push(generationOf(order, some))
    await shelf.seal()
  }
  const aside = temporaryFolder(t)
  const inputs = readdirSync(folder)
  for (const name of inputs) copyFileSync(join(folder, name), join(aside, name))
  await shelf.parts.compact()
  await shelf.parts.close()
  for (const name of inputs) copyFileSync(join(aside, name), join(folder, name))
  writeFileSync(join(folder, '00000004-99.part.tmp'), 'half')
  const again = await Shelf.open(folder)
  t.equal(again.parts.all.length, 5)
  t.same(await read(again.reads), held.within(-Infinity, Infinity))
  await again.parts.compact()
  t.equal(again.parts.all.length, 1)
  t.equal(again.parts.newestOrder, 4)
  t.same(await read(again.reads), held.within(-Infinity, Infinity))
  t.equal(readdirSync(folder).length, 1)
  await again.parts.close()
})

t.test('a file outlives its merge while a read or a copy needs it', async (t) => {
  const folder = temporaryFolder(t)
  const shelf = await Shelf.open(folder)
  const held = new Held()
  for (let order = 1; order <= 3; order++) {
    const some = [{ id: order, t: start + order, value: order }]
    held.write(some)
    shelf.unsealed.push(generationOf(order, some))
    await shelf.seal()
  }
  const before = readdirSync(folder)
  const underWay = read(shelf.reads)
  await shelf.parts.compact()
  t.same(await underWay, held.within(-Infinity, Infinity))
  shelf.unsealed.push(generationOf(4, [{ id: 5, t: start + 4, value: 4 }]))
  await shelf.seal()
  const release = shelf.parts.hold()
  const copied = shelf.parts.all.map(({ path }) => path)
  await shelf.parts.compact()
  t.equal(shelf.parts.all.length, 1)
  t.ok(copied.every((path) => existsSync(path)))
  release()
  release()
  t.equal(await shelf.parts.removeOlder(start), 0)
  t.equal(await shelf.parts.removeOlder(start + dayMillis), 1)
  await shelf.parts.close()
  const left = readdirSync(folder).filter((name) => before.includes(name))
  t.same(left, [])
})

t.test('damage anywhere in a file costs at most what lies there, and is told', async (t) => {
  const folder = temporaryFolder(t)
  const shelf = await Shelf.open(folder)
  const held = new Held()
  const some = Array.from({ length: 30 }, (_, i): Write => {
    const t = start + slotMillis - 100_000 + Math.floor(i / 3) * 20_000
    return { id: i % 3, t, value: i === 16 ? 'stale' : i % 3 === 0 ? i * 1.5 : Math.sqrt(i) }
  })
  held.write(some)
  shelf.unsealed.push(generationOf(1, some))
  await shelf.seal()
  await shelf.parts.close()
  const [name] = readdirSync(folder)
  const whole = readFileSync(join(folder, name!))
  const all = held.within(-Infinity, Infinity)
  const total = Object.values(all).flat().length
  let readable = 0
  const problems: string[] = []
  const tryBytes = async (bytes: Buffer, what: string) => {
    rmSync(folder, { recursive: true })
    temporaryFolderAgain(folder, name!, bytes)
    const damaged = await Shelf.open(folder)
    const found = await read(damaged.reads)
    const count = Object.values(found).flat().length
    readable += count
    for (const [id, entries] of Object.entries(found))
      for (const entry of entries)
        if (!all[id]?.includes(entry)) problems.push(`${what}: ${id} ${entry}`)
    if (count < total && damaged.parts.damaged === 0) problems.push(`${what}: silent loss`)
    if (count === total && damaged.parts.damaged === 0) problems.push(`${what}: not seen`)
    await damaged.parts.compact()
    await damaged.parts.close()
  }
  for (let at = 0; at < whole.length; at++) {
    const changed = Buffer.from(whole)
    changed[at]! ^= 1 << (at % 8)
    await tryBytes(changed, `bit ${at % 8} of byte ${at}`)
  }
  const afterFlips = readable
  for (let length = 0; length < whole.length; length += 3)
    await tryBytes(whole.subarray(0, length), `cut at ${length}`)
  t.same(problems, [])
  t.ok(afterFlips > 0, 'much stays readable')
  t.equal(readable, afterFlips, 'a cut file is set aside')
})

function temporaryFolderAgain(folder: string, name: string, bytes: Buffer): void {
  mkdirSync(folder)
  writeFileSync(join(folder, name), bytes)
}

t.test('a damaged input stops its merge, loudly, and nothing is lost', async (t) => {
  const folder = temporaryFolder(t)
  const shelf = await Shelf.open(folder)
  for (let order = 1; order <= 2; order++) {
    const some = [0, 1, 2].map((id) => ({ id, t: start + order, value: Math.PI * order + id }))
    shelf.unsealed.push(generationOf(order, some))
    await shelf.seal()
  }
  const [path] = shelf.parts.all.map((part) => part.path)
  const bytes = readFileSync(path!)
  bytes[40]! ^= 255
  await shelf.parts.close()
  writeFileSync(path!, bytes)
  const again = await Shelf.open(folder)
  const before = await read(again.reads)
  t.equal(Object.keys(before).length, 3)
  t.ok(again.parts.damaged > 0)
  await again.parts.compact()
  t.equal(again.parts.all.length, 2, 'the files stay')
  t.same(await read(again.reads), before)
  t.ok(again.logger.lines.some((line) => line.startsWith('error part of a sealed file is damaged')))
  t.same(
    readdirSync(folder).filter((name) => name.endsWith('.tmp')),
    [],
  )
  await again.parts.close()
})

t.test('a failure of the worker comes back as an error, and the next task runs', async (t) => {
  const folder = temporaryFolder(t)
  const shelf = await Shelf.open(folder)
  const source = generationOf(1, [{ id: 0, t: start, value: 1 }]).partSource()
  rmSync(folder, { recursive: true })
  await t.rejects(shelf.parts.seal(source), { code: 'ENOENT' })
  mkdirSync(folder)
  // Rows without values break the writer in the middle of the file.
  const times = Float64Array.of(start, start + 1)
  const broken = { ...source.groups[0]!, rows: 2, capacity: 2, times, values: undefined as never }
  await t.rejects(shelf.parts.seal({ ...source, groups: [broken] }), { message: /TypeError/ })
  t.same(readdirSync(folder), [])
  t.equal((await shelf.parts.seal(source))?.samples, 1)
  const empty = { ...source, groups: [], order: 2 }
  t.equal(await shelf.parts.seal(empty), undefined, 'nothing to write is no file')
  t.equal(readdirSync(folder).length, 1)
  await shelf.parts.close()
  await shelf.parts.close()
})
