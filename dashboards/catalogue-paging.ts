import type { Metric } from './catalogue.ts'

const from = (part: string) => `hub: ${part}`

/** Stored with the hub's own host labels, so that rules see them. */
export const pagingMetrics: readonly Metric[] = [
  {
    name: 'callward_obligations_lost',
    type: 'gauge',
    unit: '',
    labels: [],
    from: from('obligations'),
    help: 'Subjects that were owed something nothing remembered, found in the last hour or not mended yet; must be 0.',
  },
  {
    name: 'callward_obligations_overdue_seconds',
    type: 'gauge',
    unit: 'seconds',
    labels: [],
    from: from('obligations'),
    help: 'Age of the oldest obligation that is due and not met; 0 when none is due.',
  },
  {
    name: 'callward_pages_shouting',
    type: 'gauge',
    unit: '',
    labels: [],
    from: from('paging'),
    help: 'Pages whose escalation policy is over and that nobody has taken.',
  },
  {
    name: 'callward_routing_file_faulty',
    type: 'gauge',
    unit: '',
    labels: [],
    from: from('routing'),
    help: '1 while the routing file has faults and the routing of before holds.',
  },
  {
    name: 'callward_routing_bypassed',
    type: 'gauge',
    unit: '',
    labels: [],
    from: from('routing'),
    help: '1 for ten minutes after routing failed; critical alerts paged without it.',
  },
]

/** At /metrics. */
export const pagingOwnMetrics: readonly Metric[] = [
  {
    name: 'callward_obligations_waiting',
    type: 'gauge',
    unit: '',
    labels: ['kind'],
    from: from('obligations'),
    help: 'Obligations that are not met yet, by kind.',
  },
  {
    name: 'callward_obligations_performed_total',
    type: 'counter',
    unit: '',
    labels: ['kind', 'outcome'],
    from: from('obligations'),
    help: 'Attempts to meet an obligation, by kind and outcome: done, again (owed anew later), failed (tried again).',
  },
  {
    name: 'callward_obligations_late_seconds',
    type: 'histogram',
    unit: 'seconds',
    labels: ['kind'],
    from: from('obligations'),
    help: 'From when an obligation was due until an attempt began.',
  },
  {
    name: 'callward_pages',
    type: 'gauge',
    unit: '',
    labels: ['state'],
    from: from('paging'),
    help: 'Pages that are not closed, by state: open (nobody has taken it), acknowledged.',
  },
  {
    name: 'callward_page_attempts_total',
    type: 'counter',
    unit: '',
    labels: ['channel', 'outcome'],
    from: from('paging'),
    help: 'Attempts to tell somebody of a page, by channel and outcome.',
  },
  {
    name: 'callward_notice_attempts_total',
    type: 'counter',
    unit: '',
    labels: ['channel', 'outcome'],
    from: from('communication'),
    help: 'Attempts to bring a notice of an incident to a receiver, by channel and outcome.',
  },
  {
    name: 'callward_incident_updates_overdue',
    type: 'gauge',
    unit: '',
    labels: [],
    from: from('communication'),
    help: 'Incidents whose promised update has not been sent in time.',
  },
  {
    name: 'callward_assignments_waiting',
    type: 'gauge',
    unit: '',
    labels: [],
    from: from('dispatch'),
    help: 'Technicians who were asked to take an incident and have not answered.',
  },
  {
    name: 'callward_routing_decisions_total',
    type: 'counter',
    unit: '',
    labels: ['kind'],
    from: from('routing'),
    help: 'Decisions of routing: notify (a receiver is told), hold (somebody is not, and why), what became of silences.',
  },
  {
    name: 'callward_routing_faults_total',
    type: 'counter',
    unit: '',
    labels: [],
    from: from('routing'),
    help: 'Times routing failed; critical alerts paged without it.',
  },
  {
    name: 'callward_silences',
    type: 'gauge',
    unit: '',
    labels: [],
    from: from('routing'),
    help: 'Silences that have not ended.',
  },
]
