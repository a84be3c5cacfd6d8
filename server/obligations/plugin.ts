import fp from 'fastify-plugin'
import { type Clock, type Millis, systemClock } from '../clock.ts'
import type {} from '../holds/plugin.ts'
import { uuid } from '../ids.ts'
import type { RecordsTransaction } from '../records/records.ts'
import type {} from '../telemetry/plugin.ts'
import { systemTimers, type Timers } from '../timers.ts'
import { obligationMetrics } from './metrics.ts'
import type { ObligationKind, Opening } from './obligation.ts'
import { closeObligations, prune, releaseAll, standing } from './obligation-store.ts'
import { obligationRoutes } from './routes.ts'
import { findLost, type LostObligation, lostSince, pruneLost } from './watchdog.ts'
import { ObligationWorker } from './worker.ts'

export type { Obligation, ObligationKind, Opening, Outcome } from './obligation.ts'
export type { LostObligation } from './watchdog.ts'

/** What is owed to somebody by a time: one table, one worker, one watchdog. */
export interface Obligations {
  /** Says how obligations of a kind are met and who is owed one; before the hub is ready. */
  register(kind: ObligationKind): void
  /**
   * Opens one inside the caller's transaction; false when its key was opened before. Call `wake` after the commit; a
   * forgotten call costs up to five seconds, never the obligation.
   */
  open(tx: RecordsTransaction, opening: Opening): Promise<boolean>
  /** Closes what is still owed of a kind for a subject: it is not owed any more. Gives how many. */
  close(tx: RecordsTransaction, kind: string, subject: string, reason: string): Promise<number>
  wake(): void
  /** Looks for lost ones now, mends them, and gives what it found. */
  watch(): Promise<readonly { readonly kind: string; readonly subject: string }[]>
  /** Found lost in the last hour, or still lost. */
  lost(): readonly LostObligation[]
  /** Age of the oldest obligation that is due and not met, in seconds; read every ten seconds. */
  overdueSeconds(): number
  /** How long ago the worker last looked at the table and could read it, in seconds; it looks every five. */
  silentSeconds(): number
  /** Resolves when nothing is being performed. */
  settled(): Promise<void>
}

declare module 'fastify' {
  interface FastifyInstance {
    obligations: Obligations
  }
}

export interface ObligationsOptions {
  readonly clock?: Clock
  readonly timers?: Timers
}

const watchEveryMillis = 10_000
const pruneEveryMillis = 3_600_000
const keptMillis = 30 * 86_400_000
const lostKeptMillis = 400 * 86_400_000
const lostShownMillis = 3_600_000
const lostHeld = 1_000

export const obligationsPlugin = fp(
  async (app, { clock = systemClock, timers = systemTimers }: ObligationsOptions) => {
    const { records } = app
    const figures = () => standing(records, clock.now())
    const startedAt = clock.monotonic()
    let lost: readonly LostObligation[] = []
    let overdueMillis = 0
    const metrics = obligationMetrics(app.telemetry.registry, figures)
    const worker = new ObligationWorker({
      records,
      clock,
      timers,
      holder: uuid(clock.now()),
      onPerformed: metrics.performed,
      onFault: (err, fields) =>
        app.log.warn({ err, ...fields }, 'an obligation could not be met yet; it is tried again'),
    })

    let watching: Promise<readonly { kind: string; subject: string }[]> | undefined
    const watch = () => {
      watching ??= look().finally(() => {
        watching = undefined
      })
      return watching
    }
    async function look() {
      const found = await findLost(records, worker.kinds, clock.now(), (err, kind) =>
        app.log.error({ err, kind }, 'the watchdog of obligations could not look'),
      )
      for (const one of found)
        app.log.error(
          one,
          'an obligation was lost: its subject is owed one and none was in the table',
        )
      lost = await lostSince(records, clock.now() - lostShownMillis, lostHeld)
      overdueMillis = Math.max(0, ...(await figures()).map((one) => one.oldestDueMillis))
      if (found.length > 0) worker.wake()
      return found
    }
    const cancels: (() => void)[] = []
    const each = (place: number, delay: Millis, work: () => Promise<unknown>) => {
      cancels[place] = timers.after(delay, () => {
        work()
          .catch((err: unknown) => app.log.warn({ err }, 'upkeep of obligations failed'))
          .finally(() => each(place, delay, work))
      })
    }

    app.decorate('obligations', {
      register: (kind) => worker.register(kind),
      open: (tx, opening) => worker.open(tx, opening),
      close: (tx, kind, subject, reason) =>
        closeObligations(tx, kind, subject, reason, clock.now()),
      wake: () => worker.wake(),
      watch,
      lost: () => lost,
      overdueSeconds: () => overdueMillis / 1000,
      silentSeconds: () => (clock.monotonic() - (worker.roundAt ?? startedAt)) / 1000,
      settled: () => worker.settled(),
    })
    await app.register(obligationRoutes, {
      clock,
      kinds: () => worker.kinds,
      standing: figures,
      lost: () => lost,
    })
    app.addHook('onReady', async () => {
      // One hub has an SQLite file for itself: whoever held a lease is dead.
      if (records.kind === 'sqlite') await releaseAll(records)
      worker.start()
      await watch()
      each(0, watchEveryMillis, watch)
      each(1, pruneEveryMillis, async () => {
        await prune(records, Math.min(clock.now() - keptMillis, app.holds.keepFrom()))
        await pruneLost(records, clock.now() - lostKeptMillis)
      })
    })
    app.addHook('preClose', async () => {
      for (const cancel of cancels) cancel()
      await watching?.catch(() => undefined)
      await worker.stop()
    })
  },
  {
    name: 'callward-obligations',
    dependencies: ['callward-records', 'callward-telemetry', 'callward-access'],
  },
)
