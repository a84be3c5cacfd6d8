import fp from 'fastify-plugin'
import type { AlertChange } from '../../alerts/alert.ts'
import type { Clock } from '../clock.ts'
import type { Principal } from '../people/plugin.ts'
import type { RecordsTransaction } from '../records/records.ts'
import type { IncidentRow } from '../records/schema.ts'
import { hubActor, joinKey } from './incident.ts'
import { IncidentStore } from './incident-store.ts'
import { incidentRoutes } from './routes.ts'
import { OpenIncidentSeries } from './series.ts'
import { summaries } from './views.ts'

/** Incident records: opened by critical alerts, kept as stamped facts. */
export interface Incidents {
  /**
   * Takes a change of an alert into its incident, inside the caller's transaction: a critical alert opens
   * one, related alerts join it, recovery of all resolves it. The caller flushes live messages after commit.
   */
  alertChanged(tx: RecordsTransaction, change: AlertChange): Promise<void>
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

type Change = 'opened' | 'joined' | 'acknowledged' | 'noted' | 'restored' | 'relapsed' | 'resolved'

export const incidentsPlugin = fp(
  async (app, { clock }: { clock: Clock }) => {
    const store = new IncidentStore(clock)
    const series = new OpenIncidentSeries(app, clock)

    async function publish(tx: RecordsTransaction, id: string, change: Change): Promise<void> {
      const [incident] = await summaries(tx, [await store.byId(tx, id)])
      await app.live.publish(tx, { kind: 'incident', at: clock.now(), body: { change, incident } })
    }

    async function fired(tx: RecordsTransaction, change: AlertChange): Promise<void> {
      const { alert } = change
      const current = await store.current(tx, joinKey(alert))
      if (current === undefined || (current.state === 'resolved' && alert.severity !== 'critical')) {
        if (alert.severity !== 'critical') return
        const runbook = app.runbooks.find(alert.rule)
        const opened = await store.open(tx, change, runbook === undefined ? undefined : { name: runbook.name, body: runbook.text })
        return publish(tx, opened.id, 'opened')
      }
      if (current.state === 'resolved') await store.relapse(tx, current, alert, change.at)
      await store.join(tx, current.id, change)
      return publish(tx, current.id, current.state === 'resolved' ? 'relapsed' : 'joined')
    }

    async function recovered(tx: RecordsTransaction, change: AlertChange): Promise<void> {
      const row = await store.ofAlert(tx, change.alert)
      if (row === undefined) return
      await store.join(tx, row.id, change)
      if (row.state === 'resolved' || (await store.firing(tx, row.id)) > 0) return
      const text = 'Every alert of this incident has resolved.'
      await store.addFact(tx, row.id, { kind: 'restored', value: { text }, certainty: 'actual', occurredAt: change.at, recordedBy: hubActor })
      await store.resolve(tx, row, hubActor, change.at, 'Resolved by recovery; write what caused it as a note.')
      await publish(tx, row.id, 'resolved')
    }

    async function alertAcknowledged(tx: RecordsTransaction, change: AlertChange): Promise<void> {
      const row = await store.ofAlert(tx, change.alert)
      if (row === undefined || row.state === 'resolved') return
      if (await store.acknowledge(tx, row, change.by ?? hubActor, change.at, undefined)) await publish(tx, row.id, 'acknowledged')
    }

    async function change(id: string, what: Change, work: (tx: RecordsTransaction, row: IncidentRow) => Promise<boolean>): Promise<void> {
      await app.records.write(async (tx) => {
        if (await work(tx, await store.byId(tx, id))) await publish(tx, id, what)
      })
      app.live.flush()
      app.live.hint('incidents')
      series.refresh()
    }

    app.decorate('incidents', {
      async alertChanged(tx, alertChange) {
        if (alertChange.kind === 'firing') await fired(tx, alertChange)
        else if (alertChange.kind === 'resolved') await recovered(tx, alertChange)
        else await alertAcknowledged(tx, alertChange)
        series.refresh()
        app.live.hint('incidents')
      },
      async acknowledge(id, by, note) {
        await change(id, 'acknowledged', (tx, row) => store.acknowledge(tx, row, by.name, clock.now(), note))
        const alerts = await app.records.read
          .selectFrom('incident_alerts')
          .innerJoin('alerts', 'alerts.id', 'incident_alerts.alert_id')
          .select('alerts.fingerprint')
          .where('incident_alerts.incident_id', '=', id)
          .where('alerts.state', '=', 'firing')
          .where('alerts.acknowledged_at', 'is', null)
          .execute()
        for (const { fingerprint } of alerts) await app.rules.acknowledge(fingerprint, by, clock.now())
      },
      note: (id, by, text) =>
        change(id, 'noted', async (tx, row) => {
          await store.addFact(tx, row.id, { kind: 'note', value: { text }, certainty: 'actual', occurredAt: clock.now(), recordedBy: by.name })
          return true
        }),
      resolve: (id, by, text) =>
        change(id, 'resolved', async (tx, row) => {
          if (row.state === 'resolved') return false
          await store.resolve(tx, row, by.name, clock.now(), text)
          return true
        }),
    })
    await app.register(incidentRoutes)
    app.addHook('onReady', async () => series.start())
    app.addHook('preClose', async () => series.stop())
  },
  {
    name: 'callward-incidents',
    dependencies: ['callward-records', 'callward-access', 'callward-live', 'callward-knowledge', 'callward-store'],
  },
)
