import type { FactKind } from '../../incidents/facts.ts'
import type { CountedIncident } from '../../incidents/figures.ts'
import { current, type Picture, said } from '../../incidents/picture.ts'
import type { CausedIncident } from '../../incidents/recurrence.ts'
import { figuresOf } from '../../incidents/replay.ts'
import type { IncidentCountedRow, IncidentRow } from '../records/schema.ts'

/** Facts after which the figures of an incident may be others. */
export const countingKinds: ReadonlySet<FactKind> = new Set([
  ...(['occurred', 'detected', 'acknowledged', 'recovered', 'relapse', 'transition'] as const),
  ...(['impact', 'root_cause', 'restored', 'resolved'] as const),
])

/** What counting needs of an incident, as its facts say now. */
export function countedOf(row: IncidentRow, picture: Picture): IncidentCountedRow {
  const impact = current(picture, 'impact')?.value
  const named = impact?.services ?? []
  const figures = figuresOf(picture)
  const start = current(picture, 'occurred') ?? current(picture, 'detected')
  return {
    incident_id: row.id,
    at: start?.occurredAt ?? Number(row.opened_at),
    // Incidents of the time before the workflow name none; their server stands for it.
    services: JSON.stringify(named.length === 0 && row.server !== '' ? [row.server] : named),
    causes: JSON.stringify(said(picture, 'root_cause').at(-1)?.value.codes ?? []),
    acknowledge_millis: figures.toAcknowledgeMillis ?? null,
    restore_millis: figures.toRestoreMillis ?? null,
    calls_attempted: impact?.callsAttempted ?? null,
    calls_failed: impact?.callsFailed ?? null,
  }
}

/** A row of the counts beside what its incident says of itself. */
export type CountedWithState = IncidentCountedRow & {
  readonly number: number
  readonly workflow_state: string
}

export function toCounted(row: CountedWithState): CountedIncident {
  return {
    id: row.incident_id,
    state: row.workflow_state,
    services: JSON.parse(row.services) as string[],
    at: Number(row.at),
    toAcknowledgeMillis: numberOf(row.acknowledge_millis),
    toRestoreMillis: numberOf(row.restore_millis),
    callsAttempted: numberOf(row.calls_attempted),
    callsFailed: numberOf(row.calls_failed),
  }
}

export function toCaused(row: CountedWithState): CausedIncident {
  return {
    id: row.incident_id,
    number: Number(row.number),
    state: row.workflow_state,
    services: JSON.parse(row.services) as string[],
    at: Number(row.at),
    causes: JSON.parse(row.causes) as string[],
  }
}

function numberOf(value: number | null): number | undefined {
  return value === null ? undefined : Number(value)
}
