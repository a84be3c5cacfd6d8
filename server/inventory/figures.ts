import type { FastifyInstance } from 'fastify'
import type { Clock } from '../clock.ts'

/** The few numbers a host's card shows; null where there is no fresh data, never 0. */
export interface Figures {
  readonly cpuUsedRatio: number | null
  readonly load1: number | null
  readonly memoryUsedRatio: number | null
  readonly fullestFilesystemRatio: number | null
  readonly uptimeSeconds: number | null
  readonly clockOffsetSeconds: number | null
}

const queries: Record<keyof Figures, string> = {
  // A share of the counted time, so that a window with few reports errs in both terms alike.
  cpuUsedRatio:
    '1 - sum by (instance) (rate(node_cpu_seconds_total{mode="idle"}[1m])) / sum by (instance) (rate(node_cpu_seconds_total[1m]))',
  load1: 'max by (instance) (node_load1)',
  memoryUsedRatio:
    'max by (instance) (1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)',
  // Used of what users may fill, as df counts it.
  fullestFilesystemRatio:
    'max by (instance) (1 - node_filesystem_avail_bytes{fstype!~"tmpfs|overlay|squashfs|iso9660"} / (node_filesystem_size_bytes - node_filesystem_free_bytes + node_filesystem_avail_bytes))',
  uptimeSeconds: 'max by (instance) (node_time_seconds - node_boot_time_seconds)',
  clockOffsetSeconds: 'max by (instance) (callward_clock_offset_seconds)',
}

const none: Figures = {
  cpuUsedRatio: null,
  load1: null,
  memoryUsedRatio: null,
  fullestFilesystemRatio: null,
  uptimeSeconds: null,
  clockOffsetSeconds: null,
}

const cacheMillis = 1000

/** Reads the figures of every host by PromQL, at most once a second. */
export function figuresReader(
  app: FastifyInstance,
  clock: Clock,
): (instance: string) => Promise<Figures> {
  let cached: Promise<Map<string, Figures>> | undefined
  let readAt = Number.NEGATIVE_INFINITY
  return async (instance) => {
    if (cached === undefined || clock.monotonic() - readAt > cacheMillis) {
      readAt = clock.monotonic()
      cached = readAll(app, clock.now())
    }
    return (await cached).get(instance) ?? none
  }
}

async function readAll(app: FastifyInstance, now: number): Promise<Map<string, Figures>> {
  const hosts = new Map<string, Record<string, number | null>>()
  await Promise.all(
    Object.entries(queries).map(async ([key, query]) => {
      for (const { labels, value } of await instantVector(app, query, now)) {
        const instance = labels['instance'] ?? ''
        const figures = hosts.get(instance) ?? { ...none }
        figures[key] = Number.isFinite(value) ? value : null
        hosts.set(instance, figures)
      }
    }),
  )
  return hosts as unknown as Map<string, Figures>
}

async function instantVector(app: FastifyInstance, query: string, now: number) {
  const { value } = await app.promql.instant(query, now)
  if (value.kind !== 'vector') throw new Error(`BUG: ${query} gave a ${value.kind}`)
  return value.samples
}
