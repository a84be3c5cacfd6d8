import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { boards } from '../../dashboards/boards.ts'
import { influxBoards } from '../../dashboards/influxdb/boards.ts'
import type { BoardModel, PanelModel } from '../../dashboards/layer/model.ts'
import { fill, type HubPeer, startHub } from '../differential/peers.ts'
import { until } from '../helpers/hub.ts'
import { panelsOf, targetsOf } from '../unit/dashboards/board-lint.ts'
import { catalogued, filled } from '../unit/dashboards/queries.ts'
import { madeHosts, syntheticSeries } from '../unit/dashboards/synthetic-series.ts'
import { InfluxPeer, withoutInflux } from './influx-peer.ts'

const minute = 60_000
const end = Math.floor(Date.now() / minute) * minute - 2 * minute
const start = end - 60 * minute

const hubBoards = new Map(boards('http://127.0.0.1:9770').map(({ uid, model }) => [uid, model]))
const twins = influxBoards('http://127.0.0.1:9770')

/** Panels whose PromQL asks for gauges at one time, so that InfluxDB must have the very same numbers. */
const simple: Readonly<Record<string, readonly number[]>> = {
  'callward-influx-fleet': [1, 14, 15, 19],
  'callward-influx-server': [1, 5, 9, 13, 24],
  'callward-influx-backups': [1, 2, 3, 7, 8, 9, 11, 12],
}

interface Target {
  readonly refId: string
  readonly query?: string
  readonly expression?: string
  readonly hide?: boolean
}

/** Values by the labels they have, as text. */
type Values = ReadonlyMap<string, number>

function keyOf(labels: Readonly<Record<string, string>>): string {
  const filledIn = Object.entries(labels).filter(([, value]) => value !== '')
  return JSON.stringify(filledIn.sort(([a], [b]) => (a < b ? -1 : 1)))
}

function influxTargets(panel: PanelModel): readonly Target[] {
  return (panel.targets ?? []) as unknown as readonly Target[]
}

/** As Grafana fills in a query: "All" in every variable. */
function asked(query: string): string {
  return query
    .replaceAll('$timeFilter', `time >= ${start}ms AND time <= ${end + minute - 1}ms`)
    .replaceAll('$__interval', '1m')
    .replace(/\$(customer|site|role|server)/g, '.+')
}

/** The values at the end, by tags. Throws what InfluxDB says is wrong; `all` is told of every value. */
async function valuesOf(peer: InfluxPeer, query: string, all: number[]): Promise<Values> {
  const found = new Map<string, number>()
  for (const { tags = {}, values } of await peer.query(asked(query))) {
    all.push(...values.map(([, value]) => value as number))
    const newest = values.find(([time]) => time === end)
    if (newest) found.set(keyOf(tags), newest[1] as number)
  }
  return found
}

/** Grafana's arithmetic, as far as our boards use it. */
const arithmetic: Readonly<Record<string, (a: number, b: number) => number>> = {
  '1 - $A / $B': (a, b) => 1 - a / b,
  '$A / $B': (a, b) => a / b,
  'abs($A)': (a) => Math.abs(a),
}

function calculated(expression: string, answers: ReadonlyMap<string, Values>): Values {
  const formula = arithmetic[expression]
  if (formula === undefined) throw new Error(`arithmetic the test does not know: ${expression}`)
  const second = answers.get('B')
  const common = [...answers.get('A')!].filter(([key]) => second === undefined || second.has(key))
  return new Map(common.map(([key, a]) => [key, formula(a, second?.get(key) ?? 0)]))
}

/** What a panel shows: one answer for each target that is not hidden. */
async function shown(t: Test, peer: InfluxPeer, panel: PanelModel, at: string): Promise<Values[]> {
  const answers = new Map<string, Values>()
  for (const { refId, query, expression } of influxTargets(panel)) {
    const all: number[] = []
    const answer =
      query === undefined
        ? calculated(expression!, answers)
        : await valuesOf(peer, query, all).catch((error: Error) => t.fail(`${at}: ${error}`))
    if (typeof answer !== 'object') return []
    answers.set(refId, answer as Values)
    t.ok((answer as Values).size > 0, `${at} ${refId} has values`)
    t.ok(all.every(Number.isFinite), `${at} ${refId}: numbers`)
  }
  return influxTargets(panel).flatMap(({ refId, hide }) =>
    hide === true ? [] : [answers.get(refId)!],
  )
}

const everyHost = { customer: '.+', site: '.+', role: '.+', server: '.+' }

async function promValues(hub: HubPeer, expr: string): Promise<Values> {
  const query = new URLSearchParams({ query: filled(expr, everyHost), time: String(end / 1000) })
  const { body } = await hub.ask({ path: `/api/v1/query?${query}` })
  const { data } = JSON.parse(body) as {
    data: { result: { metric: Record<string, string>; value: [number, string] }[] }
  }
  return new Map(data.result.map(({ metric, value }) => [keyOf(metric), Number(value[1])]))
}

function metricsOf(board: BoardModel): string[] {
  return panelsOf(board).flatMap((panel) =>
    influxTargets(panel).flatMap(({ query }) =>
      [...(query ?? '').matchAll(/FROM "([^"]+)"/g)].map(([, name]) => name!),
    ),
  )
}

async function load(hub: HubPeer, names: ReadonlySet<string>): Promise<void> {
  const series = new Map<string, { t: number; value: number }[]>()
  for (const line of syntheticSeries(names, start, end).split('\n')) {
    const found = /^(\w+\{.*\}) (\S+) (\S+)$/.exec(line)
    if (!found) continue
    const samples = series.get(found[1]!) ?? []
    samples.push({ t: Number(found[3]) * 1000, value: Number(found[2]) })
    series.set(found[1]!, samples)
  }
  const sent = [...series].map(([text, samples]) => {
    const [, name, inner] = /^(\w+)\{(.*)\}$/.exec(text)!
    const labels = [...inner!.matchAll(/(\w+)="([^"]*)"/g)].map(
      ([, label, value]) => [label!, value!] as const,
    )
    return {
      labels: [['__name__', name!] as const, ...labels].sort(([a], [b]) => (a < b ? -1 : 1)),
      samples,
    }
  })
  for (let at = 0; at < sent.length; at += 500) await fill(hub, [sent.slice(at, at + 500)])
  const { status } = await hub.ask({ method: 'POST', path: '/../api/v1/store/compact' })
  if (status !== 200) throw new Error(`compact: ${status}`)
}

t.test(
  'boards on InfluxDB answer, and gauges as PromQL on the hub',
  {
    skip: withoutInflux(),
  },
  async (t) => {
    const peer = await InfluxPeer.prepare(t)
    await peer.launch()
    const folder = mkdtempSync(join(tmpdir(), 'callward-config-'))
    t.teardown(() => rmSync(folder, { recursive: true, force: true }))
    const config = join(folder, 'callward.yaml')
    writeFileSync(config, JSON.stringify({ hub: { influx: { url: peer.url } } }))
    const hub = await startHub({ CALLWARD_CONFIG: config })
    t.teardown(() => hub.stop())
    const names = new Set(twins.flatMap(({ model }) => metricsOf(model)))
    for (const name of names) t.ok(catalogued(name), `${name} is in the catalogue`)
    await load(hub, new Set([...names, 'callward_server_info']))
    await until(
      'all is in InfluxDB',
      async () => {
        const { body } = await hub.ask({ path: '/../metrics' })
        return (
          /^callward_influx_waiting_bytes 0$/m.test(body) &&
          /outcome="sent"\} [1-9]/.test(body) &&
          /^callward_influx_samples_total\{outcome="refused"\} 0$/m.test(body)
        )
      },
      60_000,
    )

    for (const { uid, model } of twins) {
      const number = Math.floor(panelsOf(model)[0]!.id! / 100)
      const original = hubBoards.get(uid.replace('callward-influx-', 'callward-'))!
      for (const panel of panelsOf(model)) {
        if (panel.type === 'text') continue
        const own = panel.id! - 100 * number
        const at = `${uid}/${own} ${panel.title}`
        const values = await shown(t, peer, panel, at)
        if (!simple[uid]!.includes(own)) continue
        const twin = panelsOf(original).find(({ title }) => title === panel.title)!
        const expected = await Promise.all(
          targetsOf(twin).map(({ expr }) => promValues(hub, String(expr))),
        )
        t.same(values.map(plain), expected.map(plain), `${at}: as PromQL`)
      }
    }
    const customers = twins[0]!.model.templating!.list!.find(({ name }) => name === 'customer')!
    const [found] = await peer.query(asked(String(customers.query)))
    const wanted = [...new Set(madeHosts.map(({ customer }) => customer))]
    t.same(found!.values.map(([, value]) => value).sort(), wanted.sort())
  },
)

function plain(values: Values): Record<string, number> {
  return Object.fromEntries([...values].sort(([a], [b]) => (a < b ? -1 : 1)))
}

t.test('links of boards on InfluxDB lead to boards there are', async (t) => {
  const uids = new Set([...hubBoards.keys(), ...twins.map(({ uid }) => uid)])
  for (const { uid, model } of twins)
    for (const [, target] of JSON.stringify(model).matchAll(/\/d\/([\w-]+)/g))
      t.ok(uids.has(target!), `${uid} leads to ${target}`)
})
