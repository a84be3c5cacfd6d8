import type { FastifyInstance } from 'fastify'
import type { HostLabels, Labels } from '../../collector/wire/frames.ts'
import type { Clock } from '../clock.ts'
import type { SeriesId } from '../store/writer.ts'
import type { Host } from './host.ts'

/** What the hub itself says of a host as a series. */
export interface HostFigure {
  readonly name: string
  /** Beside the host's own, which win. */
  readonly labels?: Labels
  readonly value: number
}

/** Every host's figures are written once in as many ticks. */
const ticks = 10
const tickMillis = 3_000

interface Written {
  labels: HostLabels | undefined
  figures: readonly HostFigure[]
  ids: readonly SeriesId[]
}

/** Keeps what other parts of the hub say of hosts as series under the hosts' labels: writes it at once, again every 30 s, and ends it. */
export class HostFigures {
  readonly #app: FastifyInstance
  readonly #clock: Clock
  readonly #hosts: ReadonlyMap<string, Host>
  /** By instance, then by who says it. */
  readonly #held = new Map<string, Map<string, Written>>()
  #timer: NodeJS.Timeout | undefined
  #tick = 0

  /** `hosts` by collector, as they are at any time. */
  constructor(app: FastifyInstance, clock: Clock, hosts: ReadonlyMap<string, Host>) {
    this.#app = app
    this.#clock = clock
    this.#hosts = hosts
  }

  start(): void {
    this.#timer = setInterval(() => this.#repeat(), tickMillis)
    this.#timer.unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** Says what holds of a host from now on in the place of what `owner` said before, and wakes its rules when something differs. */
  show(instance: string, owner: string, figures: readonly HostFigure[]): void {
    const owners = this.#held.get(instance) ?? new Map<string, Written>()
    this.#held.set(instance, owners)
    const before = owners.get(owner)
    if (before !== undefined && sameFigures(before.figures, figures)) return
    // Without labels the series are named at the next writing.
    const next: Written = { labels: undefined, figures, ids: before?.ids ?? [] }
    owners.set(owner, next)
    for (const { labels } of this.#hosts.values())
      if (labels.instance === instance) this.#write(labels, [next])
    this.#app.rules.hostReported(instance)
  }

  /** A collector said hello: what is held of its host is written at once, under the labels it has now. */
  greeted(labels: HostLabels): void {
    const owners = this.#held.get(labels.instance)
    if (owners !== undefined) this.#write(labels, [...owners.values()])
  }

  /** Ends all series of a host that was taken off the list; they begin again when it comes back. */
  end(instance: string): void {
    const owners = [...(this.#held.get(instance)?.values() ?? [])]
    const ended = owners.flatMap(({ ids }) => ids)
    for (const one of owners) {
      one.labels = undefined
      one.ids = []
    }
    this.#append([], [], ended)
  }

  #repeat(): void {
    this.#tick = (this.#tick + 1) % ticks
    let index = 0
    for (const { labels } of this.#hosts.values()) {
      if (index++ % ticks !== this.#tick) continue
      const owners = this.#held.get(labels.instance)
      if (owners !== undefined) this.#write(labels, [...owners.values()])
    }
  }

  #write(labels: HostLabels, all: readonly Written[]): void {
    const ended: SeriesId[] = []
    for (const one of all) {
      if (one.labels === labels) continue
      const ids = one.figures.map((figure) =>
        this.#app.store.intern({ ...figure.labels, ...labels, __name__: figure.name }),
      )
      ended.push(...one.ids.filter((id) => !ids.includes(id)))
      one.labels = labels
      one.ids = ids
    }
    this.#append(
      all.flatMap(({ ids }) => [...ids]),
      all.flatMap(({ figures }) => figures.map(({ value }) => value)),
      ended,
    )
  }

  #append(ids: readonly SeriesId[], values: readonly number[], stale: readonly SeriesId[]): void {
    if (ids.length + stale.length === 0) return
    const row = {
      t: this.#clock.now(),
      ids: Uint32Array.from(ids),
      values: Float64Array.from(values),
      stale: Uint32Array.from(stale),
    }
    this.#app.store
      .append({ rows: [row] })
      .catch((err: unknown) => this.#app.log.warn({ err }, 'figures of a host not stored'))
  }
}

function sameFigures(a: readonly HostFigure[], b: readonly HostFigure[]): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
