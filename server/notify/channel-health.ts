import type { Outcome } from './outcome.ts'

/** Failures in a row that make a channel a failing one. */
export const failuresInARow = 3
/** A failing channel that nobody tried for this long is not known to fail any more. */
const forgottenMillis = 3_600_000

/** Which channels have failed several times in a row; time is monotonic milliseconds. */
export class ChannelHealth {
  readonly #failures = new Map<string, { count: number; lastAt: number }>()

  saw(channel: string, { outcome }: Outcome, now: number): void {
    if (outcome === 'accepted' || outcome === 'delivered') this.#failures.delete(channel)
    else
      this.#failures.set(channel, {
        count: (this.#failures.get(channel)?.count ?? 0) + 1,
        lastAt: now,
      })
  }

  /** 1 when it fails, 0 when not. */
  failing(channel: string, now: number): number {
    const known = this.#failures.get(channel)
    return known !== undefined &&
      known.count >= failuresInARow &&
      now - known.lastAt < forgottenMillis
      ? 1
      : 0
  }
}
