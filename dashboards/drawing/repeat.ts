import { all, type Choices } from './variables.ts'

/** One copy of what is repeated: its own choice of the variable, and what tells it from the others (empty for the first). */
export interface Copy {
  readonly key: string
  readonly choices: Choices
}

export interface Copies {
  readonly shown: readonly Copy[]
  /** Copies that are not shown: choosing fewer values brings them. */
  readonly left: number
}

/** More copies than this help nobody to see anything. */
const mostCopies = 24

/** The copies of a panel or a row: one where nothing is repeated, else one for each chosen value; of "all" for each that is known. */
export function copiesOf(repeat: string | undefined, choices: Choices, known: Choices): Copies {
  if (repeat === undefined) return { shown: [{ key: '', choices }], left: 0 }
  const chosen = choices[repeat] ?? []
  const values = chosen.includes(all) ? (known[repeat] ?? []) : chosen
  const shown = values.slice(0, mostCopies).map((value, index) => ({
    key: index === 0 ? '' : `-${value}`,
    choices: { ...choices, [repeat]: [value] },
  }))
  return { shown, left: values.length - shown.length }
}

/** How many of 24 columns each copy of a panel takes, as Grafana shares out a line. */
export function columnsOfCopy(copies: number, mostInLine = 4): number {
  return Math.floor(24 / Math.max(1, Math.min(copies, mostInLine)))
}
