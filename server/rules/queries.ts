import type { Labels } from '../../alerts/alert.ts'
import type { VectorElement } from '../../alerts/state.ts'
import type { Millis } from '../clock.ts'
import type { Look } from '../promql/plugin.ts'
import type { HostReading } from './host-views.ts'

/** What the evaluation of an expression for one host, at once, reads. */
export interface HostReads {
  /** Metric names; undefined when it may be any. */
  readonly metrics: ReadonlySet<string> | undefined
  /** Labels whose values it looks at. */
  readonly labels: ReadonlySet<string>
}

/** Evaluation for one host at once. */
export interface AtOnce {
  readonly reads: HostReads
  /** The same results as `evaluate`; undefined when memory does not hold what it takes. Throws when it fails. */
  evaluate(at: Millis, host: HostReading, instance: string): readonly VectorElement[] | undefined
}

/** Looks at a host: which of a group's expressions may give something, ascending; undefined where nothing can be told. */
export type HostLook = (at: Millis, host: HostReading) => Look | undefined

/** A rule's expression, ready to be asked again and again. */
export interface RuleExpression {
  /** Every result's labels hold `instance` unchanged, so the expression may be asked for one host. */
  readonly keepsInstance: boolean
  /** Results at one instant, for one host when `instance` is given. Rejects with a readable message. */
  evaluate(at: Millis, instance?: string): Promise<readonly VectorElement[]>
  /** Absent where the expression does not allow it. */
  readonly atOnce?: AtOnce | undefined
  /** What it remembers from one evaluation to the next; absent where each stands for itself. */
  readonly memory?: ExpressionMemory
}

/** Series an expression has seen and would miss. */
export interface ExpressionMemory {
  /** Their hosts; the empty text for those of none. */
  hosts(): Iterable<string>
  /** Takes up a series that was missed before a restart; `at` is when it was last known to be missed. */
  missing(labels: Labels, at: Millis): void
  /** Asks the store what was there of late. Rejects when it cannot be asked. */
  recall(now: Millis): Promise<void>
}

/** What the rules need of the query engine. */
export interface RuleQueries {
  /** Throws an Error whose message says what is wrong with the text and where. */
  compile(text: string): RuleExpression
  /** The values the text's condition looks at, see `watchedOf`; undefined where there are none, or nobody can tell. */
  watched?(text: string): RuleExpression | undefined
  /**
   * Looks at the expressions of all groups together, at a fraction of what each costs alone. One that is undefined, or that remembers, counts
   * as one that may give something. Absent where it cannot be done.
   */
  together?(groups: readonly (readonly (AtOnce | undefined)[])[]): HostLook
}

/**
 * How far into the future rules look, in milliseconds: a host's clock may be this much ahead without its samples
 * being corrected, and its newest sample must count at once and in every evaluation alike.
 */
export const clockToleranceMillis = 2_000

/** The same queries, asked `offset` earlier: late samples are there by then. Nothing is answered from memory at once. */
export function looksBack(queries: RuleQueries, offset: Millis): RuleQueries {
  if (offset === 0) return queries
  const back = ({ keepsInstance, evaluate }: RuleExpression): RuleExpression => ({
    keepsInstance,
    evaluate: (at, instance) => evaluate(at - offset, instance),
  })
  return {
    compile: (text) => back(queries.compile(text)),
    watched(text) {
      const values = queries.watched?.(text)
      return values && back(values)
    },
  }
}
