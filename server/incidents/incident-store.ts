import { createHash } from 'node:crypto'
import { type Kysely, sql } from 'kysely'
import type { AlertChange, AlertView } from '../../alerts/alert.ts'
import type { Clock, Millis } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import { uuid } from '../ids.ts'
import type { Ledger } from '../ledger/plugin.ts'
import { later, type RecordsTransaction } from '../records/records.ts'
import type { IncidentFactRow, IncidentRow, RecordsSchema } from '../records/schema.ts'
import {
  alertFact,
  hubActor,
  joinKey,
  type NewFact,
  openingFacts,
  stabilityWindowMillis,
  titleOf,
} from './incident.ts'

/** A runbook's text to freeze. */
export interface RunbookText {
  readonly name: string
  readonly body: string
}

/** Incidents and their facts; every method works inside the caller's transaction. */
export class IncidentStore {
  readonly #clock: Clock
  readonly #ledger: Ledger

  constructor(clock: Clock, ledger: Ledger) {
    this.#clock = clock
    this.#ledger = ledger
  }

  /**
   * The incident an alert goes to now: its host's open one, or the one that resolved within the stability window
   * if this very alert was in it.
   */
  async current(tx: RecordsTransaction, alert: AlertView): Promise<IncidentRow | undefined> {
    return (
      tx
        .selectFrom('incidents')
        .selectAll()
        .where('join_key', '=', joinKey(alert))
        .where((is) =>
          is.or([
            is('state', '!=', 'resolved'),
            is.and([
              is('resolved_at', '>=', this.#clock.now() - stabilityWindowMillis),
              is.exists(
                is
                  .selectFrom('incident_alerts')
                  .innerJoin('alerts', 'alerts.id', 'incident_alerts.alert_id')
                  .select('alerts.id')
                  .whereRef('incident_alerts.incident_id', '=', 'incidents.id')
                  .where('alerts.fingerprint', '=', alert.fingerprint),
              ),
            ]),
          ]),
        )
        // An open one goes before every resolved one.
        .orderBy((is) => is.case().when('state', '=', 'resolved').then(1).else(0).end())
        .orderBy('number', 'desc')
        .limit(1)
        .executeTakeFirst()
    )
  }

  async open(
    tx: RecordsTransaction,
    change: AlertChange,
    runbook: RunbookText | undefined,
  ): Promise<IncidentRow> {
    const { alert } = change
    const now = this.#clock.now()
    const frozen = runbook === undefined ? undefined : await this.#freeze(tx, runbook)
    const row = {
      id: uuid(now),
      title: titleOf(alert),
      severity: 'sev2',
      state: 'open',
      join_key: joinKey(alert),
      server: alert.labels['server'] ?? alert.instance ?? '',
      runbook_name: frozen?.name ?? null,
      runbook_hash: frozen?.hash ?? null,
      opened_at: now,
      acknowledged_at: null,
      acknowledged_by: null,
      resolved_at: null,
      updated_at: now,
    }
    const { number } = await tx
      .insertInto('incidents')
      .values((is) => ({
        ...row,
        number: sql<number>`(${is
          .selectFrom('incidents as other')
          .select((s) => sql<number>`coalesce(${s.fn.max('other.number')}, 0) + 1`.as('next'))})`,
      }))
      .returning('number')
      .executeTakeFirstOrThrow()
    await this.#joinAlert(tx, row.id, alert.id)
    const facts = [...openingFacts(alert, frozen), alertFact(change)]
    const factRows = facts.map((fact, index) => this.#factRow(row.id, index + 1, fact))
    await later(tx, tx.insertInto('incident_facts').values(factRows))
    const opened = { ...row, number: Number(number) }
    await this.#ledgerState(tx, opened, hubActor, now)
    for (const fact of factRows) await this.#ledgerFact(tx, fact)
    return opened
  }

  async #ledgerState(
    tx: RecordsTransaction,
    row: IncidentRow,
    actor: string,
    at: Millis,
  ): Promise<void> {
    const { state, number, severity, join_key: joinKey, runbook_hash: runbookHash } = row
    await this.#ledger.append(tx, {
      action: 'incident.state',
      object: { type: 'incident', id: row.id },
      actor,
      occurredAt: at,
      content: { state, number, severity, joinKey, runbookHash },
    })
  }

  async #ledgerFact(tx: RecordsTransaction, row: IncidentFactRow): Promise<void> {
    const { id: fact, kind, certainty, supersedes, value } = row
    await this.#ledger.append(tx, {
      action: 'incident.fact',
      object: { type: 'incident', id: row.incident_id },
      actor: row.recorded_by,
      occurredAt: row.occurred_at,
      content: { fact, kind, certainty, supersedes },
      sensitive: { value },
    })
  }

  async join(tx: RecordsTransaction, incidentId: string, change: AlertChange): Promise<void> {
    await this.#joinAlert(tx, incidentId, change.alert.id)
    await this.addFact(tx, incidentId, alertFact(change))
  }

  /** Adds a fact at the end; facts are never changed. */
  async addFact(tx: RecordsTransaction, incidentId: string, fact: NewFact): Promise<void> {
    const row = this.#factRow(incidentId, 0, fact)
    await later(
      tx,
      tx.insertInto('incident_facts').values((is) => ({
        ...row,
        sequence: sql<number>`(${is
          .selectFrom('incident_facts as other')
          .select((s) => sql<number>`coalesce(${s.fn.max('other.sequence')}, 0) + 1`.as('next'))
          .where('other.incident_id', '=', incidentId)})`,
      })),
    )
    await later(
      tx,
      tx
        .updateTable('incidents')
        .set({ updated_at: this.#clock.now() })
        .where('id', '=', incidentId),
    )
    await this.#ledgerFact(tx, row)
  }

  #factRow(incidentId: string, sequence: number, fact: NewFact): IncidentFactRow {
    const now = this.#clock.now()
    return {
      id: uuid(now),
      incident_id: incidentId,
      sequence,
      kind: fact.kind,
      value: JSON.stringify(fact.value),
      certainty: fact.certainty,
      occurred_at: fact.occurredAt,
      recorded_at: now,
      recorded_by: fact.recordedBy,
      supersedes: null,
    }
  }

  async #joinAlert(tx: RecordsTransaction, incidentId: string, alertId: string): Promise<void> {
    await later(
      tx,
      tx
        .insertInto('incident_alerts')
        .values({ incident_id: incidentId, alert_id: alertId, joined_at: this.#clock.now() })
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

  async byId(tx: RecordsTransaction, id: string): Promise<IncidentRow> {
    const row = await tx.selectFrom('incidents').selectAll().where('id', '=', id).executeTakeFirst()
    if (row === undefined) throw new CallwardError('not_found', 'There is no such incident.')
    return row
  }

  /** False when somebody acknowledged before. */
  async acknowledge(
    tx: RecordsTransaction,
    row: IncidentRow,
    by: string,
    at: Millis,
    note: string | undefined,
  ): Promise<boolean> {
    if (row.state === 'resolved')
      throw new CallwardError('conflict', `Incident ${row.number} is already resolved.`)
    if (row.acknowledged_at !== null) return false
    await tx
      .updateTable('incidents')
      .set({ state: 'acknowledged', acknowledged_at: at, acknowledged_by: by })
      .where('id', '=', row.id)
      .execute()
    await this.#ledgerState(tx, { ...row, state: 'acknowledged' }, by, at)
    const text = note === undefined ? `Acknowledged by ${by}.` : `Acknowledged by ${by}: ${note}`
    await this.addFact(tx, row.id, {
      kind: 'acknowledged',
      value: { text },
      certainty: 'actual',
      occurredAt: at,
      recordedBy: by,
    })
    return true
  }

  async resolve(
    tx: RecordsTransaction,
    row: IncidentRow,
    by: string,
    at: Millis,
    text: string,
  ): Promise<void> {
    await tx
      .updateTable('incidents')
      .set({ state: 'resolved', resolved_at: at })
      .where('id', '=', row.id)
      .execute()
    await this.#ledgerState(tx, { ...row, state: 'resolved' }, by, at)
    await this.addFact(tx, row.id, {
      kind: 'resolved',
      value: { text },
      certainty: 'actual',
      occurredAt: at,
      recordedBy: by,
    })
  }

  /** Takes a resolved incident up again: the fault came back inside the stability window. */
  async relapse(
    tx: RecordsTransaction,
    row: IncidentRow,
    alert: AlertView,
    at: Millis,
  ): Promise<void> {
    // Whoever took it then may be asleep now: it is open to everybody again. The fact of the first one stays.
    await tx
      .updateTable('incidents')
      .set({ state: 'open', resolved_at: null, acknowledged_at: null, acknowledged_by: null })
      .where('id', '=', row.id)
      .execute()
    await this.#ledgerState(tx, { ...row, state: 'open' }, hubActor, at)
    const text = `The fault came back: ${titleOf(alert)}`
    await this.addFact(tx, row.id, {
      kind: 'relapse',
      value: { text },
      certainty: 'actual',
      occurredAt: at,
      recordedBy: hubActor,
    })
  }

  /** Alerts of an incident that fire right now. */
  async firing(tx: RecordsTransaction, incidentId: string): Promise<number> {
    const row = await tx
      .selectFrom('incident_alerts')
      .innerJoin('alerts', 'alerts.id', 'incident_alerts.alert_id')
      .select((s) => s.fn.countAll().as('count'))
      .where('incident_alerts.incident_id', '=', incidentId)
      .where('alerts.state', '=', 'firing')
      .executeTakeFirst()
    return Number(row?.count ?? 0)
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
