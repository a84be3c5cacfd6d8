import type { Metric } from './catalogue.ts'

const from = 'hub: alertmanager'

/** Stored with the hub's own host labels, so that rules see them. */
export const alertmanagerMetrics: readonly Metric[] = [
  {
    name: 'callward_external_alerts',
    type: 'gauge',
    unit: '',
    labels: [],
    from,
    help: 'Posted alerts that are active.',
  },
  {
    name: 'callward_external_alerts_limit',
    type: 'gauge',
    unit: '',
    labels: [],
    from,
    help: 'Posted alerts that may be active at once.',
  },
]

/** At /metrics. */
export const alertmanagerOwnMetrics: readonly Metric[] = [
  {
    name: 'callward_external_alerts_posted_total',
    type: 'counter',
    unit: '',
    labels: [],
    from,
    help: 'Alerts that others posted, repeats included.',
  },
  {
    name: 'callward_external_alerts_refused_total',
    type: 'counter',
    unit: '',
    labels: ['reason'],
    from,
    help: 'Posted alerts that were not taken, by reason: faulty, too many active, records behind.',
  },
  {
    name: 'callward_external_alerts_truncated_total',
    type: 'counter',
    unit: '',
    labels: [],
    from,
    help: 'Alerts that a webhook said it left out of its deliveries.',
  },
  {
    name: 'callward_external_alerts_without_series',
    type: 'gauge',
    unit: '',
    labels: [],
    from,
    help: 'Posted alerts that are active and stand in no ALERTS series: too many at once, or too many new ones in an hour.',
  },
]
