import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Metric,
  metric,
  number,
  type Roots,
  readKernelFile,
  type Source,
  type SourceReading,
  seen,
  stateOfError,
  unseen,
} from '../source.ts'
import type { Process } from './process-table.ts'
import type { ServiceState, ServiceWatch } from './service-watch.ts'

/** Processes looked at in one tick; with more, each is looked at in turn. */
const looksLimit = 100

/** A limit is set at the start of a process and hardly ever changed: read again after this many looks. */
const limitLooks = 30

interface OpenFiles {
  readonly startTicks: number
  readonly open: number
  /** Undefined for a process without a limit. */
  readonly limit: number | undefined
  readonly looks: number
}

/**
 * Open files of each service, of its process that is nearest to its limit. Since Linux 6.2 the size of /proc/PID/fd is
 * the count and everybody may ask; before, only root and the same user may list the folder: denied.
 */
export function serviceFilesSource(
  roots: Roots,
  watch: ServiceWatch,
  count: (folder: string) => number = countOf,
): Source {
  let known = new Map<number, OpenFiles>()
  let tick = 0
  return {
    name: 'service_files',
    async read(now): Promise<SourceReading> {
      const running = watch.scan(now).services.filter(({ up }) => up)
      if (running.length === 0) return unseen('absent', 'no watched service runs here')
      tick++
      const total = running.reduce((sum, { processes }) => sum + processes.length, 0)
      const turns = Math.ceil(total / looksLimit)
      const kept = new Map<number, OpenFiles>()
      const metrics: Metric[] = []
      const refused = new Set<string>()
      const denied: string[] = []
      for (const service of running) {
        for (const process of service.processes) {
          const before = known.get(process.pid)
          const same = before?.startTicks === process.startTicks ? before : undefined
          const due = same === undefined || (process.pid + tick) % turns === 0
          const files = due ? look(roots, process, same, count) : same
          if (files === 'denied') refused.add(service.name)
          else if (files !== undefined) kept.set(process.pid, files)
        }
        const worst = nearestToLimit(service, kept)
        if (worst !== undefined) metrics.push(...fileMetrics(service.name, worst))
        else if (refused.has(service.name)) denied.push(service.name)
      }
      known = kept
      if (denied.length === 0) return seen(metrics)
      const detail = `no permission to count the open files of ${denied.join(', ')}; Linux 6.2 and newer tell everybody, older ones only root and the same user`
      return { state: 'denied', detail: detail.slice(0, 300), metrics }
    },
  }
}

function fileMetrics(service: string, { open, limit }: OpenFiles): Metric[] {
  const labels = { service }
  const metrics = [metric('callward_service_open_files', open, labels)]
  if (limit !== undefined) metrics.push(metric('callward_service_open_files_limit', limit, labels))
  return metrics
}

function nearestToLimit(
  { processes }: ServiceState,
  files: ReadonlyMap<number, OpenFiles>,
): OpenFiles | undefined {
  const share = ({ open, limit }: OpenFiles) =>
    limit === undefined ? 0 : limit === 0 ? 1 : open / limit
  const all = processes.flatMap(({ pid }) => files.get(pid) ?? [])
  return all.reduce<OpenFiles | undefined>(
    (worst, one) =>
      worst === undefined ||
      share(one) > share(worst) ||
      (share(one) === share(worst) && one.open > worst.open)
        ? one
        : worst,
    undefined,
  )
}

/** Undefined when the process has ended meanwhile. */
function look(
  roots: Roots,
  { pid, startTicks }: Process,
  before: OpenFiles | undefined,
  count: (folder: string) => number,
): OpenFiles | 'denied' | undefined {
  const folder = join(roots.proc, String(pid))
  try {
    const open = count(join(folder, 'fd'))
    const looks = (before?.looks ?? 0) + 1
    const again = before === undefined || looks % limitLooks === 0
    const limit = again ? openFilesLimit(readKernelFile(join(folder, 'limits'))) : before.limit
    return { startTicks, open, limit, looks }
  } catch (error) {
    const ended = error instanceof Error && 'code' in error && error.code === 'ESRCH'
    const state = stateOfError(error)
    if (ended || state === 'absent') return undefined
    if (state === 'denied') return state
    throw error
  }
}

function countOf(folder: string): number {
  const { size } = statSync(folder)
  return size > 0 ? size : readdirSync(folder).length
}

/** The soft limit in /proc/PID/limits (man 5 proc); undefined for `unlimited`. */
export function openFilesLimit(text: string): number | undefined {
  const soft = /^Max open files\s+(\S+)/m.exec(text)?.[1]
  return soft === 'unlimited' ? undefined : number(soft, 'Max open files')
}
