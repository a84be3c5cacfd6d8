import { fingerprint, type Labels, type Millis } from './alert.ts'
import type { RuleExtras } from './rule-extras.ts'
import type { VectorElement } from './state.ts'
import { passes } from './tiers.ts'

/** What one rule remembers between evaluations. JSON-serialisable. */
export interface MeasureMemory {
  /** Series seen, by fingerprint, for `absent_for`. */
  readonly seen: Readonly<Record<string, { readonly labels: Labels; readonly at: Millis }>>
}

/** Nothing seen yet. */
export const noMemory: MeasureMemory = { seen: {} }

/** Series a rule remembers; more are not watched for absence. */
export const seenMax = 20_000
/** How long a series that is gone counts as absent; then it was taken out of service. */
export const absenceMax: Millis = 7 * 86_400_000

export interface MeasureInput {
  /** The rule's result. */
  readonly vector: readonly VectorElement[]
  /** The values of the watched series whether the condition holds or not; needed for `recovery` and `absent_for`. */
  readonly values: readonly VectorElement[]
  /** The result of `minimum_traffic`'s expression. */
  readonly traffic: readonly VectorElement[]
  /** True when an alert of these labels fires now. */
  readonly firing: (labels: Labels) => boolean
}

export interface Measured {
  /** What counts as the rule's result: goes to `advance`. */
  readonly vector: readonly VectorElement[]
  /** Results left out, and why. */
  readonly held: readonly { readonly labels: Labels; readonly because: string }[]
  readonly memory: MeasureMemory
}

/**
 * Stands between a rule's query and `advance`: keeps what has not recovered, adds what is absent (value NaN), and
 * leaves out what has too little traffic. A series without any traffic value has none.
 */
export function measure(
  extras: RuleExtras,
  memory: MeasureMemory,
  input: MeasureInput,
  now: Millis,
): Measured {
  const results = new Map(input.vector.map((element) => [nameOf(element.labels), element]))
  for (const element of input.values) {
    const stays = extras.recovery !== undefined && passes(extras.recovery, element.value)
    const name = nameOf(element.labels)
    if (stays && !results.has(name) && input.firing(element.labels)) results.set(name, element)
  }
  const { seen, absent } = absence(extras, memory, input.values, now)
  for (const element of absent) results.set(nameOf(element.labels), element)
  const held: { labels: Labels; because: string }[] = []
  const vector = [...results.values()].filter((element) => {
    const because = Number.isNaN(element.value)
      ? undefined
      : tooQuiet(extras, element, input.traffic)
    if (because !== undefined) held.push({ labels: element.labels, because })
    return because === undefined
  })
  return { vector, held, memory: { seen } }
}

function absence(
  extras: RuleExtras,
  memory: MeasureMemory,
  values: readonly VectorElement[],
  now: Millis,
): { seen: MeasureMemory['seen']; absent: readonly VectorElement[] } {
  if (extras.absentFor === undefined) return { seen: {}, absent: [] }
  const seen = new Map(Object.entries(memory.seen))
  for (const { labels } of values) {
    const name = nameOf(labels)
    if (seen.size < seenMax || seen.has(name)) seen.set(name, { labels, at: now })
  }
  const absent: VectorElement[] = []
  for (const [name, { labels, at }] of seen) {
    if (now - at > absenceMax) seen.delete(name)
    else if (now - at >= extras.absentFor) absent.push({ labels, value: Number.NaN })
  }
  return { seen: Object.fromEntries(seen), absent }
}

/** A traffic series belongs to a result when every label of it is equal there. */
function tooQuiet(
  extras: RuleExtras,
  element: VectorElement,
  traffic: readonly VectorElement[],
): string | undefined {
  if (extras.minimumTraffic === undefined) return undefined
  const own = traffic.find(({ labels }) =>
    Object.entries(labels).every(
      ([name, value]) => name === '__name__' || element.labels[name] === value,
    ),
  )
  const { atLeast } = extras.minimumTraffic
  if (own !== undefined && own.value >= atLeast) return undefined
  return `traffic is ${own === undefined ? 'unknown' : own.value}, below ${atLeast}`
}

function nameOf(labels: Labels): string {
  const { __name__: _name, ...rest } = labels
  return fingerprint(rest)
}
