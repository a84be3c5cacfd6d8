import { useSignal } from '@preact/signals'
import { useEffect, useMemo } from 'preact/hooks'
import type { Address } from '../../../../../dashboards/drawing/address.ts'
import type { VariableDefinition } from '../../../../../dashboards/drawing/definition.ts'
import type { Window } from '../../../../../dashboards/drawing/time.ts'
import {
  type Choices,
  chosenOf,
  fillQuery,
  labelQuery,
  shownVariables,
} from '../../../../../dashboards/drawing/variables.ts'
import type { Asking } from './asking.ts'

interface Known {
  /** What each list offers; absent while it is asked for. */
  readonly known: Choices
  /** What counts now. */
  readonly chosen: Choices
  /** True when every list has a choice: before that no query can be asked. */
  readonly complete: boolean
  readonly error: unknown
}

/** The lists of a board's variables, each narrowed by the ones before it, and what of the address holds. */
export function useKnownValues(
  variables: readonly VariableDefinition[],
  { from, to, choices }: Address,
  window: Window | undefined,
  asking: Asking,
): Known {
  const read = useSignal<Choices>({})
  const error = useSignal<unknown>(null)
  const wishes = JSON.stringify(choices)
  const lists = read.value
  const chosen = useMemo(() => chosenAmong(variables, choices, lists), [variables, wishes, lists])
  const complete = shownVariables(variables).every(({ name }) => (chosen[name] ?? []).length > 0)
  // `from`, `to` and `wishes` are what the lists depend on; a refresh asks for them again only
  // while one is empty, as on a hub to which nobody has reported yet.
  const refreshed = complete ? undefined : window?.end
  useEffect(() => {
    if (window === undefined) return undefined
    let current = true
    listsOf(variables, choices, window, asking)
      .then((lists) => {
        if (!current) return
        read.value = lists
        error.value = null
      })
      .catch((problem: unknown) => {
        if (current) error.value = problem
      })
    return () => {
      current = false
    }
  }, [variables, from, to, wishes, refreshed, window === undefined])
  const known = useMemo(() => ({ ...fixedLists(variables), ...lists }), [variables, lists])
  return { known, chosen, complete, error: error.value }
}

function chosenAmong(
  variables: readonly VariableDefinition[],
  wishes: Choices,
  lists: Choices,
): Choices {
  return Object.fromEntries(
    shownVariables(variables).map((variable) => {
      const known =
        variable.type === 'custom' ? fixedValues(variable) : (lists[variable.name] ?? [])
      return [variable.name, chosenOf(variable, wishes[variable.name] ?? [], known)]
    }),
  )
}

function fixedValues({ options = [] }: VariableDefinition): readonly string[] {
  return options.map(({ value }) => value)
}

/** Lists that need not be asked for. */
function fixedLists(variables: readonly VariableDefinition[]): Choices {
  const fixed = shownVariables(variables).filter(({ query }) => labelQuery(query) === undefined)
  return Object.fromEntries(fixed.map((variable) => [variable.name, fixedValues(variable)]))
}

async function listsOf(
  variables: readonly VariableDefinition[],
  wishes: Choices,
  window: Window,
  asking: Asking,
): Promise<Choices> {
  const lists: Record<string, readonly string[]> = {}
  const chosen: Record<string, readonly string[]> = {}
  for (const variable of shownVariables(variables)) {
    const query = labelQuery(variable.query)
    const known =
      query === undefined
        ? fixedValues(variable)
        : await asking.values(
            query.label,
            fillQuery(query.series, variables, chosen, window),
            window,
          )
    lists[variable.name] = known
    chosen[variable.name] = chosenOf(variable, wishes[variable.name] ?? [], known)
  }
  return lists
}
