import { randomUUID } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { Registry } from 'prom-client'
import t, { type Test } from 'tap'
import type WebSocket from 'ws'
import { WebSocketServer } from 'ws'
import {
  closeCodes,
  FrameError,
  type HubFrame,
  type Lane,
  limits,
} from '../../../collector/wire/frames.ts'
import { ClockOffset, storedTime } from '../../../server/ingest/clock-offset.ts'
import { Dictionary } from '../../../server/ingest/dictionary.ts'
import { HostNews, type ReportingHost } from '../../../server/ingest/host-news.ts'
import { InFlight } from '../../../server/ingest/in-flight.ts'
import { ingestMetrics } from '../../../server/ingest/metrics.ts'
import { readTextFrame } from '../../../server/ingest/schema.ts'
import { Session } from '../../../server/ingest/session.ts'
import {
  StoreUnavailable,
  type StreamEvents,
  type StreamRow,
} from '../../../server/store/writer.ts'
import { until } from '../../helpers/hub.ts'
import { Reporter } from '../../helpers/reporter.ts'

/** A store that holds everything back until it is told to commit, and the rest of a hub around a session. */
class SlowHub {
  readonly rows: { lane: Lane; sequence: number; values: number[]; encoded: boolean }[] = []
  readonly events = new Map<Lane, StreamEvents>()
  readonly heard: string[] = []
  readonly news = new HostNews(
    ({ instance }, fresh) => void this.heard.push(`${instance} ${fresh}`),
  )
  readonly registry = new Registry()
  readonly metrics = ingestMetrics(this.registry, () => 1)
  /** Bytes that the store says a row took; what it took when undefined. */
  written: number | undefined
  readonly closed: string[] = []
  /** Resolves what the records were asked. */
  readonly records = new EventEmitter()
  readonly server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  sessions: Session[] = []
  socket: WebSocket | undefined

  static async start(t: Test): Promise<SlowHub> {
    const hub = new SlowHub()
    await once(hub.server, 'listening')
    t.teardown(() => {
      for (const client of hub.server.clients) client.terminate()
      hub.server.close()
    })
    hub.server.on('connection', (socket) => {
      hub.socket = socket
      // Only what a session asks of its hub.
      const app = hub.app() as unknown as FastifyInstance
      const clock = { now: () => Date.now(), monotonic: () => performance.now() }
      const { metrics, news } = hub
      const onHello = () => undefined
      hub.sessions.push(new Session({ app, clock, socket, metrics, news, onHello }))
    })
    return hub
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  app() {
    const log = { info: () => undefined, warn: () => undefined, error: () => undefined }
    let series = 0
    return {
      log: { ...log, child: () => log },
      inventory: {
        connected: async () => undefined,
        factHashes: async () => ({}),
        sections: () => once(this.records, 'written').then(() => undefined),
        facts: async () => undefined,
      },
      store: {
        intern: () => series++,
        settled: async () => 0,
        append: async () => undefined,
        stream: ({ lane }: { lane: Lane }, events: StreamEvents) => {
          this.events.set(lane, events)
          let columns = 0
          return {
            get columns() {
              return columns
            },
            extend: (ids: readonly number[]) => {
              columns += ids.length
            },
            append: (row: StreamRow) => {
              const { sequence, encoded } = row
              const values = [...row.values.subarray(0, 1)]
              this.rows.push({ lane, sequence, values, encoded: encoded !== undefined })
              if (this.written !== undefined) return this.written
              return encoded === undefined ? row.values.byteLength : encoded.bytes.length
            },
            close: () => void this.closed.push(lane),
          }
        },
      },
    }
  }
}

const acks = (host: Reporter) => host.frames.filter(({ type }) => type === 'ack')

t.test('what is not durable is bounded, by number and by bytes', async (t) => {
  const check = async (columns: number, reports: number, most: number) => {
    const hub = await SlowHub.start(t)
    const host = new Reporter(`slow-${columns}`)
    const series = Array.from({ length: columns }, (_, i) => `m${i}`)
    await host.connect(hub.url, 'any', { series })
    for (let n = 1; n <= reports; n++)
      host.report(
        n,
        Array.from(series, () => Math.random()),
      )
    await until('the hub stops reading', () => hub.socket?.isPaused)
    const taken = hub.rows.length
    t.ok(taken < most, `${taken} of ${reports} reports taken before the first commit`)
    t.equal(hub.rows.length, taken)
    t.equal(acks(host).length, 0)
    while (host.acknowledged < reports) {
      const at = hub.rows.length
      hub.events.get('live')!.committed(hub.rows.at(-1)!.sequence)
      t.ok(hub.rows.length - at <= most)
      await until('it reads on', () => hub.rows.length > at || host.acknowledged === reports)
    }
    t.same(
      hub.rows.map(({ sequence }) => sequence),
      Array.from({ length: reports }, (_, i) => i + 1),
    )
    host.close()
  }
  // A socket hands over up to 64 KiB at once, which the session takes whole.
  await check(200, 1000, 256 + 64)
  await check(5000, 100, 60)
})

t.test('a row the journal must write whole counts with all its bytes', async (t) => {
  const hub = await SlowHub.start(t)
  const host = new Reporter('repeats')
  const series = Array.from({ length: 10_000 }, (_, i) => `m${i}`)
  await host.connect(hub.url, 'any', { series })
  const values = Array.from(series, () => 0)
  // After a repeat the journal cannot build on the row before: frames of 1.3 kB, rows of 80 kB.
  for (let n = 1; n <= 100; n++) {
    host.report(n, values)
    host.report(n, values)
  }
  await until('the hub stops reading', () => hub.socket?.isPaused)
  // 14 rows make the limit; a socket hands over up to 64 KiB at once, about 25 more.
  t.ok(hub.rows.length < 45, `${hub.rows.length} rows taken before the first commit`)
  host.close()
})

t.test(
  'one ack for what commits have made durable, with the receipt of the newest report',
  async (t) => {
    const hub = await SlowHub.start(t)
    const host = new Reporter('acks')
    await host.connect(hub.url, 'any')
    for (let n = 1; n <= 12; n++) host.report(n, [n])
    for (let n = 1; n <= 3; n++) host.report(n, [n], { lane: 'backlog' })
    await until('all taken', () => hub.rows.length === 15)
    // More is on its way: few reports wait for its ack, eight do not.
    hub.events.get('live')!.committed(4)
    await new Promise((resolve) => setImmediate(resolve))
    hub.events.get('live')!.committed(9)
    hub.events.get('backlog')!.committed(3)
    await until('both lanes acknowledged', () => acks(host).length === 2)
    t.match(acks(host), [
      { lane: 'live', sequence: 9, receivedAt: Number },
      { lane: 'backlog', sequence: 3 },
    ])
    host.report(5, [99])
    host.report(9, [99])
    await until('a repeat that is durable is acknowledged at once', () => acks(host).length === 3)
    host.report(13, [13])
    host.report(14, [14])
    await until('two more', () => hub.rows.length === 17)
    t.same(
      hub.rows.slice(15).map(({ encoded }) => encoded),
      [false, true],
      'the journal does not build on rows it never had',
    )
    hub.events.get('live')!.committed(14)
    await until('all durable', () => host.acknowledged === 14)
    t.same(await hub.metrics.samples.get().then(({ values }) => values[0]?.value), 17)
    host.close()
    await hub.sessions[0]!.closed
    t.same(hub.closed.sort(), ['backlog', 'live'])
  },
)

t.test('reports do not wait for the records; a disk that refuses closes the session', async (t) => {
  const hub = await SlowHub.start(t)
  const host = new Reporter('refused')
  await host.connect(hub.url, 'any')
  host.sendJson({ type: 'sections', sections: [] })
  host.report(1, [1])
  await until('the report is taken', () => hub.rows.length === 1)
  for (let i = 0; i < 20; i++) host.sendJson({ type: 'sections', sections: [] })
  await until('too many documents wait', () => hub.socket?.isPaused)
  hub.events.get('live')!.failed(new StoreUnavailable('no room'))
  t.match(await host.untilClosed(), { code: closeCodes.storageUnavailable, reason: /no room/ })
  t.equal(host.acknowledged, 0)
  hub.records.emit('written')
  await hub.sessions[0]!.closed
})

t.test('a gap counts when what follows it is durable: once, not once a session', async (t) => {
  const hub = await SlowHub.start(t)
  const host = new Reporter('gap')
  const gaps = async () => (await hub.metrics.gaps.get()).values[0]?.value ?? 0
  for (let session = 1; session <= 3; session++) {
    await host.connect(hub.url, 'any')
    host.report(3, [3])
    await until('it is taken', () => hub.rows.length === session)
    host.socket?.terminate()
    await host.untilClosed()
  }
  await host.connect(hub.url, 'any')
  host.report(3, [3])
  await until('it is taken again', () => hub.rows.length === 4)
  hub.events.get('live')!.committed(3)
  await host.acknowledgedUpTo(3)
  t.equal(await gaps(), 2)
  host.close()
})

t.test('what follows the hello waits for the welcome, in its order', async (t) => {
  const hub = await SlowHub.start(t)
  const host = new Reporter('eager')
  await host.connect(hub.url, 'any', { hello: false })
  host.sendJson(host.hello())
  host.sendJson({ type: 'series', from: 0, series: [{ name: 'a', labels: {} }] })
  host.report(1, [5])
  host.sendJson({ type: 'series', from: 1, series: [{ name: 'b', labels: {} }] })
  host.report(2, [6, 7])
  await until('both taken', () => hub.rows.length === 2)
  t.match(hub.rows, [{ values: [5] }, { values: [6] }])
  t.match(host.frames[0] as HubFrame, { type: 'welcome' })
  host.close()
})

t.test('hosts that report are told once a turn, in a burst once a second', async (t) => {
  const told: [string, number, boolean][] = []
  const news = new HostNews(({ instance, heardAt }, fresh) => {
    told.push([instance, heardAt, fresh])
  })
  t.teardown(() => news.stop())
  const host = (instance: string): ReportingHost => ({
    collector: randomUUID(),
    instance,
    heardAt: 0,
    fresh: false,
    toldAt: Number.NEGATIVE_INFINITY,
    waiting: false,
  })
  const [a, b] = [host('a'), host('b')]
  news.reported(a, 1000, true)
  news.reported(a, 1001, false)
  news.reported(b, 1002, false)
  t.same(told, [], 'not in the middle of the socket’s turn')
  await until('told', () => told.length === 2)
  t.same(told, [
    ['a', 1001, true],
    ['b', 1002, false],
  ])
  for (let at = 1010; at < 1060; at++) news.reported(a, at, at === 1020)
  news.reported(b, 2500, true)
  await until('told again', () => told.length === 4)
  t.same(told.slice(2), [
    ['b', 2500, true],
    ['a', 1059, true],
  ])
})

t.test('reports in flight: settled by sequence, however many', async (t) => {
  const flight = new InFlight()
  let next = 1
  let settled = 0
  for (let round = 0; round < 200; round++) {
    for (let i = 0; i < (round * 7) % 23; i++, next++) flight.push(next, 10, 3, next % 2, next)
    const upTo = Math.min(next - 1, settled + ((round * 5) % 19))
    const { reports, samples, receivedAt } = flight.settle(upTo)
    t.equal(reports, upTo - settled)
    t.equal(samples, reports * 3)
    if (reports > 0) t.equal(receivedAt, upTo)
    settled = upTo
    t.equal(flight.reports, next - 1 - settled)
    t.equal(flight.bytes, flight.reports * 10)
  }
  t.equal(flight.settle(Number.POSITIVE_INFINITY).reports, next - 1 - settled)
})

const now = Date.UTC(2026, 10, 21)

t.test('a clock that is set after the hello moves no sample away', async (t) => {
  const first = (helloWall: number, wall: number, waited = 0) => {
    const offset = new ClockOffset(now - helloWall)
    offset.observe({ wall, monotonic: 15_000, receivedAt: now + waited })
    return storedTime(wall, offset.millis, now + waited)
  }
  t.same(first(5000, now), { kind: 'as sent', t: now }, 'hello in 1970, then the time came')
  t.same(first(Date.UTC(2084, 0), now), { kind: 'as sent', t: now }, 'hello in 2084')
  t.same(first(now, now - 60_000, 50), { kind: 'as sent', t: now - 60_000 }, 'one that waited')
  t.same(
    first(now - 600_000, now - 600_000 + 10, 10),
    { kind: 'corrected', t: now + 10 },
    'a clock that was not set is corrected as the hello says',
  )

  const offset = new ClockOffset(now - 5000)
  const read = (wall: number, second: number, receivedSecond = second) =>
    offset.observe({ wall, monotonic: second * 1000, receivedAt: now + receivedSecond * 1000 })
  for (let i = 1; i < 9; i++) read(5000 + i * 10_000, i * 10)
  t.equal(offset.millis, now - 5000, 'a host without a clock of its own')
  // The first report after the step is late: it does not arrive as far apart as it was read.
  read(now + 90_000, 90, 105)
  t.equal(offset.millis, 15_000, 'it was read before it was received')
  read(now + 100_000, 100, 115)
  read(now + 110_000, 110, 110.02)
  read(now + 120_000, 120, 120.02)
  t.equal(offset.millis, 20)
  read(now + 7_330_000, 130)
  t.equal(offset.millis, 20, 'a report that is refused measures nothing')
})

t.test('a hello that a busy hub reads late is of no clock that is behind', async (t) => {
  const late = new ClockOffset(9000, 9100)
  t.equal(late.millis, 0)
  // What follows is as late, for a while.
  for (let i = 0; i < 7; i++)
    late.observe({
      wall: now + i * 10_000,
      monotonic: i * 10_000,
      receivedAt: now + 9000 + i * 10_000,
    })
  t.equal(late.millis, 0)
  for (let i = 7; i < 10; i++)
    late.observe({
      wall: now + i * 10_000,
      monotonic: i * 10_000,
      receivedAt: now + 9000 + i * 10_000,
    })
  t.equal(late.millis, 9000, 'eight that say so are believed')
  t.equal(new ClockOffset(9000, 1000).millis, 9000, 'behind, whenever it was said')
  t.equal(new ClockOffset(-9000, 9500).millis, -9000, 'ahead, for sure')
  t.equal(new ClockOffset(2500, 1000).millis, 1500, 'as little as it may be')
})

t.test('a report that another session had brought is answered, and counted once', async (t) => {
  const hub = await SlowHub.start(t)
  hub.written = 0
  const host = new Reporter('twice')
  await host.connect(hub.url, 'any')
  host.report(1, [1])
  await until('it is handed over', () => hub.rows.length === 1)
  hub.written = undefined
  host.report(2, [2])
  await until('the next is, too', () => hub.rows.length === 2)
  hub.events.get('live')!.committed(2)
  await host.acknowledgedUpTo(2)
  const value = async (name: 'samples' | 'repeated') =>
    (await hub.metrics[name].get()).values[0]?.value
  t.equal(await value('samples'), 1)
  t.equal(await value('repeated'), 1)
  const reports = await hub.registry.getSingleMetric('callward_ingest_reports_total')!.get()
  t.same(
    reports.values.map((one) => one.value),
    [1],
  )
  host.close()
})

t.test('corrected or not, no time is more than an hour ahead', async (t) => {
  t.match(storedTime(now, now - 5000, now), { kind: 'refused', reason: /h ahead/ })
  t.same(storedTime(now - 3_600_000, 7_200_000, now), { kind: 'corrected', t: now + 3_600_000 })
  t.match(storedTime(now - 3_600_000, 7_200_001, now), { kind: 'refused' })
  for (const wall of [-1e308, -1, 8.65e15, 1e308]) {
    const frame = { ...new Reporter('clock').hello(), wall }
    t.match(readTextFrame(JSON.stringify(frame)), { fault: /^hello\/wall/ })
  }
})

t.test('labels have their limits: one name, one dictionary, one fault', async (t) => {
  const series = (labels: object) => readTextFrame(JSON.stringify(seriesFrame(0, [labels])))
  const seriesFrame = (from: number, all: readonly object[]) => ({
    type: 'series' as const,
    from,
    series: all.map((labels) => ({ name: 'x', labels: labels as Record<string, string> })),
  })
  const longest = 'a'.repeat(limits.labelCharacters)
  t.notHas(series({ [longest]: '1' }), { fault: String })
  t.match(series({ [`${longest}a`]: '1' }), { fault: /^series/ })
  for (const text of [
    JSON.stringify(seriesFrame(0, [{ ['a-'.repeat(100_000)]: '1' }])),
    JSON.stringify({ type: 'hello', ['x'.repeat(100_000)]: 1 }),
    JSON.stringify({ type: 'x'.repeat(100_000) }),
  ]) {
    const frame = readTextFrame(text)
    t.ok('fault' in frame && frame.fault.length <= 200, 'a fault quotes no more than a line')
  }

  const { labels: host } = new Reporter('labels')
  const dictionary = new Dictionary()
  let made = 0
  const intern = () => made++
  // What the session sets anyway is free.
  const wide = { ...host, instance: 'y'.repeat(1024), value: 'v'.repeat(1018) }
  const each = 'xvalue'.length + 1018
  const fits = limits.dictionaryCharacters / each
  dictionary.extend(seriesFrame(0, Array(fits).fill(wide)), host, intern)
  t.equal(made, fits)
  t.throws(
    () => dictionary.extend(seriesFrame(fits, [{}, {}]), host, intern),
    new FrameError(
      `more than ${limits.dictionaryCharacters} characters of names and labels in one session`,
    ),
  )
  t.equal(made, fits, 'none of it is made')
})
