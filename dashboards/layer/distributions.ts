import type {
  HeatmapFieldModel,
  HistogramFieldModel,
  PanelOptions,
  StatusHistoryFieldModel,
} from './model.ts'
import { DataPanel } from './panel.ts'

/** Results that come now and then, a box each, one lane a series; the values get words by `mappings`. */
export class StatusHistory extends DataPanel {
  protected override readonly instant = false

  protected override visualisation() {
    const custom: StatusHistoryFieldModel = { fillOpacity: 75, lineWidth: 0 }
    const options: PanelOptions['status-history'] = {
      colWidth: 0.9,
      legend: { calcs: [], displayMode: 'list', placement: 'bottom', showLegend: true },
      perPage: 20,
      rowHeight: 0.85,
      showValue: 'never',
      tooltip: { mode: 'single', sort: 'none' },
    }
    return { type: 'status-history', options: { ...options }, custom: { ...custom } }
  }
}

/**
 * How often each size of something occurred, over time: darker is more often. Its one query is the increase of a histogram's buckets
 * by `le`; `unit` is that of the sizes.
 */
export class Heatmap extends DataPanel {
  protected override readonly instant = false
  protected override readonly coloured = undefined

  protected override format(): 'heatmap' {
    return 'heatmap'
  }

  /** One colour, darker with the number: how often something occurs is neither good nor bad. */
  protected override visualisation() {
    const custom: HeatmapFieldModel = { scaleDistribution: { type: 'linear' } }
    const options: PanelOptions['heatmap'] = {
      calculate: false,
      cellGap: 1,
      cellValues: { decimals: 0 },
      color: {
        exponent: 0.5,
        fill: 'blue',
        mode: 'scheme',
        reverse: false,
        scale: 'exponential',
        scheme: 'Blues',
        steps: 64,
      },
      exemplars: { color: 'rgba(255,0,255,0.7)' },
      filterValues: { le: 1e-9 },
      legend: { show: true },
      rowsFrame: { layout: 'auto' },
      showValue: 'never',
      tooltip: { mode: 'single', showColorScale: false, yHistogram: false },
      yAxis: { axisPlacement: 'left', unit: this.spec.unit },
    }
    return { type: 'heatmap', options: { ...options }, custom: { ...custom } }
  }
}

/** How many series have a value of about this size now: bars over the range of values. */
export class Histogram extends DataPanel {
  protected override readonly instant = true
  protected override readonly coloured = 'palette-classic'

  protected override visualisation() {
    const custom: HistogramFieldModel = {
      fillOpacity: 80,
      gradientMode: 'none',
      lineWidth: 1,
      stacking: { group: 'A', mode: 'none' },
    }
    const options: PanelOptions['histogram'] = {
      bucketCount: 20,
      bucketOffset: 0,
      combine: true,
      legend: { calcs: [], displayMode: 'list', placement: 'bottom', showLegend: false },
      tooltip: { mode: 'single', sort: 'none' },
    }
    return { type: 'histogram', options: { ...options }, custom: { ...custom } }
  }
}
