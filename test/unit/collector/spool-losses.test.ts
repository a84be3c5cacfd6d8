import t from 'tap'
import { retold } from '../../../collector/retold.ts'
import { agesOf } from '../../../collector/spool/ages.ts'
import { filled } from '../../../collector/spool/files.ts'
import {
  type Ledger,
  ledgerBytes,
  readLedger,
  writeLedger,
} from '../../../collector/spool/ledger.ts'
import fc from '../../helpers/property.ts'
import { MemoryDisk, ModelHub, report, SpoolHost, wallStart, wide } from './spool-kit.ts'

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1)
const numbers = (hub: ModelHub) => [...hub.stored.keys()].sort((a, b) => a - b)

/** Reads each of `count` reports from `from` on, and waits for the disk. */
async function readAll(host: SpoolHost, from: number, count: number): Promise<void> {
  for (let n = from; n < from + count; n++) {
    host.read(n)
    await host.settled()
  }
}

t.test(
  'the disk refuses, the hub is away, a kill: exactly those of memory are a gap',
  async (t) => {
    for (const isStop of [false, true]) {
      const hub = new ModelHub()
      const host = await SpoolHost.open(new MemoryDisk())
      host.connect(hub)
      await readAll(host, 1, 5)
      await host.send(hub)
      host.pending.disconnected()
      await readAll(host, 6, 10)
      host.disk.refusal = 'ENOSPC'
      await readAll(host, 16, 7)
      t.equal(host.pending.inMemory, 7)
      if (isStop) await host.opened.close()
      const disk = host.disk.afterKill()
      const next = await SpoolHost.open(disk, { at: 30 })
      t.equal(next.opened.epoch, host.opened.epoch)
      t.match(next.pending.droppedBy, { damaged: 7 })
      t.match(next.opened.section, {
        state: 'error',
        detail: /^7 reports of the last run are lost/,
      })
      // Killed again while it begins its first segment, and once more behind that.
      const torn = host.disk.afterKill()
      torn.tearAt = 0.5
      await SpoolHost.open(torn, { at: 30 })
      const third = await SpoolHost.open(torn.torn!, { at: 31 })
      await third.settled()
      const last = await SpoolHost.open(third.disk.afterKill(), { at: 32 })
      last.read(33)
      await last.drain(hub)
      t.strictSame(numbers(hub), [...upTo(15), 33])
      t.equal(hub.gaps, 7, 'once, however often it was killed')
      t.strictSame(hub.faults, [])
    }
  },
)

t.test('the disk refuses, the hub takes all from memory, a kill: no gap', async (t) => {
  for (const arrive of [true, false]) {
    const hub = new ModelHub()
    const host = await SpoolHost.open(new MemoryDisk())
    host.connect(hub)
    await readAll(host, 1, 3)
    await host.send(hub)
    host.disk.refusal = 'ENOSPC'
    await readAll(host, 4, 3)
    t.equal(await host.send(hub, 9, { arrive, answers: false }), 3)
    const next = await SpoolHost.open(host.disk.afterKill(), { at: 10 })
    t.match(next.opened.section.detail, /3 more were on their way/)
    next.read(11)
    await next.drain(hub)
    t.equal(hub.gaps, arrive ? 0 : 3)
    t.strictSame(hub.faults, [])
  }
})

t.test('reports that wait in files go out although the disk refuses, and come once', async (t) => {
  const hub = new ModelHub()
  const host = await SpoolHost.open(new MemoryDisk())
  await readAll(host, 1, 90)
  host.disk.refusal = 'ENOSPC'
  await readAll(host, 91, 3)
  host.connect(hub)
  await host.settled()
  t.equal(await host.send(hub, 40, { answers: false, answersOnly: 'live' }), 9, 'a window')
  const next = await SpoolHost.open(host.disk.afterKill(), { at: 100 })
  next.read(101)
  await next.drain(hub)
  next.read(102)
  await next.drain(hub)
  t.strictSame(hub.faults, [])
  t.ok([...hub.stored.values()].every((times) => times === 1))
  t.equal(hub.gaps, 95 - hub.stored.size, 'what only memory had')
  t.equal(hub.gaps, 2)
})

t.test('nobody can write down how many are lost: at least one, said so', async (t) => {
  const host = await SpoolHost.open(new MemoryDisk())
  await readAll(host, 1, 3)
  host.disk.refusal = 'EIO'
  await readAll(host, 4, 5)
  t.equal(host.disk.whole, false)
  const hub = new ModelHub()
  const next = await SpoolHost.open(host.disk.afterKill(), { at: 10 })
  t.not(next.opened.epoch, host.opened.epoch)
  t.match(next.opened.section.detail, /^at least 1, nobody knows how many, reports/)
  next.read(11)
  await next.drain(hub)
  t.strictSame(numbers(hub), [1, 2, 3, 11])
  t.equal(hub.gaps, 1)
})

const steps = fc.array(
  fc.record({
    do: fc.constantFrom(
      ...([
        'read',
        'read',
        'connect',
        'send',
        'send',
        'lose',
        'cut',
        'kill',
        'full',
        'room',
      ] as const),
    ),
    many: fc.integer({ min: 1, max: 30 }),
  }),
  { minLength: 6, maxLength: 40 },
)

t.test(
  'any story of full disks, cuts and kills: each once, or in a gap that is exact',
  async (t) => {
    await fc.assert(
      fc.asyncProperty(steps, async (story) => {
        const hub = new ModelHub()
        let host = await SpoolHost.open(new MemoryDisk())
        let n = 0
        let connected = false
        const cut = () => {
          host.pending.disconnected()
          connected = false
        }
        for (const { do: what, many } of story) {
          if (what === 'read') {
            await readAll(host, n + 1, many)
            n += many
          } else if (what === 'connect' && !connected) {
            host.connect(hub)
            connected = true
          } else if (what === 'send' && connected)
            await host.send(hub, many, { answers: many % 2 === 0, answersOnly: 'live' })
          else if (what === 'lose' && connected) {
            await host.send(hub, many, { arrive: false })
            cut()
          } else if (what === 'cut' && connected) cut()
          else if (what === 'full') host.disk.refusal = 'ENOSPC'
          else if (what === 'room') host.disk.refusal = undefined
          else if (what === 'kill') {
            await host.settled()
            const { refusal } = host.disk
            const disk = host.disk.afterKill()
            disk.refusal = refusal
            host = await SpoolHost.open(disk, { at: n })
            connected = false
          }
        }
        host.disk.refusal = undefined
        await readAll(host, ++n, 1)
        await host.drain(hub)
        await readAll(host, ++n, 1)
        await host.drain(hub)
        t.strictSame(hub.faults, [])
        t.ok(
          [...hub.stored.values()].every((times) => times === 1),
          'none is stored twice',
        )
        t.equal(hub.gaps, n - hub.stored.size)
      }),
      { numRuns: 150 },
    )
  },
)

t.test('a file the medium gives nothing back of: the others are sent, it is a gap', async (t) => {
  const limits = { bytes: 64 * 1024, milliseconds: wide.milliseconds }
  const host = await SpoolHost.open(new MemoryDisk(), { limits })
  await readAll(host, 1, 400)
  const serials = [...host.disk.segments.keys()].sort((a, b) => a - b)
  t.ok(serials.length > 3)
  for (const [which, serial] of serials.entries()) {
    for (const when of ['start', 'drain'] as const) {
      const disk = host.disk.afterKill()
      if (when === 'start') disk.unreadable.add(serial)
      const hub = new ModelHub()
      const next = await SpoolHost.open(disk, { limits, at: 400 })
      t.ok(next.opened.spool, 'the spool is in use')
      if (when === 'drain') disk.unreadable.add(serial)
      next.read(401)
      await next.drain(hub)
      next.read(402)
      await next.drain(hub)
      const missing = 402 - hub.stored.size
      t.ok(missing > 10 && missing < 250, `file ${which}, ${when}: ${missing}`)
      const isNewest = when === 'start' && which === serials.length - 1
      if (!isNewest) t.equal(hub.gaps, missing)
      else t.ok(hub.gaps > 0 && hub.gaps <= missing, 'of the newest nobody knows how many')
      t.strictSame(hub.faults, [])
    }
  }
})

t.test('a bad block costs the block', async (t) => {
  const fail = () => Promise.reject(Object.assign(new Error('EIO'), { code: 'EIO' }))
  const read = (bytes: Uint8Array, bad: number) => (at: number) => {
    if (Math.floor(at / 4096) === bad) return fail()
    const end = at < bad * 4096 ? Math.min(bytes.length, bad * 4096) : bytes.length
    bytes.fill(7, at, end)
    return Promise.resolve(end - at)
  }
  const bytes = new Uint8Array(20_000)
  const whole = await filled(bytes, read(bytes, 2))
  t.equal(whole.length, 20_000)
  t.equal(whole.filter((byte) => byte === 0).length, 4096)
  const none = await filled(new Uint8Array(1e6), fail)
  t.equal(none.length, 1e6, 'and a file of nothing else is given up soon')
  const denied = () => Promise.reject(Object.assign(new Error('EACCES'), { code: 'EACCES' }))
  await t.rejects(filled(new Uint8Array(9), denied), /EACCES/)
})

t.test('the wall clock 100 h ahead at a start, then set right: nothing is dropped', async (t) => {
  const hub = new ModelHub()
  const host = await SpoolHost.open(new MemoryDisk())
  await readAll(host, 1, 50)
  const next = await SpoolHost.open(host.disk.afterKill(), { at: 60, hoursAhead: 100 })
  await readAll(next, 61, 1)
  t.equal(next.pending.dropped, 0)
  const rebooted = await SpoolHost.open(next.disk.afterKill(), {
    at: 70,
    boot: 'boot-2',
    hoursAhead: 100,
  })
  await readAll(rebooted, 71, 1)
  t.equal(rebooted.pending.dropped, 0)
  const last = await SpoolHost.open(rebooted.disk.afterKill(), { at: 80, boot: 'boot-2' })
  await last.drain(hub)
  t.equal(hub.stored.size, 52)
  t.equal(hub.gaps, 0)
})

t.test('true age is counted across starts, the time the machine was off is not', async (t) => {
  const limits = { bytes: wide.bytes, milliseconds: 100 * 10_000 }
  const host = await SpoolHost.open(new MemoryDisk(), { limits })
  await readAll(host, 1, 10)
  // The wall clock went back a week, which makes nothing younger.
  const next = await SpoolHost.open(host.disk.afterKill(), { limits, at: 105, hoursAhead: -168 })
  next.read(106)
  await next.settled()
  t.match(next.pending.droppedBy, { age: 5 })
  const dated = (number: number, monotonic: number, boot: string) => ({ number, monotonic, boot })
  const reports = [dated(1, 100, 'a'), dated(2, 300, 'a'), dated(3, 50, 'b'), dated(4, 90, 'b')]
  t.strictSame(Object.fromEntries(agesOf(reports, dated(0, 40, 'c'))), {
    4: 40,
    3: 80,
    2: 130,
    1: 330,
  })
  t.strictSame(Object.fromEntries(agesOf([dated(1, 500, 'a')], dated(0, 40, 'a'))), { 1: 0 })
  t.strictSame(Object.fromEntries(agesOf([dated(1, 500, '')], dated(0, 540, 'a'))), { 1: 40 })
})

t.test('read while the clock was ahead: told by the clock of now', async (t) => {
  const clock = { now: () => wallStart, monotonic: () => 1_000_000 }
  const sent = (wall: number) => ({
    lane: 'backlog' as const,
    sequence: 1,
    readAt: 400_000,
    report: { ...report(1), wall },
  })
  t.equal(retold(sent(wallStart + 100 * 3_600_000), clock).report.wall, wallStart - 600_000)
  for (const wall of [wallStart - 5, wallStart, wallStart + 1999]) {
    const as = sent(wall)
    t.equal(retold(as, clock), as, 'one that may be true stays')
  }
})

t.test('that there is a spool is noted with the first report, not before', async (t) => {
  let noted = 0
  const onFirst = () => void noted++
  const host = await SpoolHost.open(new MemoryDisk(), { onFirst })
  t.equal(noted, 0, 'a kill now lost nothing')
  await readAll(host, 1, 3)
  t.equal(noted, 1)
})

t.test('the ledger: read as written, whatever else is none', async (t) => {
  const ledger: Ledger = {
    collector: 'c',
    epoch: 'e',
    boot: 'b',
    nextNumber: 9,
    positions: { next: { live: 4, backlog: 7 }, done: { live: 3, backlog: 1 }, lowest: 2 },
    inFiles: [{ lane: 'backlog', number: 2, count: 3, sequence: 2 }],
    inMemory: [{ lane: undefined, number: 5, count: 4, sequence: 0 }],
  }
  const bytes = writeLedger(ledger)!
  t.equal(bytes.length, ledgerBytes, 'in place')
  t.strictSame(readLedger(bytes), ledger)
  t.equal(readLedger(writeLedger('blank')), 'blank')
  for (const none of [
    undefined,
    new Uint8Array(0),
    new Uint8Array(ledgerBytes),
    bytes.subarray(0, 90),
  ])
    t.equal(readLedger(none), undefined)
  fc.assert(
    fc.property(fc.nat(120), fc.nat(7), (at, bit) => {
      const other = Uint8Array.from(bytes)
      other[at]! ^= 1 << bit
      return readLedger(other) === undefined
    }),
  )
  const runs = Array.from({ length: 400 }, (_, i) => ({
    lane: undefined,
    number: 1e9 + i * 2,
    count: 1,
    sequence: 0,
  }))
  t.equal(writeLedger({ ...ledger, inMemory: runs }), undefined)
})
