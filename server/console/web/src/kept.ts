import { signal } from '@preact/signals'
import { ApiError, get } from './api.ts'
import { isPassing } from './outbox-queue.ts'

const cacheName = 'callward-opened'
const readAtHeader = 'x-read-at'
/** An incident is about eight answers; beyond this the oldest go. */
const mostKept = 200
/** With a kept answer at hand, a line that carries nothing within this time counts as none. */
const hurriedMs = 5_000

/** When what is shown was read (RFC 3339), while the hub cannot be reached; null while it can. */
export const shownAsReadAt = signal<string | null>(null)

/**
 * GET of what the reader opened: kept on this device, and given as it was read last where the hub cannot be reached. Browsers
 * keep nothing over plain http to another machine. Throws ApiError.
 */
export async function getKept<T>(path: string): Promise<T> {
  const before = await stored(path)
  try {
    const answer = await get<T>(path, before === undefined ? undefined : hurriedMs)
    shownAsReadAt.value = null
    void keep(path, answer)
    return answer
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    // What is no longer the reader's to see, or gone, goes here too.
    if (error.status === 403 || error.status === 404) await (await opened())?.delete(path)
    if (before === undefined || !isPassing(error.status)) throw error
    const readAt = before.headers.get(readAtHeader)
    if (readAt !== null && (shownAsReadAt.peek() ?? readAt) >= readAt) shownAsReadAt.value = readAt
    return (await before.json()) as T
  }
}

/** What was kept of a path, without asking the hub; undefined when nothing was. */
export async function lastKept<T>(path: string): Promise<T | undefined> {
  return (await stored(path))?.json() as Promise<T | undefined>
}

/** Forgets all that was kept of what was opened: at sign-out, or when the session ended. */
export async function forgetKept(): Promise<void> {
  generation++
  shownAsReadAt.value = null
  if (hasCaches()) await caches.delete(cacheName).catch(() => false)
}

/** Counts sign-outs: an answer that was on its way during one is not kept. */
let generation = 0

const hasCaches = () => typeof caches !== 'undefined'

/** Undefined where the browser has no such store, or it is switched off: then nothing is kept. */
async function opened(): Promise<Cache | undefined> {
  return hasCaches() ? caches.open(cacheName).catch(() => undefined) : undefined
}

async function stored(path: string): Promise<Response | undefined> {
  return (await opened())?.match(path).catch(() => undefined)
}

async function keep(path: string, answer: unknown): Promise<void> {
  const begun = generation
  const cache = await opened()
  if (cache === undefined || begun !== generation) return
  const headers = { 'content-type': 'application/json', [readAtHeader]: new Date().toISOString() }
  try {
    await cache.put(path, new Response(JSON.stringify(answer), { headers }))
    const paths = await cache.keys() // oldest first
    for (const old of paths.slice(0, -mostKept)) await cache.delete(old)
  } catch (error) {
    console.warn('This device keeps no copy: its storage is full or switched off.', error)
  }
  if (begun !== generation) await forgetKept()
}
