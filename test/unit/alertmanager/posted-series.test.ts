import t, { type Test } from 'tap'
import { type AlertView, fingerprint, type Labels, severityOf } from '../../../alerts/alert.ts'
import {
  PostedSeries,
  type PostedSeriesOptions,
} from '../../../server/alertmanager/posted-series.ts'
import { HandTime } from '../../helpers/hand-time.ts'
import { base, openStore, temporaryFolder } from '../store/store-kit.ts'

function alertOf(labels: Labels, activeAt = base - 60_000): AlertView {
  return {
    ...{ id: fingerprint(labels), fingerprint: fingerprint(labels), labels, annotations: {} },
    ...{ rule: labels['alertname'] ?? 'unnamed', group: 'external', severity: severityOf(labels) },
    ...{ instance: labels['instance'], state: 'firing', value: '1', activeAt, firedAt: base },
  }
}

async function desk(t: Test, more: Partial<PostedSeriesOptions> = {}) {
  const time = new HandTime(base)
  const store = await openStore(temporaryFolder(t), time)
  t.teardown(() => store.close())
  let active: readonly AlertView[] = []
  const series = new PostedSeries({
    ...{ clock: time, timers: time, store, active: () => active, endedBefore: [] },
    onError: (error) => t.error(error),
    ...more,
  })
  t.teardown(() => series.stop())
  const read = async (name: string) => {
    const matcher = { name: '__name__', op: '=', value: name } as const
    return store.select([matcher], base - 3_600_000, base + 2 * 3_600_000)
  }
  return {
    ...{ series, store, time },
    is: (...labels: Labels[]) => {
      active = labels.map((one) => alertOf(one))
    },
    async look(seconds = 5) {
      time.move(seconds * 1000)
      await series.settled()
    },
    async begin() {
      series.start()
      await series.settled()
    },
    /** Another writer's sample, or its mark. */
    async other(labels: Labels, value: number | 'mark') {
      const ids = Uint32Array.of(store.intern(labels))
      const none = new Uint32Array()
      const row =
        value === 'mark'
          ? { ids: none, values: new Float64Array(), stale: ids }
          : { ids, values: Float64Array.of(value), stale: none }
      await store.append({ rows: [{ t: time.now(), ...row }] })
    },
    read,
    /** Seconds since the begin of each sample of the series, and of its marks. */
    async told(name: string) {
      const since = (at: number) => (at - base) / 1000
      return (await read(name)).map(({ labels, times, values, staleTimes }) => ({
        ...{ of: labels['alertname'], values: [...values] },
        ...{ samples: [...times].map(since), marks: [...staleTimes].map(since) },
      }))
    },
  }
}

const trunk = { alertname: 'TrunkDown', severity: 'critical' }

t.test('a posted alert has the series of one of Prometheus while it is active', async (t) => {
  const { begin, is, look, told } = await desk(t)
  await begin()
  t.same(await told('ALERTS'), [])
  is(trunk)
  for (let nth = 0; nth < 8; nth++) await look()
  is()
  await look()
  await look()
  const times = { of: 'TrunkDown', samples: [5, 30], marks: [45] }
  t.same(await told('ALERTS'), [{ ...times, values: [1, 1] }])
  const since = base / 1000 - 60
  t.same(await told('ALERTS_FOR_STATE'), [{ ...times, values: [since, since] }])
})

t.test('labels of a sender make no other series than these', async (t) => {
  const { begin, is, read } = await desk(t)
  is(
    { __name__: 'callward_collector_up', alertstate: 'pending', instance: 'pbx-1' },
    { alertname: '</script>"} or vector(1)', note: '\n\\"' },
  )
  await begin()
  const labels = (await read('ALERTS')).map((one) => one.labels)
  t.match(new Set(labels.map((one) => one['alertstate'])), new Set(['firing']))
  t.has(
    labels.find(({ instance }) => instance === 'pbx-1'),
    {
      ...{ alertname: 'unnamed', exported_alertstate: 'pending' },
      exported_name: 'callward_collector_up',
    },
  )
  t.has(
    labels.find(({ note }) => note !== undefined),
    { alertname: '</script>"} or vector(1)', note: '\n\\"' },
  )
  t.same(await read('callward_collector_up'), [])
})

t.test('a series that somebody else writes is theirs', async (t) => {
  const { begin, is, look, other, told } = await desk(t)
  const firing = { ...trunk, __name__: 'ALERTS', alertstate: 'firing' }
  const since = { ...trunk, __name__: 'ALERTS_FOR_STATE' }
  await begin()
  is(trunk)
  await look()
  await look()
  for (let nth = 0; nth < 10; nth++) {
    await other(firing, 1)
    await other(since, 777)
    await look()
  }
  const [ours] = (await told('ALERTS_FOR_STATE')).map(({ values }) => values)
  t.same(ours?.slice(1), Array(10).fill(777), 'no flapping between two begins')
  is()
  await look()
  t.same(await told('ALERTS').then(([one]) => one?.marks), [], 'nor ended here')
  is(trunk)
  await other(firing, 'mark')
  await look()
  await look()
  const [again] = await told('ALERTS')
  t.ok(again!.samples.at(-1)! > again!.marks.at(-1)!, 'written here once the other has ended it')
})

t.test('what ended when nobody could write is ended at the start', async (t) => {
  const gone = { alertname: 'Gone' }
  const { begin, other, told, time } = await desk(t, { endedBefore: [gone, { alertname: 'Old' }] })
  await other({ ...gone, __name__: 'ALERTS', alertstate: 'firing' }, 1)
  time.move(7_000)
  await begin()
  t.same(await told('ALERTS'), [{ of: 'Gone', values: [1], samples: [0], marks: [7] }])
})

t.test('no more than there is room for, critical ones first', async (t) => {
  const limits = { atOnce: 2, newAnHour: 3 }
  const { begin, is, look, series, read } = await desk(t, { limits })
  const names = async () => (await read('ALERTS')).map(({ labels }) => labels['alertname']).sort()
  const noise = (name: string) => ({ alertname: name, severity: 'info' })
  is(noise('A'), noise('B'), trunk)
  await begin()
  t.same(await names(), ['A', 'TrunkDown'])
  t.equal(series.left, 1)
  is(noise('C'))
  await look()
  t.equal(series.left, 0)
  is(noise('C'), noise('D'))
  await look()
  t.equal(series.left, 1, 'three in this hour')
  await look(3_600)
  t.equal(series.left, 0)
  t.same(await names(), ['A', 'C', 'D', 'TrunkDown'])
})
