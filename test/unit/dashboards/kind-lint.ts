import type { PanelModel } from '../../../dashboards/layer/model.ts'
import { answeredLabels, parsed } from './queries.ts'

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
