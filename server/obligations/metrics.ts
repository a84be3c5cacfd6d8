import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { Millis } from '../clock.ts'

/** What the figures are read from. */
export interface ObligationFigures {
  /** Waiting ones, and the age of the oldest that is due (ms), by kind. */
  read(): Promise<readonly { kind: string; waiting: number; oldestDueMillis: Millis }[]>
  /** Found lost within the last hour, or still lost, by kind. */
  lost(): readonly { kind: string; count: number }[]
}

/** Figures of the table, the worker and the watchdog at /metrics. */
export function obligationMetrics(registry: Registry, figures: ObligationFigures) {
  const waiting = new Gauge({
    name: 'callward_obligations_waiting',
    help: 'Obligations that are not met yet, by kind.',
    labelNames: ['kind'],
    registers: [registry],
    async collect() {
      const rows = await figures.read().catch(() => undefined)
      if (rows === undefined) return
      this.reset()
      overdue.reset()
      for (const { kind, waiting: count, oldestDueMillis } of rows) {
        this.set({ kind }, count)
        overdue.set({ kind }, oldestDueMillis / 1000)
      }
    },
  })
  const overdue = new Gauge({
    name: 'callward_obligations_overdue_seconds',
    help: 'Age of the oldest obligation that is due and not met, by kind; 0 when none is due.',
    labelNames: ['kind'],
    registers: [registry],
  })
  new Gauge({
    name: 'callward_obligations_lost',
    help: 'Subjects that were owed something nothing remembered, found in the last hour or not mended yet; must be 0.',
    labelNames: ['kind'],
    registers: [registry],
    collect() {
      this.reset()
      for (const { kind, count } of figures.lost()) this.set({ kind }, count)
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
    waiting,
    performed(kind: string, outcome: 'done' | 'again' | 'failed', lateMillis: Millis): void {
      performed.inc({ kind, outcome })
      late.observe({ kind }, lateMillis / 1000)
    },
  }
}
