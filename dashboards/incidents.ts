import { type Board, board } from './layer/board.ts'
import { badAbove, badBelow, noJudgement } from './layer/fields.ts'
import { query } from './layer/panel.ts'
import { BarGauge, Stat, Text, TimeSeries } from './layer/panels.ts'
import { label, Table, value } from './layer/table.ts'
import { chosenOrUnlabelled, countOrZero } from './selectors.ts'
import {
  consolePages,
  fleetLink,
  headLinks,
  hostVariables,
  incidentSeverityWords,
  outcomeColours,
  overlays,
  rowIncident,
  rowServer,
  tag,
} from './shared.ts'

const RI = '$__rate_interval'
const links = [consolePages.incidents, fleetLink]
const open = `callward_incident_open{${chosenOrUnlabelled}} > 0`
const everyHost = 'customer=~".+",site=~".+",role=~".+",server=~".+"'
const within = (target: string) =>
  `max by (service) (callward_incident_within_target_ratio{target="${target}"})`
const took = (what: string) => [
  query(
    `max by (service) (callward_incident_${what}_seconds{quantile="0.5"})`,
    '{{service}} median',
  ),
  query(
    `max by (service) (callward_incident_${what}_seconds{quantile="0.9"})`,
    '{{service}} 9 of 10',
  ),
]

const numbers = [
  new Stat(1, 'Open incidents', {
    description: 'Incidents that are not resolved, of the chosen customers. The table names them.',
    ...{ width: 5, unit: 'none', thresholds: badAbove({ bad: 1 }), links },
    queries: [query(countOrZero(open))],
  }),
  new Stat(2, 'Limits and actions overdue', {
    description: 'Time limits and actions of incidents that are over and not met. Any is bad.',
    ...{ width: 5, unit: 'none', thresholds: badAbove({ bad: 1 }), links },
    queries: [query(`max(callward_incident_deadlines_overdue{${everyHost}})`)],
  }),
  new Stat(3, 'Promised updates overdue', {
    description: 'Incidents whose customers wait for an update that was promised for before now.',
    ...{ width: 5, unit: 'none', thresholds: badAbove({ bad: 1 }), links },
    queries: [query('max(callward_incident_updates_overdue)')],
  }),
  new Stat(4, 'Dispatches unanswered', {
    description: 'Technicians who were asked to take an incident and have said neither yes nor no.',
    ...{ width: 5, unit: 'none', thresholds: badAbove({ attention: 1 }), links },
    queries: [query('max(callward_assignments_waiting)')],
  }),
  new Stat(5, 'Next limit', {
    description: 'Time left on the clock that ends soonest, of all open incidents. Below 0: over.',
    ...{ width: 4, unit: 'dtdurations', noValue: 'no clock runs', links },
    thresholds: badBelow({ attention: 3600, bad: 900 }, -1e9),
    queries: [query('min(callward_incident_clock_remaining_seconds)')],
  }),
]

const now = [
  new Table(10, 'Open', {
    description: 'Every open incident of the chosen customers. Follow the number to its page.',
    ...{ width: 16, height: 8, sortBy: 'Open', links },
    columns: [
      label('incident', 'Incident', { links: [rowIncident] }),
      label('severity', 'Severity', { mappings: [incidentSeverityWords] }),
      label('title', 'Title'),
      label('customer', 'Customer'),
      label('site', 'Site'),
      label('server', 'Server', { links: [rowServer] }),
      value(
        'Open',
        'none',
        `max by (incident, severity, title, customer, site, server) (${open})`,
        { hidden: true },
      ),
    ],
  }),
  new BarGauge(11, 'Time left by clock', {
    description: 'Time left on the soonest clock of each kind and severity. Below 0: it is over.',
    ...{ width: 8, unit: 's', decimals: 0, noValue: 'no clock runs', links },
    thresholds: badBelow({ attention: 3600, bad: 900 }, -1e9),
    queries: [
      query(
        'sort(min by (clock, severity) (callward_incident_clock_remaining_seconds))',
        '{{severity}} {{clock}}',
      ),
    ],
  }),
]

const targets = [
  new TimeSeries(20, 'Acknowledged within 15 minutes', {
    description: 'Share of the incidents of 30 days before each moment, by service.',
    ...{ width: 12, unit: 'percentunit', min: 0, max: 1, links },
    queries: [query(within('acknowledge'), '{{service}}')],
  }),
  new TimeSeries(21, 'Restored within 4 hours', {
    description: 'Share of the incidents of 30 days before each moment, by service.',
    ...{ width: 12, unit: 'percentunit', min: 0, max: 1, links },
    queries: [query(within('restore'), '{{service}}')],
  }),
  new TimeSeries(22, 'Time to acknowledge', {
    description:
      'From detection to acknowledgement over 30 days. No means: a few long ones hide all.',
    ...{ width: 12, unit: 's', min: 0, links },
    queries: took('acknowledge'),
  }),
  new TimeSeries(23, 'Time to restore', {
    description: 'From detection to recovery over 30 days. No means: a few long ones hide all.',
    ...{ width: 12, unit: 's', min: 0, links },
    queries: took('restore'),
  }),
  new TimeSeries(28, 'Error budget used at 99.9 %', {
    description:
      'Time in which a service was not restored, of the 43 minutes that 99.9 % leaves in 30 days. Above 100 %: the budget is gone. 99.9 % is assumed for every service: the hub holds no availability objective.',
    ...{ width: 8, unit: 'percentunit', min: 0, links },
    queries: [
      query('max by (service) (callward_incident_disrupted_seconds) / 2592', '{{service}}'),
    ],
  }),
  new BarGauge(29, 'Service levels missed', {
    description: 'Share of the service-level time limits of 30 days that were missed, by service.',
    ...{ width: 8, unit: 'percentunit', min: 0, max: 1, noValue: 'no limit in 30 days', links },
    thresholds: badAbove({ attention: 0.05, bad: 0.2 }),
    queries: [
      query(
        'sort_desc((max by (service) (callward_incident_service_levels_30d{outcome="missed"}) or 0 * max by (service) (callward_incident_service_levels_30d)) / sum by (service) (max by (service, outcome) (callward_incident_service_levels_30d)))',
        '{{service}}',
      ),
    ],
  }),
  new BarGauge(30, 'Causes that come again', {
    description: 'Incidents of 6 months that share a coded cause with another one of the service.',
    ...{ width: 8, unit: 'none', decimals: 0, min: 0, noValue: 'none in 6 months', links },
    thresholds: badAbove({ attention: 2, bad: 4 }),
    queries: [
      query(
        'sort_desc(max by (service, cause) (callward_incident_recurring))',
        '{{service}} {{cause}}',
      ),
    ],
  }),
  new BarGauge(24, 'Incidents of 30 days', {
    description: 'Incidents by service; cancelled and merged ones are not counted.',
    ...{ width: 12, unit: 'none', min: 0, thresholds: noJudgement(), links },
    queries: [query('sort_desc(max by (service) (callward_incident_count_30d))', '{{service}}')],
  }),
  new TimeSeries(25, 'Limits missed and nearly missed', {
    description:
      'Time limits that were over before they were met, and that came near it, a second.',
    ...{ width: 12, unit: 'ops', min: 0, links, overrides: outcomeColours },
    queries: [
      query(
        `sum by (clock) (rate(callward_incident_clocks_breached_total[${RI}]))`,
        '{{clock}} missed',
      ),
      query(
        `sum by (clock) (rate(callward_incident_clocks_at_risk_total[${RI}]))`,
        '{{clock}} near',
      ),
    ],
  }),
  new TimeSeries(26, 'Notices of incidents', {
    description: 'Attempts a second to bring a notice to a receiver, by channel and outcome.',
    ...{ width: 12, unit: 'ops', min: 0, links, overrides: outcomeColours },
    queries: [
      query(
        `sum by (channel, outcome) (rate(callward_notice_attempts_total[${RI}]))`,
        '{{channel}} {{outcome}}',
      ),
    ],
  }),
  new TimeSeries(27, 'Calls that failed during incidents', {
    description: 'Share of the calls that failed, over the incidents of 30 days that say it.',
    ...{ width: 12, unit: 'percentunit', min: 0, links },
    queries: [query('max by (service) (callward_incident_failed_calls_ratio)', '{{service}}')],
  }),
]

const purpose = new Text(
  6,
  'What this board answers',
  '**What is broken, and do we keep our promises?** For who answers to customers. The choice of hosts holds for open incidents; the other figures are of all customers.',
  { width: 24, height: 3 },
)

/** "What is broken, and do we keep our promises?" `hubUrl` is where people reach the console. */
export function incidentsBoard(hubUrl: string): Board {
  return board({
    ...{ number: 8, slug: 'incidents', title: 'Callward / Incidents & SLA' },
    tags: [tag, 'incidents'],
    description: 'What is broken, and do we keep our promises?',
    ...{ from: 'now-90d', refresh: '5m', variables: hostVariables(hubUrl, true) },
    ...{ annotations: overlays, links: headLinks },
    rows: [
      { panels: [...numbers, purpose] },
      { number: 80, title: 'Now', panels: now },
      { number: 81, title: 'Targets over 30 days', folded: true, panels: targets },
    ],
  })
}
