import type { BoardModel, PanelModel, RowModel } from '../../../dashboards/layer/model.ts'
import { parse } from '../../../server/promql/syntax/parser.ts'
import { answeredLabels, filled, parsed } from './queries.ts'

interface Target {
  readonly expr: string
  readonly format?: string
}

/** What is wrong with a panel for the kind it is, one line each. */
export function kindFaults(panel: PanelModel): string[] {
  const targets = (panel.targets ?? []) as unknown as readonly Target[]
  const faults: string[] = []
  const isHeatmap = panel.type === 'heatmap'
  if (targets.some(({ format }) => (format === 'heatmap') !== isHeatmap))
    faults.push('buckets and curves are mixed up')
  if ((isHeatmap || panel.type === 'histogram') && targets.length !== 1)
    faults.push(`a ${panel.type} of ${targets.length} queries`)
  if (isHeatmap && targets.some(({ expr }) => [...answeredLabels(parsed(expr))].join() !== 'le'))
    faults.push('a heatmap of other series than buckets by le')
  const hasWords = (panel.fieldConfig?.defaults.mappings ?? []).length > 0
  if (['state-timeline', 'status-history'].includes(panel.type) && !hasWords)
    faults.push('states without words')
  return faults
}

/** Options of Grafana's alert list, whose panel has no schema: `public/app/plugins/panel/alertlist/types.ts`. */
const listOptions: ReadonlySet<string> = new Set([
  ...['maxItems', 'sortOrder', 'dashboardAlerts', 'groupMode', 'groupBy', 'alertName'],
  ...['showInstances', 'folder', 'stateFilter', 'alertInstanceLabelFilter', 'datasource'],
  ...['viewMode', 'showInactiveAlerts'],
])
const listStates = ['error', 'firing', 'noData', 'normal', 'pending', 'recovering']

/** What is wrong with an alert list, which asks no query. */
export function listFaults(panel: PanelModel): string[] {
  const options = panel.options as Readonly<Record<string, unknown>>
  const faults = Object.keys(options)
    .filter((key) => !listOptions.has(key))
    .map((key) => `option ${key}`)
  if ((panel.description ?? '').length < 30) faults.push('no description worth reading')
  if ((panel.links ?? []).length === 0) faults.push('leads nowhere')
  const states = options['stateFilter'] as Readonly<Record<string, boolean>>
  if (Object.keys(states).sort().join() !== listStates.join()) faults.push('states of another list')
  if (!Object.values(states).includes(true)) faults.push('lists no state')
  const matchers = String(options['alertInstanceLabelFilter']).replaceAll(':regex}', '}')
  for (const name of ['customer', 'site', 'role', 'server'])
    if (!matchers.includes(`\${${name}}`)) faults.push(`does not ask for ${name}`)
  parse(`ALERTS${filled(matchers)}`)
  return faults
}

/** What is repeated by a variable that there is not, or that has one value, or whose value its title does not name. */
export function repeatFaults(board: BoardModel): string[] {
  const many = (board.templating?.list ?? []).filter(({ multi }) => multi === true)
  const every = (board.panels ?? []).flatMap((one): (PanelModel | RowModel)[] =>
    one.type === 'row' ? [one, ...(one as RowModel).panels] : [one],
  )
  return every.flatMap((one) => {
    const { repeat, title, gridPos } = one
    if (repeat === undefined) return title?.includes('$') ? [`${one.id}: title ${title}`] : []
    const faults: string[] = []
    if (!many.some(({ name }) => name === repeat)) faults.push(`repeated by ${repeat}`)
    if (!title?.includes(`$${repeat}`)) faults.push('copies that look alike')
    if (gridPos?.w !== 24) faults.push('a line shared with its copies')
    return faults.map((fault) => `${one.id} ${title}: ${fault}`)
  })
}
