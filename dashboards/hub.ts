import { type Board, board } from './layer/board.ts'
import { Heatmap } from './layer/distributions.ts'
import { badAbove, colours, noJudgement, words } from './layer/fields.ts'
import { query } from './layer/panel.ts'
import { Stat, Text, TimeSeries } from './layer/panels.ts'
import { consolePages, fleetLink, headLinks, hostVariables, overlays, tag } from './shared.ts'

const RI = '$__rate_interval'
const links = [consolePages.overview, fleetLink]
const rate = (metric: string, by: string) => `sum by (${by}) (rate(${metric}[${RI}]))`
const slowest = (metric: string, by: string, share: number) =>
  `histogram_quantile(${share}, sum by (le, ${by}) (rate(${metric}_bucket[${RI}])))`

const numbers = [
  new Stat(1, 'Version', {
    description: 'Version of the hub that answers. More than one: several hubs write here.',
    ...{ width: 4, unit: 'none', named: true, thresholds: noJudgement(), links },
    mappings: [words({ '1': ['running', colours.good] })],
    queries: [query('max by (version) (callward_hub_info)', '{{version}}')],
  }),
  new Stat(2, 'Running for', {
    description: 'Time since the hub’s process started. Short without an upgrade: it crashed.',
    ...{ width: 4, unit: 'dtdurations', thresholds: noJudgement(), links },
    queries: [query('time() - max(process_start_time_seconds)')],
  }),
  new Stat(3, 'Collectors connected', {
    description: 'Sessions of collectors open now, and those that wait for their turn.',
    ...{ width: 4, unit: 'none', named: true, thresholds: noJudgement(), links },
    queries: [
      query('sum(callward_ingest_sessions)', 'open'),
      query('sum(callward_ingest_sessions_waiting)', 'waiting'),
    ],
  }),
  new Stat(4, 'Event loop delay', {
    description:
      'How late the hub does what is due, 99 of 100 times at most. Orange from 50 ms, red from 200 ms: it has too much to do.',
    ...{ width: 4, unit: 's', links },
    thresholds: badAbove({ attention: 0.05, bad: 0.2 }),
    queries: [query('max(nodejs_eventloop_lag_p99_seconds)')],
  }),
  new Stat(5, 'Memory', {
    description: 'Memory the hub’s process holds. Compare with what the machine has.',
    ...{ width: 4, unit: 'bytes', thresholds: noJudgement(), links },
    queries: [query('max(process_resident_memory_bytes)')],
  }),
  new Stat(6, 'Obligations waiting', {
    description: 'What the hub owes and has not done yet: pages, updates, deliveries, limits.',
    ...{ width: 4, unit: 'none', thresholds: noJudgement(), links },
    queries: [query('sum(callward_obligations_waiting)')],
  }),
]

const requests = [
  new TimeSeries(10, 'Requests by route', {
    description: 'HTTP requests answered a second, the ten busiest routes.',
    ...{ width: 12, unit: 'reqps', min: 0, links },
    queries: [query(`topk(10, ${rate('callward_http_requests_total', 'route')})`, '{{route}}')],
  }),
  new TimeSeries(11, 'Share of failed requests', {
    description:
      'Answers of 500 and above among all. No line: nobody asked, or none failed in that time.',
    ...{ width: 12, unit: 'percentunit', min: 0, links },
    thresholds: badAbove({ attention: 0.01, bad: 0.05 }),
    queries: [
      query(
        `(sum(rate(callward_http_requests_total{code=~"5.."}[${RI}])) or 0 * sum(rate(callward_http_requests_total[${RI}]))) / (sum(rate(callward_http_requests_total[${RI}])) > 0)`,
        'failed',
      ),
    ],
  }),
  new TimeSeries(12, 'Slow requests', {
    description: 'Time within which 95 of 100 requests were answered, the ten slowest routes.',
    ...{ width: 12, unit: 's', min: 0, links },
    queries: [
      query(
        `topk(10, ${slowest('callward_http_request_duration_seconds', 'route', 0.95)} >= 0)`,
        '{{route}}',
      ),
    ],
  }),
  new TimeSeries(13, 'Slow queries', {
    description: 'Time within which 95 of 100 PromQL queries were answered, by kind and place.',
    ...{ width: 12, unit: 's', min: 0, links },
    queries: [
      query(
        `${slowest('callward_query_duration_seconds', 'kind, place', 0.95)} >= 0`,
        '{{kind}} {{place}}',
      ),
    ],
  }),
  new Heatmap(14, 'How long queries took', {
    description:
      'PromQL queries by the time they took; darker: more of them. Two bands: some kind of query is much dearer than the rest.',
    ...{ width: 24, unit: 's', links },
    queries: [
      query(`sum by (le) (increase(callward_query_duration_seconds_bucket[${RI}]))`, '{{le}}'),
    ],
  }),
]

const intake = [
  new TimeSeries(20, 'Samples taken in', {
    description: 'Samples a second from collectors, and by remote write and Influx lines.',
    ...{ width: 12, unit: 'ops', min: 0, links },
    queries: [
      query(`sum(rate(callward_ingest_samples_total[${RI}]))`, 'collectors'),
      query(rate('callward_ingest_write_samples_total', 'protocol'), '{{protocol}}'),
    ],
  }),
  new TimeSeries(21, 'Refused', {
    description: 'Frames, sessions, writes and queries the hub refused a second, by reason.',
    ...{ width: 12, unit: 'ops', min: 0, links },
    queries: [
      query(rate('callward_ingest_rejected_total', 'reason'), 'collector: {{reason}}'),
      query(rate('callward_ingest_write_rejected_total', 'reason'), 'write: {{reason}}'),
      query(rate('callward_query_rejected_total', 'reason'), 'query: {{reason}}'),
      query(rate('callward_access_refused_total', 'reason'), 'access: {{reason}}'),
    ],
  }),
  new TimeSeries(22, 'Commits of the records', {
    description: 'Write transactions a second, by result. Several may share one commit.',
    ...{ width: 12, unit: 'ops', min: 0, links },
    queries: [query(rate('callward_records_transactions_total', 'result'), '{{result}}')],
  }),
  new TimeSeries(23, 'Late obligations', {
    description: 'Time within which 99 of 100 obligations were begun after they were due, by kind.',
    ...{ width: 12, unit: 's', min: 0, links },
    queries: [
      query(`${slowest('callward_obligations_late_seconds', 'kind', 0.99)} >= 0`, '{{kind}}'),
    ],
  }),
]

const purpose = new Text(
  7,
  'What this board answers',
  '**Is the hub itself well?** For whoever runs it. It stores its own figures; when it is down they end here, and only another watcher tells (`/metrics` and `/readyz` are for it).',
  { width: 24, height: 3 },
)

/** "Is the hub itself well?" Requests, intake, queries, records. `hubUrl` is where people reach the console. */
export function hubBoard(hubUrl: string): Board {
  return board({
    ...{ number: 11, slug: 'hub', title: 'Callward / Hub', tags: [tag, 'hub'] },
    description: 'Is the hub itself well? Its requests, intake, queries and records.',
    ...{ from: 'now-6h', refresh: '30s', variables: hostVariables(hubUrl, true) },
    ...{ annotations: overlays, links: headLinks },
    rows: [
      { panels: [...numbers, purpose] },
      { number: 80, title: 'Requests and queries', panels: requests },
      { number: 81, title: 'Intake and records', folded: true, panels: intake },
    ],
  })
}
