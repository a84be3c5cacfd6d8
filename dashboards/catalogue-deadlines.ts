import type { Metric } from './catalogue.ts'

const from = 'hub: deadlines'

/** Stored with the hub's own host labels, so that rules see them. */
export const deadlineMetrics: readonly Metric[] = [
  {
    name: 'callward_incident_deadlines_overdue',
    type: 'gauge',
    unit: '',
    labels: [],
    from,
    help: 'Time limits and actions of incidents that are over and not met; those of service level updates are not counted.',
  },
]

/** At the hub's own /metrics. */
export const deadlineOwnMetrics: readonly Metric[] = [
  {
    name: 'callward_incident_clock_remaining_seconds',
    type: 'gauge',
    unit: 'seconds',
    labels: ['clock', 'severity'],
    from,
    help: 'Time left on the clock that ends soonest, by clock and severity; below zero it is breached.',
  },
  {
    name: 'callward_incident_clocks_at_risk_total',
    type: 'counter',
    unit: '',
    labels: ['clock'],
    from,
    help: 'Time limits of incidents that came near their end, by clock.',
  },
  {
    name: 'callward_incident_clocks_breached_total',
    type: 'counter',
    unit: '',
    labels: ['clock'],
    from,
    help: 'Time limits of incidents that were over before they were met, by clock; actions as action.',
  },
]
