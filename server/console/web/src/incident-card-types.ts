/** What the routes of an incident's cards answer: deadlines, communication, dispatch, frozen evidence. */

import type { HubSaid } from './api-types.ts'

export interface ClockShown {
  readonly code: string
  readonly title: string
  readonly state: string
  readonly because: string
  readonly deadline: string | null
  readonly satisfiedAt: string | null
  readonly rounds: { readonly owed: number; readonly late: number } | null
  readonly previous: readonly {
    readonly deadline: string | null
    readonly until: string
    readonly because: string
  }[]
  readonly steps: readonly { readonly kind: string; readonly text: string }[]
  readonly missing: readonly string[]
  readonly citation: {
    readonly document: string
    readonly article: string
    readonly url: string | null
  }
  readonly confidence: string
  readonly verifiedOn: string
  readonly note: string | null
  readonly ifItCannotBeMet: string | null
  readonly rule: string
  readonly pauseReasons: readonly string[]
  /** Ids of the incident's facts it rests on. */
  readonly facts: readonly string[]
}

export interface RegimeShown {
  readonly regime: string
  readonly title: string
  readonly caution: string
  readonly zone: string
  readonly clocks: readonly ClockShown[]
}

export interface ClocksAnswer {
  readonly regimes: readonly RegimeShown[]
  readonly actions: readonly {
    readonly number: number
    readonly text: string
    readonly owner: string | null
    readonly dueAt: string | null
    readonly state: string
  }[]
}

export interface NoticeShown {
  readonly id: string
  /** Shared by a notice and its corrections. */
  readonly series: string
  readonly version: number
  readonly audience: string
  readonly form: string
  readonly language: string | null
  readonly title: string
  readonly text: string
  readonly state: string
  readonly writtenBy: string
  readonly approvedBy: string | null
  readonly writtenAt: string
  readonly sentAt: string | null
  readonly deliveries: readonly {
    readonly id: string
    readonly recipient: string
    readonly channel: string
    readonly state: string
    readonly reason: string
  }[]
}

export interface CommunicationAnswer {
  readonly communication: {
    readonly everyMinutes: number | null
    readonly nextUpdateDueAt: string | null
    readonly overdue: boolean
    readonly overdueToldAt: string | null
    readonly notices: readonly NoticeShown[]
    readonly words: readonly NoticeShown[]
  }
}

export interface NoticePreview {
  readonly title: string
  readonly text: string
  readonly missing: readonly string[]
  readonly faults: readonly string[]
  readonly nextUpdateAt: string | null
  readonly needsApproval: boolean
  readonly contactPoints: readonly { readonly id: string; readonly label: string }[]
}

/** `waiting`, `accepted`, `declined`, `passed` to the next, or `over`. */
export interface AssignmentShown {
  readonly fact: string
  readonly technician: string
  readonly assignedBy: string
  readonly text: string
  readonly state: string
  readonly assignedAt: string
  readonly answerBy: string
  readonly reason: string | null
  readonly exhaustedAt: string | null
}

/** An assignment of the reader, with what they need on the way. */
export interface MyAssignment extends AssignmentShown {
  readonly incident: { readonly id: string; readonly number: number }
  readonly sites: readonly string[]
  readonly hosts: readonly string[]
  readonly services: readonly string[]
  readonly contacts: readonly {
    readonly name: string
    readonly roles: readonly string[]
    readonly phone: string | null
  }[]
  readonly owed: readonly HubSaid[]
}

export interface EvidenceAnswer {
  readonly evidence: readonly {
    readonly hash: string
    readonly about: string
    readonly stage: string
    readonly at: string
    readonly bytes: number
  }[]
  readonly owed: readonly { readonly stage: string; readonly dueAt: string }[]
}
