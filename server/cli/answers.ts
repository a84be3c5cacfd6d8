/** An alert as the hub shows it; times are RFC 3339. */
export interface AlertAnswer {
  readonly id: string
  /** In an incident: it recovers without this alert. */
  readonly related?: boolean
  readonly fingerprint: string
  readonly rule: string
  readonly severity: string
  readonly instance?: string | null
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly state: string
  readonly activeAt: string
  readonly firedAt?: string | null
  readonly resolvedAt?: string | null
  readonly acknowledgedAt?: string | null
  readonly acknowledgedBy?: string | null
  /** Path on the hub. */
  readonly runbook?: string | null
  readonly incident?: { readonly id: string; readonly number: number } | null
}

export interface IncidentAnswer {
  readonly id: string
  readonly number: number
  readonly title: string
  readonly severity: string
  readonly state: string
  readonly workflowState: string
  readonly server: string
  readonly openedAt: string
  readonly acknowledgedAt?: string | null
  readonly acknowledgedBy?: string | null
  readonly resolvedAt?: string | null
  readonly simulated?: boolean
  readonly firing?: number
}

export interface FactAnswer {
  readonly id: string
  readonly sequence: number
  readonly kind: string
  readonly certainty: string
  readonly occurredAt: string
  readonly recordedAt: string
  readonly recordedBy: string
  readonly supersedes: string | null
  readonly text: string
}

export interface IncidentDetailAnswer extends IncidentAnswer {
  readonly facts: readonly FactAnswer[]
  readonly alerts: readonly AlertAnswer[]
  readonly runbook: { readonly name: string; readonly hash: string } | null
}

export interface HostAnswer {
  readonly instance: string
  readonly customer: string
  readonly site: string
  readonly role: string
  readonly simulated: boolean
  readonly state: string
  readonly connected: boolean
  readonly lastReportAt: string | null
  readonly version: string
  readonly firing: number
}

export interface TokenAnswer {
  readonly id: string
  readonly name: string
  readonly role: string
  readonly label: string
  readonly createdAt: string
  readonly lastUsedAt: string | null
  readonly revokedAt: string | null
}

export interface ChangeAnswer {
  readonly number: number
  readonly title: string
  readonly description: string
  readonly hosts: readonly string[]
  readonly window: { readonly start: string; readonly end: string }
  readonly expected: readonly {
    readonly kind: string
    readonly subject: string
    readonly to?: string
  }[]
  readonly standing: {
    readonly origin?: string
    readonly hours?: {
      readonly from: string
      readonly to: string
      readonly zone: string
      readonly days?: readonly string[]
    }
  } | null
  readonly state: string
  readonly requestedBy: string
  readonly requestedAt: string
  readonly approvedBy: string | null
  readonly approvedAt: string | null
}

export interface ChangeDetailAnswer extends ChangeAnswer {
  readonly verification: {
    readonly by: string
    readonly at: string
    readonly result: string
    readonly note: string
  } | null
  readonly entries: readonly {
    readonly id: string
    readonly kind: string
    readonly recordedAt: string
    readonly recordedBy: string
    readonly supersedes: string | null
  }[]
  readonly versionChanges: readonly VersionChangeAnswer[]
}

export interface VersionChangeAnswer {
  readonly number: number
  readonly instance: string
  readonly detectedAt: string
  readonly state: string
  readonly items: readonly {
    readonly kind: string
    readonly subject: string
    readonly from: string | null
    readonly to: string | null
    readonly covered: boolean
  }[]
  readonly omitted: number
  readonly links: readonly {
    readonly change: { readonly number: number }
    readonly kind: string
    readonly reason: string
    readonly by: string
  }[]
}

export interface ContactPointAnswer {
  readonly id: string
  readonly channel: string
  readonly label: string
  readonly owner: { readonly kind: string; readonly id: string; readonly name: string }
  readonly testedAt: string | null
  readonly testOutcome: string | null
  readonly disabledAt: string | null
}

export interface ChannelAnswer {
  readonly name: string
  readonly personal: readonly string[]
  readonly lends: boolean
  readonly fields: readonly {
    readonly key: string
    readonly required: boolean
    readonly secret: boolean
    readonly input: string
  }[]
}

export interface OutcomeAnswer {
  readonly outcome: string
  readonly reason: string
}

export interface AttemptAnswer {
  readonly at: string
  readonly channel: string
  readonly kind: string
  readonly outcome: string
  readonly reason: string
  readonly durationSeconds: number
}

export interface PersonAnswer {
  readonly id: string
  readonly name: string
  readonly role: string
  readonly email: string | null
  readonly createdAt: string
  readonly disabledAt: string | null
  readonly hasPassword: boolean
  readonly hasSecondFactor: boolean
  readonly teams: readonly string[]
}

export interface InvitationAnswer {
  readonly url: string
  readonly expiresAt: string
}

export interface TeamAnswer {
  readonly id: string
  readonly name: string
  readonly members: readonly { readonly name: string; readonly enabled: boolean }[]
}

export interface ApprovalAnswer {
  readonly id: string
  readonly kind: string
  readonly subject: string
  readonly state: string
  readonly requestedBy: string
  readonly requestedAt: string
  readonly expiresAt: string
  readonly decidedBy: string | null
}

export interface ApprovalDetailAnswer extends ApprovalAnswer {
  readonly title: string
  readonly decidedAt: string | null
  readonly reason: string | null
  /** What it holds, as its kind has it. */
  readonly content: unknown
}
