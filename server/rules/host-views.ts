import type { Labels } from '../../alerts/alert.ts'
import type { ReadNow } from '../promql/plugin.ts'
import type { Matcher, SeriesColumns, SeriesSamples } from '../store/reader.ts'
import type { SeriesId } from '../store/writer.ts'

/** What memory holds of one host, for expressions that are evaluated at once. */
export interface HostReading {
  /** Series of this host alone; their labels may be those of a host of the same shape. */
  readonly read: ReadNow
  /** The labels of a result as they are for this host. */
  labels(result: Labels): Labels
}

/**
 * What hosts with the same series have in common. Labels that all series of a host share (`instance`, `server`, ...) take the value
 * of the first host seen; evaluations of all such hosts then work on the same label sets, and only what they give is relabelled.
 */
interface Shape {
  readonly labels: readonly Labels[]
  /** Places of the series a selector gives, by the selector's matchers. */
  readonly picks: Map<readonly Matcher[], readonly number[]>
}

interface View {
  /** Every series of the host when the view was made. */
  readonly all: Uint32Array
  /** Those that rules may read, in the order of the shape's labels. */
  readonly ids: Uint32Array
  readonly shape: Shape
  /** Labels that all of them share and no rule looks at. */
  readonly shared: readonly (readonly [name: string, value: string])[]
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
    const view = this.#view(instance)
    const { columns } = this.#options
    return {
      read(matchers, start, end, newestOnly) {
        const picks = view.shape.picks.get(matchers) ?? pick(columns, view, instance, matchers)
        const found: SeriesSamples[] = []
        for (const place of picks) {
          const id = view.ids[place]!
          const column = newestOnly
            ? columns.newest(id, start, end)
            : columns.column(id, start, end)
          if (column === undefined) return undefined
          const { times, values, staleTimes } = column
          if (times.length + staleTimes.length === 0) continue
          found.push({ labels: view.shape.labels[place]!, times, values, staleTimes })
        }
        return found
      },
      labels(result) {
        const own: Record<string, string> = { ...result }
        for (const [name, value] of view.shared) if (own[name] !== undefined) own[name] = value
        return own
      },
    }
  }

  #view(instance: string): View {
    const all = this.#options.columns.select([{ name: 'instance', op: '=', value: instance }])
    const known = this.#views.get(instance)
    if (known !== undefined && sameIds(known.all, all)) return known
    const view = this.#make(all)
    this.#views.set(instance, view)
    return view
  }

  #make(all: Uint32Array): View {
    const { labels, metrics, alone = false } = this.#options
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
    let shape = this.#shapes.get(key)
    if (shape === undefined) {
      if (this.#shapes.size >= maxShapes) this.#shapes = new Map()
      shape = { labels: keyed.map(({ own }) => own), picks: new Map() }
      this.#shapes.set(key, shape)
    }
    return { all, ids: Uint32Array.from(keyed, ({ id }) => id), shape, shared }
  }
}

/** Asks the store once for each shape which series a selector gives. */
function pick(
  columns: SeriesColumns,
  { ids, shape }: View,
  instance: string,
  matchers: readonly Matcher[],
): readonly number[] {
  const own = new Set(columns.select([...matchers, { name: 'instance', op: '=', value: instance }]))
  const picks = [...ids.keys()].filter((place) => own.has(ids[place]!))
  shape.picks.set(matchers, picks)
  return picks
}

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
