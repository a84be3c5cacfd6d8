import type { Ticket } from './journal/journal.ts'
import type { Position } from './journal/positions.ts'
import type { StoreUnavailable } from './writer.ts'

/** A batch that waits for its commit. */
export class BatchTicket implements Ticket {
  readonly done: Promise<void>
  private readonly position: Position | undefined
  private readonly sequence: number
  private readonly settled: (samples: number, refused: number) => void
  private readonly samples: number
  private resolve!: () => void
  private reject!: (error: StoreUnavailable) => void

  /** `position` is the one that the batch moves to `sequence`. */
  constructor(
    samples: number,
    position: Position | undefined,
    sequence: number,
    settled: (samplesTaken: number, batchesRefused: number) => void,
  ) {
    this.samples = samples
    this.position = position
    this.sequence = sequence
    this.settled = settled
    this.done = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
  }

  committed(): void {
    const { position, sequence } = this
    if (position && sequence > position.durable) position.durable = sequence
    this.settled(this.samples, 0)
    this.resolve()
  }

  discarded(error: StoreUnavailable): void {
    this.settled(0, 1)
    this.reject(error)
  }
}
