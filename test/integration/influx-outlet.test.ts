import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { readHubConfig } from '../../server/config.ts'
import { InfluxClient } from '../../server/store/influx/influx-client.ts'
import { Outlet } from '../../server/store/influx/outlet.ts'
import { fill, startHub } from '../differential/peers.ts'
import { until } from '../helpers/hub.ts'
import { handClock, listeningLogger, openStore, temporaryFolder } from '../unit/store/store-kit.ts'
import { InfluxPeer, withoutInflux } from './influx-peer.ts'
import { SealedLoad, sealingStore } from './sealed-load.ts'

const skip = withoutInflux()
const hour = 3_600_000
const day = 24 * hour
/** Today at two o'clock, and some milliseconds: what does not survive a wrong unit. */
const begin = Math.floor(Date.now() / day) * day - day + 2 * hour + 123

class Load extends SealedLoad {
  readonly logger = listeningLogger()

  static async open(t: Test, series: number): Promise<Load> {
    return new Load(await sealingStore(t, begin), series, 'pbx "1", a=b\\ä')
  }

  /** One sample of a series of its own, sealed. */
  async single(labels: Record<string, string>, value: number, time = begin): Promise<void> {
    const ids = Uint32Array.of(this.store.intern(labels))
    await this.store.append({ rows: [{ t: time, ids, values: Float64Array.of(value) }] })
    await this.store.maintain()
  }

  outlet(peer: InfluxPeer, settings: object = {}): Outlet {
    const outlet = new Outlet({
      source: this.store,
      folder: this.folder,
      client: new InfluxClient({
        url: peer.url,
        database: 'callward',
        retentionPolicy: 'callward',
        retentionDays: 0,
        timeoutSeconds: 30,
        ...settings,
      }),
      logger: this.logger,
      pollMillis: 100,
      retryMillis: 100,
    })
    return outlet
  }

  /** Every sample stands in InfluxDB once, at its time and with its value. */
  async same(t: Test, peer: InfluxPeer): Promise<void> {
    const found = await peer.query('SELECT value FROM callward_load GROUP BY *')
    t.equal(found.length, this.ids.length)
    for (const { tags, values } of found) {
      t.equal(tags?.instance, 'pbx "1", a=b\\ä')
      const id = this.ids[Number(tags?.n)]!
      const all = Array.from({ length: this.ticks }, (_, at) => [this.timeOf(at), at + id / 8])
      t.same(values, all)
    }
  }
}

async function drained(outlet: Outlet): Promise<void> {
  await until(
    'everything is there',
    async () => outlet.waiting.length === 0 && outlet.away === undefined,
    120_000,
  )
}

t.test(
  'killed and started again under load: nothing lost, each point once',
  { skip },
  async (t) => {
    const peer = await InfluxPeer.prepare(t)
    await peer.launch()
    const load = await Load.open(t, 40)
    let outlet = load.outlet(peer)
    let failures = 0
    outlet.start()
    for (let fall = 0; fall < 4; fall++) {
      const before = outlet.counters.sent
      await load.seal(60)
      await until('they go out', async () => outlet.counters.sent > before, 60_000)
      await load.seal(60)
      // In the middle of what is on its way, or just after an answer.
      await peer.kill()
      if (fall < 2) await until('it is missed', async () => outlet.away !== undefined, 60_000)
      await peer.launch()
      // The hub falls too, and its cursor with it: all is sent again, and nothing stands there twice.
      if (fall === 1) {
        await outlet.stop()
        failures += outlet.failures
        outlet = load.outlet(peer, fall === 1 ? { url: `${peer.url}/` } : {})
        outlet.start()
      }
    }
    await drained(outlet)
    await outlet.stop()
    t.ok(failures + outlet.failures > 0)
    t.equal(outlet.dropped, 0)
    // What was answered before a fall is on its disk.
    await peer.kill()
    await peer.launch()
    await load.same(t, peer)
    await load.store.compact()
    const again = load.outlet(peer, { url: `${peer.url}/` })
    again.start()
    await drained(again)
    await again.stop()
    t.equal(again.counters.sent, 0, 'merged files of what is there are not sent again')
  },
)

t.test(
  'an hour of outage is kept and drained; a new database is filled anew',
  { skip },
  async (t) => {
    const peer = await InfluxPeer.prepare(t)
    const load = await Load.open(t, 30)
    const outlet = load.outlet(peer)
    outlet.start()
    for (let piece = 0; piece < 12; piece++) await load.seal(30)
    await until('the outage is noticed', async () => outlet.away !== undefined, 30_000)
    t.match(outlet.away, /InfluxDB cannot be reached \(ECONNREFUSED\)/)
    t.equal(outlet.waiting.length, 12)
    await peer.launch()
    await drained(outlet)
    t.equal(outlet.counters.sent, 360 * 30)
    await load.same(t, peer)
    const [policies] = await peer.query('SHOW RETENTION POLICIES')
    const mine = policies!.values.find(([name]) => name === 'callward')!
    t.same([mine[1], mine[4]], ['0s', true], 'kept for ever, and read by queries that name none')

    // Somebody drops it: it is made again, and filled from what the hub has.
    await peer.query('DROP DATABASE callward')
    await load.seal(6)
    await until('it is filled again', async () => outlet.counters.sent >= 726 * 30, 60_000)
    await drained(outlet)
    await outlet.stop()
    await load.same(t, peer)
  },
)

t.test('the end of the spool is counted and said', async (t) => {
  const folder = temporaryFolder(t)
  const clock = handClock(begin)
  const store = await openStore(folder, clock, { freezeMillis: 0, retentionDays: 1 })
  t.teardown(() => store.close())
  const logger = listeningLogger()
  const outlet = new Outlet({
    source: store,
    folder,
    client: new InfluxClient({
      url: 'http://127.0.0.1:9',
      database: 'callward',
      retentionPolicy: 'callward',
      retentionDays: 0,
      timeoutSeconds: 5,
    }),
    logger,
  })
  store.parts.agedOut.push((part) => outlet.agedOut(part))
  const ids = Uint32Array.of(store.intern({ __name__: 'callward_load' }))
  const write = async (at: number) => {
    clock.at = at
    await store.append({ rows: [{ t: at, ids, values: Float64Array.of(1) }] })
    await store.maintain()
  }
  await write(begin)
  await t.rejects(outlet.round(), /InfluxDB cannot be reached/)
  for (let at = begin + hour; at <= begin + 4 * day; at += 12 * hour) await write(at)
  t.ok(outlet.counters.lost > 0)
  const held = store.parts.all.reduce((sum, { samples }) => sum + samples, 0)
  t.equal(outlet.counters.lost + held, 9, 'what went is counted, and no more than that')
  t.equal(outlet.dropped, outlet.counters.lost)
  t.ok(logger.lines.some((line) => /error samples reached the end of their retention/.test(line)))
})

t.test(
  'what InfluxDB cannot hold is set aside, counted, and harms nothing else',
  { skip },
  async (t) => {
    const peer = await InfluxPeer.prepare(t)
    await peer.launch()
    const load = await Load.open(t, 3)
    await load.seal(1)
    const odd = {
      __name__: '#odd, "name"\\',
      time: 'noon',
      value: 'many',
      path: 'C:\\',
      text: 'two\nlines',
      spaced: ' a,b=c d\\,e ',
      tiếng: 'đường 故障',
    }
    await load.single(odd, 1e-320)
    await load.single({ __name__: 'big' }, -1.7976931348623157e308)
    await load.single({ __name__: 'not_a_number' }, Number.NaN)
    await load.single({ __name__: 'endless' }, Number.POSITIVE_INFINITY)
    await load.single({ __name__: 'first' }, 7, 0)
    // The database makes all of one measurement integers: whole requests with that one are refused.
    await peer.query('CREATE DATABASE callward', '')
    await fetch(`${peer.url}/write?db=callward`, { method: 'POST', body: 'mixed value="text"' })
    await peer.query('CREATE RETENTION POLICY callward ON callward DURATION INF REPLICATION 1')
    const other = `${peer.url}/write?db=callward&rp=callward&precision=ms`
    await fetch(other, { method: 'POST', body: `mixed value="text" ${begin}` })
    await load.single({ __name__: 'mixed' }, 1)
    const outlet = load.outlet(peer)
    outlet.start()
    await drained(outlet)
    await outlet.stop()
    t.match(outlet.counters, { sent: 6, refused: 1, unwritable: 2, lost: 0 })
    t.ok(
      load.logger.lines.some((line) => /warn InfluxDB refused points with 400.*mixed/.test(line)),
    )
    const [found] = await peer.query('SELECT * FROM callward.callward."_#odd, \\"name\\"/"')
    const row = Object.fromEntries(found!.columns.map((name, i) => [name, found!.values[0]![i]]))
    t.same(row, {
      time: begin,
      value: 1e-320,
      label_time: 'noon',
      label_value: 'many',
      path: 'C:/',
      text: 'two lines',
      spaced: odd.spaced,
      tiếng: odd.tiếng,
    })
    const [big] = await peer.query('SELECT value FROM callward.callward.big')
    t.equal(big!.values[0]![1], -1.7976931348623157e308)
    const [first] = await peer.query('SELECT value FROM callward.callward."first"')
    t.same(first!.values, [[0, 7]])
    const [policies] = await peer.query('SHOW RETENTION POLICIES')
    t.ok(policies!.values.some(([name, , , , isDefault]) => name === 'autogen' && isDefault))
  },
)

t.test('with a user, and points older than its retention', { skip }, async (t) => {
  const peer = await InfluxPeer.prepare(t, { auth: true })
  await peer.launch()
  await peer.query("CREATE USER hub WITH PASSWORD 's3cret:ä' WITH ALL PRIVILEGES", '')
  const load = await Load.open(t, 2)
  await load.single({ __name__: 'old' }, 1, begin - 400 * day)
  const stranger = load.outlet(peer)
  await t.rejects(stranger.round(), /InfluxDB answered with 401/)
  const outlet = load.outlet(peer, { username: 'hub', password: 's3cret:ä', retentionDays: 30 })
  outlet.start()
  await drained(outlet)
  await outlet.stop()
  t.match(outlet.counters, { sent: 0, refused: 1 })
  t.ok(load.logger.lines.some((line) => /points beyond retention policy/.test(line)))
  t.notOk(load.logger.lines.some((line) => line.includes('s3cret')))
})

t.test('a setting that cannot be used stops the start and shows no secret', async (t) => {
  const url = 'http://127.0.0.1:8086'
  const faults: [object, RegExp][] = [
    [{ url: 'http://hub:s3cret@127.0.0.1' }, /influx: url holds a password/],
    [{ url: `${url}/?p=s3cret` }, /influx: url must end before/],
    [{ url: 'http://[' }, /influx: url is no URL/],
    [{ url, password: 's3cret' }, /username and password go together/],
    [{ url, username: 'a:b', password: 's3cret' }, /username holds a colon/],
    [{ url, database: 'a b' }, /influx: .*Example: influx: \{ url/],
    [{ url, retentionDays: -1 }, /influx: .*Example: influx: \{ url/],
  ]
  for (const [influx, words] of faults) {
    try {
      readHubConfig({ CALLWARD_CONFIG: configFile(t, influx) })
      t.fail(`taken: ${JSON.stringify(influx)}`)
    } catch (error) {
      t.match((error as Error).message, words)
      t.notMatch((error as Error).message, /s3cret/)
    }
  }
})

t.test('a hub sends, and says when InfluxDB is away', { skip }, async (t) => {
  const peer = await InfluxPeer.prepare(t)
  await peer.launch()
  const hub = await startHub({ CALLWARD_CONFIG: configFile(t, { url: peer.url }) })
  t.teardown(() => hub.stop())
  const end = Math.floor(Date.now() / 1000) * 1000 - 60_000
  const labels = [
    ['__name__', 'callward_load'],
    ['n', '0'],
  ] as const
  const samples = Array.from({ length: 30 }, (_, i) => ({ t: end - (29 - i) * 10_000, value: i }))
  await fill(hub, [[{ labels, samples }]])
  const up = async () => {
    const answer = await hub.ask({ path: '/api/v1/query?query=callward_influx_up' })
    return JSON.parse(answer.body).data.result[0]?.value[1] as string | undefined
  }
  const seal = async () => {
    const { status } = await hub.ask({ method: 'POST', path: '/../api/v1/store/compact' })
    t.equal(status, 200)
  }
  await seal()
  const found = async () =>
    (await peer.query('SELECT value FROM callward_load').catch(() => []))[0]?.values
  await until('they are there', async () => (await found())?.length === 30, 60_000)
  t.same(
    await found(),
    samples.map(({ t: time, value }) => [time, value]),
  )
  await until('it is up', async () => (await up()) === '1', 60_000)
  await peer.kill()
  await until('it is away', async () => (await up()) === '0', 90_000)

  // While it is away the hub takes, seals and answers as before; then all of it comes.
  const later = samples.map(({ t: time, value }) => ({ t: time + 5000, value: value + 0.5 }))
  await fill(hub, [[{ labels, samples: later }]])
  await seal()
  const answer = await hub.ask({
    path: `/api/v1/query?query=count_over_time(callward_load[6m])&time=${end / 1000 + 5}`,
  })
  t.match(answer.body, /"60"/)
  await peer.launch()
  await until('the others are there', async () => (await found())?.length === 60, 90_000)
  await until('it is up again', async () => (await up()) === '1', 60_000)
  const metrics = await hub.ask({ path: '/../metrics' })
  t.match(metrics.body, /callward_influx_failures_total [1-9]/)
  t.match(metrics.body, /callward_influx_samples_total\{outcome="lost"\} 0/)
})

function configFile(t: Test, influx: object): string {
  const path = join(temporaryFolder(t), 'callward.yaml')
  writeFileSync(path, JSON.stringify({ hub: { influx } }))
  return path
}
