import { type Board, board, type RowSpec } from './layer/board.ts'
import { StatusHistory } from './layer/distributions.ts'
import { badAbove, colours, noJudgement, words } from './layer/fields.ts'
import { query } from './layer/panel.ts'
import { BarGauge, Stat, StateTimeline, Text, TimeSeries } from './layer/panels.ts'
import { chosenHosts, hostNames } from './selectors.ts'
import { fleetLink, headLinks, hostVariables, overlays, seriesHost, tag } from './shared.ts'

const S = chosenHosts
const perBackup = `${hostNames}, backup`
const one = (metric: string) => `max by (${perBackup}) (${metric}{${S}})`
const named = '{{server}} {{backup}}'

/** Worst last, so that the highest number among a job's states is its state. */
const posture = `max by (${perBackup}) (0 * (callward_backup_posture{state="protected",${S}} == 1) or (callward_backup_posture{state="attention",${S}} == 1) or 2 * (callward_backup_posture{state="unknown",${S}} == 1) or 3 * (callward_backup_posture{state="unprotected",${S}} == 1))`
const age = `(time() - ${one('callward_backup_last_success_timestamp_seconds')})`

/** Jobs in a state; 0 only while there are jobs at all, so that a fleet without backups shows no healthy zero. */
const inState = (state: string) => `sum(callward_backup_posture{state="${state}",${S}})`

const numbers = [
  new Stat(1, 'Unprotected', {
    description:
      'Backup jobs that would not bring their data back within their limit: too old, missing, cut short, damaged, or failed in a drill.',
    width: 6,
    unit: 'none',
    noValue: 'no backups known',
    thresholds: badAbove({ bad: 1 }),
    links: [fleetLink],
    queries: [query(inState('unprotected'))],
  }),
  new Stat(2, 'Unknown', {
    description:
      'Backup jobs the collector cannot see now: a password, a permission, a disk that is not mounted. Not known is not protected.',
    width: 6,
    unit: 'none',
    noValue: 'no backups known',
    thresholds: badAbove({ attention: 1 }),
    links: [fleetLink],
    queries: [query(inState('unknown'))],
  }),
  new Stat(3, 'Attention', {
    description:
      'Backup jobs that are there, but not proven: no drill or verification in time, a missed run, an odd size, only a snapshot.',
    width: 6,
    unit: 'none',
    noValue: 'no backups known',
    thresholds: badAbove({ attention: 1 }),
    links: [fleetLink],
    queries: [query(inState('attention'))],
  }),
  new Stat(4, 'Drills failed or overdue', {
    description:
      'Backup jobs whose last restore drill failed, or that have had no drill within its period. Their runbooks are on the server’s page.',
    width: 6,
    unit: 'none',
    noValue: 'no drills known',
    thresholds: badAbove({ bad: 1 }),
    links: [fleetLink],
    queries: [
      query(
        `sum(clamp_max(max by (${perBackup}) (callward_restore_drill_overdue{${S}}) + (1 - max by (${perBackup}) (callward_restore_drill_ok{${S}}) or 0 * max by (${perBackup}) (callward_restore_drill_overdue{${S}})), 1))`,
      ),
    ],
  }),
]

const copies = [
  new StateTimeline(5, 'Posture', {
    description:
      'How far each backup can be relied on. protected: everything asked for was seen, in time, and was good. unknown: nobody could look.',
    width: 24,
    unit: 'none',
    thresholds: noJudgement(),
    links: [seriesHost],
    mappings: [
      words({
        '0': ['protected', colours.good],
        '1': ['attention', colours.attention],
        '2': ['unknown', colours.unknown],
        '3': ['unprotected', colours.bad],
      }),
    ],
    queries: [query(posture, named)],
  }),
  new BarGauge(6, 'Age of the newest backup, as a share of its limit', {
    description:
      'Age of the newest finished backup divided by the age from which it is too old. Orange from 80 %, red when it is too old.',
    width: 12,
    unit: 'percentunit',
    decimals: 0,
    min: 0,
    max: 1,
    thresholds: badAbove({ attention: 0.8, bad: 1 }),
    links: [seriesHost],
    queries: [query(`sort_desc(${age} / ${one('callward_backup_rpo_seconds')})`, named)],
  }),
  new TimeSeries(7, 'Size against the median', {
    description:
      'Newest backup divided by the median of those before. Below 0.5 something is probably left out; above 2 it may soon fill its disk.',
    width: 12,
    unit: 'percentunit',
    min: 0,
    links: [seriesHost],
    queries: [
      query(
        `${one('callward_backup_size_bytes')} / (${one('callward_backup_size_median_bytes')} > 0)`,
        named,
      ),
    ],
  }),
  new TimeSeries(8, 'Size', {
    description: 'Size of the newest finished backup: what it would restore, or of its file.',
    width: 12,
    unit: 'bytes',
    min: 0,
    links: [seriesHost],
    queries: [query(one('callward_backup_size_bytes'), named)],
  }),
  new TimeSeries(9, 'Duration of the backup', {
    description:
      'How long the newest backup took, where its tool tells. Growing: it may soon run into the day.',
    width: 12,
    unit: 's',
    min: 0,
    links: [seriesHost],
    queries: [query(one('callward_backup_duration_seconds'), named)],
  }),
]

const drills = [
  new BarGauge(10, 'Days since the last drill', {
    description:
      'Days since a restore drill of the backup came to a result. How often it should is set for each job; RestoreDrillOverdue tells when it is late.',
    width: 12,
    unit: 'd',
    decimals: 1,
    min: 0,
    links: [seriesHost],
    queries: [
      query(
        `sort_desc((time() - ${one('callward_restore_drill_timestamp_seconds')}) / 86400)`,
        named,
      ),
    ],
  }),
  new BarGauge(11, 'Restore time, as a share of its limit', {
    description:
      'Time of the last drill divided by the time a restore may take. Only a drill of the whole proves it. Red when it took too long.',
    width: 12,
    unit: 'percentunit',
    decimals: 0,
    min: 0,
    max: 1,
    thresholds: badAbove({ attention: 0.8, bad: 1 }),
    links: [seriesHost],
    queries: [
      query(
        `sort_desc(${one('callward_restore_drill_duration_seconds')} / (${one('callward_restore_drill_rto_seconds')} > 0))`,
        named,
      ),
    ],
  }),
  new TimeSeries(12, 'Restore time', {
    description:
      'How long restore drills took. A drill runs at the lowest priority: a busy server makes it slower than a real restore.',
    width: 12,
    unit: 's',
    min: 0,
    links: [seriesHost],
    queries: [query(one('callward_restore_drill_duration_seconds'), named)],
  }),
  new StatusHistory(13, 'Proof', {
    description:
      'Results of restore drills and of verifications of what is stored. A gap: there was none yet.',
    width: 12,
    unit: 'none',
    thresholds: noJudgement(),
    links: [seriesHost],
    mappings: [words({ '0': ['failed', colours.bad], '1': ['passed', colours.good] })],
    queries: [
      query(one('callward_restore_drill_ok'), `${named} drill`),
      query(one('callward_backup_verify_ok'), `${named} verified`),
    ],
  }),
]

const purpose = new Text(
  14,
  'What this board answers',
  '**Could we restore today?** For whoever answers for the data. A backup is protected only when it is young enough, complete, verified and restored in a drill in time; ' +
    'what could not be seen is unknown, never well. A snapshot is not a backup.',
  { width: 24, height: 3 },
)

/** Its panels; the board on InfluxDB takes them too. */
export const backupsRows: readonly RowSpec[] = [
  { panels: [...numbers, purpose] },
  { number: 80, title: 'Backups', panels: copies },
  { number: 81, title: 'Restore drills', folded: true, panels: drills },
]

/** "Could we restore today?" Posture, age, size and restore drills of every backup. `hubUrl` is where people reach the console. */
export function backupsBoard(hubUrl: string): Board {
  return board({
    number: 5,
    slug: 'backups',
    title: 'Callward / Backups & restore drills',
    description: 'Could we restore today? Posture, age, size and restore drills of every backup.',
    tags: [tag, 'backup'],
    from: 'now-14d',
    refresh: '5m',
    variables: hostVariables(hubUrl, true),
    annotations: overlays,
    links: headLinks,
    rows: backupsRows,
  })
}
