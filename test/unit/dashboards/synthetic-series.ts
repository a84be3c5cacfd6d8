import { catalogued } from './queries.ts'

/** A host of the made-up fleet: one well, one with a warning, one critical, one silent since ten minutes. */
export interface MadeHost {
  readonly customer: string
  readonly site: string
  readonly server: string
  readonly role: string
  readonly state: 'ok' | 'attention' | 'critical' | 'silent'
}

export const madeHosts: readonly MadeHost[] = [
  { customer: 'bank-a', site: 'hall', server: 'pbx-1', role: 'pbx', state: 'ok' },
  { customer: 'bank-a', site: 'hall', server: 'sbc-1', role: 'sbc', state: 'attention' },
  { customer: 'bank-a', site: 'vault', server: 'rec-1', role: 'recorder', state: 'critical' },
  { customer: 'bank-b', site: 'tower', server: 'pbx-1', role: 'pbx', state: 'silent' },
]

const silentMillis = 10 * 60_000

/** Values of labels that tell a metric's series of one host apart; of one metric alone where it is named. */
const variants: Readonly<Record<string, readonly string[]>> = {
  cpu: ['0', '1'],
  mode: ['idle', 'user', 'system', 'iowait'],
  device: ['eth0'],
  fstype: ['ext4'],
  mountpoint: ['/', '/var/spool/recordings'],
  state: ['ok', 'absent', 'denied', 'error'],
  'callward_backup_posture state': ['protected', 'attention', 'unprotected', 'unknown'],
  section: ['cpu', 'memory', 'pressure'],
  version: ['0.1.0'],
  os: ['Debian 12'],
  security: ['true', 'false'],
  'callward_notice_lead_seconds kind': ['planned'],
  quantile: ['0.5', '0.9'],
  target: ['acknowledge', 'restore'],
  policy: ['telephony', 'recorders'],
  'callward_page_escalations_30d kind': ['step', 'catch-all'],
  'callward_incident_service_levels_30d outcome': ['met', 'missed'],
  cause: ['system_failure/hardware_capacity'],
  code: ['200', '486', '503'],
  outcome: ['ok', 'failed'],
  result: ['abandoned', 'connected', 'delivered'],
  score: ['2', '5'],
  le: ['0.1', '3.6', '259200', '+Inf'],
  kind: ['drift', 'missing', 'forbidden', 'unknown'],
}

interface Series {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  value(at: number): number
  readonly until?: number
}

/**
 * OpenMetrics text with the series a hub would hold: every metric in `names`, of every made-up host, from `start` to
 * `end` (milliseconds) a minute apart, and alerts and an incident of theirs. One alert names no host.
 */
export function syntheticSeries(names: ReadonlySet<string>, start: number, end: number): string {
  const all = [...names].flatMap((name) =>
    special.has(name) ? [] : madeHosts.flatMap((host) => hostSeries(name, host, end)),
  )
  const lines: string[] = []
  for (const series of [
    ...all,
    ...madeHosts.flatMap((host) => hubSeries(host, end)),
    ...loneSeries(),
  ]) {
    const labels = Object.entries(series.labels).map(([name, value]) => `${name}="${value}"`)
    for (let at = start; at <= (series.until ?? end); at += 60_000) {
      lines.push(`${series.name}{${labels.join(',')}} ${series.value(at - start)} ${at / 1000}`)
    }
  }
  return `${lines.join('\n')}\n# EOF\n`
}

const special = new Set([
  'ALERTS',
  'ALERTS_FOR_STATE',
  'callward_collector_up',
  'callward_collector_last_report_timestamp_seconds',
  'callward_incident_open',
])

function hostLabels(host: MadeHost): Record<string, string> {
  const { customer, site, server, role } = host
  return {
    job: 'callward',
    instance: `${customer}-${server}`,
    customer,
    site,
    server,
    role,
    env: 'production',
  }
}

function hostSeries(name: string, host: MadeHost, end: number): Series[] {
  const metric = catalogued(name)
  if (metric === undefined) throw new Error(`${name} is not in the catalogue`)
  let sets: Record<string, string>[] = [{}]
  const parts = name.endsWith('_bucket') ? ['le'] : []
  for (const label of [...metric.labels, ...parts]) {
    const values = variants[`${metric.name} ${label}`] ?? variants[label] ?? [`a-${label}`]
    sets = sets.flatMap((set) => values.map((value) => ({ ...set, [label]: value })))
  }
  return sets.map((labels, index) => ({
    name,
    labels: { ...hostLabels(host), ...labels },
    value: figure(name, metric.type !== 'gauge', labels, index, host),
    ...(host.state === 'silent' ? { until: end - silentMillis } : {}),
  }))
}

function figure(
  name: string,
  counts: boolean,
  labels: Readonly<Record<string, string>>,
  index: number,
  host: MadeHost,
): (sinceStart: number) => number {
  if (name === 'callward_section_state') {
    const present = host.state === 'critical' && labels.section === 'pressure' ? 'denied' : 'ok'
    return () => (labels.state === present ? 1 : 0)
  }
  if (name === 'callward_backup_posture')
    return () =>
      labels.state === (host.state === 'critical' ? 'unprotected' : 'protected') ? 1 : 0
  if (name === 'callward_maintenance_start_timestamp_seconds') return () => 4e9
  if (name === 'node_boot_time_seconds') return () => 1_700_000_000
  if (name === 'node_filesystem_avail_bytes')
    return (since) => 40e9 - (labels.mountpoint === '/' ? 0 : 1e3 * since)
  if (name === 'node_memory_MemAvailable_bytes') return (since) => 3e9 + 1e9 * Math.sin(since / 2e6)
  if (/_(size|MemTotal)_?bytes$/.test(name)) return () => (name.includes('size') ? 100e9 : 8e9)
  if (name === 'callward_clock_offset_seconds') return (since) => 0.004 * Math.sin(since / 1e6)
  if (name.endsWith('_info')) return () => 1
  if (labels.mode === 'idle')
    return (since) => since / 1000 - 0.2 * (since / 1000 + 300 * Math.sin(since / 1e6))
  if (counts) return (since) => ((0.02 + 0.01 * index) * since) / 1000
  return (since) => 1 + 0.5 * Math.sin(since / 1e6)
}

function hubSeries(host: MadeHost, end: number): Series[] {
  const labels = hostLabels(host)
  const silentSince = end - silentMillis
  const silent = host.state === 'silent'
  const alert = (alertname: string, severity: string): Series[] => [
    {
      name: 'ALERTS',
      labels: { ...labels, alertname, alertstate: 'firing', severity },
      value: () => 1,
    },
    {
      name: 'ALERTS_FOR_STATE',
      labels: { ...labels, alertname, severity },
      // It went an hour ago and came again.
      value: (since) => (since < 3600_000 ? silentSince - 7200_000 : silentSince) / 1000,
    },
  ]
  const incident = { ...labels, incident: '7', severity: 'sev2', title: 'Recordings stopped' }
  return [
    {
      name: 'callward_collector_up',
      labels,
      value: (since) => (silent && since > 2 * 3600_000 - silentMillis ? 0 : 1),
    },
    {
      name: 'callward_collector_last_report_timestamp_seconds',
      labels,
      value: () => (silent ? silentSince : end - 5000) / 1000,
    },
    ...(host.state === 'attention'
      ? [...alert('CpuBusy', 'warning'), ...alert('HostRestarted', 'info')]
      : []),
    ...(host.state === 'critical'
      ? [
          ...alert('OutOfMemoryKill', 'critical'),
          { name: 'callward_incident_open', labels: incident, value: () => 1 },
        ]
      : []),
  ]
}

/** An alert of the hub over all hosts. */
function loneSeries(): Series[] {
  return [
    {
      name: 'ALERTS',
      labels: { alertname: 'SitesDark', alertstate: 'firing', severity: 'critical' },
      value: () => 1,
    },
  ]
}
