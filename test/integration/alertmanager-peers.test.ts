import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { adminToken, freePort, TestHub, until } from '../helpers/hub.ts'

/** The real clients of an Alertmanager against the real hub, their own configuration unchanged but for the address. */
function missing(...programs: string[]): string | false {
  const absent = programs.filter((name) => spawnSync(name, ['--version']).error !== undefined)
  if (absent.length === 0) return false
  const text = `not installed: ${absent.join(', ')}`
  if (process.env['CALLWARD_REQUIRE_PEERS'] === '1') throw new Error(text)
  return text
}

async function startHub(t: Test): Promise<{ hub: TestHub; folder: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'callward-am-'))
  const hub = await TestHub.start(join(folder, 'data'))
  t.teardown(async () => {
    await hub.stop()
    rmSync(folder, { recursive: true, force: true })
  })
  return { hub, folder }
}

interface Page {
  readonly title: string
  readonly state: string
}

async function pages(hub: TestHub): Promise<string[]> {
  const answer = await hub.api<{ pages: Page[] }>('/api/v1/pages?state=all')
  return answer.pages.map(({ title, state }) => `${title}: ${state}`).sort()
}

const pagesAre = (hub: TestHub, wanted: readonly string[]) =>
  until(
    `pages ${wanted.join(', ')}`,
    async () => JSON.stringify(await pages(hub)) === JSON.stringify(wanted),
    40_000,
  )

t.test('amtool', { skip: missing('amtool') }, async (t) => {
  const { hub } = await startHub(t)
  const run = (token: string, args: readonly string[]) => {
    const url = `http://any:${token}@127.0.0.1:${hub.port}/am`
    const { status, stdout, stderr } = spawnSync('amtool', [`--alertmanager.url=${url}`, ...args], {
      encoding: 'utf8',
      timeout: 20_000,
      env: { ...process.env, HOME: hub.data, TZ: 'UTC' },
    })
    return { status, out: stdout.trim(), err: stderr.trim() }
  }
  const amtool = (...args: string[]) => run(adminToken, args)
  const names = (...args: string[]) =>
    (
      JSON.parse(amtool('alert', 'query', '-o', 'json', ...args).out) as {
        labels: Record<string, string>
      }[]
    ).map(({ labels }) => `${labels['alertname']} ${labels['instance']}`)

  await t.test('alerts are added, seen, paged and ended', async (t) => {
    const add = ['alert', 'add', 'TrunkDown', 'severity=critical', 'instance=sbc-1']
    t.match(amtool(...add, '--annotation=summary=Trunk 1 is down'), { status: 0, out: '', err: '' })
    t.match(amtool('alert', 'add', 'Noise', 'severity=info', 'instance=sbc-2'), { status: 0 })
    await until('both are seen', () => names().length === 2)
    t.same(names('instance=sbc-1'), ['TrunkDown sbc-1'])
    t.same(names('instance=~sbc-.', 'severity!=info'), ['TrunkDown sbc-1'])
    t.match(amtool('alert', 'query').out, /TrunkDown.*Trunk 1 is down.*active/)
    await pagesAre(hub, ['Trunk 1 is down: open'])
    const series = async () =>
      (await hub.query('ALERTS{alertname="TrunkDown"} * 2')).map(({ metric }) => metric)
    await until('it has its series', async () => (await series()).length === 1, 20_000)
    t.match(await series(), [
      { alertname: 'TrunkDown', alertstate: 'firing', severity: 'critical', instance: 'sbc-1' },
    ])
    const ended = new Date(Date.now() - 1_000).toISOString()
    t.match(amtool(...add, `--end=${ended}`, `--start=${ended}`), { status: 0 })
    await pagesAre(hub, ['Trunk 1 is down: closed'])
    t.same(names('instance=sbc-1'), [])
    await until('its series ends', async () => (await series()).length === 0, 20_000)
  })

  await t.test('silences are set, seen, changed and ended', async (t) => {
    const add = ['silence', 'add', 'instance=sbc-1', '--duration=2h']
    const bare = amtool(...add)
    t.not(bare.status, 0, 'without a reason')
    t.match(bare.err, /comment/)
    const set = amtool(...add, '--author=anna', '--comment=ticket 812')
    t.match(set, { status: 0, err: '' })
    const id = set.out
    t.match(amtool('alert', 'add', 'DiskFull', 'severity=critical', 'instance=sbc-1'), {
      status: 0,
    })
    await until('it is silenced', () => names('--silenced').includes('DiskFull sbc-1'))
    t.same(names('instance=sbc-1'), [], 'amtool shows only what is not silenced')
    t.same(await pages(hub), ['Trunk 1 is down: closed'], 'nobody is told')
    t.match(amtool('silence', 'query').out, /anna \(bootstrap\).*ticket 812/)
    t.match(amtool('silence', 'query', 'instance=sbc-1', '-q').out, id)
    t.equal(amtool('silence', 'query', 'instance=sbc-9', '-q').out, '')
    const updated = amtool('silence', 'update', '--duration=3h', '--comment=ticket 813', id)
    t.match(updated, { status: 0 })
    t.match(amtool('silence', 'query').out, /anna \(bootstrap\) +ticket 813/)
    t.match(amtool('silence', 'query', '-q').out, id, 'it keeps its id')
    t.match(amtool('silence', 'expire', id), { status: 0 })
    t.equal(amtool('silence', 'query', '-q').out, '')
    t.match(amtool('silence', 'query', '--expired', '-q').out, id)
    await pagesAre(hub, ['DiskFull: open', 'Trunk 1 is down: closed'])
    const broad = amtool('silence', 'add', 'alertname=~.+', '--comment=all', '--author=anna')
    t.not(broad.status, 0)
    t.match(broad.err, /too broad: it matches alerts whatever they say/)
    t.match(amtool('silence', 'expire', id.replace(/^./, 'f')).err, /no silence|404/i)
  })

  await t.test('the routes are read from the hub', async (t) => {
    const test = (...labels: string[]) => amtool('config', 'routes', 'test', ...labels).out
    t.equal(test('severity=info'), 'screens')
    t.equal(test('severity=critical', 'instance=x'), 'on-call')
    t.match(amtool('config', 'routes', 'show').out, /receiver: on-call/)
    t.match(amtool('config', 'show').out, /receivers:/)
    t.match(amtool('cluster', 'show').out, /disabled/)
  })

  await t.test('a token that only posts alerts silences nothing', async (t) => {
    const token = await hub.token('prometheus', 'collector')
    t.match(run(token, ['alert', 'add', 'Foreign', 'severity=info']), { status: 0 })
    const refused = run(token, ['silence', 'add', 'instance=x', '--comment=no', '--author=x'])
    t.not(refused.status, 0)
    t.match(refused.err, /status 403/)
    t.not(run('wrong-token', ['alert', 'query']).status, 0)
  })
})

/** A host that is scraped: `trunk_down` is what the test says. */
async function trunk(t: Test) {
  const trunk = { down: 0, port: 0 }
  const server = createServer((_request, response) => {
    response.end(`trunk_down ${trunk.down}\n`)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  trunk.port = (server.address() as AddressInfo).port
  t.teardown(() => server.close())
  return trunk
}

function program(t: Test, name: string, args: readonly string[]) {
  const child: ChildProcess = spawn(name, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  const exited = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
    if (!t.passing()) t.comment(output.slice(-3_000))
  })
}

/** Each names a host of its own: what happens on one host is one page. */
const rules = (name: string, host: string) => `groups:
  - name: trunks
    interval: 1s
    rules:
      - alert: ${name}
        expr: trunk_down == 1
        labels: {severity: page, instance: ${host}}
        annotations: {summary: '${name} by {{ $labels.job }}'}
`

t.test(
  'Prometheus and vmalert page through the hub, and tell it that it is over',
  { skip: missing('prometheus', 'vmalert') },
  async (t) => {
    const { hub, folder } = await startHub(t)
    const host = await trunk(t)
    const token = await hub.token('prometheus', 'collector')
    const [prometheusPort, vmalertPort] = [await freePort(), await freePort()]
    writeFileSync(join(folder, 'rules.yml'), rules('TrunkDown', 'sbc-1'))
    writeFileSync(join(folder, 'vm-rules.yml'), rules('TrunkGone', 'sbc-2'))
    writeFileSync(
      join(folder, 'prometheus.yml'),
      `global: {scrape_interval: 1s, evaluation_interval: 1s, external_labels: {customer: bank-a}}
rule_files: [${join(folder, 'rules.yml')}]
scrape_configs:
  - job_name: trunk
    static_configs: [{targets: ['127.0.0.1:${host.port}'], labels: {instance: sbc-1}}]
alerting:
  alertmanagers:
    - path_prefix: /am
      basic_auth: {username: any, password: ${token}}
      static_configs: [{targets: ['127.0.0.1:${hub.port}']}]
remote_write:
  - url: http://127.0.0.1:${hub.port}/prom/api/v1/write
    authorization: {credentials: ${token}}
    queue_config: {batch_send_deadline: 1s}
`,
    )
    program(t, 'prometheus', [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'tsdb')}`,
      `--web.listen-address=127.0.0.1:${prometheusPort}`,
    ])
    program(t, 'vmalert', [
      `-rule=${join(folder, 'vm-rules.yml')}`,
      `-datasource.url=http://127.0.0.1:${prometheusPort}`,
      `-notifier.url=http://127.0.0.1:${hub.port}/am`,
      '-notifier.basicAuth.username=any',
      `-notifier.basicAuth.password=${token}`,
      '-evaluationInterval=1s',
      `-httpListenAddr=127.0.0.1:${vmalertPort}`,
    ])
    host.down = 1
    await pagesAre(hub, ['TrunkDown by trunk: open', 'TrunkGone by trunk: open']).catch(
      async (error: unknown) => {
        t.comment(JSON.stringify(await hub.api('/am/api/v2/alerts')))
        throw error
      },
    )
    const shown = await hub.api<Record<string, unknown>[]>('/am/api/v2/alerts')
    t.match(
      shown.find(({ labels }) => (labels as { alertname: string }).alertname === 'TrunkDown'),
      {
        labels: { alertname: 'TrunkDown', customer: 'bank-a', instance: 'sbc-1' },
        generatorURL: /^http:\/\/.*graph/,
        status: { state: 'active', silencedBy: [], inhibitedBy: [] },
      },
    )
    const series = async (name: string) =>
      (await hub.query(name)).map(({ metric }) => metric['alertname']).sort()
    const both = ['TrunkDown', 'TrunkGone'].join()
    const paging = 'ALERTS{severity="page"}'
    await until('both have series', async () => (await series(paging)).join() === both, 20_000)
    t.same(
      await series('ALERTS_FOR_STATE{severity="page"}'),
      ['TrunkDown', 'TrunkGone'],
      'once, although Prometheus sends its own by remote write as well',
    )
    host.down = 0
    await pagesAre(hub, ['TrunkDown by trunk: closed', 'TrunkGone by trunk: closed'])
    t.same(await hub.api('/am/api/v2/alerts'), [])
    await until('their series end', async () => (await series(paging)).length === 0, 20_000)
  },
)
