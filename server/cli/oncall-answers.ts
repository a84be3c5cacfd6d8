/** The shapes of the hub's answers about on-call duty, as far as they are shown. */
export interface NowAnswer {
  readonly at: string
  readonly schedules: readonly {
    readonly id: string
    readonly name: string
    readonly onCall: readonly {
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
  }[]
}
export interface TargetAnswer {
  readonly kind: string
  readonly name: string
  readonly now: readonly string[]
  readonly reason: string
}
export interface PolicyAnswer {
  readonly id: string
  readonly name: string
  readonly revision: number
  readonly steps: readonly {
    readonly delaySeconds: number
    readonly targets: readonly TargetAnswer[]
  }[]
  readonly repeat: number
  readonly catchAll: readonly TargetAnswer[]
  readonly catchAllEverySeconds: number
  readonly acknowledgementSeconds: number | null
}
export interface ReadinessAnswer {
  readonly state: string
  readonly days: number
  readonly counts: Readonly<Record<'ready' | 'unready' | 'unknown', number>>
  readonly shifts: readonly {
    readonly schedule: string
    readonly from: string
    readonly to: string
    readonly person: string | null
    readonly state: string
    readonly reason: string | null
    readonly detail: string
  }[]
  readonly omitted: number
  readonly overloads: readonly {
    readonly kind: string
    readonly person: string
    readonly schedules: readonly string[]
    readonly from: string
    readonly to: string
  }[]
  readonly proof: { readonly day: string; readonly state: string } | null
}
export interface ApplyAnswer {
  readonly applied: boolean
  readonly unchanged: number
  readonly changes: readonly {
    readonly type: string
    readonly id: string
    readonly action: string
    readonly lines: readonly string[]
  }[]
}
export interface HistoryAnswer {
  readonly history: readonly {
    readonly type: string
    readonly id: string
    readonly action: string
    readonly recordedAt: string
    readonly recordedBy: string
  }[]
}
export interface HandoversAnswer {
  readonly handovers: readonly {
    readonly schedule: string
    readonly at: string
    readonly from: { readonly name: string } | null
    readonly to: { readonly name: string } | null
    readonly alerts: readonly { readonly text: string }[]
    readonly incidents: readonly { readonly text: string }[]
    readonly notes: readonly { readonly text: string; readonly by: string }[]
    readonly acknowledgedAt: string | null
  }[]
}
