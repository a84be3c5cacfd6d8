import fp from 'fastify-plugin'
import { Gauge } from 'prom-client'
import { type Clock, type Millis, systemClock } from '../clock.ts'
import { type HubConfig, systemZone } from '../config.ts'
import type {} from '../live/plugin.ts'
import type {} from '../notify/plugin.ts'
import type {} from '../obligations/plugin.ts'
import type {} from '../oncall/plugin.ts'
import type {} from '../rules/plugin.ts'
import { CanaryDesk } from './canary-desk.ts'
import { lastRuns } from './canary-store.ts'
import type { CanaryRun } from './flight.ts'
import { hubPorts } from './hub-ports.ts'
import { canaryRoutes } from './routes.ts'

export type { CanaryRun, StageResult } from './flight.ts'

/** The daily test of the way from a rule to people. */
export interface Canary {
  /** Flies now; throws conflict while one flies. */
  run(by: string): Promise<CanaryRun>
  /** The newest first. */
  runs(limit: number): Promise<readonly CanaryRun[]>
  /** When the next is due; undefined: none is planned. */
  dueAt(): Millis | undefined
}

declare module 'fastify' {
  interface FastifyInstance {
    canary: Canary
  }
}

export interface CanaryOptions {
  readonly clock?: Clock
  readonly config: Pick<HubConfig, 'canary' | 'timeZone'>
}

/** `app.canary`: flights by plan and by hand. */
export const canaryPlugin = fp(
  async (app, { clock = systemClock, config }: CanaryOptions) => {
    const { records, obligations } = app
    const contactPoint = config.canary?.contactPoint
    const desk = new CanaryDesk({
      ...{ clock, records, obligations },
      at: config.canary?.at,
      zone: config.timeZone ?? systemZone(),
      ports: (run, fly) => hubPorts(app, clock, { run, contactPoint, fly }),
      onFailed: ({ stages }) => app.log.warn({ stages }, 'the canary did not pass every stage'),
    })
    const failed = () => Number(desk.last !== undefined && !desk.last.ok)
    app.rules.watchFigure('callward_canary_flying', () => Number(desk.flying))
    app.rules.watchFigure('callward_canary_failed', failed)
    app.rules.watchFigure('callward_canary_late_seconds', () => desk.lateSeconds)
    new Gauge({
      name: 'callward_canary_seconds',
      help: 'How long each stage of the newest canary took; absent where it was not passed.',
      labelNames: ['stage'],
      registers: [app.telemetry.registry],
      collect() {
        this.reset()
        for (const { stage, seconds } of desk.last?.stages ?? [])
          if (seconds !== undefined) this.set({ stage }, seconds)
      },
    })
    app.decorate('canary', {
      run: (by) => desk.run(by),
      runs: (limit) => lastRuns(records.read, limit),
      dueAt: () => desk.dueAt,
    })
    if (config.canary !== undefined) obligations.register(desk.duty())
    await app.register(canaryRoutes)
    app.addHook('onReady', () => desk.start())
    app.addHook('preClose', async () => desk.stop())
  },
  {
    name: 'callward-canary',
    dependencies: ['callward-rules', 'callward-obligations', 'callward-notify', 'callward-oncall'],
  },
)
