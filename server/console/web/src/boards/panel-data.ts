import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import type { PanelDefinition } from '../../../../../dashboards/drawing/definition.ts'
import type { Answered } from '../../../../../dashboards/drawing/series.ts'
import type { Window } from '../../../../../dashboards/drawing/time.ts'
import { fillQuery } from '../../../../../dashboards/drawing/variables.ts'
import type { Scene } from './scene.ts'

/** The newest answers of a panel, and the window they are of. */
export interface PanelData {
  readonly answers: readonly Answered[]
  readonly window: Window
}

/** A panel's answers, asked again with each scene; the old ones stay until the new are whole. */
export function usePanelData(panel: PanelDefinition, scene: Scene) {
  const data = useSignal<PanelData | null>(null)
  const error = useSignal<unknown>(null)
  const { asking, variables, choices, window } = scene
  useEffect(() => {
    let current = true
    const ask = async () => {
      try {
        const answers = await Promise.all(
          (panel.targets ?? []).map(async (target): Promise<Answered> => {
            const query = fillQuery(target.expr, variables, choices, window)
            const series =
              target.instant === true
                ? await asking.instant(query, window.last)
                : await asking.range(query, window)
            return { target, series }
          }),
        )
        if (!current) return
        data.value = { answers, window }
        error.value = null
      } catch (problem) {
        if (current) error.value = problem
      }
    }
    void ask()
    return () => {
      current = false
    }
  }, [panel, asking, variables, choices, window])
  return { data: data.value, error: error.value }
}
