import type { Frame, Row } from './rows.ts'

/** Counts, by step of a query, the samples its selectors give, as Prometheus's query statistics do. */
export class Usage {
  private readonly frame: Frame
  readonly perStep: Float64Array
  private suspended = 0

  constructor(frame: Frame) {
    this.frame = frame
    this.perStep = new Float64Array(frame.steps)
  }

  /** Counts `samples` at a step of `frame`; a frame of one step stands for all steps of the query. */
  count(samples: number, step: number, frame: Frame): void {
    if (this.suspended > 0) return
    if (frame.steps === this.perStep.length) this.perStep[step]! += samples
    else for (let at = 0; at < this.perStep.length; at += 1) this.perStep[at]! += samples
  }

  /** Counts the samples of an instant selector's row. */
  countRow({ present }: Row, frame: Frame): void {
    for (let step = 0; step < frame.steps; step += 1) {
      if (present[step] === 1) this.count(1, step, frame)
    }
  }

  /** Inside a subquery nothing counts: its own windows are counted where they are used. */
  suspend(): void {
    this.suspended += 1
  }

  resume(): void {
    this.suspended -= 1
  }

  get total(): number {
    return this.perStep.reduce((sum, samples) => sum + samples, 0)
  }

  /** Times of the query's steps, milliseconds. */
  get times(): Float64Array {
    const { start, interval } = this.frame
    return this.perStep.map((_, step) => start + step * interval)
  }
}
