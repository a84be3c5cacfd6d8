import type { Metric } from './catalogue.ts'

function gauge(name: string, labels: readonly string[], help: string, unit = ''): Metric {
  return { name, type: 'gauge', unit, labels, from: 'hub: oncall', help }
}

/** Stored with the hub's own host labels, by schedule and never by person, so that rules can watch who is on call. */
export const oncallMetrics: readonly Metric[] = [
  gauge(
    'callward_oncall_current',
    ['schedule'],
    'People on call now whose account is in force, by schedule.',
  ),
  gauge(
    'callward_oncall_uncovered',
    ['schedule'],
    '1 while nobody is on call and the schedule does not mean it so, else 0.',
  ),
  gauge(
    'callward_oncall_shift_unready',
    ['schedule', 'reason'],
    'Shifts and gaps of the next 14 days that would not reach anybody, or where it is not known, by reason.',
  ),
  gauge(
    'callward_oncall_proof_timestamp_seconds',
    [],
    'When the coming shifts were last proven, once a night.',
    'seconds',
  ),
]

/** At /metrics. */
export const oncallOwnMetrics: readonly Metric[] = [
  {
    name: 'callward_oncall_rounds_failed_total',
    type: 'counter',
    unit: '',
    labels: [],
    from: 'hub: oncall',
    help: 'Rounds in which on-call duty could not be looked at.',
    own: true,
  },
]
