import { createHash } from 'node:crypto'
import { type ExpressionBuilder, type Kysely, sql } from 'kysely'
import type { AlertChange, AlertView } from '../../alerts/alert.ts'
import { hubSays } from '../../incidents/hub-sentences.ts'
import type { Clock, Millis } from '../clock.ts'
import { alertViewOf } from '../records/alert-view.ts'
import { later, type RecordsTransaction } from '../records/records.ts'
import type { IncidentRow, RecordsSchema } from '../records/schema.ts'
import {
  alertFact,
  hubActor,
  line,
  type OpenedBy,
  openingFacts,
  recurrenceMillis,
  titleOf,
} from './incident.ts'
import type { IncidentStore } from './incident-store.ts'

/** A runbook's text to freeze. */
export interface RunbookText {
  readonly name: string
  readonly body: string
}

/** Which alerts belong to which incident; every method works inside the caller's transaction. */
export class IncidentAlerts {
  readonly #clock: Clock
  readonly #store: IncidentStore

  constructor(clock: Clock, store: IncidentStore) {
    this.#clock = clock
    this.#store = store
  }

  /** Opens an incident by an alert. */
  async open(
    tx: RecordsTransaction,
    change: AlertChange,
    runbook: RunbookText | undefined,
    by: OpenedBy & { readonly key: string },
  ): Promise<IncidentRow> {
    const { alert } = change
    const frozen = runbook === undefined ? undefined : await this.#freeze(tx, runbook)
    const opened = await this.#store.record(tx, {
      title: titleOf(alert),
      joinKey: by.key,
      server: alert.labels['server'] ?? alert.instance ?? '',
      runbook: frozen,
      by: hubActor,
      role: 'hub',
      facts: openingFacts(change, frozen, await this.#earlier(tx, alert), by),
    })
    await this.#joinAlert(tx, opened.id, alert.id, false)
    return opened
  }

  /** A related alert only stands beside the incident. */
  async join(
    tx: RecordsTransaction,
    incidentId: string,
    change: AlertChange,
    related: boolean,
  ): Promise<void> {
    await this.#joinAlert(tx, incidentId, change.alert.id, related)
    await this.#store.addUnjudged(tx, incidentId, alertFact(change, related))
  }

  /** Takes a change of an alert into an incident that has it already. */
  async goesOn(tx: RecordsTransaction, incidentId: string, change: AlertChange): Promise<void> {
    await this.#store.addUnjudged(tx, incidentId, alertFact(change, false))
  }

  /** The last incident that this alert was in, if it is not too long ago. */
  async #earlier(tx: RecordsTransaction, { fingerprint }: AlertView) {
    const row = await tx
      .selectFrom('alerts')
      .innerJoin('incident_alerts', 'incident_alerts.alert_id', 'alerts.id')
      .innerJoin('incidents', 'incidents.id', 'incident_alerts.incident_id')
      .select(['incidents.id', 'incidents.number'])
      .where('alerts.fingerprint', '=', fingerprint)
      .where('incidents.opened_at', '>=', this.#clock.now() - recurrenceMillis)
      .orderBy('incidents.number', 'desc')
      .limit(1)
      .executeTakeFirst()
    return row === undefined ? undefined : { id: row.id, number: Number(row.number) }
  }

  async #joinAlert(
    tx: RecordsTransaction,
    incidentId: string,
    alertId: string,
    related: boolean,
  ): Promise<void> {
    await later(
      tx,
      tx
        .insertInto('incident_alerts')
        .values({
          ...{ incident_id: incidentId, alert_id: alertId, joined_at: this.#clock.now() },
          related: related ? 1 : 0,
        })
        .onConflict((conflict) => conflict.columns(['incident_id', 'alert_id']).doNothing()),
    )
  }

  /** The incident an alert's life belongs to. */
  async ofAlert(tx: RecordsTransaction, alert: AlertView): Promise<IncidentRow | undefined> {
    return tx
      .selectFrom('incidents')
      .innerJoin('incident_alerts', 'incident_alerts.incident_id', 'incidents.id')
      .selectAll('incidents')
      .where('incident_alerts.alert_id', '=', alert.id)
      .orderBy('incidents.number', 'desc')
      .limit(1)
      .executeTakeFirst()
  }

  /** Takes a restored incident up again: the fault came back. False when it may not, and a new one is to be opened. */
  async relapse(
    tx: RecordsTransaction,
    row: IncidentRow,
    alert: AlertView,
    at: Millis,
  ): Promise<boolean> {
    const text = hubSays('cameBack', { title: titleOf(alert) })
    const relapse = {
      ...({ kind: 'relapse', value: { text }, certainty: 'actual', occurredAt: at } as const),
      ...{ recordedBy: hubActor, supersedes: null },
    } as const
    for (const to of ['investigating', 'recorded'] as const) {
      const request = { to, by: hubActor, role: 'hub', at, with: [relapse] } as const
      if ('row' in (await this.#store.tryStep(tx, row, request))) return true
    }
    return false
  }

  /** Alerts of an incident that fire. */
  async firingOf(
    tx: RecordsTransaction,
    incidentId: string,
  ): Promise<{ readonly alert: AlertView; readonly related: boolean }[]> {
    const rows = await joined(tx)
      .selectAll('alerts')
      .select('incident_alerts.related')
      .where('incident_alerts.incident_id', '=', incidentId)
      .where('alerts.state', '=', 'firing')
      .orderBy('alerts.fired_at')
      .execute()
    return rows.map(({ related, ...row }) => ({
      alert: alertViewOf(row),
      related: Number(related) === 1,
    }))
  }

  /** The hub merges an incident into another one; undefined when what is on file stands against it. */
  async merge(
    tx: RecordsTransaction,
    row: IncidentRow,
    into: IncidentRow,
  ): Promise<IncidentRow | undefined> {
    const at = this.#clock.now()
    const value = { text: `One fault with incident ${into.number}.`, into: into.id }
    const fact = {
      ...({ kind: 'merged', value, certainty: 'actual', occurredAt: at } as const),
      ...{ recordedBy: hubActor, supersedes: null },
    } as const
    const request = { to: 'merged', by: hubActor, role: 'hub', at, with: [fact] } as const
    const taken = await this.#store.tryStep(tx, row, request)
    if ('missing' in taken) return undefined
    await takeOverKeys(tx, row, into.id)
    return taken.row
  }

  /** When the last alert that holds an incident ended; undefined while one fires, or when it has none. */
  async greenSince(tx: RecordsTransaction, incidentId: string): Promise<Millis | undefined> {
    const row = await holding(tx)
      .select((s) => [
        s.fn.max('alerts.resolved_at').as('last'),
        sql<number>`sum(case when alerts.state = 'firing' then 1 else 0 end)`.as('firing'),
      ])
      .where('incident_alerts.incident_id', '=', incidentId)
      .executeTakeFirst()
    return row?.last == null || Number(row.firing) > 0 ? undefined : Number(row.last)
  }

  /** What was seen green: the rules of the alerts that held an incident, each with its host. */
  async sources(tx: RecordsTransaction, incidentId: string): Promise<string[]> {
    const rows = await holding(tx)
      .select(['alerts.rule', 'alerts.instance'])
      .distinct()
      .where('incident_alerts.incident_id', '=', incidentId)
      .orderBy('alerts.rule')
      .orderBy('alerts.instance')
      .limit(50)
      .execute()
    return rows.map(nameOf)
  }

  /** Related alerts that fire on while the incident recovers: each rule with its host. */
  async relatedFiring(tx: RecordsTransaction, incidentId: string): Promise<string[]> {
    const rows = await joined(tx)
      .select(['alerts.rule', 'alerts.instance'])
      .distinct()
      .where('incident_alerts.incident_id', '=', incidentId)
      .where('incident_alerts.related', '=', 1)
      .where('alerts.state', '=', 'firing')
      .orderBy('alerts.rule')
      .orderBy('alerts.instance')
      .limit(20)
      .execute()
    return rows.map(nameOf)
  }

  /** Fingerprints of an incident's alerts that fire and nobody has acknowledged. */
  async unacknowledged(db: Kysely<RecordsSchema>, incidentId: string): Promise<string[]> {
    const rows = await db
      .selectFrom('incident_alerts')
      .innerJoin('alerts', 'alerts.id', 'incident_alerts.alert_id')
      .select('alerts.fingerprint')
      .where('incident_alerts.incident_id', '=', incidentId)
      .where('alerts.state', '=', 'firing')
      .where('alerts.acknowledged_at', 'is', null)
      .execute()
    return rows.map(({ fingerprint }) => fingerprint)
  }

  async #freeze(
    tx: RecordsTransaction,
    { name, body }: RunbookText,
  ): Promise<{ name: string; hash: string }> {
    const hash = createHash('sha256').update(body).digest('hex')
    await tx
      .insertInto('runbook_versions')
      .values({ hash, name, body, recorded_at: this.#clock.now() })
      .onConflict((conflict) => conflict.column('hash').doNothing())
      .execute()
    return { name, hash }
  }
}

/** Alerts of what was merged go to the other from now on. */
export async function takeOverKeys(
  tx: RecordsTransaction,
  from: IncidentRow,
  into: string,
): Promise<void> {
  const keys = await tx
    .selectFrom('incident_join_keys')
    .select('join_key')
    .where('incident_id', '=', from.id)
    .execute()
  for (const join_key of [from.join_key, ...keys.map((one) => one.join_key)])
    await tx
      .insertInto('incident_join_keys')
      .values({ join_key, incident_id: into })
      .onConflict((conflict) => conflict.columns(['join_key', 'incident_id']).doNothing())
      .execute()
  const labels = await tx
    .selectFrom('incident_label_keys')
    .select('label_key')
    .where('incident_id', '=', from.id)
    .execute()
  for (const { label_key } of labels)
    await tx
      .insertInto('incident_label_keys')
      .values({ label_key, incident_id: into })
      .onConflict((conflict) => conflict.columns(['label_key', 'incident_id']).doNothing())
      .execute()
}

/** Incidents whose machine evidence may be complete: an alert held them, and none that holds them fires. */
export function greenIncidents(read: Kysely<RecordsSchema>) {
  const mine = (is: ExpressionBuilder<RecordsSchema, 'incidents'>) =>
    is
      .selectFrom('incident_alerts')
      .innerJoin('alerts', 'alerts.id', 'incident_alerts.alert_id')
      .select('alerts.id')
      .whereRef('incident_alerts.incident_id', '=', 'incidents.id')
      .where('incident_alerts.related', '=', 0)
  return read
    .selectFrom('incidents')
    .where((is) => is.exists(mine(is)))
    .where((is) => is.not(is.exists(mine(is).where('alerts.state', '=', 'firing'))))
}

function joined(read: Kysely<RecordsSchema>) {
  return read
    .selectFrom('incident_alerts')
    .innerJoin('alerts', 'alerts.id', 'incident_alerts.alert_id')
}

function holding(read: Kysely<RecordsSchema>) {
  return joined(read).where('incident_alerts.related', '=', 0)
}

function nameOf({ rule, instance }: { rule: string; instance: string | null }): string {
  return line(instance === null ? rule : `${rule} ${instance}`)
}
