import type { Millis } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type { Labels } from '../store/reader.ts'
import type { StoreWriter } from '../store/writer.ts'
import { refuseAheadMillis } from './clock-offset.ts'
import {
  type LabelsOrFault,
  type OtlpSettings,
  pointLabels,
  resourceLabels,
  scopeLabels,
} from './otlp-labels.ts'
import {
  cumulative,
  delta,
  type OtlpData,
  type OtlpMetric,
  type OtlpPoint,
  type OtlpRequest,
  type OtlpResource,
  otlpLimits,
  type Temporality,
  tooMany,
} from './otlp-message.ts'
import { metricName, notUtf8, shown } from './otlp-names.ts'
import { eachPoint, type PointSample } from './otlp-samples.ts'
import { SampleColumns, type Written } from './sample-columns.ts'
import { writeLimits } from './write-batch.ts'

/** Why data points of a good request are left out. */
export type OtlpReason =
  | 'delta'
  | 'no_data'
  | 'no_time'
  | 'no_value'
  | 'bad_name'
  | 'bad_label'
  | 'bad_buckets'
  | 'too_far_ahead'
  | 'series_refused'

export interface OtlpRejection {
  readonly reason: OtlpReason
  /** Data points; 0 where a metric has none. */
  readonly points: number
  /** A clause for the sender's log, about the first. */
  readonly why: string
}

/** Points left out, by reason; the first sentence of each is kept. */
class Rejections {
  readonly #byReason = new Map<OtlpReason, OtlpRejection>()

  add(reason: OtlpReason, points: number, why: string): void {
    const former = this.#byReason.get(reason)
    const sum = (former?.points ?? 0) + points
    this.#byReason.set(reason, { reason, points: sum, why: former?.why ?? why })
  }

  get all(): readonly OtlpRejection[] {
    return [...this.#byReason.values()]
  }
}

/** Series for what OTLP points say, as Prometheus' OTLP receiver makes them; what cannot be one is left out and counted. */
export class OtlpSeries implements Written {
  readonly samples = new SampleColumns()
  readonly #labels: Labels[] = []
  /** The point that each series' sample is of; -1: none. */
  readonly #pointOf: number[] = []
  readonly #rejections = new Rejections()
  readonly #refused = new Set<number>()
  readonly #intern: StoreWriter['intern']
  readonly #settings: OtlpSettings
  readonly #now: Millis
  #points = 0
  #newest: Millis = 0

  /** Throws WriteRefused when the points become more samples than a request may bring. */
  constructor(
    request: OtlpRequest,
    settings: OtlpSettings,
    now: Millis,
    intern: StoreWriter['intern'],
  ) {
    this.#settings = settings
    this.#now = now
    this.#intern = intern
    for (const resource of request.resources) this.#addResource(resource)
  }

  get series(): number {
    return this.#labels.length
  }

  /** Throws CallwardError when the store refuses the series; its point counts as left out. */
  id(series: number): number {
    try {
      return this.#intern(this.#labels[series]!)
    } catch (error) {
      const point = this.#pointOf[series]!
      if (error instanceof CallwardError && !this.#refused.has(point)) {
        this.#refused.add(point)
        this.#reject('series_refused', point < 0 ? 0 : 1, error.message.replace(/\.$/, ''))
      }
      throw error
    }
  }

  instance(series: number): string | undefined {
    return this.#labels[series]?.['instance']
  }

  /** What was left out so far; whole once every series has been asked for its id. */
  get rejections(): readonly OtlpRejection[] {
    return this.#rejections.all
  }

  #reject(reason: OtlpReason, points: number, why: string): void {
    this.#rejections.add(reason, points, why)
  }

  #addResource(resource: OtlpResource): void {
    const own = resourceLabels(resource, this.#settings)
    this.#newest = 0
    for (const scope of resource.scopes) {
      const ofScope = scopeLabels(scope, this.#settings)
      for (const metric of scope.metrics) this.#addMetric(metric, own, ofScope)
    }
    if (own.info === undefined || this.#newest === 0) return
    const fault = labelFault(own.info)
    const labels = { ...Object.fromEntries(own.info), __name__: 'target_info' }
    if (fault === undefined) this.#push(labels, { t: this.#newest, ended: false }, 1, -1)
    else this.#reject('bad_label', 0, `no target_info is made: ${fault}`)
  }

  #addMetric(metric: OtlpMetric, resource: LabelsOrFault, scope: LabelsOrFault): void {
    const usable = usableMetric(metric)
    if ('why' in usable) {
      this.#reject(usable.reason, metric.data?.points.length ?? 0, usable.why)
      return
    }
    const title = shown(metric.name)
    eachPoint(usable.data, (point, samplesOf) => {
      const { labels, fault } = pointLabels(point.attributes, resource, scope)
      const wrong = fault ?? labelFault(labels)
      if (wrong !== undefined) this.#reject('bad_label', 1, `${title}: ${wrong}`)
      else if (this.#timeKept(point, title)) {
        const samples = samplesOf()
        if ('why' in samples) this.#reject(samples.reason, 1, `${title}: ${samples.why}`)
        else this.#addPoint(usable.name, labels, point, samples)
      }
    })
  }

  #addPoint(
    name: string,
    labels: ReadonlyMap<string, string>,
    point: OtlpPoint,
    samples: readonly PointSample[],
  ): void {
    this.#points++
    if (point.t > this.#newest) this.#newest = point.t
    const base = Object.fromEntries(labels)
    for (const { suffix, label, value } of samples) {
      const __name__ = name + suffix
      const all = label === undefined ? { __name__ } : { __name__, [label[0]]: label[1] }
      this.#push({ ...base, ...all }, point, value)
    }
  }

  #timeKept({ t }: OtlpPoint, title: string): boolean {
    const ahead = t - this.#now
    if (t === 0) this.#reject('no_time', 1, `${title} has a point without time`)
    else if (ahead > refuseAheadMillis)
      this.#reject(
        'too_far_ahead',
        1,
        `more than 1 h ahead of the hub's clock (the first by ${(ahead / 3_600_000).toFixed(1)} h); set the sender's clock`,
      )
    else return true
    return false
  }

  #push(
    labels: Labels,
    { t, ended }: Pick<OtlpPoint, 't' | 'ended'>,
    value: number,
    point = this.#points,
  ): void {
    if (this.samples.count >= otlpLimits.samples) throw tooMany(`${otlpLimits.samples} samples`)
    this.#labels.push(labels)
    this.#pointOf.push(point)
    this.samples.push(t, value, ended)
    this.samples.endSeries()
  }
}

/** The series name and the data of a metric, or why all of its points are left out. */
function usableMetric(
  metric: OtlpMetric,
): { name: string; data: OtlpData } | { reason: OtlpReason; why: string } {
  const { data, unit } = metric
  const title = shown(metric.name)
  if (data === undefined) return { reason: 'no_data', why: `${title} has no data of a known kind` }
  const counter = data.kind === 'sum' && data.monotonic
  const kind = counter ? 'counter' : data.kind === 'gauge' ? 'gauge' : 'other'
  const name = notUtf8(metric.name + unit) ? undefined : metricName(metric.name, unit, kind)
  // The endings of histograms are shorter than 16 characters.
  if (name === undefined || name.length + 16 > writeLimits.labelNameLength)
    return { reason: 'bad_name', why: `${title} cannot be the name of a series` }
  if ('temporality' in data && data.temporality !== cumulative)
    return { reason: 'delta', why: temporalityFault(title, data.temporality) }
  return { name, data }
}

/** Rates need sums since a start. To add up deltas would count what a sender sends twice, so they are left out, as Prometheus does. */
function temporalityFault(title: string, temporality: Temporality): string {
  const what = temporality === delta ? 'delta' : 'unknown'
  return `${title} has ${what} temporality; set OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=cumulative at its source, or put the collector's deltatocumulative processor before the exporter`
}

function labelFault(labels: ReadonlyMap<string, string>): string | undefined {
  const { labelsPerSeries, labelNameLength, labelValueLength } = writeLimits
  // Beside these stand the name, and `le` or `quantile`.
  if (labels.size + 2 > labelsPerSeries) return `it has more than ${labelsPerSeries - 2} labels`
  for (const [name, text] of labels) {
    if (name.length > labelNameLength)
      return `a label name is longer than ${labelNameLength} characters`
    if (text.length > labelValueLength)
      return `the label ${shown(name)} is longer than ${labelValueLength} characters`
  }
  return undefined
}
