import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import type {
  AnnotationDefinition,
  VariableDefinition,
} from '../../../../../dashboards/drawing/definition.ts'
import { type Mark, marksOf } from '../../../../../dashboards/drawing/marks.ts'
import type { Window } from '../../../../../dashboards/drawing/time.ts'
import { type Choices, fillQuery } from '../../../../../dashboards/drawing/variables.ts'
import type { Asking } from './asking.ts'

interface Needed {
  readonly variables: readonly VariableDefinition[]
  readonly chosen: Choices
  readonly complete: boolean
  readonly window: Window | undefined
  readonly asking: Asking
}

/** The board's overlays over its window; those of the last answer while the next is awaited. */
export function useMarks(
  annotations: readonly AnnotationDefinition[],
  { variables, chosen, complete, window, asking }: Needed,
): readonly Mark[] {
  const marks = useSignal<readonly Mark[]>([])
  useEffect(() => {
    if (window === undefined || !complete) return undefined
    let current = true
    Promise.all(
      annotations.map(async (annotation) => {
        if (annotation.expr === undefined) return []
        const query = fillQuery(annotation.expr, variables, chosen, window)
        return marksOf(annotation, await asking.range(query, window), window)
      }),
    )
      .then((found) => {
        if (current) marks.value = found.flat().sort((a, b) => a.from - b.from)
      })
      .catch((problem: unknown) => {
        console.warn('The overlays of this board were not read.', problem)
      })
    return () => {
      current = false
    }
  }, [annotations, variables, chosen, complete, window, asking])
  return marks.value
}
