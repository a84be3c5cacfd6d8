import { cpSync, existsSync, mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { type AppendFile, realDisk } from '../../server/store/disk.ts'
import type { StreamHost } from '../../server/store/engine-stream.ts'
import { StoreUnavailable } from '../../server/store/writer.ts'
import {
  base,
  dump,
  handClock,
  hour,
  openStore,
  row,
  Sender,
  sequenced,
  temporaryFolder,
} from '../unit/store/store-kit.ts'

/** The disk of this machine; while `failing` is set, this step of every file made here fails. */
function failingDisk(step: 'write' | 'sync') {
  const disk = {
    ...realDisk,
    failing: false,
    async create(path: string): Promise<AppendFile> {
      const file = await realDisk.create(path)
      const tryStep = (present: typeof step) => {
        if (disk.failing && present === step) throw new Error('EIO: i/o error')
      }
      return {
        ...file,
        async write(bytes) {
          tryStep('write')
          await file.write(bytes)
        },
        async sync() {
          tryStep('sync')
          await file.sync()
        },
      }
    },
  }
  return disk
}

const key = (name: string) => `8:__name__${name.length}:${name}`

t.test(
  'a row of a stream is read at once and told once it is durable, once a commit',
  async (t) => {
    const store = await openStore(temporaryFolder(t), handClock(), { lingerMillis: 5 })
    const told: number[] = []
    const stream = store.stream(
      { collector: 'c', epoch: 'e', lane: 'live' },
      { committed: (sequence) => void told.push(sequence), failed: (error) => t.fail(error) },
    )
    stream.extend(['a', 'b'].map((name) => store.intern({ __name__: name })))
    const values = Float64Array.of(1, 2)
    const send = (sequence: number, t: number) =>
      stream.append({ sequence, t, values, absent: undefined, stale: Uint8Array.of(2) })
    for (let n = 1; n <= 5; n++) send(n, base + n)
    send(3, base + 99)
    t.same(told, [], 'never inside append')
    t.equal(store.position({ collector: 'c', epoch: 'e', lane: 'live' }), 0)
    const before = await dump(store)
    t.same(
      before[key('a')],
      [1, 2, 3, 4, 5].map((n) => `${base + n}=1`),
      'the repeat has no effect',
    )
    t.same(
      before[key('b')],
      [1, 2, 3, 4, 5].map((n) => `${base + n}=stale`),
    )
    await store.append(sequenced(1, [], 'other'))
    t.same(told, [5, 3], 'one commit, and the repeat')
    t.equal(store.position({ collector: 'c', epoch: 'e', lane: 'live' }), 5)
    t.equal(store.stats().samplesAppended, 5)
    send(4, base)
    await store.append(sequenced(2, [], 'other'))
    t.same(told, [5, 3, 4])
    t.throws(() => send(6.5, base), /BUG: sequence 6.5/)
    t.throws(() => send(6, Number.NaN), /BUG: NaN is not a time/)
    t.throws(() => stream.extend([99]), /BUG: series 99/)
    stream.extend([store.intern({ __name__: 'c' })])
    t.throws(() => send(6, base), /BUG: 2 values for 3 columns/)
    stream.close()
    t.throws(() => send(7, base), /BUG: a row on a closed stream/)
    await store.close()
  },
)

t.test(
  'rows beside, before and over each other: the last write counts, in memory and after',
  async (t) => {
    const folder = temporaryFolder(t)
    const clock = handClock()
    let store = await openStore(folder, clock)
    const ids = ['a', 'b'].map((name) => store.intern({ __name__: name }))
    const live = new Sender(store, 'c', 'live')
    const backlog = new Sender(store, 'c', 'backlog')
    for (const { stream } of [live, backlog]) stream.extend(ids)
    live.send(1, base + 10, [1, 1])
    live.send(2, base + 20, [2, 2], false)
    live.send(3, base + 30, [3, 3])
    // Behind the last, between rows, onto a row; and the other lane onto the same times.
    live.send(4, base + 20, [4, 'absent'])
    backlog.send(1, base + 5, [5, 5])
    backlog.send(2, base + 30, ['stale', 6])
    await store.append({ rows: [row(base + 40, [ids[0]!], [7])] })
    live.send(5, base + 40, ['absent', 8])
    live.send(6, base + 50, [9, 9])
    await Promise.all([live.durable(6), backlog.durable(2)])
    const expected = {
      [key('a')]: ['5=5', '10=1', '20=4', '30=stale', '40=7', '50=9'],
      [key('b')]: ['5=5', '10=1', '20=2', '30=6', '40=8', '50=9'],
    }
    for (const entries of Object.values(expected))
      for (const [i, entry] of entries.entries())
        entries[i] = entry.replace(/^\d+/, (at) => String(base + Number(at)))
    t.same(await dump(store), expected)
    await store.close()
    store = await openStore(folder, clock)
    t.same(await dump(store), expected, 'replayed')
    await store.compact()
    t.same(await dump(store), expected, 'sealed and merged')
    t.equal(store.stats().journalSegments, 1)
    await store.close()
    store = await openStore(folder, clock)
    t.same(await dump(store), expected, 'reopened')
    await store.close()
  },
)

t.test('a disk that refuses ends the streams with rows on their way, and no other', async (t) => {
  const disk = failingDisk('sync')
  const folder = temporaryFolder(t)
  let store = await openStore(folder, handClock(), { disk, recoveryMillis: 1 })
  const [a = 0, b = 0] = ['a', 'b'].map((name) => store.intern({ __name__: name }))
  const [busy, idle] = [new Sender(store, 'busy'), new Sender(store, 'idle')]
  busy.stream.extend([a])
  idle.stream.extend([b])
  busy.send(1, base + 1, [1])
  idle.send(1, base + 1, [1])
  await Promise.all([busy.durable(1), idle.durable(1)])
  const before = await dump(store)
  disk.failing = true
  busy.send(2, base + 2, [2])
  busy.send(3, base, [3])
  t.notSame(await dump(store), before)
  await t.rejects(busy.durable(2), /The disk refused the samples: EIO/)
  t.ok(busy.failure instanceof StoreUnavailable)
  t.same(await dump(store), before, 'nothing of them counts')
  t.throws(() => busy.send(2, base + 2, [2]), /The stream has failed; open a new one/)
  t.throws(() => idle.send(2, base + 2, [2]), /Samples are refused/)
  disk.failing = false
  while (store.stats().refusal !== undefined) await new Promise((go) => setTimeout(go, 5))
  idle.send(2, base + 2, [2])
  const again = new Sender(store, 'busy')
  again.stream.extend([a])
  again.send(2, base + 2, [20])
  await Promise.all([idle.durable(2), again.durable(2)])
  t.equal(idle.failure, undefined)
  const after = {
    [key('a')]: [`${base + 1}=1`, `${base + 2}=20`],
    [key('b')]: [`${base + 1}=1`, `${base + 2}=2`],
  }
  t.same(await dump(store), after)
  await store.close()
  store = await openStore(folder, handClock())
  t.same(await dump(store), after)
  t.equal(store.position(busy.key), 2)
  t.equal(store.stats().damaged, 0)
  await store.close()
})

t.test('what a commit wrote is undone in order, whoever wrote it', async (t) => {
  const disk = failingDisk('write')
  const store = await openStore(temporaryFolder(t), handClock(), { disk, recoveryMillis: 1 })
  const id = store.intern({ __name__: 'a' })
  const sender = new Sender(store)
  sender.stream.extend([id])
  sender.send(1, base + 1, [1])
  await sender.durable(1)
  await store.append({ rows: [row(base + 3, [id], [3])] })
  const before = await dump(store)
  disk.failing = true
  sender.send(2, base + 2, [20])
  const batch = store.append({ rows: [row(base + 3, [id], [30]), row(base + 4, [id], [40])] })
  sender.send(3, base + 3, [31])
  sender.send(4, base + 4, [41])
  await t.rejects(batch, /The disk refused the samples/)
  await t.rejects(sender.durable(2), /The disk refused the samples/)
  t.same(
    await dump(store),
    before,
    'neither the refused ones nor what they displaced of each other',
  )
  disk.failing = false
  await store.close().catch(() => undefined)
})

t.test(
  'a row that memory could not take is in nothing, and taken when it comes again',
  async (t) => {
    const folder = temporaryFolder(t)
    const clock = handClock()
    let store = await openStore(folder, clock)
    // The engine is a host of streams too: the way to the memory that has to fail.
    const { head } = store as unknown as StreamHost
    const id = store.intern({ __name__: 'a' })
    const sender = new Sender(store)
    sender.stream.extend([id])
    const failOnce = (method: 'appendRow' | 'write' | 'extendGroup', act: () => unknown) => {
      const { open } = head
      open[method] = () => {
        throw new RangeError('Array buffer allocation failed')
      }
      const outcome = Promise.resolve().then(act)
      return t.rejects(outcome, RangeError).then(() => {
        // The one of the class is back.
        Reflect.deleteProperty(open, method)
      })
    }
    sender.send(1, base + 1, [1])
    await failOnce('appendRow', () => sender.send(2, base + 2, [2]))
    sender.send(2, base + 2, [2])
    await failOnce('write', () => sender.send(3, base, [3]))
    sender.stream.extend([store.intern({ __name__: 'b' })])
    await failOnce('extendGroup', () => sender.send(3, base + 3, [3, 3]))
    sender.send(3, base + 3, [3, 3], false)
    sender.send(4, base + 4, [4, 4])
    await sender.durable(4)
    await failOnce('write', () => store.append(sequenced(1, [row(base, [id], [0])], 'other')))
    await store.append(sequenced(1, [row(base, [id], [0])], 'other'))
    const expected = {
      [key('a')]: [0, 1, 2, 3, 4].map((n) => `${base + n}=${n}`),
      [key('b')]: [3, 4].map((n) => `${base + n}=${n}`),
    }
    t.same(await dump(store), expected)
    t.equal(store.stats().batchesRepeated, 0)
    await store.close()
    store = await openStore(folder, clock)
    t.same(await dump(store), expected, 'replayed')
    t.equal(store.stats().damaged, 0)
    await store.close()
  },
)

t.test('a series retired between its dictionary entry and its first row comes back', async (t) => {
  const folder = temporaryFolder(t)
  const clock = handClock()
  const day = 24 * hour
  const open = () => openStore(folder, clock, { retentionDays: 1 })
  let store = await open()
  const old = ['late', 'twice'].map((name) => store.intern({ __name__: name }))
  await store.append({ rows: [row(clock.at, old, [0, 0])] })
  await store.compact()
  await store.close()
  clock.at += 3 * day
  store = await open()
  const ids = ['steady', 'late', 'twice'].map((name) => store.intern({ __name__: name }))
  const [steady = 0, late = 0, twice = 0] = ids
  const group = new Sender(store, 'group')
  const loose = new Sender(store, 'loose')
  group.stream.extend([steady])
  loose.stream.extend([steady, steady])
  group.send(1, clock.at, [1])
  loose.send(1, clock.at + 1, [1, 1])
  group.stream.extend([late])
  loose.stream.extend([twice])
  await Promise.all([group.durable(1), loose.durable(1)])
  clock.at += 10_000
  await store.maintain()
  t.equal(store.stats().series, 1, 'retention has taken those without data')
  group.send(2, clock.at + 2, [3, 7])
  loose.send(2, clock.at + 3, [4, 4, 8])
  await Promise.all([group.durable(2), loose.durable(2)])
  const found = async () => {
    const { [key('steady')]: _, ...others } = await dump(store)
    return others
  }
  const expected = {
    [key('late')]: [`${clock.at + 2}=7`],
    [key('twice')]: [`${clock.at + 3}=8`],
  }
  t.same(await found(), expected)
  await store.compact()
  t.same(await found(), expected, 'sealed')
  await store.close()
  store = await open()
  t.same(await found(), expected, 'after a restart')
  await store.close()
})

t.test('recent reads: from memory alone, for as long as memory has it all', async (t) => {
  const folder = temporaryFolder(t)
  const clock = handClock()
  let store = await openStore(folder, clock)
  let sender = new Sender(store)
  const id = store.intern({ __name__: 'sent' })
  sender.stream.extend([id])
  let n = 0
  const send = async (count: number) => {
    for (let i = 0; i < count; i++) {
      clock.at += 10_000
      sender.send(++n, clock.at, [n])
    }
    await sender.durable(n)
  }
  const recent = (from: number) => {
    const found = store.columns.column(id, clock.at - from, clock.at)
    const newest = { time: 0, value: 0, isMark: false }
    t.ok(store.columns.latest(id, clock.at - 9_000, clock.at, newest), 'the newest is in memory')
    t.same(newest, { time: clock.at, value: n, isMark: false })
    return found?.times.length
  }
  await send(30)
  t.equal(recent(299_000), 30, 'nothing is sealed')
  t.equal(recent(hour), 30)
  await store.maintain()
  await send(30)
  t.equal(recent(599_000), 60, 'what was sealed last stays')
  await store.maintain()
  await send(30)
  t.equal(recent(599_000), 60, 'the last ten minutes')
  t.equal(recent(601_000), undefined, 'the first five are in their file alone')
  t.equal((await store.select([], clock.at - hour, clock.at))[0]?.times.length, 90)
  await store.close()
  store = await openStore(folder, clock)
  t.equal(recent(299_000), 30, 'after a restart: what the journal brought back')
  t.equal(recent(301_000), undefined)
  sender = new Sender(store)
  sender.stream.extend([store.intern({ __name__: 'sent' })])
  await send(3)
  t.equal(recent(29_000), 3)
  await store.close()
})

t.test(
  'a copy of a running store holds what was acknowledged before it, whatever goes on',
  async (t) => {
    const folder = temporaryFolder(t)
    const clock = handClock()
    const store = await openStore(folder, clock)
    const sender = new Sender(store)
    sender.stream.extend([store.intern({ __name__: 'sent' })])
    let n = 0
    const send = async (count: number) => {
      for (let i = 0; i < count; i++) sender.send(++n, base + n, [n])
      await sender.durable(n)
    }
    await send(10)
    clock.at += hour
    await store.maintain()
    await send(10)
    const copy = await store.beginCopy()
    const acknowledged = n
    sender.stream.extend([store.intern({ __name__: 'later' })])
    for (let i = 0; i < 3; i++) {
      sender.send(++n, base + n, [n, n])
      await sender.durable(n)
      clock.at += 3 * hour
      await store.compact()
    }
    const after = temporaryFolder(t)
    for (const { path, bytes } of copy.files) {
      mkdirSync(dirname(join(after, path)), { recursive: true })
      cpSync(join(folder, path), join(after, path))
      truncateSync(join(after, path), bytes)
    }
    copy.release()
    const restored = await openStore(after, clock)
    t.equal(restored.position(sender.key), acknowledged)
    t.same(await dump(restored), {
      [key('sent')]: Array.from({ length: acknowledged }, (_, i) => `${base + i + 1}=${i + 1}`),
    })
    t.equal(restored.stats().damaged, 0)
    await restored.close()
    await store.maintain()
    t.equal(store.stats().journalSegments, 1, 'nothing is held any more')
    t.equal((await dump(store))[key('sent')]?.length, n)
    await store.close()
  },
)

t.test('a folder of another format is refused with what to do', async (t) => {
  const old = temporaryFolder(t)
  mkdirSync(join(old, 'blocks'))
  await t.rejects(openStore(old, handClock()), /written by an earlier version.*Move it away/)
  const older = temporaryFolder(t)
  mkdirSync(join(older, 'journal'))
  writeFileSync(join(older, 'journal', '00000001.wal'), 'x')
  await t.rejects(openStore(older, handClock()), /written by an earlier version/)
  const later = temporaryFolder(t)
  writeFileSync(join(later, 'format'), '5\n')
  await t.rejects(openStore(later, handClock()), /has format "5", this version knows 4/)
  const begun = temporaryFolder(t)
  writeFileSync(join(begun, 'format'), '')
  const store = await openStore(begun, handClock())
  const id = store.intern({ __name__: 'up' })
  await store.append({ rows: [row(base, [id], [1])] })
  await store.compact()
  await store.close()
  rmSync(join(begun, 'series.log'))
  await t.rejects(openStore(begun, handClock()), /sealed files but no series\.log/)
  t.notOk(existsSync(join(begun, 'lock')), 'a refused start leaves no lock')
})
