import type { Fact } from '../incidents/facts.ts'
import { blank } from '../incidents/picture.ts'
import { type Advance, advance, type IllegalStep } from '../incidents/replay.ts'
import { type History, type Told, timeOfId } from './history.ts'
import { entryName } from './log-checks.ts'

/** The way an incident went, replayed through the published workflow from its entries alone; undefined when a fact is not shown. */
export function wayOf(history: History, entries: readonly Told[]): Advance | undefined {
  if (!history.ways.has(entries)) history.ways.set(entries, replayed(history, entries))
  return history.ways.get(entries)
}

function replayed(history: History, entries: readonly Told[]): Advance | undefined {
  const facts: Fact[] = []
  for (const entry of factsOf(entries)) {
    const text = history.factText(entry)
    if (text.kind !== 'true') return undefined
    const { content, actor, occurredAt } = entry.value
    facts.push({
      id: content['fact'],
      kind: content['kind'],
      value: parsed(text.text),
      certainty: content['certainty'],
      occurredAt,
      recordedAt: timeOfId(content['fact']),
      recordedBy: actor,
      supersedes: content['supersedes'] ?? null,
      // The replay judges every part of it.
    } as Fact)
  }
  return advance(blank, facts)
}

/** Places of an incident's facts in the log, in their order. */
export function placesOf(entries: readonly Told[]): number[] {
  return factsOf(entries).map(({ index }) => index)
}

/** Names the entry that a lawful history could not hold. */
export function illegal(entries: readonly Told[], { position, reasons }: IllegalStep): string {
  const entry = factsOf(entries)[position - 1]
  return `${entry === undefined ? 'an entry' : entryName(entry)}: ${reasons.join('; ')}`
}

function factsOf(entries: readonly Told[]): Told[] {
  return entries.filter(({ value }) => value.action === 'incident.fact')
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
