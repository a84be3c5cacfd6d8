import { join } from 'node:path'
import { type Metric, metric, type Roots, type Source, seen, unseen } from '../source.ts'
import type { Labels, Millis } from '../wire/frames.ts'
import { atMostEvery, listFolder, minute, readAttribute, readNumber } from './sysfs.ts'

interface Figure {
  readonly path: string
  readonly name: string
  readonly factor: number
  readonly labels: Labels
}

/**
 * /sys/class/thermal and the throttle counters of x86 CPUs: how hot, and whether the CPU slowed down for it. Names:
 * node_exporter `thermal_zone` and `cpu`. Throttles of single cores are read once a minute, those of packages in every tick.
 */
export function thermalSource(roots: Roots): Source {
  const cpus = join(roots.sys, 'devices/system/cpu')
  const zones = atMostEvery(minute, () => thermalFigures(join(roots.sys, 'class/thermal')))
  const throttles = atMostEvery(minute, () => throttleFigures(cpus))
  const coreThrottles = atMostEvery(minute, (now) => readFigures(throttles(now).cores))
  return {
    name: 'thermal',
    async read(now: Millis) {
      const { live, fixed } = zones(now)
      const { packages } = throttles(now)
      const parts = [readFigures(live), readFigures(packages), coreThrottles(now)]
      const metrics = [...parts.flatMap((part) => part.metrics), ...fixed]
      const faults = parts.flatMap((part) => part.faults)
      if (faults.length > 0)
        return { state: 'error', detail: faults.join('; ').slice(0, 300), metrics }
      if (metrics.length > 0) return seen(metrics)
      return unseen(
        'absent',
        'no thermal zone, cooling device or throttle counter; virtual machines have none',
      )
    },
  }
}

/** One sensor that fails does not take the others with it. */
function readFigures(figures: readonly Figure[]): { metrics: Metric[]; faults: string[] } {
  const metrics: Metric[] = []
  const faults: string[] = []
  for (const { path, name, factor, labels } of figures) {
    try {
      const value = readNumber(path)
      if (value !== undefined) metrics.push(metric(name, value * factor, labels))
    } catch (error) {
      faults.push(error instanceof Error ? error.message : String(error))
    }
  }
  return { metrics, faults }
}

function thermalFigures(folder: string): { live: Figure[]; fixed: Metric[] } {
  const live: Figure[] = []
  const fixed: Metric[] = []
  for (const entry of listFolder(folder, /^(thermal_zone|cooling_device)\d+$/)) {
    const place = join(folder, entry)
    const type = readAttribute(join(place, 'type')) ?? ''
    if (entry.startsWith('thermal_zone')) {
      const labels = { zone: entry.slice('thermal_zone'.length), type }
      live.push({
        path: join(place, 'temp'),
        name: 'node_thermal_zone_temp',
        factor: 0.001,
        labels,
      })
      continue
    }
    const labels = { name: entry.slice('cooling_device'.length), type }
    const most = readNumber(join(place, 'max_state'))
    if (most !== undefined) fixed.push(metric('node_cooling_device_max_state', most, labels))
    const name = 'node_cooling_device_cur_state'
    live.push({ path: join(place, 'cur_state'), name, factor: 1, labels })
  }
  return { live, fixed }
}

/** One file a core and one a package: sibling threads share them. */
function throttleFigures(folder: string): { packages: Figure[]; cores: Figure[] } {
  const packages = new Map<string, Figure>()
  const cores = new Map<string, Figure>()
  for (const cpu of listFolder(folder, /^cpu\d+$/)) {
    const place = join(folder, cpu)
    if (readAttribute(join(place, 'thermal_throttle/package_throttle_count')) === undefined)
      continue
    const of = readAttribute(join(place, 'topology/physical_package_id'))
    const core = readAttribute(join(place, 'topology/core_id'))
    if (of === undefined || core === undefined) continue
    add(packages, of, 'package', place, { package: of })
    add(cores, `${of} ${core}`, 'core', place, { core, package: of })
  }
  return { packages: [...packages.values()], cores: [...cores.values()] }
}

function add(
  figures: Map<string, Figure>,
  key: string,
  what: 'package' | 'core',
  place: string,
  labels: Labels,
): void {
  if (figures.has(key)) return
  const path = join(place, `thermal_throttle/${what}_throttle_count`)
  figures.set(key, { path, name: `node_cpu_${what}_throttles_total`, factor: 1, labels })
}
