import type * as grafana from '@grafana/schema'
import type { Options as BarGaugeOptions } from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen'
import type {
  FieldConfig as HeatmapField,
  Options as HeatmapOptions,
} from '@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen'
import type {
  FieldConfig as HistogramField,
  Options as HistogramOptions,
} from '@grafana/schema/dist/esm/raw/composable/histogram/panelcfg/x/HistogramPanelCfg_types.gen'
import type { Options as StatOptions } from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen'
import type {
  FieldConfig as StateTimelineField,
  Options as StateTimelineOptions,
} from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen'
import type {
  FieldConfig as StatusHistoryField,
  Options as StatusHistoryOptions,
} from '@grafana/schema/dist/esm/raw/composable/statushistory/panelcfg/x/StatusHistoryPanelCfg_types.gen'
import type { Options as TableOptions } from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen'
import type { Options as TextOptions } from '@grafana/schema/dist/esm/raw/composable/text/panelcfg/x/TextPanelCfg_types.gen'
import type { Options as TimeSeriesOptions } from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen'

/** Grafana's own types with each enum replaced by the values it has in JSON; erased at compile time. */
export type Plain<T> = T extends string
  ? string extends T
    ? string
    : `${T}`
  : T extends number
    ? number extends T
      ? number
      : `${T}` extends `${infer N extends number}`
        ? N
        : never
    : T extends readonly (infer Item)[]
      ? Plain<Item>[]
      : T extends object
        ? { [Key in keyof T]: Plain<T[Key]> }
        : T

export type BoardModel = Plain<grafana.Dashboard>
export type PanelModel = Plain<grafana.Panel>
export type RowModel = Plain<grafana.RowPanel>
export type VariableModel = Plain<grafana.VariableModel>
export type LinkModel = Plain<grafana.DashboardLink>
export type FieldModel = Plain<grafana.FieldConfig>
export type FieldSourceModel = Plain<grafana.FieldConfigSource>
export type ThresholdsModel = Plain<grafana.ThresholdsConfig>
export type MappingModel = Plain<grafana.ValueMapping>
export type TransformationModel = Plain<grafana.DataTransformerConfig>
export type OverrideModel = FieldSourceModel['overrides'][number]

/** A Prometheus annotation: Grafana keeps its query beside the fields every annotation has. */
export type AnnotationModel = Plain<grafana.AnnotationQuery> & {
  expr?: string
  step?: string
  titleFormat?: string
  textFormat?: string
  tagKeys?: string
}

/** Options of each panel type, and the part of the field configuration that is its own. */
export interface PanelOptions {
  bargauge: Plain<BarGaugeOptions>
  heatmap: Plain<HeatmapOptions>
  histogram: Plain<HistogramOptions>
  stat: Plain<StatOptions>
  'state-timeline': Plain<StateTimelineOptions>
  'status-history': Plain<StatusHistoryOptions>
  table: Plain<TableOptions>
  text: Plain<TextOptions>
  timeseries: Plain<TimeSeriesOptions>
}
export type TimeSeriesFieldModel = Plain<grafana.GraphFieldConfig>
export type StateTimelineFieldModel = Plain<StateTimelineField>
export type StatusHistoryFieldModel = Plain<StatusHistoryField>
export type HeatmapFieldModel = Plain<HeatmapField>
export type HistogramFieldModel = Plain<HistogramField>
export type TableFieldModel = Plain<grafana.TableFieldOptions>

/** The data source every panel, variable and annotation reads: the board's `datasource` variable. */
export const boardDatasource = { type: 'prometheus', uid: `\${datasource}` }
