import type { FastifyInstance } from 'fastify'
import type { AlertChange } from '../../alerts/alert.ts'
import type { Clock } from '../clock.ts'
import { atEnd, type RecordsTransaction } from '../records/records.ts'
import type { IncidentRow } from '../records/schema.ts'
import { hubActor, joinKey } from './incident.ts'
import type { IncidentAlerts } from './incident-alerts.ts'
import type { IncidentStore } from './incident-store.ts'
import { recoveryOpening } from './recovery-duty.ts'
import { type Summary, summaries, summaryOf } from './views.ts'

/** What a pushed message says happened to an incident. */
export type IncidentChange =
  | 'opened'
  | 'joined'
  | 'acknowledged'
  | 'noted'
  | 'relapsed'
  | 'stepped'
  | 'resolved'

/** Takes changes of alerts into their incidents, inside the caller's transaction. */
export class AlertChanges {
  readonly #app: FastifyInstance
  readonly #clock: Clock
  readonly #store: IncidentStore
  readonly #alerts: IncidentAlerts
  /** Incidents by the key of their alerts, as this transaction left them: in a storm hundreds of alerts go to one. */
  readonly #seen = new WeakMap<RecordsTransaction, Map<string, IncidentRow>>()

  constructor(app: FastifyInstance, clock: Clock, store: IncidentStore, alerts: IncidentAlerts) {
    this.#app = app
    this.#clock = clock
    this.#store = store
    this.#alerts = alerts
  }

  /** Gives the incident the alert belongs to, if any. */
  async take(tx: RecordsTransaction, change: AlertChange): Promise<IncidentRow | undefined> {
    if (change.kind === 'firing') return this.#fired(tx, change)
    this.#seen.delete(tx)
    if (change.kind === 'resolved') return this.#recovered(tx, change)
    return this.#acknowledged(tx, change)
  }

  /** Queues the message that tells staff about a change. */
  async publish(tx: RecordsTransaction, id: string, change: IncidentChange): Promise<void> {
    const [incident] = await summaries(tx, [await this.#store.byId(tx, id)])
    await this.#tell(tx, change, incident)
  }

  async #tell(
    tx: RecordsTransaction,
    change: IncidentChange,
    incident: Summary | undefined,
  ): Promise<void> {
    const at = this.#clock.now()
    await this.#app.live.publish(tx, { kind: 'incident', at, body: { change, incident } })
  }

  async #fired(tx: RecordsTransaction, change: AlertChange): Promise<IncidentRow | undefined> {
    const { alert } = change
    const key = joinKey(alert)
    const seen = this.#seen.get(tx) ?? new Map<string, IncidentRow>()
    this.#seen.set(tx, seen)
    const current = seen.get(key) ?? (await this.#alerts.current(tx, alert))
    if (current !== undefined && current.state !== 'resolved') {
      await this.#joinTold(tx, current, change)
      seen.set(key, current)
      return current
    }
    if (alert.severity !== 'critical') return undefined
    if (current !== undefined && (await this.#relapsed(tx, current, change))) return current
    const opened = await this.#open(tx, change)
    seen.set(key, opened)
    return opened
  }

  /** False when the incident does not take the alert as its relapse. */
  async #relapsed(
    tx: RecordsTransaction,
    current: IncidentRow,
    change: AlertChange,
  ): Promise<boolean> {
    if (!(await this.#alerts.relapse(tx, current, change.alert, change.at))) return false
    await this.#alerts.join(tx, current.id, change)
    await this.publish(tx, current.id, 'relapsed')
    return true
  }

  async #joinTold(
    tx: RecordsTransaction,
    current: IncidentRow,
    change: AlertChange,
  ): Promise<void> {
    await this.#alerts.join(tx, current.id, change)
    atEnd(tx, `joined ${current.id}`, () => this.#tellJoined(tx, current.id))
  }

  /** One message for all that joined in a transaction. */
  async #tellJoined(tx: RecordsTransaction, id: string): Promise<void> {
    const row = await this.#store.byId(tx, id)
    if (row.state === 'resolved') return // which was told
    const [incident] = await summaries(tx, [row])
    await this.#tell(tx, 'joined', incident)
  }

  async #open(tx: RecordsTransaction, change: AlertChange): Promise<IncidentRow> {
    const runbook = this.#app.runbooks.find(change.alert.rule)
    const opened = await this.#alerts.open(
      tx,
      change,
      runbook === undefined ? undefined : { name: runbook.name, body: runbook.text },
    )
    const { state, labels } = change.alert
    const firing = state === 'firing' ? 1 : 0
    const simulated = labels['simulated'] === 'true'
    await this.#tell(tx, 'opened', summaryOf(opened, { firing, simulated }))
    return opened
  }

  async #recovered(tx: RecordsTransaction, change: AlertChange): Promise<IncidentRow | undefined> {
    const row = await this.#alerts.ofAlert(tx, change.alert)
    if (row === undefined) return undefined
    await this.#alerts.join(tx, row.id, change)
    if (row.state === 'resolved') return row
    const since = await this.#alerts.greenSince(tx, row.id)
    if (since === undefined) return row
    await this.#app.obligations.open(tx, recoveryOpening(row.id, since, this.#clock.now()))
    atEnd(tx, `joined ${row.id}`, () => this.#tellJoined(tx, row.id))
    return row
  }

  async #acknowledged(
    tx: RecordsTransaction,
    change: AlertChange,
  ): Promise<IncidentRow | undefined> {
    const row = await this.#alerts.ofAlert(tx, change.alert)
    if (row === undefined || row.state === 'resolved') return row
    const by = change.by ?? hubActor
    if (await this.#store.acknowledge(tx, row, by, change.at, undefined)) {
      await this.publish(tx, row.id, 'acknowledged')
    }
    return row
  }
}
