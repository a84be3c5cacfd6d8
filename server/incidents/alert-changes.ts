import type { FastifyInstance } from 'fastify'
import type { AlertChange, AlertView, Millis } from '../../alerts/alert.ts'
import { type Candidate, isBeside, subjectOf } from '../../alerts/correlation.ts'
import type { Clock } from '../clock.ts'
import { atEnd, type RecordsTransaction } from '../records/records.ts'
import type { IncidentRow } from '../records/schema.ts'
import { Correlator, type Decided } from './correlation/correlator.ts'
import { addLabelKeys, type DocumentStore } from './correlation/document-store.ts'
import { hubActor } from './incident.ts'
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

  /** Alerts that a rule with a count took in before their own change came, by id. */
  readonly #gathered = new WeakMap<RecordsTransaction, Map<string, IncidentRow>>()
  readonly #documents: DocumentStore
  readonly #correlator: Correlator

  constructor(
    app: FastifyInstance,
    clock: Clock,
    store: IncidentStore,
    alerts: IncidentAlerts,
    documents: DocumentStore,
  ) {
    this.#documents = documents
    this.#correlator = new Correlator(clock)
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
    const gathered = this.#gathered.get(tx)?.get(alert.id)
    if (gathered !== undefined) return gathered
    const seen = this.#seen.get(tx) ?? new Map<string, IncidentRow>()
    this.#seen.set(tx, seen)
    const { current: document } = this.#documents
    const verdict = await this.#correlator.decide(tx, {
      ...{ document, subject: subjectOf(alert), at: alert.firedAt ?? change.at },
      known: (candidate) => {
        const row = seen.get(placeOf(candidate))
        return row !== undefined && this.#correlator.isYoung(candidate, row) ? row : undefined
      },
    })
    if (verdict.kind === 'held') {
      await this.#joinTold(tx, verdict.held.row, change, verdict.held.related)
      return verdict.held.row
    }
    const { decision } = verdict
    if (verdict.kind === 'relapse' && (await this.#relapsed(tx, verdict.held.row, change)))
      return verdict.held.row
    if (decision === undefined || decision.kind === 'nothing') return undefined
    const { candidate } = decision
    const row =
      decision.kind === 'join' ? decision.incident : await this.#open(tx, change, decision)
    if (decision.kind === 'join')
      await this.#joinTold(tx, row, change, isBeside(alert.severity, candidate.rule.action))
    seen.set(placeOf(candidate), row)
    return row
  }

  /** False when the incident does not take the alert as its relapse. */
  async #relapsed(
    tx: RecordsTransaction,
    current: IncidentRow,
    change: AlertChange,
  ): Promise<boolean> {
    if (!(await this.#alerts.relapse(tx, current, change.alert, change.at))) return false
    await this.#join(tx, current.id, change, false)
    await this.publish(tx, current.id, 'relapsed')
    return true
  }

  async #joinTold(
    tx: RecordsTransaction,
    current: IncidentRow,
    change: AlertChange,
    related: boolean,
  ): Promise<void> {
    await this.#join(tx, current.id, change, related)
    atEnd(tx, `joined ${current.id}`, () => this.#tellJoined(tx, current.id))
  }

  /** One message for all that joined in a transaction. */
  async #tellJoined(tx: RecordsTransaction, id: string): Promise<void> {
    const row = await this.#store.byId(tx, id)
    if (row.state === 'resolved') return // which was told
    const [incident] = await summaries(tx, [row])
    await this.#tell(tx, 'joined', incident)
  }

  /** Takes an alert in, with the keys that rules of one's own find the incident by. */
  async #join(
    tx: RecordsTransaction,
    id: string,
    change: AlertChange,
    related: boolean,
  ): Promise<void> {
    await this.#alerts.join(tx, id, change, related)
    const { version, rules } = this.#documents.current
    if (version > 0) await addLabelKeys(tx, rules, id, subjectOf(change.alert))
  }

  async #open(
    tx: RecordsTransaction,
    change: AlertChange,
    { candidate: { rule, key }, counted }: Extract<Decided, { kind: 'open' }>,
  ): Promise<IncidentRow> {
    const { version, rules } = this.#documents.current
    const { runbook: named } = rule.opening
    const own = this.#app.runbooks.find(change.alert.rule)
    const runbook = named === undefined ? own : (this.#app.runbooks.find(named) ?? own)
    const opened = await this.#alerts.open(
      tx,
      change,
      runbook === undefined ? undefined : { name: runbook.name, body: runbook.text },
      {
        ...{ key, opening: rule.opening },
        rule: version === 0 ? undefined : `"${rule.name}" (version ${version})`,
        lastReportAt: this.#lastReport(change.alert.instance),
      },
    )
    if (version > 0) await addLabelKeys(tx, rules, opened.id, subjectOf(change.alert))
    const { state, labels } = change.alert
    const firing = state === 'firing' ? 1 : 0
    const simulated = labels['simulated'] === 'true'
    await this.#tell(tx, 'opened', summaryOf(opened, { firing, simulated }))
    const others = counted.filter(({ alert }) => alert.id !== change.alert.id)
    for (const { alert, firedAt } of others) await this.#gather(tx, opened, alert, firedAt)
    return opened
  }

  /** The inventory is registered after the incidents. */
  #lastReport(instance: string | undefined): Millis | undefined {
    if (instance === undefined || !this.#app.hasDecorator('inventory')) return undefined
    return this.#app.inventory.host(instance)?.lastReportAt
  }

  /** Takes in an alert that was counted: alone, or with its incident when nobody took that up; never out of one that somebody works on. */
  async #gather(
    tx: RecordsTransaction,
    into: IncidentRow,
    alert: AlertView,
    at: Millis,
  ): Promise<void> {
    const own = await this.#alerts.ofAlert(tx, alert)
    if (own?.id === into.id) return
    const isOpen = own !== undefined && own.state !== 'resolved'
    if (isOpen && !(await this.#merged(tx, own, into))) return
    const lives = isOpen ? await this.#alerts.firingOf(tx, own.id) : [{ alert, related: false }]
    for (const one of lives) {
      const change = { kind: 'firing', alert: one.alert, at: one.alert.firedAt ?? at } as const
      await this.#joinTold(tx, into, change, one.related)
      const gathered = this.#gathered.get(tx) ?? new Map<string, IncidentRow>()
      this.#gathered.set(tx, gathered.set(one.alert.id, into))
    }
  }

  /** False when somebody works on it. */
  async #merged(tx: RecordsTransaction, own: IncidentRow, into: IncidentRow): Promise<boolean> {
    const untouched = own.workflow_state === 'recorded' && own.state === 'open'
    if (!untouched || Number(own.attended) !== 0) return false
    const after = await this.#alerts.merge(tx, own, into)
    if (after === undefined) return false
    this.#seen.delete(tx)
    await this.publish(tx, own.id, 'resolved')
    return true
  }

  async #recovered(tx: RecordsTransaction, change: AlertChange): Promise<IncidentRow | undefined> {
    const row = await this.#alerts.ofAlert(tx, change.alert)
    if (row === undefined) return undefined
    await this.#alerts.goesOn(tx, row.id, change)
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

/** Where an incident is remembered: a rule that only joins also finds those of other keys. */
function placeOf({ rule, key }: Candidate): string {
  return rule.action === 'join' ? `join ${rule.same.join(' ')} ${key}` : `open ${key}`
}
