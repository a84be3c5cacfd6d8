import { type Field, fieldOf, type PanelDefinition } from './definition.ts'
import { type Judged, judge, judgeText, type Reader } from './judged.ts'
import type { Answered } from './series.ts'

export interface Column {
  readonly key: string
  readonly title: string
  readonly field: Field
}

export interface Row {
  readonly cells: Readonly<Record<string, string | number>>
}

/** A table panel: one row a label set, joined over its queries. */
export interface Rows {
  readonly columns: readonly Column[]
  readonly rows: readonly Row[]
}

/** Columns nobody shows stay out, as do labels that no row has and columns that the board does not name. */
export function rowsOf(panel: PanelDefinition, answers: readonly Answered[]): Rows {
  const merged = new Map<string, Record<string, string | number>>()
  for (const { target, series } of answers) {
    const name = answers.length > 1 ? `Value #${target.refId}` : 'Value'
    for (const { metric, value } of series) {
      const { __name__: _, ...labels } = metric
      const key = JSON.stringify(Object.entries(labels).sort())
      const cells = merged.get(key) ?? { ...labels }
      const figure = Number(value?.[1] ?? 'NaN')
      if (!Number.isNaN(figure)) cells[name] = figure
      merged.set(key, cells)
    }
  }
  const rows = [...merged.values()].map((cells) => ({ cells }))
  const columns = columnsOf(panel).filter(
    ({ key }) => key.startsWith('Value') || rows.some(({ cells }) => cells[key] !== undefined),
  )
  return { columns, rows: sorted(panel, columns, rows) }
}

interface Organize {
  readonly excludeByName?: Readonly<Record<string, boolean>>
  readonly indexByName?: Readonly<Record<string, number>>
}

function columnsOf(panel: PanelDefinition): Column[] {
  const found = panel.transformations?.find(({ id }) => id === 'organize')
  const { indexByName = {}, excludeByName = {} } = (found?.options ?? {}) as Organize
  return Object.entries(indexByName)
    .filter(([key]) => excludeByName[key] !== true)
    .sort(([, a], [, b]) => a - b)
    .map(([key]) => {
      const field = fieldOf(panel, key)
      return { key, title: field.displayName ?? key, field }
    })
}

function sorted(panel: PanelDefinition, columns: readonly Column[], rows: readonly Row[]): Row[] {
  const [wish] = (panel.options?.['sortBy'] ?? []) as { displayName: string; desc?: boolean }[]
  const by = columns.find(({ title }) => title === wish?.displayName)
  if (by === undefined) return [...rows]
  const sign = wish?.desc === true ? -1 : 1
  const names = new Intl.Collator('en', { numeric: true })
  return [...rows].sort((a, b) => {
    const [x, y] = [a.cells[by.key], b.cells[by.key]]
    if (x === undefined || y === undefined) return Number(x === undefined) - Number(y === undefined)
    if (typeof x === 'number' && typeof y === 'number') return (x - y) * sign
    return names.compare(String(x), String(y)) * sign
  })
}

/** What stands in a cell. */
export function cellOf({ cells }: Row, { key, field }: Column, reader: Reader): Judged {
  const value = cells[key]
  const judged = typeof value === 'number' ? judge(value, field, reader) : judgeText(value, field)
  const coloured = field.custom?.cellOptions?.type === 'color-text' || value === undefined
  return coloured ? judged : { ...judged, tone: 'plain' }
}
