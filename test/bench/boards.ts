import { join } from 'node:path'
import { boards as allBoards } from '../../dashboards/boards.ts'
import { panelsOf, targetsOf } from '../unit/dashboards/board-lint.ts'
import { filled } from '../unit/dashboards/queries.ts'
import {
  boardDays,
  boardEnd,
  boardHosts,
  type FillFigures,
  fillBoards,
  hubFilled,
  peerFilled,
} from './board-history.ts'
import { boardShapes } from './fleet.ts'
import {
  type Benchmark,
  callward,
  http,
  lastingScratch,
  median,
  progress,
  promqlUrl,
  quantile,
  repeats,
  Sheet,
  settings,
  sized,
  type Target,
  victoriaName,
} from './kit.ts'
import { Peer, peerTitle, peerVersion } from './peers.ts'
import { profiled } from './profile.ts'
import { BenchHub } from './subjects.ts'

/** Callward asked with `max_source_resolution=0s`. */
const samplesAlone = 'Callward, samples alone'

/** Before calls that count the same is asked for this long, once at least: V8 compiles what runs often. */
const warmUpMillis = sized(1500, 100)

const everyone = { customer: '.+', site: '.+', role: '.+', server: '.+' }
const oneServer = { ...everyone, server: 'bench-0002' }

/** The panels that are asked, by board and number; a board about one server is asked for one. */
const panels: readonly (readonly [
  uid: string,
  id: number,
  chosen: Readonly<Record<string, string>>,
])[] = [
  ['callward-fleet', 112, everyone],
  ['callward-fleet', 113, everyone],
  ['callward-fleet', 114, everyone],
  ['callward-fleet', 115, everyone],
  ['callward-fleet', 116, everyone],
  ['callward-fleet', 119, everyone],
  ['callward-hardware', 1204, everyone],
  ['callward-server', 211, oneServer],
  ['callward-server', 214, oneServer],
  ['callward-server', 218, oneServer],
  ['callward-server', 219, oneServer],
  ['callward-server', 223, oneServer],
]

interface Span {
  readonly name: string
  readonly seconds: number
  readonly step: number
  readonly calls: number
}

/** Steps as Grafana takes them for a panel of some 1,200 pixels. */
const spans: readonly Span[] = [
  { name: '24 h', seconds: 86_400, step: 60, calls: sized(7, 2) },
  {
    name: `${boardDays} d`,
    seconds: boardDays * 86_400,
    step: sized(7200, 300),
    calls: sized(3, 1),
  },
]

interface Asked {
  readonly name: string
  readonly parameters: Readonly<Record<string, string>>
}

/** The first query of a panel as Grafana sends it over a span. */
function askedOf([uid, id, chosen]: (typeof panels)[number], { seconds, step }: Span): Asked {
  const board = allBoards('http://127.0.0.1:9770').find(({ model }) => model.uid === uid)
  const panel = board && panelsOf(board.model).find((one) => one.id === id)
  const target = panel && targetsOf(panel)[0]
  if (target === undefined) throw new Error(`no panel ${uid}/${id}`)
  const rateInterval = `${Math.max(step + 60, 240)}s`
  const query = filled(target.expr, { ...chosen, window: '15m', __rate_interval: rateInterval })
  // As Grafana does, so that a chart does not jump when it is asked anew.
  const end = Math.floor(boardEnd / 1000 / step) * step
  const range = { start: String(end - seconds), end: String(end), step: String(step) }
  return {
    name: `${uid.replace('callward-', '')}: ${panel?.title}`,
    parameters: { query, ...range },
  }
}

interface AnswerSeries {
  readonly metric: Readonly<Record<string, string>>
  readonly values: readonly (readonly [time: number, value: string])[]
}

interface Running {
  readonly target: Target
  /** Its column. */
  readonly name: string
  /** Asked beside what a panel asks. */
  readonly beside?: Readonly<Record<string, string>>
  readonly inspector: number
}

/** Milliseconds of a call, and what came. */
async function call(
  { target, name, beside }: Running,
  { parameters }: Asked,
): Promise<[millis: number, series: readonly AnswerSeries[]]> {
  const url = promqlUrl(target, 'query_range', { ...parameters, ...beside })
  const began = performance.now()
  const { status, body } = await http(url, { headers: target.headers })
  const millis = performance.now() - began
  if (status !== 200) throw new Error(`${name}: ${status} ${body.toString().slice(0, 300)}`)
  const { data } = JSON.parse(body.toString()) as { data: { result: readonly AnswerSeries[] } }
  return [millis, data.result]
}

/** Largest difference of a point from the same point of another answer, per cent of that; points that one lacks count as 100. */
function largestDifference(
  answer: readonly AnswerSeries[],
  other: readonly AnswerSeries[],
): number {
  const keyOf = ({ metric }: AnswerSeries, time: number) => `${JSON.stringify(metric)} ${time}`
  const points = (series: readonly AnswerSeries[]) =>
    new Map(
      series.flatMap((one) => one.values.map(([time, value]) => [keyOf(one, time), Number(value)])),
    )
  const expected = points(other)
  const found = points(answer)
  let largest = found.size === expected.size ? 0 : 100
  for (const [key, value] of found) {
    const should = expected.get(key)
    if (should === undefined) return 100
    if (Object.is(should, value)) continue
    largest = Math.max(largest, (Math.abs(value - should) / Math.abs(should)) * 100)
  }
  return largest
}

async function timed(one: Running, asked: Asked, calls: number): Promise<[number[], number]> {
  const warmBy = performance.now() + warmUpMillis
  let [, answer] = await call(one, asked)
  while (performance.now() < warmBy) [, answer] = await call(one, asked)
  const series = answer.length
  if (series === 0) throw new Error(`${one.name}: no answer to ${asked.parameters['query']}`)
  const work = async () => {
    const millis: number[] = []
    for (let i = 0; i < calls; i++) millis.push((await call(one, asked))[0])
    return millis
  }
  const label = `boards-${asked.name.replace(/\W+/g, '-')}`
  const millis = one.inspector === 0 ? await work() : await profiled(label, one.inspector, work)
  return [millis, series]
}

async function measure(running: readonly Running[], sheet: Sheet): Promise<void> {
  for (const span of spans)
    for (const panel of panels) {
      const asked = askedOf(panel, span)
      const counts = new Set<number>()
      const isLong = span.seconds > 86_400
      const asking = running.filter(({ beside }) => isLong || beside === undefined)
      for (let repeat = 1; repeat <= repeats; repeat++)
        for (const one of asking) {
          const [millis, series] = await timed(one, asked, span.calls)
          counts.add(series)
          const row = { name: `${span.name}, ${asked.name}`, unit: 'ms', better: 'less' } as const
          const reach = isLong ? { is: 1000 } : { times: 1, peer: victoriaName }
          const goal = { reach, floor: { times: 3, peer: victoriaName } }
          sheet.add({ ...row, goal }, one.name, median(millis))
          progress(
            `boards: ${one.name}: ${span.name}, ${asked.name}: ${median(millis).toFixed(1)} ms, slowest ${quantile(millis, 1).toFixed(0)}, ${series} series`,
          )
        }
      if (isLong) {
        const [rolledUp, samples] = [callward, samplesAlone].map((name) =>
          asking.find((one) => one.name === name),
        )
        const difference = largestDifference(
          (await call(rolledUp!, asked))[1],
          (await call(samples!, asked))[1],
        )
        sheet.add(
          {
            name: `${span.name}, ${asked.name}: largest difference of a point from samples alone`,
            unit: '%',
            better: 'less',
            goal: { reach: { is: 0 }, floor: { is: 2 } },
          },
          callward,
          difference,
        )
      }
      if (counts.size > 1) throw new Error(`${asked.name}: ${[...counts].join(' and ')} series`)
    }
}

function addFill(sheet: Sheet, { samples, cpu }: FillFigures): void {
  for (const [name, seconds] of Object.entries(cpu))
    sheet.add(
      { name: 'filling, sealing and merging', unit: 'k samples/CPU-s', better: 'more' },
      name,
      samples / seconds / 1000,
    )
}

export const boardPanels: Benchmark = {
  name: 'boards',
  async run() {
    const sheet = new Sheet()
    const folder = lastingScratch()
    const hub = await BenchHub.start(join(folder, 'boards-hub'), { CALLWARD_RETENTION: '0' })
    const peers: Peer[] = []
    try {
      if (!settings.profile && peerVersion('victoria-metrics') !== undefined)
        peers.push(await Peer.start('victoria-metrics', join(folder, 'boards-victoria')))
      const figures = await fillBoards([hubFilled(hub), ...peers.map(peerFilled)])
      const { samples, wallSeconds } = figures
      addFill(sheet, figures)
      progress(`boards: ${samples} samples in ${Math.round(wallSeconds)} s`)
      const running = [
        { target: hub.target, name: callward, inspector: hub.inspector },
        {
          target: hub.target,
          name: samplesAlone,
          beside: { max_source_resolution: '0s' },
          inspector: 0,
        },
        ...peers.map(({ target }) => ({ target, name: target.name, inspector: 0 })),
      ]
      await measure(running, sheet)
      return {
        title: `Board queries over 24 h and ${boardDays} days`,
        subjects: [callward, samplesAlone, peerTitle('victoria-metrics')],
        rows: sheet.rows,
        notes: [
          `${boardHosts} hosts x ${boardShapes.length} series, a sample a minute, ${boardDays} days: ${(samples / 1e6).toFixed(1)} million samples, by remote write to both at once in ${Math.round(wallSeconds)} s, then sealed and merged, and counted. Twelve panels of the boards with their queries as they stand; those of the Server board for one server. Steps of ${spans.map(({ name, step }) => `${step} s for ${name}`).join(' and ')}.`,
          `Each figure is the median of ${spans.map(({ calls, name }) => `${calls} calls (${name})`).join(' and ')}, after ${warmUpMillis / 1000} s (at least one call) that do not count; the servers take turns. VictoriaMetrics is asked with nocache=1. All must answer with the same number of series.`,
          `Callward answers from roll-ups where these serve (buckets of an hour here, since a sample comes each minute); "samples alone" is the same hub told not to.`,
        ],
      }
    } finally {
      for (const peer of peers) await peer.stop()
      await hub.hub.stop()
    }
  },
}
