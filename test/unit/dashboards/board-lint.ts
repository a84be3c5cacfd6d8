import type { BoardModel, PanelModel, RowModel } from '../../../dashboards/layer/model.ts'
import { kindFaults, listFaults, repeatFaults } from './kind-lint.ts'
import {
  answeredLabels,
  catalogued,
  groupings,
  labelsOf,
  parsed,
  rateIntervalMillis,
  uses,
  windowMillis,
} from './queries.ts'

/** Ranges that are not `$__rate_interval`, with the reason; by board uid and panel id. */
export const fixedRanges: Readonly<Record<string, string>> = {
  'callward-server/214':
    'deriv over 6 h: shorter, a nightly clean-up looks like a disk that fills in an hour',
  'callward-hardware/1203': 'decay of a disk shows over days',
  'callward-hardware/1205': 'a few memory errors a day are what matters',
  'callward-hardware/1208': 'decay of a disk shows over days',
  'callward-oncall/712': 'an alert that comes and goes shows over a day',
}

/** Panels whose figure is bad when low; every other judged figure is bad when high. */
export const badWhenLow: ReadonlySet<string> = new Set([
  'callward-server/201',
  'callward-server/203',
  'callward-server/214',
  'callward-hardware/1210',
  'callward-server/270',
  'callward-incidents/805',
  'callward-incidents/811',
  'callward-trunks/404',
])

const units = new Set([
  'none',
  'short',
  'percentunit',
  's',
  'd',
  'dtdurations',
  'dateTimeFromNow',
  'bytes',
  'Bps',
  'pps',
  'ops',
  'iops',
  'reqps',
  'cps',
  'bool_yes_no',
  'celsius',
  'rotrpm',
  'watt',
])
/** Kinds of panels that ask nothing of the data source. */
const withoutQueries: ReadonlySet<string> = new Set(['text', 'alertlist'])
const maximumOpen = 12
/** On one board; those of folded rows are asked for nothing until somebody opens them. */
const maximumPanels = 50
const badness = ['green', 'orange', 'red']
const unknownColour = '#888888'

export interface Target {
  readonly expr: string
  readonly refId: string
  readonly legendFormat?: string
  readonly instant: boolean
  readonly range: boolean
  readonly datasource: unknown
}

export function isRow(panel: PanelModel | RowModel): panel is RowModel {
  return panel.type === 'row'
}

/** Every panel that draws something, rows opened. */
export function panelsOf(board: BoardModel): PanelModel[] {
  return (board.panels ?? []).flatMap((panel) =>
    isRow(panel) ? panel.panels : [panel as PanelModel],
  )
}

export function targetsOf(panel: PanelModel): Target[] {
  return (panel.targets ?? []) as unknown as Target[]
}

/**
 * What is wrong with a board, one line each. The rules of grafana/dashboard-linter, restated, and ours. Its rules for
 * `job` and `instance` variables and matchers are met by customer, site, role and server, which name the same hosts in
 * the words people use; `job` would be the same for all of them.
 */
export function lint(board: BoardModel, uids: ReadonlySet<string>): string[] {
  const panels = panelsOf(board)
  return [
    ...boardFaults(board),
    ...variableFaults(board),
    ...sizeFaults(board),
    ...panels.flatMap((panel) =>
      panelFaults(panel).map((fault) => `${panel.id} ${panel.title}: ${fault}`),
    ),
    ...panels.flatMap((panel) =>
      queryFaults(board, panel).map((fault) => `${panel.id} ${panel.title}: ${fault}`),
    ),
    ...panels.flatMap((panel) =>
      [...thresholdFaults(board, panel), ...kindFaults(panel)].map(
        (fault) => `${panel.id} ${panel.title}: ${fault}`,
      ),
    ),
    ...repeatFaults(board),
    ...linkFaults(board, uids),
    ...annotationFaults(board),
  ]
}

function boardFaults(board: BoardModel): string[] {
  const faults: string[] = []
  const number = Math.floor((board.panels?.[0]?.id ?? 0) / 100)
  if (!/^callward-[a-z-]{1,31}$/.test(board.uid ?? '')) faults.push(`uid ${board.uid}`)
  if (!board.title?.startsWith('Callward / ')) faults.push(`title ${board.title}`)
  if (!board.description) faults.push('no description')
  if (board.schemaVersion !== 42) faults.push(`schemaVersion ${board.schemaVersion}`)
  if (board.editable !== false) faults.push('editable')
  if (board.graphTooltip !== 1) faults.push('no shared crosshair')
  if (!board.tags?.includes('callward')) faults.push('no tag callward')
  if (!/^\d+[sm]$/.test(String(board.refresh))) faults.push(`refresh ${board.refresh}`)
  for (const key of [
    'rows',
    'style',
    'hideControls',
    'sharedCrosshair',
    'originalTitle',
    'version',
    '__inputs',
    'id',
  ]) {
    if (key in board) faults.push(`key ${key}`)
  }
  const every = [
    ...(board.panels ?? []),
    ...(board.panels ?? []).flatMap((panel) => (isRow(panel) ? panel.panels : [])),
  ]
  for (const id of every.map((panel) => panel.id ?? 0)) {
    if (Math.floor(id / 100) !== number || number < 1)
      faults.push(`id ${id} is not of board ${number}`)
  }
  faults.push(...repeated(every.map((panel) => String(panel.id))).map((id) => `id ${id} twice`))
  faults.push(
    ...repeated(panelsOf(board).map((panel) => panel.title ?? '')).map(
      (title) => `title "${title}" twice`,
    ),
  )
  if (!panelsOf(board).some((panel) => panel.type === 'text'))
    faults.push('no text that says its purpose')
  return faults
}

function repeated(values: readonly string[]): string[] {
  return values.filter((value, index) => values.indexOf(value) !== index)
}

function variableFaults(board: BoardModel): string[] {
  const variables = board.templating?.list ?? []
  const faults: string[] = []
  const [source] = variables
  if (
    source?.name !== 'datasource' ||
    source.label !== 'Data source' ||
    source.type !== 'datasource' ||
    source.query !== 'prometheus'
  ) {
    faults.push('the first variable is not the data source')
  }
  const names = variables.map(({ name }) => name)
  for (const [index, name] of ['customer', 'site', 'role', 'server'].entries()) {
    const variable = variables[index + 1]
    if (variable?.name !== name) {
      faults.push(`variable ${index + 1} is ${variable?.name}, not ${name}`)
      continue
    }
    if (variable.type !== 'query' || variable.multi !== true)
      faults.push(`variable ${name}: not a query with several choices`)
    if (variable.refresh !== 2)
      faults.push(`variable ${name}: not read again when the time range changes`)
    if (variable.sort !== 1) faults.push(`variable ${name}: not sorted`)
    if (variable.includeAll === true && variable.allValue !== '.+')
      faults.push(`variable ${name}: "All" is ${variable.allValue}`)
    if (
      JSON.stringify(variable.datasource) !==
      JSON.stringify({ type: 'prometheus', uid: `\${datasource}` })
    )
      faults.push(`variable ${name}: other data source`)
    faults.push(...variableQueryFaults(name, String(variable.query)))
  }
  if (!names.includes('hub')) faults.push('no variable hub')
  return faults
}

function variableQueryFaults(name: string, query: string): string[] {
  const match = /^label_values\((.+), (\w+)\)$/.exec(query)
  if (match === null) return [`variable ${name}: ${query}`]
  if (match[2] !== name) return [`variable ${name} is filled with ${match[2]}`]
  return uses(parsed(match[1]!)).flatMap(({ metric, matchers }) =>
    unknownLabels(metric, [match[2]!, ...Object.keys(matchers)]),
  )
}

function sizeFaults(board: BoardModel): string[] {
  const faults: string[] = []
  const top = board.panels ?? []
  const open = top.filter((panel) => !isRow(panel) && panel.type !== 'text')
  const all = panelsOf(board).filter((panel) => panel.type !== 'text')
  if (open.length > maximumOpen) faults.push(`${open.length} panels open at load`)
  if (all.length > maximumPanels) faults.push(`${all.length} panels`)
  const screens = [
    top,
    ...top.flatMap((panel) => (isRow(panel) && panel.collapsed ? [panel.panels] : [])),
  ]
  return [...faults, ...screens.flatMap(overlaps)]
}

function overlaps(panels: readonly (PanelModel | RowModel)[]): string[] {
  return panels.flatMap((a, index) => {
    const p = a.gridPos!
    const outside = p.x + p.w > 24 || p.x < 0 || p.y < 0 ? [`${a.id} reaches outside the grid`] : []
    const hits = panels
      .slice(index + 1)
      .filter(
        ({ gridPos: q }) =>
          q && p.x < q.x + q.w && q.x < p.x + p.w && p.y < q.y + q.h && q.y < p.y + p.h,
      )
    return [...outside, ...hits.map((b) => `${a.id} and ${b.id} overlap`)]
  })
}

function panelFaults(panel: PanelModel): string[] {
  const faults: string[] = []
  if (!panel.title) faults.push('no title')
  if (panel.type === 'text') return faults
  if (panel.type === 'alertlist') return [...faults, ...listFaults(panel)]
  if ((panel.description ?? '').length < 30) faults.push('no description worth reading')
  if (panel.datasource?.uid !== `\${datasource}`) faults.push('not the templated data source')
  const defaults = panel.fieldConfig?.defaults
  if (!defaults?.noValue) faults.push('no text for absent data')
  if (!units.has(defaults?.unit ?? '')) faults.push(`unit ${defaults?.unit}`)
  for (const { properties } of panel.fieldConfig?.overrides ?? []) {
    const unit = properties.find(({ id }) => id === 'unit')?.value
    if (unit !== undefined && !units.has(String(unit))) faults.push(`unit ${unit} of a column`)
  }
  if (defaults?.unit === 'percentunit' && panel.type.endsWith('gauge') && defaults.max !== 1)
    faults.push('a share without a full scale')
  if (
    (panel.links ?? []).length === 0 &&
    (panel.fieldConfig?.overrides ?? []).every(({ properties }) =>
      properties.every(({ id }) => id !== 'links'),
    )
  ) {
    faults.push('leads nowhere')
  }
  return faults
}

function thresholdFaults(board: BoardModel, panel: PanelModel): string[] {
  const key = `${board.uid}/${panel.id}`
  const overrides = (panel.fieldConfig?.overrides ?? []).flatMap(({ properties }) =>
    properties.filter(({ id }) => id === 'thresholds').map(({ value }) => value),
  )
  const every = [panel.fieldConfig?.defaults.thresholds, ...overrides] as (
    | { steps: { color: string; value: number | null }[] }
    | undefined
  )[]
  return every.flatMap((thresholds) => {
    if (thresholds === undefined) return []
    const { steps } = thresholds
    const faults: string[] = []
    if (steps[0]?.value !== null) faults.push('the base threshold has a value')
    if (panel.type !== 'timeseries' && steps[0]?.color !== unknownColour)
      faults.push('absent data would look judged')
    const values = steps.slice(1).map(({ value }) => value ?? Number.NaN)
    if (values.some((value, index) => !(value > (values[index - 1] ?? Number.NEGATIVE_INFINITY))))
      faults.push(`thresholds out of order: ${values}`)
    const ranks = steps.map(({ color }) => badness.indexOf(color)).filter((rank) => rank >= 0)
    const expected = [...ranks].sort((a, b) => (badWhenLow.has(key) ? b - a : a - b))
    if (ranks.join() !== expected.join()) faults.push('thresholds point the wrong way')
    return faults
  })
}

function queryFaults(board: BoardModel, panel: PanelModel): string[] {
  if (withoutQueries.has(panel.type)) return []
  const targets = targetsOf(panel)
  const faults =
    targets.length === 0
      ? ['no query']
      : repeated(targets.map(({ refId }) => refId)).map((refId) => `refId ${refId} twice`)
  const instant = ['stat', 'gauge', 'bargauge', 'histogram', 'table'].includes(panel.type)
  for (const target of targets) {
    if (target.instant !== instant || target.range === instant)
      faults.push(
        `${target.refId}: ${instant ? 'would show an old value of a silent server' : 'shows only the newest value'}`,
      )
    if (JSON.stringify(target.datasource) !== JSON.stringify(panel.datasource))
      faults.push(`${target.refId}: other data source`)
    faults.push(...expressionFaults(`${board.uid}/${panel.id}`, instant, target))
  }
  return faults
}

function expressionFaults(key: string, instant: boolean, target: Target): string[] {
  const expr = parsed(target.expr)
  const faults = uses(expr).flatMap((use) => {
    const metric = catalogued(use.metric)
    if (metric === undefined) return [`${use.metric} is not in the catalogue`]
    const found = unknownLabels(use.metric, Object.keys(use.matchers))
    if (metric.own !== true)
      found.push(
        ...['customer', 'site', 'role', 'server']
          .filter((name) => use.matchers[name] === undefined)
          .map((name) => `${use.metric} does not ask for ${name}`),
      )
    const [matrix, call] = use.around
    const counted =
      call?.kind === 'call' && ['rate', 'irate', 'increase'].includes(call.signature.name)
    const onlyCounted = matrix?.kind === 'aggregate' && matrix.op === 'count'
    if (metric.type !== 'gauge' && !counted && !onlyCounted)
      found.push(`${use.metric} is a counter outside rate, irate and increase`)
    if (metric.type === 'gauge' && counted)
      found.push(`${use.metric} is a gauge inside ${call.signature.name}`)
    if (
      matrix?.kind === 'matrix' &&
      matrix.range !== rateIntervalMillis &&
      !(matrix.range === windowMillis && instant) &&
      fixedRanges[key] === undefined
    ) {
      found.push(`a range of ${String(matrix.range)} ms without a reason`)
    }
    return found
  })
  for (const { labels, metrics } of groupings(expr)) {
    for (const label of labels) {
      if (!metrics.some((metric) => labelsOf(metric).has(label)))
        faults.push(`groups by ${label}, which ${metrics.join(', ')} has not`)
    }
  }
  const answered = answeredLabels(expr)
  for (const [, label] of (target.legendFormat ?? '').matchAll(/\{\{(\w+)\}\}/g)) {
    if (!answered.has(label!)) faults.push(`legend names ${label}, which the answer has not`)
  }
  return faults
}

function unknownLabels(metric: string, names: readonly string[]): string[] {
  if (catalogued(metric) === undefined) return [`${metric} is not in the catalogue`]
  return names
    .filter((name) => !labelsOf(metric).has(name))
    .map((name) => `${metric} has no label ${name}`)
}

interface LinkLike {
  readonly title: string
  readonly url?: string
  readonly type?: string
  readonly targetBlank: boolean
  readonly keepTime: boolean
}

function linksOf(panel: PanelModel): LinkLike[] {
  const overridden = (panel.fieldConfig?.overrides ?? []).flatMap(({ properties }) =>
    properties.filter(({ id }) => id === 'links').flatMap(({ value }) => value as LinkLike[]),
  )
  return [
    ...(panel.links ?? []),
    ...((panel.fieldConfig?.defaults.links ?? []) as LinkLike[]),
    ...overridden,
  ]
}

const consolePaths =
  /^\$\{hub:raw\}\/(|alerts|incidents|hosts\/\$\{[^}]+\}|incidents\/\$\{[^}]+\}|runbooks\/\$\{[^}]+\})$/

function linkFaults(board: BoardModel, uids: ReadonlySet<string>): string[] {
  const faults: string[] = []
  if (
    !(board.links ?? []).some(
      (link) =>
        link.type === 'dashboards' &&
        link.asDropdown &&
        link.includeVars &&
        link.keepTime &&
        link.tags.includes('callward'),
    )
  ) {
    faults.push('no menu of boards')
  }
  const variables = new Set((board.templating?.list ?? []).map(({ name }) => name))
  for (const panel of panelsOf(board)) {
    const labels = targetsOf(panel).map(({ expr }) => answeredLabels(parsed(expr)))
    for (const link of linksOf(panel)) {
      const url = link.url ?? ''
      const to = /^\/d\/([a-z-]+)\?/.exec(url)?.[1]
      const at = `${panel.id} ${panel.title}: link "${link.title}"`
      if (to === undefined && !consolePaths.test(url)) faults.push(`${at} leads to ${url}`)
      if (to !== undefined && !uids.has(to))
        faults.push(`${at} leads to board ${to}, which there is not`)
      if (to !== undefined && !url.includes(`\${__url_time_range}`))
        faults.push(`${at} loses the time range`)
      if ((to === undefined) !== link.targetBlank) faults.push(`${at} opens in the wrong tab`)
      for (const [, name] of url.matchAll(/\$\{__(?:data\.fields|field\.labels)\.(\w+)/g)) {
        if (!labels.every((set) => set.has(name!)))
          faults.push(`${at} needs ${name}, which a query does not answer`)
      }
      for (const [, name] of url.matchAll(/\$\{(\w+)[:}]/g)) {
        if (!variables.has(name!) && !['__url_time_range', '__all_variables'].includes(name!))
          faults.push(`${at} names ${name}`)
      }
    }
  }
  return faults
}

function annotationFaults(board: BoardModel): string[] {
  const list = (board.annotations?.list ?? []) as {
    name: string
    builtIn?: number
    expr?: string
    titleFormat?: string
    textFormat?: string
    tagKeys?: string
  }[]
  const faults = list.some(({ builtIn }) => builtIn === 1)
    ? []
    : ['Grafana’s own annotations are not listed']
  for (const name of ['Alerts firing', 'Incidents', 'Planned work', 'Versions changed'])
    if (!list.some((one) => one.name === name)) faults.push(`no overlay ${name}`)
  for (const one of list.filter(({ builtIn }) => builtIn !== 1)) {
    const expr = parsed(one.expr ?? '')
    const answered = answeredLabels(expr)
    faults.push(
      ...uses(expr).flatMap(({ metric, matchers }) => unknownLabels(metric, Object.keys(matchers))),
    )
    const named = [...`${one.titleFormat} ${one.textFormat}`.matchAll(/\{\{(\w+)\}\}/g)].map(
      ([, name]) => name!,
    )
    for (const name of [...named, ...(one.tagKeys ?? '').split(',')])
      if (!answered.has(name)) faults.push(`overlay ${one.name} names ${name}`)
  }
  return faults
}
