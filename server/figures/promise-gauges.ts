import { Gauge, type Registry } from 'prom-client'
import { disruptedMillis } from '../../incidents/disruption.ts'
import type { Period } from '../../incidents/figures.ts'
import type { Recurrences } from '../../incidents/recurrence.ts'
import { type CountedWithState, toCounted } from './counted.ts'
import type { LevelCount } from './levels-store.ts'

/** Services that get series; the rest are counted in `callward_incident_services_omitted`. */
export const mostServices = 200

/** Whether services keep what was promised of them: time disrupted, service levels, causes that come again. */
export function promiseGauges(registry: Registry) {
  const registers = [registry]
  const gauge = (name: string, help: string, labelNames: string[]) =>
    new Gauge({ name, help, labelNames, registers })
  const disrupted = gauge(
    'callward_incident_disrupted_seconds',
    'Time of the last 30 days in which an incident of the service was not restored, by service; what overlaps counts once.',
    ['service'],
  )
  const levels = gauge(
    'callward_incident_service_levels_30d',
    'Service-level time limits of the incidents of 30 days, by service and outcome: met, missed.',
    ['service', 'outcome'],
  )
  const recurring = gauge(
    'callward_incident_recurring',
    'Incidents of 6 months with the same coded cause as another one of the service, by service and cause.',
    ['service', 'cause'],
  )
  const showBroken = (rows: readonly CountedWithState[], period: Period) => {
    disrupted.reset()
    const most = [...disruptedMillis(rows.map(toCounted), period)].sort(([, a], [, b]) => b - a)
    for (const [service, millis] of most.slice(0, mostServices))
      disrupted.set({ service }, millis / 1000)
  }
  const showLevels = (counts: readonly LevelCount[]) => {
    levels.reset()
    const services = new Set(counts.map(({ service }) => service))
    const shown = new Set([...services].slice(0, mostServices))
    for (const { service, outcome, count } of counts)
      if (shown.has(service)) levels.set({ service, outcome }, count)
  }
  const showRecurring = ({ groups }: Recurrences) => {
    recurring.reset()
    const most = [...groups].sort((a, b) => b.incidents.length - a.incidents.length)
    for (const { service, cause, incidents } of most.slice(0, mostServices))
      recurring.set({ service, cause }, incidents.length)
  }
  return { showBroken, showLevels, showRecurring }
}
