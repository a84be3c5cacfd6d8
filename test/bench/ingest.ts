import { hostShapes } from './fleet.ts'
import {
  type Benchmark,
  callward,
  prometheusName,
  type Row,
  repeats,
  Sheet,
  victoriaName,
} from './kit.ts'
import { hosts, type LoadCase, type LoadFigures, loadCases, loadFigures } from './loads.ts'
import { peerTitle } from './peers.ts'

type RowHead = Omit<Row, 'figures'>

const perCpuSecond = { unit: 'k samples/CPU-s', better: 'more' } as const
const mebibytes = { unit: 'MiB', better: 'less' } as const

/** Fills the rows of one repeat: [case, column, what it gives to which row]. */
export async function fillLoads(
  sheet: Sheet,
  repeat: number,
  columns: readonly (readonly [
    LoadCase,
    string,
    readonly (readonly [RowHead, (figures: LoadFigures) => number])[],
  ])[],
): Promise<void> {
  for (const [one, column, rows] of columns) {
    const figures = await loadFigures(one, repeat)
    if (figures === undefined) continue
    for (const [row, figure] of rows) sheet.add(row, column, figure(figures))
  }
}

export const durable: RowHead = {
  name: 'the load',
  ...perCpuSecond,
  goal: {
    reach: { times: 10, peer: victoriaName },
    floor: { times: 5, peer: victoriaName },
  },
}
const settled = { name: 'with the 5 s after it ("settled")', ...perCpuSecond }
const allLabels = { name: 'the peer with all labels of the hub', ...perCpuSecond }
const newSeries = {
  name: 'series seen for the first time',
  unit: 'k series/CPU-s',
  better: 'more',
} as const
const memory = { name: 'resident memory after that', ...mebibytes }
const peak = { name: 'most resident memory', ...mebibytes }

const thousand = (of: (figures: LoadFigures) => number) => (figures: LoadFigures) =>
  of(figures) / 1000
const speed = thousand((figures) => figures.perCpuSecond)
const common = [
  [durable, speed],
  [settled, thousand((figures) => figures.settledPerCpuSecond)],
  [newSeries, thousand((figures) => figures.newSeriesPerCpuSecond)],
  [memory, (figures: LoadFigures) => figures.memory.all],
  [peak, (figures: LoadFigures) => figures.memory.peak],
] as const

export const ingest: Benchmark = {
  name: 'ingest',
  async run() {
    const sheet = new Sheet()
    const [prometheus, victoria] = [peerTitle('prometheus'), peerTitle('victoria-metrics')]
    for (let repeat = 1; repeat <= repeats; repeat++)
      await fillLoads(sheet, repeat, [
        [loadCases.hubSession, callward, [...common, [allLabels, speed]]],
        [loadCases.victoriaLines, victoria, common],
        [loadCases.victoriaLinesAllLabels, victoria, [[allLabels, speed]]],
        [loadCases.prometheusRemoteWrite, prometheus, common],
      ])
    const { hubSession, prometheusRemoteWrite } = loadCases
    return {
      title: `Durable ingest: ${hosts} hosts x ${hostShapes.length} series x ${hubSession.rounds} rounds, per CPU second of the server`,
      subjects: [callward, victoria, prometheus],
      rows: sheet.rows,
      notes: [
        'CPU: user and system of all threads of the server. The first round makes the series and is a row of its own. Samples are counted and added up by queries afterwards, name by name; a difference fails the run.',
        `Callward: one WebSocket session a host, 200 samples a message (a session reports one host), acknowledged after fdatasync; access control, series index and the shipped rules on, evaluated on arrival. Every series carries 8 labels and up to 3 more.`,
        `VictoriaMetrics: /write with Influx lines, 25 hosts a request, series of the same labels in one line; no rules; it keeps some seconds in memory only. ${prometheusName}: remote write (snappy), 25 hosts a request, ${prometheusRemoteWrite.rounds} rounds; the shipped rules each 10 s; its log is not synced before it answers. Both with only \`instance\` and the series' own labels, which is faster than with all: see the row.`,
      ],
    }
  },
}
