import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Fastify, { type FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import t from 'tap'
import { promqlPlugin } from '../../server/promql/plugin.ts'
import type { Store } from '../../server/store/plugin.ts'
import type { Labels } from '../../server/store/reader.ts'
import { MemoryReader } from '../helpers/memory-reader.ts'

/**
 * The same data and queries in our engine and in a real Prometheus. Debian's 2.42 has ranges closed on
 * the left, ours are open as since 3.0: samples stand 3 s off every step, and range queries off the steps
 * of subqueries, so both agree.
 */
const start = Date.UTC(2026, 5, 1)
const interval = 10_000
const rounds = 360
const end = start + (rounds - 1) * interval

/** A small generator of its own, so that both sides and every run see the same data. */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

interface Point {
  readonly labels: Labels
  readonly time: number
  readonly value: number
}

const hosts = ['pbx-1', 'pbx-2', 'sbc-1'].map((server, index) => ({
  job: 'callward',
  instance: server,
  server,
  customer: index === 2 ? 'bank-b' : 'bank-a',
  site: index === 0 ? 'north' : 'south',
  role: server.slice(0, 3),
}))

function makePoints(): readonly Point[] {
  const points: Point[] = []
  const next = random(7)
  const counter = (name: string, labels: Labels, rate: number, resetAt = -1): void => {
    let value = Math.floor(next() * 100)
    for (let round = 0; round < rounds; round += 1) {
      value = round === resetAt ? 0 : value + Math.floor(next() * rate * 2)
      if (next() < 0.02) continue
      points.push({
        labels: { __name__: name, ...labels },
        time: start + round * interval + 3000,
        value,
      })
    }
  }
  const gauge = (name: string, labels: Labels, valueAt: (round: number) => number): void => {
    for (let round = 0; round < rounds; round += 1) {
      if (next() < 0.02) continue
      const value = valueAt(round)
      points.push({
        labels: { __name__: name, ...labels },
        time: start + round * interval + 3000,
        value,
      })
    }
  }
  hosts.forEach((host, index) => {
    for (const mode of ['idle', 'user', 'system', 'iowait']) {
      for (const cpu of ['0', '1']) {
        counter(
          'node_cpu_seconds_total',
          { ...host, cpu, mode },
          mode === 'idle' ? 8 : 1,
          index === 1 ? 200 : -1,
        )
      }
    }
    for (const code of ['200', '302', '403', '480', '486', '500', '503', '603']) {
      counter(
        'callward_sip_session_results_total',
        { ...host, trunk: `t${index}`, code },
        code === '200' ? 40 : 2,
      )
    }
    counter('callward_sip_session_attempts_total', { ...host, trunk: `t${index}` }, 60)
    counter('node_network_receive_bytes_total', { ...host, device: 'eth0' }, 1e6)
    counter('node_network_receive_bytes_total', { ...host, device: 'lo' }, 1e4)
    gauge('node_load1', host, () => next() * 4)
    gauge('node_memory_MemTotal_bytes', host, () => 16e9)
    gauge('node_memory_MemAvailable_bytes', host, () => 4e9 + next() * 8e9)
    for (const mountpoint of ['/', '/var']) {
      const disk = { ...host, mountpoint, fstype: 'ext4' }
      gauge('node_filesystem_size_bytes', disk, () => 100e9)
      gauge(
        'node_filesystem_avail_bytes',
        disk,
        (round) => 60e9 - round * 1e6 * (index + 1) + next() * 1e6,
      )
    }
    gauge('node_boot_time_seconds', host, () => start / 1000 - 86_400 * (index + 1))
    gauge('callward_trunk_up', { ...host, trunk: `t${index}` }, (round) => Number(round % 97 > 5))
    gauge('callward_trunk_channels_in_use', { ...host, trunk: `t${index}` }, () =>
      Math.floor(next() * 90),
    )
    gauge('callward_trunk_channels_limit', { ...host, trunk: `t${index}` }, () => 100)
    gauge('callward_server_info', { ...host, os: 'debian', version: `1.${index}` }, () => 1)
    gauge(
      'callward_backup_last_success_timestamp_seconds',
      { ...host, backup_job: 'cdr' },
      (round) => start / 1000 + Math.floor(round / 100) * 1000,
    )
    if (index < 2) gauge('callward_backup_rpo_seconds', { ...host, backup_job: 'cdr' }, () => 900)
    for (const le of ['0.1', '0.5', '1', '3', '+Inf']) {
      const width = le === '+Inf' ? 5 : Number(le)
      counter('callward_delay_seconds_bucket', { ...host, le }, 2 + width * 3)
    }
  })
  return points
}

function openMetrics(points: readonly Point[]): string {
  const families = new Map<string, Point[]>()
  for (const point of points) {
    const name = point.labels['__name__'] ?? ''
    families.set(name, [...(families.get(name) ?? []), point])
  }
  const lines: string[] = []
  for (const [name, family] of families) {
    lines.push(`# TYPE ${name} unknown`)
    for (const { labels, time, value } of family) {
      const shown = Object.entries(labels)
        .filter(([label]) => label !== '__name__')
        .map(([label, text]) => `${label}=${JSON.stringify(text)}`)
      lines.push(`${name}{${shown.join(',')}} ${value} ${time / 1000}`)
    }
  }
  return `${lines.join('\n')}\n# EOF\n`
}

const results = 'callward_sip_session_results_total'
const perServer = 'sum by (server)'
const queries: readonly string[] = [
  'node_load1',
  'node_load1{server=~"pbx.*",site!="north"}',
  '{__name__=~"node_load.",server!~"sbc.*"}',
  'node_load1 offset 7m',
  'node_load1 offset -3m',
  `node_load1 @ ${start / 1000 + 1200}`,
  'node_load1 @ end() - node_load1 @ start()',
  '1 - avg by (server)(rate(node_cpu_seconds_total{mode="idle"}[1m]))',
  'sum without (cpu, mode) (irate(node_cpu_seconds_total[2m]))',
  'node_load1 / on (instance) group_left count by (instance)(node_cpu_seconds_total{mode="idle"})',
  'node_load1 * on (server) group_left (version, os) callward_server_info',
  'callward_server_info * on (server) group_right (version) node_filesystem_size_bytes',
  '1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes',
  'topk(3, 1 - node_filesystem_avail_bytes{fstype!~"tmpfs|overlay"} / node_filesystem_size_bytes)',
  'bottomk by (site) (1, node_filesystem_avail_bytes)',
  'node_filesystem_avail_bytes / (-deriv(node_filesystem_avail_bytes[20m]) > 0) / 86400',
  'predict_linear(node_filesystem_avail_bytes[30m], 4 * 3600)',
  'rate(node_network_receive_bytes_total{device!="lo"}[1m]) * 8',
  `${perServer}(rate(${results}{code="200"}[5m])) / ${perServer}(rate(${results}{code!~"3.."}[5m]))`,
  `sum(rate(${results}{code=~"200|480|486|600|603"}[5m])) / sum(rate(${results}{code!~"3.."}[5m]))`,
  `sum(rate(${results}{code=~"408|500|503|504"}[5m])) / sum(rate(callward_sip_session_attempts_total[5m]))`,
  `(${perServer}(rate(${results}{code!~"2..|3.."}[5m])) / ${perServer}(rate(${results}[5m])) > 0.1) and on (server) ${perServer}(rate(${results}[5m])) > 1`,
  `topk(5, sum by (server,trunk,code)(increase(${results}{code=~"[456].."}[10m])) + 1e-3 * sum by (server,trunk,code)(${results}))`,
  `sum by (code)(increase(${results}[15m]))`,
  'histogram_quantile(0.95, sum by (le)(rate(callward_delay_seconds_bucket[5m])))',
  'histogram_quantile(0.5, sum by (le, server)(rate(callward_delay_seconds_bucket[2m])))',
  'sum(rate(callward_delay_seconds_bucket{le="0.5"}[5m])) / sum(rate(callward_delay_seconds_bucket{le="+Inf"}[5m]))',
  'max_over_time(callward_trunk_channels_in_use[5m]) / callward_trunk_channels_limit',
  'avg_over_time(callward_trunk_up[10m]) < 1',
  'changes(callward_trunk_up[30m])',
  'resets(node_cpu_seconds_total[50m]) > 0',
  'count(callward_server_info unless on (server) callward_backup_rpo_seconds) or vector(0)',
  '(time() - callward_backup_last_success_timestamp_seconds) / on (server,backup_job) callward_backup_rpo_seconds',
  'count(time() - callward_backup_last_success_timestamp_seconds > on (server,backup_job) callward_backup_rpo_seconds) or vector(0)',
  'max((time() - callward_backup_last_success_timestamp_seconds) / on (server,backup_job) callward_backup_rpo_seconds)',
  'count by (version)(callward_server_info)',
  'count_values("up", callward_trunk_up)',
  'absent(callward_nothing{server="x",code=~"4.."})',
  'absent(node_load1)',
  'absent_over_time(node_load1{server="pbx-9"}[5m])',
  'present_over_time(callward_trunk_up[5m])',
  'quantile(0.75, node_load1)',
  'quantile by (site) (0.5, node_filesystem_avail_bytes)',
  'quantile_over_time(0.9, node_load1[10m])',
  'stddev(node_load1) + stdvar(node_load1)',
  'stddev_over_time(node_load1[10m]) + stdvar_over_time(node_load1[10m])',
  'min_over_time(node_load1[5m]) + max_over_time(node_load1[5m]) + count_over_time(node_load1[5m]) + sum_over_time(node_load1[5m]) + last_over_time(node_load1[5m])',
  'max_over_time(rate(node_network_receive_bytes_total[1m])[10m:30s])',
  'avg_over_time((node_load1 > 1)[10m:])',
  'sum_over_time(node_load1[5m:1m] offset 3m)',
  'delta(node_memory_MemAvailable_bytes[10m]) + idelta(node_memory_MemAvailable_bytes[10m])',
  'label_replace(node_load1, "short", "$1", "server", "(.*)-.*")',
  'label_join(node_load1, "where", "/", "customer", "site", "server")',
  'clamp(node_load1, 1, 2) + clamp_min(node_load1, 1) + clamp_max(node_load1, 2)',
  'round(node_load1, 0.25) + ceil(node_load1) - floor(node_load1) + abs(-node_load1)',
  'ln(node_load1 + 1) + log2(node_load1 + 1) + log10(node_load1 + 1) + exp(node_load1) + sqrt(node_load1)',
  'sgn(node_load1 - 2) * deg(rad(node_load1)) + atan(node_load1) + sin(node_load1) + cosh(node_load1)',
  'timestamp(node_load1) - time()',
  'hour(node_boot_time_seconds) + day_of_week(node_boot_time_seconds) + month() + days_in_month() + day_of_year()',
  'scalar(node_load1{server="pbx-1"}) * vector(2)',
  'node_load1 > bool 2',
  'node_load1 == node_load1 or node_load1 != 0',
  '2 ^ 3 ^ 2 + 7 % 4 - -1',
  '2 * node_load1 ^ 2 % 3 atan2 node_load1',
  'group by (site) (node_load1) or on () vector(3)',
  'max by (server)(callward_trunk_up) == 0 or max by (server)(callward_trunk_channels_in_use / callward_trunk_channels_limit) > 0.8',
  'sum(callward_trunk_channels_in_use) by (customer) / ignoring (site) sum(callward_trunk_channels_limit) by (customer)',
  'sort_desc(sum by (server) (node_filesystem_avail_bytes))',
  '-node_load1 + +node_load1 * 1e3',
]

interface Peer {
  readonly url: string
  stop(): Promise<void>
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

function installed(): boolean {
  try {
    for (const program of ['prometheus', 'promtool'])
      execFileSync(program, ['--version'], { stdio: 'pipe' })
    return true
  } catch {
    return false
  }
}

async function waitUntilReady(url: string, child: ChildProcess): Promise<void> {
  const deadline = Date.now() + 30_000
  while (Date.now() < deadline && child.exitCode === null) {
    const ready = await fetch(`${url}/-/ready`).catch(() => undefined)
    if (ready?.ok) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('prometheus did not become ready')
}

async function startPeer(points: readonly Point[]): Promise<Peer> {
  const folder = mkdtempSync(join(tmpdir(), 'callward-prometheus-'))
  writeFileSync(join(folder, 'points.om'), openMetrics(points))
  writeFileSync(join(folder, 'prometheus.yml'), 'global: {}\n')
  const data = join(folder, 'data')
  const arguments_ = ['tsdb', 'create-blocks-from', 'openmetrics', join(folder, 'points.om'), data]
  execFileSync('promtool', arguments_, { stdio: 'pipe' })
  const port = await freePort()
  const child = spawn(
    'prometheus',
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${data}`,
      '--storage.tsdb.retention.time=100y',
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=error',
    ],
    { stdio: 'ignore' },
  )
  const url = `http://127.0.0.1:${port}`
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM')
    await exited
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    await waitUntilReady(url, child)
  } catch (cause) {
    await stop()
    throw cause
  }
  return { url, stop }
}

async function buildOurs(points: readonly Point[]): Promise<FastifyInstance> {
  const reader = new MemoryReader()
  for (const { labels, time, value } of points) reader.add(labels, time, value)
  const app = Fastify()
  await app.register(
    fp(async (instance) => void instance.decorate('store', reader as unknown as Store), {
      name: 'callward-store',
    }),
  )
  await app.register(promqlPlugin)
  return app
}

interface ApiAnswer {
  readonly status: string
  readonly data: { readonly resultType: string; readonly result: unknown }
}

type Entry = { metric: Labels; value?: [number, string]; values?: [number, string][] }

/** An answer as text per series, so that order does not matter and values may differ in the last digits. */
function normal({ data }: ApiAnswer, ordered: boolean): [string, [number, number][]][] {
  if (data.resultType === 'scalar') {
    const [time, value] = data.result as [number, string]
    return [['scalar', [[time, Number(value.replace('Inf', 'Infinity'))]]]]
  }
  const entries = (data.result as Entry[]).map(
    ({ metric, value, values }): [string, [number, number][]] => {
      const key = JSON.stringify(Object.entries(metric).sort(([a], [b]) => (a < b ? -1 : 1)))
      const pairs = values ?? (value === undefined ? [] : [value])
      return [key, pairs.map(([time, text]) => [time, Number(text.replace('Inf', 'Infinity'))])]
    },
  )
  return ordered ? entries : entries.sort(([a], [b]) => (a < b ? -1 : 1))
}

function difference(ours: ApiAnswer, theirs: ApiAnswer, ordered: boolean): string | undefined {
  if (ours.status !== theirs.status)
    return `${JSON.stringify(ours)} against ${JSON.stringify(theirs)}`
  if (ours.status !== 'success') return undefined
  if (ours.data.resultType !== theirs.data.resultType) return 'another type'
  const [left, right] = [normal(ours, ordered), normal(theirs, ordered)]
  const keys = [left, right].map((side) => side.map(([key]) => key).join('\n'))
  if (keys[0] !== keys[1]) return `series ${keys[0]}\nagainst ${keys[1]}`
  for (const [index, [key, pairs]] of left.entries()) {
    const others = right[index]?.[1] ?? []
    if (pairs.length !== others.length)
      return `${key}: ${pairs.length} points against ${others.length}`
    for (const [at, [time, value]] of pairs.entries()) {
      const [otherTime, other] = others[at] ?? [Number.NaN, Number.NaN]
      const close =
        Object.is(value, other) ||
        value === other ||
        Math.abs(value - other) <= 1e-9 * Math.max(Math.abs(value), Math.abs(other))
      if (time !== otherTime || !close)
        return `${key} at ${time}: ${value} against ${other} at ${otherTime}`
    }
  }
  return undefined
}

t.test('our answers are those of a real Prometheus', { timeout: 100_000 }, async (t) => {
  if (!installed()) {
    const missing = 'prometheus and promtool are not installed'
    if (process.env['CALLWARD_REQUIRE_PEERS'] === '1') t.fail(missing)
    else t.pass(missing, { skip: missing })
    return
  }
  const points = makePoints()
  const peer = await startPeer(points)
  t.teardown(() => peer.stop())
  const ours = await buildOurs(points)
  t.teardown(() => ours.close())
  const compare = async (path: string, query: string): Promise<void> => {
    const url = `${path}&query=${encodeURIComponent(query)}`
    const [mine, other] = await Promise.all([
      ours.inject({ url: `/prom${url}` }),
      fetch(`${peer.url}${url}`),
    ])
    const answer = (await other.json()) as ApiAnswer
    const ordered = query.startsWith('sort')
    t.equal(
      difference(mine.json(), answer, ordered && path.includes('query?')),
      undefined,
      `${path} ${query}`,
    )
  }
  for (const query of queries) {
    await compare(`/api/v1/query?time=${end / 1000}`, query)
    await compare(
      `/api/v1/query_range?start=${start / 1000 + 617}&end=${end / 1000}&step=60`,
      query,
    )
  }
  await compare(`/api/v1/query?time=${end / 1000}`, 'node_load1[2m]')
  await compare(`/api/v1/query?time=${end / 1000}`, 'rate(node_cpu_seconds_total[1m])[5m:1m]')
})
