import { alertmanagerMetrics, alertmanagerOwnMetrics } from './catalogue-alertmanager.ts'
import { backupMetrics } from './catalogue-backups.ts'
import { deadlineMetrics, deadlineOwnMetrics } from './catalogue-deadlines.ts'
import { hardwareMetrics } from './catalogue-hardware.ts'
import { hostMetrics } from './catalogue-host.ts'
import { incidentMetrics, incidentOwnMetrics } from './catalogue-incidents.ts'
import { oncallMetrics, oncallOwnMetrics } from './catalogue-oncall.ts'
import { pagingMetrics, pagingOwnMetrics } from './catalogue-paging.ts'
import { plannedMetrics } from './catalogue-planned.ts'
import { softwareMetrics } from './catalogue-software.ts'
import { vitalMetrics, vitalOwnMetrics } from './catalogue-vitals.ts'

/** What a metric is, as Prometheus names it. */
export type MetricType = 'counter' | 'gauge' | 'histogram'

/** One metric: its name, meaning, and the labels it has beside those every series carries. */
export interface Metric {
  readonly name: string
  readonly type: MetricType
  readonly help: string
  /** Base unit in Prometheus's words (`seconds`, `bytes`, `ratio` …), or empty. */
  readonly unit: string
  readonly labels: readonly string[]
  /** Who emits it: `collector: SECTION` or `hub: PART`. */
  readonly from: string
  /** True for the hub's own process: at /metrics without host labels, and stored with the hub's. */
  readonly own?: boolean
  /** What has to come first, where nothing emits the metric yet; its name is fixed for boards and rules. */
  readonly waitsFor?: string
}

/** Labels of every stored series; `simulated` only on the demo's hosts. */
export const hostLabels = [
  'job',
  'instance',
  'customer',
  'site',
  'server',
  'role',
  'env',
  'simulated',
] as const

/** What the collector says about itself, beside the host's figures. */
const collectorMetrics: readonly Metric[] = [
  {
    name: 'callward_server_info',
    type: 'gauge',
    unit: '',
    labels: ['os', 'version'],
    from: 'collector: agent',
    help: 'A watched server; always 1. Boards fill their variables from it.',
  },
  {
    name: 'callward_collector_info',
    type: 'gauge',
    unit: '',
    labels: ['version'],
    from: 'collector: agent',
    help: 'A collector and its version; always 1.',
  },
  {
    name: 'callward_section_state',
    type: 'gauge',
    unit: '',
    labels: ['section', 'state'],
    from: 'collector: agent',
    help: '1 for the present state of a section of the report (ok, absent, denied, error), 0 for the other three.',
  },
  {
    name: 'callward_survey_timestamp_seconds',
    type: 'gauge',
    unit: 'seconds',
    labels: ['survey'],
    from: 'collector: surveys',
    help: 'When a survey (facts taken at intervals in a process of its own) last succeeded.',
  },
  {
    name: 'callward_survey_interval_seconds',
    type: 'gauge',
    unit: 'seconds',
    labels: ['survey'],
    from: 'collector: surveys',
    help: 'How often a survey is taken.',
  },
  {
    name: 'callward_clock_offset_seconds',
    type: 'gauge',
    unit: 'seconds',
    labels: [],
    from: 'collector: session',
    help: 'Collector’s clock minus the hub’s, measured as NTP does.',
  },
  {
    name: 'callward_collector_reports_pending',
    type: 'gauge',
    unit: '',
    labels: [],
    from: 'collector: agent',
    help: 'Reports that wait to be sent or acknowledged.',
  },
  {
    name: 'callward_collector_reports_dropped_total',
    type: 'counter',
    unit: '',
    labels: ['reason'],
    from: 'collector: agent',
    help: 'Reports given up, by reason: memory, bytes and age (limits), damaged (the spool lost them), unreadable (for the hub).',
  },
  {
    name: 'callward_collector_spool_bytes',
    type: 'gauge',
    unit: 'bytes',
    labels: [],
    from: 'collector: spool',
    help: 'What the spool takes on the host’s disk.',
  },
  {
    name: 'callward_collector_spool_reports',
    type: 'gauge',
    unit: '',
    labels: [],
    from: 'collector: spool',
    help: 'Reports that wait in the spool.',
  },
  {
    name: 'callward_collector_spool_oldest_timestamp_seconds',
    type: 'gauge',
    unit: 'seconds',
    labels: [],
    from: 'collector: spool',
    help: 'When the oldest waiting report was read; the time of this report when none waits.',
  },
  {
    name: 'callward_collector_reports_refused_total',
    type: 'counter',
    unit: '',
    labels: [],
    from: 'collector: agent',
    help: 'Reports the hub refused.',
  },
  {
    name: 'callward_collector_connections_total',
    type: 'counter',
    unit: '',
    labels: [],
    from: 'collector: agent',
    help: 'Sessions opened with the hub since the start.',
  },
  {
    name: 'callward_collector_series_refused_total',
    type: 'counter',
    unit: '',
    labels: [],
    from: 'collector: agent',
    help: 'Series left out because a report holds no more.',
  },
  {
    name: 'callward_collector_start_timestamp_seconds',
    type: 'gauge',
    unit: 'seconds',
    labels: [],
    from: 'collector: agent',
    help: 'When the collector started.',
  },
  {
    name: 'callward_source_duration_seconds',
    type: 'gauge',
    unit: 'seconds',
    labels: ['source'],
    from: 'collector: agent',
    help: 'How long the newest reading of a source took.',
  },
  {
    name: 'callward_collector_cpu_seconds_total',
    type: 'counter',
    unit: 'seconds',
    labels: [],
    from: 'collector: agent',
    help: 'CPU time the collector itself took.',
  },
  {
    name: 'callward_collector_resident_memory_bytes',
    type: 'gauge',
    unit: 'bytes',
    labels: [],
    from: 'collector: agent',
    help: 'Memory the collector itself holds.',
  },
]

/** What the hub stores about the hosts it watches. */
const hubMetrics: readonly Metric[] = [
  {
    name: 'callward_collector_up',
    type: 'gauge',
    unit: '',
    labels: [],
    from: 'hub: inventory',
    help: '1 while a known collector reports, 0 once nothing was heard for 3 of its intervals.',
  },
  {
    name: 'callward_collector_last_report_timestamp_seconds',
    type: 'gauge',
    unit: 'seconds',
    labels: [],
    from: 'hub: inventory',
    help: 'When the newest report arrived.',
  },
  {
    name: 'callward_incident_open',
    type: 'gauge',
    unit: '',
    labels: ['incident', 'severity', 'title'],
    from: 'hub: incidents',
    help: '1 for every incident that is not resolved; severity is sev1 to sev4.',
  },
  {
    name: 'callward_drift_findings',
    type: 'gauge',
    unit: '',
    labels: ['kind'],
    from: 'hub: baselines',
    help: 'What differs from the baseline of the host’s role: drift, missing, forbidden, or unknown (cannot be judged; 1 where the role has no baseline). Absent while no folder of baselines is set.',
  },
  {
    name: 'callward_baseline_info',
    type: 'gauge',
    unit: '',
    labels: ['version'],
    from: 'hub: baselines',
    help: 'The baseline a host is judged by; always 1, and absent where its role has none.',
  },
  {
    name: 'callward_unapproved_changes',
    type: 'gauge',
    unit: '',
    labels: [],
    from: 'hub: changes',
    help: 'Findings of changed versions on the host (one a run of its survey) that no approved change record covers and nobody has linked to one.',
  },
  {
    name: 'callward_maintenance_active',
    type: 'gauge',
    unit: '',
    labels: ['window', 'title'],
    from: 'hub: changes',
    help: '1 on each host that an approved change record names while its window is open; window is the number of the record. Records that stand for months are left out; 20 windows a host.',
  },
  {
    name: 'callward_maintenance_start_timestamp_seconds',
    type: 'gauge',
    unit: 'seconds',
    labels: ['window', 'title'],
    from: 'hub: changes',
    help: 'Planned start of the windows that are open or begin within 31 days.',
  },
  {
    name: 'callward_versions_changed',
    type: 'gauge',
    unit: '',
    labels: ['covered'],
    from: 'hub: changes',
    help: 'Versions of software, the kernel and watched files that were seen to have changed on the host, for 10 minutes from then on; covered says whether an approved change record names them.',
  },
  {
    name: 'ALERTS',
    type: 'gauge',
    unit: '',
    labels: ['alertname', 'alertstate', 'severity'],
    from: 'hub: rules',
    help: '1 for every pending or firing alert; severity is critical, warning or info, or, for a posted alert, its sender’s word. Has the labels of the alert besides.',
  },
  {
    name: 'ALERTS_FOR_STATE',
    type: 'gauge',
    unit: 'seconds',
    labels: ['alertname', 'severity'],
    from: 'hub: rules',
    help: 'When the condition of a pending or firing alert became true.',
  },
]

/** Figures of the rules, stored with the hub's own host labels so that rules can watch them; also at /metrics. */
const ruleMetrics: readonly Metric[] = [
  ruleMetric('gauge', 'callward_rule_file_faults', 'Faults in the rule files.'),
  ruleMetric(
    'gauge',
    'callward_baseline_file_faults',
    'Faults in the files of baselines; what is faulty judges no host.',
  ),
  ruleMetric(
    'gauge',
    'callward_ledger_entries',
    'Entries of the current log that have their place in the tree.',
  ),
  {
    name: 'callward_ledger_waiting_seconds',
    type: 'gauge',
    unit: 'seconds',
    labels: [],
    from: 'hub: rules',
    help: 'How long the oldest entry of the ledger without a place in its tree has waited.',
  },
  ruleMetric(
    'gauge',
    'callward_ledger_inconsistent',
    '1: the ledger contradicts a checkpoint that was signed; no other is signed.',
  ),
  {
    name: 'callward_ledger_witness_age_seconds',
    type: 'gauge',
    unit: 'seconds',
    labels: ['witness'],
    from: 'hub: ledger',
    help: 'How long ago a witness last cosigned a checkpoint of the ledger; for one that never did, since it is configured.',
  },
  ruleMetric('gauge', 'callward_rules_failing', 'Rules whose newest evaluation failed.'),
  ruleMetric(
    'gauge',
    'callward_alert_changes_waiting',
    'Changes of alerts the records do not hold yet.',
  ),
  ruleMetric(
    'counter',
    'callward_rule_evaluations_missed_total',
    'Turns of rule groups that were not taken in time.',
  ),
  ruleMetric(
    'counter',
    'callward_alert_changes_lost_total',
    'Changes of alerts given up because too many waited.',
  ),
  {
    ...ruleMetric(
      'gauge',
      'callward_hub_store_refusing',
      '1 while the store refuses samples for this reason (`disk full`, `disk failing`).',
    ),
    labels: ['reason'],
  },
  {
    ...ruleMetric(
      'gauge',
      'callward_hub_tls_not_after_timestamp_seconds',
      'End of the validity of the hub’s certificate in use; only where the hub ends TLS.',
    ),
    unit: 'seconds',
  },
  {
    ...ruleMetric('gauge', 'callward_hub_store_free_bytes', 'Free on the disk of the store.'),
    unit: 'bytes',
  },
  {
    ...ruleMetric(
      'gauge',
      'callward_hub_store_reserve_bytes',
      'Free space below which samples are refused.',
    ),
    unit: 'bytes',
  },
  ruleMetric(
    'gauge',
    'callward_store_engine_up',
    '1 while VictoriaMetrics takes what the hub forwards; only where one is set.',
  ),
  {
    ...ruleMetric(
      'gauge',
      'callward_store_forward_behind_seconds',
      'Age of the oldest sealed sample that is not known to be in VictoriaMetrics; 0: none waits.',
    ),
    unit: 'seconds',
  },
  ruleMetric(
    'gauge',
    'callward_influx_up',
    '1 while InfluxDB takes what the hub sends; only where one is set.',
  ),
  {
    ...ruleMetric(
      'gauge',
      'callward_influx_behind_seconds',
      'Age of the oldest sealed sample that is not known to be in InfluxDB; 0: none waits.',
    ),
    unit: 'seconds',
  },
  ruleMetric(
    'gauge',
    'callward_influx_dropped_samples',
    'Samples that InfluxDB will not have since the hub started: refused by it, or at the end of their retention first.',
  ),
]

/** The hub's own rules watch it. */
const notifyMetrics: readonly Metric[] = [
  {
    name: 'callward_notify_channel_failing',
    type: 'gauge',
    unit: '',
    labels: ['channel'],
    from: 'hub: notify',
    help: '1 while the last three attempts or more to send by a channel all failed; forgotten after an hour without attempts.',
  },
]

/** Stored with the hub's own host labels while something is refused, so that rules can watch it. */
const enrolmentMetrics: readonly Metric[] = [
  {
    name: 'callward_collector_refused',
    type: 'gauge',
    unit: '',
    labels: ['host', 'reason'],
    from: 'hub: enrolment',
    help: '1 for 10 minutes after a session of an enrolled host was refused for this reason.',
  },
  {
    name: 'callward_enrolment_tokens_misused',
    type: 'gauge',
    unit: '',
    labels: ['reason'],
    from: 'hub: enrolment',
    help: '1 for 30 minutes after a one-time token was used that had been used before.',
  },
]

function ruleMetric(type: MetricType, name: string, help: string): Metric {
  return { name, type, unit: '', labels: [], from: 'hub: rules', help }
}

function own(
  from: string,
  type: MetricType,
  name: string,
  help: string,
  labels: readonly string[] = [],
  unit = '',
): Metric {
  return { name, type, unit, labels, from: `hub: ${from}`, help, own: true }
}

/** The hub's own process, at /metrics. Node's process and event loop figures stand there besides, as prom-client names them. */
const ownMetrics: readonly Metric[] = [
  own(
    'process',
    'gauge',
    'nodejs_eventloop_lag_p99_seconds',
    'How late the process does what is due, 99 of 100 times at most.',
    [],
    'seconds',
  ),
  own('process', 'gauge', 'process_resident_memory_bytes', 'Memory the hub holds.', [], 'bytes'),
  own('process', 'counter', 'process_cpu_seconds_total', 'CPU time the hub took.', [], 'seconds'),
  own('process', 'gauge', 'process_start_time_seconds', 'When the hub started.', [], 'seconds'),
  own('telemetry', 'gauge', 'callward_hub_info', 'The hub’s version; always 1.', ['version']),
  own(
    'telemetry',
    'counter',
    'callward_http_requests_total',
    'HTTP requests answered, by route, method and status code.',
    ['route', 'method', 'code'],
  ),
  own(
    'telemetry',
    'histogram',
    'callward_http_request_duration_seconds',
    'Time from request to response, by route.',
    ['route'],
    'seconds',
  ),
  own(
    'people',
    'counter',
    'callward_access_refused_total',
    'Requests refused before their handler, by reason.',
    ['reason'],
  ),
  own(
    'people',
    'counter',
    'callward_sign_ins_failed_total',
    'Passwords and codes that were not taken, at sign-in or when asked for once more, by reason.',
    ['reason'],
  ),
  own('upgrades', 'gauge', 'callward_upgraded_sockets', 'Open WebSocket connections of all paths.'),
  own(
    'upgrades',
    'counter',
    'callward_upgrades_refused_total',
    'WebSocket upgrades refused before the handshake, by reason.',
    ['reason'],
  ),
  own('ingest', 'gauge', 'callward_ingest_sessions', 'Collector sessions open now.'),
  own(
    'ingest',
    'gauge',
    'callward_ingest_sessions_waiting',
    'Collectors that have said hello and wait for their turn, because many come at once.',
  ),
  own('ingest', 'counter', 'callward_ingest_samples_total', 'Samples taken in.'),
  own('ingest', 'counter', 'callward_ingest_reports_total', 'Reports taken in, by lane.', ['lane']),
  own(
    'ingest',
    'counter',
    'callward_ingest_repeated_total',
    'Reports sent again that were already in.',
  ),
  own(
    'ingest',
    'counter',
    'callward_ingest_gap_reports_total',
    'Reports missing between sequences.',
  ),
  own(
    'ingest',
    'counter',
    'callward_ingest_late_samples_total',
    'Samples stored late; they never page.',
  ),
  own(
    'ingest',
    'counter',
    'callward_ingest_clock_corrected_total',
    'Reports whose times were corrected by the measured clock offset.',
  ),
  own(
    'ingest',
    'counter',
    'callward_ingest_rejected_total',
    'Frames and sessions refused, by reason.',
    ['reason'],
  ),
  own(
    'ingest',
    'counter',
    'callward_ingest_write_samples_total',
    'Samples made durable by remote write, Influx lines and OTLP, by protocol.',
    ['protocol'],
  ),
  own(
    'ingest',
    'counter',
    'callward_ingest_write_rejected_total',
    'What write requests brought and was not stored, by protocol and reason: whole requests, or the samples, data points, lines, text fields, histograms, exemplars and metadata left out of a good one.',
    ['protocol', 'reason'],
  ),
  own(
    'notify',
    'gauge',
    'callward_contact_points',
    'Contact points, by state: tested, untested, disabled, or unreadable with the hub’s key.',
    ['state'],
  ),
  own(
    'notify',
    'counter',
    'callward_notify_attempts_total',
    'Attempts to send a message, by channel and outcome.',
    ['channel', 'outcome'],
  ),
  own(
    'notify',
    'histogram',
    'callward_notify_duration_seconds',
    'Time an attempt to send took, waiting for its turn included, by channel.',
    ['channel'],
    'seconds',
  ),
  own(
    'notify',
    'counter',
    'callward_notify_log_dropped_total',
    'Attempts to send that could not be written down because the records did not keep up.',
  ),
  own(
    'notify',
    'counter',
    'callward_notify_template_faults_total',
    'Own templates that failed while a message was made; the default text was sent.',
  ),
  own('enrolment', 'gauge', 'callward_enrolments', 'Enrolments of collectors, by state.', [
    'state',
  ]),
  own(
    'enrolment',
    'gauge',
    'callward_enrolment_half_open_sessions',
    'Connections of enrolled collectors that have not proven themselves yet.',
  ),
  own(
    'enrolment',
    'counter',
    'callward_enrolment_sessions_total',
    'Sessions in which hub and collector proved themselves by their keys.',
  ),
  own(
    'enrolment',
    'counter',
    'callward_enrolment_refusals_total',
    'Sessions of enrolled collectors refused, by reason.',
    ['reason'],
  ),
  own(
    'enrolment',
    'counter',
    'callward_enrolment_token_refusals_total',
    'One-time tokens refused, by reason.',
    ['reason'],
  ),
  own(
    'enrolment',
    'counter',
    'callward_enrolment_counts_accepted_total',
    'Sessions whose count was taken as it was, after a restore or by an administrator’s word.',
  ),
  own('live', 'gauge', 'callward_live_connections', 'Open /live connections of staff.'),
  own(
    'live',
    'counter',
    'callward_live_messages_total',
    'Messages sent on /live connections, by kind.',
    ['kind'],
  ),
  own(
    'live',
    'counter',
    'callward_live_refused_total',
    'Frames, connections and upgrades of /live refused, by reason.',
    ['reason'],
  ),
  own(
    'live',
    'counter',
    'callward_live_pruned_total',
    'Messages dropped from the queues by age or number.',
  ),
  own(
    'live',
    'counter',
    'callward_live_receipts_total',
    'Messages whose first receipt was stored, by kind: received, displayed.',
    ['kind'],
  ),
  own(
    'promql',
    'counter',
    'callward_query_rejected_total',
    'PromQL requests that gave no answer, by reason.',
    ['reason'],
  ),
  own(
    'promql',
    'histogram',
    'callward_query_duration_seconds',
    'Time of PromQL queries from text to answer, by kind and by place: the hub’s own thread, a worker, or an archive for the older part.',
    ['kind', 'place'],
    'seconds',
  ),
  own(
    'promql',
    'gauge',
    'callward_queries',
    'Queries of the HTTP API now, by state: running or waiting.',
    ['state'],
  ),
  own(
    'promql',
    'gauge',
    'callward_query_workers',
    'Query workers alive; they start when a heavy query comes.',
  ),
  own(
    'promql',
    'counter',
    'callward_query_workers_lost_total',
    'Query workers that died or had to be ended, by reason: memory, stuck, exit.',
    ['reason'],
  ),
  own(
    'store',
    'counter',
    'callward_store_forward_samples_total',
    'Samples on their way to VictoriaMetrics, by outcome: sent (once more after a loss too), repaired (found lost there and sent again), refused, lost (their retention ended first).',
    ['outcome'],
  ),
  own(
    'store',
    'counter',
    'callward_store_forward_failures_total',
    'Attempts to forward that failed; they are made again.',
  ),
  own(
    'store',
    'gauge',
    'callward_store_forward_waiting_bytes',
    'Sealed files that are not known to be in VictoriaMetrics, in bytes.',
    [],
    'bytes',
  ),
  own(
    'store',
    'counter',
    'callward_influx_samples_total',
    'Samples on their way to InfluxDB, by outcome: sent, refused, unwritable (NaN or infinite, which it cannot hold), lost (their retention ended first), retried (in a request that failed; they are sent again).',
    ['outcome'],
  ),
  own(
    'store',
    'counter',
    'callward_influx_failures_total',
    'Attempts to send to InfluxDB that failed; they are made again.',
  ),
  own(
    'store',
    'gauge',
    'callward_influx_waiting_bytes',
    'Sealed files that are not known to be in InfluxDB, in bytes.',
    [],
    'bytes',
  ),
  own(
    'records',
    'gauge',
    'callward_records_writes_waiting',
    'Write transactions that wait for their turn.',
  ),
  own(
    'records',
    'counter',
    'callward_records_transactions_total',
    'Write transactions by result: committed, failed (rolled back), refused (queue full or closed).',
    ['result'],
  ),
  own('holds', 'gauge', 'callward_legal_holds', 'Legal holds that stand.'),
  own(
    'attachments',
    'counter',
    'callward_attachments_refused_total',
    'Files that were not attached, by reason: limit, busy, disk, bad.',
    ['reason'],
  ),
  own(
    'boards',
    'counter',
    'callward_board_pictures_refused_total',
    'Panels that were not made a PNG, by reason: busy, font, late.',
    ['reason'],
  ),
  own(
    'ledger',
    'counter',
    'callward_ledger_appends_total',
    'Entries given to the ledger, those of transactions that failed included.',
  ),
  own(
    'ledger',
    'counter',
    'callward_ledger_offers_total',
    'Offers of checkpoints to witnesses by outcome: cosigned, refused, unreachable, ahead (the witness has seen more than the hub has).',
    ['witness', 'outcome'],
  ),
  own(
    'records',
    'counter',
    'callward_records_commits_total',
    'Commits made durable; several transactions share one.',
  ),
  own(
    'records',
    'counter',
    'callward_records_commit_seconds_total',
    'Time spent in commits, which is the disk.',
    [],
    'seconds',
  ),
  own(
    'rules',
    'counter',
    'callward_rule_hosts_refused_total',
    'Evaluations of one host refused because too many hosts wait.',
  ),
  own(
    'rules',
    'counter',
    'callward_rule_store_failures_total',
    'Evaluations whose series could not be stored.',
  ),
  own(
    'rules',
    'counter',
    'callward_alert_changes_late_total',
    'Changes of alerts the records got only after a retry.',
  ),
]

/** Every metric there is, in the order of the documentation: hosts, collectors, hub. */
export const metricCatalogue: readonly Metric[] = [
  ...hostMetrics,
  ...hardwareMetrics,
  ...softwareMetrics,
  ...collectorMetrics,
  ...backupMetrics,
  ...hubMetrics,
  ...enrolmentMetrics,
  ...oncallMetrics,
  ...notifyMetrics,
  ...pagingMetrics,
  ...deadlineMetrics,
  ...alertmanagerMetrics,
  ...incidentMetrics,
  ...vitalMetrics,
  ...ruleMetrics,
  ...[
    ...ownMetrics,
    ...oncallOwnMetrics,
    ...pagingOwnMetrics,
    ...deadlineOwnMetrics,
    ...alertmanagerOwnMetrics,
    ...incidentOwnMetrics,
    ...vitalOwnMetrics,
  ].map((metric) => ({ ...metric, own: true })),
  ...plannedMetrics,
]

/** Metrics of the hub's own process, which it stores at intervals with its own host labels. */
export function storedOwnNames(): ReadonlySet<string> {
  return new Set(metricCatalogue.filter(({ own }) => own === true).map(({ name }) => name))
}

/** The metrics that may be stored, with what `/api/v1/metadata` answers of each. */
export function prometheusMetadata(): Record<
  string,
  { type: MetricType; help: string; unit: string }
> {
  const stored = metricCatalogue.filter(({ waitsFor }) => waitsFor === undefined)
  return Object.fromEntries(
    stored.map(({ name, type, help, unit }) => [name, { type, help, unit }]),
  )
}
