import type { SentFact } from './workflow-types.ts'

/** Facts that wait for the network, or that the hub refused when it came back. */
export interface Waiting {
  /** Names the request: sent twice, it is carried out once. */
  readonly key: string
  /** Whose words they are; nobody else's session sends them. */
  readonly person: string
  readonly incident: string
  readonly number: number | string
  readonly facts: readonly SentFact[]
  /** The answer to an assignment: it goes to that route, and `facts` are what the list shows of it. */
  readonly answer?: WaitingAnswer
  readonly writtenAt: string
  readonly refused: string | null
}

/** What is said of the assignment `fact`: `accept`, `decline`, `arrived`. */
export interface WaitingAnswer {
  readonly fact: string
  readonly what: string
  readonly body: Readonly<Record<string, unknown>>
}

/** Where an entry is sent, and what. */
export function requestOf({ incident, facts, key, answer }: Waiting): {
  readonly path: string
  readonly body: Readonly<Record<string, unknown>>
} {
  const path = `/api/v1/incidents/${encodeURIComponent(incident)}`
  if (answer === undefined) return { path: `${path}/facts`, body: { facts, key } }
  const { fact, what, body } = answer
  const named = `${encodeURIComponent(fact)}/${encodeURIComponent(what)}`
  return { path: `${path}/assignments/${named}`, body: { ...body, key } }
}

/** More than one person writes in a basement; beyond it nothing more is kept. */
export const mostWaiting = 200

/** What the browser kept; what cannot be read counts as nothing. */
export function parseQueue(text: string | null): readonly Waiting[] {
  try {
    const list: unknown = JSON.parse(text ?? '[]')
    return Array.isArray(list) ? list.filter(isWaiting) : []
  } catch {
    return []
  }
}

function isWaiting(one: unknown): one is Waiting {
  const { key, person, incident, facts, writtenAt, answer } = (one ?? {}) as Partial<Waiting>
  const texts = [
    key,
    person,
    incident,
    writtenAt,
    ...(answer === undefined ? [] : [answer?.fact, answer?.what]),
  ]
  return texts.every((text) => typeof text === 'string') && Array.isArray(facts)
}

/** The facts with the time they were written, which is when they happened unless they say so. */
export function stamped(facts: readonly SentFact[], at: string): readonly SentFact[] {
  return facts.map((fact) => ({ occurredAt: at, ...fact }))
}

/** Gives undefined when no more fits. */
export function withWaiting(
  queue: readonly Waiting[],
  entry: Waiting,
): readonly Waiting[] | undefined {
  return queue.length >= mostWaiting ? undefined : [...queue, entry]
}

/** What becomes of an entry by the hub's answer: taken, to be sent again later, or refused for good. */
export type Outcome = 'sent' | 'later' | { readonly refused: string }

/** By the status of the answer; 0 is none. A session that ended sends after the next sign-in. */
export function outcomeOf(status: number, message: string): Outcome {
  if (status >= 200 && status < 300) return 'sent'
  return isPassing(status) || status === 401 ? 'later' : { refused: message }
}

/** The hub could not be reached, or says itself that this passes. */
export function isPassing(status: number): boolean {
  return status === 0 || status === 429 || status === 502 || status === 503 || status === 504
}

export function settled(
  queue: readonly Waiting[],
  key: string,
  outcome: Outcome,
): readonly Waiting[] {
  if (outcome === 'later') return queue
  if (outcome === 'sent') return queue.filter((one) => one.key !== key)
  return queue.map((one) => (one.key === key ? { ...one, refused: outcome.refused } : one))
}
