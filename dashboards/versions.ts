import { type Board, board } from './layer/board.ts'
import { Histogram } from './layer/distributions.ts'
import { badAbove, noJudgement } from './layer/fields.ts'
import { query } from './layer/panel.ts'
import { Stat, Text, TimeSeries } from './layer/panels.ts'
import { label, Table, value } from './layer/table.ts'
import { chosenHosts, hostNames } from './selectors.ts'
import {
  consolePages,
  fleetLink,
  headLinks,
  hostVariables,
  overlays,
  rowHost,
  rowServer,
  seriesHost,
  seriesServer,
  tag,
} from './shared.ts'

const S = chosenHosts
const findings = (kinds: string) =>
  `sum by (${hostNames}) (callward_drift_findings{kind=~"${kinds}",${S}})`
const unapproved = `sum by (${hostNames}) (callward_unapproved_changes{${S}})`
const differing = 'drift|missing|forbidden'

const numbers = [
  new Stat(1, 'Servers that differ', {
    description:
      'Servers that run something other than the approved baseline of their role says. The table names them. "no data": no baselines are set up.',
    width: 6,
    unit: 'none',
    thresholds: badAbove({ attention: 1 }),
    links: [consolePages.overview],
    queries: [query(`sum((${findings(differing)}) > bool 0)`)],
  }),
  new Stat(2, 'Changes without a record', {
    description:
      'Version changes that no approved change record covers and nobody has linked to one. Any has to be explained. "no data": no collector has told its versions.',
    width: 6,
    unit: 'none',
    thresholds: badAbove({ attention: 1 }),
    links: [consolePages.alerts],
    queries: [query(`sum(callward_unapproved_changes{${S}})`)],
  }),
  new Stat(3, 'Servers not judged', {
    description:
      'Servers of which some version cannot be judged: no baseline for the role, or the collector cannot see it. What is not known is not in order.',
    width: 6,
    unit: 'none',
    thresholds: badAbove({ attention: 1 }),
    links: [consolePages.overview],
    queries: [query(`sum((${findings('unknown')}) > bool 0)`)],
  }),
  new Stat(4, 'Baselines in force', {
    description:
      'Versions of baselines that judge a server now, and how many servers each judges. Two of one role at once cannot be.',
    width: 6,
    unit: 'none',
    thresholds: noJudgement(),
    named: true,
    links: [consolePages.overview],
    queries: [
      query(`count by (role, version) (callward_baseline_info{${S}})`, '{{role}} {{version}}'),
    ],
  }),
]

const servers = [
  new Table(5, 'Servers, the most findings first', {
    description:
      'Findings of each server against its baseline, and changes nobody approved. A server’s page in the console names each one. An empty cell: not judged by a baseline.',
    width: 24,
    height: 10,
    sortBy: 'Changes without record',
    links: [consolePages.overview],
    columns: [
      label('customer', 'Customer'),
      label('site', 'Site'),
      label('server', 'Server', { links: [rowServer, rowHost] }),
      label('role', 'Role'),
      value('Changes without record', 'none', unapproved, {
        thresholds: badAbove({ attention: 1 }),
        width: 190,
      }),
      value('Other version', 'none', findings('drift'), { thresholds: badAbove({ attention: 1 }) }),
      value('Missing', 'none', findings('missing'), { thresholds: badAbove({ attention: 1 }) }),
      value('Forbidden', 'none', findings('forbidden'), { thresholds: badAbove({ attention: 1 }) }),
      value('Not known', 'none', findings('unknown'), { thresholds: badAbove({ attention: 1 }) }),
      label('instance', 'Instance', { links: [rowHost] }),
      label('simulated', 'Simulated'),
    ],
  }),
  new TimeSeries(6, 'Findings against the baseline', {
    description:
      'Findings of each server over time. A step on one server: it was changed. A step on all of a role: the baseline has a new version, or was not raised with a release.',
    width: 12,
    unit: 'none',
    decimals: 0,
    min: 0,
    thresholds: badAbove({ attention: 1 }),
    links: [seriesServer, seriesHost],
    queries: [query(findings(differing), '{{customer}} {{server}}')],
  }),
  new TimeSeries(7, 'Changes without a record, over time', {
    description:
      'Open version changes of each server. It goes down only when a person links a change record to one.',
    width: 12,
    unit: 'none',
    decimals: 0,
    min: 0,
    thresholds: badAbove({ attention: 1 }),
    links: [seriesServer, seriesHost],
    queries: [query(unapproved, '{{customer}} {{server}}')],
  }),
  new Histogram(9, 'Servers by security updates waiting', {
    description:
      'How many servers wait for how many security updates. A bar far to the right: servers that nobody updates any more.',
    width: 24,
    unit: 'none',
    decimals: 0,
    min: 0,
    links: [fleetLink],
    queries: [
      query(
        `max by (${hostNames}) (callward_software_updates_pending{security="true",${S}})`,
        '{{customer}} {{server}}',
      ),
    ],
  }),
]

const purpose = new Text(
  8,
  'What this board answers',
  '**Does every server run what was approved, and who changed what?** For who answers for changes. Baselines and change records are explained in docs/changes.md; ' +
    'a server’s page in the console names each finding. Grey means unknown, never in order.',
  { width: 24, height: 3 },
)

/** "Does every server run what was approved?" Drift, and changes without a record. `hubUrl` is where people reach the console. */
export function versionsBoard(hubUrl: string): Board {
  return board({
    number: 6,
    slug: 'versions',
    title: 'Callward / Versions and changes',
    description: 'Does every server run what was approved, and what changed without a record?',
    tags: [tag, 'host'],
    from: 'now-30d',
    refresh: '5m',
    variables: hostVariables(hubUrl, true),
    annotations: overlays,
    links: headLinks,
    rows: [{ panels: [...numbers, ...servers, purpose] }],
  })
}
