/** How long something took, over many incidents; times in milliseconds. */
export interface Spread {
  readonly count: number
  readonly unknown: number
  readonly medianMillis?: number
  readonly p90Millis?: number
  /** 0 to 1. */
  readonly withinTargetShare?: number
}

export interface Counted {
  readonly incidents: number
  readonly per30Days: number
  /** 0 to 1. */
  readonly failedCallShare?: number
  readonly toAcknowledge: Spread
  readonly toRestore: Spread
}

/** What `GET /api/v1/incidents/figures?by=month` answers. */
export interface FiguresAnswer {
  readonly targets: { readonly acknowledgeMillis: number; readonly restoreMillis: number }
  readonly whole: Counted
  readonly services: readonly (Counted & { readonly service: string })[]
  readonly months: readonly {
    /** As `2026-03`. */
    readonly month: string
    readonly whole: Counted
  }[]
}
