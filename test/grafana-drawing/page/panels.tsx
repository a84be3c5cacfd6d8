import {
  type Field,
  type FieldDisplay,
  FieldType,
  getDisplayValueAlignmentFactors,
  getFieldDisplayValues,
  identityOverrideProcessor,
  PanelPlugin,
  type PanelPluginMeta,
  type PanelProps,
  renderMarkdown,
  VizOrientation,
} from '@grafana/data'
import {
  BarGauge,
  BigValue,
  TimeSeries,
  useTheme2,
  VizRepeater,
  type VizRepeaterRenderValueProps,
} from '@grafana/ui'
import { TableNG } from '@grafana/ui/unstable'
import type { ComponentType, CSSProperties } from 'react'
import { Lanes } from './lanes.tsx'
import { tell } from './told.ts'

/*
 * Grafana's panels are not among its packages, only what stands in them. Each of these hands the panel's options to
 * Grafana's own component and adds nothing to it.
 */

// biome-ignore lint/suspicious/noExplicitAny: a panel's options are what its board says.
type Props = PanelProps<any>

const middle: CSSProperties = {
  ...{ width: '100%', height: '100%', display: 'flex' },
  ...{ alignItems: 'center', justifyContent: 'center' },
}

/** What Grafana's panels say when there is nothing to draw. */
function Nothing({ fieldConfig }: Props) {
  return <div style={middle}>{fieldConfig.defaults.noValue ?? 'No data'}</div>
}

function Curves(props: Props) {
  const { data, options, timeRange, timeZone, width, height, id } = props
  tell(id, data.series)
  if (data.series.length === 0) return <Nothing {...props} />
  return (
    <TimeSeries
      {...{ frames: data.series, timeRange, timeZone, width, height }}
      legend={options.legend}
      options={options}
    />
  )
}

function figuresOf(
  { data, options, fieldConfig, replaceVariables, timeZone }: Props,
  theme: ReturnType<typeof useTheme2>,
) {
  const { reduceOptions } = options
  return getFieldDisplayValues({
    ...{ fieldConfig, reduceOptions, replaceVariables, theme, timeZone },
    ...{ data: data.series, sparkline: options.graphMode !== 'none' },
  })
}

function Stat(props: Props) {
  const theme = useTheme2()
  const { data, options, width, height, renderCounter, id, fieldConfig } = props
  tell(id, data.series)
  const draw = ({ value, width, height, count }: VizRepeaterRenderValueProps<FieldDisplay>) => (
    <BigValue
      {...{ theme, width, height, count, value: value.display }}
      colorMode={options.colorMode}
      graphMode={options.graphMode}
      justifyMode={options.justifyMode}
      textMode={options.textMode}
      text={options.text}
    />
  )
  return (
    <VizRepeater
      {...{ width, height, renderCounter, source: data, renderValue: draw, autoGrid: true }}
      getValues={() => figuresOf(props, theme)}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      orientation={options.orientation ?? VizOrientation.Auto}
      key={fieldConfig.defaults.unit}
    />
  )
}

function Bars(props: Props) {
  const theme = useTheme2()
  const { data, options, width, height, renderCounter, id } = props
  tell(id, data.series)
  if (data.series.length === 0) return <Nothing {...props} />
  const draw = (one: VizRepeaterRenderValueProps<FieldDisplay, object>) => (
    <BarGauge
      {...{ theme, width: one.width, height: one.height, orientation: one.orientation }}
      {...{
        value: one.value.display,
        field: one.value.field,
        alignmentFactors: one.alignmentFactors as never,
      }}
      text={options.text}
      displayMode={options.displayMode}
      showUnfilled={options.showUnfilled}
      valueDisplayMode={options.valueMode}
      namePlacement={options.namePlacement}
      itemSpacing={8}
      lcdCellWidth={12}
      {...(one.value.view && one.value.colIndex !== undefined
        ? { display: one.value.view.getFieldDisplayProcessor(one.value.colIndex) }
        : {})}
    />
  )
  return (
    <VizRepeater
      {...{ width, height, renderCounter, source: data, renderValue: draw, itemSpacing: 8 }}
      getValues={() => figuresOf(props, theme)}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      orientation={options.orientation}
      minVizWidth={options.minVizWidth}
      minVizHeight={options.minVizHeight}
      maxVizHeight={options.maxVizHeight}
    />
  )
}

function TableOf(props: Props) {
  const { data, options, width, height, id, fieldConfig } = props
  tell(id, data.series, true)
  const frame = data.series[options.frameIndex ?? 0]
  if (frame === undefined || frame.length === 0) return <Nothing {...props} />
  return (
    <TableNG
      {...{ width, height, data: frame, fieldConfig }}
      noHeader={!options.showHeader}
      sortBy={options.sortBy}
      cellHeight={options.cellHeight}
      enableVirtualization={false}
      structureRev={1}
    />
  )
}

function Words({ options, replaceVariables }: Props) {
  const html = renderMarkdown(replaceVariables(options.content))
  // biome-ignore lint/security/noDangerouslySetInnerHtml: our own boards, made safe by renderMarkdown.
  return <div className="markdown-html" dangerouslySetInnerHTML={{ __html: html }} />
}

/** The heading of a row of panels: its title says all. */
function Heading() {
  return null
}

function States(props: Props) {
  const { data, width, height, timeRange, id } = props
  tell(id, data.series)
  if (data.series.length === 0) return <Nothing {...props} />
  return <Lanes {...{ frames: data.series, width, height, timeRange }} />
}

/** Grafana's dial is not among its packages: its figures are compared, its looks are not. */
function Dial({ data, id }: Props) {
  tell(id, data.series)
  return <NotDrawn />
}

function NotDrawn() {
  return <div style={middle}>Not drawn: this panel of Grafana’s is not among its packages.</div>
}

/** The panels' own field properties and Grafana's defaults for them. */
const curveDefaults = {
  ...{ drawStyle: 'line', lineInterpolation: 'linear', lineWidth: 1, fillOpacity: 0 },
  ...{ gradientMode: 'none', showPoints: 'auto', pointSize: 5, spanNulls: false },
  ...{ axisPlacement: 'auto', axisLabel: undefined, axisColorMode: 'text', axisBorderShow: false },
  ...{ axisCenteredZero: false, axisGridShow: undefined, axisSoftMin: undefined },
  ...{ axisSoftMax: undefined, barAlignment: 0, transform: undefined, lineStyle: undefined },
  ...{ stacking: { mode: 'none', group: 'A' }, thresholdsStyle: { mode: 'off' } },
  ...{ hideFrom: { tooltip: false, viz: false, legend: false } },
  scaleDistribution: { type: 'linear' },
}
const laneDefaults = { lineWidth: 0, fillOpacity: 70, spanNulls: false, hideFrom: undefined }
const tableDefaults = {
  ...{ align: 'auto', inspect: false, filterable: false, width: undefined, minWidth: undefined },
  cellOptions: { type: 'auto' },
}

/** Times are no curves: what a board says of curves is not for the axis of time. */
const isDrawn = ({ type }: Field) => type !== FieldType.time

function plugin(
  id: string,
  panel: ComponentType<Props>,
  custom: object = {},
): [string, PanelPlugin] {
  const made = new PanelPlugin(panel)
  // biome-ignore lint/correctness/useHookAtTopLevel: a method of Grafana's, no hook of React's.
  made.useFieldConfig({
    useCustomConfig: (builder) => {
      for (const [path, defaultValue] of Object.entries(custom))
        builder.addCustomEditor({
          ...{ id: path, path, name: path, defaultValue },
          ...{ editor: () => null, override: () => null },
          ...{ process: identityOverrideProcessor, shouldApply: isDrawn },
        })
    },
  })
  made.meta = {
    id,
    name: id,
    info: {},
    skipDataQuery: ['text', 'heading', 'alertlist'].includes(id),
  } as PanelPluginMeta
  return [id, made]
}

/** By the kind that a board names. */
export const panelPlugins: ReadonlyMap<string, PanelPlugin> = new Map([
  plugin('timeseries', Curves, curveDefaults),
  plugin('stat', Stat),
  plugin('bargauge', Bars),
  plugin('gauge', Dial),
  plugin('table', TableOf, tableDefaults),
  plugin('text', Words),
  plugin('heading', Heading),
  plugin('state-timeline', States, laneDefaults),
  plugin('status-history', States, laneDefaults),
  plugin('alertlist', NotDrawn),
  plugin('heatmap', NotDrawn),
  plugin('histogram', NotDrawn),
])
