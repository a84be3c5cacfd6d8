import { type Board, board, type RowSpec } from './layer/board.ts'
import { badAbove, colours, noJudgement } from './layer/fields.ts'
import { paint, query } from './layer/panel.ts'
import { BarGauge, Stat, StateTimeline, Text, TimeSeries } from './layer/panels.ts'
import { label, Table, value } from './layer/table.ts'
import {
  chosenHosts,
  chosenOrUnlabelled,
  countOrZero,
  cpuBusy,
  hostNames,
  realFilesystems,
  severityIs,
  whileHeard,
} from './selectors.ts'
import {
  consolePages,
  headLinks,
  hostStateWords,
  hostVariables,
  incidentSeverityWords,
  overlays,
  rowHost,
  rowIncident,
  rowRunbook,
  rowServer,
  seriesHost,
  seriesServer,
  severityWords,
  tag,
} from './shared.ts'

const S = chosenHosts
const firing = `ALERTS{alertstate="firing",${S}}`
const firingAnywhere = (severity: keyof typeof severityIs) =>
  `ALERTS{alertstate="firing",${severityIs[severity]},${chosenOrUnlabelled}}`
const openIncidents = `callward_incident_open{${chosenOrUnlabelled}} > 0`

/** 0 ok, 1 a warning fires, 2 a critical alert fires, 3 silent; the worst that is true. */
const hostState = `max by (${hostNames}) (
  3 * (callward_collector_up{${S}} == bool 0)
  or 2 * group by (${hostNames}) (ALERTS{alertstate="firing",${severityIs.critical},${S}})
  or group by (${hostNames}) (ALERTS{alertstate="firing",${severityIs.warning},${S}}))`
const cpuWait = (range: string) =>
  `max by (${hostNames}) (rate(node_pressure_cpu_waiting_seconds_total{${S}}[${range}]))`
const memoryUsed = `max by (${hostNames}) (1 - node_memory_MemAvailable_bytes{${S}} / node_memory_MemTotal_bytes{${S}})`
const filesystemUsed = (names: string) =>
  `max by (${names}) (1 - node_filesystem_avail_bytes{${realFilesystems},${S}} / (node_filesystem_size_bytes{${realFilesystems},${S}} > 0))`
const clockOffset = `max by (${hostNames}) (abs(callward_clock_offset_seconds{${S}}))`
const traffic = (direction: string) =>
  `sum by (customer, site) (rate(node_network_${direction}_bytes_total{device!="lo",${S}}[$__rate_interval]))`

const hostColumns = [
  label('customer', 'Customer'),
  label('site', 'Site'),
  label('server', 'Server', { links: [rowServer, rowHost] }),
  label('role', 'Role'),
]
const hostTail = [
  label('instance', 'Instance', { links: [rowHost] }),
  label('simulated', 'Simulated'),
]

const numbers = [
  new Stat(1, 'Servers', {
    description:
      'Servers whose collector reports, and servers the hub knows. Fewer reporting than known: see "Silent servers".',
    width: 4,
    unit: 'none',
    thresholds: noJudgement(),
    named: true,
    links: [consolePages.overview],
    queries: [
      query(`sum(callward_collector_up{${S}})`, 'reporting'),
      query(`count(callward_collector_up{${S}})`, 'known'),
    ],
  }),
  new Stat(2, 'Silent servers', {
    description:
      'Known servers from which nothing was heard for three report intervals. Nothing else on this board is known about them. Any is bad.',
    width: 4,
    unit: 'none',
    thresholds: badAbove({ bad: 1 }),
    links: [consolePages.overview],
    queries: [query(`sum(callward_collector_up{${S}} == bool 0)`)],
  }),
  new Stat(3, 'Critical alerts', {
    description:
      'Firing alerts that page at any hour. Any is bad; the table below names them and their runbooks.',
    width: 4,
    unit: 'none',
    thresholds: badAbove({ bad: 1 }),
    links: [consolePages.alerts],
    queries: [query(countOrZero(firingAnywhere('critical')))],
  }),
  new Stat(4, 'Open incidents', {
    description:
      'Incidents that are not resolved, of the chosen customers. Any is bad; the table below names them.',
    width: 4,
    unit: 'none',
    thresholds: badAbove({ bad: 1 }),
    links: [consolePages.incidents],
    queries: [query(countOrZero(openIncidents))],
  }),
  new Stat(5, 'Fullest file system', {
    description:
      'The server with the fullest file system of all. Orange from 80 %, red from 90 %: recordings and call records stop when it is full.',
    width: 4,
    unit: 'percentunit',
    decimals: 0,
    thresholds: badAbove({ attention: 0.8, bad: 0.9 }),
    named: true,
    links: [seriesServer],
    queries: [query(`topk(1, ${filesystemUsed(hostNames)})`, '{{customer}} {{server}}')],
  }),
  new Stat(6, 'Not seen', {
    description:
      'Sections of reports that the collectors may not read (denied) or failed to read (error). What is not seen cannot be healthy; row "What is not seen" names them.',
    width: 4,
    unit: 'none',
    thresholds: badAbove({ attention: 1 }),
    links: [consolePages.overview],
    queries: [query(countOrZero(`callward_section_state{state=~"denied|error",${S}} == 1`))],
  }),
]

const worst = [
  new StateTimeline(7, 'State of each server', {
    description:
      'ok; attention: a warning fires; critical: a critical alert fires; silent: nothing heard for three report intervals. A gap: the hub itself was not running.',
    width: 24,
    height: 7,
    unit: 'none',
    mappings: [hostStateWords],
    thresholds: noJudgement(),
    links: [seriesServer, seriesHost],
    queries: [query(hostState, '{{customer}} {{server}}')],
  }),
  new Table(8, 'Worst first', {
    description:
      'Every known server, the worst on top. Click a server for its board or its page in the console. Averages are over "Averaged over". An empty cell: the server did not send that figure.',
    width: 24,
    height: 10,
    sortBy: 'State',
    columns: [
      value('State', 'none', hostState, { mappings: [hostStateWords], width: 100 }),
      ...hostColumns,
      value(
        'Alerts',
        'none',
        `count by (${hostNames}) (${firing}) or 0 * max by (${hostNames}) (callward_collector_up{${S}})`,
        { thresholds: badAbove({ attention: 1 }), width: 80 },
      ),
      value('CPU busy', 'percentunit', whileHeard(cpuBusy('$window')), {
        decimals: 0,
        thresholds: badAbove({ attention: 0.8, bad: 0.95 }),
      }),
      value('Waits for CPU', 'percentunit', whileHeard(cpuWait('$window')), {
        decimals: 1,
        thresholds: badAbove({ attention: 0.1, bad: 0.3 }),
        width: 130,
      }),
      value('Memory used', 'percentunit', memoryUsed, {
        decimals: 0,
        thresholds: badAbove({ attention: 0.8, bad: 0.95 }),
        width: 130,
      }),
      value('Fullest disk', 'percentunit', filesystemUsed(hostNames), {
        decimals: 0,
        thresholds: badAbove({ attention: 0.8, bad: 0.9 }),
      }),
      value('Clock off by', 's', clockOffset, {
        decimals: 3,
        thresholds: badAbove({ attention: 0.05, bad: 0.5 }),
      }),
      value(
        'Last report',
        'dateTimeFromNow',
        `1000 * max by (${hostNames}) (callward_collector_last_report_timestamp_seconds{${S}})`,
      ),
      ...hostTail,
    ],
  }),
]

const alertNames = 'alertname, customer, site, server, instance, simulated'

const open = [
  new Table(9, 'Firing alerts', {
    description:
      'What fires now, the gravest on top. Click an alert for its runbook, a server for its board. Empty: nothing fires, if "Servers" shows servers.',
    width: 14,
    height: 9,
    sortBy: 'Severity',
    links: [consolePages.alerts],
    columns: [
      value(
        'Severity',
        'none',
        `max by (${alertNames}) (3 * ${firingAnywhere('critical')} or 2 * ${firingAnywhere('warning')} or ${firingAnywhere('info')})`,
        { mappings: [severityRankWords()], width: 110 },
      ),
      label('alertname', 'Alert', { links: [rowRunbook] }),
      label('customer', 'Customer'),
      label('site', 'Site'),
      label('server', 'Server', { links: [rowServer, rowHost] }),
      value(
        'Since',
        'dateTimeFromNow',
        `1000 * min by (${alertNames}) (ALERTS_FOR_STATE{${chosenOrUnlabelled}} and ignoring (alertstate) ALERTS{alertstate="firing",${chosenOrUnlabelled}})`,
      ),
      ...hostTail,
    ],
  }),
  new Table(10, 'Open incidents, newest first', {
    description:
      'Incidents that are not resolved. Click one for its facts, alerts and runbook in the console. Empty: none is open, if "Servers" shows servers.',
    width: 10,
    height: 9,
    sortBy: 'Incident',
    links: [consolePages.incidents],
    columns: [
      label('incident', 'Incident', { links: [rowIncident], width: 100 }),
      label('severity', 'Severity', { mappings: [incidentSeverityWords], width: 110 }),
      label('title', 'Title', { links: [rowIncident] }),
      label('customer', 'Customer'),
      label('server', 'Server'),
      value(
        'Open',
        'none',
        `max by (incident, severity, title, customer, server) (${openIncidents})`,
        { hidden: true },
      ),
    ],
  }),
  new TimeSeries(11, 'Firing alerts by severity', {
    description:
      'How many alerts fired, stacked. A step up on many servers at once points at what they share: a network, a carrier, a release.',
    width: 24,
    height: 6,
    unit: 'none',
    decimals: 0,
    min: 0,
    stacked: true,
    links: [consolePages.alerts],
    overrides: [
      paint('critical', colours.bad),
      paint('warning', colours.attention),
      paint('info', colours.note),
    ],
    queries: (['critical', 'warning', 'info'] as const).map((severity) =>
      query(countOrZero(firingAnywhere(severity)), severity),
    ),
  }),
]

const resources = [
  new TimeSeries(12, 'CPU busy', {
    description: 'Share of all CPUs that is not idle, by server. Orange from 80 %, red from 95 %.',
    width: 12,
    unit: 'percentunit',
    min: 0,
    max: 1,
    thresholds: badAbove({ attention: 0.8, bad: 0.95 }),
    links: [seriesServer],
    queries: [query(cpuBusy('$__rate_interval'), '{{customer}} {{server}}')],
  }),
  new TimeSeries(13, 'Waiting for a CPU', {
    description:
      'Share of time in which some task waited for a CPU (kernel pressure figures). Voice suffers from 10 % on, well before the CPUs are full.',
    width: 12,
    unit: 'percentunit',
    min: 0,
    thresholds: badAbove({ attention: 0.1, bad: 0.3 }),
    links: [seriesServer],
    queries: [query(cpuWait('$__rate_interval'), '{{customer}} {{server}}')],
  }),
  new TimeSeries(14, 'Memory used', {
    description: 'Share of memory that new programs cannot have. Orange from 80 %, red from 95 %.',
    width: 12,
    unit: 'percentunit',
    min: 0,
    max: 1,
    thresholds: badAbove({ attention: 0.8, bad: 0.95 }),
    links: [seriesServer],
    queries: [query(memoryUsed, '{{customer}} {{server}}')],
  }),
  new BarGauge(15, 'Fullest file systems', {
    description: 'The ten fullest file systems of all servers. Orange from 80 %, red from 90 %.',
    width: 12,
    unit: 'percentunit',
    decimals: 0,
    min: 0,
    max: 1,
    thresholds: badAbove({ attention: 0.8, bad: 0.9 }),
    links: [seriesServer],
    queries: [
      query(
        `sort_desc(topk(10, ${filesystemUsed(`${hostNames}, mountpoint`)}))`,
        '{{customer}} {{server}} {{mountpoint}}',
      ),
    ],
  }),
  new TimeSeries(16, 'Traffic by site', {
    description:
      'Bytes a second received (above zero) and sent (below zero), all interfaces but loopback. A site that falls to nothing has lost its network or its calls.',
    width: 24,
    unit: 'Bps',
    links: [consolePages.overview],
    overrides: [
      {
        matcher: { id: 'byRegexp', options: '/ sent$/' },
        properties: [{ id: 'custom.transform', value: 'negative-Y' }],
      },
    ],
    queries: [
      query(traffic('receive'), '{{customer}} {{site}} received'),
      query(traffic('transmit'), '{{customer}} {{site}} sent'),
    ],
  }),
]

const watchers = [
  new Table(17, 'What is not seen', {
    description:
      'Sections a collector may not read or failed to read. The section’s page in the console says how to grant it. Empty: everything is seen, if "Servers" shows servers.',
    width: 14,
    height: 8,
    sortBy: 'Server',
    links: [consolePages.overview],
    columns: [
      label('section', 'Section'),
      label('state', 'State'),
      ...hostColumns,
      value(
        'Open',
        'none',
        `max by (section, state, ${hostNames}) (callward_section_state{state=~"denied|error",${S}} == 1)`,
        { hidden: true },
      ),
      ...hostTail,
    ],
  }),
  new BarGauge(18, 'Collectors by version', {
    description:
      'How many collectors run each version. More than one line: an update is not finished.',
    width: 10,
    unit: 'none',
    decimals: 0,
    min: 0,
    thresholds: noJudgement(),
    links: [consolePages.overview],
    queries: [
      query(`sort_desc(count by (version) (callward_collector_info{${S}}))`, '{{version}}'),
    ],
  }),
  new TimeSeries(19, 'Clock offset', {
    description:
      'How far each server’s clock is from the hub’s. Call records and recordings depend on it. Orange from 50 ms, red from 500 ms; beyond 2 s the hub corrects the times it stores.',
    width: 12,
    unit: 's',
    min: 0,
    thresholds: badAbove({ attention: 0.05, bad: 0.5 }),
    links: [seriesServer],
    queries: [query(clockOffset, '{{customer}} {{server}}')],
  }),
  new TimeSeries(20, 'Age of the last report', {
    description:
      'Seconds since each server was last heard. A saw of one report interval is normal; a ramp is a silent server.',
    width: 12,
    unit: 's',
    min: 0,
    thresholds: badAbove({ attention: 30, bad: 120 }),
    links: [seriesServer],
    queries: [
      query(
        `time() - max by (${hostNames}) (callward_collector_last_report_timestamp_seconds{${S}})`,
        '{{customer}} {{server}}',
      ),
    ],
  }),
]

const purpose = new Text(
  21,
  'What this board answers',
  '**Is any bank’s call service hurt, and where do I click?** For whoever is on call. Read the six numbers, then the worst server, then its alert and runbook. ' +
    'Grey means unknown, never healthy. Every figure leads on: a server to its *Server* board and its console page, an alert to its runbook, an incident to its record.',
  { width: 24, height: 3 },
)

/** Numbers for severities, so that the table can put the gravest first. */
function severityRankWords() {
  const options = severityWords.options as Record<string, object>
  return {
    ...severityWords,
    options: { '1': options.info, '2': options.warning, '3': options.critical },
  } as typeof severityWords
}

/** Its panels; the board on InfluxDB takes them too. */
export const fleetRows: readonly RowSpec[] = [
  { panels: numbers },
  { panels: [...worst, ...open, purpose] },
  { number: 80, title: 'Resources by server', folded: true, panels: resources },
  { number: 81, title: 'The watchers themselves', folded: true, panels: watchers },
]

/** "Is any bank's call service hurt, and where do I click?" `hubUrl` is where people reach the console. */
export function fleetBoard(hubUrl: string): Board {
  return board({
    number: 1,
    slug: 'fleet',
    title: 'Callward / Fleet overview',
    description: 'Is any bank’s call service hurt, and where do I click?',
    tags: [tag, 'overview'],
    from: 'now-6h',
    refresh: '30s',
    variables: hostVariables(hubUrl, true),
    annotations: overlays,
    links: headLinks,
    rows: fleetRows,
  })
}
