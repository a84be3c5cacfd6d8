import { useSignal } from '@preact/signals'
import { useMemo, useRef } from 'preact/hooks'
import type { PanelDefinition } from '../../../../../dashboards/drawing/definition.ts'
import { judge } from '../../../../../dashboards/drawing/judged.ts'
import { type Curve, curvesOf, lastOf } from '../../../../../dashboards/drawing/series.ts'
import { timesOf } from '../../../../../dashboards/drawing/time.ts'
import { useCanvas } from '../charts/canvas.ts'
import { fullTime } from '../i18n/format.ts'
import { language, t } from '../i18n/language.ts'
import type { PanelData } from './panel-data.ts'
import { columnsOf, curveColour, type Drawn, plotOptions } from './plot.ts'
import type { Scene } from './scene.ts'
import { Linked, Nothing, reader } from './shown.tsx'

interface Props {
  readonly panel: PanelDefinition
  readonly data: PanelData
  readonly scene: Scene
  readonly asTable: boolean
}

const linePx = 30
/** Head and legend take what is left of the panel. */
const aroundPx = 70

/** Curves over time with their limits, and bands where alerts fired and incidents were open. */
export function CurvePanel({ panel, data: { answers, window }, scene, asTable }: Props) {
  const curves = useMemo(() => curvesOf(panel, answers, window), [panel, answers, window])
  const over = useSignal<number | null>(null)
  if (curves.every(({ values }) => lastOf(values) === null))
    return <Nothing noValue={panel.fieldConfig?.defaults.noValue} />
  const drawn: Drawn = { panel, curves, window, marks: scene.marks }
  if (asTable) return <CurveTable drawn={drawn} scene={scene} />
  return (
    <>
      <Plot
        drawn={drawn}
        heightPx={Math.max(150, panel.gridPos.h * linePx - aroundPx)}
        moved={(index) => {
          over.value = index
        }}
      />
      <Legend curves={curves} scene={scene} at={over.value} />
    </>
  )
}

interface PlotProps {
  readonly drawn: Drawn
  readonly heightPx: number
  readonly moved: (index: number | null) => void
}

/** Drawn anew when its lines or the language change, else only fed. */
function Plot({ drawn, heightPx, moved }: PlotProps) {
  const latest = useRef(drawn)
  latest.current = drawn
  const { curves, marks, window } = drawn
  const names = curves.map(({ name }) => name).join('\n')
  const box = useCanvas({
    heightPx,
    options: () => plotOptions(drawn, () => latest.current, moved),
    columns: () => columnsOf(drawn),
    shape: [names, language.value, window.step],
    figures: [curves, marks],
  })
  const { title } = drawn.panel
  return (
    <div class="plot" ref={box} role="img" aria-label={title} style={{ minHeight: heightPx }} />
  )
}

/** Names and figures: the newest, or those under the pointer. */
function Legend({
  curves,
  scene,
  at,
}: {
  curves: readonly Curve[]
  scene: Scene
  at: number | null
}) {
  return (
    <ul class="board-legend">
      {curves.map((curve, index) => {
        const value = (at === null ? undefined : curve.values[at]) ?? null
        const shown = at === null ? lastOf(curve.values) : value
        return (
          <li key={`${curve.name} ${JSON.stringify(curve.labels)}`}>
            <span
              class="legend-line"
              style={{ background: `var(${curveColour(curve, index)})` }}
              aria-hidden="true"
            />
            <Linked
              text={curve.name}
              links={curve.field.links}
              labels={curve.labels}
              scene={scene}
            />{' '}
            <strong>{written(shown, curve, scene)}</strong>
          </li>
        )
      })}
    </ul>
  )
}

/** Traffic that is sent is drawn below zero but is no negative traffic. */
function written(value: number | null, { field }: Curve, scene: Scene): string {
  if (value === null) return '–'
  const sign = field.custom?.transform === 'negative-Y' ? -1 : 1
  return judge(value * sign, field, reader(scene)).text
}

/** The same figures as a table, newest first: for screen readers and for copying. */
function CurveTable({ drawn: { curves, window }, scene }: { drawn: Drawn; scene: Scene }) {
  const times = timesOf(window)
  const order = times.map((_, index) => times.length - 1 - index)
  return (
    <table class="board-table">
      <thead>
        <tr>
          <th scope="col">{t('curve.time')}</th>
          {curves.map(({ name, labels }) => (
            <th key={`${name} ${JSON.stringify(labels)}`} scope="col">
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {order.map((row) => (
          <tr key={times[row]}>
            <th scope="row">
              {fullTime(language.value, new Date(times[row]! * 1000).toISOString())}
            </th>
            {curves.map((curve) => (
              <td key={`${curve.name} ${JSON.stringify(curve.labels)}`}>
                {written(curve.values[row] ?? null, curve, scene)}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  )
}
