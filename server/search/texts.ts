import { wordsOf } from './words.ts'

/**
 * How much a word counts by where it stands: 3 in the title (of a runbook also its name), 2 in what was found out (causes, measures,
 * the post-mortem; of a runbook its steps), 1 elsewhere.
 */
export type Weight = 1 | 2 | 3

/** Kinds of facts that say what was found out; all others weigh 1. */
const findings: ReadonlySet<string> = new Set([
  'root_cause',
  'preliminary_cause',
  'five_whys',
  'temporary_measure',
  'permanent_measure',
  'went_well',
  'went_badly',
  'action',
  'answer',
])

/** Fields that name things for programs. */
const notForPeople: ReadonlySet<string> = new Set([
  'hash',
  'fingerprint',
  'rule_fingerprint',
  'codes',
  'additional',
  'evidence',
  'incident',
  'into',
])

/** Distinct words of one fact that are kept; the rest of a longer text is not found. */
export const wordsOfFactMax = 4000

/** What a service, or a server, is kept by; no word of a text can be the same. */
export function serviceWord(name: string): string {
  return `:service:${[...wordsOf(name)].join(' ').slice(0, 200)}`
}

export function weightOfFact(kind: string): Weight {
  return findings.has(kind) ? 2 : 1
}

/** Every text in a fact's value that a person wrote or reads, in its order. */
export function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  if (Array.isArray(value)) return value.flatMap(textsOf)
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, one]) => (notForPeople.has(key) ? [] : textsOf(one)))
}

/** The value of a fact as stored; nothing when it is no JSON. */
export function parsedValue(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}

/** Words a fact is found by, each with its weight. `value` is JSON. */
export function wordsOfFact(fact: { kind: string; value: string }): Map<string, Weight> {
  const words = new Map<string, Weight>()
  const value = parsedValue(fact.value)
  for (const service of servicesOf(value)) words.set(serviceWord(service), 1)
  const weight = weightOfFact(fact.kind)
  for (const text of textsOf(value)) {
    for (const word of wordsOf(text)) {
      if (words.size >= wordsOfFactMax) return words
      words.set(word, weight)
    }
  }
  return words
}

function servicesOf(value: unknown): string[] {
  const services = (value as { services?: unknown } | null | undefined)?.services
  return Array.isArray(services) ? services.filter((one) => typeof one === 'string') : []
}

/** Words an incident is found by whatever its facts say. */
export function wordsOfHead({ title, server }: { title: string; server: string }) {
  const words = new Map<string, Weight>()
  for (const word of wordsOf(server)) words.set(word, 1)
  for (const word of wordsOf(title)) words.set(word, 3)
  if (server !== '') words.set(serviceWord(server), 1)
  return words
}

/** Takes words to those that are there; of two weights the greater stays. */
export function addWords(to: Map<string, Weight>, words: ReadonlyMap<string, Weight>): void {
  for (const [word, weight] of words) {
    if (weight > (to.get(word) ?? 0)) to.set(word, weight)
  }
}
