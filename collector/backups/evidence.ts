import type { Millis } from '../wire/frames.ts'
import type { Trouble } from './trouble.ts'

/** One finished backup. */
export interface Copy {
  /** Tells copies apart without naming a file: a hash. */
  readonly id: string
  readonly at: Millis
  /** Undefined where the tool does not tell. */
  readonly bytes: number | undefined
  readonly seconds: number | undefined
}

/** What is wrong with an attempt newer than the newest finished copy. */
export type AttemptFault = 'truncated' | 'empty' | 'small' | 'growing' | 'unfinished'

/** What looking at the backups of a job showed. */
export type Sight =
  | { readonly state: 'unseen'; readonly trouble: Trouble }
  | {
      readonly state: 'seen'
      readonly copies: number
      readonly newest: Copy | undefined
      /** Bytes of the copies before the newest, at most 30. */
      readonly earlierBytes: readonly number[]
      readonly attempt: AttemptFault | undefined
      /** False where only reading the whole newest copy tells whether it is complete. */
      readonly isCompleteByLook: boolean
    }

/** Result of reading (a share of) what is stored. */
export interface VerifyRecord {
  readonly at: Millis
  readonly ok: boolean
  /** The copy that was read. */
  readonly copy: string
  /** One sentence; no path. */
  readonly detail: string
}

export interface CheckResult {
  /** What was asked, without names of files. */
  readonly check: string
  readonly ok: boolean
  /** What was found, such as `1204 rows`. */
  readonly found: string
}

/** A drill that came to a result. */
export interface DrillRecord {
  readonly startedAt: Millis
  readonly finishedAt: Millis
  readonly result: 'passed' | 'failed'
  /** One sentence; no path. */
  readonly detail: string
  readonly copy: string
  readonly copyAt: Millis
  readonly mode: 'sample' | 'whole'
  readonly files: number
  readonly bytes: number
  /** From the first byte asked for to the last check passed. */
  readonly seconds: number
  readonly checks: readonly CheckResult[]
  /** Name and version. */
  readonly tool: string
}

/** A drill or verification that could not be done. */
export interface AttemptRecord {
  readonly what: 'drill' | 'verify'
  readonly at: Millis
  readonly detail: string
}

/** What the collector's folder remembers of a job. */
export interface JobRecord {
  readonly firstSeenAt: Millis | undefined
  readonly verify: VerifyRecord | undefined
  readonly drill: DrillRecord | undefined
  /** The last drill, and the last verification, that could not be done. */
  readonly drillAttempt: AttemptRecord | undefined
  readonly verifyAttempt: AttemptRecord | undefined
}

export const noRecord: JobRecord = {
  firstSeenAt: undefined,
  verify: undefined,
  drill: undefined,
  drillAttempt: undefined,
  verifyAttempt: undefined,
}

/** A good copy that cannot be known to be one yet, or none. */
export function unseen(trouble: Trouble): Sight {
  return { state: 'unseen', trouble }
}
