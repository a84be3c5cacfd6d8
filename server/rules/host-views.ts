import type { Labels } from '../../alerts/alert.ts'
import type { FixedSeries, PlacedSeries, SeriesAtHand } from '../promql/plugin.ts'
import type {
  LatestEntry,
  Matcher,
  SampleColumn,
  SeriesColumn,
  SeriesColumns,
  SeriesSamples,
} from '../store/reader.ts'
import type { SeriesId } from '../store/writer.ts'

/** What memory holds of one host, for expressions that are evaluated at once. */
export interface HostReading extends SeriesAtHand {
  /** The labels of a result as they are for this host. */
  labels(result: Labels): Labels
}

/**
 * What hosts with the same series have in common. Labels that all series of a host share (`instance`, `server`, ...) take the value
 * of one of them; evaluations of all such hosts then work on the same label sets, and only what they give is relabelled.
 */
interface Shape {
  readonly key: string
  /** In the order of the places; made when the interpreter first reads them. */
  labels: readonly Labels[] | undefined
  /** Places of the series a selector gives, by the selector's matchers. */
  readonly picks: Map<readonly Matcher[], readonly number[]>
  readonly plans: FixedSeries['plans']
  /** Hosts that have it. */
  hosts: number
}

export interface HostViewsOptions {
  readonly columns: SeriesColumns
  readonly labels: (id: SeriesId) => Labels
  /** Metrics the rules read; undefined when that may be any. */
  readonly metrics: ReadonlySet<string> | undefined
  /** Labels whose values the rules look at. */
  readonly looked: ReadonlySet<string>
  /** Hosts have nothing in common with others. */
  readonly alone?: boolean
}

/** Labels the query engine itself looks at. */
const meaningful = ['__name__', '__type__', '__unit__', 'le']

/** Most shapes kept; hosts of one kind have one shape, some change it when a disk or a network card comes. */
const maxShapes = 10_000

/** Reads host by host what the rules need, at a cost that follows the series read, not the labels on them. */
export class HostViews {
  readonly #options: HostViewsOptions
  readonly #views = new Map<string, View>()
  #shapes = new Map<string, Shape>()

  constructor(options: HostViewsOptions) {
    this.#options = options
  }

  /** A host as memory knows it now; good until the next turn of the event loop. */
  reading(instance: string): HostReading {
    const { columns } = this.#options
    const { version } = columns
    const known = this.#views.get(instance)
    if (known?.version === version) return known
    const all = columns.select([{ name: 'instance', op: '=', value: instance }])
    if (known !== undefined && sameIds(known.all, all)) {
      known.version = version
      return known
    }
    if (known !== undefined) this.#leave(known.shape)
    const view = this.#make(instance, all, version)
    this.#views.set(instance, view)
    return view
  }

  #make(instance: string, all: Uint32Array, version: number): View {
    const { columns, labels, metrics, alone = false } = this.#options
    const looked = new Set([...this.#options.looked, ...meaningful])
    const series = [...all].flatMap((id) => {
      const own = labels(id)
      return metrics === undefined || metrics.has(own['__name__'] ?? '') ? [{ id, own }] : []
    })
    const shared = sharedLabels(series.map(({ own }) => own)).filter(
      ([name]) => !alone && !looked.has(name),
    )
    const sharedNames = new Set(shared.map(([name]) => name))
    const keyed = series.map(({ id, own }) => ({ id, own, key: keyOf(own, sharedNames) }))
    keyed.sort((a, b) => (a.key < b.key ? -1 : 1))
    const key = JSON.stringify([[...sharedNames].sort(), keyed.map((one) => one.key)])
    const shape = this.#shape(key)
    const ids = Uint32Array.from(keyed, ({ id }) => id)
    return new View({ columns, labels, instance, all, ids, shape, shared }, version)
  }

  #shape(key: string): Shape {
    let shape = this.#shapes.get(key)
    if (shape === undefined) {
      if (this.#shapes.size >= maxShapes) this.#shapes = new Map()
      shape = { key, labels: undefined, picks: new Map(), plans: new Map(), hosts: 0 }
      this.#shapes.set(key, shape)
    }
    shape.hosts++
    return shape
  }

  #leave(shape: Shape): void {
    shape.hosts--
    if (shape.hosts === 0 && this.#shapes.get(shape.key) === shape) this.#shapes.delete(shape.key)
  }
}

interface ViewParts {
  readonly columns: SeriesColumns
  readonly labels: (id: SeriesId) => Labels
  readonly instance: string
  /** Every series of the host when the view was made. */
  readonly all: Uint32Array
  /** Those that rules may read, in the order of the shape's labels. */
  readonly ids: Uint32Array
  readonly shape: Shape
  /** Labels that all of them share and no rule looks at. */
  readonly shared: readonly (readonly [name: string, value: string])[]
}

/** One host; its series are places of its shape. */
class View implements HostReading, FixedSeries {
  readonly all: Uint32Array
  readonly shape: Shape
  readonly #columns: SeriesColumns
  readonly #labelsOf: (id: SeriesId) => Labels
  readonly #instance: string
  readonly #ids: Uint32Array
  readonly #shared: ViewParts['shared']
  /** Of the columns, when the host had these series last. */
  version: number

  constructor(parts: ViewParts, version: number) {
    this.all = parts.all
    this.shape = parts.shape
    this.#columns = parts.columns
    this.#labelsOf = parts.labels
    this.#instance = parts.instance
    this.#ids = parts.ids
    this.#shared = parts.shared
    this.version = version
  }

  get fixed(): FixedSeries {
    return this
  }

  get plans(): FixedSeries['plans'] {
    return this.shape.plans
  }

  select(matchers: readonly Matcher[]): readonly PlacedSeries[] {
    return this.#picks(matchers).map((place) => {
      return { place, labels: this.#labelsOf(this.#ids[place]!) }
    })
  }

  latest(place: number, start: number, end: number, found: LatestEntry): boolean {
    return this.#columns.latest(this.#ids[place]!, start, end, found)
  }

  samples(place: number, start: number, end: number): SampleColumn | undefined {
    return this.#columns.samples(this.#ids[place]!, start, end)
  }

  read(
    matchers: readonly Matcher[],
    start: number,
    end: number,
    newestOnly: boolean,
  ): readonly SeriesSamples[] | undefined {
    this.shape.labels ??= Array.from(this.#ids, this.#labelsOf)
    const found: SeriesSamples[] = []
    for (const place of this.#picks(matchers)) {
      const column = newestOnly
        ? this.#newest(place, start, end)
        : this.#columns.column(this.#ids[place]!, start, end)
      if (column === undefined) return undefined
      const { times, values, staleTimes } = column
      if (times.length + staleTimes.length === 0) continue
      found.push({ labels: this.shape.labels[place]!, times, values, staleTimes })
    }
    return found
  }

  #newest(place: number, start: number, end: number): SeriesColumn | undefined {
    const found: LatestEntry = { time: 0, value: 0, isMark: false }
    if (!this.latest(place, start, end, found)) return undefined
    if (found.time < start) return noEntries
    const times = Float64Array.of(found.time)
    if (found.isMark) return { ...noEntries, staleTimes: times }
    return { times, values: Float64Array.of(found.value), staleTimes: none }
  }

  labels(result: Labels): Labels {
    const own: Record<string, string> = { ...result }
    for (const [name, value] of this.#shared) if (own[name] !== undefined) own[name] = value
    return own
  }

  /** Asks the store once for each shape which series a selector gives. */
  #picks(matchers: readonly Matcher[]): readonly number[] {
    const known = this.shape.picks.get(matchers)
    if (known !== undefined) return known
    const instance: Matcher = { name: 'instance', op: '=', value: this.#instance }
    const own = new Set(this.#columns.select([...matchers, instance]))
    const picks = [...this.#ids.keys()].filter((place) => own.has(this.#ids[place]!))
    this.shape.picks.set(matchers, picks)
    return picks
  }
}

const none = new Float64Array(0)
const noEntries: SeriesColumn = { times: none, values: none, staleTimes: none }

function sameIds(a: Uint32Array, b: Uint32Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Labels with the same value on every series. */
function sharedLabels(series: readonly Labels[]): [string, string][] {
  const [first, ...others] = series
  return Object.entries(first ?? {}).filter(([name, value]) =>
    others.every((labels) => labels[name] === value),
  )
}

function keyOf(labels: Labels, shared: ReadonlySet<string>): string {
  const own = Object.entries(labels).filter(([name]) => !shared.has(name))
  return JSON.stringify(own.sort(([a], [b]) => (a < b ? -1 : 1)))
}
