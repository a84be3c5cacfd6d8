import { type Field, fieldOf, type PanelDefinition, type TargetDefinition } from './definition.ts'
import { timesOf, type Window } from './time.ts'

/** One series of Prometheus's HTTP API: `values` of a range, `value` of an instant; seconds and text. */
export interface AnsweredSeries {
  readonly metric: Readonly<Record<string, string>>
  readonly values?: readonly (readonly [number, string])[]
  readonly value?: readonly [number, string]
}

/** A query of a panel and its answer. */
export interface Answered {
  readonly target: TargetDefinition
  readonly series: readonly AnsweredSeries[]
}

/** A series as it is drawn. */
export interface Curve {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly field: Field
  /** One a step of the window; null where the series has none. */
  readonly values: readonly (number | null)[]
}

/** `{{label}}` filled in; without a form the labels themselves, or the query where there are none. */
export function legendOf(
  { legendFormat, expr }: TargetDefinition,
  labels: Curve['labels'],
): string {
  if (legendFormat !== undefined && legendFormat !== '')
    return legendFormat
      .replace(/\{\{\s*(\w+)\s*\}\}/g, (_, name: string) => labels[name] ?? '')
      .trim()
  const { __name__: name = '', ...rest } = labels
  const said = Object.entries(rest).map(([label, value]) => `${label}="${value}"`)
  if (said.length === 0) return name === '' ? expr : name
  return `${name}{${said.join(', ')}}`
}

function numberOf(text: string): number {
  return Number(text.replace('Inf', 'Infinity'))
}

/** Every series of the answers on the window's steps, in the order of the queries. Traffic that is sent is below zero. */
export function curvesOf(
  panel: PanelDefinition,
  answers: readonly Answered[],
  window: Window,
): readonly Curve[] {
  const times = timesOf(window)
  return answers.flatMap(({ target, series }) =>
    series.map(({ metric, values = [] }) => {
      const name = legendOf(target, metric)
      const field = fieldOf(panel, name)
      const sign = field.custom?.transform === 'negative-Y' ? -1 : 1
      const known = new Map(values.map(([at, text]) => [Math.round(at), numberOf(text) * sign]))
      return {
        name: field.displayName ?? name,
        labels: metric,
        field,
        values: times.map((at) => {
          const value = known.get(at)
          return value !== undefined && Number.isFinite(value) ? value : null
        }),
      }
    }),
  )
}

/** One figure of a stat or a bar. */
export interface Figure {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly field: Field
  /** Null where the answer is no number. */
  readonly value: number | null
}

/** The newest value of every series, in the order of the answers. */
export function figuresOf(panel: PanelDefinition, answers: readonly Answered[]): readonly Figure[] {
  return answers.flatMap(({ target, series }) =>
    series.map((one) => {
      const name = legendOf(target, one.metric)
      const field = fieldOf(panel, name)
      const value = numberOf(one.value?.[1] ?? one.values?.at(-1)?.[1] ?? 'NaN')
      return {
        name: field.displayName ?? name,
        labels: one.metric,
        field,
        value: Number.isNaN(value) ? null : value,
      }
    }),
  )
}

/** The last value that is there. */
export function lastOf(values: readonly (number | null)[]): number | null {
  return values.findLast((value) => value !== null) ?? null
}

/** The largest value that is there, by size: traffic that is sent counts without its sign. */
export function largestOf(values: readonly (number | null)[]): number | null {
  return values.reduce<number | null>(
    (most, value) =>
      value !== null && (most === null || Math.abs(value) > Math.abs(most)) ? value : most,
    null,
  )
}

/** Values added up from the first curve to the last, for stacks; where a curve has none it adds nothing. */
export function stacked(curves: readonly Curve[]): readonly (readonly (number | null)[])[] {
  const sums: number[] = []
  return curves.map(({ values }) =>
    values.map((value, at) => {
      sums[at] = (sums[at] ?? 0) + (value ?? 0)
      return value === null ? null : sums[at]
    }),
  )
}

/** Whether the panel's curves stand on each other. */
export function isStacked(panel: PanelDefinition): boolean {
  return panel.fieldConfig?.defaults.custom?.stacking?.mode === 'normal'
}

/** A stretch of one value on a lane; seconds, and a gap is no stretch. */
export interface Stretch {
  readonly from: number
  readonly to: number
  readonly value: number
}

/** A curve's values as stretches; each step lasts until the next, and one that begins with the last step has no length yet. */
export function stretchesOf(curve: Curve, window: Window): readonly Stretch[] {
  const found: { from: number; to: number; value: number }[] = []
  for (const [index, value] of curve.values.entries()) {
    if (value === null) continue
    const from = window.start + index * window.step
    const to = Math.min(from + window.step, window.end)
    const last = found.at(-1)
    if (last !== undefined && last.to === from && last.value === value) last.to = to
    else found.push({ from, to, value })
  }
  return found
}
