import type { AlertSeverity } from './api-types.ts'

/** An alert that a silence hides, or would hide. */
export interface HiddenAlert {
  readonly fingerprint: string
  readonly rule: string
  readonly severity: AlertSeverity
  readonly instance: string | null
  readonly summary: string
}

export interface Silence {
  readonly id: string
  readonly state: 'active' | 'pending' | 'paused' | 'expired'
  /** `{instance="pbx-1"}` */
  readonly text: string
  readonly reason: string
  readonly createdBy: string
  readonly startsAt: string
  readonly endsAt: string
  /** Name of the time interval outside which it hides nothing. */
  readonly during: string | null
  readonly untilResolved: boolean
  readonly hidesCount: number
  /** The worst of them. */
  readonly hides: readonly HiddenAlert[]
}

export interface SilenceList {
  readonly silences: readonly Silence[]
  readonly calendars: readonly string[]
}

export interface SilencePreview {
  readonly text: string
  readonly hidesCount: number
  readonly critical: number
  readonly hides: readonly HiddenAlert[]
  readonly tooBroad: string | null
}

/** Labels that name one fault on one host; what else an alert carries may change while it lasts. */
const naming = ['alertname', 'instance', 'customer', 'site'] as const

/** Matchers that hide this alert and no more than its like. */
export function matchersOf(labels: Readonly<Record<string, string>>): string {
  const named = naming.filter((name) => labels[name] !== undefined && labels[name] !== '')
  const names = labels['instance'] === undefined ? Object.keys(labels).sort() : named
  return names
    .filter((name) => name !== 'severity')
    .map((name) => `${name}=${quoted(labels[name] ?? '')}`)
    .join(', ')
}

function quoted(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`
}
