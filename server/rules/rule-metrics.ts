import { Counter, Gauge, type Registry } from 'prom-client'
import type { Labels } from '../../alerts/alert.ts'
import type { VectorElement } from '../../alerts/state.ts'
import { type StoreRoom, storeFigures } from './hub-series.ts'

/** Figures of the rules, for /metrics and for the hub's own rules. */
export interface RuleMetrics {
  missed(count: number): void
  refusedHost(): void
  lateChange(): void
  lostChange(): void
  storeFailed(): void
  heldByTraffic(): void
  /** The figures the hub's own rules watch, as series. */
  series(hubLabels: Readonly<Record<string, string>>): VectorElement[]
}

/** What can be counted only when asked. */
export interface RuleGauges {
  faults(): number
  failing(): number
  waiting(): number
  store(): StoreRoom
  /** Figures of other capabilities that the hub's own rules watch. */
  others(): readonly (readonly [name: string, value: number, labels: Labels])[]
}

/** Registers the metrics. */
export function ruleMetrics(registry: Registry, gauges: RuleGauges): RuleMetrics {
  const totals = { missed: 0, lost: 0, refused: 0 }
  const registers = [registry]
  const missed = new Counter({
    name: 'callward_rule_evaluations_missed_total',
    help: 'Turns of rule groups that were not taken in time.',
    registers,
  })
  const refused = new Counter({
    name: 'callward_rule_hosts_refused_total',
    help: 'Evaluations of one host refused because too many hosts wait.',
    registers,
  })
  const late = new Counter({
    name: 'callward_alert_changes_late_total',
    help: 'Changes of alerts the records got only after a retry.',
    registers,
  })
  const lost = new Counter({
    name: 'callward_alert_changes_lost_total',
    help: 'Changes of alerts given up because too many waited.',
    registers,
  })
  const store = new Counter({
    name: 'callward_rule_store_failures_total',
    help: 'Evaluations whose series could not be stored.',
    registers,
  })
  const held = new Counter({
    name: 'callward_rule_results_held_total',
    help: 'Results of rules left out at an evaluation because the traffic was below minimum_traffic.',
    registers,
  })
  const gauge = (name: string, help: string, value: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value())
      },
    })
  gauge('callward_rule_file_faults', 'Faults in the rule files.', gauges.faults)
  gauge('callward_rules_failing', 'Rules whose newest evaluation failed.', gauges.failing)
  gauge(
    'callward_alert_changes_waiting',
    'Changes of alerts the records do not hold yet.',
    gauges.waiting,
  )
  storeGauges(registers, gauges)
  return {
    missed(count) {
      totals.missed += count
      missed.inc(count)
    },
    refusedHost() {
      totals.refused++
      refused.inc()
    },
    lateChange: () => late.inc(),
    lostChange() {
      totals.lost++
      lost.inc()
    },
    storeFailed: () => store.inc(),
    heldByTraffic: () => held.inc(),
    series(hubLabels) {
      const sample = (name: string, value: number, labels: Labels = {}) => ({
        labels: { ...hubLabels, ...labels, __name__: name },
        value,
      })
      return [
        sample('callward_rule_file_faults', gauges.faults()),
        sample('callward_rules_failing', gauges.failing()),
        sample('callward_alert_changes_waiting', gauges.waiting()),
        sample('callward_rule_evaluations_missed_total', totals.missed),
        sample('callward_alert_changes_lost_total', totals.lost),
        ...gauges.others().map(([name, value, labels]) => sample(name, value, labels)),
        ...storeFigures(gauges.store()).map(([name, value, labels]) => ({
          labels: { ...hubLabels, ...labels, __name__: name },
          value,
        })),
      ]
    },
  }
}

/** The figures of the store's disk at /metrics; those nobody knows are left out. */
function storeGauges(registers: Registry[], gauges: RuleGauges): void {
  const describe = (name: string, help: string, labelNames: readonly string[] = []) =>
    new Gauge({
      name,
      help,
      labelNames,
      registers,
      collect() {
        this.reset()
        for (const [figure, value, labels] of storeFigures(gauges.store()))
          if (figure === name && !Number.isNaN(value)) this.set(labels, value)
      },
    })
  const reason = ['reason']
  describe(
    'callward_hub_store_refusing',
    '1 while the store refuses samples for this reason.',
    reason,
  )
  describe('callward_hub_store_free_bytes', 'Free on the disk of the store.')
  describe('callward_hub_store_reserve_bytes', 'Free space below which samples are refused.')
}
