import type { FastifyInstance } from 'fastify'
import { Counter, Gauge, type Registry } from 'prom-client'

/** What the live push counts. */
export interface LiveMetrics {
  /** A message of `kind` was sent on a socket. */
  sent(kind: string): void
  /** A frame, a socket or an upgrade was refused. */
  refused(reason: string): void
  pruned(messages: number): void
  /** Messages whose first receipt of `kind` was stored. */
  receipts(kind: string, messages: number): void
}

/** Registers the counters where the hub has a registry; otherwise counts nothing. */
export function liveMetrics(app: FastifyInstance, connections: () => number): LiveMetrics {
  if (!app.hasDecorator('telemetry')) return { sent() {}, refused() {}, pruned() {}, receipts() {} }
  const registers = [app.getDecorator<{ registry: Registry }>('telemetry').registry]
  new Gauge({
    name: 'callward_live_connections',
    help: 'Open /live connections of staff.',
    registers,
    collect() {
      this.set(connections())
    },
  })
  const messages = new Counter({
    name: 'callward_live_messages_total',
    help: 'Messages sent on /live connections, by kind.',
    labelNames: ['kind'],
    registers,
  })
  const refusals = new Counter({
    name: 'callward_live_refused_total',
    help: 'Frames, connections and upgrades of /live refused, by reason.',
    labelNames: ['reason'],
    registers,
  })
  const pruned = new Counter({
    name: 'callward_live_pruned_total',
    help: 'Messages dropped from the queues by age or number.',
    registers,
  })
  const receipts = new Counter({
    name: 'callward_live_receipts_total',
    help: 'Messages whose first receipt was stored, by kind: received, displayed.',
    labelNames: ['kind'],
    registers,
  })
  return {
    sent: (kind) => messages.labels(kind).inc(),
    refused: (reason) => refusals.labels(reason).inc(),
    pruned: (count) => pruned.inc(count),
    receipts: (kind, count) => receipts.labels(kind).inc(count),
  }
}
