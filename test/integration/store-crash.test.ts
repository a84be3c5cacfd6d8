import { execFileSync } from 'node:child_process'
import { cpSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { type AppendFile, type Disk, realDisk } from '../../server/store/disk.ts'
import { StoreUnavailable } from '../../server/store/writer.ts'
import fc from '../helpers/property.ts'
import {
  base,
  dump,
  handClock,
  hour,
  listeningLogger,
  Model,
  openStore,
  row,
  sequenced,
  temporaryFolder,
} from '../unit/store/store-kit.ts'

const stream = { collector: 'c', epoch: 'e', lane: 'live' }
/** Three batches in one segment; returns where each ends. */
async function writeThree(folder: string): Promise<{ ends: number[]; path: string }> {
  const store = await openStore(folder, handClock())
  const ids = ['a', 'b'].map((instance) => store.intern({ __name__: 'up', instance }))
  const ends = []
  for (let i = 1; i <= 3; i++) {
    await store.append(
      sequenced(i, [row(base + i, ids, [i, i / 3]), row(base + 100 + i, [], [], ids)]),
    )
    ends.push(store.stats().journalBytes)
  }
  await store.close()
  const journal = join(folder, 'journal')
  return { ends, path: join(journal, readdirSync(journal)[0]!) }
}

t.test(
  'a journal cut at any byte keeps the whole batches before the cut, and goes on',
  async (t) => {
    const origin = temporaryFolder(t)
    const { ends, path } = await writeThree(origin)
    const whole = readFileSync(path)
    t.equal(whole.length, ends[2])
    const folder = temporaryFolder(t)
    const copy = join(folder, 'journal', path.split('/').at(-1)!)
    for (let length = ends[0]! - 12; length <= whole.length; length++) {
      rmSync(folder, { recursive: true })
      cpSync(origin, folder, { recursive: true })
      writeFileSync(copy, whole.subarray(0, length))
      // Every other cut is followed by zeros, as a file system may leave after a power cut.
      if (length % 2 === 1)
        writeFileSync(copy, Buffer.concat([whole.subarray(0, length - 1), Buffer.alloc(50)]))
      const left = readFileSync(copy)
      const kept = ends.filter((end) => left.subarray(0, end).equals(whole.subarray(0, end))).length
      let store = await openStore(folder, handClock())
      const id = store.intern({ __name__: 'up', instance: 'a' })
      const found = Object.values(await dump(store))[0]?.length ?? 0
      if (store.position(stream) !== kept || found !== kept * 2)
        t.fail(`cut at ${length}: position ${store.position(stream)}, ${found} entries`)
      await store.append(sequenced(kept + 1, [row(base + 50, [id], [7])]))
      const after = await dump(store)
      if (store.stats().damaged > 0) t.fail(`cut at ${length}: a torn tail is no damage`)
      await store.close()
      store = await openStore(folder, handClock())
      if (JSON.stringify(await dump(store)) !== JSON.stringify(after))
        t.fail(`cut at ${length}: lost after going on`)
      if (store.position(stream) !== kept + 1) t.fail(`cut at ${length}: position after going on`)
      await store.close()
    }
    t.pass(`${whole.length - ends[0]! + 13} cuts`)
  },
)

t.test(
  'damage in the middle of a journal stops there, loudly, with the file kept aside',
  async (t) => {
    const folder = temporaryFolder(t)
    const { ends, path } = await writeThree(folder)
    const damaged = readFileSync(path)
    damaged[ends[0]! + 20]! ^= 1
    writeFileSync(path, damaged)
    const logger = listeningLogger()
    let store = await openStore(folder, handClock(), { logger })
    t.equal(store.position(stream), 1)
    t.equal(Object.values(await dump(store))[0]?.length, 2)
    t.match(logger.lines, [/error journal segment is damaged in the middle/])
    t.equal(store.stats().damaged, 1)
    const aside = readdirSync(join(folder, 'journal')).filter((name) => name.includes('.damaged'))
    t.equal(aside.length, 1)
    t.ok(readFileSync(join(folder, 'journal', aside[0]!)).equals(damaged))
    const id = store.intern({ __name__: 'up', instance: 'a' })
    for (const n of [2, 3]) await store.append(sequenced(n, [row(base + n, [id], [n])]))
    const after = await dump(store)
    await store.close()
    store = await openStore(folder, handClock())
    t.same(await dump(store), after)
    t.equal(store.position(stream), 3)
    t.equal(store.stats().damaged, 0, 'said once')
    await store.close()
    // The same in a segment that is not the last: no tail can be torn there.
    truncateSync(path, ends[0]! - 3)
    store = await openStore(folder, handClock(), { logger })
    t.equal(store.stats().damaged, 1)
    t.equal(store.position(stream), 3, 'later segments are still read')
    await store.close()
  },
)

/** The real disk, but its writes fail while `failing` is set. */
function faultyDisk() {
  const state = { failing: undefined as 'write' | 'sync' | undefined }
  const error = () => Object.assign(new Error('EIO: i/o error'), { code: 'EIO' })
  const disk: Disk = {
    ...realDisk,
    create: (path) => opened(path, realDisk.create),
    append: (path) => opened(path, realDisk.append),
  }
  async function opened(path: string, open: Disk['create']): Promise<AppendFile> {
    if (state.failing) throw error()
    const file = await open(path)
    return {
      async write(bytes) {
        // Half of it arrives, as on a disk that runs full.
        await file.write(state.failing === 'write' ? bytes.subarray(0, bytes.length >> 1) : bytes)
        if (state.failing === 'write') throw error()
      },
      async sync() {
        if (state.failing === 'sync') throw error()
        await file.sync()
      },
      close: () => file.close(),
    }
  }
  return { state, disk }
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 15_000
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('waited 15 s in vain')
    await sleep(20)
  }
}

for (const failing of ['write', 'sync'] as const) {
  t.test(
    `a failed ${failing} refuses all that waits, takes it out of memory, and the journal mends itself`,
    async (t) => {
      const folder = temporaryFolder(t)
      const { state, disk } = faultyDisk()
      const clock = handClock()
      let store = await openStore(folder, clock, { disk })
      const [a = 0, b = 0] = ['a', 'b'].map((instance) =>
        store.intern({ __name__: 'up', instance }),
      )
      await store.append(sequenced(1, [row(base, [a, b], [1, 2]), row(base + 1, [], [], [a])]))
      const before = await dump(store)
      state.failing = failing
      const refused = [
        store.append(
          sequenced(2, [
            row(base, [a, a], [10, 11]),
            row(base + 1, [a], [12]),
            row(base + 2, [b], [13]),
          ]),
        ),
        store.append(sequenced(3, [row(base, [a], [20]), row(base, [], [], [a, b])])),
        store.append(sequenced(3, [])),
        store.append({ rows: [row(base + 10 * hour, [a], [30])] }),
      ]
      t.notSame(await dump(store), before)
      for (const result of await Promise.allSettled(refused)) {
        t.equal(result.status, 'rejected')
        t.ok(result.status === 'rejected' && result.reason instanceof StoreUnavailable)
      }
      t.same(await dump(store), before, 'nothing of them counts')
      t.equal(store.position(stream), 1)
      await t.rejects(
        store.append(sequenced(2, [])),
        /Samples are refused: the journal cannot be written/,
      )
      t.match(store.stats().refusal, /EIO/)
      await sleep(700)
      t.ok(store.stats().refusal, 'still refused: the disk is still broken')
      state.failing = undefined
      await until(() => store.stats().refusal === undefined)
      await store.append(sequenced(2, [row(base, [a], [40])]))
      t.equal(store.position(stream), 2)
      const after = await dump(store)
      t.equal(after['8:__name__2:up8:instance1:a']?.[0], `${base}=40`)
      clock.at += 20 * hour
      await store.maintain()
      t.same(await dump(store), after)
      await store.close()
      store = await openStore(folder, clock)
      t.same(await dump(store), after)
      t.equal(store.position(stream), 2)
      t.equal(store.stats().damaged, 0)
      await store.close()
    },
  )
}

const weather = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('append' as const),
        count: fc.integer({ min: 1, max: 6 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('break' as const),
        how: fc.constantFrom('write' as const, 'sync' as const),
      }),
    },
    { weight: 2, arbitrary: fc.constant({ kind: 'mend' as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'seal' as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'reopen' as const }) },
  ),
  { minLength: 5, maxLength: 40 },
)

t.test(
  'a disk that fails and mends at random: exactly what was acknowledged is held',
  async (t) => {
    let refusals = 0
    await fc.assert(
      fc.asyncProperty(weather, async (steps) => {
        const folder = temporaryFolder(t)
        const { state, disk } = faultyDisk()
        const clock = handClock()
        const open = () => openStore(folder, clock, { disk, segmentBytes: 400, recoveryMillis: 1 })
        let store = await open()
        const model = new Model()
        let sequence = 0
        let round = 0
        const appendSome = async (count: number) => {
          const ids = ['a', 'b'].map((instance) => store.intern({ __name__: 'up', instance }))
          const batches = Array.from({ length: count }, (_, i) => {
            const n = sequence + 1 + i
            // Times collide on purpose, so that a refusal has former values to bring back.
            return sequenced(n, [
              row(base + (n % 3) * 3 * hour, ids, [n, ++round]),
              row(base + (n % 4), [], [], [ids[0]!]),
            ])
          })
          const results = await Promise.allSettled(batches.map((batch) => store.append(batch)))
          const accepted = results.findIndex((result) => result.status === 'rejected')
          const whole = accepted < 0 ? count : accepted
          if (results.slice(whole).some((result) => result.status === 'fulfilled'))
            throw new Error('a later batch overtook a refused one')
          refusals += count - whole
          for (const batch of batches.slice(0, whole)) model.append(batch, store.labels)
          sequence += whole
        }
        const check = async () => {
          const sorted = (found: Record<string, string[]>) =>
            JSON.stringify(Object.entries(found).sort())
          const [found, expected] = [
            sorted(await dump(store)),
            sorted(model.select(-Infinity, Infinity, () => true)),
          ]
          if (found !== expected) throw new Error(`found ${found}, expected ${expected}`)
          if (store.position(stream) !== sequence)
            throw new Error(`position ${store.position(stream)}, expected ${sequence}`)
        }
        for (const step of steps) {
          if (step.kind === 'append') await appendSome(step.count)
          else if (step.kind === 'break') state.failing = step.how
          else if (step.kind === 'mend') {
            state.failing = undefined
            await until(() => store.stats().refusal === undefined)
          } else if (step.kind === 'seal') {
            clock.at += 4 * hour
            await store.maintain().catch((error: unknown) => {
              if (state.failing === undefined) throw error
            })
          } else {
            await store.close()
            store = await open()
          }
          await check()
        }
        state.failing = undefined
        await store.close()
        store = await open()
        await check()
        if (store.stats().damaged > 0) throw new Error('damage reported')
        await store.close()
      }),
      { numRuns: 60 },
    )
    t.ok(refusals > 50, `${refusals} batches were refused`)
  },
)

t.test(
  'below the reserve samples are refused before the disk is full, and taken again above it',
  async (t) => {
    let freeBytes = 10_000
    const disk: Disk = { ...realDisk, space: async () => ({ freeBytes, totalBytes: 1e9 }) }
    const logger = listeningLogger()
    const store = await openStore(temporaryFolder(t), handClock(), {
      disk,
      reserveBytes: 5000,
      logger,
    })
    const id = store.intern({ __name__: 'up' })
    await store.append(sequenced(1, [row(base, [id], [1])]))
    freeBytes = 4000
    await until(async () => {
      await store.append({ rows: [row(base, [id], [1])] }).catch(() => undefined)
      return store.stats().refusal !== undefined
    })
    await t.rejects(
      store.append(sequenced(2, [row(base + 1, [id], [1])])),
      /4000 bytes are free.*the reserve is 5000; free space there/,
    )
    t.same(Object.values(await dump(store)), [[`${base}=1`]])
    t.ok(store.stats().batchesRefused > 0)
    freeBytes = 6000
    await until(() =>
      store.append(sequenced(2, [row(base + 1, [id], [1])])).then(
        () => true,
        () => false,
      ),
    )
    t.equal(store.position(stream), 2)
    t.match(
      logger.lines.join('\n'),
      /error free space is below the reserve[\s\S]*info free space is above/,
    )
    await store.close()
  },
)

function mountSmall(folder: string): string | undefined {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'callward-test', folder], {
      stdio: 'pipe',
    })
    return undefined
  } catch (error) {
    return String(error).split('\n')[0]
  }
}

t.test('a full disk: refused without harm, taken again once space is free', async (t) => {
  const folder = temporaryFolder(t)
  const refusal = mountSmall(folder)
  if (refusal !== undefined) {
    if (process.env['CALLWARD_REQUIRE_PEERS'] === '1') t.fail(refusal)
    else
      t.pass('a small file system', { skip: `a small file system cannot be mounted: ${refusal}` })
    return
  }
  t.teardown(() => execFileSync('umount', [folder]))
  const clock = handClock()
  let store = await openStore(join(folder, 'store'), clock)
  const ids = Array.from({ length: 500 }, (_, i) =>
    store.intern({ __name__: 'm', instance: String(i) }),
  )
  const kept = new Set<number>()
  let failures = 0
  const ballast = join(folder, 'ballast')
  writeFileSync(ballast, Buffer.alloc(1_000_000))
  for (let n = 1; failures < 3; n++) {
    try {
      await store.append({
        rows: [
          row(
            base + n,
            ids,
            ids.map(() => n),
          ),
        ],
      })
      kept.add(n)
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
      failures++
      await sleep(600)
    }
  }
  t.ok(kept.size > 50, `${kept.size} batches fitted`)
  clock.at += 5 * hour
  await store.maintain().catch(() => undefined)
  const times = async () =>
    (await store.select([{ name: 'instance', op: '=', value: '7' }], 0, 1e15))[0]?.times
  t.same(
    [...((await times()) ?? [])],
    [...kept].map((n) => base + n),
    'what was acknowledged and nothing else',
  )
  rmSync(ballast, { force: true })
  await until(() =>
    store
      .append({
        rows: [
          row(
            base + 1e6,
            ids,
            ids.map(() => 1),
          ),
        ],
      })
      .then(
        () => true,
        () => false,
      ),
  )
  kept.add(1e6)
  t.same(
    [...((await times()) ?? [])],
    [...kept].map((n) => base + n),
  )
  await store.close()
  store = await openStore(join(folder, 'store'), clock)
  t.same(
    [...((await times()) ?? [])],
    [...kept].map((n) => base + n),
    'and after a reopen',
  )
  t.equal(store.stats().damaged, 0)
  await store.close()
})
