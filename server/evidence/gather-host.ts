import type { FastifyInstance } from 'fastify'
import type { FrozenBackup, FrozenHost, Part } from '../../incidents/evidence.ts'
import type { Millis } from '../clock.ts'
import type { SeriesSamples } from '../store/reader.ts'
import { frozen, type Grid } from './frozen-series.ts'

/** Series frozen of a host, by name in this order; at most `mostPerName` of each. Published in docs/incidents.md. */
export const frozenNames = [
  ...['callward_collector_up', 'node_load1', 'node_load5', 'node_memory_MemAvailable_bytes'],
  ...['node_memory_MemTotal_bytes', 'node_memory_SwapFree_bytes', 'node_filesystem_avail_bytes'],
  ...['node_filesystem_size_bytes', 'node_filesystem_files_free', 'node_filesystem_files'],
  ...['node_filesystem_readonly', 'callward_service_up', 'callward_trunk_up', 'probe_success'],
  ...['callward_calls_attempted_total', 'callward_calls_failed_total'],
  ...['callward_calls_abandoned_total', 'callward_certificate_not_after_timestamp_seconds'],
  ...['node_cpu_seconds_total', 'node_disk_io_time_seconds_total', 'node_md_disks'],
  ...['callward_disk_health_passed', 'node_network_up', 'node_network_receive_errs_total'],
  ...['node_network_transmit_errs_total', 'node_network_receive_bytes_total'],
  ...['node_network_transmit_bytes_total', 'callward_clock_offset_seconds'],
  ...['callward_drift_findings', 'callward_unapproved_changes'],
] as const
const mostPerName = 12
const mostSeries = 120
const mostSamples = 400_000
const beforeMillis = 3_600_000
const stepMillis = 60_000
/** A freeze of a fault that began long ago still looks back no further than this. */
const longestMillis = 6 * 3_600_000
const changesMillis = 72 * 3_600_000
const mostChanges = 20
const mostFindings = 100

export interface Moment {
  readonly at: Millis
  readonly faultAt: Millis
}

/** What the hub knows of a host at a moment. What cannot be had says why; only the store's trouble is thrown, when `isStrict`. */
export async function gatherHost(
  app: FastifyInstance,
  instance: string,
  moment: Moment,
  isStrict: boolean,
): Promise<FrozenHost> {
  const labels = (app.inventory.host(instance)?.labels ?? {}) as Readonly<Record<string, string>>
  const part = <T>(work: () => Promise<Part<T>>) => partOf(work, isStrict)
  return {
    instance,
    labels,
    metrics: await part(() => metricsOf(app, instance, moment)),
    versions: await part(() => versionsOf(app, instance, moment)),
    drift: await part(() => driftOf(app, instance)),
    backups: await part(() => backupsOf(app, instance, moment)),
    changes: await part(async () => ({
      state: 'ok',
      records: await app.changes.recordsNear(
        { ...labels, instance },
        moment.at - changesMillis,
        moment.at,
        mostChanges,
      ),
    })),
  }
}

/** A part, or why it could not be had; thrown instead when there is still time to try again. */
export async function partOf<T>(work: () => Promise<Part<T>>, isStrict: boolean): Promise<Part<T>> {
  try {
    return await work()
  } catch (error) {
    if (isStrict) throw error
    return { state: 'error', reason: error instanceof Error ? error.message : String(error) }
  }
}

function gridOf({ at, faultAt }: Moment): Grid {
  const start = Math.max(faultAt - beforeMillis, at - longestMillis)
  const from = Math.floor(start / stepMillis) * stepMillis
  return { from, stepMillis, steps: Math.floor((at - from) / stepMillis) + 1 }
}

async function metricsOf(
  app: FastifyInstance,
  instance: string,
  moment: Moment,
): Promise<FrozenHost['metrics']> {
  const grid = gridOf(moment)
  const found = await app.store.select(
    [
      { name: 'instance', op: '=', value: instance },
      { name: '__name__', op: '=~', value: frozenNames.join('|') },
    ],
    grid.from,
    moment.at,
    { maxSeries: 2000, maxSamples: mostSamples },
  )
  if (found.length === 0)
    return { state: 'absent', reason: 'no series of this host around the fault' }
  const chosen = chosenSeries(found)
  return {
    ...{ state: 'ok', from: grid.from, stepMillis },
    series: chosen.map((series) => frozen(series, grid)),
    omitted: found.length - chosen.length,
  }
}

/** The same ones each time: by the published order of names, then by labels. */
export function chosenSeries(found: readonly SeriesSamples[]): SeriesSamples[] {
  const byName = new Map<string, { key: string; series: SeriesSamples }[]>()
  for (const series of found) {
    const name = series.labels['__name__'] ?? ''
    const key = JSON.stringify(Object.entries(series.labels).sort())
    byName.set(name, [...(byName.get(name) ?? []), { key, series }])
  }
  return frozenNames
    .flatMap((name) =>
      (byName.get(name) ?? [])
        .sort((a, b) => (a.key < b.key ? -1 : 1))
        .slice(0, mostPerName)
        .map(({ series }) => series),
    )
    .slice(0, mostSeries)
}

async function versionsOf(
  app: FastifyInstance,
  instance: string,
  { at }: Moment,
): Promise<FrozenHost['versions']> {
  const [packages, software, changes] = await Promise.all([
    app.inventory.document(instance, 'packages', at),
    app.inventory.document(instance, 'software', at),
    app.changes.seenSince(instance, at - changesMillis, mostChanges),
  ])
  if (packages === undefined && software === undefined)
    return { state: 'absent', reason: 'the host told no versions' }
  return {
    state: 'ok',
    packagesHash: packages?.hash ?? null,
    softwareHash: software?.hash ?? null,
    changes: changes.map(({ items, ...rest }) => ({
      ...rest,
      items: items.slice(0, 20).map(({ kind, subject, from, to }) => ({ kind, subject, from, to })),
    })),
  }
}

async function driftOf(app: FastifyInstance, instance: string): Promise<FrozenHost['drift']> {
  const findings = await app.baselines.findingsOf(instance)
  if (findings === undefined) return { state: 'absent', reason: 'no baseline judges this host' }
  const shown = findings.slice(0, mostFindings)
  return { state: 'ok', findings: shown, omitted: findings.length - shown.length }
}

async function backupsOf(
  app: FastifyInstance,
  instance: string,
  { at }: Moment,
): Promise<FrozenHost['backups']> {
  const document = await app.inventory.document(instance, 'backups', at)
  if (document === undefined) return { state: 'absent', reason: 'the host told of no backups' }
  return backupsIn(document.text)
}

/** Reads the collector's document `backups`, whatever it holds. */
export function backupsIn(text: string): FrozenHost['backups'] {
  const read = JSON.parse(text) as { posture?: unknown; jobs?: unknown }
  if (typeof read?.posture !== 'string' || !Array.isArray(read.jobs))
    return { state: 'error', reason: 'the document "backups" has another form' }
  const jobs = read.jobs.slice(0, 50).flatMap((job: unknown): FrozenBackup[] => {
    const { name, posture, reasons, lastSuccessAt } = (job ?? {}) as Record<string, unknown>
    if (typeof name !== 'string' || typeof posture !== 'string') return []
    const texts = (Array.isArray(reasons) ? reasons : []).map((one) => String(one?.text ?? ''))
    const last = typeof lastSuccessAt === 'string' ? lastSuccessAt : null
    return [{ name, posture, reasons: texts.slice(0, 10), lastSuccessAt: last }]
  })
  return { state: 'ok', posture: read.posture, jobs }
}
