import type { Millis } from '../../clock.ts'
import type { StreamKey } from '../writer.ts'
import type { StreamPosition } from './record.ts'

/**
 * Beyond `manyStreams` streams, one that has not moved for this long is forgotten (its samples, sent again, would replace
 * themselves), milliseconds.
 */
const forgottenAfterMillis = 90 * 86_400_000
const manyStreams = 20_000

interface Position {
  readonly stream: StreamKey
  accepted: number
  durable: number
  movedAt: Millis
}

/** How far each stream of reports has come. */
export class Positions {
  private readonly byKey = new Map<string, Position>()

  private of(stream: StreamKey): Position | undefined {
    return this.byKey.get(key(stream))
  }

  /** Highest sequence that is durable, 0 when none. */
  durable(stream: StreamKey): number {
    return this.of(stream)?.durable ?? 0
  }

  /** Highest sequence taken, durable or on its way. */
  accepted(stream: StreamKey): number {
    return this.of(stream)?.accepted ?? 0
  }

  accept(stream: StreamKey, sequence: number, now: Millis): void {
    let position = this.of(stream)
    if (!position) {
      const { collector, epoch, lane } = stream
      position = { stream: { collector, epoch, lane }, accepted: 0, durable: 0, movedAt: now }
      this.byKey.set(key(stream), position)
    }
    position.accepted = sequence
    position.movedAt = now
  }

  commit(stream: StreamKey, sequence: number): void {
    const position = this.of(stream)
    if (position && sequence > position.durable) position.durable = sequence
  }

  /** What was on its way was refused. */
  discard(): void {
    for (const [name, position] of this.byKey) {
      position.accepted = position.durable
      if (position.durable === 0) this.byKey.delete(name)
    }
  }

  /** A position found in the journal. */
  restore(found: StreamPosition): void {
    const { sequence, movedAt } = found
    if (sequence <= this.durable(found)) return
    this.accept(found, sequence, movedAt)
    this.commit(found, sequence)
  }

  /** Accepted positions of the streams that still count at `now`; forgets the others. */
  snapshot(now: Millis): StreamPosition[] {
    const snapshot = []
    const forget = this.byKey.size > manyStreams
    for (const [name, { stream, accepted, movedAt }] of this.byKey) {
      if (forget && movedAt < now - forgottenAfterMillis) this.byKey.delete(name)
      else snapshot.push({ ...stream, sequence: accepted, movedAt })
    }
    return snapshot
  }
}

function key({ collector, epoch, lane }: StreamKey): string {
  return `${collector.length}:${collector}${epoch.length}:${epoch}${lane}`
}
