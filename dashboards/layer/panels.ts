import type {
  FieldModel,
  PanelModel,
  PanelOptions,
  StateTimelineFieldModel,
  TimeSeriesFieldModel,
} from './model.ts'
import { DataPanel, Panel, type PanelSpec } from './panel.ts'

const newestValue = { calcs: ['lastNotNull'], fields: '', values: false }
const hiddenLegend = {
  calcs: [],
  displayMode: 'list' as const,
  placement: 'bottom' as const,
  showLegend: false,
}

/** What only curves have. */
interface CurveSpec {
  readonly stacked?: boolean
  /** Words beside the axis, where the unit does not say what is counted. */
  readonly axis?: string
}

/** Curves over time. Gaps stay gaps: a silent server draws no line. */
export class TimeSeries extends DataPanel<PanelSpec & CurveSpec> {
  protected override readonly instant = false
  protected override readonly coloured = 'palette-classic'

  /** Curves have no colour for absence, and every step but the base is drawn as a line: the grey base goes. */
  protected override field(): FieldModel {
    const field = super.field()
    const [base, first, ...limits] = field.thresholds!.steps
    const steps = [{ color: (first ?? base)!.color, value: null }, ...limits]
    return { ...field, thresholds: { mode: 'absolute', steps } }
  }

  protected override visualisation() {
    const lines = this.spec.thresholds !== undefined
    const custom: TimeSeriesFieldModel = {
      ...(this.spec.axis === undefined ? {} : { axisLabel: this.spec.axis }),
      // Zero is always in sight: a hair's breadth must not look like a mountain.
      ...(this.spec.min === undefined ? { axisSoftMin: 0, axisSoftMax: 0 } : {}),
      drawStyle: 'line',
      fillOpacity: this.spec.stacked === true ? 60 : 8,
      lineInterpolation: 'linear',
      lineWidth: 1,
      showPoints: 'auto',
      pointSize: 4,
      spanNulls: false,
      stacking: { group: 'A', mode: this.spec.stacked === true ? 'normal' : 'none' },
      thresholdsStyle: { mode: lines ? 'dashed' : 'off' },
    }
    const options: PanelOptions['timeseries'] = {
      legend: {
        calcs: ['lastNotNull', 'max'],
        displayMode: 'list',
        placement: 'bottom',
        showLegend: true,
      },
      tooltip: { mode: 'multi', sort: 'desc', maxHeight: 600 },
    }
    return { type: 'timeseries', options: { ...options }, custom: { ...custom } }
  }
}

/** What only large figures have. */
interface StatSpec {
  /** Shows each query's legend beside its figure. */
  readonly named?: boolean
}

/** One figure (or a few) in large type, coloured by its thresholds. */
export class Stat extends DataPanel<PanelSpec & StatSpec> {
  protected static override readonly usualHeight = 4
  protected override readonly instant = true

  protected override visualisation() {
    const options: PanelOptions['stat'] = {
      colorMode: 'value',
      graphMode: 'none',
      justifyMode: 'center',
      orientation: 'auto',
      percentChangeColorMode: 'standard',
      reduceOptions: newestValue,
      showPercentChange: false,
      textMode: this.spec.named === true ? 'value_and_name' : 'auto',
      wideLayout: true,
    }
    return { type: 'stat', options: { ...options } }
  }
}

/** A dial with a fixed scale. */
export class Gauge extends DataPanel<PanelSpec & { readonly min: number; readonly max: number }> {
  protected static override readonly usualHeight = 6
  protected override readonly instant = true

  /** The keys Grafana 10 to 13 share; the dial of 13 fills in the rest itself. */
  protected override visualisation() {
    const options = {
      minVizHeight: 75,
      minVizWidth: 75,
      orientation: 'auto' as const,
      reduceOptions: newestValue,
      showThresholdLabels: false,
      showThresholdMarkers: true,
      sizing: 'auto' as const,
    }
    return { type: 'gauge', options }
  }
}

/** Bars side by side, one a series. */
export class BarGauge extends DataPanel {
  protected override readonly instant = true

  protected override visualisation() {
    const options: PanelOptions['bargauge'] = {
      displayMode: 'basic',
      legend: hiddenLegend,
      maxVizHeight: 32,
      minVizHeight: 16,
      minVizWidth: 8,
      namePlacement: 'left',
      orientation: 'horizontal',
      reduceOptions: newestValue,
      showUnfilled: true,
      sizing: 'manual',
      // No size for names: Grafana leaves them room for the size it would choose itself, and cuts larger ones.
      text: { valueSize: 16 },
      valueMode: 'color',
    }
    return { type: 'bargauge', options: { ...options } }
  }
}

/** States over time, one lane a series; the values get words by `mappings`. */
export class StateTimeline extends DataPanel {
  protected override readonly instant = false

  protected override visualisation() {
    const custom: StateTimelineFieldModel & { spanNulls: boolean } = {
      fillOpacity: 75,
      lineWidth: 0,
      spanNulls: false,
    }
    const options: PanelOptions['state-timeline'] = {
      alignValue: 'left',
      legend: { ...hiddenLegend, showLegend: true },
      mergeValues: true,
      perPage: 20,
      rowHeight: 0.85,
      showValue: 'auto',
      tooltip: { mode: 'single', sort: 'none' },
    }
    return { type: 'state-timeline', options: { ...options }, custom: { ...custom } }
  }
}

/** Markdown: what the board answers, for whom, and where to go next. */
export class Text extends Panel {
  readonly content: string

  constructor(
    number: number,
    title: string,
    content: string,
    size: { readonly width: number; readonly height: number },
  ) {
    super(number, title, size)
    this.content = content
  }

  protected override body(): Omit<PanelModel, 'id' | 'title' | 'gridPos'> {
    const options: PanelOptions['text'] = { content: this.content, mode: 'markdown' }
    return { type: 'text', description: 'What this board is for.', options: { ...options } }
  }
}
