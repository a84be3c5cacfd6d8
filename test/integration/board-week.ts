import type { SentEntries } from '../../server/store/spool/sealed-units.ts'
import { catalogued } from '../unit/dashboards/queries.ts'

/**
 * A week of what a hub stores, for the queries of the boards: counters with resets, gauges with gaps, hosts that come, fall silent
 * and go, versions that change. Samples stand 3 s off every step, two minutes apart. The first and the last six hours are without gaps
 * and resets; the first lie one week before the last.
 */
const hour = 3600_000
const day = 24 * hour
const calmMillis = 6 * hour
const offGridMillis = 3000

export const scrapeSeconds = 120
export const weekStart = Date.UTC(2026, 5, 1)
export const weekEnd = weekStart + 7 * day + calmMillis
export const calmStart = weekEnd - calmMillis
/** In the middle of the days that are not calm: one host is silent, one has not come yet. */
export const troubled = weekStart + 3 * day + 12 * hour

const rounds = (weekEnd - weekStart) / (scrapeSeconds * 1000)
const everyScrape: readonly number[] = Array.from(
  { length: rounds },
  (_, round) => weekStart + round * scrapeSeconds * 1000 + offGridMillis,
)

type Labels = Readonly<Record<string, string>>
type Span = readonly [from: number, until: number]

interface Host {
  readonly labels: Labels
  readonly alive: readonly Span[]
  /** Its counters begin at nothing here. */
  readonly restarts: readonly number[]
}

const always: Span = [0, Number.POSITIVE_INFINITY]

function host(
  customer: string,
  site: string,
  server: string,
  role: string,
  alive: readonly Span[],
  restarts: readonly number[],
): Host {
  const env = 'production'
  const instance = `${customer}-${server}`
  const labels = { job: 'callward', instance, customer, site, server, role, env }
  return { labels, alive, restarts: restarts.map((millis) => weekStart + millis) }
}

const silence = [weekStart + 3 * day + 8 * hour, weekStart + 3 * day + 20 * hour] as const
const arrival = weekStart + 4 * day
const departure = weekStart + 5 * day + 7 * hour

const restarting = host('bank-a', 'hall', 'pbx-1', 'pbx', [always], [2 * day + 3.3 * hour])
const falling = host(
  ...(['bank-a', 'hall', 'sbc-1', 'sbc'] as const),
  [
    [0, silence[0]],
    [silence[1], always[1]],
  ],
  [silence[1] - weekStart, 5 * day],
)
const coming = host('bank-b', 'vault', 'rec-1', 'recorder', [[arrival, always[1]]], [])
const going = host('bank-b', 'tower', 'pbx-1', 'pbx', [[0, departure]], [1.5 * day])
const hosts: readonly Host[] = [restarting, falling, coming, going]

/** The hub's own figures name no host; it was started again twice. */
const hub: Host = {
  labels: { job: 'callward', instance: 'hub' },
  alive: [always],
  restarts: [weekStart + 1.2 * day, weekStart + 4.7 * day],
}

const upgrade = weekStart + 3.5 * day

/** Values of labels that tell a metric's series of one host apart; of one metric alone where it is named. */
const variants: Readonly<Record<string, readonly string[]>> = {
  cpu: ['0', '1'],
  mode: ['idle', 'user'],
  fstype: ['ext4'],
  mountpoint: ['/', '/var/spool/recordings'],
  state: ['ok', 'absent', 'denied', 'error'],
  'callward_backup_posture state': ['protected', 'attention', 'unprotected', 'unknown'],
  'callward_dialler_agents state': ['ready', 'talking'],
  'callward_pages state': ['waiting', 'acknowledged'],
  version: ['0.1.0', '0.2.0'],
  security: ['true', 'false'],
  quantile: ['0.5', '0.9'],
  target: ['acknowledge', 'restore'],
  code: ['200', '486', '503'],
  outcome: ['ok', 'failed'],
  result: ['abandoned', 'connected', 'delivered'],
  score: ['2', '5'],
  kind: ['drift', 'missing', 'forbidden', 'unknown'],
  'callward_notice_lead_seconds kind': ['planned'],
  le: ['0.1', '3.6', '259200', '+Inf'],
}

/** A number from 0 to 1 that is always the same for a text (FNV-1a). */
function chanceOf(text: string): number {
  let hash = 2166136261
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 16777619)
  return (hash >>> 0) / 2 ** 32
}

/** Short numbers, so that every engine keeps them as they are. */
const exact = (value: number) =>
  Math.abs(value) > 1e6 ? Math.round(value) : Math.round(value * 1024) / 1024

type ValueAt = (time: number) => number

/** Hours spread over a day that goes up and down, so that rates move slowly. */
function counter(chance: number, restarts: readonly number[]): ValueAt {
  const pace = 0.05 + 2 * chance
  const total: ValueAt = (time) => {
    const seconds = (time - weekStart) / 1000
    return pace * (seconds + 9000 * (1 + Math.sin(seconds / 14_000 + 6 * chance)))
  }
  return (time) => {
    const since = restarts.findLast((restart) => restart <= time)
    return total(time) - (since === undefined ? 0 : total(since))
  }
}

const oneOf = (values: readonly string[], own: string | undefined, chance: number): ValueAt => {
  return (time) => {
    const turn = Math.floor((time - weekStart) / (9 * hour) + values.length * chance)
    return Number(values[turn % values.length] === own)
  }
}

const yesOrNo = (chance: number): ValueAt => {
  return (time) => Number(Math.sin((time - weekStart) / (5 * hour) + 7 * chance) > -0.6)
}

/** What gauges of some kind hold; the first that fits. */
const gauges: readonly (readonly [
  RegExp,
  (labels: Labels, chance: number, host: Host) => ValueAt,
])[] = [
  [/_info$/, () => () => 1],
  [
    /_(section_state|backup_posture)$/,
    ({ __name__: name, state, ...rest }, _, { labels }) => {
      const values = variants[`${name} state`] ?? variants['state']!
      const own = rest['section'] ?? rest['backup'] ?? ''
      return oneOf(values, state, chanceOf(`${labels['instance']} ${own}`))
    },
  ],
  [/maintenance_start_timestamp/, (_, chance) => () => weekEnd / 1000 + 1e5 * (1 + chance)],
  [/not_after_timestamp/, (_, chance) => () => weekEnd / 1000 + Math.round(1e7 * chance)],
  [/(boot|start)_time_seconds$/, (_, chance) => () => weekStart / 1000 - Math.round(1e7 * chance)],
  [
    /_timestamp_seconds$/,
    (_, chance) => (time) =>
      weekStart / 1000 +
      43_200 * Math.floor((time - weekStart) / (12 * hour)) -
      Math.round(900 * chance),
  ],
  [/_size_bytes$|MemTotal/, (_, chance) => () => 1e11 + Math.round(1e9 * chance)],
  [
    /filesystem_avail_bytes$/,
    ({ mountpoint }, chance) =>
      (time) =>
        6e10 - 1e9 * chance - ((mountpoint === '/' ? 2 : 60) * (time - weekStart)) / 1000,
  ],
  [
    /_(up|ok|passed|synchronised|required|overdue|active|current|uncovered|degraded|outdated)$/,
    (_, chance) => yesOrNo(chance),
  ],
]

function gauge(labels: Labels, chance: number, host: Host): ValueAt {
  const kind = gauges.find(([pattern]) => pattern.test(labels['__name__'] ?? ''))
  if (kind !== undefined) return kind[1](labels, chance, host)
  return (time) => 1 + chance + 0.5 * Math.sin((time - weekStart) / (3 * hour) + 9 * chance)
}

/** When reports of a host, or values of a gauge, are missing: some minutes now and then, never in the calm hours. */
function gapsOf(key: string): readonly Span[] {
  const gaps: Span[] = []
  for (let block = weekStart + calmMillis; block < calmStart - hour; block += 4 * hour) {
    if (chanceOf(`${key} misses ${block}`) > 0.25) continue
    const from = block + chanceOf(`${key} begins ${block}`) * 3 * hour
    gaps.push([from, from + chanceOf(`${key} lasts ${block}`) * 20 * 60_000])
  }
  return gaps
}

const within =
  (spans: readonly Span[]) =>
  (time: number): boolean =>
    spans.some(([from, until]) => time >= from && time < until)

/** Gaps, resets, beginnings and ends of counters. */
const disturbances: readonly Span[] = [hub, ...hosts].flatMap(({ labels, alive, restarts }) => {
  const ends = alive.flat().filter((time) => time > weekStart && Number.isFinite(time))
  const moments = [...restarts, ...ends].map((time): Span => [time, time])
  return [...moments, ...gapsOf(labels['instance'] ?? '')]
})

/** Whether no counter has a gap, a reset, a beginning or an end from `from` to `until`. */
export function quiet(from: number, until: number): boolean {
  return from >= weekStart && !disturbances.some(([begin, end]) => begin <= until && end >= from)
}

function entries(
  labels: Labels,
  there: (time: number) => boolean,
  valueAt: ValueAt,
  scrapes: readonly number[],
): SentEntries {
  const times: number[] = []
  const values: number[] = []
  for (const time of scrapes) {
    if (!there(time)) continue
    times.push(time)
    values.push(exact(valueAt(time)))
  }
  const staleTimes = new Float64Array(0)
  return { labels, times: Float64Array.from(times), values: Float64Array.from(values), staleTimes }
}

/** A bucket counts what is in those below it too. */
const bucketShare: Readonly<Record<string, number>> = { '0.1': 0.2, '3.6': 0.7, '259200': 0.9 }

function seriesOf(name: string, from: Host, scrapes: readonly number[]): SentEntries[] {
  const metric = catalogued(name)
  if (metric === undefined) throw new Error(`${name} is not in the catalogue`)
  let sets: Labels[] = [{}]
  for (const label of [...metric.labels, ...(name.endsWith('_bucket') ? ['le'] : [])]) {
    const values = variants[`${metric.name} ${label}`] ?? variants[label] ?? [`a-${label}`]
    sets = sets.flatMap((set) => values.map((value) => ({ ...set, [label]: value })))
  }
  return sets.map((set) => {
    const labels = { __name__: name, ...from.labels, ...set }
    const { le, ...apart } = set
    const chance = chanceOf(JSON.stringify([metric.name, from.labels['instance'], apart]))
    const counts = metric.type !== 'gauge'
    const share = bucketShare[le ?? ''] ?? 1
    const count = counter(chance, from.restarts)
    const valueAt = counts ? (time: number) => share * count(time) : gauge(labels, chance, from)
    const alive = within(from.alive)
    const gaps = [from.labels['instance'] ?? '', ...(counts ? [] : [JSON.stringify(labels)])]
    const missed = within(gaps.flatMap(gapsOf))
    const { version } = set
    return entries(
      labels,
      (time) =>
        alive(time) &&
        !missed(time) &&
        (version === undefined || (version === '0.1.0') === time < upgrade),
      valueAt,
      scrapes,
    )
  })
}

/** Series that do not follow from the catalogue: a host's presence, alerts and incidents over spans of time. */
const told: ReadonlySet<string> = new Set([
  'ALERTS',
  'ALERTS_FOR_STATE',
  'callward_collector_up',
  'callward_collector_last_report_timestamp_seconds',
  'callward_incident_open',
])

function presence(from: Host, scrapes: readonly number[]): SentEntries[] {
  const heard = within(from.alive)
  const known = (time: number) => time >= (from.alive[0]?.[0] ?? 0)
  let last = weekStart
  return [
    entries(
      { __name__: 'callward_collector_up', ...from.labels },
      known,
      (time) => Number(heard(time)),
      scrapes,
    ),
    entries(
      { __name__: 'callward_collector_last_report_timestamp_seconds', ...from.labels },
      known,
      (time) => {
        if (heard(time)) last = time
        return last / 1000
      },
      scrapes,
    ),
  ]
}

function alertSeries(
  labels: Labels,
  alertname: string,
  severity: string,
  spans: readonly Span[],
  scrapes: readonly number[],
): SentEntries[] {
  const base = { ...labels, alertname, severity }
  const since: ValueAt = (time) => (spans.findLast(([from]) => from <= time)?.[0] ?? 0) / 1000
  return [
    entries({ __name__: 'ALERTS', ...base, alertstate: 'firing' }, within(spans), () => 1, scrapes),
    entries({ __name__: 'ALERTS_FOR_STATE', ...base }, within(spans), since, scrapes),
  ]
}

function alertsAndIncidents(scrapes: readonly number[]): SentEntries[] {
  const [one, two, three] = [restarting.labels, falling.labels, coming.labels]
  const flaps = Array.from({ length: 12 }, (_, turn): Span => {
    const from = weekStart + day + turn * 5 * hour
    return [from, from + (turn + 1) * 7 * 60_000]
  })
  const open: Span = [calmStart - 2 * hour, always[1]]
  const incident = { __name__: 'callward_incident_open', ...two, incident: '7', severity: 'sev2' }
  return [
    ...alertSeries(one, 'CpuBusy', 'warning', [...flaps, open], scrapes),
    ...alertSeries(one, 'HostRestarted', 'info', [open], scrapes),
    ...alertSeries(
      two,
      'HostSilent',
      'critical',
      [silence, [calmStart - hour, always[1]]],
      scrapes,
    ),
    ...alertSeries(three, 'BackupLate', 'warning', [[arrival + hour, arrival + 9 * hour]], scrapes),
    ...alertSeries({}, 'SitesDark', 'critical', [open], scrapes),
    entries({ ...incident, title: 'Calls drop' }, within([silence, open]), () => 1, scrapes),
  ]
}

/** The series of the week for these metrics of the catalogue, with the alerts and incidents; `scrapes` in milliseconds, oldest first. */
export function boardWeek(
  names: Iterable<string>,
  scrapes: readonly number[] = everyScrape,
): readonly SentEntries[] {
  const catalogue = [...names].filter((name) => !told.has(name))
  const own = catalogue.filter((name) => catalogued(name)?.own === true)
  const ofHosts = catalogue.filter((name) => catalogued(name)?.own !== true)
  return [
    ...own.flatMap((name) => seriesOf(name, hub, scrapes)),
    ...hosts.flatMap((from) => [
      ...ofHosts.flatMap((name) => seriesOf(name, from, scrapes)),
      ...presence(from, scrapes),
    ]),
    ...alertsAndIncidents(scrapes),
  ].filter(({ times }) => times.length > 0)
}
