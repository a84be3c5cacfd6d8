import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { systemClock } from '../../server/clock.ts'
import { readHubConfig } from '../../server/config.ts'
import { fill, startHub } from '../differential/peers.ts'
import { until } from '../helpers/hub.ts'
import { terminalOf } from '../helpers/terminal.ts'
import { openStore } from '../unit/store/store-kit.ts'
import { VictoriaPeer, withoutVictoria } from './victoria-peer.ts'

function configFile(t: Test, store: object): string {
  const folder = mkdtempSync(join(tmpdir(), 'callward-config-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'callward.yaml')
  writeFileSync(path, JSON.stringify({ hub: { store } }))
  return path
}

t.test('a setting that cannot be used stops the start and shows no secret', async (t) => {
  const engine = 'victoriametrics'
  const write = 'http://127.0.0.1:8428'
  const faults: [object, RegExp][] = [
    [{ engine, write: 'http://hub:s3cret@127.0.0.1' }, /store: write holds a password/],
    [{ engine, write: `${write}/?token=s3cret` }, /store: write must end before/],
    [{ engine, write: 'http://[' }, /store: write is no URL/],
    [{ engine, write, password: 's3cret' }, /username and password go together/],
    [{ engine, write, token: 's3cret', username: 'a', password: 's3cret' }, /either token/],
    [{ engine, write, tenant: '../admin' }, /store: .*Example: store: \{ engine/],
    [{ engine: 'other', write }, /Example: store: \{ engine: victoriametrics/],
  ]
  for (const [store, words] of faults) {
    const path = configFile(t, store)
    try {
      readHubConfig({ CALLWARD_CONFIG: path })
      t.fail(`taken: ${JSON.stringify(store)}`)
    } catch (error) {
      t.match((error as Error).message, words)
      t.notMatch((error as Error).message, /s3cret/)
    }
  }
})

t.test(
  'a hub forwards, and says when VictoriaMetrics is away',
  {
    skip: withoutVictoria(),
  },
  async (t) => {
    const peer = await VictoriaPeer.prepare(t)
    await peer.launch()
    const path = configFile(t, { engine: 'victoriametrics', write: peer.url, settleSeconds: 10 })
    const hub = await startHub({ CALLWARD_CONFIG: path })
    t.teardown(() => hub.stop())
    const end = Math.floor(Date.now() / 1000) * 1000 - 60_000
    const labels = [
      ['__name__', 'callward_load'],
      ['n', '0'],
    ] as const
    const samples = Array.from({ length: 30 }, (_, i) => ({ t: end - (29 - i) * 10_000, value: i }))
    await fill(hub, [[{ labels, samples }]])
    const seal = await hub.ask({ method: 'POST', path: '/../api/v1/store/compact' })
    t.equal(seal.status, 200)
    await until(
      'they are there',
      async () => (await peer.count('callward_load', 300, end)) === 30,
      60_000,
    )

    const up = async () => {
      const answer = await hub.ask({ path: '/api/v1/query?query=callward_store_engine_up' })
      return JSON.parse(answer.body).data.result[0]?.value[1] as string | undefined
    }
    await until('it is up', async () => (await up()) === '1', 60_000)
    await peer.kill()
    await until('it is away', async () => (await up()) === '0', 90_000)
    const answer = await hub.ask({
      path: `/api/v1/query?query=count_over_time(callward_load[5m])&time=${end / 1000}`,
    })
    t.match(answer.body, /"30"/, 'the hub answers from its own store')
    t.match(answer.body, /"warnings":\["VictoriaMetrics cannot be reached.*only what the hub holds/)
  },
)

t.test(
  'callward store migrate brings the history over, once',
  {
    skip: withoutVictoria(),
  },
  async (t) => {
    const data = mkdtempSync(join(tmpdir(), 'callward-data-'))
    t.teardown(() => rmSync(data, { recursive: true, force: true }))
    const folder = join(data, 'hub', 'store')
    mkdirSync(folder, { recursive: true })
    const store = await openStore(folder, systemClock)
    const ids = Uint32Array.from({ length: 20 }, (_, n) =>
      store.intern({ __name__: 'callward_load', n: String(n) }),
    )
    const end = Math.floor(Date.now() / 10_000) * 10_000
    for (let i = 0; i < 360; i++) {
      const values = Float64Array.from(ids, () => i)
      await store.append({ rows: [{ t: end - i * 10_000, ids, values }] })
    }
    await store.close()
    const peer = await VictoriaPeer.prepare(t)
    const migrate = terminalOf('http://127.0.0.1:1', 'none')
    const line = ['store', 'migrate', '--data', data, '--to', peer.url]
    const away = await migrate(...line)
    t.equal(away.code, 1)
    t.match(away.out, /cannot be reached \(ECONNREFUSED\)\. .*give the same command again/s)
    await peer.launch()
    const first = await migrate(...line)
    t.match(first.out, /7200 samples are in the folder; 7200 were sent now, 0 of them once more/)
    t.equal(first.code, 0)
    t.equal(await peer.count('callward_load', 3600, end), 7200)
    const second = await migrate(...line)
    t.match(second.out, /7200 samples are in the folder; 0 were sent now/)
    t.equal(await peer.count('callward_load', 3600, end), 7200)

    const wrong = await migrate('store', 'migrate', '--data', data)
    t.equal(wrong.code, 2)
    t.match(wrong.out, /Say where to/)
    const secret = await migrate(...line.slice(0, -1), 'http://a:s3cret@127.0.0.1')
    t.equal(secret.code, 2)
    t.notMatch(secret.out, /s3cret/)
  },
)
