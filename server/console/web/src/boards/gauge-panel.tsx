import type { PanelDefinition } from '../../../../../dashboards/drawing/definition.ts'
import {
  arcOf,
  dialSize,
  endsOf,
  reachesOf,
  rings,
  turnOf,
} from '../../../../../dashboards/drawing/gauge.ts'
import { judge, type Tone } from '../../../../../dashboards/drawing/judged.ts'
import { type Figure, figuresOf } from '../../../../../dashboards/drawing/series.ts'
import type { PanelData } from './panel-data.ts'
import type { Scene } from './scene.ts'
import { Linked, Nothing, reader, toneClass, toneColour } from './shown.tsx'

/** A dial with a fixed scale, one a series: how far it is to the limits. */
export function GaugePanel({
  panel,
  data,
  scene,
}: {
  readonly panel: PanelDefinition
  readonly data: PanelData
  readonly scene: Scene
}) {
  const figures = figuresOf(panel, data.answers)
  if (figures.length === 0) return <Nothing noValue={panel.fieldConfig?.defaults.noValue} />
  return (
    <ul class="gauges">
      {figures.map((figure) => (
        <Dial key={`${figure.name} ${JSON.stringify(figure.labels)}`} {...{ figure, scene }} />
      ))}
    </ul>
  )
}

function Dial({ figure, scene }: { readonly figure: Figure; readonly scene: Scene }) {
  const { field, value, name, labels } = figure
  const { text, tone } = judge(value, field, reader(scene))
  const ends = endsOf(field).map(
    (end) => judge(end, { ...field, mappings: [] }, reader(scene)).text,
  )
  return (
    <li class={toneClass(tone)}>
      <svg
        class="dial"
        viewBox={`0 0 ${dialSize.width} ${dialSize.height}`}
        role="img"
        aria-label={`${name}: ${ends.join(' – ')}`}
      >
        {reachesOf(field).map(({ from, to, tone }) => (
          <Ring key={from} ring="limits" {...{ from, to, tone }} />
        ))}
        <Ring ring="value" from={0} to={1} />
        <Ring ring="value" from={0} to={turnOf(value, field)} tone={tone} />
      </svg>
      <strong class="dial-figure">
        <Linked text={text} links={field.links} labels={labels} scene={scene} />
      </strong>
      <span class="muted dial-name">{name}</span>
    </li>
  )
}

function Ring({
  ring,
  from,
  to,
  tone,
}: {
  readonly ring: keyof typeof rings
  readonly from: number
  readonly to: number
  readonly tone?: Tone
}) {
  const { radius, thick } = rings[ring]
  const stroke = `var(${tone === undefined ? '--grid' : toneColour(tone)})`
  return <path d={arcOf(radius, from, to)} fill="none" stroke-width={thick} style={{ stroke }} />
}
