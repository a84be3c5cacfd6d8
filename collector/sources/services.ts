import { type Metric, metric, type Source, type SourceReading, seen, unseen } from '../source.ts'
import type { ServiceState, ServiceWatch } from './service-watch.ts'

/**
 * Named services by their processes: whether they run, since when, what they use. A configured service that is not
 * there is down, never absent; one of the known services is watched from when it is first seen, or when systemd
 * starts it at boot. Where /proc hides processes, nothing is said about services no unit vouches for.
 */
export function servicesSource(watch: ServiceWatch, pageBytes: number): Source {
  return {
    name: 'services',
    async read(now): Promise<SourceReading> {
      const { services, unknown, hidden } = watch.scan(now)
      const metrics = services.flatMap((one) => serviceMetrics(one, pageBytes))
      const unclear = [...unknown, ...services.flatMap((one) => (one.detailed ? [] : [one.name]))]
      if (hidden) {
        const which = unclear.length === 0 ? 'all services' : unclear.join(', ')
        const detail = `/proc hides the processes of other users (hidepid), which leaves ${which} unclear; mount /proc with gid= of a group the collector's user is in`
        return { state: 'denied', detail: detail.slice(0, 300), metrics }
      }
      if (services.length > 0) return seen(metrics)
      return unseen('absent', 'no service is configured and none of the known ones runs here')
    },
  }
}

function serviceMetrics(one: ServiceState, pageBytes: number): Metric[] {
  const labels = { service: one.name }
  const of = (name: string, value: number) => metric(`callward_service_${name}`, value, labels)
  const metrics = [of('up', one.up ? 1 : 0)]
  if (!one.detailed) return metrics
  metrics.push(
    of('restarts_total', one.restarts),
    of('cpu_seconds_total', one.cpuSeconds),
    of('processes', one.processes.length),
  )
  if (!one.up) return metrics
  metrics.push(
    of('threads', one.threads),
    of('resident_memory_bytes', one.residentPages * pageBytes),
  )
  if (one.startedAtSeconds !== undefined)
    metrics.push(of('start_timestamp_seconds', one.startedAtSeconds))
  return metrics
}
