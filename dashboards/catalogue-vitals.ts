import type { Metric } from './catalogue.ts'

const gauge = (name: string, unit: string, part: string, help: string): Metric => ({
  ...{ name, type: 'gauge', unit, labels: [], help },
  from: `hub: ${part}`,
})

/** Stored with the hub's own host labels, so that rules see them. */
export const vitalMetrics: readonly Metric[] = [
  gauge(
    'callward_rules_behind_seconds',
    'seconds',
    'rules',
    'How far the rule group that is furthest behind is behind its rhythm.',
  ),
  gauge(
    'callward_obligations_worker_silent_seconds',
    'seconds',
    'obligations',
    'How long ago the worker of obligations last could look at its table; it looks every five seconds.',
  ),
  gauge(
    'callward_records_refusing_seconds',
    'seconds',
    'heartbeat',
    'How long trial writes of the records have not succeeded; 0 when the newest did.',
  ),
  gauge(
    'callward_event_loop_stall_seconds',
    'seconds',
    'heartbeat',
    'The longest time within the last minute that the hub did one thing and answered nobody.',
  ),
  gauge(
    'callward_heartbeat_refusals',
    '',
    'heartbeat',
    'Words outward in a row that were not taken; 0 without an address.',
  ),
  gauge('callward_canary_flying', '', 'canary', '1 while a test alert is under way.'),
  gauge(
    'callward_canary_failed',
    '',
    'canary',
    '1 when the newest test alert did not pass every stage.',
  ),
  gauge(
    'callward_canary_late_seconds',
    'seconds',
    'canary',
    'How late the daily test alert is; 0 when none is due.',
  ),
]

/** At /metrics. */
export const vitalOwnMetrics: readonly Metric[] = [
  {
    name: 'callward_heartbeats_total',
    type: 'counter',
    unit: '',
    labels: ['outcome'],
    from: 'hub: heartbeat',
    help: 'Words outward by outcome: taken, refused, withheld (the hub was not well), told-unwell.',
  },
  {
    name: 'callward_canary_seconds',
    type: 'gauge',
    unit: 'seconds',
    labels: ['stage'],
    from: 'hub: canary',
    help: 'How long each stage of the newest canary took; absent where it was not passed.',
  },
  {
    name: 'callward_rule_results_held_total',
    type: 'counter',
    unit: '',
    labels: [],
    from: 'hub: rules',
    help: 'Results of rules left out at an evaluation because the traffic was below minimum_traffic.',
  },
]
