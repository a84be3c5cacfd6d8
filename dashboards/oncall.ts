import { AlertList } from './layer/alert-list.ts'
import { type Board, board } from './layer/board.ts'
import { badAbove, colours, noJudgement } from './layer/fields.ts'
import { paint, query } from './layer/panel.ts'
import { BarGauge, Stat, Text, TimeSeries } from './layer/panels.ts'
import { label, Table, value } from './layer/table.ts'
import { alertsOfChosen, chosenOrUnlabelled, countOrZero, severityIs } from './selectors.ts'
import {
  consolePages,
  fleetLink,
  headLinks,
  hostVariables,
  outcomeColours,
  overlays,
  rowRunbook,
  rowServer,
  severityWords,
  tag,
} from './shared.ts'

const RI = '$__rate_interval'
const links = [consolePages.alerts, fleetLink]
const firing = `ALERTS{alertstate="firing",${chosenOrUnlabelled}}`
/** The hub's own figures name no customer's host, so no choice of hosts applies. */
const everyHost = 'customer=~".+",site=~".+",role=~".+",server=~".+"'

const numbers = [
  new Stat(1, 'Alerts firing', {
    description: 'Alerts that fire now, of any severity. The table names them and their runbooks.',
    ...{ width: 4, unit: 'none', thresholds: badAbove({ attention: 1 }), links },
    queries: [query(countOrZero(firing))],
  }),
  new Stat(2, 'Pages open', {
    description: 'Pages nobody has taken, and those somebody has, of all customers.',
    ...{ width: 4, unit: 'none', named: true, thresholds: noJudgement(), links },
    queries: [query('sum by (state) (callward_pages)', '{{state}}')],
  }),
  new Stat(3, 'Pages unheard', {
    description:
      'Pages whose escalation is over and that nobody has taken. Any is bad: call somebody now.',
    ...{ width: 4, unit: 'none', thresholds: badAbove({ bad: 1 }), links },
    queries: [query(`max(callward_pages_shouting{${everyHost}})`)],
  }),
  new Stat(4, 'Nobody on call', {
    description: 'Schedules with nobody on call now, though somebody should be. Any is bad.',
    ...{ width: 4, unit: 'none', thresholds: badAbove({ bad: 1 }), links },
    noValue: 'no schedules',
    queries: [query(`sum(callward_oncall_uncovered{${everyHost}})`)],
  }),
  new Stat(5, 'Silences', {
    description:
      'Silences that have not ended. Each hides something: look whether it still should.',
    ...{ width: 4, unit: 'none', thresholds: noJudgement(), links },
    queries: [query('max(callward_silences)')],
  }),
  new Stat(6, 'Oldest owed', {
    description:
      'Age of the oldest thing the hub owes somebody and has not done. Red from a minute: pages may be late.',
    ...{ width: 4, unit: 's', decimals: 0, links },
    thresholds: badAbove({ attention: 15, bad: 60 }),
    queries: [query(`max(callward_obligations_overdue_seconds{${everyHost}})`)],
  }),
]

const alerts = [
  new Table(10, 'Firing now', {
    description: 'Every firing alert and since when. Follow the name to its runbook.',
    ...{ width: 24, sortBy: 'Since', links },
    columns: [
      label('severity', 'Severity', { mappings: [severityWords] }),
      label('alertname', 'Alert', { links: [rowRunbook] }),
      label('customer', 'Customer'),
      label('site', 'Site'),
      label('server', 'Server', { links: [rowServer] }),
      value(
        'Since',
        'dateTimeFromNow',
        `1000 * max by (severity, alertname, customer, site, server) (ALERTS_FOR_STATE{${chosenOrUnlabelled}} and ignoring (alertstate) ${firing})`,
      ),
    ],
  }),
  new TimeSeries(11, 'Firing by severity', {
    description:
      'Alerts that fired, by how urgent the hub counts them, whatever word who posted them uses. A gap: the hub knew no host.',
    ...{ width: 8, unit: 'short', decimals: 0, min: 0, stacked: true, links },
    // Grafana's first colour is green: a critical alert must not look well.
    overrides: [
      paint('critical', colours.bad),
      paint('warning', colours.attention),
      paint('info', colours.note),
    ],
    queries: Object.entries(severityIs).map(([name, is]) =>
      query(countOrZero(`ALERTS{alertstate="firing",${is},${chosenOrUnlabelled}}`), name),
    ),
  }),
  new BarGauge(12, 'Alerts that come and go', {
    description:
      'How often an alert began anew within a day, the ten worst. Such an alert teaches people to ignore it: mend its rule.',
    ...{ width: 8, unit: 'short', decimals: 0, min: 0, links },
    thresholds: badAbove({ attention: 5, bad: 20 }),
    noValue: 'none within a day',
    queries: [
      query(
        `topk(10, sum by (alertname) (changes(ALERTS_FOR_STATE{${chosenOrUnlabelled}}[1d])) > 0)`,
        '{{alertname}}',
      ),
    ],
  }),
  new AlertList(13, 'About to fire', {
    description:
      'Alerts whose condition holds, but not for as long as their rule waits: who looks now may spare somebody a page. Those of now, whatever the time of the board.',
    ...{ width: 8, states: ['pending'], matchers: alertsOfChosen, links },
  }),
]

const load = [
  new BarGauge(24, 'Pages of 30 days', {
    description: 'Pages by escalation policy and severity: who bears the load.',
    ...{ width: 8, unit: 'none', decimals: 0, min: 0, thresholds: noJudgement(), links },
    noValue: 'no page in 30 days',
    queries: [
      query(
        'sort_desc(max by (policy, severity) (callward_pages_opened_30d))',
        '{{policy}} {{severity}}',
      ),
    ],
  }),
  new TimeSeries(25, 'Time until a page is taken', {
    description:
      'From the opening of a page to the first acknowledgement, over the 30 days before each moment.',
    ...{ width: 8, unit: 's', min: 0, links },
    queries: [
      query(
        'max by (policy) (callward_page_acknowledge_seconds{quantile="0.5"})',
        '{{policy}} median',
      ),
      query(
        'max by (policy) (callward_page_acknowledge_seconds{quantile="0.9"})',
        '{{policy}} 9 of 10',
      ),
    ],
  }),
  new BarGauge(26, 'Escalations of 30 days', {
    description:
      'How often a page went on to a later step, to the catch-all, or asked again whoever had taken it.',
    ...{ width: 8, unit: 'none', decimals: 0, min: 0, thresholds: noJudgement(), links },
    noValue: 'none in 30 days',
    queries: [
      query(
        'sort_desc(max by (policy, kind) (callward_page_escalations_30d))',
        '{{policy}} {{kind}}',
      ),
    ],
  }),
  new TimeSeries(20, 'Attempts to tell somebody of a page', {
    description: 'Attempts a second, by channel and outcome. Failures of one channel: test it.',
    ...{ width: 12, unit: 'ops', min: 0, links, overrides: outcomeColours },
    queries: [
      query(
        `sum by (channel, outcome) (rate(callward_page_attempts_total[${RI}]))`,
        '{{channel}} {{outcome}}',
      ),
    ],
  }),
  new TimeSeries(21, 'On call', {
    description: 'People on call whom the hub can reach, by schedule.',
    ...{ width: 12, unit: 'none', decimals: 0, min: 0, links },
    queries: [query(`max by (schedule) (callward_oncall_current{${everyHost}})`, '{{schedule}}')],
  }),
  new TimeSeries(22, 'Decisions of routing', {
    description: 'What routing decided a second: to tell a receiver, to hold back, about silences.',
    ...{ width: 12, unit: 'ops', min: 0, links },
    queries: [query(`sum by (kind) (rate(callward_routing_decisions_total[${RI}]))`, '{{kind}}')],
  }),
  new TimeSeries(23, 'Time to send', {
    description: 'Time within which 95 of 100 messages left, their wait included, by channel.',
    ...{ width: 12, unit: 's', min: 0, links },
    queries: [
      query(
        `histogram_quantile(0.95, sum by (le, channel) (rate(callward_notify_duration_seconds_bucket[${RI}]))) >= 0`,
        '{{channel}}',
      ),
    ],
  }),
]

const purpose = new Text(
  7,
  'What this board answers',
  '**Do alerts reach people, and do they bear the load?** For who leads the shifts. An alert nobody acts on is taken out or mended; a page nobody heard is looked at the same day. Pages, schedules and silences are those of all customers.',
  { width: 24, height: 3 },
)

/** "Do alerts reach people, and do they bear the load?" `hubUrl` is where people reach the console. */
export function oncallBoard(hubUrl: string): Board {
  return board({
    ...{ number: 7, slug: 'oncall', title: 'Callward / Alerts & on-call load' },
    tags: [tag, 'alerts'],
    description: 'Do alerts reach people, and do they bear the load?',
    ...{ from: 'now-7d', refresh: '30s', variables: hostVariables(hubUrl, true) },
    ...{ annotations: overlays, links: headLinks },
    rows: [
      { panels: [...numbers, purpose] },
      { number: 80, title: 'Alerts', panels: alerts },
      { number: 81, title: 'Load', folded: true, panels: load },
    ],
  })
}
