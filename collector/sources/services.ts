import { type Metric, metric, type Source, type SourceReading, seen, unseen } from '../source.ts'
import type { ServiceState, ServicesSeen, ServiceWatch } from './service-watch.ts'

/**
 * Named services by their processes: whether they run, since when, what they use. A configured service that is not
 * there is down, never absent; one of the known services is watched from when it is first seen, or when systemd
 * is process 1 and starts it at boot. Where /proc hides processes, nothing is said about services no unit vouches for.
 */
export function servicesSource(watch: ServiceWatch, pageBytes: number): Source {
  return {
    name: 'services',
    async read(now): Promise<SourceReading> {
      const { services, unknown, waived, hidden } = watch.scan(now)
      const metrics = services.flatMap((one) => serviceMetrics(one, pageBytes))
      const unclear = [...unknown, ...services.flatMap((one) => (one.detailed ? [] : [one.name]))]
      if (hidden) {
        const which = unclear.length === 0 ? 'all services' : unclear.join(', ')
        const detail = `/proc hides the processes of other users (hidepid), which leaves ${which} unclear; mount /proc with gid= of a group the collector's user is in`
        return { state: 'denied', detail: detail.slice(0, 300), metrics }
      }
      const note = waivedText(waived)
      if (services.length > 0) return { ...seen(metrics), detail: note }
      const none = 'no service is configured and none of the known ones runs here'
      return unseen('absent', note === '' ? none : `${none}; ${note}`)
    },
  }
}

/** Why what is enabled at boot is not missed; empty where nothing is. */
function waivedText(waived: ServicesSeen['waived']): string {
  if (waived.length === 0) return ''
  const names = waived.map(({ service, reason }) => `${service} (${reason})`).join(', ')
  return `enabled at boot, but not missed: ${names.slice(0, 300)}; one that must run belongs under "services" of the collector's file`
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
