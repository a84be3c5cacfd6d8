import type { FastifyInstance } from 'fastify'
import type { Clock } from '../clock.ts'
import type { SeriesId } from '../store/writer.ts'
import { labelsOf } from './views.ts'

const everyMillis = 30_000

/** Writes `callward_incident_open` = 1 for every open incident, and ends the series when it resolves. */
export class OpenIncidentSeries {
  readonly #app: FastifyInstance
  readonly #clock: Clock
  #open = new Set<SeriesId>()
  #timer: NodeJS.Timeout | undefined
  #queued: NodeJS.Immediate | undefined

  constructor(app: FastifyInstance, clock: Clock) {
    this.#app = app
    this.#clock = clock
  }

  start(): void {
    this.refresh()
    this.#timer = setInterval(() => this.refresh(), everyMillis)
  }

  stop(): void {
    clearInterval(this.#timer)
    clearImmediate(this.#queued)
  }

  /** Soon, and once for many calls. */
  refresh(): void {
    if (this.#queued !== undefined) return
    this.#queued = setImmediate(() => {
      this.#queued = undefined
      this.#write().catch((err: unknown) =>
        this.#app.log.warn({ err }, 'open incidents not written as series'),
      )
    })
  }

  async #write(): Promise<void> {
    const rows = await this.#app.records.read
      .selectFrom('incidents')
      .leftJoin('incident_alerts', 'incident_alerts.incident_id', 'incidents.id')
      .leftJoin('alerts', 'alerts.id', 'incident_alerts.alert_id')
      .select(['incidents.number', 'incidents.severity', 'incidents.title', 'alerts.labels'])
      .where('incidents.state', '!=', 'resolved')
      .execute()
    const now = new Map<string, SeriesId>()
    for (const row of rows) {
      const host = row.labels === null ? {} : hostLabels(labelsOf(row.labels))
      const incident = String(row.number)
      if (now.has(incident)) continue
      now.set(
        incident,
        this.#app.store.intern({
          ...host,
          __name__: 'callward_incident_open',
          incident,
          severity: row.severity,
          title: row.title,
        }),
      )
    }
    const ids = Uint32Array.from(now.values())
    const ended = [...this.#open].filter((id) => !ids.includes(id))
    this.#open = new Set(ids)
    if (ids.length + ended.length === 0) return
    const row = {
      t: this.#clock.now(),
      ids,
      values: new Float64Array(ids.length).fill(1),
      stale: Uint32Array.from(ended),
    }
    await this.#app.store.append({ rows: [row] })
  }
}

const kept = ['job', 'instance', 'customer', 'site', 'server', 'role', 'env', 'simulated']

function hostLabels(labels: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    kept.flatMap((name) => (labels[name] === undefined ? [] : [[name, labels[name]]])),
  )
}
