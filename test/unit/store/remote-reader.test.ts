import { once } from 'node:events'
import { readdirSync, readlinkSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { MessageChannel } from 'node:worker_threads'
import t, { type Test } from 'tap'
import type { PlanningReader } from '../../../server/store/read-plan.ts'
import type { StoreReader } from '../../../server/store/reader.ts'
import { remoteReader, serveReads } from '../../../server/store/remote-reader.ts'
import { generationOf, Held, read, Shelf, type Write } from './parts-kit.ts'
import { base, temporaryFolder } from './store-kit.ts'

const matchers = [{ name: 'half', op: '=' as const, value: 'even' }]

/** Two sealed generations, one in memory; the remote reader's thread is this one. */
async function shelfOf(t: Test, wrap: (reads: Shelf['reads']) => Served) {
  const shelf = await Shelf.open(temporaryFolder(t))
  const held = new Held()
  for (let order = 1; order <= 3; order++) {
    const writes = Array.from({ length: 60 }, (_, i): Write => {
      const id = i % 6
      return { id, t: base + (i + order * 30) * 1000, value: i % 19 === 7 ? 'stale' : i / order }
    })
    held.write(writes)
    shelf.unsealed.push(generationOf(order, writes))
    if (order < 3) await shelf.seal()
  }
  const { port1, port2 } = new MessageChannel()
  serveReads(port1, wrap(shelf.reads))
  const remote = remoteReader(port2)
  const close = async () => {
    port2.close()
    await once(port1, 'close')
    await shelf.parts.close()
  }
  return { shelf, held, remote, close }
}

type Served = StoreReader & Partial<PlanningReader>

t.test('another thread reads what the store reads', async (t) => {
  const { shelf, held, remote, close } = await shelfOf(t, (reads) => reads)
  const all = held.within(-Infinity, Infinity)
  t.same(await read(remote), all)
  t.same(await read(remote), all, 'labels are remembered')
  const [from, to] = [base + 50_000, base + 100_000]
  t.same(await read(remote, from, to), held.within(from, to))
  t.same(await read(remote, from, to, matchers), await read(shelf.reads, from, to, matchers))
  t.same(await read(remote, to, from), {})
  t.same(await remote.series([matchers], from, to), await shelf.reads.series([matchers], from, to))
  t.same(await remote.labelNames([], from, to), ['__name__', 'half', 'series'])
  t.same(await remote.labelValues('half', [], from, to), ['even', 'odd'])
  await t.rejects(remote.select([], from, to, { maxSamples: 3 }), { code: 'query_too_large' })
  await t.rejects(remote.select([], from, to, { maxSeries: 3 }), { code: 'query_too_large' })
  await t.rejects(remote.select([{ name: 'a', op: '=~', value: '(' }], from, to), {
    code: 'bad_request',
  })
  await shelf.parts.compact()
  t.same(await read(remote), all, 'after a merge')
  await close()
})

t.test('a file that vanished after the plan costs a new plan', async (t) => {
  let missing = 2
  let plans = 0
  const { held, remote, close } = await shelfOf(t, (reads) => ({
    select: () => Promise.reject(new Error('BUG: a plan was to be read')),
    series: (...query) => reads.series(...query),
    labelNames: (...query) => reads.labelNames(...query),
    labelValues: (...query) => reads.labelValues(...query),
    reportDamage: (path, error) => reads.reportDamage(path, error),
    plan: (...query) => {
      plans++
      const plan = reads.plan(...query)
      return missing-- > 0 ? { ...plan, files: [...plan.files, '/nowhere/1-1.part'] } : plan
    },
  }))
  t.same(await read(remote), held.within(-Infinity, Infinity))
  t.equal(plans, 3)
  missing = Infinity
  await t.rejects(remote.select([], 0, Infinity), { code: 'ENOENT' })
  t.equal(plans, 8, 'not for ever')
  await close()
})

t.test('an abort ends a remote read', async (t) => {
  let seen: AbortSignal | undefined
  const { shelf, remote, close } = await shelfOf(t, (reads) => ({
    select: async (_, __, ___, limits) => {
      seen = limits?.signal
      await once(seen!, 'abort')
      return []
    },
    series: (...query) => reads.series(...query),
    labelNames: (...query) => reads.labelNames(...query),
    labelValues: (...query) => reads.labelValues(...query),
  }))
  const controller = new AbortController()
  const asked = remote.select([], 0, Infinity, { signal: controller.signal })
  // Two answers to later questions: the first question has arrived.
  await remote.labelNames([], 0, Infinity)
  await remote.labelNames([], 0, Infinity)
  controller.abort()
  await t.rejects(asked, { name: 'AbortError' })
  await remote.labelNames([], 0, Infinity)
  t.equal(seen?.aborted, true, 'the other side knows')
  await t.rejects(remote.select([], 0, Infinity, { signal: AbortSignal.abort() }), {
    name: 'AbortError',
  })
  t.equal(readdirSync(shelf.folder).length, 2)
  await close()
})

t.test('damage that the other thread meets is told here', async (t) => {
  const told: string[] = []
  const { shelf, held, remote, close } = await shelfOf(t, (reads) => ({
    select: (...query) => reads.select(...query),
    series: (...query) => reads.series(...query),
    labelNames: (...query) => reads.labelNames(...query),
    labelValues: (...query) => reads.labelValues(...query),
    plan: (...query) => reads.plan(...query),
    reportDamage: (path) => void told.push(path),
  }))
  const [part] = shelf.parts.all
  const handle = await open(part!.path, 'r+')
  await handle.write(Buffer.alloc(8, 255), 0, 8, 12)
  await handle.close()
  const found = await read(remote)
  const all = held.within(-Infinity, Infinity)
  for (const [id, entries] of Object.entries(found))
    t.ok(
      entries.every((entry) => all[id]!.includes(entry)),
      `series ${id} has only true entries`,
    )
  t.ok(Object.values(found).flat().length < Object.values(all).flat().length)
  await remote.labelNames([], 0, Infinity)
  t.ok(told.includes(part!.path))
  await close()
})

t.test('what a cancelled read was told is known to the next', async (t) => {
  const { held, remote, close } = await shelfOf(t, (reads) => reads)
  const controller = new AbortController()
  const asked = remote.select([], -Infinity, Infinity, { signal: controller.signal })
  controller.abort()
  await t.rejects(asked, { name: 'AbortError' })
  t.same(await read(remote), held.within(-Infinity, Infinity))
  await close()
})

/** A reader of `count` series of two samples each in memory, which counts how often its memory is looked into. */
function wide(count: number) {
  const looked = { up: 0 }
  const plan: PlanningReader['plan'] = () => ({
    ids: Uint32Array.from({ length: count }, (_, id) => id),
    labels: (id) => ({ __name__: 'wide', id: String(id) }),
    inMemory: (id) => {
      looked.up++
      const times = Float64Array.of(1, 2)
      return { times, values: Float64Array.of(id, -id), staleTimes: new Float64Array() }
    },
    files: [],
    allFiles: () => [],
  })
  const none = async () => []
  const reader: Served = {
    select: none,
    series: none,
    labelNames: none,
    labelValues: none,
    plan,
    reportDamage: () => undefined,
  }
  const { port1, port2 } = new MessageChannel()
  serveReads(port1, reader)
  const close = async () => {
    port2.close()
    await once(port1, 'close')
  }
  return { remote: remoteReader(port2), looked, close }
}

t.test(
  'a wide plan comes in pieces, and stops when its asker goes or a limit is met',
  async (t) => {
    const count = 60_000
    const { remote, looked, close } = wide(count)
    let turns = 0
    const counting = setInterval(() => {
      turns++
    }, 0)
    const found = await remote.select([], 0, 9)
    clearInterval(counting)
    t.ok(turns > 3, `${turns} turns for others`)
    t.equal(found.length, count)
    for (const [i, { labels, values }] of found.entries())
      if (labels['id'] !== String(i) || values[0] !== i || values[1] !== -i) t.fail(`series ${i}`)
    t.equal(looked.up, count)
    t.equal((await remote.select([], 0, 9)).length, count, 'with labels told anew beyond 50,000')

    looked.up = 0
    await t.rejects(remote.select([], 0, 9, { maxSamples: 1000 }), { code: 'query_too_large' })
    t.equal(looked.up, 501, 'no more is read than the limit')

    looked.up = 0
    const controller = new AbortController()
    const asked = remote.select([], 0, 9, { signal: controller.signal })
    await remote.labelNames([], 0, 9)
    controller.abort()
    await t.rejects(asked, { name: 'AbortError' })
    await remote.labelNames([], 0, 9)
    const lookedUp = looked.up
    t.ok(lookedUp < count, `stopped after ${lookedUp}`)
    await remote.labelNames([], 0, 9)
    t.equal(looked.up, lookedUp)

    looked.up = 0
    void remote.select([], 0, 9)
    await remote.labelNames([], 0, 9)
    await close()
    const atClose = looked.up
    t.ok(atClose < count, 'the end of the other side ends its plans')
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
    t.equal(looked.up, atClose)
  },
)

t.test(
  'a plan for more series than the limit is refused before memory is looked into',
  async (t) => {
    const { shelf, remote, close } = await shelfOf(t, (reads) => reads)
    const [generation] = shelf.unsealed
    let looked = 0
    const entries = generation!.entries.bind(generation)
    generation!.entries = (...asked) => {
      looked++
      return entries(...asked)
    }
    await t.rejects(remote.select([], -Infinity, Infinity, { maxSeries: 5 }), {
      code: 'query_too_large',
      message: /more than 5 series/,
    })
    await t.rejects(shelf.reads.select([], -Infinity, Infinity, { maxSeries: 5 }), {
      code: 'query_too_large',
    })
    t.equal(looked, 0)
    t.equal((await remote.select([], -Infinity, Infinity, { maxSeries: 6 })).length, 6)
    await close()
  },
)

/** Files of a folder that this process has open although they are deleted; Linux only. */
function deletedOpen(folder: string): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${fd}`)
      return path.startsWith(folder) && path.endsWith(' (deleted)') ? [path] : []
    } catch {
      return []
    }
  })
}

const linux = { skip: process.platform === 'linux' ? false : 'looks into /proc' }

t.test('files that the store has no more are closed', linux, async (t) => {
  const { shelf, held, remote, close } = await shelfOf(t, (reads) => reads)
  const all = held.within(-Infinity, Infinity)
  t.same(await read(remote), all)
  await shelf.parts.compact()
  t.equal(deletedOpen(shelf.folder).length, 2, 'the merged ones')
  // A plan of another interval tells it as well, even when nobody waits for it any more.
  const controller = new AbortController()
  const asked = remote.select([], 0, 1, { signal: controller.signal })
  controller.abort()
  await t.rejects(asked)
  await remote.labelNames([], 0, 1)
  t.same(deletedOpen(shelf.folder), [])
  t.same(await read(remote), all)
  await close()
})
