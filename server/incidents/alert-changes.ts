import type { FastifyInstance } from 'fastify'
import type { AlertChange } from '../../alerts/alert.ts'
import type { Clock } from '../clock.ts'
import type { RecordsTransaction } from '../records/records.ts'
import type { IncidentRow } from '../records/schema.ts'
import { hubActor } from './incident.ts'
import type { IncidentStore } from './incident-store.ts'
import { type Summary, summaries, summaryOf } from './views.ts'

/** What a pushed message says happened to an incident. */
export type IncidentChange =
  | 'opened'
  | 'joined'
  | 'acknowledged'
  | 'noted'
  | 'relapsed'
  | 'resolved'

/** Takes changes of alerts into their incidents, inside the caller's transaction. */
export class AlertChanges {
  readonly #app: FastifyInstance
  readonly #clock: Clock
  readonly #store: IncidentStore

  constructor(app: FastifyInstance, clock: Clock, store: IncidentStore) {
    this.#app = app
    this.#clock = clock
    this.#store = store
  }

  /** Gives the incident the alert belongs to, if any. */
  async take(tx: RecordsTransaction, change: AlertChange): Promise<IncidentRow | undefined> {
    if (change.kind === 'firing') return this.#fired(tx, change)
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
    const current = await this.#store.current(tx, alert)
    if (current === undefined || (current.state === 'resolved' && alert.severity !== 'critical')) {
      return alert.severity === 'critical' ? this.#open(tx, change) : undefined
    }
    const relapsed = current.state === 'resolved'
    if (relapsed) await this.#store.relapse(tx, current, alert, change.at)
    await this.#store.join(tx, current.id, change)
    await this.publish(tx, current.id, relapsed ? 'relapsed' : 'joined')
    return current
  }

  async #open(tx: RecordsTransaction, change: AlertChange): Promise<IncidentRow> {
    const runbook = this.#app.runbooks.find(change.alert.rule)
    const opened = await this.#store.open(
      tx,
      change,
      runbook === undefined ? undefined : { name: runbook.name, body: runbook.text },
    )
    const { state, labels } = change.alert
    await this.#tell(tx, 'opened', summaryOf(opened, [{ state, labels: JSON.stringify(labels) }]))
    return opened
  }

  async #recovered(tx: RecordsTransaction, change: AlertChange): Promise<IncidentRow | undefined> {
    const row = await this.#store.ofAlert(tx, change.alert)
    if (row === undefined) return undefined
    await this.#store.join(tx, row.id, change)
    if (row.state === 'resolved' || (await this.#store.firing(tx, row.id)) > 0) return row
    await this.#store.addFact(tx, row.id, {
      kind: 'restored',
      value: { text: 'Every alert of this incident has resolved.' },
      certainty: 'actual',
      occurredAt: change.at,
      recordedBy: hubActor,
    })
    const text = 'Resolved by recovery; write what caused it as a note.'
    await this.#store.resolve(tx, row, hubActor, change.at, text)
    await this.publish(tx, row.id, 'resolved')
    return row
  }

  async #acknowledged(
    tx: RecordsTransaction,
    change: AlertChange,
  ): Promise<IncidentRow | undefined> {
    const row = await this.#store.ofAlert(tx, change.alert)
    if (row === undefined || row.state === 'resolved') return row
    const by = change.by ?? hubActor
    if (await this.#store.acknowledge(tx, row, by, change.at, undefined)) {
      await this.publish(tx, row.id, 'acknowledged')
    }
    return row
  }
}
