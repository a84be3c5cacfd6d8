import { boards } from '../../dashboards/boards.ts'
import type { SentEntries } from '../../server/store/spool/sealed-units.ts'
import { adminToken, type TestHub } from '../helpers/hub.ts'
import { requests, writeHeaders } from '../integration/board-engines.ts'
import { boardWeek, calmStart, weekEnd, weekStart } from '../integration/board-week.ts'
import { panelsOf, targetsOf } from '../unit/dashboards/board-lint.ts'
import { parsed, uses } from '../unit/dashboards/queries.ts'

const hour = 3600_000

/** What the pictures show: the last three of the six hours without gaps and resets. Milliseconds. */
export const shown = { from: weekEnd - 3 * hour, to: weekEnd }

/** Every two minutes, and every 15 seconds where the pictures and their last-week curves read. Off every step by 3 s. */
function scrapes(): number[] {
  const times: number[] = []
  for (let time = weekStart + 3000; time < weekEnd; ) {
    times.push(time)
    const dense = time < weekStart + 6 * hour || time >= calmStart
    time += dense ? 15_000 : 120_000
  }
  return times
}

function metricNames(): Set<string> {
  const names = boards('http://127.0.0.1:9770').flatMap(({ model }) =>
    panelsOf(model).flatMap((panel) =>
      targetsOf(panel).flatMap(({ expr }) => uses(parsed(expr)).map(({ metric }) => metric)),
    ),
  )
  // The lists of servers are read from it.
  return new Set([...names, 'callward_server_info'])
}

/** The week's figures are small numbers whatever they count: these of the size that a reader expects. */
const sizes: readonly (readonly [name: RegExp, factor: number])[] = [
  [/^node_memory_MemAvailable_bytes$/, 2e10],
  [/resident_memory_bytes$/, 2e8],
  [/network_(receive|transmit)_bytes_total$/, 1e6],
  [/pressure|disk_io_time|service_cpu|netstat_Tcp_RetransSegs/, 0.05],
  [/(clock|ntp)_offset_seconds$/, 0.005],
]

function sized(series: SentEntries): SentEntries {
  const name = series.labels['__name__'] ?? ''
  const factor = sizes.find(([pattern]) => pattern.test(name))?.[1]
  return factor === undefined
    ? series
    : { ...series, values: series.values.map((value) => value * factor) }
}

/** Few enough samples for the hub's limit of a request. */
const sliceMillis = 5 * 60_000

/** Writes the made-up week of the board tests into a hub: something for every panel. */
export async function loadWeek(hub: TestHub): Promise<void> {
  const series = boardWeek(metricNames(), scrapes()).map(sized)
  for (const body of requests(series, weekStart, weekEnd, sliceMillis)) {
    const answer = await fetch(`${hub.url}/prom/api/v1/write`, {
      method: 'POST',
      headers: { ...writeHeaders, authorization: `Bearer ${adminToken}` },
      body: new Uint8Array(body),
    })
    if (!answer.ok) throw new Error(`the hub refused samples: ${await answer.text()}`)
  }
}
