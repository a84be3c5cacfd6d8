/** How the hub waits; tests move it by hand. */
export interface Timers {
  /** Runs `work` once after `delay` milliseconds; call the result to take it back. */
  after(delay: number, work: () => void): () => void
}

/** The process's timers; they do not keep it alive. */
export const systemTimers: Timers = {
  after(delay, work) {
    const timer = setTimeout(work, delay)
    timer.unref()
    return () => clearTimeout(timer)
  },
}
