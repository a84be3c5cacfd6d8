/** What the hub sends of on-call duty; times are RFC 3339. */
export interface OncallPerson {
  readonly id: string
  readonly name: string
  readonly enabled: boolean
}

export interface OncallNow {
  readonly id: string
  readonly name: string
  readonly timeZone: string
  readonly onCall: readonly {
    readonly principalId: string
    readonly name: string
    readonly layer: string
    readonly until: string
  }[]
  readonly gap: {
    readonly reason: string
    readonly until: string
    readonly planned: boolean
  } | null
  readonly next: { readonly name: string; readonly at: string } | null
}

export interface OncallSegment {
  readonly from: string
  readonly to: string
  readonly person: OncallPerson | null
  readonly layer: string
  readonly overrideId: string | null
  readonly reason: string
}

export interface OncallExpansion {
  readonly from: string
  readonly to: string
  readonly days: readonly { readonly date: string; readonly from: string; readonly to: string }[]
  readonly layers: readonly { readonly name: string; readonly segments: readonly OncallSegment[] }[]
  readonly final: readonly OncallSegment[]
}

export interface OncallOverride {
  readonly id: string
  readonly person: OncallPerson
  readonly from: string
  readonly to: string
  readonly reason: string
  readonly createdBy: string
}

export interface OncallScheduleDetail {
  readonly schedule: { readonly id: string; readonly name: string; readonly plannedGaps: boolean }
  readonly expansion: OncallExpansion
  readonly overrides: readonly OncallOverride[]
}

export type ReadinessState = 'ready' | 'unready' | 'unknown'

export interface OncallReadiness {
  readonly days: number
  readonly state: ReadinessState
  readonly counts: Readonly<Record<ReadinessState, number>>
  readonly shifts: readonly {
    readonly schedule: string
    readonly from: string
    readonly to: string
    readonly person: string | null
    readonly state: ReadinessState
    readonly reason: UnreadyReason | null
    readonly detail: string
  }[]
  readonly omitted: number
}

export type UnreadyReason =
  | 'nobody on call'
  | 'person unknown'
  | 'person disabled'
  | 'contact points unknown'
  | 'too few tested channels'

export interface OncallHandover {
  readonly id: string
  readonly schedule: string
  readonly at: string
  readonly from: OncallPerson | null
  readonly to: OncallPerson | null
  readonly alerts: readonly { readonly id: string; readonly text: string }[]
  readonly incidents: readonly { readonly id: string; readonly text: string }[]
  readonly notes: readonly { readonly text: string; readonly by: string }[]
  readonly acknowledgedAt: string | null
}
