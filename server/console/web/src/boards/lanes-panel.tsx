import type { PanelDefinition } from '../../../../../dashboards/drawing/definition.ts'
import { type Judged, judge } from '../../../../../dashboards/drawing/judged.ts'
import { curvesOf, stretchesOf } from '../../../../../dashboards/drawing/series.ts'
import { fullTime } from '../i18n/format.ts'
import { language } from '../i18n/language.ts'
import type { PanelData } from './panel-data.ts'
import type { Scene } from './scene.ts'
import { Linked, Nothing, reader, toneClass } from './shown.tsx'

const time = (seconds: number) => fullTime(language.value, new Date(seconds * 1000).toISOString())

/** States over time, one lane a series; where nothing was known the lane is empty. */
export function LanesPanel({
  panel,
  data: { answers, window },
  scene,
}: {
  panel: PanelDefinition
  data: PanelData
  scene: Scene
}) {
  const curves = curvesOf(panel, answers, window)
  if (curves.length === 0) return <Nothing noValue={panel.fieldConfig?.defaults.noValue} />
  const length = window.end - window.start
  const seen = new Map<string, Judged>()
  const lanes = curves.map((curve) => ({
    curve,
    stretches: stretchesOf(curve, window).map((stretch) => {
      const judged = judge(stretch.value, curve.field, reader(scene))
      seen.set(judged.text, judged)
      return { ...stretch, ...judged }
    }),
  }))
  return (
    <>
      <ul class="lanes">
        {lanes.map(({ curve, stretches }) => (
          <li key={`${curve.name} ${JSON.stringify(curve.labels)}`}>
            <span class="lane-name">
              <Linked
                text={curve.name}
                links={curve.field.links}
                labels={curve.labels}
                scene={scene}
              />
            </span>
            <span class="lane">
              {stretches.map(({ from, to, text, tone }) => (
                <span
                  key={from}
                  class={`stretch ${toneClass(tone)}`}
                  title={`${text}: ${time(from)} – ${time(to)}`}
                  style={{
                    left: `min(${((from - window.start) / length) * 100}%, 100% - 4px)`,
                    width: `${((to - from) / length) * 100}%`,
                  }}
                >
                  {text}
                </span>
              ))}
            </span>
          </li>
        ))}
      </ul>
      <p class="lane-ends muted">
        <span>{time(window.start)}</span>
        <span>
          {[...seen.values()].map(({ text, tone }) => (
            <span key={text} class={`lane-key ${toneClass(tone)}`}>
              {text}
            </span>
          ))}
        </span>
        <span>{time(window.end)}</span>
      </p>
    </>
  )
}
