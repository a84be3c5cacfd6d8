import type { AlertSeverity, PageMessage } from './api-types.ts'

/** Receipts that are said again after the line was lost. */
const displayedLimit = 100
const worst: Readonly<Record<AlertSeverity, number>> = { critical: 0, warning: 1, info: 2 }

/** A page that asks this person to act. */
export interface AskingPage {
  readonly id: string
  readonly number: number
  readonly title: string
  readonly severity: AlertSeverity
  readonly at: string
  /** Its messages in this person's queue that no receipt was said for, oldest first. */
  readonly unseen: readonly number[]
  /** Newest of its messages. */
  readonly sequence: number
  /** Put away in this tab until it is sent again. */
  readonly hidden: boolean
  /** Its alerts; empty until the hub has told them. */
  readonly alertIds: readonly string[]
}

/** Pages of this tab, and what was said about them. */
export interface PagesState {
  readonly asking: ReadonlyMap<string, AskingPage>
  /** Messages said to be displayed, newest last, at most 100. */
  readonly displayed: readonly number[]
}

export const noPages: PagesState = { asking: new Map(), displayed: [] }

/** A page message; one already taken changes nothing and gives back the same object. */
export function pageArrived(state: PagesState, message: PageMessage): PagesState {
  const { page } = message.body
  const { sequence, at } = message
  const known = state.asking.get(page.id)
  if (known !== undefined && known.sequence >= sequence) return state
  if (state.displayed.includes(sequence)) return state
  const { id, number, title, severity } = page
  const asking: AskingPage = {
    ...{ id, number, title, severity, at, sequence },
    unseen: [...(known?.unseen ?? []), sequence],
    hidden: false,
    alertIds: known?.alertIds ?? [],
  }
  return { ...state, asking: new Map(state.asking).set(id, asking) }
}

/** The page stands on a screen that is seen: gives the sequences whose receipt is to be said now. */
export function pageSeen(
  state: PagesState,
  id: string,
): readonly [PagesState, sequences: readonly number[]] {
  const page = state.asking.get(id)
  if (page === undefined || page.unseen.length === 0) return [state, []]
  const asking = new Map(state.asking).set(id, { ...page, unseen: [] })
  const displayed = [...state.displayed, ...page.unseen].slice(-displayedLimit)
  return [{ asking, displayed }, page.unseen.slice(-displayedLimit)]
}

/** Somebody took it, or it is over. */
export function pageGone(state: PagesState, id: string): PagesState {
  if (!state.asking.has(id)) return state
  const asking = new Map(state.asking)
  asking.delete(id)
  return { ...state, asking }
}

/** The person put it away in this tab. */
export function pageHidden(state: PagesState, id: string): PagesState {
  return changed(state, id, { hidden: true })
}

export function pageAlertsKnown(
  state: PagesState,
  id: string,
  alertIds: readonly string[],
): PagesState {
  return changed(state, id, { alertIds })
}

function changed(state: PagesState, id: string, change: Partial<AskingPage>): PagesState {
  const page = state.asking.get(id)
  if (page === undefined) return state
  return { ...state, asking: new Map(state.asking).set(id, { ...page, ...change }) }
}

/** The hub was restored from an older copy: sequences mean other messages now, so no receipt may be said for them. */
export function numbersLost(state: PagesState): PagesState {
  const asking = [...state.asking].map(
    ([id, page]) => [id, { ...page, unseen: [], sequence: 0 }] as const,
  )
  return { asking: new Map(asking), displayed: [] }
}

/** What stands on the screen: worst first, then the newest. */
export function pagesShown(state: PagesState): readonly AskingPage[] {
  return [...state.asking.values()]
    .filter(({ hidden }) => !hidden)
    .sort((a, b) => rank(a) - rank(b) || b.number - a.number)
}

function rank({ severity }: AskingPage): number {
  return worst[severity] ?? 3
}
