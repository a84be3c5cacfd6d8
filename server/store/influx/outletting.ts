import type { FastifyInstance } from 'fastify'
import { Counter, Gauge } from 'prom-client'
import type { Clock } from '../../clock.ts'
import type {} from '../../rules/plugin.ts'
import type {} from '../../telemetry/plugin.ts'
import type { EmbeddedStore } from '../engine-options.ts'
import { InfluxClient } from './influx-client.ts'
import { Outlet } from './outlet.ts'
import type { InfluxSettings } from './settings.ts'

export interface OutlettingOptions {
  readonly settings: InfluxSettings
  readonly folder: string
  readonly clock: Clock
}

/** Sends what the store seals to InfluxDB while the hub runs; tells how that goes at /metrics and to the hub's own rules. */
export function influxOutletting(
  app: FastifyInstance,
  store: EmbeddedStore,
  { settings, folder, clock }: OutlettingOptions,
): void {
  const client = new InfluxClient(settings)
  const outlet = new Outlet({ source: store, folder, client, logger: app.log })
  store.parts.agedOut.push((part) => outlet.agedOut(part))
  if (app.hasDecorator('telemetry')) outletMetrics(app, outlet)
  app.addHook('onReady', async () => {
    const { database, retentionPolicy } = settings
    app.log.info({ database, retentionPolicy }, 'samples go to InfluxDB too')
    if (app.hasDecorator('rules')) {
      app.rules.watchFigure('callward_influx_up', () => Number(outlet.away === undefined))
      app.rules.watchFigure('callward_influx_behind_seconds', () => behindSeconds(outlet, clock))
      app.rules.watchFigure('callward_influx_dropped_samples', () => outlet.dropped)
    }
    outlet.start()
  })
  // Before the store closes: hooks of a later registration run first.
  app.addHook('onClose', () => outlet.stop())
}

/** Age of the oldest sealed sample that is not known to be there; 0 when there is none. */
function behindSeconds(outlet: Outlet, clock: Clock): number {
  const oldest = Math.min(...outlet.waiting.map(({ minTime }) => minTime))
  return oldest === Infinity ? 0 : Math.max(0, (clock.now() - oldest) / 1000)
}

function outletMetrics(app: FastifyInstance, outlet: Outlet): void {
  const registers = [app.telemetry.registry]
  const { counters } = outlet
  new Gauge({
    name: 'callward_influx_waiting_bytes',
    help: 'Sealed files that are not known to be in InfluxDB, in bytes.',
    registers,
    collect() {
      this.set(outlet.waiting.reduce((sum, { bytes }) => sum + bytes, 0))
    },
  })
  new Counter({
    name: 'callward_influx_samples_total',
    help: 'Samples on their way to InfluxDB, by outcome: sent, refused, unwritable (NaN or infinite, which it cannot hold), lost (their retention ended first), retried (in a request that failed; they are sent again).',
    labelNames: ['outcome'],
    registers,
    collect() {
      this.reset()
      for (const [outcome, count] of Object.entries(counters)) this.labels(outcome).inc(count)
    },
  })
  new Counter({
    name: 'callward_influx_failures_total',
    help: 'Attempts to send to InfluxDB that failed; they are made again.',
    registers,
    collect() {
      this.reset()
      this.inc(outlet.failures)
    },
  })
}
