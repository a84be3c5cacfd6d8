import type { AlertView, Labels, Millis, Severity } from './alert.ts'
import type { Topology } from './dependency.ts'
import type { FlapWindow } from './flap.ts'
import type { RoutingConfig } from './routing-config.ts'
import type { RuleExtras } from './rule-extras.ts'
import type { Silence, SilencePhase } from './silence.ts'
import { emptyTable, type Table } from './table.ts'
import type { TierState } from './tiers.ts'

/** Everything people configured; another object means that all alerts are looked at anew. */
export interface PipelineContext {
  readonly routing: RoutingConfig
  readonly topology: Topology
  /** What Prometheus's format lacks, for the alert's rule. Equal for equal alerts. */
  readonly extrasOf: (alert: AlertView) => RuleExtras
  /** How long before its end a silence's author is asked. */
  readonly nudgeBefore: Millis
}

/** Where on the way an alert stands for one receiver. */
export type Stage =
  | 'silence'
  | 'inhibit'
  | 'dependency'
  | 'flap'
  | 'group'
  | 'calendar'
  | 'repeat'
  | 'route'
  | 'told'

/** Why somebody was told, or was not. */
export interface Explanation {
  readonly stage: Stage
  /** A sentence for people. */
  readonly because: string
  readonly at: Millis
  /** When it is looked at again by itself. */
  readonly until?: Millis | undefined
}

/** What keeps an alert from everybody. */
export interface Hold extends Explanation {
  readonly stage: 'silence' | 'inhibit' | 'dependency'
  /** Ids of silences, number of the inhibit rule, or the node that is down. */
  readonly by: readonly string[]
}

/** An alert's place in one group. */
export interface Membership {
  /** The alert now goes elsewhere; here only its end is still told. */
  readonly moved?: true | undefined
  /** The newest notification that named it. */
  readonly told?:
    | {
        readonly life: string
        readonly state: 'firing' | 'resolved'
        readonly at: Millis
        readonly key: string
      }
    | undefined
  readonly explanation: Explanation
}

/** Everything known about one label set. */
export interface AlertRow {
  readonly fingerprint: string
  /** The newest life. */
  readonly alert: AlertView
  /** What the rule says. */
  readonly firing: boolean
  /** What people are shown: while it flaps, an alert stays firing. */
  readonly shown: 'firing' | 'resolved'
  /** As counted now, by tier and calendar. */
  readonly severity: Severity
  readonly severityBecause?: string | undefined
  /** Named by its rule; empty: the routing tree decides. */
  readonly receivers: readonly string[]
  readonly tier: TierState
  readonly flap?: FlapWindow | undefined
  readonly hold?: Hold | undefined
  /** When tier, calendar or flapping may change by themselves. */
  readonly wakeAt?: Millis | undefined
  /** By group key. */
  readonly memberships: Readonly<Record<string, Membership>>
}

/** Alerts that are told together to one receiver. */
export interface GroupRow {
  readonly key: string
  readonly routeKey: string
  readonly receiver: string
  readonly labels: Labels
  /** Id of the alert that opened it: two lives of a group never share a notification's key. */
  readonly life: string
  /** Notifications so far. */
  readonly sequence: number
  readonly notifiedAt?: Millis | undefined
  /** When it is looked at next; undefined while nothing waits. */
  readonly dueAt?: Millis | undefined
}

export interface SilenceRow {
  readonly silence: Silence
  readonly phase: SilencePhase['phase']
  readonly nudged: boolean
  readonly wakeAt?: Millis | undefined
}

/** Everything the pipeline remembers. JSON-serialisable; a row changes only when it is in `changes`. */
export interface PipelineState {
  readonly version: 1
  /** The newest instant dealt with. */
  readonly at: Millis
  readonly alerts: Table<AlertRow>
  readonly groups: Table<GroupRow>
  readonly silences: Table<SilenceRow>
}

/** A pipeline that has seen nothing. */
export function newPipeline(at: Millis): PipelineState {
  return { version: 1, at, alerts: emptyTable(), groups: emptyTable(), silences: emptyTable() }
}

/** The labels that silences, inhibition and routes see: `severity` as it counts now. */
export function effectiveLabels(row: Pick<AlertRow, 'alert' | 'severity'>): Labels {
  return row.severity === row.alert.severity
    ? row.alert.labels
    : { ...row.alert.labels, severity: row.severity }
}
