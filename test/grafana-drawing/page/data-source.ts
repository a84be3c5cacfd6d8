import {
  type DataFrame,
  type DataQueryRequest,
  type DataQueryResponse,
  FieldType,
  type MetricFindValue,
  rangeUtil,
} from '@grafana/data'
import { RuntimeDataSource, type SceneObject, sceneGraph } from '@grafana/scenes'
import { asked } from './told.ts'

/** A query as it stands in a board. */
export interface BoardQuery {
  readonly refId: string
  readonly expr: string
  readonly format?: string
  readonly instant?: boolean
  readonly legendFormat?: string
}

interface Series {
  readonly metric: Readonly<Record<string, string>>
  readonly value?: readonly [number, string]
  readonly values?: readonly (readonly [number, string])[]
}

/** How often hosts report: the `timeInterval` of the provisioned data source. */
const reportSeconds = 10

/**
 * Prometheus's HTTP API as a data source of Grafana's: Grafana's own is not among its Apache-licensed packages. Frames and
 * variables are as its documentation says.
 */
export class PrometheusApi extends RuntimeDataSource {
  async query(
    request: DataQueryRequest<BoardQuery & { refId: string }>,
  ): Promise<DataQueryResponse> {
    const several = request.targets.length > 1
    const data = await Promise.all(
      request.targets.map(async (target) => {
        const series = await this.#ask(target, request)
        return target.format === 'table'
          ? [tableOf(target, series, several)]
          : curvesOf(target, series, request.intervalMs)
      }),
    )
    return { data: data.flat() }
  }

  async #ask(target: BoardQuery, request: DataQueryRequest): Promise<readonly Series[]> {
    const step = Math.round(request.intervalMs / 1000)
    const start = Math.floor(request.range.from.valueOf() / 1000 / step) * step
    const end = Math.floor(request.range.to.valueOf() / 1000 / step) * step
    const query = filled(target.expr, request, step)
    const instant = target.instant === true
    const form: Record<string, string> = instant
      ? { query, time: String(end) }
      : { query, start: String(start), end: String(end), step: String(step) }
    asked.push(form)
    const answer = await fetch(`/prom/api/v1/${instant ? 'query' : 'query_range'}`, {
      method: 'POST',
      body: new URLSearchParams(form),
    })
    const { status, error, data } = await answer.json()
    if (status !== 'success') throw new Error(error)
    return data.result
  }

  /** `label_values(series, label)`. */
  override async metricFindQuery(text: string, options: unknown): Promise<MetricFindValue[]> {
    const request = options as DataQueryRequest
    const { from, to } = request.range
    const values = await labelValues(
      filled(text, request, 60),
      from.valueOf() / 1000,
      to.valueOf() / 1000,
    )
    return values.map((value) => ({ text: value, value }))
  }

  override async testDatasource() {
    return { status: 'success', message: '' }
  }
}

/** What `label_values(series, label)` gives over a time in seconds. */
export async function labelValues(
  query: string,
  start: number,
  end: number,
): Promise<readonly string[]> {
  const [, series = '', label] = /^label_values\((.+),\s*(\w+)\)$/.exec(query) ?? []
  const form = new URLSearchParams({ 'match[]': series, start: `${start}`, end: `${end}` })
  const answer = await fetch(`/prom/api/v1/label/${label}/values?${form}`)
  const { data } = (await answer.json()) as { data: string[] }
  return data
}

/** The expression with its variables, as the Prometheus data source writes them: several values as one pattern. */
function filled(expr: string, { scopedVars, range }: DataQueryRequest, step: number): string {
  const seconds = (range.to.valueOf() - range.from.valueOf()) / 1000
  const ranges = {
    __rate_interval: { value: `${Math.max(step + reportSeconds, 4 * reportSeconds)}s` },
    __interval: { value: rangeUtil.secondsToHms(step) },
    __range: { value: `${Math.round(seconds)}s` },
    __range_s: { value: Math.round(seconds) },
  }
  const scene = scopedVars['__sceneObject']?.value.valueOf() as SceneObject
  return sceneGraph.interpolate(scene, expr, { ...scopedVars, ...ranges }, patternOf)
}

function patternOf(value: unknown, variable: { multi?: boolean; includeAll?: boolean }): string {
  if (!variable.multi && !variable.includeAll) return String(value)
  const escaped = [value].flat().map((one) =>
    String(one)
      .replace(/\\/g, '\\\\\\\\')
      .replace(/[$^*{}[\]+?.()|]/g, '\\\\$&'),
  )
  return escaped.length === 1 ? escaped[0]! : `(${escaped.join('|')})`
}

function nameOf({ legendFormat = '', expr }: BoardQuery, labels: Series['metric']): string {
  if (legendFormat !== '')
    return legendFormat.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, label: string) => labels[label] ?? '')
  const { __name__: name = '', ...rest } = labels
  const said = Object.entries(rest).map(([label, value]) => `${label}="${value}"`)
  return said.length > 0 ? `${name}{${said.join(', ')}}` : name || expr
}

const numberOf = (text: string) => Number(text.replace('Inf', 'Infinity'))

/** One frame a series. `interval` tells Grafana from which distance of two points on there is a gap. */
function curvesOf(target: BoardQuery, series: readonly Series[], interval: number): DataFrame[] {
  return series.map(({ metric, value, values }) => {
    const points = values ?? (value === undefined ? [] : [value])
    const labels = { ...metric }
    const config = { displayNameFromDS: nameOf(target, metric) }
    return {
      refId: target.refId,
      length: points.length,
      fields: [
        {
          ...{ name: 'Time', type: FieldType.time, config: { interval } },
          values: points.map(([at]) => at * 1000),
        },
        {
          ...{ name: 'Value', type: FieldType.number, config, labels },
          values: points.map(([, text]) => numberOf(text)),
        },
      ],
    }
  })
}

/** One frame a query: time, a column a label, the value. */
function tableOf(target: BoardQuery, series: readonly Series[], several: boolean): DataFrame {
  const labels = [...new Set(series.flatMap(({ metric }) => Object.keys(metric)))].sort()
  return {
    refId: target.refId,
    length: series.length,
    fields: [
      {
        ...{ name: 'Time', type: FieldType.time, config: {} },
        values: series.map(({ value }) => (value?.[0] ?? 0) * 1000),
      },
      ...labels.map((label) => ({
        ...{ name: label, type: FieldType.string, config: { filterable: true } },
        values: series.map(({ metric }) => metric[label] ?? ''),
      })),
      {
        ...{
          name: several ? `Value #${target.refId}` : 'Value',
          type: FieldType.number,
          config: {},
        },
        values: series.map(({ value }) => numberOf(value?.[1] ?? 'NaN')),
      },
    ],
  }
}
