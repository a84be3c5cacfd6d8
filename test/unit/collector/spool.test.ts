import t from 'tap'
import { BacklogPace } from '../../../collector/backlog-pace.ts'
import type { Series } from '../../../collector/pending.ts'
import { limits as wire } from '../../../collector/wire/frames.ts'
import fc from '../../helpers/property.ts'
import {
  type HostOptions,
  MemoryDisk,
  ModelHub,
  plainSeries,
  SpoolHost,
  wide,
} from './spool-kit.ts'

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1)
const once = (hub: ModelHub) =>
  [...hub.stored.values()].every((times) => times === 1) && hub.faults.length === 0
const numbers = (hub: ModelHub) => [...hub.stored.keys()].sort((a, b) => a - b)

/** The same collector again, on what a kill left. */
const again = (host: SpoolHost, options: HostOptions = {}, share = 1) =>
  SpoolHost.open(host.disk.afterKill(share), options)

t.test(
  'a segment that was being begun when the process was killed: the epoch goes on',
  async (t) => {
    const host = await SpoolHost.open(new MemoryDisk())
    host.read(1)
    await host.settled()
    for (const bytes of [[], [0xc5], [0xc5, 1, 200, 0, 0, 0, 1, 2, 3, 4, 5]]) {
      const disk = host.disk.afterKill()
      const begun = { bytes: Uint8Array.from(bytes), synced: 0, lastWrite: 0 }
      disk.segments.set(Math.max(...disk.segments.keys()) + 1, begun)
      const next = await SpoolHost.open(disk)
      t.equal(next.opened.epoch, host.opened.epoch, `${bytes.length} bytes`)
      t.equal(next.pending.count, 1)
    }
  },
)

t.test('killed while its first segment was being begun: nothing was lost, no gap', async (t) => {
  const host = await SpoolHost.open(new MemoryDisk())
  const [serial] = host.disk.segments.keys()
  for (const length of [0, 1, 7, 40]) {
    const disk = host.disk.afterKill()
    const content = disk.segments.get(serial!)!
    content.bytes = content.bytes.slice(0, length)
    disk.whole = false
    const hub = new ModelHub()
    const next = await SpoolHost.open(disk, { hadSpool: false })
    t.equal(next.pending.dropped, 0, `${length} bytes`)
    next.read(1)
    await next.drain(hub)
    t.equal(hub.gaps, 0)
    t.match(next.opened.section, { state: 'ok', detail: '' })
  }
})

t.test('a report is on disk before it can be sent; a kill loses none', async (t) => {
  const hub = new ModelHub()
  const host = await SpoolHost.open(new MemoryDisk())
  host.connect(hub)
  host.read(1)
  t.equal(host.pending.next(), undefined, 'not before it is written')
  await host.settled()
  t.match(host.pending.next(), { lane: 'live', sequence: 1 })
  for (const n of [2, 3, 4]) host.read(n)
  await host.settled()
  t.equal(await host.send(hub, 2, { answers: false }), 2, 'two arrive, none is acknowledged')
  const next = await again(host)
  t.equal(next.opened.epoch, host.opened.epoch)
  t.equal(next.pending.count, 4)
  next.connect(hub)
  t.equal(next.pending.count, 2, 'the hub says which it has')
  next.read(5)
  await next.drain(hub)
  t.strictSame(numbers(hub), upTo(5))
  t.ok(once(hub), hub.faults.join())
  t.equal(hub.gaps, 0)
})

t.test(
  'killed at any byte of a write: what was written before is there, the rest was never sent',
  async (t) => {
    const host = await SpoolHost.open(new MemoryDisk())
    for (const n of upTo(20)) {
      host.read(n)
      await host.settled()
    }
    host.read(21, [...plainSeries, { name: 'new', labels: { job: 'x' } }])
    host.read(22)
    await host.settled()
    for (let i = 0; i <= 40; i++) {
      const hub = new ModelHub()
      const next = await again(host, {}, i / 40)
      t.equal(next.opened.epoch, host.opened.epoch, 'a cut is no damage')
      await next.drain(hub)
      const found = numbers(hub)
      if (found.length < 20 || !once(hub) || hub.gaps > 0) t.fail(`cut at ${i}: ${found}`)
    }
  },
)

t.test(
  'an outage: the newest goes live, the rest oldest-first by the backlog, from disk',
  async (t) => {
    const hub = new ModelHub()
    const host = await SpoolHost.open(new MemoryDisk())
    for (const n of upTo(1000)) {
      host.read(n)
      await host.settled()
    }
    t.equal(host.pending.inMemory, 0)
    host.connect(hub)
    await host.settled()
    const order: string[] = []
    for (let i = 0; i < 3; i++) {
      await host.settled()
      if (host.pending.next() === undefined) await host.settled()
      const next = host.pending.next()!
      order.push(`${next.lane} ${next.sequence} ${next.report.values[0]}`)
      host.pending.sent(next)
      hub.receive(host.opened.epoch, next.lane, next.sequence, next.report)
      host.answer(hub, next.lane)
    }
    t.strictSame(order, ['live 1 1000', 'backlog 1 1', 'backlog 2 2'])
    await host.drain(hub)
    t.strictSame(numbers(hub), upTo(1000))
    t.ok(once(hub))
    host.read(1001)
    await host.settled()
    t.ok(host.disk.segments.size <= 2, 'what is acknowledged is removed')
    await host.opened.close()
  },
)

t.test('limits: the oldest go first, and the hub counts exactly those as a gap', async (t) => {
  for (const limits of [
    { bytes: 64 * 1024, milliseconds: wide.milliseconds },
    { bytes: wide.bytes, milliseconds: 200 * 10_000 },
  ]) {
    const hub = new ModelHub()
    let host = await SpoolHost.open(new MemoryDisk(), { limits })
    host.connect(hub)
    host.read(1)
    await host.send(hub, 1)
    host.pending.disconnected()
    let dropped = 0
    for (let n = 2; n <= 3000; n++) {
      host.read(n)
      await host.settled()
      if (n % 700 === 0) {
        dropped += host.pending.dropped
        host = await again(host, { limits, at: n })
      }
    }
    dropped += host.pending.dropped
    t.ok(dropped > 500, `${dropped} dropped`)
    t.ok(host.disk.bytes <= limits.bytes + 8192, `${host.disk.bytes} bytes`)
    await host.drain(hub)
    t.equal(hub.stored.size, 3000 - dropped)
    t.equal(hub.gaps, dropped)
    t.strictSame(numbers(hub).slice(1), upTo(3000).slice(dropped + 1), 'the newest are kept')
    t.ok(once(hub))
  }
})

/** One step of a story; `many` is a small number it may use. */
type Step = {
  readonly do: 'read' | 'connect' | 'send' | 'lose' | 'cut' | 'kill' | 'tear'
  readonly many: number
}
const steps = fc.array(
  fc.record({
    do: fc.constantFrom<Step['do'][]>(
      ...([
        'read',
        'read',
        'read',
        'connect',
        'send',
        'send',
        'lose',
        'cut',
        'kill',
        'tear',
      ] as const),
    ) as fc.Arbitrary<Step['do']>,
    many: fc.integer({ min: 1, max: 60 }),
  }),
  { minLength: 5, maxLength: 40 },
)

t.test(
  'any story of reports, cuts and kills: each once, the gaps are what was dropped',
  async (t) => {
    await fc.assert(
      fc.asyncProperty(steps, fc.boolean(), async (story, small) => {
        const limits = small ? { bytes: 24 * 1024, milliseconds: 3_000_000 } : wide
        const hub = new ModelHub()
        let host = await SpoolHost.open(new MemoryDisk(), { limits })
        const { epoch } = host.opened
        let [n, dropped, torn] = [0, 0, 0]
        let connected = false
        for (const { do: what, many } of story) {
          if (what === 'read') {
            for (let i = 0; i < many; i++) host.read(++n)
            if (many % 3 > 0) await host.settled()
          } else if (what === 'connect' && !connected) {
            host.connect(hub)
            connected = true
          } else if (what === 'send' && connected) {
            const answersOnly = many % 3 === 0 ? 'live' : ''
            await host.send(hub, many, { answers: many % 2 === 0, answersOnly })
          } else if (what === 'lose' && connected) {
            await host.send(hub, many, { arrive: false })
            host.pending.disconnected()
            connected = false
          } else if (what === 'cut' && connected) {
            host.pending.disconnected()
            connected = false
          } else if (what === 'kill') {
            await host.settled()
            dropped += host.pending.dropped
            host = await again(host, { limits, at: n })
            connected = false
          } else if (what === 'tear') {
            await host.settled()
            dropped += host.pending.dropped
            torn -= host.pending.dropped
            host.disk.tearAt = many / 60
            for (let i = 0; i < many; i++) host.read(++n)
            await host.settled()
            // What was being written counts as never read where it is not there, and as never dropped what went for its sake.
            torn += many + host.pending.dropped
            host = await SpoolHost.open(host.disk.torn!, { limits, at: n })
            connected = false
          }
        }
        await host.settled()
        dropped += host.pending.dropped
        await host.drain(hub)
        t.strictSame(hub.faults, [])
        t.ok(once(hub), 'none is stored twice')
        t.equal(host.opened.epoch, epoch)
        const missing = n - hub.stored.size
        // What a kill tore off the last write was not there yet; what it had been sent of it is stored.
        t.ok(
          missing >= dropped - torn && missing <= dropped + torn,
          `${missing} are missing of ${n}`,
        )
        if (torn === 0) t.ok(hub.gaps <= dropped, `${hub.gaps} of ${dropped} seen as a gap`)
      }),
      { numRuns: 150 },
    )
  },
)

t.test(
  'a power failure: what was not brought to the medium is lost, and a new epoch begins',
  async (t) => {
    const hub = new ModelHub()
    const host = await SpoolHost.open(new MemoryDisk())
    for (const n of upTo(50)) {
      host.read(n)
      await host.settled()
    }
    host.connect(hub)
    await host.send(hub, 20, { answers: false, answersOnly: 'live' })
    const next = await SpoolHost.open(host.disk.afterPowerFailure(), { boot: 'boot-2', at: 60 })
    t.not(next.opened.epoch, host.opened.epoch)
    t.ok(next.pending.count >= 49, `${next.pending.count}: all but the last seconds`)
    await next.drain(hub)
    t.strictSame(hub.faults, [])
    t.ok(hub.stored.size >= 49)

    const stopped = await SpoolHost.open(new MemoryDisk())
    for (const n of upTo(5)) stopped.read(n)
    await stopped.settled()
    await stopped.opened.close()
    const { epoch } = stopped.opened
    const rebooted = await SpoolHost.open(stopped.disk.afterPowerFailure(), { boot: 'boot-2' })
    t.equal(rebooted.opened.epoch, epoch, 'a stop in order and a reboot go on in the epoch')
    t.equal(rebooted.pending.count, 5)
  },
)

t.test('the assignment of an outage is on the medium before the first of it is sent', async (t) => {
  const hub = new ModelHub()
  const host = await SpoolHost.open(new MemoryDisk())
  for (const n of upTo(5)) host.read(n)
  await host.settled()
  const { syncs } = host.disk
  host.connect(hub)
  t.equal(host.pending.next(), undefined)
  await host.settled()
  t.ok(host.disk.syncs > syncs)
  t.ok(host.pending.next() !== undefined)
})

t.test('the hub acknowledges at once: one write a report, nothing is synced', async (t) => {
  const hub = new ModelHub()
  const host = await SpoolHost.open(new MemoryDisk())
  host.connect(hub)
  const { syncs, writes } = host.disk
  for (const n of upTo(100)) {
    host.read(n)
    await host.settled()
    await host.send(hub)
  }
  t.equal(host.disk.syncs, syncs)
  t.equal(host.disk.writes - writes, 100)
  t.equal(host.pending.count, 0)
})

t.test('the spool is gone: a new epoch, and the hub sees a gap', async (t) => {
  const hub = new ModelHub()
  const host = await SpoolHost.open(new MemoryDisk(), { hadSpool: true })
  t.equal(host.pending.dropped, 1)
  t.match(host.opened.section, { state: 'error', detail: /spool is gone/ })
  host.read(1)
  await host.drain(hub)
  t.equal(hub.gaps, 1)
  const first = await SpoolHost.open(new MemoryDisk())
  t.equal(first.pending.dropped, 0, 'a first start loses nothing')
  t.match(first.opened.section, { state: 'ok', detail: '' })
  const foreign = await again(host, { collector: 'c-2' })
  t.not(foreign.opened.epoch, host.opened.epoch, 'sequences are counted by collector')
})

/** A spool of 400 reports in several segments, away from the hub. */
async function fourHundred(): Promise<SpoolHost> {
  const host = await SpoolHost.open(new MemoryDisk(), {
    limits: { bytes: 64 * 1024, milliseconds: wide.milliseconds },
  })
  for (const n of upTo(400)) {
    host.read(n)
    await host.settled()
  }
  return host
}

t.test(
  'flipped bits anywhere: never a wrong value, lost reports are counted as a gap',
  async (t) => {
    const host = await fourHundred()
    t.ok(host.disk.segments.size > 2)
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.nat(), fc.nat(7), async (which, place, bit) => {
        const disk = host.disk.afterKill()
        const serials = [...disk.segments.keys()]
        const { bytes } = disk.segments.get(serials[which % serials.length]!)!
        bytes[place % bytes.length]! ^= 1 << bit
        const hub = new ModelHub()
        const next = await SpoolHost.open(disk, { at: 400 })
        next.read(401)
        await next.drain(hub)
        t.strictSame(hub.faults, [], 'each value is that of its report')
        t.ok(once(hub))
        const missing = 401 - hub.stored.size
        const { dropped } = next.pending
        t.ok(
          missing <= 320 && (missing === 0 || dropped > 0),
          `${missing} missing, ${dropped} said`,
        )
        t.ok(missing === 0 || hub.gaps > 0 || hub.stored.size === 0, `${hub.gaps} seen as a gap`)
        if (next.opened.epoch === host.opened.epoch && dropped > 0)
          t.equal(hub.gaps, missing, 'exactly')
      }),
      { numRuns: 120 },
    )
  },
)

t.test('a removed file: what was in it is a gap', async (t) => {
  const host = await fourHundred()
  const disk = host.disk.afterKill()
  const [, second] = [...disk.segments.keys()].sort((a, b) => a - b)
  disk.segments.delete(second!)
  const hub = new ModelHub()
  const next = await SpoolHost.open(disk, { at: 400 })
  t.equal(next.opened.epoch, host.opened.epoch)
  next.read(401)
  await next.drain(hub)
  const missing = 401 - hub.stored.size
  t.ok(missing > 10 && next.pending.dropped === missing && hub.gaps === missing, `${missing}`)
  t.match(next.opened.section, { state: 'error', detail: /reports of the last run are lost/ })
})

t.test(
  'the disk refuses: reports go on from memory, and onto the disk when it takes them again',
  async (t) => {
    for (const refusal of ['ENOSPC', 'EROFS', 'EIO'] as const) {
      const hub = new ModelHub()
      const host = await SpoolHost.open(new MemoryDisk())
      host.connect(hub)
      for (const n of upTo(5)) host.read(n)
      await host.send(hub, 3)
      host.disk.refusal = refusal
      for (const n of [6, 7, 8]) host.read(n)
      await host.settled()
      t.match(host.opened.section.state, refusal === 'EROFS' ? 'denied' : 'error')
      t.match(host.opened.section.detail, /wait in memory only/)
      t.equal(host.disk.whole, false, 'the next start knows that more was sent than the files tell')
      t.equal(host.pending.inMemory > 0, true)
      await host.send(hub)
      host.pending.disconnected()
      for (let n = 9; n <= 300; n++) {
        host.read(n)
        await host.settled()
      }
      t.equal(host.pending.inMemory, 292)
      host.disk.refusal = undefined
      host.read(301)
      await host.settled()
      host.read(302)
      await host.settled()
      t.match(host.opened.section, { state: 'ok', detail: '' })
      t.equal(host.pending.inMemory, 0)
      t.equal(host.disk.whole, true)
      const next = await again(host, { at: 302 })
      t.equal(next.opened.epoch, host.opened.epoch)
      await next.drain(hub)
      t.strictSame(numbers(hub), upTo(302), refusal)
      t.ok(once(hub))
      t.equal(hub.gaps, 0)
    }
  },
)

t.test(
  'killed while the disk refuses: the epoch goes on, nothing that is stored is another report',
  async (t) => {
    const hub = new ModelHub()
    const host = await SpoolHost.open(new MemoryDisk())
    host.connect(hub)
    host.read(1)
    await host.send(hub)
    host.disk.refusal = 'ENOSPC'
    for (const n of [2, 3]) host.read(n)
    await host.settled()
    await host.send(hub, 1, { answers: false })
    const disk = host.disk.afterKill()
    const next = await SpoolHost.open(disk, { at: 10 })
    t.equal(next.opened.epoch, host.opened.epoch)
    for (const n of [11, 12]) next.read(n)
    await next.drain(hub)
    t.strictSame(hub.faults, [])
    t.ok(hub.stored.has(11) && hub.stored.has(12))
    t.equal(hub.gaps, 1, 'of the two that only memory had the hub had one')
  },
)

t.test(
  'a disk that fails, its marker still there: nothing goes out that would come back as another',
  async (t) => {
    for (const fault of ['syncFails', 'markerStays'] as const) {
      const hub = new ModelHub()
      const host = await SpoolHost.open(new MemoryDisk())
      host.disk[fault] = true
      for (const n of upTo(3)) {
        host.read(n)
        await host.settled()
      }
      if (fault === 'markerStays') {
        host.disk.refusal = 'EIO'
        host.read(4)
        await host.settled()
      }
      t.equal(host.opened.section.state, 'error')
      t.equal(host.disk.whole, true)
      host.connect(hub)
      await host.send(hub)
      host.disk.refusal = undefined
      const next = await again(host, { at: 10 })
      t.equal(next.opened.epoch, host.opened.epoch)
      for (const n of [11, 12]) next.read(n)
      await next.drain(hub)
      t.strictSame(hub.faults, [])
      t.ok(once(hub), `${fault}: none is stored twice`)
      for (const n of [1, 2, 3, 11, 12]) t.ok(hub.stored.has(n))
    }
  },
)

t.test(
  'a disk that hangs: reports of now go out, a kill gives none of their sequences again',
  async (t) => {
    const hub = new ModelHub()
    const host = await SpoolHost.open(new MemoryDisk())
    for (const n of upTo(3)) host.read(n)
    await host.settled()
    host.disk.hangs = true
    host.read(4)
    await new Promise((resolve) => setTimeout(resolve, 2100))
    t.match(host.opened.section, { state: 'error', detail: /does not answer/ })
    host.read(5)
    host.connect(hub)
    const pass = () => {
      let next = host.pending.next()
      for (; next !== undefined; next = host.pending.next()) {
        host.pending.sent(next)
        hub.receive(host.opened.epoch, next.lane, next.sequence, next.report)
        host.answer(hub, next.lane)
      }
    }
    pass()
    host.read(6)
    pass()
    t.strictSame(numbers(hub), [5, 6], 'what the files have without its sequence waits')
    host.disk.hangs = false
    const next = await again(host, { at: 10 })
    t.equal(next.opened.epoch, host.opened.epoch)
    for (const n of [11, 12]) next.read(n)
    await next.drain(hub)
    t.strictSame(hub.faults, [])
    t.ok(once(hub))
    t.strictSame(
      numbers(hub),
      [1, 2, 3, 5, 6, 11, 12],
      'the report in the write that hung is lost with it',
    )
  },
)

t.test('no descriptor is free for a moment: nothing is given up', async (t) => {
  const hub = new ModelHub()
  const host = await SpoolHost.open(new MemoryDisk())
  for (const n of upTo(200)) host.read(n)
  await host.settled()
  host.disk.readsFail = 2
  await host.drain(hub)
  await new Promise((resolve) => setTimeout(resolve, 2300))
  while ((await host.send(hub, 40)) > 0);
  t.equal(host.pending.dropped, 0)
  t.strictSame(numbers(hub), upTo(200))
  t.equal(hub.gaps, 0)
})

t.test('memory is bounded while the disk refuses', async (t) => {
  const hub = new ModelHub()
  const host = await SpoolHost.open(new MemoryDisk())
  host.disk.refusal = 'ENOSPC'
  for (const n of upTo(800)) host.read(n)
  await host.settled()
  t.equal(host.pending.inMemory, 500)
  t.match(host.pending.droppedBy, { memory: 300, bytes: 0 })
  await host.drain(hub)
  t.strictSame(numbers(hub), upTo(800).slice(300))
  t.equal(hub.gaps, 300)
})

t.test('many short-lived series: segments stay readable', async (t) => {
  const hub = new ModelHub()
  const host = await SpoolHost.open(new MemoryDisk())
  const series = (n: number): Series[] => [
    plainSeries[0]!,
    ...Array.from({ length: 3000 }, (_, i) => ({ name: 'm', labels: { i: `${n}-${i}` } })),
  ]
  for (const n of upTo(60)) {
    host.read(n, series(n))
    await host.settled()
  }
  t.ok(host.disk.segments.size >= 4)
  await host.drain(hub)
  t.strictSame(numbers(hub), upTo(60))
  t.strictSame(hub.faults, [])
})

t.test(
  'the backlog’s pace: more while the hub is quick, half of it when it is slow, once a round',
  async (t) => {
    const pace = new BacklogPace()
    t.equal(pace.window, 8)
    for (let i = 0; i < 40; i++) pace.answered(i, i + 5)
    t.equal(pace.window, wire.backlogInFlight)
    for (const sentAt of [100, 101, 102]) pace.answered(sentAt, sentAt + 400)
    t.equal(pace.window, wire.backlogInFlight / 2, 'those sent together say it once')
    pace.answered(600, 700)
    t.equal(pace.window, wire.backlogInFlight / 2, 'between quick and slow it stays')
    for (let at = 1000; at < 9000; at += 1000) pace.answered(at, at + 300)
    t.equal(pace.window, 4, 'never none')
    pace.begin()
    t.equal(pace.window, 8)
    for (let at = 0; at < 40_000; at += 1000) pace.answered(at, at + 350)
    t.equal(pace.window, wire.backlogInFlight, 'a long way is no queue')
  },
)

t.test('killed in the midst of a write: a sequence that was never used is no gap', async (t) => {
  for (let share = 0; share <= 20; share++) {
    const hub = new ModelHub()
    const host = await SpoolHost.open(new MemoryDisk())
    host.connect(hub)
    host.read(1)
    await host.send(hub)
    host.disk.tearAt = share / 20
    host.read(2)
    await host.settled()
    const next = await SpoolHost.open(host.disk.torn!)
    next.connect(hub)
    next.read(3)
    await next.drain(hub)
    t.equal(hub.gaps, 0, `${share} of 20 written`)
    t.strictSame(hub.faults, [])
  }
})
