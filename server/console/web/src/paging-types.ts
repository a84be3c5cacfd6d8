/** What the hub sends of pages; times are RFC 3339. */
export type PageState = 'open' | 'acknowledged' | 'closed'

export interface PageSummary {
  readonly id: string
  readonly number: number
  readonly title: string
  readonly severity: 'critical' | 'warning' | 'info'
  readonly state: PageState
  readonly policy: string
  readonly phase: string
  readonly nextStepAt: string | null
  readonly openedAt: string
  readonly acknowledgedAt: string | null
  readonly acknowledgedBy: string | null
  readonly closedAt: string | null
}

export interface PageAttempt {
  readonly channel: string
  readonly outcome: string
  readonly reason: string
  readonly at: string
  readonly receivedAt: string | null
  readonly displayedAt: string | null
}

export interface PageTelling {
  readonly kind: 'page' | 'resolved'
  readonly recipient: { readonly kind: string; readonly id: string; readonly name: string }
  readonly place: string
  readonly state: 'waiting' | 'told' | 'over'
  readonly reason: string
  readonly openedAt: string
  readonly attempts: readonly PageAttempt[]
}

export interface PageRung {
  readonly step: number
  readonly kind: 'step' | 'catch-all'
  readonly targets: readonly { readonly kind: string; readonly id: string; readonly name: string }[]
  readonly state: 'told' | 'empty' | 'next' | 'later' | 'spared'
  readonly times: number
  readonly at: string | null
  readonly because: string
}

/** What a page asks for besides its alerts: a time limit of an incident that was over. */
export interface PageAsk {
  readonly title: string
  /** The incident's id. */
  readonly incident: string
  readonly askedAt: string
  /** Null: it is not over. */
  readonly endedAt: string | null
}

export interface PageDetail extends PageSummary {
  readonly alerts: readonly string[]
  readonly asks: readonly PageAsk[]
  readonly tellings: readonly PageTelling[]
  readonly climb: readonly PageRung[]
}

export interface ToldOne extends PageTelling {
  readonly id: string
  readonly page: { readonly number: number; readonly title: string; readonly severity: string }
}
