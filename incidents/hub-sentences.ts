import { type FactKind, hubActor } from './facts.ts'
import type { Words } from './words.ts'

/** What the hub says of an incident in fixed sentences; `{…}` is what changes in them. Their English stands in `words/en.ts`. */
export const hubSentenceNames = [
  'openedFromAlert',
  'firstSeen',
  'alertFired',
  'notKnown',
  'severityAsCritical',
  'severityByRule',
  'majorByRule',
  'runbookAttached',
  'sameAlert',
  'frozen',
] as const
export type HubSentence = (typeof hubSentenceNames)[number]

interface Said {
  readonly kind: FactKind
  readonly recordedBy: string
}

/**
 * A sentence of the hub in other words; undefined for all that is none, as what people wrote. The record keeps the English
 * sentence: it is read back from there, so that incidents recorded before are shown so too.
 */
export function hubSentence(
  fact: Said,
  written: string,
  english: Words,
  reader: Words,
): string | undefined {
  if (fact.recordedBy !== hubActor) return undefined
  for (const name of hubSentenceNames) {
    const values = valuesOf(english.hub[name], written)
    if (values !== undefined)
      return reader.hub[name].replace(/\{(\w+)\}/g, (slot, key: string) => values.get(key) ?? slot)
  }
  return undefined
}

/** What stands in the places of a sentence; undefined when the text is another. */
function valuesOf(sentence: string, text: string): ReadonlyMap<string, string> | undefined {
  const parts = sentence.split(/\{(\w+)\}/)
  const [before = '', slot, after = ''] = parts
  if (slot === undefined) return text === sentence ? new Map() : undefined
  const isIt =
    text.length > before.length + after.length && text.startsWith(before) && text.endsWith(after)
  return isIt ? new Map([[slot, text.slice(before.length, text.length - after.length)]]) : undefined
}
