import type { FastifyInstance } from 'fastify'
import type { Hello, HostLabels } from '../../collector/wire/frames.ts'
import type { Clock } from '../clock.ts'
import type { SeriesId } from '../store/writer.ts'
import { type Host, silentAt, upState } from './host.ts'
import type { InventoryStore } from './inventory-store.ts'

const checkEveryMillis = 200
/** All hosts are looked at this often, whenever the next of them may fall silent. */
const lookEveryMillis = 5_000
/** A part of the hosts is written at each of so many ticks, so that many hosts hold up nobody. */
const writeTicks = 10
const writeTickMillis = 1_000
/** Every this many turns the records learn when hosts were last heard; it matters after a restart only. */
const turnsARecord = 3

/**
 * Tells who is silent, at the very moment: writes `callward_collector_up` and
 * `callward_collector_last_report_timestamp_seconds` for every known host, and wakes the rules of a host
 * whose state flips.
 */
export class Liveness {
  readonly #app: FastifyInstance
  readonly #clock: Clock
  readonly #hosts: ReadonlyMap<string, Host>
  readonly #store: InventoryStore
  readonly #startedAt: number
  readonly #states = new Map<string, 0 | 1 | undefined>()
  /** Hellos the records do not hold yet. */
  readonly #ungreeted = new Map<string, Hello>()
  #ready: (() => void) | undefined
  #check: NodeJS.Timeout | undefined
  #write: NodeJS.Timeout | undefined
  #tick = 0
  readonly #series = new WeakMap<HostLabels, HostSeries>()
  #turn = 0
  /** No host falls silent before, by the monotonic clock. */
  #nextLook = Number.NEGATIVE_INFINITY

  constructor(options: {
    app: FastifyInstance
    clock: Clock
    hosts: ReadonlyMap<string, Host>
    store: InventoryStore
    startedAt: number
  }) {
    this.#app = options.app
    this.#clock = options.clock
    this.#hosts = options.hosts
    this.#store = options.store
    this.#startedAt = options.startedAt
  }

  start(): void {
    this.#check = setInterval(() => this.check(), checkEveryMillis)
    this.#write = setInterval(() => this.#writeSome(), writeTickMillis)
  }

  stop(): void {
    clearInterval(this.#check)
    clearInterval(this.#write)
  }

  /** Looks for hosts whose state flipped; the timer calls it. */
  check(): void {
    const now = this.#clock.monotonic()
    if (now < this.#nextLook) return
    this.#nextLook = now + lookEveryMillis
    for (const host of this.#hosts.values()) this.#update(host)
  }

  /** Writes who reports for an instance; tried again until the records take it, never at the session's cost. */
  greeted(hello: Hello): void {
    this.#ungreeted.set(hello.collector, hello)
    this.#nextLook = Number.NEGATIVE_INFINITY
    this.#greet(hello)
  }

  /** Another collector took over the instance and its series. */
  replaced(id: string): void {
    this.#states.delete(id)
    this.#ungreeted.delete(id)
  }

  #greet(hello: Hello): void {
    this.#store.greet(hello).then(
      () => {
        if (this.#ungreeted.get(hello.collector) === hello) this.#ungreeted.delete(hello.collector)
      },
      (err: unknown) => this.#app.log.warn({ err }, 'a collector is not in the records yet'),
    )
  }

  reported(id: string): void {
    const host = this.#hosts.get(id)
    if (host !== undefined) this.#update(host)
  }

  /** Ends the series of a host that was taken off the list. */
  forget(host: Host): void {
    this.#states.delete(host.collectorId)
    const ids = this.#seriesOf(host)
    this.#append({ ids: [], values: [], stale: [ids.up, ids.lastReport] })
    this.#app.rules.hostReported(host.labels.instance)
  }

  #update(host: Host): void {
    const up = upState(host, this.#startedAt, this.#clock.monotonic())
    if (up !== 0) this.#nextLook = Math.min(this.#nextLook, silentAt(host, this.#startedAt))
    if (up === this.#states.get(host.collectorId)) return
    this.#states.set(host.collectorId, up)
    this.#append(this.#row([host]))
    this.#app.rules.hostReported(host.labels.instance)
    this.#app.live.hint('hosts')
  }

  /** A hub whose disk refuses samples says so at `/readyz`. */
  #tellReady(): void {
    const { refusal } = this.#app.store.stats()
    if (refusal !== undefined) {
      this.#ready ??= this.#app.telemetry.notReady(`The store takes no samples: ${refusal}`)
    } else {
      this.#ready?.()
      this.#ready = undefined
    }
  }

  #writeSome(): void {
    this.#tellReady()
    this.#tick = (this.#tick + 1) % writeTicks
    if (this.#tick === 0) {
      this.#turn += 1
      for (const hello of this.#ungreeted.values()) this.#greet(hello)
    }
    const hosts = [...this.#hosts.values()].filter((_, i) => i % writeTicks === this.#tick)
    if (hosts.length === 0) return
    this.#append(this.#row(hosts))
    if (this.#turn % turnsARecord !== 0) return
    const heard = hosts.flatMap(({ collectorId, lastReportAt, heardAt }) =>
      lastReportAt === undefined || heardAt === undefined
        ? []
        : [{ id: collectorId, at: lastReportAt }],
    )
    this.#store
      .seen(heard)
      .catch((err: unknown) => this.#app.log.warn({ err }, 'last report times not saved'))
  }

  #row(hosts: readonly Host[]) {
    const row = { ids: [] as SeriesId[], values: [] as number[], stale: [] as SeriesId[] }
    for (const host of hosts) {
      const up = upState(host, this.#startedAt, this.#clock.monotonic())
      const ids = this.#seriesOf(host)
      if (up !== undefined) {
        row.ids.push(ids.up)
        row.values.push(up)
      }
      if (host.lastReportAt !== undefined) {
        row.ids.push(ids.lastReport)
        row.values.push(host.lastReportAt / 1000)
      }
    }
    return row
  }

  #append(row: { ids: SeriesId[]; values: number[]; stale: SeriesId[] }): void {
    const { ids, values, stale } = row
    if (ids.length + stale.length === 0) return
    const t = this.#clock.now()
    this.#app.store
      .append({
        rows: [
          {
            t,
            ids: Uint32Array.from(ids),
            values: Float64Array.from(values),
            stale: Uint32Array.from(stale),
          },
        ],
      })
      .catch((err: unknown) => this.#app.log.warn({ err }, 'host liveness not stored'))
  }

  #seriesOf({ labels }: Host): HostSeries {
    let series = this.#series.get(labels)
    if (series === undefined) {
      const { store } = this.#app
      series = {
        up: store.intern({ ...labels, __name__: 'callward_collector_up' }),
        lastReport: store.intern({
          ...labels,
          __name__: 'callward_collector_last_report_timestamp_seconds',
        }),
      }
      this.#series.set(labels, series)
    }
    return series
  }
}

interface HostSeries {
  readonly up: SeriesId
  readonly lastReport: SeriesId
}
