import type { Principal } from '../people/plugin.ts'
import type { LiveLimits } from './limits.ts'
import {
  type AcknowledgeTarget,
  liveCloseCodes,
  type QueuedMessage,
  serverFrames,
} from './schema.ts'

/**
 * One socket, as values. Exactly once and in order follows from one cursor: messages are only ever read
 * from the committed queue after the cursor, one page at a time, and a wake-up during a read asks for one
 * more read.
 */
export interface Connection {
  readonly person: Principal
  readonly limits: LiveLimits
  /**
   * `welcomed`: no subscription yet; `checking`: the client resumes after a message the hub had not seen at
   * the welcome; `following`: reads after the cursor; `closed`: nothing more.
   */
  readonly phase: 'welcomed' | 'checking' | 'following' | 'closed'
  /** Newest sequence sent, or what the client starts after. */
  readonly cursor: number
  /** What the first receipt counts from: nothing up to here was sent on this connection. */
  readonly start: number
  /** Newest sequence the client says it received. */
  readonly received: number
  readonly reading: boolean
  /** Something was committed while a page was being read. */
  readonly wokenWhileReading: boolean
  /** Sending waits for the client to take what was sent: since when it took nothing, and what waited then. */
  readonly paused: { readonly since: number; readonly bytes: number } | undefined
  readonly badFramesInARow: number
  readonly pendingAcknowledgements: number
  readonly window: {
    readonly startedAt: number
    readonly frames: number
    readonly receipts: number
    readonly refused: number
  }
  /** Heard from since the last ping. */
  readonly heard: boolean
  readonly missedPings: number
  readonly bufferedAtPing: number
}

/** What happens to a socket. Times are monotonic milliseconds, sizes bytes. */
export type LiveInput =
  | { readonly kind: 'frame'; readonly text: string; readonly at: number }
  | { readonly kind: 'binary'; readonly at: number }
  | { readonly kind: 'wake'; readonly at: number; readonly bufferedBytes: number }
  | { readonly kind: 'head'; readonly sequence: number }
  | {
      readonly kind: 'page'
      readonly messages: readonly QueuedMessage[]
      readonly bufferedBytes: number
      readonly at: number
    }
  | { readonly kind: 'readFailed' }
  /** What still waits in the socket, told after sending and after the client took it. */
  | { readonly kind: 'buffered'; readonly bytes: number }
  | { readonly kind: 'pong' }
  | { readonly kind: 'tick'; readonly bufferedBytes: number }
  | { readonly kind: 'hint'; readonly topic: string; readonly bufferedBytes: number }
  | {
      readonly kind: 'answered'
      readonly target: AcknowledgeTarget
      readonly failure?: { readonly code: string; readonly message: string }
    }
  | { readonly kind: 'rechecked'; readonly person: Principal | undefined }
  | { readonly kind: 'stop' }
  | { readonly kind: 'gone' }

/** What the socket's edge has to do, in order. */
export type LiveAction =
  | { readonly kind: 'send'; readonly text: string; readonly message?: string }
  | { readonly kind: 'read'; readonly after: number; readonly limit: number }
  | { readonly kind: 'readHead' }
  | { readonly kind: 'acknowledge'; readonly target: AcknowledgeTarget; readonly person: Principal }
  /** Messages after `after`, up to `upTo`, arrived or were shown; the frame came just now. */
  | {
      readonly kind: 'receipt'
      readonly receipt: 'received' | 'displayed'
      readonly after: number
      readonly upTo: number
    }
  | { readonly kind: 'ping' }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'close'; readonly code: number; readonly reason: string }
  | { readonly kind: 'terminate' }

/** The connection after an input, and what to do. */
export type LiveStep = readonly [Connection, readonly LiveAction[]]

/** Roles that see alerts. */
export const staffRoles: readonly string[] = ['admin', 'operator', 'auditor']

/** A socket that has just been welcomed; `head` is the sequence its welcome named. */
export function newConnection(person: Principal, head: number, limits: LiveLimits): Connection {
  return {
    person,
    limits,
    phase: 'welcomed',
    cursor: head,
    start: head,
    received: 0,
    reading: false,
    wokenWhileReading: false,
    paused: undefined,
    badFramesInARow: 0,
    pendingAcknowledgements: 0,
    window: { startedAt: Number.NEGATIVE_INFINITY, frames: 0, receipts: 0, refused: 0 },
    heard: true,
    missedPings: 0,
    bufferedAtPing: 0,
  }
}

/** Ends the connection after `before`. */
export function close(
  connection: Connection,
  code: number,
  reason: string,
  before: readonly LiveAction[] = [],
): LiveStep {
  return [{ ...connection, phase: 'closed' }, [...before, { kind: 'close', code, reason }]]
}

/** An error frame. */
export function say(code: string, message: string, target?: AcknowledgeTarget): LiveAction {
  return { kind: 'send', text: serverFrames.error(code, message, target) }
}

/** Answers a frame that cannot be carried out; too many in a row end the connection. */
export function badFrame(connection: Connection, message: string): LiveStep {
  const badFramesInARow = connection.badFramesInARow + 1
  const told: LiveAction[] = [{ kind: 'refused', reason: 'bad_frame' }, say('bad_frame', message)]
  if (badFramesInARow < connection.limits.badFramesInARow)
    return [{ ...connection, badFramesInARow }, told]
  return close(
    connection,
    liveCloseCodes.badFrames,
    `${badFramesInARow} frames in a row were not understood`,
    told,
  )
}
