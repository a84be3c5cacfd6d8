import type { AliasableExpression, Kysely } from 'kysely'
import type { Millis } from '../clock.ts'
import type { RecordsTransaction } from '../records/records.ts'
import type { RecordsSchema } from '../records/schema.ts'

/** Something that is owed by a time: a page, an escalation step, an update, a deadline. */
export interface Obligation {
  readonly id: string
  readonly kind: string
  /** The domain object it is owed for; several obligations of a kind may have the same. */
  readonly subject: string
  /** Names it for ever within its kind; a second one of the same key is the same. Receivers dedupe by it. */
  readonly key: string
  /** Who waits with whom: within a kind, the first of each lane goes before the second of any. */
  readonly lane: string
  /** What it was opened with: anything JSON can hold. */
  readonly payload: unknown
  /** The promise. */
  readonly dueAt: Millis
  /** Attempts before this one. */
  readonly attempts: number
}

/** What opens an obligation. */
export interface Opening {
  readonly kind: string
  readonly subject: string
  readonly key: string
  /** Without it the subject is a lane of its own. */
  readonly lane?: string
  readonly dueAt: Millis
  readonly payload?: unknown
}

/** How an attempt ended. */
export interface Outcome {
  /**
   * Writes what was done, in the transaction that closes the obligation. `live` is false when it was closed by somebody
   * else meanwhile, or another hub took it over: what was done is still recorded.
   */
  settle?(tx: RecordsTransaction, live: boolean): Promise<void>
  /** Called once that is committed; for what wakes others. Must not throw. */
  committed?(): void
  /** Nothing: it is done. A time: it is owed again then, with what it carries from then on. */
  readonly again?: { readonly dueAt: Millis; readonly payload?: unknown }
}

type Reading = Kysely<RecordsSchema> | RecordsTransaction

/** How obligations of a kind are met, and who is owed one. */
export interface ObligationKind {
  readonly kind: string
  /** One sentence for people: what is owed, to whom. */
  readonly promise: string
  /** Attempts at one time. */
  readonly concurrency: number
  /** An attempt longer than this is given up by its signal, and tried again. */
  readonly attemptMillis: Millis
  /**
   * Does what is due, outside of any transaction. It may happen twice with the same key (a kill between the deed and its
   * record), never no time. Throwing, or the signal's end, means: again, later and later, at least once a minute.
   */
  perform(obligation: Obligation, signal: AbortSignal): Promise<Outcome>
  /**
   * A query over the domain's own tables for `subject`s that must have a live obligation of this kind now. It must not look
   * at the obligations: what it names and they lack is lost.
   */
  owed(read: Reading): AliasableExpression<{ subject: string }>
  /** Opens anew what was found lost, in the watchdog's transaction. False: it is not owed any more. */
  mend(tx: RecordsTransaction, subject: string): Promise<boolean>
}

/** Wait before the next attempt: 1, 2, 4 … 60 s. */
export function retryDelay(attempts: number): Millis {
  return Math.min(60_000, 1000 * 2 ** Math.min(attempts, 6))
}
