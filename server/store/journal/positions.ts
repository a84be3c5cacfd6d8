import { passingEpoch } from '../../../collector/wire/frames.ts'
import type { Millis } from '../../clock.ts'
import type { StreamKey } from '../writer.ts'
import type { StreamPosition } from './record.ts'

/**
 * Beyond `manyStreams` streams, one that has not moved for this long is forgotten (its samples, sent again, would replace
 * themselves), milliseconds.
 */
const forgottenAfterMillis = 90 * 86_400_000
const manyStreams = 20_000

/**
 * Epochs of a collector and lane that count, all of which stand at the head of each segment: so many that a collector may go on with,
 * and so many passing ones. Those are counted apart, so that starts without a spool never push out the epoch that the spool goes on with.
 */
const keptEpochs = 4

/** How far one stream of reports has come. */
export interface Position {
  readonly stream: StreamKey
  /** Highest sequence taken, durable or on its way. */
  accepted: number
  durable: number
  movedAt: Millis
  /** Open streams that move it. */
  holders: number
}

/** How far each stream of reports has come. */
export class Positions {
  /** The one asked for last comes last, in every process: no clock tells which epoch is the newest. */
  private readonly byKey = new Map<string, Position>()

  /** The position of a stream, made when missing. */
  of(stream: StreamKey, now: Millis): Position {
    const name = key(stream)
    let position = this.byKey.get(name)
    if (position) this.byKey.delete(name)
    else {
      const { collector, epoch, lane } = stream
      position = {
        stream: { collector, epoch, lane },
        accepted: 0,
        durable: 0,
        movedAt: now,
        holders: 0,
      }
    }
    this.byKey.set(name, position)
    return position
  }

  /** Highest sequence that is durable, 0 when none. */
  durable(stream: StreamKey): number {
    return this.byKey.get(key(stream))?.durable ?? 0
  }

  /** Highest sequence taken, 0 when none. */
  accepted(stream: StreamKey): number {
    return this.byKey.get(key(stream))?.accepted ?? 0
  }

  /** What was on its way was refused. */
  discard(): void {
    for (const position of this.byKey.values()) position.accepted = position.durable
  }

  /** A position found in the journal. */
  restore({ sequence, movedAt, ...stream }: StreamPosition): void {
    const position = this.of(stream, movedAt)
    if (sequence <= position.durable) return
    position.accepted = sequence
    position.durable = sequence
    position.movedAt = movedAt
  }

  /**
   * Accepted positions of the streams that still count at `now`, the newest last; forgets the others. Those of open streams
   * always count.
   */
  snapshot(now: Millis): StreamPosition[] {
    const snapshot: StreamPosition[] = []
    const laterEpochs = new Map<string, number>()
    const forget = this.byKey.size > manyStreams
    for (const [name, { stream, accepted, movedAt, holders }] of [...this.byKey].reverse()) {
      const isPassing = stream.epoch.startsWith(passingEpoch)
      const lane = key({ ...stream, epoch: isPassing ? passingEpoch : '' })
      const later = laterEpochs.get(lane) ?? 0
      const counts =
        accepted > 0 && later < keptEpochs && !(forget && movedAt < now - forgottenAfterMillis)
      if (!counts && holders === 0) this.byKey.delete(name)
      else if (accepted > 0) {
        laterEpochs.set(lane, later + 1)
        snapshot.push({ ...stream, sequence: accepted, movedAt })
      }
    }
    return snapshot.reverse()
  }
}

function key({ collector, epoch, lane }: StreamKey): string {
  return `${collector.length}:${collector}${epoch.length}:${epoch}${lane}`
}
