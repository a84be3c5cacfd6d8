import type { FastifyInstance } from 'fastify'
import { sql } from 'kysely'
import type { Clock } from '../clock.ts'
import type { SeriesId } from '../store/writer.ts'
import { labelsOf } from './views.ts'

const everyMillis = 30_000
/** Changes that come closer together share one writing: in a storm all open incidents are read for each. */
const restMillis = 1000

/** Writes `callward_incident_open` = 1 for every open incident, and ends the series when it resolves. */
export class OpenIncidentSeries {
  readonly #app: FastifyInstance
  readonly #clock: Clock
  #open = new Set<SeriesId>()
  #timer: NodeJS.Timeout | undefined
  #queued: NodeJS.Timeout | undefined
  #writing = Promise.resolve()
  #writtenAt = Number.NEGATIVE_INFINITY

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
    clearTimeout(this.#queued)
  }

  /** Soon, and once for many calls. */
  refresh(): void {
    const wait = this.#writtenAt + restMillis - this.#clock.monotonic()
    this.#queued ??= setTimeout(
      () => {
        // What changes from here on is another writing's.
        this.#queued = undefined
        this.#writtenAt = this.#clock.monotonic()
        this.#writing = this.#writing
          .then(() => this.#write())
          .catch((err: unknown) =>
            this.#app.log.warn({ err }, 'open incidents not written as series'),
          )
      },
      Math.max(0, wait),
    )
  }

  async #write(): Promise<void> {
    const rows = await this.#app.records.read
      .selectFrom('incidents')
      .leftJoin('alerts', (join) =>
        join.on(
          'alerts.id',
          '=',
          sql<string>`(select min(alert_id) from incident_alerts where incident_id = incidents.id)`,
        ),
      )
      .select(['incidents.number', 'incidents.severity', 'incidents.title', 'alerts.labels'])
      .where('incidents.state', 'in', ['open', 'acknowledged'])
      .execute()
    const now = new Map<string, SeriesId>()
    for (const row of rows) {
      const host = row.labels === null ? {} : hostLabels(labelsOf(row.labels))
      const incident = String(row.number)
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
    const open = new Set(ids)
    const ended = [...this.#open].filter((id) => !open.has(id))
    this.#open = open
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
