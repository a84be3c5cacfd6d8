import type { FastifyInstance } from 'fastify'
import type { AlertChange } from '../../alerts/alert.ts'
import type { Clock } from '../clock.ts'
import { atEnd, type RecordsTransaction } from '../records/records.ts'
import type { IncidentRow } from '../records/schema.ts'
import { hubActor, joinKey } from './incident.ts'
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
  /** Incidents by the key of their alerts, as this transaction left them: in a storm hundreds of alerts go to one. */
  readonly #seen = new WeakMap<RecordsTransaction, Map<string, IncidentRow>>()

  constructor(app: FastifyInstance, clock: Clock, store: IncidentStore) {
    this.#app = app
    this.#clock = clock
    this.#store = store
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
    const current = seen.get(key) ?? (await this.#store.current(tx, alert))
    if (current === undefined || (current.state === 'resolved' && alert.severity !== 'critical')) {
      if (alert.severity !== 'critical') return undefined
      const opened = await this.#open(tx, change)
      seen.set(key, opened)
      return opened
    }
    await this.#join(tx, current, change)
    // One that relapsed is open again, and read anew.
    if (current.state !== 'resolved') seen.set(key, current)
    return current
  }

  async #join(tx: RecordsTransaction, current: IncidentRow, change: AlertChange): Promise<void> {
    const relapsed = current.state === 'resolved'
    if (relapsed) await this.#store.relapse(tx, current, change.alert, change.at)
    await this.#store.join(tx, current.id, change)
    if (relapsed) await this.publish(tx, current.id, 'relapsed')
    else atEnd(tx, `joined ${current.id}`, () => this.#tellJoined(tx, current.id))
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
    const opened = await this.#store.open(
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
