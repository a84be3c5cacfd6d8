import type { FastifyInstance } from 'fastify'
import type { AlertChange } from '../../alerts/alert.ts'
import type { Clock } from '../clock.ts'
import type { RecordsTransaction } from '../records/records.ts'
import { hubActor } from './incident.ts'
import type { IncidentStore } from './incident-store.ts'
import { summaries } from './views.ts'

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

  async take(tx: RecordsTransaction, change: AlertChange): Promise<void> {
    if (change.kind === 'firing') await this.#fired(tx, change)
    else if (change.kind === 'resolved') await this.#recovered(tx, change)
    else await this.#acknowledged(tx, change)
  }

  /** Queues the message that tells staff about a change. */
  async publish(tx: RecordsTransaction, id: string, change: IncidentChange): Promise<void> {
    const [incident] = await summaries(tx, [await this.#store.byId(tx, id)])
    const at = this.#clock.now()
    await this.#app.live.publish(tx, { kind: 'incident', at, body: { change, incident } })
  }

  async #fired(tx: RecordsTransaction, change: AlertChange): Promise<void> {
    const { alert } = change
    const current = await this.#store.current(tx, alert)
    if (current === undefined || (current.state === 'resolved' && alert.severity !== 'critical')) {
      if (alert.severity === 'critical') await this.#open(tx, change)
      return
    }
    const relapsed = current.state === 'resolved'
    if (relapsed) await this.#store.relapse(tx, current, alert, change.at)
    await this.#store.join(tx, current.id, change)
    await this.publish(tx, current.id, relapsed ? 'relapsed' : 'joined')
  }

  async #open(tx: RecordsTransaction, change: AlertChange): Promise<void> {
    const runbook = this.#app.runbooks.find(change.alert.rule)
    const opened = await this.#store.open(
      tx,
      change,
      runbook === undefined ? undefined : { name: runbook.name, body: runbook.text },
    )
    await this.publish(tx, opened.id, 'opened')
  }

  async #recovered(tx: RecordsTransaction, change: AlertChange): Promise<void> {
    const row = await this.#store.ofAlert(tx, change.alert)
    if (row === undefined) return
    await this.#store.join(tx, row.id, change)
    if (row.state === 'resolved' || (await this.#store.firing(tx, row.id)) > 0) return
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
  }

  async #acknowledged(tx: RecordsTransaction, change: AlertChange): Promise<void> {
    const row = await this.#store.ofAlert(tx, change.alert)
    if (row === undefined || row.state === 'resolved') return
    const by = change.by ?? hubActor
    if (await this.#store.acknowledge(tx, row, by, change.at, undefined)) {
      await this.publish(tx, row.id, 'acknowledged')
    }
  }
}
