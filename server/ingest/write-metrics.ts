import { Counter, type Registry } from 'prom-client'

/** A way to write samples that is not the session. */
export type WriteProtocol = 'remote_write' | 'influx' | 'otlp'

export type WriteMetrics = ReturnType<typeof writeMetrics>

/** Counters of the write routes. */
export function writeMetrics(registry: Registry) {
  const registers = [registry]
  return {
    samples: new Counter({
      name: 'callward_ingest_write_samples_total',
      help: 'Samples made durable by remote write, Influx lines and OTLP, by protocol.',
      labelNames: ['protocol'],
      registers,
    }),
    rejected: new Counter({
      name: 'callward_ingest_write_rejected_total',
      help: 'What write requests brought and was not stored, by protocol and reason: whole requests, or the samples, data points, lines, text fields, histograms, exemplars and metadata left out of a good one.',
      labelNames: ['protocol', 'reason'],
      registers,
    }),
  }
}
