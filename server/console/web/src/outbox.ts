import { computed, effect, signal } from '@preact/signals'
import { ApiError, post } from './api.ts'
import type { IncidentDetail } from './api-types.ts'
import { t } from './i18n/language.ts'
import { liveStatus } from './live.ts'
import type { Outcome, Waiting } from './outbox-queue.ts'
import {
  isPassing,
  outcomeOf,
  parseQueue,
  requestOf,
  settled,
  stamped,
  withWaiting,
} from './outbox-queue.ts'
import { changes, me } from './state.ts'
import type { SentFact } from './workflow-types.ts'

const storageKey = 'callward.outbox'
const againMs = 20_000

const queue = signal<readonly Waiting[]>(stored())

/** The reader's own facts that have not reached the hub. */
export const waiting = computed(() => queue.value.filter(({ person }) => person === me.value?.name))

function stored(): readonly Waiting[] {
  try {
    return parseQueue(localStorage.getItem(storageKey))
  } catch {
    return [] // storage is switched off: nothing can be kept
  }
}

/** Other tabs write too: what is stored is read anew before each change. */
function change(next: (now: readonly Waiting[]) => readonly Waiting[]): void {
  const changed = next(stored())
  localStorage.setItem(storageKey, JSON.stringify(changed))
  queue.value = changed
}

/**
 * Sends facts, or keeps them until the hub is reached again; then the answer is undefined. Throws ApiError when the hub
 * refuses them, and an error that says so when they can be neither sent nor kept.
 */
export async function write(
  incident: { readonly id: string; readonly number: number | string },
  facts: readonly SentFact[],
): Promise<IncidentDetail | undefined> {
  const entry = entryOf(incident, facts)
  // The hub gives the time of what reaches it at once.
  const sent = await sendOrKeep<{ incident: IncidentDetail }>({ ...entry, facts }, entry)
  return sent?.incident
}

/** Says something of an assignment, as `write` does; gives whether the hub has it. */
export async function answer(
  incident: { readonly id: string; readonly number: number | string },
  fact: string,
  what: string,
  { body, kind, text }: { body: Readonly<Record<string, unknown>>; kind: string; text: string },
): Promise<boolean> {
  const entry = entryOf(incident, [{ kind, value: { text } }])
  const late = { ...body, occurredAt: entry.writtenAt }
  const now = { ...entry, answer: { fact, what, body } }
  const kept = { ...entry, answer: { fact, what, body: late } }
  return (await sendOrKeep<object>(now, kept)) !== undefined
}

function entryOf(
  incident: { readonly id: string; readonly number: number | string },
  facts: readonly SentFact[],
): Waiting {
  const key = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`
  const writtenAt = new Date().toISOString()
  const person = me.peek()?.name ?? ''
  return {
    ...{ key, person, incident: incident.id, number: incident.number },
    ...{ facts: stamped(facts, writtenAt), writtenAt, refused: null },
  }
}

/** What waits for the incident goes first. `kept` is what is sent later. */
async function sendOrKeep<T>(now: Waiting, kept: Waiting): Promise<T | undefined> {
  if (waiting.peek().some((one) => one.incident === now.incident && one.refused === null))
    await sendWaiting()
  const { path, body } = requestOf(now)
  try {
    return await post<T>(path, body)
  } catch (error) {
    if (!(error instanceof ApiError) || !isPassing(error.status)) throw error
    keep(kept)
    return undefined
  }
}

function keep(entry: Waiting): void {
  try {
    change((now) => {
      const next = withWaiting(now, entry)
      if (next === undefined) throw new Error('full')
      return next
    })
  } catch {
    throw new Error(t('outbox.full'))
  }
}

let sending: Promise<void> | null = null

/** Sends what waits, oldest first, until the hub cannot be reached. */
export function sendWaiting(): Promise<void> {
  sending ??= sendAll().finally(() => {
    sending = null
  })
  return sending
}

async function sendAll(): Promise<void> {
  for (const entry of waiting.peek()) {
    if (entry.refused !== null) continue
    const outcome = await send(entry)
    if (outcome === 'later') return
    change((now) => settled(now, entry.key, outcome))
    changes.incidents.value++
  }
}

async function send(entry: Waiting): Promise<Outcome> {
  const { path, body } = requestOf(entry)
  try {
    await post(path, body)
    return 'sent'
  } catch (error) {
    return error instanceof ApiError ? outcomeOf(error.status, error.message) : 'later'
  }
}

/** Takes an entry out that the hub refused, or that its writer does not want sent. */
export function discard(key: string): void {
  change((now) => settled(now, key, 'sent'))
}

/** Sends whenever the hub is there again. */
export function startOutbox(): void {
  window.addEventListener('storage', ({ key }) => {
    if (key === storageKey) queue.value = stored()
  })
  window.addEventListener('online', () => void sendWaiting())
  effect(() => {
    if (liveStatus.value === 'connected' && me.value !== null) void sendWaiting()
  })
  setInterval(() => {
    if (waiting.peek().some(({ refused }) => refused === null)) void sendWaiting()
  }, againMs)
}
