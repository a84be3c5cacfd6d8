import {
  type BoardDefinition,
  groupsOf,
  type PanelDefinition,
} from '../../dashboards/drawing/definition.ts'
import { type Tone, toneOf } from '../../dashboards/drawing/judged.ts'
import { type Answered, curvesOf } from '../../dashboards/drawing/series.ts'
import { timesOf, windowOf } from '../../dashboards/drawing/time.ts'
import type { ConsoleDrawing, ShownPanel } from './console-side.ts'
import type { GrafanaDrawing, Span } from './grafana-side.ts'
import type { ToldField } from './told-field.ts'
import { sameFigure, unitOf } from './written.ts'

/** Something that differs between the two drawings of a panel. */
export interface Difference {
  readonly place: string
  readonly what: string
  readonly grafana: string
  readonly console: string
}

export interface Compared {
  readonly differences: readonly Difference[]
  /** How much was the same. */
  readonly count: {
    panels: number
    queries: number
    curves: number
    points: number
    figures: number
    axes: number
    cells: number
  }
}

const toneClasses: Readonly<Record<Tone, string>> = {
  ...{ good: 'tone-ok', attention: 'tone-warning', bad: 'tone-critical', unknown: 'tone-silent' },
  ...{ silent: 'tone-simulated', note: 'tone-info', plain: '' },
}

/** What Grafana's packages do not draw. */
const undrawn: ReadonlySet<string> = new Set(['heatmap', 'histogram', 'alertlist'])

/** Both drawings of a board, panel by panel: queries, curves, names, figures, colours, units, cells. */
export function compareBoard(
  board: BoardDefinition,
  span: Span,
  grafana: GrafanaDrawing,
  drawn: ConsoleDrawing,
): Compared {
  const differences: Difference[] = []
  const count = { panels: 0, queries: 0, curves: 0, points: 0, figures: 0, axes: 0, cells: 0 }
  const asked = new Set(grafana.asked.map((form) => keyOfForm(form)))
  for (const key of new Set([...asked, ...drawn.answers.keys()])) {
    if (asked.has(key) && drawn.answers.has(key)) count.queries++
    else if (asked.has(key))
      differences.push({ place: board.uid, what: 'query', grafana: key, console: 'not asked' })
  }
  const panels = groupsOf(board).flatMap((group) =>
    group.panels.map((panel) => ({ panel, repeat: panel.repeat ?? group.repeat })),
  )
  for (const { panel, repeat } of panels) {
    const fields = grafana.told[panel.id]
    const shown = drawn.panels[panel.id]
    if (panel.type === 'text' || undrawn.has(panel.type)) continue
    const differ = (what: string, one: string, other: string) =>
      differences.push({
        place: `${board.uid}/${panel.id} ${panel.title}`,
        what,
        grafana: one,
        console: other,
      })
    if (fields === undefined || shown === undefined) {
      differ(
        'panel',
        fields === undefined ? 'not drawn' : 'drawn',
        shown === undefined ? 'not drawn' : 'drawn',
      )
      continue
    }
    count.panels++
    const both = { panel, fields, shown, differ, count }
    if (panel.type === 'timeseries') {
      const local = repeat === undefined ? {} : { [repeat]: grafana.repeated[repeat]?.[0] ?? '' }
      compareCurves({ ...both, span, drawn, local })
      compareAxes(both, grafana.written[panel.id] ?? [])
    }
    if (panel.type === 'table') compareTables(both)
    else compareFigures(both)
  }
  return { differences, count }
}

interface Both {
  readonly panel: PanelDefinition
  readonly fields: readonly ToldField[]
  readonly shown: ShownPanel
  readonly differ: (what: string, grafana: string, console: string) => void
  readonly count: Compared['count']
}

function keyOfForm(form: Readonly<Record<string, string>>): string {
  return JSON.stringify(Object.entries(form).sort(([a], [b]) => (a < b ? -1 : 1)))
}

interface CurveSource {
  readonly span: Span
  readonly drawn: ConsoleDrawing
  /** The value of the variable that the panel is repeated by. */
  readonly local: Readonly<Record<string, string>>
}

/** The console's curves of the answers that its page got, point by point against Grafana's frames. */
function compareCurves({ panel, fields, differ, count, span, drawn, local }: Both & CurveSource) {
  const window = windowOf({ from: String(span.from), to: String(span.to) }, Date.now(), 300)!
  const answers = (panel.targets ?? []).map((target): Answered => {
    const asked = askedAs(target.expr, local)
    const found = [...drawn.answers].find(
      ([key]) => asked.test(queryOf(key)) && key.includes('"step"') !== (target.instant === true),
    )
    return { target, series: found?.[1] ?? [] }
  })
  const curves = curvesOf(panel, answers, window)
  const times = timesOf(window)
  const names = (of: readonly { name: string }[]) => of.map(({ name }) => name).join(' | ')
  if (names(fields) !== names(curves)) return differ('curves', names(fields), names(curves))
  for (const [index, field] of fields.entries()) {
    const curve = curves[index]!
    count.curves++
    const sign = curve.field.custom?.transform === 'negative-Y' ? -1 : 1
    const there = new Map(field.times.map((at, point) => [at / 1000, field.values[point]]))
    const apart = times.filter((at, point) => {
      const value = there.get(at)
      const known = typeof value === 'number' && Number.isFinite(value) ? value * sign : null
      count.points++
      return known !== curve.values[point]
    })
    if (apart.length > 0)
      differ(
        `${apart.length} points of ${field.name}`,
        String(there.get(apart[0]!)),
        String(curve.values[times.indexOf(apart[0]!)]),
      )
    const steps = (of: readonly { value?: number | null; color: string }[] = []) =>
      of
        .map(({ value, color }) => `${Number.isFinite(value ?? Number.NaN) ? value : ''}:${color}`)
        .join(' ')
    if (steps(field.steps) !== steps(curve.field.thresholds?.steps))
      differ('thresholds', steps(field.steps), steps(curve.field.thresholds?.steps))
  }
}

/** A query with anything in place of its variables but those of `local`, whose values are plain words. */
function askedAs(expr: string, local: CurveSource['local']): RegExp {
  const known = expr.replace(/\$(\w+)/g, (place, name: string) => local[name] ?? place)
  const literal = known.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  return new RegExp(`^${literal.replace(/\\\$(\\\{)?\w+(\\\})?/g, '[^"\\]]*')}$`)
}

function queryOf(key: string): string {
  return (JSON.parse(key) as [string, string][]).find(([name]) => name === 'query')?.[1] ?? ''
}

function compareFigures({ panel, fields, shown, differ, count }: Both) {
  const named = panel.type !== 'stat' || shown.figures.length > 1
  for (const [index, field] of fields.entries()) {
    const figure = shown.figures[index]
    if (figure === undefined) {
      differ('figure', `${field.name} ${field.last}`, 'none')
      continue
    }
    count.figures++
    if (named && field.name.trim() !== figure.name) differ('name', field.name, figure.name)
    if (!sameFigure(field.last, figure.text)) differ('figure', field.last, figure.text)
    const tone = toneClasses[toneOf(field.colour)]
    if (panel.type !== 'timeseries' && tone !== figure.tone)
      differ('colour', field.colour, figure.tone)
  }
  if (shown.figures.length > fields.length)
    differ('figures', String(fields.length), String(shown.figures.length))
}

const isTime = (text: string) => /^\d\d:\d\d(:\d\d)?$/.test(text) || /^\d+\/\d+/.test(text)

/** The units that the marks of the value axis carry. */
function compareAxes({ shown, differ, count }: Both, written: readonly string[]) {
  const units = (texts: readonly string[]) =>
    [...new Set(texts.filter((text) => !isTime(text) && /\d/.test(text)).map(unitOf))]
      .sort()
      .join(' ')
  count.axes++
  const [one, other] = [units(written), units(shown.written)]
  if (one !== other)
    differ(
      'axis',
      written.filter((text) => !isTime(text)).join(' '),
      shown.written.filter((text) => !isTime(text)).join(' '),
    )
}

function compareTables({ fields, shown, differ, count }: Both) {
  const [heading = [], ...rows] = shown.rows
  const columns = fields.map(({ name }) => name)
  if (columns.join(' | ') !== heading.join(' | '))
    differ('columns', columns.join(' | '), heading.join(' | '))
  const inGrafana = (fields[0]?.texts ?? []).map((_, row) =>
    fields.map(({ texts }) => texts[row] ?? ''),
  )
  if (inGrafana.length !== rows.length)
    differ('rows', String(inGrafana.length), String(rows.length))
  const sorted = (of: readonly (readonly string[])[]) =>
    [...of].sort((a, b) => (a.join() < b.join() ? -1 : 1))
  const [one, other] = [sorted(inGrafana), sorted(rows)]
  for (const [index, row] of one.entries())
    for (const [column, text] of row.entries()) {
      count.cells++
      const there = other[index]?.[column] ?? ''
      if (!sameFigure(text, there)) differ(`cell ${columns[column]}`, text, there)
    }
}
