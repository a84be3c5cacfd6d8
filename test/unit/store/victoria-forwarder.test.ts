import t, { type Test } from 'tap'
import { silentLogger } from '../../../server/store/log.ts'
import { EngineAway } from '../../../server/store/spool/retry-loop.ts'
import type { SentEntries } from '../../../server/store/spool/sealed-units.ts'
import { Forwarder } from '../../../server/store/victoria/forwarder.ts'
import { EntriesRefused, seriesKey } from '../../../server/store/victoria/victoria-client.ts'
import { base, handClock, openStore, temporaryFolder } from './store-kit.ts'

/** What VictoriaMetrics 1.79 was seen to do: it keeps what comes twice as two, and may lose what it took. */
class Victoria {
  readonly target = 'one'
  readonly held = new Map<string, number[]>()
  /** Called with each write; what it throws is answered, before or after the samples are taken. */
  before: (series: readonly SentEntries[]) => void = () => undefined
  after: () => void = () => undefined

  async write(series: readonly SentEntries[]): Promise<void> {
    this.before(series)
    for (const { labels, times } of series) {
      const key = seriesKey(labels)
      this.held.set(key, [...(this.held.get(key) ?? []), ...times])
    }
    this.after()
  }

  async counts(what: string, metric: string, start: number, end: number) {
    const found = new Map<string, number>()
    if (what !== 'count_over_time') return found
    for (const [key, times] of this.held) {
      const { __name__: name, ...labels } = Object.fromEntries(JSON.parse(key))
      if (name !== metric) continue
      found.set(seriesKey(labels), times.filter((at) => at >= start && at <= end).length)
    }
    return found
  }

  async times() {
    return new Map([...this.held].map(([key, times]) => [key, new Set(times)]))
  }
}

const series = 5

async function scene(t: Test) {
  const folder = temporaryFolder(t)
  const store = await openStore(folder, handClock(), { freezeMillis: 0 })
  t.teardown(() => store.close())
  const ids = Uint32Array.from({ length: series }, (_, n) =>
    store.intern({ __name__: 'up', n: String(n) }),
  )
  const victoria = new Victoria()
  const forwarder = () =>
    new Forwarder({
      source: store,
      folder,
      client: victoria,
      logger: silentLogger,
      settleMillis: 0,
    })
  const seal = async (...times: number[]) => {
    for (const at of times)
      await store.append({ rows: [{ t: base + at, ids, values: Float64Array.from(ids) }] })
    await store.maintain()
  }
  const same = (t: Test, times: number[]) => {
    t.equal(victoria.held.size, series)
    for (const held of victoria.held.values())
      t.same(
        held.toSorted((a, b) => a - b),
        times.map((at) => base + at),
      )
  }
  return { seal, victoria, forwarder, same }
}

t.test('what is lost after it was taken is found missing and sent again', async (t) => {
  const { seal, victoria, forwarder, same } = await scene(t)
  await seal(0, 10)
  let falls = 2
  const one = forwarder()
  victoria.after = () => {
    if (falls-- > 0) victoria.held.clear()
  }
  t.equal(await one.round(), true)
  same(t, [0, 10])
  t.equal(one.counters.repaired, 2 * 2 * series)
  t.equal(one.counters.refused, 0)
  t.equal(await one.round(), false)
})

t.test('an answer that does not come, then a restart: nothing stands twice', async (t) => {
  const { seal, victoria, forwarder, same } = await scene(t)
  await seal(0, 10)
  victoria.after = () => {
    throw new EngineAway('cut')
  }
  await t.rejects(forwarder().round(), { message: 'cut' })
  victoria.after = () => undefined
  await seal(20)
  const again = forwarder()
  await again.round()
  same(t, [0, 10, 20])
  t.equal(again.counters.samples, series)
})

t.test('a sample written again later is not sent again', async (t) => {
  const { seal, forwarder, same } = await scene(t)
  const one = forwarder()
  await seal(0, 10)
  await one.round()
  await seal(10, 20)
  await one.round()
  same(t, [0, 10, 20])
  t.equal(one.counters.refused, 0)
})

t.test('a refused series is set aside and counted, the others arrive', async (t) => {
  const { seal, victoria, forwarder } = await scene(t)
  await seal(0, 10)
  victoria.before = (sent) => {
    if (sent.some(({ labels }) => labels.n === '3')) throw new EntriesRefused('400')
  }
  const one = forwarder()
  await one.round()
  t.equal(victoria.held.size, series - 1)
  t.equal(one.counters.refused, 2)
  t.equal(one.counters.samples, 2 * (series - 1))
  t.equal(one.waiting.length, 0)
})

t.test('what is taken and never held counts as refused and holds nothing up', async (t) => {
  const { seal, victoria, forwarder } = await scene(t)
  await seal(0)
  victoria.after = () => victoria.held.clear()
  const one = forwarder()
  t.equal(await one.round(), true)
  t.equal(one.counters.refused, series)
  t.equal(one.waiting.length, 0)
})

t.test('samples that leave the store before they are forwarded are counted', async (t) => {
  const { seal, forwarder } = await scene(t)
  await seal(0)
  const one = forwarder()
  await one.round()
  await seal(10)
  const [part] = one.waiting
  one.agedOut(part!)
  t.equal(one.counters.lost, series)
  await one.round()
  one.agedOut(part!)
  t.equal(one.counters.lost, series, 'not what was forwarded')
})
