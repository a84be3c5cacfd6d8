import { type Board, board, type RowSpec } from './layer/board.ts'
import { badAbove, badBelow, colours, noJudgement, wordFrom, words } from './layer/fields.ts'
import { forNames, query } from './layer/panel.ts'
import { BarGauge, Gauge, Stat, StateTimeline, Text, TimeSeries } from './layer/panels.ts'
import { labelVariable } from './layer/variables.ts'
import {
  chosenHosts,
  countOrZero,
  cpuBusy,
  hostNames,
  realFilesystems,
  whileHeard,
} from './selectors.ts'
import { servicesAndTime } from './server-services.ts'
import { softwarePanels } from './server-software.ts'
import {
  consolePages,
  fleetLink,
  headLinks,
  hostVariables,
  overlays,
  seriesHost,
  tag,
} from './shared.ts'

const S = chosenHosts
const RI = '$__rate_interval'
const perHost = hostNames

const memoryUsed = `max by (${perHost}) (1 - node_memory_MemAvailable_bytes{${S}} / node_memory_MemTotal_bytes{${S}})`
const filesystems = `{${realFilesystems},${S}}`
const filesystemUsed = `max by (${perHost}, mountpoint) (1 - node_filesystem_avail_bytes${filesystems} / (node_filesystem_size_bytes${filesystems} > 0))`
const pressure = (what: string) =>
  `max by (${perHost}) (rate(node_pressure_${what}_seconds_total{${S}}[${RI}]))`
const traffic = (direction: string) =>
  `sum by (${perHost}, device) (rate(node_network_${direction}_bytes_total{device!="lo",${S}}[${RI}]))`
const lost = (direction: string, why: string) =>
  `sum by (${perHost}) (rate(node_network_${direction}_${why}_total{device!="lo",${S}}[${RI}]))`
const disk = (what: string) =>
  `max by (${perHost}, device) (rate(node_disk_${what}_seconds_total{${S}}[${RI}]))`
const each = (metric: string) => `sum by (${perHost}) (rate(${metric}{${S}}[${RI}]))`

const belowZero = forNames('/ (sent|out)$/', { 'custom.transform': 'negative-Y' })
const yearsDays = 365

/** Six beside each other; a dial needs some height. */
const small = { width: 4, height: 5 }

const numbers = [
  new Stat(1, 'Collector', {
    description:
      'Whether the server is heard: silent after three report intervals without a report. While silent, everything below is old or absent.',
    ...small,
    unit: 'none',
    thresholds: badBelow({ bad: 1 }),
    links: [seriesHost, fleetLink],
    mappings: [words({ '0': ['silent', colours.bad], '1': ['reporting', colours.good] })],
    queries: [query(`min by (${perHost}) (callward_collector_up{${S}})`, '{{server}}')],
  }),
  new Stat(2, 'Firing alerts', {
    description:
      'Alerts of any severity that fire for this server. Their runbooks are on its page in the console.',
    ...small,
    unit: 'none',
    thresholds: badAbove({ attention: 1 }),
    links: [consolePages.alerts],
    queries: [query(countOrZero(`ALERTS{alertstate="firing",${S}}`))],
  }),
  new Stat(3, 'Up for', {
    description:
      'Time since the server booted. Orange within the first hour: somebody, or something, restarted it.',
    ...small,
    unit: 'dtdurations',
    decimals: 0,
    thresholds: badBelow({ attention: 3600 }),
    links: [seriesHost],
    queries: [query(`min by (${perHost}) (time() - node_boot_time_seconds{${S}})`, '{{server}}')],
  }),
  new Gauge(4, 'CPU busy', {
    description:
      'Share of all CPUs that is not idle, averaged over "Averaged over". Row CPU shows how it came about. Orange from 80 %, red from 95 %.',
    ...small,
    unit: 'percentunit',
    min: 0,
    max: 1,
    decimals: 0,
    thresholds: badAbove({ attention: 0.8, bad: 0.95 }),
    links: [seriesHost],
    queries: [query(whileHeard(cpuBusy('$window')), '{{server}}')],
  }),
  new Gauge(5, 'Memory used', {
    description:
      'Share of memory that new programs cannot have. Row Memory shows how it came about. Orange from 80 %, red from 95 %.',
    ...small,
    unit: 'percentunit',
    min: 0,
    max: 1,
    decimals: 0,
    thresholds: badAbove({ attention: 0.8, bad: 0.95 }),
    links: [seriesHost],
    queries: [query(memoryUsed, '{{server}}')],
  }),
  new Gauge(6, 'Fullest file system', {
    description:
      'The fullest file system. Row Disk shows all of them and when they will be full. Orange from 80 %, red from 90 %.',
    ...small,
    unit: 'percentunit',
    min: 0,
    max: 1,
    decimals: 0,
    thresholds: badAbove({ attention: 0.8, bad: 0.9 }),
    links: [seriesHost],
    queries: [query(`max by (${perHost}) (${filesystemUsed})`, '{{server}}')],
  }),
]

const cpu = [
  new TimeSeries(7, 'CPU: utilisation', {
    description:
      'Share of all CPUs that is not idle. Orange from 80 %, red from 95 %. By mode: row "CPU in detail".',
    width: 12,
    unit: 'percentunit',
    min: 0,
    max: 1,
    thresholds: badAbove({ attention: 0.8, bad: 0.95 }),
    links: [seriesHost],
    queries: [query(cpuBusy(RI), '{{server}}')],
  }),
  new TimeSeries(8, 'CPU: saturation', {
    description:
      'Share of time in which some task waited for a CPU (kernel pressure figures). Voice suffers from 10 % on, well before the CPUs are full. Absent on kernels without pressure figures: see load per core.',
    width: 12,
    unit: 'percentunit',
    min: 0,
    thresholds: badAbove({ attention: 0.1, bad: 0.3 }),
    links: [seriesHost],
    queries: [query(pressure('cpu_waiting'), '{{server}} waiting')],
  }),
]

const memory = [
  new TimeSeries(9, 'Memory: utilisation', {
    description:
      'Share of memory that new programs cannot have; caches that can be dropped do not count. Orange from 80 %, red from 95 %.',
    width: 12,
    unit: 'percentunit',
    min: 0,
    max: 1,
    thresholds: badAbove({ attention: 0.8, bad: 0.95 }),
    links: [seriesHost],
    queries: [query(memoryUsed, '{{server}}')],
  }),
  new TimeSeries(10, 'Memory: saturation', {
    description:
      'Share of time in which some task (waiting) or every task (stalled) waited for memory. Stalled above a few per cent: the server is close to killing processes.',
    width: 12,
    unit: 'percentunit',
    min: 0,
    thresholds: badAbove({ attention: 0.05, bad: 0.2 }),
    links: [seriesHost],
    queries: [
      query(pressure('memory_waiting'), '{{server}} waiting'),
      query(pressure('memory_stalled'), '{{server}} stalled'),
    ],
  }),
]

const network = [
  new TimeSeries(11, 'Network: utilisation', {
    description:
      'Bytes a second received (above zero) and sent (below zero), by interface without loopback. Calls with G.711 take about 11 kB a second each way.',
    width: 12,
    unit: 'Bps',
    links: [seriesHost],
    overrides: [belowZero],
    queries: [
      query(traffic('receive'), '{{server}} {{device}} received'),
      query(traffic('transmit'), '{{server}} {{device}} sent'),
    ],
  }),
  new TimeSeries(12, 'Network: errors', {
    description:
      'Packets a second dropped or broken, all interfaces. Should be zero: every one may be a word of a call. Red from one a second.',
    width: 12,
    unit: 'none',
    axis: 'packets a second',
    min: 0,
    thresholds: badAbove({ attention: 0.1, bad: 1 }),
    links: [seriesHost],
    queries: [
      query(lost('receive', 'drop'), '{{server}} receive dropped'),
      query(lost('transmit', 'drop'), '{{server}} send dropped'),
      query(lost('receive', 'errs'), '{{server}} receive errors'),
      query(lost('transmit', 'errs'), '{{server}} send errors'),
    ],
  }),
]

const disks = [
  new BarGauge(13, 'Disk: file systems', {
    description: 'How full each file system is. Orange from 80 %, red from 90 %.',
    width: 12,
    unit: 'percentunit',
    decimals: 0,
    min: 0,
    max: 1,
    thresholds: badAbove({ attention: 0.8, bad: 0.9 }),
    links: [seriesHost],
    queries: [query(`sort_desc(${filesystemUsed})`, '{{server}} {{mountpoint}}')],
  }),
  new BarGauge(14, 'Disk: days until full', {
    description:
      'Free space divided by the loss of free space over the last 6 hours. Red below 3 days, orange below 14. "over a year" also stands for a file system that is not filling.',
    width: 12,
    unit: 'd',
    decimals: 1,
    min: 0,
    max: 30,
    thresholds: badBelow({ attention: 14, bad: 3 }),
    links: [seriesHost],
    mappings: [wordFrom(yearsDays, 'over a year', colours.good)],
    queries: [
      query(
        `sort(min by (${perHost}, mountpoint) (clamp_max(node_filesystem_avail_bytes${filesystems} / clamp_min(-deriv(node_filesystem_avail_bytes${filesystems}[6h]), 1e-9) / 86400, ${10 * yearsDays})))`,
        '{{server}} {{mountpoint}}',
      ),
    ],
  }),
  new TimeSeries(15, 'Disk: utilisation', {
    description:
      'Share of time in which a disk had work. A single disk at 100 % is full; an array or a flash disk may still have room: see saturation.',
    width: 8,
    unit: 'percentunit',
    min: 0,
    thresholds: badAbove({ attention: 0.8, bad: 0.95 }),
    links: [seriesHost],
    queries: [query(disk('io_time'), '{{server}} {{device}}')],
  }),
  new TimeSeries(16, 'Disk: queue', {
    description:
      'Requests that waited, on average. Growing without more work: the disk cannot keep up, and recordings get gaps.',
    width: 8,
    unit: 'none',
    decimals: 2,
    min: 0,
    thresholds: badAbove({ attention: 8, bad: 32 }),
    links: [seriesHost],
    queries: [query(disk('io_time_weighted'), '{{server}} {{device}}')],
  }),
  new TimeSeries(17, 'Disk: saturation', {
    description:
      'Share of time in which some task (waiting) or every task (stalled) waited for a disk.',
    width: 8,
    unit: 'percentunit',
    min: 0,
    thresholds: badAbove({ attention: 0.2, bad: 0.5 }),
    links: [seriesHost],
    queries: [
      query(pressure('io_waiting'), '{{server}} waiting'),
      query(pressure('io_stalled'), '{{server}} stalled'),
    ],
  }),
]

const ofDisk = (metric: string) => `rate(node_disk_${metric}{device=~"$device",${S}}[${RI}])`
const ofEachDisk = (figures: string) => `sum by (${perHost}, device) (${figures})`

/** A row for each chosen disk. */
const oneDisk = [
  new TimeSeries(27, 'Bytes read and written', {
    description: 'Bytes a second read from the disk and written to it.',
    ...{ width: 8, unit: 'Bps', min: 0, links: [seriesHost] },
    queries: [
      query(ofEachDisk(ofDisk('read_bytes_total')), '{{server}} read'),
      query(ofEachDisk(ofDisk('written_bytes_total')), '{{server}} written'),
    ],
  }),
  new TimeSeries(28, 'Reads and writes', {
    description: 'Requests a second that the disk finished, merged ones counted once.',
    ...{ width: 8, unit: 'iops', min: 0, links: [seriesHost] },
    queries: [
      query(ofEachDisk(ofDisk('reads_completed_total')), '{{server}} reads'),
      query(ofEachDisk(ofDisk('writes_completed_total')), '{{server}} writes'),
    ],
  }),
  new TimeSeries(29, 'Time of a request', {
    description:
      'Time from the asking for a read or write to its end, on average. A gap: there was none. Recordings get gaps when writes take long. Orange from 50 ms, red from 200 ms.',
    ...{ width: 8, unit: 's', min: 0, links: [seriesHost] },
    thresholds: badAbove({ attention: 0.05, bad: 0.2 }),
    queries: ['read', 'write'].map((kind) =>
      query(
        `${ofEachDisk(ofDisk(`${kind}_time_seconds_total`))} / (${ofEachDisk(ofDisk(`${kind}s_completed_total`))} > 0)`,
        `{{server}} a ${kind}`,
      ),
    ),
  }),
]

const cpuDetail = [
  new TimeSeries(18, 'CPU by mode', {
    description:
      'What the CPUs did, as shares of all of them; idle is left out. softirq is network work, iowait waits for disks, steal is time the hypervisor gave to others.',
    width: 12,
    unit: 'percentunit',
    min: 0,
    stacked: true,
    links: [seriesHost],
    queries: [
      query(
        `avg by (${perHost}, mode) (rate(node_cpu_seconds_total{mode!="idle",${S}}[${RI}]))`,
        '{{server}} {{mode}}',
      ),
    ],
  }),
  new TimeSeries(19, 'Load per core', {
    description:
      'Load average over one minute divided by the number of CPUs. Above 1, tasks wait (for a CPU or a disk).',
    width: 12,
    unit: 'none',
    decimals: 2,
    min: 0,
    thresholds: badAbove({ attention: 1, bad: 2 }),
    links: [seriesHost],
    queries: [
      query(
        `max by (${perHost}) (node_load1{${S}}) / count by (${perHost}) (node_cpu_seconds_total{mode="idle",${S}})`,
        '{{server}}',
      ),
    ],
  }),
]

const memoryDetail = [
  new TimeSeries(20, 'Memory: errors', {
    description:
      'Processes the kernel killed because memory ran out. Any is bad: look whether the call server was among them.',
    width: 12,
    unit: 'none',
    decimals: 1,
    min: 0,
    thresholds: badAbove({ bad: 1 }),
    links: [seriesHost],
    queries: [
      query(
        `sum by (${perHost}) (increase(node_vmstat_oom_kill{${S}}[${RI}]))`,
        '{{server}} killed',
      ),
    ],
  }),
  new TimeSeries(21, 'Swapping', {
    description:
      'Pages a second brought back from swap (above zero) and put into it (below zero). Should be near zero on a server that carries calls.',
    width: 12,
    unit: 'ops',
    links: [seriesHost],
    overrides: [belowZero],
    queries: [
      query(each('node_vmstat_pswpin'), '{{server}} in'),
      query(each('node_vmstat_pswpout'), '{{server}} out'),
    ],
  }),
]

const networkDetail = [
  new TimeSeries(22, 'UDP datagrams lost', {
    description:
      'SIP and RTP that arrived but reached no program: "buffer full" is a program too slow to read. Should be zero. Red from one a second.',
    width: 12,
    unit: 'none',
    axis: 'packets a second',
    min: 0,
    thresholds: badAbove({ attention: 0.1, bad: 1 }),
    links: [seriesHost],
    queries: [
      query(each('node_netstat_Udp_InErrors'), '{{server}} lost on receipt'),
      query(each('node_netstat_Udp_RcvbufErrors'), '{{server}} of these, buffer full'),
      query(each('node_netstat_Udp_SndbufErrors'), '{{server}} not sent, buffer full'),
    ],
  }),
  new TimeSeries(23, 'TCP sent again', {
    description:
      'Share of TCP segments sent a second time. Above 1 %: a network on the way loses packets, and RTP suffers without showing it here.',
    width: 12,
    unit: 'percentunit',
    min: 0,
    thresholds: badAbove({ attention: 0.01, bad: 0.05 }),
    links: [seriesHost],
    queries: [
      query(
        `${each('node_netstat_Tcp_RetransSegs')} / (${each('node_netstat_Tcp_OutSegs')} > 0)`,
        '{{server}}',
      ),
    ],
  }),
]

const system = [
  new TimeSeries(24, 'Clock offset', {
    description:
      'Server’s clock minus the hub’s. Call records and recordings depend on it: 50 ms deserves a look, 500 ms is bad; beyond 2 s the hub corrects the times it stores.',
    width: 12,
    unit: 's',
    thresholds: badAbove({ attention: 0.05, bad: 0.5 }),
    links: [seriesHost],
    queries: [query(`max by (${perHost}) (callward_clock_offset_seconds{${S}})`, '{{server}}')],
  }),
  new StateTimeline(25, 'What the collector sees', {
    description:
      'State of each section of the report. absent: this server has no such thing; denied: the collector may not read it; error: it failed to. The section’s page in the console says what to do.',
    width: 12,
    unit: 'none',
    thresholds: noJudgement(),
    links: [seriesHost],
    mappings: [
      words({
        '0': ['ok', colours.good],
        '1': ['absent', colours.unknown],
        '2': ['denied', colours.attention],
        '3': ['error', colours.bad],
      }),
    ],
    queries: [
      query(
        `max by (${perHost}, section) (0 * (callward_section_state{state="ok",${S}} == 1) or (callward_section_state{state="absent",${S}} == 1) or 2 * (callward_section_state{state="denied",${S}} == 1) or 3 * (callward_section_state{state="error",${S}} == 1))`,
        '{{section}}',
      ),
    ],
  }),
  new TimeSeries(57, 'Reports that wait', {
    description:
      'Reports in the collector’s spool that the hub has not acknowledged. Above zero while the hub is away; back to zero within a minute after. Orange at an hour of them.',
    width: 12,
    unit: 'none',
    thresholds: badAbove({ attention: 360, bad: 8640 }),
    links: [seriesHost],
    queries: [
      query(`max by (${perHost}) (callward_collector_spool_reports{${S}})`, '{{server}} waiting'),
      query(
        `sum by (${perHost}) (increase(callward_collector_reports_dropped_total{${S}}[$__rate_interval]))`,
        '{{server}} given up',
      ),
    ],
  }),
]

const purpose = new Text(
  26,
  'What this board answers',
  '**What is wrong with this server?** For whoever follows an alert. Each resource is shown by utilisation (how much is used), saturation (who waits for it) and errors. ' +
    'Orange bands: an alert fired; red: an incident was open; blue: planned work; purple: versions changed. Rows below hold the detail. A gap in a curve is a gap in the reports, never a zero.',
  { width: 24, height: 3 },
)

const disksOfServer = labelVariable('device', 'Disk', {
  metric: 'node_disk_io_time_seconds_total',
  selector: S,
})

/** Its panels; the board on InfluxDB takes them too. */
export const serverRows: readonly RowSpec[] = [
  { panels: [...numbers, purpose] },
  { number: 80, title: 'CPU', panels: cpu },
  { number: 81, title: 'Memory', panels: memory },
  { number: 82, title: 'Network', panels: network },
  { number: 83, title: 'Disk', folded: true, panels: disks },
  { number: 88, title: 'Disk $device', folded: true, repeat: 'device', panels: oneDisk },
  { number: 84, title: 'CPU in detail', folded: true, panels: cpuDetail },
  { number: 85, title: 'Memory in detail', folded: true, panels: memoryDetail },
  { number: 86, title: 'Network in detail', folded: true, panels: networkDetail },
  { number: 87, title: 'Clock and collector', folded: true, panels: system },
  { number: 95, title: 'Services and time', folded: true, panels: servicesAndTime },
  { number: 92, title: 'Software', folded: true, panels: softwarePanels },
]

/** "What is wrong with this server?" By utilisation, saturation and errors. `hubUrl` is where people reach the console. */
export function serverBoard(hubUrl: string): Board {
  return board({
    number: 2,
    slug: 'server',
    title: 'Callward / Server',
    description:
      'What is wrong with this server? Utilisation, saturation and errors of each resource.',
    tags: [tag, 'host'],
    from: 'now-6h',
    refresh: '30s',
    variables: [...hostVariables(hubUrl, false), disksOfServer],
    annotations: overlays,
    links: headLinks,
    rows: serverRows,
  })
}
