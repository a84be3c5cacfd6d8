import type { SentSeries } from '../helpers/write-encoders.ts'
import { Random } from './random.ts'

/**
 * Samples stand 3 s off every step: ranges of Prometheus 2.42 are closed on the left, ours are open as since 3.0, and so both
 * hold the same samples. All times that queries use end in 7 s or 0 s.
 */
export const start = Date.UTC(2026, 5, 1)
export const interval = 10_000
export const rounds = 720
export const end = start + rounds * interval

const offGrid = 3000

/** The metrics by name with the labels that tell their series apart. */
export const metrics: Readonly<Record<string, readonly string[]>> = {
  req_total: ['instance', 'code'],
  lat_seconds_bucket: ['instance', 'le'],
  lat_seconds_sum: ['instance'],
  lat_seconds_count: ['instance'],
  temp: ['instance', 'zone'],
  cap: ['instance', 'zone'],
  load: ['instance'],
  info: ['instance'],
  flap: ['instance'],
  near_total: ['instance'],
  state: ['instance', 'mode'],
  one: [],
}

type Value = number | 'stale' | undefined
type Labels = Readonly<Record<string, string>>

class DataSet {
  readonly series: SentSeries[] = []

  add(labels: Labels, valueAt: (round: number) => Value): void {
    const samples: { t: number; value: number | 'stale' }[] = []
    for (let round = 0; round < rounds; round++) {
      const value = valueAt(round)
      if (value !== undefined) samples.push({ t: start + round * interval + offGrid, value })
    }
    const sorted = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))
    this.series.push({ labels: sorted, samples })
  }
}

const instances = ['pbx-1', 'pbx-2', 'sbc-1'] as const
const buckets = ['0.1', '0.5', '1', '2.5', '+Inf'] as const

/** Values are fractions of 2^16, so that sums of them are exact in any order. */
const exact = (value: number): number => Math.round(value * 65_536) / 65_536

/** About 50 series with gaps, counter resets and stale marks; the same for the same seed. */
export function makeSeries(seed: number): readonly SentSeries[] {
  const random = new Random(seed)
  const data = new DataSet()
  const gap = () => random.chance(0.03)
  const counter = (labels: Labels, rate: number, from: number, resets: readonly number[]) => {
    let value = from
    data.add(labels, (round) => {
      value = resets.includes(round) ? from : exact(value + random.next() * rate)
      return gap() ? undefined : value
    })
  }
  for (const [index, instance] of instances.entries()) {
    const job = index === 2 ? 'edge' : 'core'
    const resets = index === 1 ? [150, 410] : index === 2 ? [333] : []
    for (const code of ['200', '404', '500'])
      counter({ __name__: 'req_total', instance, job, code }, 100 / Number(code[0]), 10_000, resets)
    addHistogram(data, random, { instance, job }, index === 1 ? [250] : [])
    for (const zone of ['a', 'b']) {
      let value = 20 * (index + 1)
      data.add({ __name__: 'temp', instance, job, zone }, () => {
        value = exact(value + random.next() * 8 - 4)
        return gap() ? undefined : value
      })
    }
    // A silence of ten minutes: longer than a lookup reaches back.
    data.add({ __name__: 'load', instance, job }, (round) =>
      (round + 80 * index) % 240 < 60 || gap() ? undefined : exact(random.next() * 4),
    )
    data.add({ __name__: 'info', instance, job, version: `1.${index}`, os: 'debian' }, () => 1)
    for (const mode of ['run', 'wait'])
      data.add({ __name__: 'state', instance, job, mode }, () => random.below(4))
  }
  for (const [instance, zone, size] of [
    ['pbx-1', 'a', 100],
    ['pbx-1', 'b', 50],
    ['pbx-2', 'a', 64],
    ['sbc-1', 'b', 0],
    ['sbc-2', 'a', 10],
  ] as const)
    data.add({ __name__: 'cap', instance, job: 'core', zone }, (round) => size + (round >> 8))
  for (const [index, instance] of (['pbx-1', 'pbx-2'] as const).entries()) {
    data.add({ __name__: 'flap', instance, job: 'core' }, (round) => {
      const phase = (round + 40 * index) % 120
      if (phase < 70) return exact(random.next() * 10 - 5)
      return phase === 70 ? 'stale' : undefined
    })
    // From zero and without gaps: where Prometheus stops extrapolating at zero.
    let value = 0
    data.add({ __name__: 'near_total', instance, job: 'core' }, (round) => {
      value = round % (180 + 40 * index) === 0 ? 0 : value + random.below(3)
      return value
    })
  }
  data.add({ __name__: 'one' }, (round) => exact(Math.sin(round / 30)))
  return data.series
}

function addHistogram(data: DataSet, random: Random, host: Labels, resets: readonly number[]) {
  const columns: number[][] = []
  let counts = buckets.map(() => 1000)
  let sum = 0
  const sums: number[] = []
  for (let round = 0; round < rounds; round++) {
    if (resets.includes(round)) {
      counts = buckets.map(() => 1000)
      sum = 0
    }
    let cumulative = 0
    counts = counts.map((count) => {
      cumulative += random.below(5)
      return count + cumulative
    })
    sum = exact(sum + random.next() * 10)
    columns.push(counts)
    sums.push(sum)
  }
  // One scrape is lost as a whole, as it is in life.
  const lost = new Set(Array.from({ length: 20 }, () => random.below(rounds)))
  const at = (round: number, value: number | undefined) => (lost.has(round) ? undefined : value)
  for (const [index, le] of buckets.entries())
    data.add({ __name__: 'lat_seconds_bucket', ...host, le }, (round) =>
      at(round, columns[round]?.[index]),
    )
  data.add({ __name__: 'lat_seconds_sum', ...host }, (round) => at(round, sums[round]))
  data.add({ __name__: 'lat_seconds_count', ...host }, (round) => at(round, columns[round]?.at(-1)))
}

/** The same data in requests that ascend in time. */
export function inRequests(series: readonly SentSeries[], perRequest = 40): SentSeries[][] {
  const requests: SentSeries[][] = []
  for (let from = 0; from < rounds; from += perRequest) {
    const since = start + from * interval
    const until = since + perRequest * interval
    requests.push(
      series
        .map(({ labels, samples }) => ({
          labels,
          samples: samples.filter(({ t }) => t >= since && t < until),
        }))
        .filter(({ samples }) => samples.length > 0),
    )
  }
  return requests
}
