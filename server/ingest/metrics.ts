import { Counter, Gauge, type Registry } from 'prom-client'

/** Counters of everything that comes in, and of everything refused. */
export type IngestMetrics = ReturnType<typeof ingestMetrics>

export function ingestMetrics(
  registry: Registry,
  sessions: () => number,
  waiting: () => number = () => 0,
) {
  const registers = [registry]
  new Gauge({
    name: 'callward_ingest_sessions',
    help: 'Collector sessions open now.',
    registers,
    collect() {
      this.set(sessions())
    },
  })
  new Gauge({
    name: 'callward_ingest_sessions_waiting',
    help: 'Collectors that have said hello and wait for their turn, because many come at once.',
    registers,
    collect() {
      this.set(waiting())
    },
  })
  const reports = new Counter({
    name: 'callward_ingest_reports_total',
    help: 'Reports taken in, by lane.',
    labelNames: ['lane'],
    registers,
  })
  return {
    samples: new Counter({
      name: 'callward_ingest_samples_total',
      help: 'Samples taken in.',
      registers,
    }),
    reports: { live: reports.labels('live'), backlog: reports.labels('backlog') },
    repeated: new Counter({
      name: 'callward_ingest_repeated_total',
      help: 'Reports sent again that were already in.',
      registers,
    }),
    gaps: new Counter({
      name: 'callward_ingest_gap_reports_total',
      help: 'Reports missing between sequences.',
      registers,
    }),
    late: new Counter({
      name: 'callward_ingest_late_samples_total',
      help: 'Samples stored late; they never page.',
      registers,
    }),
    corrected: new Counter({
      name: 'callward_ingest_clock_corrected_total',
      help: 'Reports whose times were corrected by the measured clock offset.',
      registers,
    }),
    rejected: new Counter({
      name: 'callward_ingest_rejected_total',
      help: 'Frames and sessions refused, by reason.',
      labelNames: ['reason'],
      registers,
    }),
  }
}
