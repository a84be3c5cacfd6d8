import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import t from 'tap'
import { metricCatalogue, storedOwnNames } from '../../../dashboards/catalogue.ts'
import { HubFigures } from '../../../server/hub-figures.ts'
import type { StoreWriter } from '../../../server/store/writer.ts'
import { ownFigures } from '../../../server/telemetry/own-series.ts'

t.test('only the chosen metrics are read, with a histogram’s parts by their names', async (t) => {
  const registry = new Registry()
  const registers = [registry]
  const labelNames = ['route']
  new Counter({ name: 'asked_total', help: 'x', labelNames, registers }).labels('/a').inc(3)
  new Histogram({ name: 'took_seconds', help: 'x', buckets: [1], registers }).observe(2)
  new Gauge({ name: 'unknown_bytes', help: 'x', registers }).set(Number.NaN)
  new Gauge({ name: 'other', help: 'x', registers }).set(1)
  const names = new Set(['asked_total', 'took_seconds', 'unknown_bytes', 'not_registered'])
  const figures = await ownFigures(registry, names)
  t.same(
    figures.map(({ name, labels, value }) => `${name} ${JSON.stringify(labels)} ${value}`).sort(),
    [
      'asked_total {"route":"/a"} 3',
      'took_seconds_bucket {"le":"+Inf"} 1',
      'took_seconds_bucket {"le":"1"} 0',
      'took_seconds_count {} 1',
      'took_seconds_sum {} 2',
    ],
  )
})

t.test('series carry the hub’s labels, and one not told any more ends', async (t) => {
  const interned: Record<string, string>[] = []
  const rows: { t: number; ids: number[]; values: number[]; stale: number[] }[] = []
  const store = {
    intern: (labels: Record<string, string>) => {
      const found = interned.findIndex((one) => JSON.stringify(one) === JSON.stringify(labels))
      return found >= 0 ? found : interned.push(labels) - 1
    },
    append: async (batch: Parameters<StoreWriter['append']>[0]) => {
      for (const { t: at, ids, values, stale } of batch.rows)
        rows.push({ t: at, ids: [...ids], values: [...values], stale: [...(stale ?? [])] })
    },
  } as unknown as StoreWriter
  const series = new HubFigures(store)
  const figure = (name: string, value: number) => ({ name, labels: { instance: 'forged' }, value })
  await series.write([figure('a', 1), figure('b', 2)], 1000)
  await series.write([figure('a', 3)], 2000)
  t.same(rows, [
    { t: 1000, ids: [0, 1], values: [1, 2], stale: [] },
    { t: 2000, ids: [0], values: [3], stale: [1] },
  ])
  t.match(interned[0], { __name__: 'a', job: 'callward-hub', instance: 'hub' })
})

t.test('what another part stores with the hub’s labels is not stored twice', async (t) => {
  const stored = metricCatalogue.filter(({ own }) => own !== true).map(({ name }) => name)
  t.same(
    stored.filter((name) => storedOwnNames().has(name)),
    [],
  )
  t.ok(storedOwnNames().has('callward_pages'))
})
