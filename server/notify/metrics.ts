import { Counter, Gauge, Histogram, type Registry } from 'prom-client'

export type NotifyMetrics = ReturnType<typeof notifyMetrics>

/** Registers what sending counts. */
export function notifyMetrics(
  registry: Registry,
  now: {
    readonly points: () => Readonly<Record<string, number>>
    readonly logDropped: () => number
  },
) {
  const registers = [registry]
  new Gauge({
    name: 'callward_contact_points',
    help: 'Contact points, by state: tested, untested, disabled, or unreadable with the hub’s key.',
    labelNames: ['state'],
    registers,
    collect() {
      for (const [state, count] of Object.entries(now.points())) this.labels(state).set(count)
    },
  })
  new Counter({
    name: 'callward_notify_log_dropped_total',
    help: 'Attempts to send that could not be written down because the records did not keep up.',
    registers,
    collect() {
      this.reset()
      this.inc(now.logDropped())
    },
  })
  return {
    attempts: new Counter({
      name: 'callward_notify_attempts_total',
      help: 'Attempts to send a message, by channel and outcome.',
      labelNames: ['channel', 'outcome'],
      registers,
    }),
    duration: new Histogram({
      name: 'callward_notify_duration_seconds',
      help: 'Time an attempt to send took, waiting for its turn included, by channel.',
      labelNames: ['channel'],
      buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20],
      registers,
    }),
    templateFaults: new Counter({
      name: 'callward_notify_template_faults_total',
      help: 'Own templates that failed while a message was made; the default text was sent.',
      registers,
    }),
  }
}
