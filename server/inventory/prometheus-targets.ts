import type { ApiTarget } from '../promql/plugin.ts'
import type { Inventory } from './plugin.ts'

const health = new Map<0 | 1 | undefined, ApiTarget['health']>([
  [0, 'down'],
  [1, 'up'],
  [undefined, 'unknown'],
])

/** Collectors as Prometheus shows the targets it scrapes. */
export function prometheusTargets(inventory: Inventory): readonly ApiTarget[] {
  return inventory.hosts().map((host) => {
    const up = inventory.up(host)
    return {
      labels: Object.fromEntries(Object.entries(host.labels).filter(([, value]) => value !== '')),
      health: health.get(up) ?? 'unknown',
      lastReport: host.lastReportAt,
      lastError: up === 0 ? 'no report for three intervals' : '',
      intervalSeconds: host.intervalSeconds,
    }
  })
}
