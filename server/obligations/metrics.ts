import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { Millis } from '../clock.ts'

/** Figures of the table and the worker at /metrics; those of the watchdog are the rules' (server/paging). */
export function obligationMetrics(
  registry: Registry,
  standing: () => Promise<readonly { readonly kind: string; readonly waiting: number }[]>,
) {
  new Gauge({
    name: 'callward_obligations_waiting',
    help: 'Obligations that are not met yet, by kind.',
    labelNames: ['kind'],
    registers: [registry],
    async collect() {
      const rows = await standing().catch(() => undefined)
      if (rows === undefined) return
      this.reset()
      for (const { kind, waiting: count } of rows) this.set({ kind }, count)
    },
  })
  const performed = new Counter({
    name: 'callward_obligations_performed_total',
    help: 'Attempts to meet an obligation, by kind and outcome: done, again (owed anew later), failed (tried again).',
    labelNames: ['kind', 'outcome'],
    registers: [registry],
  })
  const late = new Histogram({
    name: 'callward_obligations_late_seconds',
    help: 'From when an obligation was due until an attempt began.',
    labelNames: ['kind'],
    buckets: [0.01, 0.05, 0.1, 0.5, 1, 5, 30, 120, 600],
    registers: [registry],
  })
  return {
    performed(kind: string, outcome: 'done' | 'again' | 'failed', lateMillis: Millis): void {
      performed.inc({ kind, outcome })
      late.observe({ kind }, lateMillis / 1000)
    },
  }
}
