import t, { type Test } from 'tap'
import { silentLogger } from '../../server/store/log.ts'
import { Forwarder } from '../../server/store/victoria/forwarder.ts'
import { VictoriaClient } from '../../server/store/victoria/victoria-client.ts'
import { until } from '../helpers/hub.ts'
import { SealedLoad, sealingStore, tick } from './sealed-load.ts'
import { VictoriaPeer, withoutVictoria } from './victoria-peer.ts'

const skip = withoutVictoria()
/** VictoriaMetrics 1.79 writes to its disk some seconds after it took samples. */
const settleMillis = 12_000
const day = 86_400_000
/** Today at two o'clock: what is older than its retention VictoriaMetrics drops. */
const begin = Math.floor(Date.now() / day) * day - day + 2 * 3_600_000

class Load extends SealedLoad {
  static async open(t: Test, series: number): Promise<Load> {
    return new Load(await sealingStore(t, begin), series, 'pbx "1"\\ä')
  }

  forwarder(peer: VictoriaPeer, millis = settleMillis): Forwarder {
    return new Forwarder({
      source: this.store,
      folder: this.folder,
      client: new VictoriaClient({
        engine: 'victoriametrics',
        write: peer.url,
        settleSeconds: 30,
      }),
      logger: silentLogger,
      settleMillis: millis,
      pollMillis: 200,
      retryMillis: 200,
    })
  }

  /** Every sample stands in VictoriaMetrics once, at its time and with its value. */
  async same(t: Test, peer: VictoriaPeer): Promise<void> {
    const total = this.ticks * this.ids.length
    const counted = await peer.count('callward_load', this.ticks * 10, this.timeOf(this.ticks - 1))
    t.equal(counted, total, 'count_over_time finds each sample once')
    const raw = await peer.raw('callward_load')
    t.equal(raw.size, this.ids.length)
    for (const [n, id] of this.ids.entries()) {
      const { times, values } = raw.get(String(n))!
      const all = Array.from({ length: this.ticks }, (_, at) => at)
      t.same([times, values], [all.map((at) => this.timeOf(at)), all.map((at) => at + id / 8)])
    }
  }
}

async function drained(forwarder: Forwarder): Promise<void> {
  await until(
    'everything is forwarded',
    async () => forwarder.waiting.length === 0 && forwarder.away === undefined,
    180_000,
  )
}

t.test(
  'killed and started again under load: nothing lost, nothing doubled',
  { skip },
  async (t) => {
    const peer = await VictoriaPeer.prepare(t)
    await peer.launch()
    const load = await Load.open(t, 40)
    let forwarder = load.forwarder(peer)
    const counters = { samples: 0, failures: 0 }
    forwarder.start()
    const leave = async () => {
      await forwarder.stop()
      counters.samples += forwarder.counters.samples
      counters.failures += forwarder.failures
    }
    for (let fall = 0; fall < 4; fall++) {
      const before = forwarder.counters.samples
      await load.seal(30)
      await until('they went out', async () => forwarder.counters.samples > before, 60_000)
      // What was just taken is in its memory only.
      await peer.kill()
      // Away for a while, or back before anybody asks.
      if (fall < 2) await until('it is missed', async () => forwarder.away !== undefined, 60_000)
      await peer.launch()
      // The hub falls too: what it was about to note is gone.
      if (fall === 1) {
        await leave()
        forwarder = load.forwarder(peer)
        forwarder.start()
      }
    }
    await drained(forwarder)
    await leave()
    t.ok(counters.samples > load.ticks * 40, 'VictoriaMetrics had lost what it had taken')
    t.ok(counters.failures > 0)
    t.equal(forwarder.counters.refused, 0)
    // What it lost in a fall after the last look would show here.
    await peer.kill()
    await peer.launch()
    await load.same(t, peer)
  },
)

t.test('an hour of outage is kept and drained, marks and merged files too', { skip }, async (t) => {
  const peer = await VictoriaPeer.prepare(t)
  const load = await Load.open(t, 30)
  const away = load.forwarder(peer)
  away.start()
  for (let piece = 0; piece < 12; piece++) await load.seal(30)
  await until('the outage is noticed', async () => away.away !== undefined, 30_000)
  t.match(away.away, /cannot be reached \(ECONNREFUSED\)/)
  t.equal(away.waiting.length, 12)
  const [ended] = load.ids
  const end = load.timeOf(load.ticks) - tick / 2
  const marks = Uint32Array.of(ended!)
  const nobody = { ids: new Uint32Array(0), values: new Float64Array(0) }
  await load.store.append({ rows: [{ t: end, ...nobody, stale: marks }] })
  await load.store.compact()
  t.equal(away.waiting.length, 1, 'merged while they wait')
  await peer.launch()
  await drained(away)
  await away.stop()
  t.equal(away.counters.refused, 0)
  const forwarded = await peer.raw('callward_load')
  t.equal(forwarded.get('0')!.times.pop(), end, 'the mark')
  t.equal(forwarded.get('0')!.values.pop(), null)
  t.equal(await peer.count('callward_load', load.ticks * 10, end), load.ticks * 30)

  // A folder brought back without its cursor, and a file merged of what was sent and what was not: all is looked up first.
  await load.seal(6)
  await load.store.compact()
  const again = load.forwarder(peer)
  again.start()
  await until('the first look is over', async () => again.waiting.length === 0, 60_000)
  await again.stop()
  t.equal(again.counters.samples, 6 * 30)
  t.equal(
    await peer.count('callward_load', load.ticks * 10, load.timeOf(load.ticks - 1)),
    load.ticks * 30,
  )
})
