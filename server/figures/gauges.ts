import { Gauge, type Registry } from 'prom-client'
import { type ServiceFigures, type Spread, serviceFigures } from '../../incidents/figures.ts'
import { monthsBefore, recurrences } from '../../incidents/recurrence.ts'
import type { Clock } from '../clock.ts'
import type { Records } from '../records/records.ts'
import { toCaused, toCounted } from './counted.ts'
import { countedBetween } from './counted-store.ts'
import { levelCounts } from './levels-store.ts'
import { mostServices, promiseGauges } from './promise-gauges.ts'

const windowMillis = 30 * 86_400_000
const targets = { acknowledgeMillis: 15 * 60_000, restoreMillis: 240 * 60_000 }

/** Figures of the last 30 days at /metrics, as of the last `look`. `serviceLevels` names their regime. */
export function figureGauges(
  registry: Registry,
  clock: Clock,
  records: Records,
  serviceLevels: () => string,
) {
  const registers = [registry]
  const gauge = (name: string, help: string, labelNames: string[]) =>
    new Gauge({ name, help, labelNames, registers })
  const count = gauge(
    'callward_incident_count_30d',
    'Incidents of the last 30 days, by service; cancelled and merged ones are not counted.',
    ['service'],
  )
  const acknowledge = gauge(
    'callward_incident_acknowledge_seconds',
    'Time from detection to acknowledgement over 30 days, by service: quantile 0.5 and 0.9.',
    ['service', 'quantile'],
  )
  const restore = gauge(
    'callward_incident_restore_seconds',
    'Time from detection to recovery over 30 days, by service: quantile 0.5 and 0.9.',
    ['service', 'quantile'],
  )
  const within = gauge(
    'callward_incident_within_target_ratio',
    'Share of the incidents of 30 days within the target (15 minutes to acknowledge, 4 hours to restore), by service.',
    ['service', 'target'],
  )
  const failedCalls = gauge(
    'callward_incident_failed_calls_ratio',
    'Share of the calls that failed, over the incidents of 30 days that say it, by service.',
    ['service'],
  )
  const omitted = gauge(
    'callward_incident_services_omitted',
    `Services with incidents beyond the ${mostServices} that have figures.`,
    [],
  )

  const spread = (of: Gauge, target: string, service: string, figures: Spread) => {
    if (figures.medianMillis !== undefined)
      of.set({ service, quantile: '0.5' }, figures.medianMillis / 1000)
    if (figures.p90Millis !== undefined)
      of.set({ service, quantile: '0.9' }, figures.p90Millis / 1000)
    if (figures.withinTargetShare !== undefined)
      within.set({ service, target }, figures.withinTargetShare)
  }
  const show = (figures: readonly ServiceFigures[]) => {
    for (const one of [count, acknowledge, restore, within, failedCalls]) one.reset()
    const shown = [...figures].sort((a, b) => b.incidents - a.incidents).slice(0, mostServices)
    for (const { service, incidents, toAcknowledge, toRestore, failedCallShare } of shown) {
      count.set({ service }, incidents)
      spread(acknowledge, 'acknowledge', service, toAcknowledge)
      spread(restore, 'restore', service, toRestore)
      if (failedCallShare !== undefined) failedCalls.set({ service }, failedCallShare)
    }
    omitted.set(figures.length - shown.length)
  }
  const { showBroken, showLevels, showRecurring } = promiseGauges(registry)
  return {
    /** `long`: what needs the incidents of 6 months, too. */
    async look(long: boolean): Promise<void> {
      const to = clock.now() + 1
      const period = { from: to - windowMillis, to }
      const rows = await countedBetween(records.read, period.from, to)
      show(serviceFigures(rows.map(toCounted), period, targets))
      showLevels(await levelCounts(records.read, serviceLevels(), period))
      if (!long) return
      // What began before and lasted into the period belongs to it too; causes are compared over 6 months.
      const all = await countedBetween(records.read, monthsBefore(to, 6), to)
      showBroken(all, period)
      showRecurring(recurrences(all.map(toCaused), to))
    },
  }
}
