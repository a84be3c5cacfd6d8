import type { PanelModel } from '@grafana/data'
import {
  CustomVariable,
  DataSourceVariable,
  EmbeddedScene,
  LocalValueVariable,
  QueryVariable,
  SceneDataTransformer,
  SceneGridItem,
  SceneGridLayout,
  SceneQueryRunner,
  SceneTimeRange,
  type SceneVariable,
  SceneVariableSet,
  TextBoxVariable,
  VariableValueSelectors,
  VizPanel,
} from '@grafana/scenes'
import type { BoardQuery } from './data-source.ts'

interface Place {
  readonly x: number
  readonly y: number
  readonly w: number
  readonly h: number
}

// Grafana's classic JSON as the boards use it.
interface Panel extends Pick<PanelModel, 'id' | 'type'> {
  readonly title: string
  readonly description?: string
  readonly gridPos: Place
  readonly targets?: BoardQuery[]
  readonly datasource?: { type: string; uid: string }
  readonly fieldConfig?: never
  readonly options?: object
  readonly transformations?: never[]
  readonly panels?: Panel[]
  /** A variable, by each of whose values the panel or the row is repeated. */
  readonly repeat?: string
  readonly maxPerRow?: number
}

/** A panel, and the value of the variable that it is repeated by. */
interface Copy extends Panel {
  readonly local?: { readonly name: string; readonly value: string }
}

/** The values of variables that something is repeated by. */
export type Repeated = Readonly<Record<string, readonly string[]>>

interface Variable {
  readonly name: string
  readonly label?: string
  readonly type: string
  readonly query: string
  readonly multi?: boolean
  readonly includeAll?: boolean
  readonly allValue?: string
  readonly regex?: string
  readonly sort?: number
  readonly current: { readonly value: string | string[]; readonly text: string | string[] }
}

export interface Board {
  readonly title: string
  readonly panels: Panel[]
  readonly templating: { readonly list: Variable[] }
}

/** Milliseconds, and seconds from one point to the next. */
export interface Span {
  readonly from: number
  readonly to: number
  readonly stepSeconds: number
}

const datasource = { type: 'prometheus', uid: 'callward' }

function variableOf(one: Variable): SceneVariable {
  const { name, query, multi: isMulti = false, includeAll = false, allValue, current } = one
  const shared = { name, label: one.label ?? name }
  const choice = { isMulti, includeAll, value: current.value, text: current.text }
  const every = allValue === undefined ? {} : { allValue }
  switch (one.type) {
    case 'datasource':
      return new DataSourceVariable({
        ...shared,
        pluginId: query,
        value: datasource.uid,
        text: 'Callward',
      })
    case 'query':
      return new QueryVariable({
        ...shared,
        ...choice,
        ...every,
        query,
        datasource,
        sort: one.sort ?? 0,
      })
    case 'custom':
      return new CustomVariable({ ...shared, ...choice, ...every, query })
    default:
      return new TextBoxVariable({ ...shared, value: String(current.value) })
  }
}

function bodyOf(panel: Copy, { stepSeconds }: Span): VizPanel {
  const { id, type, title, description = '', targets = [], transformations = [], local } = panel
  const queries = new SceneQueryRunner({
    datasource,
    queries: targets.map((target) => ({ ...target })),
    // Both sides draw the same points.
    ...{ minInterval: `${stepSeconds}s`, maxDataPoints: 10_000 },
  })
  return new VizPanel({
    ...{ key: `panel-${id}`, pluginId: type, title, description },
    options: panel.options ?? {},
    fieldConfig: panel.fieldConfig ?? { defaults: {}, overrides: [] },
    ...(local === undefined ? {} : { $variables: localOf(local) }),
    ...(targets.length === 0
      ? {}
      : { $data: new SceneDataTransformer({ $data: queries, transformations }) }),
  })
}

/** As Grafana's own repeated panels and rows hold their value. */
function localOf({ name, value }: NonNullable<Copy['local']>): SceneVariableSet {
  return new SceneVariableSet({
    variables: [new LocalValueVariable({ name, value, text: value, isMulti: true })],
  })
}

/** The ids of further copies: far from every board's. */
const copyIds = 100_000

const copiesOf = (one: Panel, repeated: Repeated): Copy[] =>
  one.repeat === undefined
    ? [one]
    : (repeated[one.repeat] ?? []).map((value, index) => ({
        ...one,
        id: one.id + index * copyIds,
        local: { name: one.repeat!, value },
      }))

/** A panel's copies side by side, or the panel alone. */
function beside(panel: Copy, repeated: Repeated): Copy[] {
  const copies = panel.repeat === undefined ? [panel] : copiesOf(panel, repeated)
  const inLine = Math.max(1, Math.min(copies.length, panel.maxPerRow ?? 4))
  const w = Math.floor(24 / inLine)
  return panel.repeat === undefined
    ? copies
    : copies.map((copy, index) => {
        const y = panel.gridPos.y + Math.floor(index / inLine) * panel.gridPos.h
        return { ...copy, gridPos: { ...panel.gridPos, x: (index % inLine) * w, y, w } }
      })
}

/** The board's panels from top to bottom, every row unfolded; a row's heading takes one line. */
function placed(board: Board, span: Span, repeated: Repeated): SceneGridItem[] {
  const items: SceneGridItem[] = []
  let bottom = 0
  const put = (panels: readonly Copy[]) => {
    const top = Math.min(...panels.map(({ gridPos }) => gridPos.y))
    const begin = bottom
    let pushed = 0
    for (const one of panels) {
      const copies = beside(one, repeated)
      for (const panel of copies) {
        const { x, y, w: width, h: height } = panel.gridPos
        const at = begin + y - top + pushed
        items.push(new SceneGridItem({ x, y: at, width, height, body: bodyOf(panel, span) }))
        bottom = Math.max(bottom, at + height)
      }
      // A repeated panel has its line to itself: what stands below goes down by its further lines.
      pushed += (copies.at(-1)?.gridPos.y ?? one.gridPos.y) - one.gridPos.y
    }
  }
  const heading = ({ id, title, local }: Copy) => {
    const body = new VizPanel({
      ...{ key: `row-${id}`, pluginId: 'heading', title, displayMode: 'transparent' },
      ...(local === undefined ? {} : { $variables: localOf(local) }),
      options: {},
      ...{ fieldConfig: { defaults: {}, overrides: [] } },
    })
    items.push(new SceneGridItem({ x: 0, y: bottom, width: 24, height: 1, body }))
    bottom += 1
  }
  let open: Panel[] = []
  for (const one of board.panels) {
    if (one.type !== 'row') {
      open.push(one)
      continue
    }
    if (open.length > 0) put(open)
    open = []
    for (const copy of copiesOf(one, repeated)) {
      heading(copy)
      const panels = (one.panels ?? []).map((panel) => ({
        ...panel,
        id: panel.id + copy.id - one.id,
        ...(copy.local === undefined ? {} : { local: copy.local }),
      }))
      if (panels.length > 0) put(panels)
    }
  }
  if (open.length > 0) put(open)
  return items
}

/** A board of Grafana's classic JSON as a scene of Grafana's. */
export function sceneOf(board: Board, span: Span, repeated: Repeated): EmbeddedScene {
  return new EmbeddedScene({
    $timeRange: new SceneTimeRange({
      from: new Date(span.from).toISOString(),
      to: new Date(span.to).toISOString(),
      timeZone: 'UTC',
    }),
    $variables: new SceneVariableSet({ variables: board.templating.list.map(variableOf) }),
    controls: [new VariableValueSelectors({})],
    body: new SceneGridLayout({ children: placed(board, span, repeated), isLazy: false }),
  })
}

/** The values that the data source has of each variable that something is repeated by, whatever is chosen of the others. */
export async function repeatedOf(
  { panels, templating }: Board,
  valuesOf: (query: string) => Promise<readonly string[]>,
): Promise<Repeated> {
  const every = panels.flatMap((one) => [one, ...(one.panels ?? [])])
  const names = new Set(every.flatMap(({ repeat }) => repeat ?? []))
  const wanted = templating.list.filter(({ name }) => names.has(name))
  return Object.fromEntries(
    await Promise.all(
      wanted.map(async ({ name, query }) => [
        name,
        await valuesOf(query.replace(/"\$\w+"/g, '".+"')),
      ]),
    ),
  )
}
