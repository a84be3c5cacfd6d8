import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { AlertChange } from '../../alerts/alert.ts'
import type { NewFact } from '../../incidents/facts.ts'
import type { Picture } from '../../incidents/picture.ts'
import type { Clock } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type { Principal } from '../people/plugin.ts'
import type { Records, RecordsTransaction } from '../records/records.ts'
import type { IncidentRow } from '../records/schema.ts'
import { acknowledging } from './acknowledging.ts'
import { AlertChanges } from './alert-changes.ts'
import { DocumentStore } from './correlation/document-store.ts'
import { correlationRoutes } from './correlation/routes.ts'
import {
  changeOf,
  type FactsRequest,
  Handling,
  type RecordRequest,
  type StepRequest,
} from './handling.ts'
import { handlingRoutes } from './handling-routes.ts'
import { importRoutes } from './import-routes.ts'
import { Importing } from './importing.ts'
import { IncidentAlerts } from './incident-alerts.ts'
import { IncidentStore, type Settled } from './incident-store.ts'
import { mineRoutes } from './mine.ts'
import { PdfPrinter, type PdfSettings } from './pdf.ts'
import { type DutyParts, recoveryDuty } from './recovery-duty.ts'
import { readingRoutes } from './routes.ts'
import { OpenIncidentSeries } from './series.ts'
import { unattendedDuty, unattendedOpening } from './unattended-duty.ts'
import { workflowRoutes } from './workflow-routes.ts'

export type { Settled } from './incident-store.ts'
export type { SentFact } from './requests.ts'

/** Incident records: opened by alerts as the correlation rules say, kept as stamped facts. */
export interface Incidents {
  /**
   * Takes a change of an alert into its incident, inside the caller's transaction: the correlation rules
   * say what opens one and what joins; recovery of all that hold it restores it five minutes later. Gives the alert's incident, if it has one. The
   * caller flushes live messages after commit.
   */
  alertChanged(
    tx: RecordsTransaction,
    change: AlertChange,
  ): Promise<{ readonly id: string; readonly number: number } | undefined>
  /** Also acknowledges the incident's firing alerts. Throws not_found, conflict. */
  acknowledge(id: string, by: Principal, note?: string): Promise<void>
  /** Records one by hand and gives its id. Throws conflict, unprocessable. */
  record(by: Principal, request: RecordRequest): Promise<string>
  /** Throws not_found, unprocessable with all that is wrong. */
  add(id: string, by: Principal, request: FactsRequest): Promise<void>
  /** Throws not_found, conflict with all that is missing. */
  step(id: string, by: Principal, request: StepRequest): Promise<void>
  /**
   * Writes facts that another capability has stamped, in the caller's transaction; who calls `committed` after the commit. They are
   * judged as all others are. Throws not_found, conflict, unprocessable.
   */
  write(tx: RecordsTransaction, id: string, facts: readonly NewFact[]): Promise<IncidentRow>
  /**
   * Writes facts of the hub's own into an incident inside the caller's transaction; `make` sees it as it stands there. The caller calls
   * `committed` after the commit. Throws not_found, unprocessable.
   */
  addOfHub(
    tx: RecordsTransaction,
    id: string,
    make: (picture: Picture, row: IncidentRow) => readonly NewFact[],
  ): Promise<void>
  /** Wakes whoever shows incidents; after a commit that changed one. */
  committed(): void
  /** The incident and what its facts amount to. Throws not_found. */
  picture(
    id: string,
    within?: RecordsTransaction,
  ): Promise<{ readonly row: IncidentRow; readonly picture: Picture }>
  /** Listeners run in the transaction of new facts, in the order in which they were given. */
  onFacts(listener: Settled): void
}

declare module 'fastify' {
  interface FastifyInstance {
    incidents: Incidents
  }
}

async function readRules(app: FastifyInstance, documents: DocumentStore): Promise<void> {
  const { faults, version } = await documents.look()
  for (const { line, message } of faults)
    app.log.error({ version, line }, `correlation rules: ${message} (the built-in rules hold)`)
}

interface IncidentsOptions {
  readonly clock: Clock
  readonly pdf?: PdfSettings | undefined
  /** Where people reach the hub. */
  readonly externalUrl: string
}

export const incidentsPlugin = fp(
  async (app, { clock, pdf, externalUrl }: IncidentsOptions) => {
    const series = new OpenIncidentSeries(app, clock)
    const open = app.obligations.open.bind(app.obligations)
    const listeners: Settled[] = []
    const store = new IncidentStore(clock, app.ledger, async (tx, change) => {
      const { before, after } = change
      const was = before?.workflow_state === 'restored' && Number(before.attended) === 0
      const is = after.workflow_state === 'restored' && Number(after.attended) === 0
      if (is && !was) await open(tx, unattendedOpening(after, clock.now()))
      for (const listener of listeners) await listener(tx, change)
    })
    const alerts = new IncidentAlerts(clock, store)
    const documents = new DocumentStore(app.records, clock, app.ledger)
    await readRules(app, documents)
    const changes = new AlertChanges(app, clock, store, alerts, documents)
    const publish = changes.publish.bind(changes)
    const committed = () => {
      app.live.flush()
      app.live.hint('incidents')
      app.obligations.wake()
      series.refresh()
    }
    const parts = { clock, records: app.records, store, publish, committed }
    const handling = new Handling(parts)
    const duties: DutyParts = {
      ...parts,
      alerts,
      open,
      published: (tx, row) =>
        publish(tx, row.id, row.workflow_state === 'restored' ? 'resolved' : 'stepped'),
    }
    app.obligations.register(recoveryDuty(duties))
    app.obligations.register(unattendedDuty(duties))

    const { acknowledge, takeUp } = acknowledging({
      ...{ ...parts, alerts },
      acknowledgeAlert: (fingerprint, by, at) => app.rules.acknowledge(fingerprint, by, at),
    })

    app.decorate('incidents', {
      async alertChanged(tx, alertChange) {
        const incident = await changes.take(tx, alertChange)
        series.refresh()
        app.live.hint('incidents')
        return incident && { id: incident.id, number: Number(incident.number) }
      },
      acknowledge,
      record: (by, request) => handling.record(by, request),
      async add(id, by, request) {
        await handling.add(id, by, request)
        await takeUp(id, by, request.facts)
      },
      async step(id, by, request) {
        await handling.step(id, by, request)
        await takeUp(id, by, request.with ?? [])
      },
      async write(tx, id, facts) {
        const row = await store.byId(tx, id)
        const after = await store.add(tx, row, facts)
        await publish(tx, id, changeOf(row, after) ?? 'noted')
        return after
      },
      async addOfHub(tx, id, make) {
        const row = await store.byId(tx, id)
        const facts = make(await store.picture(tx, row), row)
        if (facts.length === 0) return
        await store.add(tx, row, facts)
        await publish(tx, id, 'noted')
      },
      committed,
      async picture(id, within) {
        const read = (within ?? app.records.read) as Records['read']
        const row = await read
          .selectFrom('incidents')
          .selectAll()
          .where('id', '=', id)
          .executeTakeFirst()
        if (row === undefined) throw new CallwardError('not_found', 'There is no such incident.')
        return { row, picture: await store.picture(read, row) }
      },
      onFacts: (listener) => void listeners.push(listener),
    })
    await app.register(readingRoutes)
    await app.register(workflowRoutes, { clock, printer: new PdfPrinter(pdf), externalUrl })
    await app.register(mineRoutes)
    await app.register(correlationRoutes, { documents, clock })
    await app.register(handlingRoutes)
    await app.register(importRoutes, { importing: new Importing(parts) })
    app.addHook('onReady', async () => series.start())
    app.addHook('preClose', async () => series.stop())
  },
  {
    name: 'callward-incidents',
    dependencies: [
      'callward-records',
      'callward-access',
      'callward-live',
      'callward-ledger',
      'callward-knowledge',
      'callward-obligations',
      'callward-store',
    ],
  },
)
