import type { AlertSeverity } from './api-types.ts'

/** A text with what was asked for in it: pairs of beginning and end in UTF-16 units. */
export interface Excerpt {
  readonly text: string
  readonly marks: readonly (readonly [start: number, end: number])[]
}

export interface FactExcerpt extends Excerpt {
  readonly fact?: string
  readonly kind?: string
}

export interface FoundIncident {
  readonly kind: 'incident'
  readonly id: string
  readonly number: number
  readonly title: Excerpt
  readonly severity: 'sev1' | 'sev2' | 'sev3' | 'sev4'
  readonly state: 'open' | 'acknowledged' | 'resolved'
  readonly server: string
  readonly openedAt: string
  readonly excerpts: readonly FactExcerpt[]
}

export interface FoundRunbook {
  readonly kind: 'runbook'
  readonly name: string
  readonly title: Excerpt
  readonly severity: AlertSeverity
  readonly excerpts: readonly Excerpt[]
}

export type Found = FoundIncident | FoundRunbook

export interface SearchAnswer {
  readonly results: readonly Found[]
  readonly next: string | null
  readonly cut: boolean
}

export interface RunbookUse {
  readonly rulesWithoutRunbook: readonly {
    readonly rule: string
    readonly group: string
    readonly severity: string
    readonly elsewhere: string | null
  }[]
  readonly neverUsed: readonly {
    readonly name: string
    readonly title: string
    readonly severity: AlertSeverity
  }[]
  readonly used: readonly {
    readonly name: string
    readonly title: string | null
    readonly incidents: number
    readonly opened: number
    readonly lastUsedAt: string
  }[]
}

export interface LiveAnswer {
  readonly id: string
  readonly text: string
  readonly query: string
  readonly at: string
  readonly state: 'answered' | 'nothing' | 'failed'
  readonly values: readonly {
    readonly labels: Readonly<Record<string, string>>
    readonly value: string
  }[]
  readonly more: number
  readonly fault?: string
}
