import type { MappingModel, ThresholdsModel } from './model.ts'

/** Colours with one meaning each; a series without a judgement takes Grafana's palette. */
export const colours = {
  good: 'green',
  attention: 'orange',
  bad: 'red',
  unknown: '#888888',
  silent: 'purple',
  note: 'blue',
  plain: 'text',
} as const

/** The text of a panel that has nothing to show. */
export const noData = 'no data'

/** Where a figure turns to attention and to bad; either may be left out. */
export interface Limits {
  readonly attention?: number
  readonly bad?: number
}

/**
 * Thresholds for a figure that is bad when high. The base step is grey, because Grafana paints absent
 * data in the colour of the base; green begins at `from` (default 0).
 */
export function badAbove(limits: Limits, from = 0): ThresholdsModel {
  return steps(
    [from, colours.good],
    [limits.attention, colours.attention],
    [limits.bad, colours.bad],
  )
}

/** Thresholds for a figure that is bad when low: red from `from` (default 0), then attention, then green. */
export function badBelow(limits: Limits, from = 0): ThresholdsModel {
  const lowest = limits.bad === undefined ? colours.attention : colours.bad
  const middle =
    limits.bad === undefined ? undefined : limits.attention === undefined ? undefined : limits.bad
  return steps(
    [from, lowest],
    [middle, colours.attention],
    [limits.attention ?? limits.bad, colours.good],
  )
}

/** No judgement: the figure in the text's own colour, absence in grey. */
export function noJudgement(from = 0): ThresholdsModel {
  return steps([from, colours.plain])
}

function steps(...pairs: readonly (readonly [number | undefined, string])[]): ThresholdsModel {
  const known = pairs.flatMap(([value, color]) => (value === undefined ? [] : [{ color, value }]))
  return { mode: 'absolute', steps: [{ color: colours.unknown, value: null }, ...known] }
}

/** Words (and colours) for single values, in the order given. */
export function words(
  table: Readonly<Record<string, readonly [text: string, color: string]>>,
): MappingModel {
  const options: Record<string, { color: string; index: number; text: string }> = {}
  for (const [index, [value, [text, color]]] of Object.entries(table).entries()) {
    options[value] = { color, index, text }
  }
  return { type: 'value', options }
}

/** One word for every value from `from` up. */
export function wordFrom(from: number, text: string, color: string): MappingModel {
  return { type: 'range', options: { from, to: null, result: { color, index: 0, text } } }
}
