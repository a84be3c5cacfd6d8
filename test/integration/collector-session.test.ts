import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { Clock } from '../../collector/clock.ts'
import type { OutgoingReport, PendingLimits, Series } from '../../collector/pending.ts'
import { openSession, type Session, type SessionState } from '../../collector/session.ts'
import { tokenReader } from '../../collector/token.ts'
import { closeCodes, type Lane, limits } from '../../collector/wire/frames.ts'
import { type Cut, eventually, FakeHub, type FakeHubOptions } from '../helpers/fake-hub.ts'
import { hostLabels as labels } from '../helpers/host-labels.ts'

const wallStart = Date.UTC(2026, 0, 5, 8)
const load: Series = { name: 'node_load1', labels: { ...labels } }

/** The report of the `n`-th ten seconds. */
function report(n: number, series: readonly Series[]): OutgoingReport {
  const values = Float64Array.from(series, (_, i) => n * 1000 + i)
  return { lane: 'live', wall: wallStart + n * 10_000, monotonic: n, series, values, stale: [] }
}

interface Opened {
  session: Session
  states: SessionState[]
  log: string[]
  /** Sends one report with the given series, `n`-th second. */
  send(n: number, series?: readonly Series[], stale?: readonly Series[]): void
}

interface OpenOptions {
  token?: () => Promise<string>
  clock?: Clock
  pending?: PendingLimits
  random?: () => number
}

function open(t: Tap, url: string, options: OpenOptions = {}): Opened {
  const states: SessionState[] = []
  const log: string[] = []
  const write = (_fields: object, message: string) => void log.push(message)
  const session = openSession({
    url,
    token: options.token ?? (async () => 'right-token'),
    hello: { collector: 'c-1', epoch: 'e-1', version: '0.1.0', labels, intervalSeconds: 10 },
    onState: (state) => void states.push(state),
    clock: options.clock ?? { now: () => Date.now(), monotonic: () => performance.now() },
    logger: { info: write, warn: write, error: write },
    random: options.random ?? (() => 0),
    ...(options.pending === undefined ? {} : { pending: options.pending }),
  })
  t.teardown(() => session.close('test ended'))
  const send = (n: number, series: readonly Series[] = [load], stale: readonly Series[] = []) =>
    session.send({ ...report(n, series), stale })
  return { session, states, log, send }
}

/** A test that cleans up after itself. */
interface Tap {
  teardown(handler: () => unknown): void
}

async function startHub(t: Tap, options: FakeHubOptions = {}): Promise<FakeHub> {
  const hub = await FakeHub.start(options)
  t.teardown(() => hub.stop())
  return hub
}

const sequences = (hub: FakeHub, lane: Lane = 'live') =>
  hub.lane(lane).map((report) => report.sequence)
/** Which reports the hub has committed, by the number they were sent with; one that is in twice shows twice. */
const numbers = (hub: FakeHub) =>
  [...hub.committed.values()]
    .map((report) => (report.wall - wallStart) / 10_000)
    .sort((a, b) => a - b)
const isOpen = ({ states }: Opened) => eventually('open', () => states.includes('open'))
const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1)

t.test('a report is kept until the hub has committed it', async (t) => {
  const hub = await startHub(t)
  hub.acknowledging = false
  const { session, send } = open(t, hub.url)
  send(1)
  await eventually('the report arrives', () => hub.received.length === 1)
  t.equal(session.figures().pending, 1, 'sent is not committed')
  hub.acknowledging = true
  send(2)
  await eventually('all acknowledged', () => session.figures().pending === 0)
  t.equal(
    hub.received.length,
    2,
    'an acknowledgement covers what came before: nothing is sent twice',
  )
  t.strictSame(hub.hellos[0]?.labels, labels)
  const [first] = hub.lane('live')
  t.equal(first?.wall, wallStart + 10_000)
  t.equal(first?.values.size, 1)
  t.strictSame(hub.faults, [])
})

t.test('cuts lose nothing and double nothing, with the times of reading', async (t) => {
  const hub = await startHub(t)
  const { session, send } = open(t, hub.url)
  for (let round = 0; round < 4; round++) {
    const arrived = hub.received.length
    // In turn: all is well until the cut, the acknowledgements are lost, nothing was committed.
    hub.acknowledging = round % 3 === 0
    hub.committing = round % 3 !== 2
    for (let n = 1; n <= 50; n++) send(round * 50 + n)
    await eventually('half of them arrived', () => hub.received.length >= arrived + 25)
    hub.cut()
    hub.acknowledging = true
    hub.committing = true
  }
  await eventually('all acknowledged', () => session.figures().pending === 0, 30_000)
  t.strictSame(numbers(hub), upTo(200))
  t.equal(hub.gaps, 0)
  // Where everything was acknowledged before the last cut, the last connection is still on its way.
  await eventually('it did reconnect each time', () => hub.hellos.length >= 5)
  t.equal(hub.hellos.length, 5, 'and only then')
  t.ok(hub.received.length > 200, 'some came twice, with no second effect')
  t.strictSame(hub.faults, [], 'every connection begins with an empty dictionary and empty rows')
})

t.test('a cut at any report loses nothing, doubles nothing, skips nothing', async (t) => {
  const cuts: Cut[] = ['unread', 'unacknowledged', 'acknowledged']
  const cases = cuts.flatMap((cut) => upTo(12).map((at) => ({ cut, at })))
  await Promise.all(
    cases.map(async ({ cut, at }) => {
      const hub = await startHub(t)
      // The first connection is cut at this report, the second at the next but one of what is sent then.
      hub.cutAt = (report, connection) =>
        connection <= 2 && report === (connection === 1 ? at : 2) ? cut : undefined
      const opened = open(t, hub.url)
      const { session, send, states } = opened
      for (let n = 1; n <= 5; n++) send(n)
      await isOpen(opened)
      for (let n = 6; n <= 12; n++) send(n)
      await eventually(`cut ${at} ${cut}`, () => states.filter((one) => one === 'open').length > 1)
      send(13)
      await eventually(`all acknowledged ${at} ${cut}`, () => session.figures().pending === 0)
      t.strictSame(numbers(hub), upTo(13), `each once, cut ${cut} at ${at}`)
      t.equal(hub.gaps, 0)
      t.strictSame(hub.faults, [])
    }),
  )
})

t.test('the hub is away: reports wait, then arrive whole', async (t) => {
  const hub = await FakeHub.start()
  const port = hub.port
  await hub.stop()
  const { session, send, log } = open(t, `ws://127.0.0.1:${port}`)
  for (let n = 1; n <= 150; n++) send(n)
  await eventually('it noticed', () =>
    log.some((line) => line.includes('no connection to the hub')),
  )
  t.equal(session.figures().pending, 150)
  const back = await startHub(t, { port })
  await eventually('all acknowledged', () => session.figures().pending === 0)
  t.strictSame(numbers(back), upTo(150))
  t.match(back.received[0], { lane: 'live', sequence: 1, wall: wallStart + 150 * 10_000 })
  t.strictSame(sequences(back, 'backlog'), upTo(149), 'the newest overtook the others')
})

t.test('no more than the agreed number is sent ahead', async (t) => {
  const hub = await startHub(t)
  hub.acknowledging = false
  const opened = open(t, hub.url)
  const { session, send } = opened
  for (let n = 1; n <= 80; n++) send(n)
  await eventually('the newest, and no backlog before that is answered', () => {
    return hub.received.length === 1
  })
  for (let n = 81; n <= 180; n++) send(n)
  await eventually('the window is full', () => hub.received.length >= limits.reportsInFlight)
  session.sections([{ name: 'cpu', state: 'ok', detail: '' }])
  await eventually('a later frame arrives', () => hub.sections.length === 1)
  t.equal(hub.received.length, limits.reportsInFlight)
})

t.test('a refused report is answered: it is not sent again and counted', async (t) => {
  const hub = await startHub(t)
  hub.refused.add(2)
  const opened = open(t, hub.url)
  const { session, send, log } = opened
  await isOpen(opened)
  for (const n of [1, 2, 3]) send(n)
  await eventually('all answered', () => session.figures().pending === 0)
  t.strictSame(sequences(hub), [1, 3])
  t.equal(session.figures().refused, 1)
  t.ok(log.includes('the hub refused a report for good'))
})

t.test(
  'a wrong token: says what to do, backs off, and takes the right one from the file',
  async (t) => {
    const hub = await startHub(t)
    const file = join(mkdtempSync(join(tmpdir(), 'callward-')), 'token')
    const stop = new AbortController()
    t.teardown(() => stop.abort())
    const messages: string[] = []
    const write = (_: object, message: string) => void messages.push(message)
    const logger = { info: write, warn: write, error: write }
    const { session, send, log } = open(t, hub.url, {
      token: tokenReader(undefined, file, logger, stop.signal),
    })
    send(1)
    await eventually('it waits for the file', () => messages.length > 0)
    t.match(messages[0], /waiting for the token file: the hub writes it at its first start/)
    t.equal(hub.upgradesRefused, 0, 'without a token it does not even try')
    writeFileSync(file, 'wrong-token\n')
    const started = performance.now()
    await eventually('refused three times', () => hub.upgradesRefused === 3)
    t.ok(performance.now() - started > 2500, 'no tight loop')
    t.match(
      log[0],
      /does not accept this token: make one there .*callward token create.*collector\/token/,
    )
    writeFileSync(file, 'right-token\n')
    await eventually('all acknowledged', () => session.figures().pending === 0, 15_000)
    t.strictSame(sequences(hub), [1])
  },
)

t.test('the dictionary grows by what is new; ended series are marked stale', async (t) => {
  const hub = await startHub(t)
  const opened = open(t, hub.url)
  const { session, send } = opened
  await isOpen(opened)
  const disk: Series = { name: 'node_disk_io_now', labels: { ...labels, device: 'sda' } }
  send(1)
  send(2, [load, disk])
  send(3, [load], [disk])
  send(4, [load, { ...disk }])
  await eventually('all acknowledged', () => session.figures().pending === 0)
  const reports = hub.lane('live')
  t.strictSame(
    reports.map((report) => report.values.size),
    [1, 2, 1, 2],
  )
  t.equal(hub.dictionaryLength, 2, 'a series that comes back has its old place')
  t.strictSame(
    reports.map((report) => report.stale.length),
    [0, 0, 1, 0],
  )
  t.match(reports[2]?.stale[0], /node_disk_io_now\{.*device="sda"/)
  t.strictSame(hub.faults, [])
})

t.test('more series than a dictionary holds: a new connection, nothing lost', async (t) => {
  const hub = await startHub(t)
  const { session, send } = open(t, hub.url)
  const series = (n: number, count: number): Series[] =>
    Array.from({ length: count }, (_, i) => ({ name: 'm', labels: { ...labels, n: `${n}-${i}` } }))
  t.throws(
    () => session.send(report(0, series(0, limits.seriesPerSession + 1))),
    /BUG: 50001 series/,
  )
  const each = limits.seriesPerSession * 0.4
  for (let n = 1; n <= 6; n++) send(n, series(n, each))
  await eventually('all acknowledged', () => session.figures().pending === 0, 20_000)
  t.equal(hub.hellos.length, 3, 'two such reports fit a dictionary')
  t.ok([...hub.committed.values()].every((one) => one.values.size === each))
  t.strictSame(numbers(hub), upTo(6))
  t.strictSame(hub.faults, [])
})

t.test(
  'memory is bounded: the oldest are dropped and counted, the rest keep their sequence',
  async (t) => {
    const hub = await FakeHub.start()
    const port = hub.port
    await hub.stop()
    const { session, send, log } = open(t, `ws://127.0.0.1:${port}`, {
      pending: { reports: 50, bytes: 1_000_000 },
    })
    for (let n = 1; n <= 80; n++) send(n)
    t.equal(session.figures().pending, 50)
    t.equal(session.figures().dropped, 30)
    t.ok(log.some((line) => line.includes('no more room for unsent reports')))
    const back = await startHub(t, { port })
    await eventually('all acknowledged', () => session.figures().pending === 0)
    t.strictSame(numbers(back), upTo(80).slice(30))
    t.equal(back.gaps, 30, 'the hub sees the gap')
    const bytes = open(t, `ws://127.0.0.1:1`, { pending: { reports: 1e6, bytes: 20_000 } })
    const wide = Array.from({ length: 100 }, (_, i) => ({
      name: `m${i}`,
      labels: { ...labels },
    }))
    for (let n = 1; n <= 50; n++) bytes.send(n, wide)
    const { pending, dropped } = bytes.session.figures()
    t.ok(pending >= 5 && pending <= 13 && pending + dropped === 50, `${pending} kept within 20 kB`)
  },
)

t.test('long labels: the dictionary goes in frames under the limit', async (t) => {
  const hub = await startHub(t)
  const { session, send } = open(t, hub.url)
  const long = Array.from({ length: 3000 }, (_, i) => ({
    name: 'm',
    labels: { ...labels, a: 'x'.repeat(1000), b: 'é'.repeat(1000), n: String(i) },
  }))
  send(1, long)
  await eventually('all acknowledged', () => session.figures().pending === 0)
  t.strictSame(hub.faults, [])
  t.equal(hub.lane('live')[0]?.values.size, 3000)
})

t.test('live overtakes the backlog', async (t) => {
  const hub = await FakeHub.start()
  const port = hub.port
  await hub.stop()
  const { session, send } = open(t, `ws://127.0.0.1:${port}`)
  for (let n = 1; n <= 5; n++) session.send({ ...report(0, [load]), lane: 'backlog' })
  send(9)
  const back = await startHub(t, { port })
  await eventually('all acknowledged', () => session.figures().pending === 0)
  t.strictSame(
    back.received.map(({ lane, sequence }) => `${lane} ${sequence}`),
    ['live 1', ...upTo(5).map((n) => `backlog ${n}`)],
  )
})

t.test('facts go when the hub holds others, sections when they change', async (t) => {
  const hub = await startHub(t)
  const { session, states } = open(t, hub.url)
  session.facts('os', { kernel: '6.1', name: 'Debian' })
  session.sections([{ name: 'cpu', state: 'ok', detail: '' }])
  await eventually('facts arrive', () => hub.facts.length === 1 && hub.sections.length === 1)
  session.facts('os', { name: 'Debian', kernel: '6.1' })
  session.sections([{ name: 'cpu', state: 'ok', detail: '' }])
  hub.cut()
  await eventually('back', () => states.filter((state) => state === 'open').length === 2)
  session.facts('os', { name: 'Debian', kernel: '6.2' })
  await eventually('changed facts arrive', () => hub.facts.length === 2)
  t.match(hub.facts[0]?.hash, /^[0-9a-f]{64}$/)
  t.not(hub.facts[0]?.hash, hub.facts[1]?.hash)
  t.equal(hub.sections.length, 2, 'once a connection')
})

t.test('close codes: an unreadable report is given up after three, the rest goes on', async (t) => {
  const hub = await startHub(t)
  hub.acknowledging = false
  hub.committing = false
  const opened = open(t, hub.url)
  const { session, send, log } = opened
  await isOpen(opened)
  send(1)
  for (let n = 1; n <= 3; n++) {
    await eventually('sent again', () => hub.received.length === n, 15_000)
    hub.cut(closeCodes.badFrame)
  }
  await eventually('given up', () => session.figures().dropped === 1)
  t.ok(log.includes('gave up a report the hub cannot read'))
  hub.acknowledging = true
  hub.committing = true
  send(2)
  await eventually('the next goes through', () => sequences(hub).includes(2), 15_000)
  hub.cut(closeCodes.replaced)
  await eventually('said why', () =>
    log.some((line) => line.includes('another collector uses this identity')),
  )
})

t.test('the clock offset is measured as NTP does, and a step shows at once', async (t) => {
  const hub = await startHub(t, { clockAheadMilliseconds: -5000 })
  let drift = 0
  const clock = { now: () => Date.now() + drift, monotonic: () => performance.now() }
  const { session, send } = open(t, hub.url, { clock })
  const offset = () => session.figures().clockOffsetSeconds ?? Number.NaN
  t.ok(Number.isNaN(offset()), 'unknown before the first exchange')
  for (let n = 1; n <= 5; n++) send(n)
  await eventually('all acknowledged', () => session.figures().pending === 0)
  t.ok(Math.abs(offset() - 5) < 0.1, `${offset()} s`)
  drift = 8000
  t.ok(Math.abs(offset() - 13) < 0.1, `${offset()} s after the host's clock jumped 8 s`)
})

t.test('a frozen host keeps its socket and says nothing; thawed, it is back', async (t) => {
  const hub = await startHub(t)
  const { session, send } = open(t, hub.url)
  send(1)
  await eventually('first', () => hub.committed.size === 1)
  session.freeze()
  send(2)
  t.equal(hub.connections, 1)
  hub.cut()
  await eventually('the hub gave up on it', () => hub.connections === 0)
  t.equal(hub.hellos.length, 1)
  session.thaw()
  await eventually('second', () => hub.committed.size === 2)
  t.strictSame(sequences(hub), [1, 2])
})

t.test('closing flushes, says bye, and tells what is left', async (t) => {
  const hub = await startHub(t)
  const { session, send, states } = open(t, hub.url)
  await eventually('open', () => states.includes('open'))
  for (let n = 1; n <= 100; n++) send(n)
  t.equal(await session.close('stopped by SIGTERM'), 0)
  t.equal(hub.committed.size, 100)
  await eventually('bye', () => hub.byes.length === 1)
  const away = open(t, 'ws://127.0.0.1:1')
  away.send(1)
  const started = performance.now()
  t.equal(await away.session.close('stopped'), 1)
  t.ok(performance.now() - started < 2000)
})
