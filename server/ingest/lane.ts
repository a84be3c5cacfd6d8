import type { Lane } from '../../collector/wire/frames.ts'
import type { Millis } from '../clock.ts'
import type { StreamWriter } from '../store/writer.ts'
import { InFlight } from './in-flight.ts'

/** How far one lane of a session has come. */
export interface LaneState {
  readonly name: Lane
  /** Highest sequence handed to the store or refused. */
  accepted: number
  /** Sequences skipped before the next one that is handed to the store; they count once that is durable. */
  gap: number
  /** Highest sequence that is durable. */
  committed: number
  readonly flight: InFlight
  stream: StreamWriter | undefined
  /** The decoder has read rows since the last append that the store was not given: its journal cannot build on them. */
  skipped: boolean
  /** When the newest report that can be acknowledged was received. */
  receivedAt: Millis
  /** Durable reports since the last ack. */
  unanswered: number
  ackQueued: boolean
}

export type Lanes = Readonly<Record<Lane, LaneState>>

/** A lane that goes on behind the sequence `position`. */
export function laneFrom(name: Lane, position: number, receivedAt: Millis): LaneState {
  return {
    name,
    accepted: position,
    gap: 0,
    committed: position,
    flight: new InFlight(),
    stream: undefined,
    skipped: false,
    receivedAt,
    unanswered: 0,
    ackQueued: false,
  }
}
