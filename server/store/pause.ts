import { setImmediate } from 'node:timers/promises'

/** Length of a stretch of work between two turns of the event loop, milliseconds: an ack takes three turns. */
const stretchMillis = 1

/** Lets other work in between: `if (pause.due) await pause.take()`. */
export class Pause {
  private since = performance.now()
  private asked = 0

  get due(): boolean {
    this.asked = (this.asked + 1) & 1
    return this.asked === 0 && performance.now() - this.since > stretchMillis
  }

  async take(): Promise<void> {
    await setImmediate()
    this.since = performance.now()
  }
}
