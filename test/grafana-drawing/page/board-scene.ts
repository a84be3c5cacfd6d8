import type { PanelModel } from '@grafana/data'
import {
  CustomVariable,
  DataSourceVariable,
  EmbeddedScene,
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
}

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

function bodyOf(panel: Panel, { stepSeconds }: Span): VizPanel {
  const { id, type, title, description = '', targets = [], transformations = [] } = panel
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
    ...(targets.length === 0
      ? {}
      : { $data: new SceneDataTransformer({ $data: queries, transformations }) }),
  })
}

/** The board's panels from top to bottom, every row unfolded; a row's heading takes one line. */
function placed(board: Board, span: Span): SceneGridItem[] {
  const items: SceneGridItem[] = []
  let bottom = 0
  const put = (panels: readonly Panel[]) => {
    const top = Math.min(...panels.map(({ gridPos }) => gridPos.y))
    const begin = bottom
    for (const panel of panels) {
      const { x, y, w: width, h: height } = panel.gridPos
      const at = begin + y - top
      items.push(new SceneGridItem({ x, y: at, width, height, body: bodyOf(panel, span) }))
      bottom = Math.max(bottom, at + height)
    }
  }
  const heading = ({ id, title }: Panel) => {
    const body = new VizPanel({
      ...{ key: `row-${id}`, pluginId: 'heading', title, displayMode: 'transparent' },
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
    heading(one)
    if ((one.panels ?? []).length > 0) put(one.panels!)
  }
  if (open.length > 0) put(open)
  return items
}

/** A board of Grafana's classic JSON as a scene of Grafana's. */
export function sceneOf(board: Board, span: Span): EmbeddedScene {
  return new EmbeddedScene({
    $timeRange: new SceneTimeRange({
      from: new Date(span.from).toISOString(),
      to: new Date(span.to).toISOString(),
      timeZone: 'UTC',
    }),
    $variables: new SceneVariableSet({ variables: board.templating.list.map(variableOf) }),
    controls: [new VariableValueSelectors({})],
    body: new SceneGridLayout({ children: placed(board, span), isLazy: false }),
  })
}
