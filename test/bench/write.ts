import { hostShapes } from './fleet.ts'
import { fillLoads } from './ingest.ts'
import { type Benchmark, callward, prometheusName, repeats, Sheet, victoriaName } from './kit.ts'
import { hosts, type LoadFigures, loadCases } from './loads.ts'
import { peerTitle } from './peers.ts'

const unit = { unit: 'k samples/CPU-s', better: 'more' } as const
const rows = [
  [
    {
      name: 'the load',
      ...unit,
      goal: {
        reach: { times: 1, peer: victoriaName },
        floor: { times: 2, peer: prometheusName },
      },
    },
    (figures: LoadFigures) => figures.perCpuSecond / 1000,
  ],
  [
    { name: 'with the 5 s after it ("settled")', ...unit },
    (figures: LoadFigures) => figures.settledPerCpuSecond / 1000,
  ],
  [
    { name: 'series seen for the first time', unit: 'k series/CPU-s', better: 'more' },
    (figures: LoadFigures) => figures.newSeriesPerCpuSecond / 1000,
  ],
] as const

export const write: Benchmark = {
  name: 'remote-write',
  async run() {
    const sheet = new Sheet()
    const [prometheus, victoria] = [peerTitle('prometheus'), peerTitle('victoria-metrics')]
    for (let repeat = 1; repeat <= repeats; repeat++)
      await fillLoads(sheet, repeat, [
        [loadCases.hubRemoteWrite, callward, rows],
        [loadCases.victoriaRemoteWrite, victoria, rows],
        [loadCases.prometheusRemoteWrite, prometheus, rows],
      ])
    return {
      title: `Remote write: ${(hosts * hostShapes.length).toLocaleString('en')} series, 5,000 samples a request, per CPU second of the server`,
      subjects: [callward, victoria, prometheus],
      rows: sheet.rows,
      notes: [
        `The same bytes to all three: remote write 1.0, snappy, 25 hosts a request, \`instance\` and the series' own labels; four connections with one request outstanding on each. ${loadCases.hubRemoteWrite.rounds} rounds, Prometheus ${loadCases.prometheusRemoteWrite.rounds}. Counted and added up by queries afterwards.`,
        'Callward answers after fdatasync, with access control; Prometheus and Callward evaluate the shipped rules.',
      ],
    }
  },
}
