import t from 'tap'
import { createEngine } from '../../../server/promql/engine.ts'
import { HostViews } from '../../../server/rules/host-views.ts'
import { promqlQueries } from '../../../server/rules/promql-queries.ts'
import { createMemoryStore } from '../../../server/store/memory-store.ts'
import type { Labels } from '../../../server/store/reader.ts'

const now = Date.UTC(2026, 0, 5, 8, 0, 0)

t.test('hosts of one shape share their plans, a new disk gives a shape of its own', async (t) => {
  const store = createMemoryStore()
  const write = async (labels: Labels, value: number) => {
    const ids = Uint32Array.of(store.intern({ __name__: 'disk_free', ...labels }))
    await store.append({ rows: [{ t: now, ids, values: Float64Array.of(value) }] })
  }
  const views = new HostViews({
    columns: store.columns,
    labels: (id) => store.labels(id),
    metrics: new Set(['disk_free']),
    looked: new Set(['device']),
  })
  const query = promqlQueries(createEngine({ reader: store })).compile('disk_free < 5').atOnce!
  const low = (instance: string) =>
    query
      .evaluate(now, views.reading(instance), instance)
      ?.map(({ labels, value }) => `${labels['instance']} ${labels['device']} ${value}`)
  const plansOf = (instance: string) => views.reading(instance).fixed?.plans

  await write({ instance: 'a', device: 'sda' }, 1)
  await write({ instance: 'b', device: 'sda' }, 2)
  t.same([low('a'), low('b')], [['a sda 1'], ['b sda 2']])
  t.ok(plansOf('a'))
  t.equal(plansOf('a'), plansOf('b'))
  t.equal(
    views.reading('a'),
    views.reading('a'),
    'a host is looked at anew only when series change',
  )

  await write({ instance: 'b', device: 'sdb' }, 3)
  t.same([low('a'), low('b')], [['a sda 1'], ['b sda 2', 'b sdb 3']])
  t.not(plansOf('a'), plansOf('b'))

  await write({ instance: 'a', device: 'sdb' }, 4)
  t.equal(plansOf('a'), plansOf('b'), 'of one shape again')
  t.same(low('a'), ['a sda 1', 'a sdb 4'])
  await write({ instance: 'c', device: 'sda' }, 1)
  t.not(plansOf('c'), plansOf('a'))
  t.same(low('c'), ['c sda 1'])
})
