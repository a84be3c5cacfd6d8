import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import t from 'tap'
import type { Series } from '../../collector/pending.ts'
import { openSession, type SessionState } from '../../collector/session.ts'
import { closeCodes } from '../../collector/wire/frames.ts'
import { ReportEncoder } from '../../collector/wire/report.ts'
import { folderOf } from '../helpers/folder.ts'
import { TestHub, until } from '../helpers/hub.ts'
import { Reporter } from '../helpers/reporter.ts'

let hub: TestHub
let token: string

t.before(async () => {
  hub = await TestHub.start(folderOf(t))
  token = await hub.token('reporters', 'collector')
})
t.teardown(() => hub.stop())

const metric = async (name: string): Promise<number> => {
  const text = await (await hub.fetch('/metrics')).text()
  const line = text.split('\n').find((one) => one.startsWith(`${name} `))
  return Number(line?.split(' ')[1] ?? 0)
}
const sampleOf = async (query: string) => (await hub.query(query))[0]?.value[1]

t.test('lanes count apart, gaps are counted, both are told at the next hello', async (t) => {
  const gaps = await metric('callward_ingest_gap_reports_total')
  const host = new Reporter('lanes')
  await host.connect(hub.url, token, { intervalSeconds: 60 })
  const wall = Date.now() - 30_000
  host.report(1, [10], { wall: wall + 1 })
  host.report(1, [1], { wall: wall - 9000, lane: 'backlog' })
  host.report(4, [2], { wall: wall - 8000, lane: 'backlog' })
  host.report(2, [20], { wall: wall + 2 })
  await host.acknowledgedUpTo(2)
  const ack = (sequence: number) =>
    host.frames.some(
      (frame) => frame.type === 'ack' && frame.lane === 'backlog' && frame.sequence === sequence,
    )
  await until('the backlog is acknowledged', () => ack(4))
  t.equal((await metric('callward_ingest_gap_reports_total')) - gaps, 2)
  t.equal(await sampleOf('sum_over_time(test_value{instance="lanes"}[1m])'), '33')
  host.close()
  await host.untilClosed()
  await host.connect(hub.url, token)
  t.same(host.frame('welcome')?.committed, { live: 2, backlog: 4 })
  host.close()
})

t.test('rows the hub did not take: the journal still gives back every other', async (t) => {
  const host = new Reporter('skipped')
  await host.connect(hub.url, token, { intervalSeconds: 60 })
  const wall = Date.now() - 30_000
  const values = [5, 5.5, 1 / 3, 7, 8, 9.25]
  host.report(1, [values[0]!], { wall: wall + 1 })
  host.report(2, [values[1]!], { wall: wall + 2 })
  host.report(1, [77], { wall: wall + 1 })
  host.report(3, [values[2]!], { wall: wall + 3 })
  host.report(4, [99], { wall: Date.now() + 7_200_000 })
  host.report(5, [values[3]!], { wall: wall + 5 })
  host.report(6, [values[4]!], { wall: wall + 6 })
  host.report(7, [values[5]!], { wall: wall + 7 })
  await host.acknowledgedUpTo(7)
  t.match(host.frame('refused'), { lane: 'live', sequence: 4 })
  await hub.program.kill('SIGKILL')
  await hub.restart()
  const sum = values.reduce((all, value) => all + value, 0)
  const of = (call: string) => sampleOf(`${call}(test_value{instance="skipped"}[5m])`)
  t.equal(Number(await of('sum_over_time')), sum)
  t.equal(await of('count_over_time'), '6')
  t.equal(await of('last_over_time'), '9.25')
})

t.test('one series twice in a dictionary is refused', async (t) => {
  const check = async (name: string, second: object, message: RegExp) => {
    const host = new Reporter(name)
    await host.connect(hub.url, token)
    host.sendJson({ type: 'series', from: 1, series: [second] })
    t.match(await host.untilClosed(), { code: closeCodes.badFrame })
    t.match(host.frame('error'), { message })
  }
  await check('twice-plain', { name: 'test_value', labels: {} }, /series 1 is series 0 again/)
  await check(
    'twice-hidden',
    { name: 'test_value', labels: { empty: '', instance: 'another' } },
    /series 1 is series 0 again/,
  )
})

t.test('a row that cannot be read ends the session, what came before it counts', async (t) => {
  const host = new Reporter('bad-row')
  await host.connect(hub.url, token)
  host.report(1, [1])
  await host.acknowledgedUpTo(1)
  const frame = new ReportEncoder().encode({
    lane: 'backlog',
    sequence: 1,
    wall: Date.now(),
    monotonic: 1,
    values: Float64Array.of(3),
    absent: undefined,
    stale: undefined,
  })
  frame[32] = 0x80
  host.socket?.send(frame)
  host.report(2, [2])
  t.match(await host.untilClosed(), { code: closeCodes.badFrame, reason: /unknown flags 128/ })
  await host.connect(hub.url, token)
  t.same(host.frame('welcome')?.committed, { live: 1, backlog: 0 })
  host.close()
})

t.test('a collector that reads no answers is closed, and costs the hub no memory', async (t) => {
  const host = new Reporter('deaf')
  await host.connect(hub.url, token)
  const socket = host.socket!
  socket.pause()
  const ahead = Date.now() + 7_200_000
  const before = await metric('callward_ingest_rejected_total{reason="not_reading"}')
  t.equal(before, 0)
  // Every one of these is answered with a refusal, which stays unread.
  let sequence = 0
  await until(
    'the hub gives it up',
    async () => {
      for (let i = 0; i < 5000 && socket.bufferedAmount < 1_000_000; i++)
        host.report(++sequence, [sequence], { wall: ahead })
      return (await metric('callward_ingest_rejected_total{reason="not_reading"}')) === 1
    },
    60_000,
  )
  socket.resume()
  const { code } = await host.untilClosed()
  // 1006 when the hub had to cut it off before the close frame could pass.
  t.ok(code === closeCodes.notReading || code === 1006, `closed with ${code}`)
  const bystander = new Reporter('deaf-bystander')
  await bystander.connect(hub.url, token)
  bystander.report(1, [7])
  await bystander.acknowledgedUpTo(1)
  bystander.close()
})

t.test('a flood far beyond the window is taken at the disk’s pace, whole', async (t) => {
  const host = new Reporter('flood')
  await host.connect(hub.url, token, { intervalSeconds: 300 })
  const wall = Date.now() - 60_000
  for (let i = 1; i <= 5000; i++) host.report(i, [i], { wall: wall + i })
  await host.acknowledgedUpTo(5000)
  t.equal(await sampleOf('count_over_time(test_value{instance="flood"}[5m])'), '5000')
  t.equal(await sampleOf('sum_over_time(test_value{instance="flood"}[5m])'), String(2500 * 5001))
  const acks = host.frames.filter(({ type }) => type === 'ack').length
  t.ok(acks < 2500, `${acks} acks for 5000 reports: one answers a whole commit`)
  host.close()
})

/** A cable that is cut after so many bytes of the collector's, one number a connection; later ones hold. */
async function cuttingCable(port: number, cuts: readonly number[]) {
  const sockets = new Set<Socket>()
  let connections = 0
  const server = createServer((near) => {
    let left = cuts[connections++] ?? Number.POSITIVE_INFINITY
    const far = connect(port, '127.0.0.1')
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
    }
    const cut = () => {
      near.destroy()
      far.destroy()
    }
    near.on('close', cut)
    far.on('close', cut)
    far.on('data', (data) => near.write(data))
    near.on('data', (data) => {
      far.write(data.subarray(0, Math.min(left, data.length)), () => left < 0 && cut())
      left -= data.length
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port: own } = server.address() as { port: number }
  return {
    url: `ws://127.0.0.1:${own}`,
    get connections() {
      return connections
    },
    close() {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

t.test(
  'a cable cut at any byte: the hub holds every report once',
  { timeout: 100_000 },
  async (t) => {
    const gaps = await metric('callward_ingest_gap_reports_total')
    // The upgrade takes about 250 bytes, the hello 400, the dictionary 200, a report 60.
    const cases = Array.from({ length: 30 }, (_, i) => [600 + i * 37, 900 + i * 53])
    await Promise.all(
      cases.map(async (cuts, number) => {
        const cable = await cuttingCable(hub.port, cuts)
        const instance = `cable-${number}`
        const { labels } = new Reporter(instance)
        const series: Series[] = [{ name: 'cable_value', labels: { ...labels } }]
        const states: SessionState[] = []
        const session = openSession({
          url: cable.url,
          token: async () => token,
          hello: {
            collector: crypto.randomUUID(),
            epoch: 'e1',
            version: '0.0.0-test',
            labels,
            intervalSeconds: 300,
          },
          onState: (state) => void states.push(state),
          clock: { now: () => Date.now(), monotonic: () => performance.now() },
          logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
          random: () => 0,
        })
        t.teardown(async () => {
          await session.close('test ended')
          cable.close()
        })
        const begin = Date.now() - 60_000
        const send = (n: number) =>
          session.send({
            lane: 'live',
            wall: begin + n,
            monotonic: 0,
            series,
            values: Float64Array.of(n),
            stale: [],
          })
        for (let n = 1; n <= 5; n++) send(n)
        await until('open once', () => states.includes('open'), 60_000)
        for (let n = 6; n <= 20; n++) send(n)
        await until(
          'cut twice',
          () => cable.connections === 3 || session.figures().pending === 0,
          60_000,
        )
        for (let n = 21; n <= 40; n++) send(n)
        await until('all acknowledged', () => session.figures().pending === 0, 60_000)
        t.equal(session.figures().dropped + session.figures().refused, 0)
        const of = (call: string) => sampleOf(`${call}(cable_value{instance="${instance}"}[5m])`)
        t.equal(await of('count_over_time'), '40', `${instance} each once`)
        t.equal(await of('sum_over_time'), '820', `${instance} each with its value`)
      }),
    )
    t.equal((await metric('callward_ingest_gap_reports_total')) - gaps, 0, 'no gap was counted')
  },
)
