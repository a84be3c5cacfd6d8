/** What the hub's REST interface and /live send to the console. Times are RFC 3339 text. */

export type Role = 'admin' | 'operator' | 'auditor'
export type AlertSeverity = 'critical' | 'warning' | 'info'
export type IncidentSeverity = 'sev1' | 'sev2' | 'sev3' | 'sev4'
export type IncidentState = 'open' | 'acknowledged' | 'resolved'
export type HostState = 'ok' | 'attention' | 'critical' | 'silent' | 'unknown'
export type SectionState = 'ok' | 'absent' | 'denied' | 'error'
export type Certainty = 'actual' | 'estimate' | 'suggestion'

export interface Hub {
  readonly version: string
  readonly simulated: boolean
}

export interface Me {
  readonly name: string
  readonly role: Role
  /** Nothing but the own account is open until a second factor is set up; the push line does not say it. */
  readonly needsSecondFactor?: boolean
  readonly hub: Hub
}

export interface Account {
  readonly name: string
  readonly role: Role
  readonly email: string | null
  readonly passwordSetAt: string | null
  readonly secondFactor: {
    readonly state: 'none' | 'begun' | 'on'
    readonly since: string | null
    readonly required: boolean
    readonly recoveryCodesLeft: number
  }
  readonly teams: readonly { readonly id: string; readonly name: string }[]
}

export interface ConsoleSession {
  readonly id: string
  readonly address: string | null
  readonly createdAt: string
  readonly lastSeenAt: string
  readonly current: boolean
}

export interface Person {
  readonly id: string
  readonly name: string
  readonly role: Role
  readonly email: string | null
  readonly disabledAt: string | null
  readonly hasPassword: boolean
  readonly hasSecondFactor: boolean
  readonly teams: readonly string[]
}

export interface Team {
  readonly id: string
  readonly name: string
  readonly members: readonly {
    readonly id: string
    readonly name: string
    readonly enabled: boolean
  }[]
}

export interface Approval {
  readonly id: string
  readonly kind: string
  readonly subject: string
  readonly state: 'open' | 'approved' | 'rejected' | 'expired'
  readonly requestedBy: string
  readonly requestedAt: string
  readonly expiresAt: string
  readonly decidedBy: string | null
  readonly reason: string | null
  readonly mayApprove: boolean
  readonly mayReject: boolean
}

export interface Section {
  readonly name: string
  readonly state: SectionState
  readonly detail?: string | null
}

/** Ratios are 0 to 1, offsets and uptime seconds; null where nothing was measured. */
export interface HostFigures {
  readonly cpuUsedRatio: number | null
  readonly load1: number | null
  readonly memoryUsedRatio: number | null
  readonly fullestFilesystemRatio: number | null
  readonly uptimeSeconds: number | null
  readonly clockOffsetSeconds: number | null
}

export interface Host {
  readonly instance: string
  readonly server: string
  readonly customer: string
  readonly site: string
  readonly role: string
  readonly env: string
  readonly simulated: boolean
  readonly state: HostState
  readonly connected: boolean
  readonly lastReportAt: string | null
  readonly version: string | null
  readonly intervalSeconds: number
  readonly firing: number
  readonly figures: HostFigures
  readonly sections: readonly Section[]
}

export interface HostFact {
  readonly receivedAt: string
  readonly document: unknown
}

export interface HostDetail {
  readonly host: Host
  readonly facts: Readonly<Record<string, HostFact>>
  readonly sections: readonly Section[]
}

export type FindingKind = 'drift' | 'missing' | 'forbidden' | 'unapproved change' | 'unknown'

/** How a host differs from the approved baseline of its role. */
export interface Drift {
  readonly instance: string
  readonly role: string
  readonly state: 'ok' | 'drift' | 'unknown'
  readonly baseline: {
    readonly role: string
    readonly version: string
    readonly approvedBy: string
    readonly approvedAt: string
  } | null
  readonly findings: readonly {
    readonly kind: FindingKind
    readonly subject: string
    readonly expected: string
    readonly found: string
  }[]
  readonly omitted: number
}

/** Something on a host that is another version than before. */
export interface VersionChange {
  readonly id: string
  readonly number: number
  readonly detectedAt: string
  readonly state: 'matched' | 'open' | 'linked'
  readonly items: readonly {
    readonly kind: 'package' | 'service' | 'file' | 'kernel'
    readonly subject: string
    readonly from: string | null
    readonly to: string | null
  }[]
  readonly omitted: number
  readonly links: readonly {
    readonly change: { readonly id: string; readonly number: number; readonly title: string }
    readonly reason: string
    readonly by: string
  }[]
}

export interface Alert {
  readonly id: string
  readonly fingerprint: string
  readonly rule: string
  readonly group: string
  readonly severity: AlertSeverity
  readonly instance?: string | null
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly state: 'pending' | 'firing' | 'resolved'
  readonly value: string
  readonly activeAt: string
  readonly firedAt?: string | null
  readonly resolvedAt?: string | null
  readonly acknowledgedAt?: string | null
  readonly acknowledgedBy?: string | null
  readonly runbook?: string | null
  readonly incident?: { readonly id: string; readonly number: number | string } | null
}

export interface IncidentSummary {
  readonly id: string
  readonly number: number | string
  readonly title: string
  readonly severity: IncidentSeverity
  readonly state: IncidentState
  /** A state of the published workflow. */
  readonly workflowState: string
  readonly major: boolean
  readonly server: string | null
  readonly openedAt: string
  readonly acknowledgedAt: string | null
  readonly acknowledgedBy: string | null
  readonly resolvedAt: string | null
  readonly closedAt: string | null
  readonly simulated: boolean
  readonly firing: number
}

/** One thing that is missing; `guard` names the published rule that asks for it. */
export interface Missing extends HubSaid {
  readonly guard?: string
}

/** A sentence of the hub: `text` in English, and its code with what changes in it, to be said in the reader's language. */
export interface HubSaid {
  readonly code?: string
  readonly params?: Readonly<Record<string, string | number>>
  readonly text: string
}

/** One stamped fact; a correction supersedes an earlier fact and never edits it. */
export interface Fact {
  readonly id: string
  readonly sequence: number
  readonly kind: string
  readonly value: unknown
  readonly certainty: Certainty
  readonly occurredAt: string
  readonly recordedAt: string
  readonly recordedBy: string
  readonly supersedes: string | null
  readonly text: string
}

/** The runbook as it was when the incident opened; `html` is made by the hub with raw HTML escaped. */
export interface FrozenRunbook {
  readonly name: string
  readonly hash: string
  readonly body: string
  readonly html: string
  /** Its checklist, in order. */
  readonly steps: readonly { readonly id: string; readonly text: string }[]
}

/** An alert of an incident. */
export interface AlertOfIncident extends Alert {
  /** The incident recovers without it. */
  readonly related: boolean
}

export interface IncidentDetail extends IncidentSummary {
  readonly facts: readonly Fact[]
  readonly alerts: readonly AlertOfIncident[]
  readonly runbook: FrozenRunbook | null
}

/** A page for this person: somebody is asked to act. */
export interface PageMessage {
  readonly sequence: number
  readonly at: string
  readonly kind: 'page'
  readonly body: {
    readonly page: {
      readonly id: string
      readonly number: number
      readonly title: string
      readonly severity: AlertSeverity
    }
    readonly attempt: string
    readonly key: string
  }
}

export type LiveMessage = { readonly sequence: number; readonly at: string } & (
  | Pick<PageMessage, 'kind' | 'body'>
  | {
      readonly kind: 'alert'
      readonly body: {
        readonly change: 'firing' | 'resolved' | 'acknowledged'
        readonly alert: Alert
      }
    }
  | {
      readonly kind: 'incident'
      readonly body: {
        readonly change:
          | 'opened'
          | 'relapsed'
          | 'joined'
          | 'acknowledged'
          | 'noted'
          | 'stepped'
          | 'restored'
          | 'resolved'
        readonly incident: IncidentSummary
      }
    }
)

/** Frames the hub sends on /live. */
export type ServerFrame =
  | {
      readonly type: 'welcome'
      readonly name: string
      readonly role: Role
      readonly sequence: number
      readonly oldest: number
      readonly hub: Hub
    }
  | ({ readonly type: 'message' } & LiveMessage)
  | { readonly type: 'hint'; readonly topic: string }
  | {
      readonly type: 'acknowledged'
      readonly target: string
      readonly fingerprint?: string
      readonly id?: string
    }
  | { readonly type: 'pong'; readonly id: unknown }
  | { readonly type: 'error'; readonly code: string; readonly message: string }

/** Whether this role may acknowledge, note and resolve; an auditor only reads. */
export function mayAct(role: Role | undefined): boolean {
  return role === 'admin' || role === 'operator'
}

/** Where somebody can be reached; secrets are named, never shown. */
export interface ContactPoint {
  readonly id: string
  readonly channel: string
  readonly label: string
  readonly owner: {
    readonly kind: 'person' | 'team' | 'shared'
    readonly id: string
    readonly name: string
  }
  readonly settings: Readonly<Record<string, unknown>>
  readonly lent: boolean
  readonly testedAt: string | null
  readonly testOutcome: string | null
  readonly testReason: string | null
  readonly disabledAt: string | null
  readonly mine: boolean
}

export interface ChannelField {
  readonly key: string
  readonly required: boolean
  readonly secret: boolean
  readonly input: 'line' | 'number' | 'choice' | 'lines' | 'text'
  readonly choices: readonly string[]
}

export interface Channel {
  readonly name: string
  readonly personal: readonly string[]
  readonly lends: boolean
  readonly fields: readonly ChannelField[]
}

export interface SendOutcome {
  readonly outcome: 'accepted' | 'delivered' | 'retry' | 'refused'
  readonly reason: string
}
