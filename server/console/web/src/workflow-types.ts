import type { HubSaid, IncidentSummary, Missing } from './api-types.ts'

/** A step that may come next; `missing` is what it lacks for who asks. */
export interface WorkflowStep {
  readonly to: string
  readonly rule: string
  readonly roles: readonly string[]
  /** A part the reader has that may take it, else the first that may. */
  readonly role: string
  readonly because: string
  readonly needs: readonly string[]
  readonly missing: readonly Missing[]
}

/** Where an incident stands, as `GET /api/v1/incidents/:id/workflow` says. */
export interface WorkflowView {
  readonly state: string
  readonly roles: readonly { readonly role: string; readonly people: readonly string[] }[]
  readonly mine: readonly string[]
  readonly steps: readonly WorkflowStep[]
  readonly owed: readonly (HubSaid & {
    readonly what: string
    readonly id: string
    readonly by: string
    readonly dueAt?: string
  })[]
  readonly figures: {
    readonly durationMillis?: number
    readonly downtimeMillis?: number
    readonly interruptionMillis?: number
    readonly toAcknowledgeMillis?: number
    readonly toRespondMillis?: number
    readonly toRestoreMillis?: number
    readonly relapses: number
    readonly estimated: boolean
  }
  readonly violations: readonly HubSaid[]
}

/** A fact on its way to the hub. */
export interface SentFact {
  readonly kind: string
  readonly value: Readonly<Record<string, unknown>>
  readonly certainty?: 'actual' | 'estimate'
  readonly occurredAt?: string
  readonly supersedes?: string
}

/** An incident that was given to the reader, or in which they have a part. */
export interface GivenIncident {
  readonly incident: IncidentSummary
  readonly parts: readonly string[]
  readonly assignedAt: string | null
  readonly assignedText: string | null
  readonly acceptedAt: string | null
  readonly arrivedAt: string | null
  readonly runbook: string | null
}
