import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { packageRoot } from '../../server/assets.ts'
import { seriesKey } from '../helpers/fake-hub.ts'
import { folderOf } from '../helpers/folder.ts'
import { adminToken, freePort, Program, TestHub, until } from '../helpers/hub.ts'

/**
 * Grafana board 1860 ("Node Exporter Full") asks for what people know of a host. Every query of it is asked of a real Prometheus that
 * scrapes the real node_exporter, and of the hub that the collector of the same machine reports to, both once a second.
 *
 * Equal: each query is asked for the last ten seconds (the collector's usual interval) in steps of one. A series agrees when the two
 * ranges of values meet, give or take the slack: the two programs do not read at the same instant. The slack is 1 % of a gauge and, for a
 * rate over 15 s, the one scrape of fifteen by which the windows may differ. Queries are asked again until they have agreed once.
 */
const boards =
  process.env['CALLWARD_BOARD_SCHEMAS'] ?? join(dirname(packageRoot), 'shared', 'boards')
const boardFile = join(boards, 'node-exporter-full-1860.json')
const job = 'callward'
const instance = 'board-host'
const rateSeconds = 15
const intervalSeconds = 10
const gaugeSlack = 0.01
const rateSlack = 1 / rateSeconds + 0.01
/** Asked of the kernel every 15 minutes: on a clock that is kept right these move meanwhile, and only the answer is compared. */
const seldom = /\bnode_timex_(offset|maxerror|estimated_error|frequency)/
const lowestCoverage = 0.95

/** Queries that are not compared, and why; their number is printed. */
const skipped: readonly (readonly [RegExp, string])[] = [
  [
    /\b(process_|node_scrape_collector_|node_textfile_)/,
    'the exporter about its own process, not about the host',
  ],
]

interface Panel {
  readonly panels?: readonly Panel[]
  readonly targets?: readonly { readonly expr?: string }[]
}

/** Each query once, variables filled in. */
function queriesOf(board: { readonly panels: readonly Panel[] }): string[] {
  const targets = (panel: Panel): string[] => [
    ...(panel.targets ?? []).map(({ expr = '' }) => expr),
    ...(panel.panels ?? []).flatMap(targets),
  ]
  const filled = board.panels
    .flatMap(targets)
    .map((expr) =>
      expr
        .replaceAll('$__rate_interval', `${rateSeconds}s`)
        .replaceAll('$node', instance)
        .replaceAll('$job', job)
        .trim(),
    )
  for (const expr of filled) if (expr.includes('$')) throw new Error(`a variable is left: ${expr}`)
  return [...new Set(filled)].filter((expr) => expr !== '')
}

/** Lowest and highest value by series, without the labels that say whose series it is. */
type Answer = ReadonlyMap<string, readonly [number, number]>
type Ask = (expr: string, end: number) => Promise<Answer>

function asker(url: string, token?: string): Ask {
  return async (expr, end) => {
    const start = end - intervalSeconds
    const response = await fetch(`${url}/api/v1/query_range`, {
      method: 'POST',
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      body: new URLSearchParams({ query: expr, start: `${start}`, end: `${end}`, step: '1' }),
    })
    const body = (await response.json()) as {
      status: string
      error?: string
      data: { result: { metric: Record<string, string>; values: [number, string][] }[] }
    }
    if (body.status !== 'success') throw new Error(`${expr}: ${body.error}`)
    // What tests that run beside this one mount for moments: one side sees it a scrape before the other.
    const lasting = body.data.result.filter(
      ({ metric }) => !/^\/tmp\//.test(metric['mountpoint'] ?? ''),
    )
    return new Map(
      lasting.map(({ metric, values }) => {
        const {
          __name__,
          job: _j,
          instance: _i,
          customer,
          site,
          server,
          role,
          env,
          ...labels
        } = metric
        const numbers = values.map(([, value]) => Number(value))
        return [seriesKey('', labels), [Math.min(...numbers), Math.max(...numbers)]] as const
      }),
    )
  }
}

/** Why our answer does not stand for theirs; undefined when it does. */
function difference(expr: string, theirs: Answer, ours: Answer): string | undefined {
  if (seldom.test(expr)) return undefined
  const slack = /\brate\(/.test(expr) ? rateSlack : gaugeSlack
  for (const [key, [low, high]] of theirs) {
    const own = ours.get(key)
    if (own === undefined) return `lacks ${key}`
    if (Number.isNaN(low) && Number.isNaN(own[0])) continue
    const room = slack * Math.max(Math.abs(low), Math.abs(high)) + 1e-9
    if (!(own[0] <= high + room && own[1] >= low - room))
      return `${key}: ${own.join(' to ')} instead of ${low} to ${high}`
  }
  return undefined
}

async function startPeers(t: Test, folder: string): Promise<Ask> {
  const [exporterPort, prometheusPort] = [await freePort(), await freePort()]
  const start = (program: string, ...argv: string[]) => {
    const child = spawn(program, argv, { stdio: 'ignore' })
    t.teardown(() => void child.kill())
  }
  start(
    'prometheus-node-exporter',
    `--web.listen-address=127.0.0.1:${exporterPort}`,
    // Upstream's default, which Debian changes; and an unknown speed is no speed.
    '--collector.filesystem.mount-points-exclude=^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)',
    '--collector.netclass.ignore-invalid-speed',
    '--collector.netdev.device-exclude=',
  )
  const target = `{targets: ["127.0.0.1:${exporterPort}"], labels: {instance: ${instance}}}`
  const file = join(folder, 'prometheus.yml')
  writeFileSync(
    file,
    `global: {scrape_interval: 1s}\nscrape_configs: [{job_name: ${job}, static_configs: [${target}]}]\n`,
  )
  start(
    'prometheus',
    `--config.file=${file}`,
    `--storage.tsdb.path=${join(folder, 'prometheus')}`,
    `--web.listen-address=127.0.0.1:${prometheusPort}`,
    '--log.level=error',
  )
  return asker(`http://127.0.0.1:${prometheusPort}`)
}

async function startOurs(t: Test, folder: string): Promise<Ask> {
  const hub = await TestHub.start(join(folder, 'hub'))
  t.teardown(() => hub.stop())
  mkdirSync(join(folder, 'collector'))
  const config = join(folder, 'collector.yaml')
  writeFileSync(
    config,
    `collector: {interval: 1, sections: {inventory: false}, labels: {instance: ${instance}}}\n`,
  )
  const collector = new Program('collector/main.js', {
    CALLWARD_CONFIG: config,
    CALLWARD_DATA: folder,
    CALLWARD_HUB: hub.url.replace('http', 'ws'),
    CALLWARD_TOKEN: await hub.token('board', 'collector'),
  })
  t.teardown(() => collector.kill('SIGTERM'))
  return asker(`${hub.url}/prom`, adminToken)
}

function missing(): string | undefined {
  if (!existsSync(boardFile))
    return 'board 1860 is not here: set CALLWARD_BOARD_SCHEMAS to its folder'
  for (const program of ['prometheus', 'prometheus-node-exporter'])
    if (spawnSync(program, ['--version']).error !== undefined) return `${program} is not installed`
  return undefined
}

t.test('what board 1860 asks of node_exporter, the collector answers as well', async (t) => {
  const reason = missing()
  if (reason !== undefined) {
    if (process.env['CALLWARD_REQUIRE_PEERS'] === '1' && existsSync(boardFile)) t.fail(reason)
    else t.pass('', { skip: reason })
    return
  }
  const folder = folderOf(t)
  const [theirs, ours] = await Promise.all([startPeers(t, folder), startOurs(t, folder)])
  const samples = `count_over_time(node_time_seconds[${rateSeconds + intervalSeconds}s]) >= ${rateSeconds + intervalSeconds - 2}`
  for (const ask of [theirs, ours])
    await until(
      'windows are full',
      async () => (await ask(samples, Date.now() / 1000)).size > 0,
      60_000,
    )

  const queries = queriesOf(JSON.parse(readFileSync(boardFile, 'utf8')) as { panels: Panel[] })
  const answered = new Map<string, string | undefined>()
  const unlike = new Map<string, number>()
  const silent: string[] = []
  const askBoth = async (expr: string) => {
    const end = Math.floor(Date.now() / 1000) - 1
    return Promise.all([theirs(expr, end), ours(expr, end)])
  }
  for (const expr of queries) {
    const [peer, own] = await askBoth(expr)
    if (peer.size === 0) continue
    const why = skipped.find(([pattern]) => pattern.test(expr))?.[1]
    if (why !== undefined) unlike.set(why, (unlike.get(why) ?? 0) + 1)
    else if (own.size === 0) silent.push(expr)
    else answered.set(expr, difference(expr, peer, own))
  }
  const unequal = () => [...answered].filter(([, fault]) => fault !== undefined)
  for (let round = 0; round < 40 && unequal().length > 0; round++)
    for (const [expr] of unequal()) answered.set(expr, difference(expr, ...(await askBoth(expr))))

  const asked = answered.size + silent.length
  const coverage = answered.size / asked
  t.comment(
    `board 1860 has ${queries.length} queries; node_exporter answers ${asked + [...unlike.values()].reduce((a, b) => a + b, 0)} here`,
  )
  for (const [why, count] of unlike) t.comment(`${count} are left out: ${why}`)
  t.comment(
    `of the other ${asked} the collector answers ${answered.size} (${(100 * coverage).toFixed(1)} %), ${answered.size - unequal().length} with equal values`,
  )
  for (const expr of silent) t.comment(`not answered: ${expr}`)
  t.ok(asked > 180, `${asked} queries are compared`)
  t.ok(coverage >= lowestCoverage, `${(100 * coverage).toFixed(1)} % are answered`)
  t.same(unequal(), [], 'equal values within one interval')
})
