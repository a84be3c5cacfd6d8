import { useSignal } from '@preact/signals'
import type { PanelDefinition } from '../../../../../dashboards/drawing/definition.ts'
import {
  bandName,
  countText,
  type Heatmap,
  heatmapOf,
  pathOf,
  shadeCount,
  strengthOf,
} from '../../../../../dashboards/drawing/heatmap.ts'
import { timesOf, type Window } from '../../../../../dashboards/drawing/time.ts'
import { fullTime } from '../i18n/format.ts'
import { language, t } from '../i18n/language.ts'
import type { PanelData } from './panel-data.ts'
import type { Scene } from './scene.ts'
import { Nothing, reader } from './shown.tsx'

const time = (seconds: number) => fullTime(language.value, new Date(seconds * 1000).toISOString())
const shades = Array.from({ length: shadeCount }, (_, index) => index + 1)

/** How often each size occurred, over time: bands by size, stronger for more often; as a table for those who cannot see it. */
export function HeatmapPanel({
  panel,
  data: { answers, window },
  scene,
  asTable,
}: {
  panel: PanelDefinition
  data: PanelData
  scene: Scene
  asTable: boolean
}) {
  const map = heatmapOf(panel, answers, window)
  if (map.most === 0) return <Nothing noValue={panel.fieldConfig?.defaults.noValue} />
  const view = { panel, map, window, scene }
  return asTable ? <CountTable {...view} /> : <Picture {...view} />
}

interface View {
  readonly panel: PanelDefinition
  readonly map: Heatmap
  readonly window: Window
  readonly scene: Scene
}

function Picture({ panel, map, window, scene }: View) {
  const under = useSignal('')
  const columns = map.bands[0]!.counts.length
  const top = [...map.bands].reverse()
  const point = ({
    currentTarget,
    clientX,
    clientY,
  }: PointerEvent & { currentTarget: Element }) => {
    const box = currentTarget.getBoundingClientRect()
    const at = Math.floor(((clientX - box.left) / box.width) * columns)
    const band = top[Math.floor(((clientY - box.top) / box.height) * top.length)]
    const count = band?.counts[at]
    if (band === undefined || count === undefined) return
    const moment = time(timesOf(window)[at]!)
    under.value = `${moment}: ${bandName(band, reader(scene))}: ${countText(count, reader(scene))}`
  }
  return (
    <div class="heatmap">
      <ol class="heat-bands" aria-hidden="true">
        {top.map((band) => (
          <li key={band.upTo}>{bandName(band, reader(scene))}</li>
        ))}
      </ol>
      <svg
        class="heat-cells"
        role="img"
        aria-label={`${panel.title}. ${t('boards.heatAsTable')}`}
        viewBox={`0 0 ${columns} ${top.length}`}
        preserveAspectRatio="none"
        onPointerMove={point}
        onPointerLeave={() => {
          under.value = ''
        }}
      >
        {shades.map((shade) => (
          <path key={shade} d={pathOf(panel, map, shade)} fill-opacity={strengthOf(shade)} />
        ))}
      </svg>
      <p class="lane-ends heat-foot muted">
        <span>{time(window.start)}</span>
        <span>
          {under.value === '' ? <Key most={countText(map.most, reader(scene))} /> : under}
        </span>
        <span>{time(window.end)}</span>
      </p>
    </div>
  )
}

/** What the shades stand for. */
function Key({ most }: { most: string }) {
  return (
    <span class="heat-key">
      &gt; 0
      <svg viewBox={`0 0 ${shadeCount} 1`} preserveAspectRatio="none" aria-hidden="true">
        {shades.map((shade) => (
          <path key={shade} d={`M${shade - 1} 0h1v1h-1z`} fill-opacity={strengthOf(shade)} />
        ))}
      </svg>
      {most}
    </span>
  )
}

/** The counts, newest first; steps without any stay out. */
function CountTable({ map: { bands }, window, scene }: View) {
  const times = timesOf(window)
  const order = times
    .map((_, index) => times.length - 1 - index)
    .filter((at) => bands.some(({ counts }) => (counts[at] ?? 0) > 0))
  return (
    <table class="board-table">
      <thead>
        <tr>
          <th scope="col">{t('curve.time')}</th>
          {bands.map((band) => (
            <th key={band.upTo} scope="col">
              {bandName(band, reader(scene))}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {order.map((at) => (
          <tr key={times[at]}>
            <th scope="row">{time(times[at]!)}</th>
            {bands.map(({ upTo, counts }) => (
              <td key={upTo}>{countText(counts[at] ?? null, reader(scene))}</td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  )
}
