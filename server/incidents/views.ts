import { type Kysely, sql } from 'kysely'
import type { Static } from 'typebox'
import { type Millis, rfc3339 } from '../clock.ts'
import type { AlertRow, IncidentFactRow, IncidentRow, RecordsSchema } from '../records/schema.ts'
import type { AlertOfIncident, FactView, IncidentSummary } from './schema.ts'

type Database = Kysely<RecordsSchema>
/** What lists and pushed messages show of an incident. */
export type Summary = Static<typeof IncidentSummary>

/** What lists and pushed messages show of incidents; one query for all their alerts. */
export async function summaries(db: Database, rows: readonly IncidentRow[]): Promise<Summary[]> {
  if (rows.length === 0) return []
  const alerts = await db
    .selectFrom('incident_alerts')
    .innerJoin('alerts', 'alerts.id', 'incident_alerts.alert_id')
    .select([
      'incident_alerts.incident_id',
      sql<number>`sum(case when alerts.state = 'firing' then 1 else 0 end)`.as('firing'),
      // Labels are written by JSON.stringify, which escapes the quotes of a value.
      sql<number>`max(case when alerts.labels like '%"simulated":"true"%' then 1 else 0 end)`.as(
        'simulated',
      ),
    ])
    .where(
      'incident_alerts.incident_id',
      'in',
      rows.map(({ id }) => id),
    )
    .groupBy('incident_alerts.incident_id')
    .execute()
  const known = new Map(alerts.map((counts) => [counts.incident_id, counts]))
  return rows.map((row) => {
    const { firing = 0, simulated = 0 } = known.get(row.id) ?? {}
    return summaryOf(row, { firing: Number(firing), simulated: Number(simulated) === 1 })
  })
}

/** The summary of an incident of whose alerts is known how many fire, and whether any is of a demo. */
export function summaryOf(
  row: IncidentRow,
  { firing, simulated }: Pick<Summary, 'firing' | 'simulated'>,
): Summary {
  return {
    id: row.id,
    number: row.number,
    title: row.title,
    severity: row.severity,
    state: row.state as Summary['state'],
    workflowState: row.workflow_state,
    major: Number(row.major) === 1,
    server: row.server,
    openedAt: rfc3339(row.opened_at),
    acknowledgedAt: orNull(row.acknowledged_at),
    acknowledgedBy: row.acknowledged_by,
    resolvedAt: orNull(row.resolved_at),
    closedAt: orNull(row.closed_at),
    simulated,
    firing,
  }
}

export function factView(row: IncidentFactRow): Static<typeof FactView> {
  const value = JSON.parse(row.value) as { text: string }
  return {
    id: row.id,
    sequence: row.sequence,
    kind: row.kind,
    value,
    certainty: row.certainty as Static<typeof FactView>['certainty'],
    occurredAt: rfc3339(row.occurred_at),
    recordedAt: rfc3339(row.recorded_at),
    recordedBy: row.recorded_by,
    supersedes: row.supersedes,
    text: value.text,
  }
}

export function alertOfIncident(
  row: AlertRow & { readonly related: number },
  incident: IncidentRow,
): Static<typeof AlertOfIncident> {
  return {
    id: row.id,
    fingerprint: row.fingerprint,
    rule: row.rule,
    group: row.rule_group,
    severity: row.severity,
    ...(row.instance === null ? {} : { instance: row.instance }),
    labels: labelsOf(row.labels),
    annotations: labelsOf(row.annotations),
    state: row.state,
    value: row.value,
    activeAt: rfc3339(row.active_at),
    firedAt: orNull(row.fired_at),
    resolvedAt: orNull(row.resolved_at),
    acknowledgedAt: orNull(row.acknowledged_at),
    acknowledgedBy: row.acknowledged_by,
    runbook: `/runbooks/${row.rule}`,
    related: Number(row.related) === 1,
    incident: { id: incident.id, number: incident.number },
  }
}

/** Labels or annotations from their JSON column. */
export function labelsOf(json: string): Record<string, string> {
  return JSON.parse(json) as Record<string, string>
}

function orNull(at: Millis | null): string | null {
  return at === null ? null : rfc3339(at)
}
