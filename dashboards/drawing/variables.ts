import type { VariableDefinition } from './definition.ts'
import type { Window } from './time.ts'

/** The values chosen, by variable. */
export type Choices = Readonly<Record<string, readonly string[]>>

/** Grafana's value for "all of them". */
export const all = '$__all'

/** Variables a reader of the console chooses: there is one source of data, and the links need no address of the hub. */
export function shownVariables(
  variables: readonly VariableDefinition[],
): readonly VariableDefinition[] {
  return variables.filter(({ type }) => type === 'query' || type === 'custom')
}

/** What `label_values(series, label)` asks for; undefined for a query of another form. */
export function labelQuery(
  query: unknown,
): { readonly series: string; readonly label: string } | undefined {
  const [, series, label] = /^label_values\((.+),\s*(\w+)\)$/.exec(String(query ?? '')) ?? []
  return series === undefined || label === undefined ? undefined : { series, label }
}

/**
 * What counts of a wish (from an address) where `known` is on offer: chosen values may be gone, then they still hold, so
 * that a link to a silent host shows it; a fixed list knows only its own.
 */
export function chosenOf(
  variable: VariableDefinition,
  wished: readonly string[],
  known: readonly string[],
): readonly string[] {
  const fixed = variable.type === 'custom'
  const held = wished.filter(
    (value) =>
      value !== '' &&
      (value === all ? variable.includeAll === true : !fixed || known.includes(value)),
  )
  if (held.includes(all)) return [all]
  if (held.length > 0) return variable.multi === true ? held : held.slice(0, 1)
  const usual = [variable.current?.value ?? []].flat().filter((value) => value !== '')
  if (usual.length > 0) return usual
  return variable.includeAll === true ? [all] : known.slice(0, 1)
}

/** Shortest range over which a rate holds two reports; the interval the provisioned data source names. */
const reportSeconds = 10

/** The text of a query with its variables filled in, as Grafana's Prometheus source does. */
export function fillQuery(
  expression: string,
  variables: readonly VariableDefinition[],
  choices: Choices,
  window: Window,
): string {
  const builtIn: Readonly<Record<string, string>> = {
    __rate_interval: `${Math.max(window.step + reportSeconds, 4 * reportSeconds)}s`,
    __interval: `${window.step}s`,
    __range: `${Math.max(1, Math.round(window.seconds))}s`,
    __range_s: String(Math.round(window.seconds)),
  }
  return expression.replace(
    /\$\{(\w+)(?::\w+)?\}|\$(\w+)/g,
    (place, long?: string, short?: string) => {
      const name = (long ?? short)!
      if (builtIn[name] !== undefined) return builtIn[name]
      const variable = variables.find((one) => one.name === name)
      return variable === undefined ? place : valueIn(variable, choices[name] ?? [])
    },
  )
}

function valueIn(variable: VariableDefinition, values: readonly string[]): string {
  if (values.includes(all)) return variable.allValue ?? '.*'
  if (variable.type === 'custom' || variable.type === 'textbox') return values[0] ?? ''
  const literal = values.map(inPattern)
  return literal.length === 1 ? literal[0]! : `(${literal.join('|')})`
}

/** A text as itself within a regular expression within a PromQL string. */
function inPattern(text: string): string {
  return text
    .replace(/\\/g, '\\\\\\\\')
    .replace(/[$^*{}[\]+?.()|]/g, '\\\\$&')
    .replace(/"/g, '\\"')
    .replace(/\n/g, '\\n')
}

/** A title with the values of its variables; a variable of which all are chosen, or none, stands by its name. */
export function titleIn(title: string, choices: Choices): string {
  return title.replace(/\$\{(\w+)\}|\$(\w+)/g, (_, long?: string, short?: string) => {
    const values = choices[(long ?? short)!] ?? []
    return values.length === 0 || values.includes(all) ? (long ?? short)! : values.join(', ')
  })
}

/** `var-site=hanoi&…`, in Grafana's form. */
export function variablesQuery(choices: Choices): readonly (readonly [string, string])[] {
  return Object.entries(choices).flatMap(([name, values]) =>
    values.map((value) => [`var-${name}`, value] as const),
  )
}
