import type { Millis } from '../clock.ts'

/** What a commit made durable. */
export interface Settled {
  readonly reports: number
  /** Of them, those that another session had brought. */
  readonly repeated: number
  readonly samples: number
  readonly late: number
  /** Sequences skipped before them. */
  readonly gap: number
  /** When the newest of them was received; meaningless without reports. */
  readonly receivedAt: Millis
}

/** Numbers kept of a report: sequence, bytes, samples, of them late, time of receipt, sequences skipped before it, 1 when repeated. */
const fields = 7

/** The reports of one lane that are handed to the store and not yet durable, by rising sequence. */
export class InFlight {
  /** A ring of `capacity` reports. */
  #ring = new Float64Array(8 * fields)
  #first = 0
  #count = 0
  #bytes = 0

  get reports(): number {
    return this.#count
  }

  get bytes(): number {
    return this.#bytes
  }

  push(
    sequence: number,
    bytes: number,
    samples: number,
    late: number,
    receivedAt: Millis,
    gap = 0,
    isRepeated = false,
  ): void {
    if (this.#count * fields === this.#ring.length) this.#grow()
    const ring = this.#ring
    const at = ((this.#first + this.#count) * fields) % ring.length
    ring[at] = sequence
    ring[at + 1] = bytes
    ring[at + 2] = samples
    ring[at + 3] = late
    ring[at + 4] = receivedAt
    ring[at + 5] = gap
    ring[at + 6] = isRepeated ? 1 : 0
    this.#count++
    this.#bytes += bytes
  }

  /** Takes out every report up to and including `sequence`. */
  settle(sequence: number): Settled {
    const ring = this.#ring
    let [reports, repeated, samples, late, receivedAt, gap] = [0, 0, 0, 0, 0, 0]
    for (; this.#count > 0; this.#count--, reports++) {
      const at = this.#first * fields
      if (ring[at]! > sequence) break
      this.#bytes -= ring[at + 1]!
      samples += ring[at + 2]!
      late += ring[at + 3]!
      receivedAt = ring[at + 4]!
      gap += ring[at + 5]!
      repeated += ring[at + 6]!
      this.#first = (this.#first + 1) % (ring.length / fields)
    }
    return { reports, repeated, samples, late, receivedAt, gap }
  }

  #grow(): void {
    const larger = new Float64Array(this.#ring.length * 2)
    const split = this.#first * fields
    larger.set(this.#ring.subarray(split))
    larger.set(this.#ring.subarray(0, split), this.#ring.length - split)
    this.#ring = larger
    this.#first = 0
  }
}
