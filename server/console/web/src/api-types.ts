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
  readonly hub: Hub
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
  readonly server: string | null
  readonly openedAt: string
  readonly acknowledgedAt: string | null
  readonly acknowledgedBy: string | null
  readonly resolvedAt: string | null
  readonly simulated: boolean
  readonly firing: number
}

export type FactKind =
  | 'phenomenon'
  | 'occurred'
  | 'detected'
  | 'impact'
  | 'preliminary_cause'
  | 'runbook'
  | 'alert_fired'
  | 'alert_resolved'
  | 'acknowledged'
  | 'note'
  | 'restored'
  | 'relapse'
  | 'resolved'

/** One stamped fact; a correction supersedes an earlier fact and never edits it. */
export interface Fact {
  readonly id: string
  readonly sequence: number
  readonly kind: FactKind
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
}

export interface IncidentDetail extends IncidentSummary {
  readonly facts: readonly Fact[]
  readonly alerts: readonly Alert[]
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
