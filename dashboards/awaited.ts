import { type Board, board } from './layer/board.ts'
import { badAbove, badBelow, colours, noJudgement, words } from './layer/fields.ts'
import type { OverrideModel, ThresholdsModel } from './layer/model.ts'
import { forNames, type Panel, type Query, query } from './layer/panel.ts'
import { BarGauge, Stat, StateTimeline, Text, TimeSeries } from './layer/panels.ts'
import { label, Table, value } from './layer/table.ts'
import { chosenHosts, countOrZero } from './selectors.ts'
import { fleetLink, headLinks, hostVariables, overlays, tag } from './shared.ts'

/** Boards on metrics whose names are fixed: each panel that nothing reports to yet says so. */

const S = chosenHosts
const RI = '$__rate_interval'

const noSource = 'no source yet'
const lastWeek = ', last week'
const paleBand = forNames(`/${lastWeek}$/`, {
  color: { mode: 'fixed', fixedColor: colours.unknown },
  'custom.fillOpacity': 20,
  'custom.lineWidth': 0,
})

/** A code of SIP has the colour of its class (RFC 3261, 21), whichever codes there are. */
const codeColours = Object.entries({
  2: colours.good,
  3: colours.note,
  4: colours.attention,
  5: colours.bad,
  6: colours.silent,
}).map(([first, fixedColor]) =>
  forNames(`/^${first}\\d\\d$/`, { color: { mode: 'fixed', fixedColor } }),
)

type Visual = typeof TimeSeries | typeof Stat | typeof BarGauge

/** A panel that says that no source reports its figures yet, and shows nothing instead of a zero. */
function awaited(
  Kind: Visual,
  number: number,
  title: string,
  unit: string,
  description: string,
  queries: readonly Query[],
  more: { thresholds?: ThresholdsModel; max?: number; overrides?: readonly OverrideModel[] } = {},
): Panel {
  const said = `${description} No source reports this yet.`
  const spec = { ...{ width: 8, height: 7, unit, queries, noValue: noSource }, ...more }
  const pale = queries.some(({ legend }) => legend?.endsWith(lastWeek)) ? [paleBand] : []
  // Without it the lowest of several bars is empty.
  const begin = Kind === BarGauge ? { min: 0 } : {}
  const judged = Kind === TimeSeries ? {} : { thresholds: spec.thresholds ?? noJudgement() }
  return new Kind(number, title, {
    ...spec,
    ...begin,
    ...judged,
    description: said,
    links: [fleetLink],
    overrides: [...(more.overrides ?? []), ...pale],
  })
}

/** A curve, and the same hour of the week before. */
function withLastWeek(expr: (offset: string) => string, legend: string): Query[] {
  return [query(expr(''), legend), query(expr(' offset 1w'), `${legend}${lastWeek}`)]
}

const rate = (metric: string, matchers = '', offset = '') =>
  `rate(callward_${metric}{${matchers}${S}}[${RI}]${offset})`
const results = (code: string, offset = '') =>
  `sum by (server) (${rate('sip_session_results_total', `code=~"${code}",`, offset)})`
/** Null without traffic: a division by nothing has no answer. */
const answered = (codes: string, offset: string) =>
  `${results(codes, offset)} / (${results('2..|4..|5..|6..', offset)} > 0)`
const delay = (share: number) =>
  `histogram_quantile(${share}, sum by (le) (${rate('sip_session_request_delay_seconds_bucket', 'outcome="ok",')})) >= 0`

const sip: Panel[] = [
  awaited(
    ...([TimeSeries, 1, 'Calls set up', 'percentunit'] as const),
    'Session establishment ratio (RFC 6076, 4.6): answered with 200, redirected ones left out.',
    withLastWeek((offset) => answered('200', offset), '{{server}}'),
    { max: 1 },
  ),
  awaited(
    ...([TimeSeries, 2, 'Calls the network served', 'percentunit'] as const),
    'Session establishment effectiveness (RFC 6076, 4.7): busy and refused by the callee count as served.',
    withLastWeek((offset) => answered('200|480|486|600|603', offset), '{{server}}'),
    { max: 1 },
  ),
  awaited(
    ...([TimeSeries, 3, 'Attempts that got nowhere', 'percentunit'] as const),
    'Ineffective attempts (RFC 6076, 4.8): 408, 500, 503, 504 among all first INVITEs.',
    [
      query(
        `${results('408|500|503|504')} / (sum by (server) (${rate('sip_session_attempts_total')}) > 0)`,
        '{{server}}',
      ),
    ],
    { thresholds: badAbove({ attention: 0.01, bad: 0.03 }) },
  ),
  awaited(
    ...([TimeSeries, 4, 'Wait until it rings', 's'] as const),
    'Session request delay (RFC 6076, 4.3), median and 95 of 100 calls.',
    [query(delay(0.5), 'median'), query(delay(0.95), '95 of 100')],
    { thresholds: badAbove({ attention: 3, bad: 5 }) },
  ),
  awaited(
    ...([TimeSeries, 5, 'Answers by code', 'cps'] as const),
    'Final answers to INVITE a second, by code: green answered, blue redirected, orange refused by the caller or callee, red failed at a server, purple refused everywhere.',
    [query(`sum by (code) (${rate('sip_session_results_total')})`, '{{code}}')],
    { overrides: codeColours },
  ),
  awaited(
    ...([TimeSeries, 6, 'Calls in progress', 'short'] as const),
    'Calls in progress by site, beside the same hour of last week.',
    withLastWeek(
      (offset) => `sum by (site) (callward_sip_sessions_active{${S}}${offset})`,
      '{{site}}',
    ),
  ),
  awaited(
    ...([TimeSeries, 7, 'Calls that sounded bad', 'percentunit'] as const),
    'Share of the calls with an opinion score of 3.6 or less.',
    [
      query(
        `sum(${rate('rtp_mos_bucket', 'le="3.6",')}) / (sum(${rate('rtp_mos_count')}) > 0)`,
        'below 3.6',
      ),
    ],
    { thresholds: badAbove({ attention: 0.02, bad: 0.05 }) },
  ),
  awaited(
    ...([TimeSeries, 8, 'Media packets lost', 'percentunit'] as const),
    'Share of the media packets that did not come, by trunk.',
    [
      query(
        `sum by (trunk) (${rate('rtp_packets_lost_total')}) / (sum by (trunk) (${rate('rtp_packets_expected_total')}) > 0)`,
        '{{trunk}}',
      ),
    ],
    { thresholds: badAbove({ bad: 0.01 }) },
  ),
]

const trunks: Panel[] = [
  new StateTimeline(1, 'Trunks up', {
    description: 'Whether each trunk answers or is registered. No source reports this yet.',
    ...{ width: 8, height: 7, unit: 'none', thresholds: noJudgement(), links: [fleetLink] },
    noValue: noSource,
    mappings: [words({ '0': ['down', colours.bad], '1': ['up', colours.good] })],
    queries: [query(`min by (server, trunk) (callward_trunk_up{${S}})`, '{{server}} {{trunk}}')],
  }),
  awaited(
    ...([TimeSeries, 2, 'Round trip to the carrier', 's'] as const),
    'Round trip of OPTIONS, by trunk.',
    [
      query(
        `max by (server, trunk) (callward_trunk_options_rtt_seconds{${S}})`,
        '{{server}} {{trunk}}',
      ),
    ],
    { thresholds: badAbove({ attention: 0.15, bad: 0.3 }) },
  ),
  awaited(
    ...([BarGauge, 3, 'Channels used of the contract', 'percentunit'] as const),
    'Channels in use among those the contract allows, at most in the chosen window.',
    [
      query(
        `sort_desc(max by (server, trunk) (max_over_time(callward_trunk_channels_in_use{${S}}[$window])) / max by (server, trunk) (callward_trunk_channels_limit{${S}} > 0))`,
        '{{server}} {{trunk}}',
      ),
    ],
    { thresholds: badAbove({ attention: 0.8, bad: 0.95 }), max: 1 },
  ),
  awaited(
    ...([BarGauge, 4, 'Answered in the promised time', 'percentunit'] as const),
    'Service level: answered in time among answered and abandoned, by queue.',
    [
      query(
        `sum by (queue) (increase(callward_queue_answered_in_target_total{${S}}[$window])) / (sum by (queue) (increase(callward_queue_answered_total{${S}}[$window])) + sum by (queue) (increase(callward_queue_abandoned_total{${S}}[$window])) > 0)`,
        '{{queue}}',
      ),
    ],
    { thresholds: badBelow({ attention: 0.9, bad: 0.8 }), max: 1 },
  ),
  awaited(
    ...([Stat, 5, 'Longest wait', 's'] as const),
    'Wait of the caller who has waited longest in any queue.',
    [query(`max(callward_queue_oldest_wait_seconds{${S}})`)],
  ),
  awaited(
    ...([TimeSeries, 6, 'Callers who wait', 'short'] as const),
    'Callers who wait, by queue.',
    [query(`sum by (queue) (callward_queue_waiting{${S}})`, '{{queue}}')],
  ),
  awaited(
    ...([TimeSeries, 7, 'Abandoned by the dialler', 'percentunit'] as const),
    'Calls the dialler dropped among those it connected or dropped, by campaign. The line is at 3 %.',
    [
      query(
        `sum by (campaign) (${rate('dialler_calls_total', 'result="abandoned",')}) / (sum by (campaign) (${rate('dialler_calls_total', 'result=~"abandoned|connected",')}) > 0)`,
        '{{campaign}}',
      ),
    ],
    { thresholds: badAbove({ bad: 0.03 }) },
  ),
  awaited(...([TimeSeries, 8, 'Agents', 'short'] as const), 'Agents of the dialler, by state.', [
    query(`sum by (state) (callward_dialler_agents{${S}})`, '{{state}}'),
  ]),
]

const windowNames = 'window, title, customer'
const active = `callward_maintenance_active{${S}}`
const start = `callward_maintenance_start_timestamp_seconds{${S}}`

const maintenance: Panel[] = [
  new Stat(1, 'Windows open', {
    description: 'Approved change records whose window is open now, on any of the chosen servers.',
    ...{ width: 6, height: 7, unit: 'none', thresholds: noJudgement(), links: [fleetLink] },
    queries: [query(countOrZero(`max by (window) (${active})`))],
  }),
  new Stat(3, 'Next window', {
    description: 'Planned start of the next approved window within 31 days.',
    ...{
      width: 6,
      height: 7,
      unit: 'dateTimeFromNow',
      noValue: 'none planned',
      links: [fleetLink],
    },
    thresholds: noJudgement(),
    queries: [query(`1000 * min(${start} > time())`)],
  }),
  new StateTimeline(2, 'Windows', {
    description: 'When windows of approved change records were open, by record.',
    ...{ width: 12, height: 7, unit: 'none', thresholds: noJudgement(), links: [fleetLink] },
    noValue: 'no window in this time',
    mappings: [words({ '1': ['open', colours.note] })],
    queries: [query(`max by (window, title) (${active})`, '{{window}} {{title}}')],
  }),
  new Table(7, 'Open and next', {
    description: 'Approved windows that are open or begin within 31 days, the soonest on top.',
    ...{ width: 24, height: 7, sortBy: 'Start', isAscending: true, links: [fleetLink] },
    columns: [
      label('window', 'Change'),
      label('title', 'Title'),
      label('customer', 'Customer'),
      value('Start', 'dateTimeFromNow', `1000 * min by (${windowNames}) (${start})`),
      value('Servers', 'none', `count by (${windowNames}) (${start})`),
    ],
  }),
  awaited(
    ...([TimeSeries, 4, 'Windows by result', 'short'] as const),
    'Windows that ended from point to point, by result: done, overrun, rolled back.',
    [
      query(
        `sum by (result) (increase(callward_maintenance_windows_total{${S}}[${RI}]))`,
        '{{result}}',
      ),
    ],
  ),
  awaited(
    ...([TimeSeries, 5, 'Notices delivered', 'percentunit'] as const),
    'Share of the notices that were delivered, by channel.',
    [
      query(
        `sum by (channel) (${rate('notices_total', 'result="delivered",')}) / (sum by (channel) (${rate('notices_total')}) > 0)`,
        '{{channel}}',
      ),
    ],
    { max: 1 },
  ),
  awaited(
    ...([TimeSeries, 6, 'Announced less than 72 hours ahead', 'percentunit'] as const),
    'Share of the planned work whose notice came later than 72 hours before.',
    [
      query(
        `sum(${rate('notice_lead_seconds_bucket', 'kind="planned",le="259200",')}) / (sum(${rate('notice_lead_seconds_count', 'kind="planned",')}) > 0)`,
        'too late',
      ),
    ],
    { thresholds: badAbove({ bad: 0.05 }) },
  ),
]

const feedback: Panel[] = [
  awaited(
    ...([TimeSeries, 1, 'Satisfied', 'percentunit'] as const),
    'Answers of 4 and 5 among all; look at their number beside it.',
    [
      query(
        `sum(${rate('feedback_responses_total', 'score=~"4|5",')}) / (sum(${rate('feedback_responses_total')}) > 0)`,
        'satisfied',
      ),
    ],
    { max: 1 },
  ),
  awaited(
    ...([Stat, 2, 'Answers in the window', 'none'] as const),
    'Answers; below 20 no share means much.',
    [query(`sum(increase(callward_feedback_responses_total{${S}}[$window]))`)],
  ),
  awaited(
    ...([TimeSeries, 3, 'Asked who answered', 'percentunit'] as const),
    'Answers among the customers asked, by channel.',
    [
      query(
        `sum by (channel) (${rate('feedback_responses_total')}) / (sum by (channel) (${rate('feedback_invites_total')}) > 0)`,
        '{{channel}}',
      ),
    ],
  ),
  awaited(
    ...([BarGauge, 4, 'Open by topic', 'none'] as const),
    'Feedback nobody has answered, by topic.',
    [query(`sort_desc(sum by (topic) (callward_feedback_open{${S}}))`, '{{topic}}')],
  ),
  awaited(
    ...([TimeSeries, 5, 'Time to our first answer', 's'] as const),
    'Time within which 9 of 10 customers had an answer, by channel.',
    [
      query(
        `histogram_quantile(0.9, sum by (le, channel) (${rate('feedback_first_reply_seconds_bucket')})) >= 0`,
        '{{channel}}',
      ),
    ],
  ),
]

const nothingYet =
  'A panel whose figures nothing reports yet says so, and fills by itself once a source emits them: the names in docs/metrics.md are fixed.'

interface Awaited {
  readonly number: number
  readonly slug: string
  readonly title: string
  readonly question: string
  readonly from: string
  readonly refresh: string
  readonly panels: readonly Panel[]
  /** What of it is there already. */
  readonly note?: string
}

const specs: readonly Awaited[] = [
  {
    ...{ number: 3, slug: 'sip', title: 'Call quality', from: 'now-24h', refresh: '30s' },
    ...{ question: 'Do calls come through, and how do they sound?', panels: sip },
  },
  {
    ...{ number: 4, slug: 'trunks', title: 'Trunks, queues & dialler', from: 'now-6h' },
    ...{ question: 'Do lines and agents suffice?', refresh: '30s', panels: trunks },
  },
  {
    ...{ number: 9, slug: 'maintenance', title: 'Maintenance & notice', from: 'now-30d' },
    ...{ question: 'Is work announced in time, and done in time?', refresh: '5m' },
    panels: maintenance,
    note: 'Windows are those of approved change records (`callward change create`). Notices and results fill by themselves once the hub reports them.',
  },
  {
    ...{ number: 10, slug: 'feedback', title: 'Customer feedback', from: 'now-90d' },
    ...{ question: 'What do customers think of us?', refresh: '5m', panels: feedback },
  },
]

/** Call quality, trunks, maintenance, feedback: ready for sources to come. `hubUrl` is where people reach the console. */
export function awaitedBoards(hubUrl: string): readonly Board[] {
  return specs.map(({ number, slug, title, question, from, refresh, panels, note = nothingYet }) =>
    board({
      ...{ number, slug, title: `Callward / ${title}`, tags: [tag, slug] },
      ...{ description: question, from, refresh, variables: hostVariables(hubUrl, true) },
      ...{ annotations: overlays, links: headLinks },
      rows: [
        {
          panels: [
            new Text(90, 'What this board answers', `**${question}** ${note}`, {
              width: 24,
              height: 3,
            }),
            ...panels,
          ],
        },
      ],
    }),
  )
}
