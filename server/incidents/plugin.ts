import fp from 'fastify-plugin'
import type { AlertChange } from '../../alerts/alert.ts'
import type { Clock } from '../clock.ts'
import type { Principal } from '../people/plugin.ts'
import type { RecordsTransaction } from '../records/records.ts'
import type { IncidentRow } from '../records/schema.ts'
import { AlertChanges, type IncidentChange } from './alert-changes.ts'
import { IncidentStore } from './incident-store.ts'
import { handlingRoutes, readingRoutes } from './routes.ts'
import { OpenIncidentSeries } from './series.ts'

/** Incident records: opened by critical alerts, kept as stamped facts. */
export interface Incidents {
  /**
   * Takes a change of an alert into its incident, inside the caller's transaction: a critical alert opens
   * one, related alerts join it, recovery of all resolves it. Gives the alert's incident, if it has one. The
   * caller flushes live messages after commit.
   */
  alertChanged(
    tx: RecordsTransaction,
    change: AlertChange,
  ): Promise<{ readonly id: string; readonly number: number } | undefined>
  /** Also acknowledges the incident's firing alerts. Throws not_found, conflict. */
  acknowledge(id: string, by: Principal, note?: string): Promise<void>
  note(id: string, by: Principal, text: string): Promise<void>
  resolve(id: string, by: Principal, text: string): Promise<void>
}

declare module 'fastify' {
  interface FastifyInstance {
    incidents: Incidents
  }
}

export const incidentsPlugin = fp(
  async (app, { clock }: { clock: Clock }) => {
    const store = new IncidentStore(clock, app.ledger)
    const series = new OpenIncidentSeries(app, clock)
    const changes = new AlertChanges(app, clock, store)

    async function change(
      id: string,
      what: IncidentChange,
      work: (tx: RecordsTransaction, row: IncidentRow) => Promise<boolean>,
    ): Promise<void> {
      await app.records.write(async (tx) => {
        if (await work(tx, await store.byId(tx, id))) await changes.publish(tx, id, what)
      })
      app.live.flush()
      app.live.hint('incidents')
      series.refresh()
    }

    app.decorate('incidents', {
      async alertChanged(tx, alertChange) {
        const incident = await changes.take(tx, alertChange)
        series.refresh()
        app.live.hint('incidents')
        return incident && { id: incident.id, number: Number(incident.number) }
      },
      async acknowledge(id, by, note) {
        await change(id, 'acknowledged', (tx, row) =>
          store.acknowledge(tx, row, by.name, clock.now(), note),
        )
        for (const fingerprint of await store.unacknowledged(app.records.read, id)) {
          await app.rules.acknowledge(fingerprint, by, clock.now())
        }
      },
      note: (id, by, text) =>
        change(id, 'noted', async (tx, row) => {
          await store.addFact(tx, row.id, {
            kind: 'note',
            value: { text },
            certainty: 'actual',
            occurredAt: clock.now(),
            recordedBy: by.name,
          })
          return true
        }),
      resolve: (id, by, text) =>
        change(id, 'resolved', async (tx, row) => {
          if (row.state === 'resolved') return false
          await store.resolve(tx, row, by.name, clock.now(), text)
          return true
        }),
    })
    await app.register(readingRoutes)
    await app.register(handlingRoutes)
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
      'callward-store',
    ],
  },
)
