import { setImmediate } from 'node:timers/promises'

/** Longest stretch of work between two turns of the event loop, milliseconds. */
const stretchMillis = 4

/** Lets other work in between: `if (pause.due) await pause.take()`. */
export class Pause {
  private since = performance.now()
  private asked = 0

  get due(): boolean {
    this.asked = (this.asked + 1) & 7
    return this.asked === 0 && performance.now() - this.since > stretchMillis
  }

  async take(): Promise<void> {
    await setImmediate()
    this.since = performance.now()
  }
}
