import type { FastifyInstance } from 'fastify'
import { Counter, Gauge } from 'prom-client'
import type { Clock } from '../clock.ts'
import type {} from '../records/plugin.ts'
import type {} from '../rules/plugin.ts'
import type {} from '../telemetry/plugin.ts'

const countEveryMillis = 10_000

export interface DeadlineMetrics {
  /** A word was given: a clock is at risk, or it is breached. */
  told(regime: string, code: string, breached: boolean): void
  /** Counts again now; the timer does it every ten seconds. */
  count(): Promise<void>
}

/** Figures of deadlines; one series for each clock of the regimes in force and severity, and no more. */
export function deadlineMetrics(app: FastifyInstance, clock: Clock): DeadlineMetrics {
  const { registry } = app.telemetry
  const db = app.records.read
  let overdue = 0
  new Gauge({
    name: 'callward_incident_clock_remaining_seconds',
    help: 'Time left on the clock that ends soonest, by clock and severity; below zero it is breached.',
    labelNames: ['clock', 'severity'],
    registers: [registry],
    async collect() {
      const rows = await db
        .selectFrom('incident_deadlines')
        .innerJoin('incidents', 'incidents.id', 'incident_deadlines.incident_id')
        .select((is) => ['regime', 'code', 'severity', is.fn.min('due_at').as('due_at')])
        .where('incident_deadlines.state', '=', 'owed')
        .where('due_at', 'is not', null)
        .where('regime', '<>', 'action')
        .groupBy(['regime', 'code', 'severity'])
        .limit(1000)
        .execute()
        .catch(() => undefined)
      if (rows === undefined) return
      this.reset()
      for (const { regime, code, severity, due_at } of rows)
        this.set({ clock: `${regime}.${code}`, severity }, (Number(due_at) - clock.now()) / 1000)
    },
  })
  const counter = (name: string, help: string) =>
    new Counter({ name, help, labelNames: ['clock'], registers: [registry] })
  const atRisk = counter(
    'callward_incident_clocks_at_risk_total',
    'Time limits of incidents that came near their end, by clock.',
  )
  const breached = counter(
    'callward_incident_clocks_breached_total',
    'Time limits of incidents that were over before they were met, by clock; actions as action.',
  )
  async function count(): Promise<void> {
    const row = await db
      .selectFrom('incident_deadlines')
      .select((is) => is.fn.countAll<number>().as('count'))
      .where('state', '=', 'owed')
      .where('due_at', '<', clock.now())
      .where('tells', '=', 1)
      .executeTakeFirst()
    overdue = Number(row?.count ?? 0)
  }
  app.rules.watchFigure('callward_incident_deadlines_overdue', () => overdue)
  const timer = setInterval(() => {
    count().catch((err: unknown) => app.log.warn({ err }, 'deadlines could not be counted'))
  }, countEveryMillis)
  timer.unref()
  app.addHook('preClose', async () => clearInterval(timer))
  return {
    told: (regime, code, isBreached) =>
      (isBreached ? breached : atRisk).inc({
        clock: regime === 'action' ? 'action' : `${regime}.${code}`,
      }),
    count,
  }
}
