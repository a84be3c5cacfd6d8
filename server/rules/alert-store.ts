import type { Kysely } from 'kysely'
import type { AlertView } from '../../alerts/alert.ts'
import type { ActiveAlert } from '../../alerts/state.ts'
import type { Millis } from '../clock.ts'
import { checkedAlertViewOf, optionalTime } from '../records/alert-view.ts'
import { later, type Records, type RecordsTransaction } from '../records/records.ts'
import type { AlertRow, RecordsSchema } from '../records/schema.ts'

/** An alert as the hub left it. */
export interface SavedAlert {
  readonly rule: string
  readonly group: string
  readonly alert: ActiveAlert
  readonly updatedAt: Millis
}

/** A row to write, or a pending alert that went away unseen. */
export type AlertWrite =
  | { readonly kind: 'save'; readonly row: AlertRow }
  | { readonly kind: 'drop'; readonly id: string }

/** The incident an alert belongs to. */
export interface AlertIncident {
  readonly id: string
  readonly number: number
}

/** Pending and firing alerts; rows that cannot be read are handed to `onBadRow`. */
export async function loadActive(
  records: Records,
  onBadRow: (row: AlertRow, error: unknown) => void,
): Promise<SavedAlert[]> {
  const rows = await records.read
    .selectFrom('alerts')
    .selectAll()
    .where('state', 'in', ['pending', 'firing'])
    .orderBy('active_at')
    .execute()
  return rows.flatMap((row) => {
    try {
      return [savedOf(row)]
    } catch (error) {
      onBadRow(row, error)
      return []
    }
  })
}

/** Instances the hub has a collector for. */
export async function loadCollectorInstances(records: Records): Promise<string[]> {
  const rows = await records.read.selectFrom('collectors').select('instance').execute()
  return rows.map((row) => row.instance)
}

/** Newest resolved alerts first. */
export async function loadResolved(records: Records, limit: number): Promise<AlertView[]> {
  const rows = await records.read
    .selectFrom('alerts')
    .selectAll()
    .where('state', '=', 'resolved')
    .orderBy('resolved_at', 'desc')
    .limit(limit)
    .execute()
  return rows.map(checkedAlertViewOf)
}

/** Incidents by alert id, for those alerts that have one. */
export async function incidentsOf(
  database: Kysely<RecordsSchema> | RecordsTransaction,
  alertIds: readonly string[],
): Promise<ReadonlyMap<string, AlertIncident>> {
  const found = new Map<string, AlertIncident>()
  for (let from = 0; from < alertIds.length; from += 500) {
    const rows = await database
      .selectFrom('incident_alerts')
      .innerJoin('incidents', 'incidents.id', 'incident_alerts.incident_id')
      .select(['incident_alerts.alert_id', 'incidents.id', 'incidents.number'])
      .where('incident_alerts.alert_id', 'in', alertIds.slice(from, from + 500))
      .execute()
    for (const row of rows) found.set(row.alert_id, { id: row.id, number: Number(row.number) })
  }
  return found
}

/** Writes rows in their order; a repeat has no second effect. Acknowledgements are left as they are. */
export async function saveAlerts(
  tx: RecordsTransaction,
  writes: readonly AlertWrite[],
): Promise<void> {
  for (const write of writes) {
    if (write.kind === 'drop') {
      await later(
        tx,
        tx.deleteFrom('alerts').where('id', '=', write.id).where('state', '=', 'pending'),
      )
      continue
    }
    const { id: _id, acknowledged_at: _at, acknowledged_by: _by, ...changed } = write.row
    await later(
      tx,
      tx
        .insertInto('alerts')
        .values(write.row)
        .onConflict((conflict) => conflict.column('id').doUpdateSet(changed)),
    )
  }
}

/** Stamps a firing alert as acknowledged unless it already is; returns the stamp that holds. */
export async function stampAcknowledged(
  tx: RecordsTransaction,
  id: string,
  by: string,
  at: Millis,
): Promise<
  | { readonly acknowledgedAt: Millis; readonly acknowledgedBy: string; readonly first: boolean }
  | undefined
> {
  const row = await tx
    .selectFrom('alerts')
    .select(['state', 'acknowledged_at', 'acknowledged_by'])
    .where('id', '=', id)
    .executeTakeFirst()
  if (row === undefined || row.state !== 'firing') return undefined
  if (row.acknowledged_at !== null) {
    return {
      acknowledgedAt: Number(row.acknowledged_at),
      acknowledgedBy: row.acknowledged_by ?? '',
      first: false,
    }
  }
  await tx
    .updateTable('alerts')
    .set({ acknowledged_at: at, acknowledged_by: by, updated_at: at })
    .where('id', '=', id)
    .execute()
  return { acknowledgedAt: at, acknowledgedBy: by, first: true }
}

/** Marks the pending alerts as still watched, so that a restart knows how long nobody looked. */
export async function touchPending(records: Records, now: Millis): Promise<void> {
  await records.write((tx) =>
    tx.updateTable('alerts').set({ updated_at: now }).where('state', '=', 'pending').execute(),
  )
}

/** The row of an alert's present state. */
export function rowOf(view: AlertView, keepFiringSince: Millis | undefined, now: Millis): AlertRow {
  return {
    id: view.id,
    fingerprint: view.fingerprint,
    rule: view.rule,
    rule_group: view.group,
    severity: view.severity,
    instance: view.instance ?? null,
    labels: JSON.stringify(view.labels),
    annotations: JSON.stringify(view.annotations),
    state: view.state,
    value: view.value,
    active_at: view.activeAt,
    fired_at: view.firedAt ?? null,
    keep_firing_since: keepFiringSince ?? null,
    resolved_at: view.resolvedAt ?? null,
    acknowledged_at: view.acknowledgedAt ?? null,
    acknowledged_by: view.acknowledgedBy ?? null,
    updated_at: now,
  }
}

function savedOf(row: AlertRow): SavedAlert {
  const view = checkedAlertViewOf(row)
  if (view.state === 'resolved') throw new Error(`BUG: alert ${row.id} is resolved`)
  const alert: ActiveAlert = {
    id: view.id,
    fingerprint: view.fingerprint,
    labels: view.labels,
    annotations: view.annotations,
    state: view.state,
    value: numberOf(view.value),
    activeAt: view.activeAt,
    firedAt: view.firedAt,
    keepFiringSince: optionalTime(row.keep_firing_since),
    acknowledgedAt: view.acknowledgedAt,
    acknowledgedBy: view.acknowledgedBy,
  }
  return { rule: row.rule, group: row.rule_group, alert, updatedAt: Number(row.updated_at) }
}

function numberOf(text: string): number {
  return text === '+Inf' ? Infinity : text === '-Inf' ? -Infinity : Number(text)
}
