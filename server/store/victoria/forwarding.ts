import type { FastifyInstance } from 'fastify'
import { Counter, Gauge } from 'prom-client'
import type { Clock } from '../../clock.ts'
import type {} from '../../rules/plugin.ts'
import type {} from '../../telemetry/plugin.ts'
import type { Archive } from '../archive.ts'
import type { EmbeddedStore } from '../engine-options.ts'
import { Forwarder } from './forwarder.ts'
import type { VictoriaSettings } from './settings.ts'
import { VictoriaArchive } from './victoria-archive.ts'
import { VictoriaClient } from './victoria-client.ts'

export interface ForwardingOptions {
  readonly settings: VictoriaSettings
  readonly folder: string
  readonly clock: Clock
}

/** Forwards what the store seals while the hub runs, and gives what reads it there; tells how that goes at /metrics and to the hub's own rules. */
export function victoriaForwarding(
  app: FastifyInstance,
  store: EmbeddedStore,
  { settings, folder, clock }: ForwardingOptions,
): Archive {
  const client = new VictoriaClient(settings)
  const forwarder = new Forwarder({
    source: store,
    folder,
    client,
    logger: app.log,
    settleMillis: settings.settleSeconds * 1000,
  })
  store.parts.agedOut.push((part) => forwarder.agedOut(part))
  if (app.hasDecorator('telemetry')) forwardMetrics(app, forwarder)
  app.addHook('onReady', async () => {
    if (app.hasDecorator('rules')) {
      app.rules.watchFigure('callward_store_engine_up', () => Number(forwarder.away === undefined))
      app.rules.watchFigure('callward_store_forward_behind_seconds', () =>
        behindSeconds(forwarder, clock),
      )
    }
    forwarder.start()
  })
  // Before the store closes: hooks of a later registration run first.
  app.addHook('onClose', () => forwarder.stop())
  return new VictoriaArchive({
    client,
    heldFrom: () => store.heldFrom(),
    keptFrom: () => store.keptFrom(),
    heldTo: () => Math.min(store.sealedTo(), oldestWaiting(forwarder)),
  })
}

/** Time of the oldest sealed sample that is not known to be there; Infinity when there is none. */
function oldestWaiting(forwarder: Forwarder): number {
  return forwarder.waiting.reduce((least, { minTime }) => Math.min(least, minTime), Infinity)
}

/** Age of that sample; 0 when there is none. */
function behindSeconds(forwarder: Forwarder, clock: Clock): number {
  const oldest = oldestWaiting(forwarder)
  return oldest === Infinity ? 0 : Math.max(0, (clock.now() - oldest) / 1000)
}

function forwardMetrics(app: FastifyInstance, forwarder: Forwarder): void {
  const registers = [app.telemetry.registry]
  const gauge = (name: string, help: string, value: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value())
      },
    })
  const { counters } = forwarder
  gauge(
    'callward_store_forward_waiting_bytes',
    'Sealed files that are not known to be in VictoriaMetrics, in bytes.',
    () => forwarder.waiting.reduce((sum, { bytes }) => sum + bytes, 0),
  )
  new Counter({
    name: 'callward_store_forward_samples_total',
    help: 'Samples on their way to VictoriaMetrics, by outcome: sent (once more after a loss too), repaired (found lost there and sent again), refused, lost (their retention ended first).',
    labelNames: ['outcome'],
    registers,
    collect() {
      this.reset()
      this.labels('sent').inc(counters.samples)
      this.labels('repaired').inc(counters.repaired)
      this.labels('refused').inc(counters.refused)
      this.labels('lost').inc(counters.lost)
    },
  })
  new Counter({
    name: 'callward_store_forward_failures_total',
    help: 'Attempts to forward that failed; they are made again.',
    registers,
    collect() {
      this.reset()
      this.inc(forwarder.failures)
    },
  })
}
