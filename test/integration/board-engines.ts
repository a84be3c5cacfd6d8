import type { Test } from 'tap'
import type { SentEntries } from '../../server/store/spool/sealed-units.ts'
import { compressSnappy } from '../../server/store/victoria/snappy-encoder.ts'
import { encodeWriteRequest } from '../../server/store/victoria/write-request.ts'
import { type Peer, startHub, startPrometheus } from '../differential/peers.ts'
import { VictoriaPeer } from './victoria-peer.ts'

/** An answer by the text of each series' labels: times in seconds with their values, in the order of the answer. */
export type Points = ReadonlyMap<string, ReadonlyMap<number, number>>

/** A query with its variables filled in. Times in milliseconds; without a step it is asked for `end` alone. */
export interface Asked {
  readonly expr: string
  readonly start: number
  readonly end: number
  readonly stepSeconds?: number
}

type Name = 'hub' | 'Prometheus' | 'VictoriaMetrics'

export interface Engine {
  ask(asked: Asked): Promise<Points>
}

/** All requests of a remote write, oldest samples first: Prometheus takes nothing an hour older than its newest. */
export function* requests(
  series: readonly SentEntries[],
  start: number,
  end: number,
  sliceMillis = 50 * 60_000,
): Generator<Uint8Array> {
  const sent = series.map(() => 0)
  for (let until = start + sliceMillis; until < end + sliceMillis; until += sliceMillis) {
    const slices = series.flatMap(({ labels, times, values, staleTimes }, index) => {
      const from = sent[index]!
      let to = from
      while (to < times.length && times[to]! < until) to++
      sent[index] = to
      if (to === from) return []
      return [{ labels, times: times.slice(from, to), values: values.slice(from, to), staleTimes }]
    })
    if (slices.length > 0) yield compressSnappy(encodeWriteRequest(slices))
  }
}

export const writeHeaders = {
  'content-type': 'application/x-protobuf',
  'content-encoding': 'snappy',
  'x-prometheus-remote-write-version': '0.1.0',
}

function peerOfVictoria({ url }: VictoriaPeer): Pick<Peer, 'ask'> {
  return {
    async ask({ path, method = 'GET', headers = {}, body, form }) {
      const answer = await fetch(`${url}${path}`, {
        method,
        headers: { ...headers },
        ...(body === undefined ? {} : { body: new Uint8Array(body) }),
        ...(form === undefined ? {} : { body: new URLSearchParams(Object.fromEntries(form)) }),
      })
      return { status: answer.status, headers: {}, body: await answer.text() }
    },
  }
}

interface ApiAnswer {
  readonly status: string
  readonly error?: string
  readonly data: {
    readonly result: readonly {
      readonly metric: Readonly<Record<string, string>>
      readonly value?: readonly [number, string]
      readonly values?: readonly (readonly [number, string])[]
    }[]
  }
}

/** The answer of an engine; throws what it says of the query when it refuses it. */
async function ask(name: string, peer: Pick<Peer, 'ask'>, asked: Asked): Promise<Points> {
  const seconds = (millis: number) => String(millis / 1000)
  const { expr, start, end, stepSeconds } = asked
  const form: (readonly [string, string])[] =
    stepSeconds === undefined
      ? [
          ['query', expr],
          ['time', seconds(end)],
        ]
      : [
          ['query', expr],
          ['start', seconds(start)],
          ['end', seconds(end)],
          ['step', String(stepSeconds)],
        ]
  const path = stepSeconds === undefined ? '/api/v1/query' : '/api/v1/query_range'
  const answer = await peer.ask({
    method: 'POST',
    path,
    form: [...form, ['nocache', '1'], ['max_lookback', '5m']],
  })
  const { status, error, data } = JSON.parse(answer.body) as ApiAnswer
  if (status !== 'success') throw new Error(`${name}: ${answer.status} ${error}: ${expr}`)
  return new Map(
    data.result.map(({ metric, value, values }) => {
      const key = JSON.stringify(Object.entries(metric).sort(([a], [b]) => (a < b ? -1 : 1)))
      const pairs = values ?? (value === undefined ? [] : [value])
      return [
        key,
        new Map(pairs.map(([time, text]) => [time, Number(text.replace('Inf', 'Infinity'))])),
      ]
    }),
  )
}

/** The hub, Prometheus and VictoriaMetrics, all with the same samples; they end with the test. */
export async function threeEngines(
  t: Test,
  series: readonly SentEntries[],
  start: number,
  end: number,
): Promise<Readonly<Record<Name, Engine>>> {
  const victoria = await VictoriaPeer.prepare(t)
  await victoria.launch()
  const hub = await startHub()
  t.teardown(() => hub.stop())
  const prometheus = await startPrometheus()
  t.teardown(() => prometheus.stop())
  const peers = [
    ['hub', hub],
    ['Prometheus', prometheus],
    ['VictoriaMetrics', peerOfVictoria(victoria)],
  ] as const
  for (const body of requests(series, start, end)) {
    const request = { method: 'POST', path: '/api/v1/write', headers: writeHeaders } as const
    await Promise.all(
      peers.map(async ([name, peer]) => {
        const answer = await peer.ask({ ...request, body: Buffer.from(body) })
        if (answer.status !== 204) throw new Error(`${name}: ${answer.status} ${answer.body}`)
      }),
    )
  }
  // What was just written is not shown at once.
  await fetch(`${victoria.url}/internal/force_flush`)
  return {
    hub: { ask: (asked) => ask('hub', hub, asked) },
    Prometheus: { ask: (asked) => ask('Prometheus', prometheus, asked) },
    VictoriaMetrics: {
      ask: (asked) => ask('VictoriaMetrics', peerOfVictoria(victoria), asked),
    },
  }
}
