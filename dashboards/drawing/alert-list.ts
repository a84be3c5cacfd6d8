import type { PanelDefinition, VariableDefinition } from './definition.ts'
import { all, type Choices } from './variables.ts'

/** Which alerts a panel of Grafana's kind `alertlist` shows. */
export interface AlertListWish {
  readonly states: readonly ('firing' | 'pending')[]
  /** Then the list stops. */
  readonly most: number
  /** True for labels of an alert that the panel is about. */
  readonly isWanted: (labels: Readonly<Record<string, string>>) => boolean
}

interface Options {
  readonly alertInstanceLabelFilter?: string
  readonly maxItems?: number
  readonly stateFilter?: { readonly firing?: boolean; readonly pending?: boolean }
}

const matcher = /(\w+)(=~|!~|!=|=)"((?:[^"\\]|\\.)*)"/g

/** What the panel asks for where these values are chosen; a label that an alert lacks is the empty text. */
export function alertListOf(
  panel: PanelDefinition,
  variables: readonly VariableDefinition[],
  choices: Choices,
): AlertListWish {
  const { alertInstanceLabelFilter = '', maxItems, stateFilter } = (panel.options ?? {}) as Options
  const tests = [...alertInstanceLabelFilter.matchAll(matcher)].map(([, name, sign, text]) => {
    const wanted = new RegExp(`^(?:${filled(text!, sign!.includes('~'), variables, choices)})$`)
    return (labels: Readonly<Record<string, string>>) =>
      wanted.test(labels[name!] ?? '') !== sign!.startsWith('!')
  })
  return {
    states: (['firing', 'pending'] as const).filter((state) => stateFilter?.[state] === true),
    most: maxItems ?? Number.POSITIVE_INFINITY,
    isWanted: (labels) => tests.every((test) => test(labels)),
  }
}

/** The text of a matcher as a pattern: chosen values as themselves, "all" as the variable's own pattern. */
function filled(
  text: string,
  isPattern: boolean,
  variables: readonly VariableDefinition[],
  choices: Choices,
): string {
  return text
    .split(/(\$\{\w+(?::\w+)?\}|\$\w+)/)
    .map((part) => {
      const name = /^\$\{?(\w+)/.exec(part)?.[1]
      const variable = variables.find((one) => one.name === name)
      if (variable === undefined) return isPattern ? part : literal(part)
      const values = choices[variable.name] ?? []
      return values.includes(all) ? (variable.allValue ?? '.*') : values.map(literal).join('|')
    })
    .join('')
}

function literal(text: string): string {
  return text.replace(/[\\^$*+?.()|[\]{}]/g, '\\$&')
}
