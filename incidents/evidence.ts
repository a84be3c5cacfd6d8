import type { Millis } from './facts.ts'

/** A part of frozen evidence; what could not be had says why, and never looks like "nothing was wrong". */
export type Part<T> =
  | ({ readonly state: 'ok' } & T)
  | { readonly state: 'absent' | 'error'; readonly reason: string }

/** One series around a fault, a value a step; null where nothing was reported. Of a counter the values are its increase per second. */
export interface FrozenSeries {
  readonly labels: Readonly<Record<string, string>>
  readonly kind: 'gauge' | 'counter'
  readonly min: readonly (number | null)[]
  readonly max: readonly (number | null)[]
  readonly avg: readonly (number | null)[]
}

/** A series as it was reported. */
export interface RawSeries {
  readonly labels: Readonly<Record<string, string>>
  readonly points: readonly (readonly [at: Millis, value: number])[]
}

/** What was seen to change on a host. */
export interface SeenChange {
  readonly number: number
  readonly at: Millis
  /** `open`: no change record covers it. */
  readonly state: string
  readonly items: readonly {
    readonly kind: string
    readonly subject: string
    readonly from: string | null
    readonly to: string | null
  }[]
  readonly omitted: number
}

/** A change record that names the host or its site. */
export interface PlannedChange {
  readonly number: number
  readonly title: string
  readonly state: string
  readonly startsAt: Millis
  readonly endsAt: Millis
}

/** An incident of the past and why it is like this one. */
export interface SimilarIncident {
  readonly number: number
  readonly id: string
  readonly title: string
  readonly at: Millis
  readonly state: string
  readonly reasons: readonly string[]
  readonly causes: readonly string[]
}

/** A backup job as the host's collector told it. */
export interface FrozenBackup {
  readonly name: string
  readonly posture: string
  readonly reasons: readonly string[]
  readonly lastSuccessAt: string | null
}

export interface FrozenHost {
  readonly instance: string
  readonly labels: Readonly<Record<string, string>>
  readonly metrics: Part<{
    readonly from: Millis
    readonly stepMillis: number
    readonly series: readonly FrozenSeries[]
    readonly omitted: number
  }>
  readonly versions: Part<{
    readonly packagesHash: string | null
    readonly softwareHash: string | null
    readonly changes: readonly SeenChange[]
  }>
  readonly drift: Part<{
    readonly findings: readonly {
      readonly kind: string
      readonly subject: string
      readonly expected: string
      readonly found: string
    }[]
    readonly omitted: number
  }>
  readonly backups: Part<{ readonly posture: string; readonly jobs: readonly FrozenBackup[] }>
  readonly changes: Part<{ readonly records: readonly PlannedChange[] }>
}

/** What the hub froze of its own data for one incident at one time. */
export interface Evidence {
  readonly format: 'callward-incident-evidence'
  readonly version: 1
  readonly incident: { readonly id: string; readonly number: number }
  readonly stage: string
  readonly at: Millis
  /** When the fault began, as the incident said then. */
  readonly faultAt: Millis
  readonly hosts: readonly FrozenHost[]
  readonly hostsOmitted: number
  /** What the expressions of the incident's alerts gave, raw. */
  readonly expressions: Part<{
    readonly alerts: readonly {
      readonly rule: string
      readonly expression: string
      readonly series: readonly RawSeries[]
      readonly reason?: string
    }[]
  }>
  readonly similar: Part<{ readonly incidents: readonly SimilarIncident[] }>
  readonly onCall: Part<{
    readonly schedules: readonly {
      readonly schedule: string
      readonly people: readonly string[]
    }[]
  }>
}
