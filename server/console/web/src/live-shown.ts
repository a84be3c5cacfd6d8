import { signal } from '@preact/signals'
import { get, post } from './api.ts'
import type { PageMessage } from './api-types.ts'
import {
  noPages,
  type PagesState,
  pageAlertsKnown,
  pageArrived,
  pageGone,
  pageHidden,
} from './live-pages.ts'
import { notify, ring } from './live-ring.ts'
import { live, loadAlerts } from './state.ts'

/** Pages that ask this person. */
export const pages = signal<PagesState>(noPages)
/** Whether somebody can look at this tab now. */
export const tabVisible = signal(document.visibilityState === 'visible')

const lookAfterMs = 300
/** Most pages the hub lists at once. */
const listLimit = 200
let lookTimer: ReturnType<typeof setTimeout> | undefined

document.addEventListener('visibilitychange', () => {
  tabVisible.value = document.visibilityState === 'visible'
})

interface PageAnswer {
  readonly id: string
  readonly state: 'open' | 'acknowledged' | 'closed'
}

/** A page message: banner, sound, notification. */
export function takePageMessage(message: PageMessage): void {
  const before = pages.peek()
  const after = pageArrived(before, message)
  if (after === before) return
  pages.value = after
  ring()
  notify(message.body.page)
  void look(message.body.page.id)
}

/** Takes a page for this person. Throws ApiError; the page stays then. */
export async function takePage(id: string): Promise<void> {
  try {
    await post(`/api/v1/pages/${encodeURIComponent(id)}/acknowledge`)
  } catch (error) {
    void look(id) // perhaps somebody else took it meanwhile
    throw error
  }
  pages.value = pageGone(pages.peek(), id)
  void loadAlerts()
}

/** Puts a page away in this tab; it goes on asking elsewhere. */
export function hidePage(id: string): void {
  pages.value = pageHidden(pages.peek(), id)
}

/** Pages that came before this tab was open and that nobody has taken. */
export async function loadWaitingPages(): Promise<void> {
  try {
    const { messages } = await get<{ messages: PageMessage[] }>('/api/v1/live/pages')
    // Those after our position come by the line; a receipt for them now would be refused.
    const position = live.peek().sequence ?? 0
    const waiting = messages.filter(({ sequence }) => sequence <= position).toReversed()
    if (waiting.length === 0) return
    const open = await openPages()
    for (const message of waiting)
      if (open === undefined || open.has(message.body.page.id)) takePageMessage(message)
  } catch (error) {
    console.warn(`Waiting pages could not be loaded: ${String(error)}`) // the next connection tries again
  }
}

async function openPages(): Promise<Set<string> | undefined> {
  try {
    const { pages } = await get<{ pages: PageAnswer[] }>(
      `/api/v1/pages?state=open&limit=${listLimit}`,
    )
    if (pages.length >= listLimit) return undefined
    return new Set(pages.filter(({ state }) => state === 'open').map(({ id }) => id))
  } catch {
    return undefined // better a page too many than one too few
  }
}

/** An alert changed: pages may have been taken, or be over. */
export function lookAtPagesSoon(): void {
  if (pages.peek().asking.size === 0) return
  clearTimeout(lookTimer)
  lookTimer = setTimeout(() => {
    for (const id of pages.peek().asking.keys()) void look(id)
  }, lookAfterMs)
}

async function look(id: string): Promise<void> {
  try {
    const { page } = await get<{ page: PageAnswer & { readonly alerts: readonly string[] } }>(
      `/api/v1/pages/${encodeURIComponent(id)}`,
    )
    pages.value =
      page.state === 'open'
        ? pageAlertsKnown(pages.peek(), id, page.alerts)
        : pageGone(pages.peek(), id)
  } catch {
    // The banner stays as the message told it; the next change of an alert looks again.
  }
}

/** Calls `tell` when `element` was drawn (two frames after it stood in the window) in a tab that is visible. Returns what ends it. */
export function whenDrawn(element: HTMLElement, tell: () => void): () => void {
  let frame = 0
  const observer = new IntersectionObserver(
    (entries) => {
      if (!entries.some(({ isIntersecting }) => isIntersecting)) return
      frame = requestAnimationFrame(() => {
        frame = requestAnimationFrame(() => {
          if (document.visibilityState === 'visible') tell()
        })
      })
    },
    { threshold: 0.5 },
  )
  observer.observe(element)
  return () => {
    observer.disconnect()
    cancelAnimationFrame(frame)
  }
}
