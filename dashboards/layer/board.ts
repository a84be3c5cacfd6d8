import Dashboard from 'grafana-dash-gen/grafana/dashboard.js'
import Row from 'grafana-dash-gen/grafana/row.js'
import { type Annotation, grafanaAnnotations } from './annotations.ts'
import type {
  AnnotationModel,
  BoardModel,
  LinkModel,
  PanelModel,
  RowModel,
  VariableModel,
} from './model.ts'
import type { Panel } from './panel.ts'
import type { Variable } from './variables.ts'

// Imported file by file: the package's index also loads node-fetch, which warns on newer Node.

/** A band of panels; without a title it has no head and cannot be folded. */
export interface RowSpec {
  /** Unique on the board among rows and panels, never used again; needed with a title. */
  readonly number?: number
  readonly title?: string
  readonly folded?: boolean
  /** A variable: the row once for each of its chosen values, which title and queries name as `$variable`. Needs a title. */
  readonly repeat?: string
  readonly panels: readonly Panel[]
}

export interface BoardSpec {
  /** Its ids are `number` × 100 + the panel's number. */
  readonly number: number
  /** The uid is `callward-` + slug, at most 40 characters. */
  readonly slug: string
  readonly title: string
  /** The question it answers, for whom. */
  readonly description: string
  readonly tags: readonly string[]
  /** Start of the time range, such as `now-6h`. */
  readonly from: string
  /** Such as `30s`. */
  readonly refresh: string
  readonly variables: readonly Variable[]
  readonly annotations: readonly Annotation[]
  readonly links: readonly LinkModel[]
  readonly rows: readonly RowSpec[]
}

/** A finished board: Grafana's classic JSON, schema 42, and the file it belongs in. */
export interface Board {
  readonly uid: string
  readonly fileName: string
  readonly model: BoardModel
}

/** Builds a board on grafana-dash-gen's skeleton and finishes it. Throws `BUG:` for a number used twice. */
export function board(spec: BoardSpec): Board {
  const skeleton = new Dashboard({
    title: spec.title,
    tags: [...spec.tags],
    timezone: 'browser',
    editable: false,
    refresh: spec.refresh,
    schemaVersion: 42,
    time: { from: spec.from, to: 'now' },
  })
  // The casts below: dash-gen's declarations name its own Graphite classes, its code only calls generate().
  for (const variable of spec.variables)
    skeleton.addTemplate(variable as unknown as Parameters<Dashboard['addTemplate']>[0])
  for (const overlay of [grafanaAnnotations, ...spec.annotations]) {
    skeleton.addAnnotation(overlay as unknown as Parameters<Dashboard['addAnnotation']>[0])
  }
  for (const { title, folded, panels } of spec.rows) {
    const row = new Row({
      title: title ?? '',
      showTitle: title !== undefined,
      collapse: folded === true,
    })
    for (const panel of panels) row.addPanel(panel as unknown as Parameters<Row['addPanel']>[0])
    skeleton.addRow(row)
  }
  const uid = `callward-${spec.slug}`
  if (uid.length > 40) throw new Error(`BUG: uid ${uid} is longer than 40`)
  return {
    uid,
    fileName: `${String(spec.number).padStart(2, '0')}-${spec.slug}.json`,
    model: finish(skeleton, spec, uid),
  }
}

/**
 * Turns dash-gen's rows and spans into `panels` with `gridPos` and stable ids, and keeps only keys that Grafana
 * knows today: the Graphite-era ones (`rows`, `style`, `hideControls`, `allFormat` …) do not pass.
 */
function finish(skeleton: Dashboard, spec: BoardSpec, uid: string): BoardModel {
  const state = skeleton.generate()
  const { list: variables } = state.templating as unknown as { list: VariableModel[] }
  const { list: annotations } = state.annotations as unknown as { list: AnnotationModel[] }
  const rows = state.rows as unknown as {
    title: string
    showTitle: boolean
    collapse: boolean
    panels: PanelModel[]
  }[]
  return {
    uid,
    title: state.title,
    description: spec.description,
    tags: state.tags,
    timezone: state.timezone,
    editable: false,
    fiscalYearStartMonth: 0,
    graphTooltip: 1,
    links: [...spec.links],
    panels: place(rows, spec.rows, spec.number),
    refresh: spec.refresh,
    schemaVersion: 42,
    time: { from: spec.from, to: 'now' },
    timepicker: {},
    templating: { list: variables.map(knownVariableKeys) },
    annotations: { list: annotations },
    weekStart: '',
  }
}

const variableKeys = [
  'allValue',
  'current',
  'datasource',
  'hide',
  'includeAll',
  'label',
  'multi',
  'name',
  'options',
  'query',
  'refresh',
  'regex',
  'skipUrlSync',
  'sort',
  'type',
] as const satisfies readonly (keyof VariableModel)[]

function knownVariableKeys(variable: VariableModel): VariableModel {
  const kept = variableKeys.filter(
    (key) =>
      variable[key] !== undefined &&
      variable[key] !== null &&
      !(key === 'allValue' && variable[key] === ''),
  )
  return Object.fromEntries(kept.map((key) => [key, variable[key]])) as unknown as VariableModel
}

type SkeletonRow = {
  readonly title: string
  readonly showTitle: boolean
  readonly collapse: boolean
  readonly panels: readonly PanelModel[]
}

/** Flows each row's panels left to right, line by line; a folded row keeps its panels inside it. */
function place(
  rows: readonly SkeletonRow[],
  specs: readonly Pick<RowSpec, 'number' | 'repeat'>[],
  boardNumber: number,
): (PanelModel | RowModel)[] {
  const used = new Set<number>()
  const identify = (number: number | undefined): number => {
    if (number === undefined || number < 1 || number > 99 || used.has(number))
      throw new Error(`BUG: panel number ${number} on board ${boardNumber}`)
    used.add(number)
    return boardNumber * 100 + number
  }
  const placed: (PanelModel | RowModel)[] = []
  let y = 0
  for (const [index, row] of rows.entries()) {
    const head: RowModel | undefined = row.showTitle
      ? {
          type: 'row',
          id: identify(specs[index]!.number),
          title: row.title,
          collapsed: row.collapse,
          gridPos: { h: 1, w: 24, x: 0, y: y++ },
          panels: [],
          ...(specs[index]!.repeat === undefined ? {} : { repeat: specs[index]!.repeat }),
        }
      : undefined
    const flowed = flow(row.panels, y)
    const panels = flowed.panels.map((panel) => ({ ...panel, id: identify(panel.id) }))
    if (head) placed.push(head.collapsed ? { ...head, panels } : head)
    if (!head?.collapsed) {
      placed.push(...panels)
      y = flowed.bottom
    }
  }
  return placed
}

function flow(
  panels: readonly PanelModel[],
  top: number,
): { panels: PanelModel[]; bottom: number } {
  let x = 0
  let y = top
  let bottom = top
  const placed = panels.map((panel) => {
    const { w, h } = panel.gridPos!
    if (x + w > 24) {
      x = 0
      y = bottom
    }
    const gridPos = { h, w, x, y }
    x += w
    bottom = Math.max(bottom, y + h)
    return { ...panel, gridPos }
  })
  return { panels: placed, bottom }
}
