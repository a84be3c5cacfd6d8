import fp from 'fastify-plugin'
import type { Clock } from '../clock.ts'
import { HubFigures } from '../hub-figures.ts'
import type {} from '../store/plugin.ts'
import { ownFigures } from './own-series.ts'
import type {} from './plugin.ts'

export interface OwnSeriesOptions {
  readonly clock: Clock
  /** Metrics of the hub's own process that are stored; no other part may store them. */
  readonly names: ReadonlySet<string>
  readonly everyMillis?: number
}

const defaultEveryMillis = 10_000

/** Stores the hub's own figures at intervals, so that boards show them without another Prometheus. */
export const ownSeriesPlugin = fp(
  async (app, { clock, names, everyMillis = defaultEveryMillis }: OwnSeriesOptions) => {
    const series = new HubFigures(app.store)
    let writing: Promise<void> | undefined
    let failing = false
    const write = async () => {
      try {
        await series.write(await ownFigures(app.telemetry.registry, names), clock.now())
        failing = false
      } catch (err) {
        // The store's own figures and rules say that it refuses; the log says it once.
        if (!failing) app.log.warn({ err }, 'the hub’s own figures are not stored')
        failing = true
      } finally {
        writing = undefined
      }
    }
    let timer: NodeJS.Timeout | undefined
    app.addHook('onReady', async () => {
      timer = setInterval(() => {
        writing ??= write()
      }, everyMillis)
      timer.unref()
    })
    app.addHook('preClose', async () => {
      clearInterval(timer)
      await writing
    })
  },
  { name: 'callward-own-series', dependencies: ['callward-telemetry', 'callward-store'] },
)
