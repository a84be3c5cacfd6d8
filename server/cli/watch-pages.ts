import type { Hub } from './hub.ts'
import { localTime, plain } from './render.ts'
import type { LineStyle } from './watch-lines.ts'

/** Body of a pushed message of kind `page`: this person is asked to act. */
export interface PageBody {
  readonly page: {
    readonly id: string
    readonly number: number
    readonly title: string
    readonly severity: string
  }
  /** This try to reach the person. */
  readonly attempt: string
  /** The same for every try and repeat of one telling. */
  readonly key: string
}

/** A page that was printed and that nobody has taken here. */
export interface PrintedPage {
  readonly id: string
  readonly number: number
  readonly title: string
  /** Monotonic milliseconds since when it stands there. */
  readonly since: number
}

/** Pages remembered for `take`. */
const pageLimit = 100

/** The pages after one more was printed, the newest last; a page that comes again moves there. */
export function pagePrinted(
  pages: readonly PrintedPage[],
  { page }: PageBody,
  at: number,
): readonly PrintedPage[] {
  const others = pages.filter(({ id }) => id !== page.id)
  const { id, number, title } = page
  return [...others, { id, number, title, since: at }].slice(-pageLimit)
}

/** The pages without one that was taken. */
export function pageTaken(pages: readonly PrintedPage[], number: number): readonly PrintedPage[] {
  return pages.filter((page) => page.number !== number)
}

/** One line for a page; `at` is RFC 3339. */
export function pageLine({ page }: PageBody, at: string, { paint }: LineStyle): string {
  const severity = plain(String(page.severity)).toUpperCase()
  return [
    localTime(at),
    paint(severity, 'PAGE'.padEnd(12)),
    `#${Number(page.number)} ${severity}`,
    plain(String(page.title)),
    `(take ${Number(page.number)})`,
  ].join('  ')
}

/** A page that waits for a screen, as its message. */
export interface WaitingPage {
  readonly sequence: number
  readonly at: string
  readonly kind: string
  readonly body: PageBody
}

/** Most pages the hub lists at once. */
const listLimit = 200

/** Pages of the last day up to `newest` that still ask for somebody, the oldest first. */
export async function waitingPages(
  hub: Pick<Hub, 'call'>,
  newest: number,
): Promise<readonly WaitingPage[]> {
  const none = () => undefined // A hub without pages has none that wait.
  const answer = await hub
    .call<{ messages: WaitingPage[] }>('GET', '/api/v1/live/pages')
    .catch(none)
  const waiting = (answer?.messages ?? []).filter(({ sequence }) => sequence <= newest)
  if (waiting.length === 0) return []
  const list = await hub
    .call<{ pages: { id: string; state: string }[] }>(
      'GET',
      `/api/v1/pages?state=open&limit=${listLimit}`,
    )
    .catch(none)
  // Better a page too many than one too few.
  const all = list === undefined || list.pages.length >= listLimit
  const open = new Set(list?.pages.filter(({ state }) => state === 'open').map(({ id }) => id))
  return waiting.filter(({ body }) => all || open.has(body.page.id)).toReversed()
}
