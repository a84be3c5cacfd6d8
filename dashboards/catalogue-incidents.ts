import type { Metric } from './catalogue.ts'

/** Stored with the hub's own host labels, so that rules see them. */
export const incidentMetrics: readonly Metric[] = [
  {
    ...{ name: 'callward_incident_recurrence_overdue_seconds', type: 'gauge', unit: 'seconds' },
    ...{ labels: [], from: 'hub: figures' },
    help: 'How long ago the oldest month ended whose recurring incidents nobody has judged.',
  },
  {
    ...{ name: 'callward_incident_webhook_waiting_seconds', type: 'gauge', unit: 'seconds' },
    ...{ labels: [], from: 'hub: webhooks' },
    help: 'Age of the oldest message about an incident that another system has not taken.',
  },
  {
    ...{ name: 'callward_incident_notices_undelivered', type: 'gauge', unit: '' },
    ...{ labels: [], from: 'hub: communication' },
    help: 'Receivers to whom a notice of an incident did not come: they wait for 15 minutes, or it was refused or given up in the last day.',
  },
]

const own = (
  name: string,
  type: 'gauge' | 'counter',
  unit: string,
  labels: readonly string[],
  part: string,
  help: string,
): Metric => ({ name, type, unit, labels, from: `hub: ${part}`, help, own: true })

/** At /metrics. */
export const incidentOwnMetrics: readonly Metric[] = [
  own(
    'callward_incident_count_30d',
    'gauge',
    '',
    ['service'],
    'figures',
    'Incidents of the last 30 days, by service (200 at most); cancelled and merged ones are not counted.',
  ),
  own(
    'callward_incident_acknowledge_seconds',
    'gauge',
    'seconds',
    ['service', 'quantile'],
    'figures',
    'Time from detection to acknowledgement over 30 days: quantile 0.5 and 0.9.',
  ),
  own(
    'callward_incident_restore_seconds',
    'gauge',
    'seconds',
    ['service', 'quantile'],
    'figures',
    'Time from detection to recovery over 30 days: quantile 0.5 and 0.9.',
  ),
  own(
    'callward_incident_within_target_ratio',
    'gauge',
    'ratio',
    ['service', 'target'],
    'figures',
    'Share of the incidents of 30 days within the target: 15 minutes to acknowledge, 4 hours to restore.',
  ),
  own(
    'callward_incident_failed_calls_ratio',
    'gauge',
    'ratio',
    ['service'],
    'figures',
    'Share of the calls that failed, over the incidents of 30 days that say it.',
  ),
  own(
    'callward_incident_disrupted_seconds',
    'gauge',
    'seconds',
    ['service'],
    'figures',
    'Time of the last 30 days in which an incident of the service was not restored; what overlaps counts once. Read every 10 minutes.',
  ),
  own(
    'callward_incident_service_levels_30d',
    'gauge',
    '',
    ['service', 'outcome'],
    'figures',
    'Service-level time limits of the incidents of 30 days, by outcome: met, missed (met late, or over).',
  ),
  own(
    'callward_incident_recurring',
    'gauge',
    '',
    ['service', 'cause'],
    'figures',
    'Incidents of 6 months with the same coded cause as another one of the service (200 groups at most). Read every 10 minutes.',
  ),
  own(
    'callward_incident_services_omitted',
    'gauge',
    '',
    [],
    'figures',
    'Services with incidents beyond the 200 that have figures.',
  ),
  own(
    'callward_incident_webhook_messages_total',
    'counter',
    '',
    ['webhook', 'state'],
    'webhooks',
    'Messages about incidents to other systems that ended: sent or given up.',
  ),
  own(
    'callward_incident_webhook_waiting',
    'gauge',
    '',
    ['webhook'],
    'webhooks',
    'Messages about incidents that a webhook has not taken yet.',
  ),
]
