import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { InfluxClient } from '../../server/store/influx/influx-client.ts'
import { Outlet } from '../../server/store/influx/outlet.ts'
import { silentLogger } from '../../server/store/log.ts'
import type { Labels } from '../../server/store/reader.ts'
import { countsInPieces } from '../../server/store/victoria/counts-in-pieces.ts'
import { Forwarder } from '../../server/store/victoria/forwarder.ts'
import { seriesKey, VictoriaClient } from '../../server/store/victoria/victoria-client.ts'
import { until } from '../helpers/hub.ts'
import { sealingStore } from './sealed-load.ts'

const { signal } = new AbortController()
const limit = 2000
const tooLong = /is longer than 0 MiB and was not read to its end/

type Answering = (form: URLSearchParams, response: ServerResponse, path: string) => void

/** A peer at the wire; test/fixtures/engine-answers.source. */
async function peerThat(t: Test, answer: Answering) {
  const closed = { early: 0 }
  const server = createServer(async (request: IncomingMessage, response) => {
    response.on('close', () => {
      if (!response.writableFinished) closed.early++
    })
    answer(new URLSearchParams(await text(request)), response, request.url ?? '')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, closed }
}

/** As fast as it is read, without end. */
const endless: Answering = (_, response) => {
  response.writeHead(200, { 'content-type': 'application/json' })
  const more = (): void => {
    while (!response.destroyed && response.write(`{"results":[${'0,'.repeat(500)}`));
  }
  response.on('drain', more)
  more()
}

const victoria = (write: string) =>
  new VictoriaClient({ engine: 'victoriametrics', write, settleSeconds: 10 }, limit)

const influx = (url: string) =>
  new InfluxClient(
    {
      url,
      database: 'callward',
      retentionPolicy: 'callward',
      retentionDays: 0,
      timeoutSeconds: 600,
    },
    limit,
  )

t.test('an answer without end is not read, and the asker is told why', async (t) => {
  const { url, closed } = await peerThat(t, endless)
  const client = victoria(url)
  const counting = client.counts('count_over_time', 'up', 0, 1, signal)
  await t.rejects(counting, { message: tooLong })
  await t.rejects(client.times([{ __name__: 'up' }], 1, 1, signal), { message: tooLong })
  const probing = influx(url).probe(signal)
  await t.rejects(probing, { message: /^The answer of InfluxDB is longer than/ })
  await until('the connections are closed', () => closed.early >= 3)
})

t.test('each attempt that meets such an answer is counted and said', async (t) => {
  const { url } = await peerThat(t, endless)
  const { store, folder } = await sealingStore(t, Date.now())
  const common = { source: store, folder, logger: silentLogger, retryMillis: 1, pollMillis: 1 }
  const outlets = [
    new Forwarder({ ...common, client: victoria(url), settleMillis: 0 }),
    new Outlet({ ...common, client: influx(url) }),
  ]
  for (const outlet of outlets) {
    outlet.start()
    await until('it failed again', () => outlet.failures > 1)
    t.match(outlet.away, tooLong)
    await outlet.stop()
  }
})

t.test('times of too many series, or too many times of one, are asked for in pieces', async (t) => {
  const series = Array.from({ length: 5 }, (_, n) => ({ __name__: 'up', n: String(n) }))
  const all = Array.from({ length: 200 }, (_, at) => at * 10)
  const { url } = await peerThat(t, (form, response) => {
    const [from, to] = [Number(form.get('start')) * 1000, Number(form.get('end')) * 1000]
    const timestamps = all.filter((at) => at >= from && at <= to)
    const asked = form.getAll('match[]')
    const lines = series
      .filter(({ n }) => asked.some((selector) => selector.includes(`n="${n}"`)))
      .map((metric) => JSON.stringify({ metric, values: timestamps, timestamps }))
    response.end(lines.join('\n'))
  })
  const found = await victoria(url).times(series, 0, 1990, signal)
  t.equal(found.size, series.length)
  for (const labels of series)
    t.same(
      [...found.get(seriesKey(labels))!].sort((a, b) => a - b),
      all,
    )
})

t.test('counts of too many series are asked for by the values of a label', async (t) => {
  const hosts = [...Array.from({ length: 40 }, (_, n) => `pbx-${n}`), 'a|b', 'c.*"\\']
  const members: Labels[] = [
    ...hosts.map((server) => ({ __name__: 'up', server, site: 'x' })),
    { __name__: 'up', site: 'x' },
  ]
  const others: Labels[] = [{ server: 'pbx-1x' }, { server: 'a' }]
  const asked: string[] = []
  const { url } = await peerThat(t, (form, response) => {
    const query = form.get('query')!
    asked.push(query)
    const pattern = /server=~("(?:[^"\\]|\\.)*")/.exec(query)?.[1]
    const wanted = new RegExp(`^(?:${pattern === undefined ? '.*' : JSON.parse(pattern)})$`)
    const held = [...members, ...others].filter((labels) => wanted.test(labels['server'] ?? ''))
    const result = held.map((metric) => ({ metric, value: [1, '7'] }))
    response.end(JSON.stringify({ status: 'success', data: { resultType: 'vector', result } }))
  })
  const client = victoria(url)
  const found = await countsInPieces(members, (only) =>
    client.counts('count_over_time', 'up', 0, 1, signal, only),
  )
  t.equal(found.size, members.length, 'each, and none of the others')
  for (const { __name__: _, ...labels } of members) t.equal(found.get(seriesKey(labels)), 7)
  t.ok(asked.length > 2)

  const alone = countsInPieces([members[0]!], (only) =>
    client.counts('count_over_time', 'up', 0, 1, signal, only),
  )
  await t.rejects(alone, { message: tooLong })
})
