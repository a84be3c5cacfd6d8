import { Counter, Gauge, type Registry } from 'prom-client'

/** Why posted alerts were not taken. */
export type PostRefusal = 'faulty' | 'too many active' | 'records behind'

export interface AlertmanagerMetrics {
  posted(count: number): void
  refused(reason: PostRefusal, count: number): void
  truncated(count: number): void
  /** Refused for want of room since the start. */
  readonly refusedTotal: number
}

/** Registers what is counted of posted alerts. */
export function alertmanagerMetrics(
  registry: Registry,
  {
    active,
    activeMax,
    withoutSeries,
  }: { active: () => number; activeMax: number; withoutSeries: () => number },
): AlertmanagerMetrics {
  const registers = [registry]
  const posted = new Counter({
    name: 'callward_external_alerts_posted_total',
    help: 'Alerts that others posted, repeats included.',
    registers,
  })
  const refused = new Counter({
    name: 'callward_external_alerts_refused_total',
    help: 'Posted alerts that were not taken, by reason: faulty, too many active, records behind.',
    labelNames: ['reason'],
    registers,
  })
  const truncated = new Counter({
    name: 'callward_external_alerts_truncated_total',
    help: 'Alerts that a webhook said it left out of its deliveries.',
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
  gauge('callward_external_alerts', 'Posted alerts that are active.', active)
  gauge(
    'callward_external_alerts_limit',
    'Posted alerts that may be active at once.',
    () => activeMax,
  )
  gauge(
    'callward_external_alerts_without_series',
    'Posted alerts that are active and stand in no ALERTS series: too many at once, or too many new ones in an hour.',
    withoutSeries,
  )
  let total = 0
  return {
    posted: (count) => posted.inc(count),
    refused(reason, count) {
      refused.labels(reason).inc(count)
      if (reason === 'too many active') total += count
    },
    truncated: (count) => truncated.inc(count),
    get refusedTotal() {
      return total
    },
  }
}
