import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { VictoriaArchive } from '../../server/store/victoria/victoria-archive.ts'
import { VictoriaClient } from '../../server/store/victoria/victoria-client.ts'

const empty = '{"status":"success","data":{"resultType":"vector","result":[]}}'
const list = '{"status":"success","data":[]}'

/** A peer that answers nothing is there, and notes where it was asked. */
async function notingPeer(t: Test) {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers.authorization}`)
    request.resume()
    const path = request.url ?? ''
    if (path.endsWith('/write')) response.writeHead(204).end()
    else if (path.endsWith('/export')) response.end('')
    else response.end(/query(_range)?$/.test(path) ? empty : list)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return { asked, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

t.test('of a cluster, each part is asked at its own address, for one tenant', async (t) => {
  const vminsert = await notingPeer(t)
  const vmselect = await notingPeer(t)
  const client = new VictoriaClient({
    engine: 'victoriametrics',
    write: `${vminsert.url}/`,
    read: vmselect.url,
    tenant: '12:3',
    token: 'abc',
    settleSeconds: 10,
  })
  const archive = new VictoriaArchive({
    client,
    heldFrom: () => 0,
    keptFrom: () => 0,
    heldTo: () => 0,
  })
  const { signal } = new AbortController()
  const limits = { timeoutMilliseconds: 30_000, maxBytes: 1_000_000, signal }
  const selection = { selectors: [], start: 0, end: 1000 }
  const question = { text: 'up', start: 0, end: 1000, lookbackMilliseconds: 300_000 }
  const one = { labels: { __name__: 'up' }, times: Float64Array.of(1), values: Float64Array.of(1) }
  await client.write([{ ...one, staleTimes: new Float64Array(0) }], signal)
  await client.counts('count_over_time', 'up', 0, 1000, signal)
  await client.times([one.labels], 0, 1000, signal)
  await archive.query({ ...question, step: 0 }, limits)
  await archive.query({ ...question, step: 1000 }, limits)
  await archive.series(selection, limits)
  await archive.labelNames(selection, limits)
  // A label's name stays one segment of the path: it leads into no other tenant.
  await archive.labelValues('../../../0/prometheus', selection, limits)
  t.same(vminsert.asked, ['POST /insert/12:3/prometheus/api/v1/write Bearer abc'])
  t.same(
    vmselect.asked,
    [
      'query',
      'export',
      'query',
      'query_range',
      'series',
      'labels',
      'label/..%2F..%2F..%2F0%2Fprometheus/values',
    ].map((path) => `POST /select/12:3/prometheus/api/v1/${path} Bearer abc`),
  )
})
