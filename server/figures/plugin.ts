import fp from 'fastify-plugin'
import type { Clock } from '../clock.ts'
import type {} from '../deadlines/plugin.ts'
import type {} from '../incidents/plugin.ts'
import type {} from '../ledger/plugin.ts'
import type {} from '../obligations/plugin.ts'
import type {} from '../people/plugin.ts'
import type {} from '../records/plugin.ts'
import type {} from '../rules/plugin.ts'
import type {} from '../telemetry/plugin.ts'
import { countedOf } from './counted.ts'
import { keepCounted, putCounted, putServices, putUncountable, uncounted } from './counted-store.ts'
import { figureGauges } from './gauges.ts'
import { RecurrenceDesk, recurrenceKind } from './recurrence-desk.ts'
import { figureRoutes } from './routes.ts'

/** Figures over many incidents. */
export interface Figures {
  /** Counts incidents that have no counts yet, and reads the figures for /metrics again; the timer calls it. */
  look(): Promise<void>
}

declare module 'fastify' {
  interface FastifyInstance {
    figures: Figures
  }
}

export interface FiguresOptions {
  readonly clock: Clock
  readonly lookEveryMillis?: number
}

const defaultLookMillis = 60_000
/** Every so many looks the incidents of 6 months are read. */
const longEveryRounds = 10
/** Incidents of before that are counted in one look. */
const countedALook = 500

/** Failure rate, times to acknowledge and restore, recurrences. */
export const figuresPlugin = fp(
  async (app, { clock, lookEveryMillis = defaultLookMillis }: FiguresOptions) => {
    const { records, obligations } = app
    let oldestDue = Number.POSITIVE_INFINITY
    const gauges = figureGauges(
      app.telemetry.registry,
      clock,
      records,
      () => app.deadlines.regimes().serviceLevels.name,
    )
    const desk = new RecurrenceDesk({
      ...{ clock, records, ledger: app.ledger },
      open: (tx, opening) => obligations.open(tx, opening),
      close: (tx, subject, reason) => obligations.close(tx, recurrenceKind, subject, reason),
      changed: () => void readOverdue().catch(() => undefined),
    })
    async function readOverdue(): Promise<void> {
      const months = await desk.months()
      const due = months
        .filter(({ decision }) => decision === null)
        .map((row) => Number(row.due_at))
      oldestDue = Math.min(Number.POSITIVE_INFINITY, ...due)
    }
    async function countOld(): Promise<void> {
      for (const id of await uncounted(records.read, countedALook)) {
        const found = await app.incidents.picture(id).catch((err: unknown) => {
          app.log.warn({ err, incident: id }, 'an incident is not in the figures')
          return undefined
        })
        if (found === undefined) {
          await records.write((tx) => putUncountable(tx, id))
          continue
        }
        const row = countedOf(found.row, found.picture)
        await records.write(async (tx) => {
          await putCounted(tx, row)
          await putServices(tx, found.row, row)
        })
      }
    }
    async function look(long = true): Promise<void> {
      await countOld()
      await gauges.look(long)
      await readOverdue()
    }

    app.decorate('figures', { look: () => look() })
    app.incidents.onFacts(keepCounted)
    obligations.register(desk.duty())
    app.rules.watchFigure('callward_incident_recurrence_overdue_seconds', () =>
      Math.max(0, (clock.now() - oldestDue) / 1000),
    )
    await app.register(figureRoutes, { clock, desk })
    let looking = Promise.resolve()
    let rounds = 0
    const lookSoon = () => {
      looking = looking
        .then(() => look(rounds++ % longEveryRounds === 0))
        .catch((err: unknown) => app.log.warn({ err }, 'figures of incidents not read'))
    }
    let timer: NodeJS.Timeout | undefined
    app.addHook('onReady', async () => {
      await desk.openMonths()
      lookSoon()
      timer = setInterval(lookSoon, lookEveryMillis)
      timer.unref()
    })
    app.addHook('preClose', async () => {
      clearInterval(timer)
      await looking
    })
  },
  {
    name: 'callward-figures',
    dependencies: [
      'callward-records',
      'callward-ledger',
      'callward-telemetry',
      'callward-obligations',
      'callward-incidents',
      'callward-deadlines',
      'callward-rules',
    ],
  },
)
