import type { Millis } from '../../clock.ts'
import type { LatestEntry } from '../reader.ts'
import type { SeriesId } from '../writer.ts'
import { Generation } from './generation.ts'
import type { SampleRoom } from './sample-room.ts'
import { Spans } from './spans.ts'

/** Generations whose samples are in no part yet, and the last sealed one. */
export class Head {
  private waiting: readonly Generation[]
  private sealed: Generation | undefined
  private openOne: Generation
  /** Where times lie that only parts hold; memory alone knows everything else. */
  private readonly inParts = new Spans()
  /** The sealed one, then those in no part: oldest first. */
  private inMemory: readonly Generation[]

  /** `generations`: oldest first, the last of them the open one. */
  constructor(generations: readonly [Generation, ...Generation[]]) {
    this.waiting = generations
    this.openOne = generations.at(-1)!
    for (const generation of generations) generation.frozen = generation !== this.openOne
    this.inMemory = generations
  }

  /** The one that takes samples. */
  get open(): Generation {
    return this.openOne
  }

  /** Memory of all generations. */
  get bytes(): number {
    return this.unsealedBytes + (this.sealed?.bytes ?? 0)
  }

  /** Memory of those that no part holds. */
  get unsealedBytes(): number {
    return this.waiting.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  /** Frozen ones that no part holds yet, oldest first. */
  get frozen(): readonly Generation[] {
    return this.waiting.slice(0, -1)
  }

  /** Oldest first: the frozen ones, then the open one. */
  get all(): readonly Generation[] {
    return this.waiting
  }

  /** Freezes the open generation and opens the next. */
  freeze(now: number): Generation {
    const frozen = this.openOne
    frozen.frozen = true
    this.openOne = new Generation(frozen.order + 1, now, frozen)
    this.waiting = [...this.waiting, this.openOne]
    this.inMemory = [...this.inMemory, this.openOne]
    return frozen
  }

  /** A generation's part is durable and read from now on; the generation stays for `recent` alone until the next is sealed. */
  seal(generation: Generation): void {
    this.waiting = this.waiting.filter((other) => other !== generation)
    if (this.sealed) this.inParts.addAll(this.sealed.spans)
    this.sealed = generation
    this.inMemory = [generation, ...this.waiting]
  }

  /** Parts hold samples in [from, until] that memory does not. */
  partsHold(until: Millis, from: Millis): void {
    if (from <= until) this.inParts.add(from, until)
  }

  /** Generations with times in [start, end] that no part holds, oldest first: the frozen ones before the open one. */
  overlapping(start: Millis, end: Millis): readonly Generation[] {
    return this.waiting.filter(({ minTime, maxTime }) => minTime <= end && maxTime >= start)
  }

  /** As `overlapping`, with the sealed one that is still in memory; undefined when parts may hold more of [start, end]. */
  recent(start: Millis, end: Millis): readonly Generation[] | undefined {
    if (this.inParts.overlap(start, end)) return undefined
    return this.inMemory.filter(({ minTime, maxTime }) => minTime <= end && maxTime >= start)
  }

  /** Gathers a series' samples in [start, end]; false when parts may hold more of them. */
  gather(id: SeriesId, start: Millis, end: Millis, room: SampleRoom): boolean {
    if (this.inParts.overlap(start, end)) return false
    for (const generation of this.inMemory)
      if (generation.minTime <= end && generation.maxTime >= start)
        generation.gather(id, start, end, room)
    return true
  }

  /** Tells of a series' newest entry in [start, end]; false when only parts may hold it. */
  latest(id: SeriesId, start: Millis, end: Millis, found: LatestEntry): boolean {
    found.time = -Infinity
    found.isMark = false
    this.openOne.latest(id, start, end, found)
    if (this.inParts.overlap(Math.max(start, found.time), end)) return false
    // From the newest on, for at equal times the later generation wins.
    for (let i = this.inMemory.length - 2; i >= 0; i--) {
      const generation = this.inMemory[i]!
      if (generation.minTime > end || generation.maxTime <= found.time) continue
      if (generation.maxTime >= start) generation.latest(id, start, end, found)
    }
    return true
  }
}
