import type { PanelDefinition } from '../../../../../dashboards/drawing/definition.ts'
import { countText } from '../../../../../dashboards/drawing/heatmap.ts'
import { binName, histogramOf } from '../../../../../dashboards/drawing/histogram.ts'
import type { PanelData } from './panel-data.ts'
import type { Scene } from './scene.ts'
import { Nothing, reader } from './shown.tsx'

/** How many series have a value of about this size now: a column a size, its count above it. */
export function HistogramPanel({
  panel,
  data: { answers },
  scene,
}: {
  panel: PanelDefinition
  data: PanelData
  scene: Scene
}) {
  const bins = histogramOf(panel, answers)
  if (bins.length === 0) return <Nothing noValue={panel.fieldConfig?.defaults.noValue} />
  const most = Math.max(...bins.map(({ count }) => count))
  return (
    <ul class="histogram">
      {bins.map((bin) => (
        <li key={bin.from} title={binName(bin, panel, reader(scene))}>
          <span class="bin-room">
            <strong>{bin.count === 0 ? '' : countText(bin.count, reader(scene))}</strong>
            <span class="bin" style={{ '--share': String(bin.count / most) }} />
          </span>
          <span class="bin-name">{binName(bin, panel, reader(scene))}</span>
        </li>
      ))}
    </ul>
  )
}
