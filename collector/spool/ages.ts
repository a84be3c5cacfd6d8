/** A report by what tells its age. */
export interface Dated {
  readonly number: number
  /** Milliseconds of the clock that counts from the machine's start and is never set. */
  readonly monotonic: number
  /** Which start of the machine it was read in; empty when unknown. */
  readonly boot: string
}

/**
 * How old each report is at `now`, milliseconds by number, without asking the wall clock: in one start of the machine its monotonic clock tells;
 * of the time between two starts only what the later one knows of itself counts. So an age is never too high, whatever the clock was
 * set to, and too low by the time the machine was off. `reports` by rising number.
 */
export function agesOf(reports: readonly Dated[], now: Omit<Dated, 'number'>): Map<number, number> {
  const ages = new Map<number, number>()
  let later = now
  let age = 0
  for (const report of reports.toReversed()) {
    age += between(report, later)
    ages.set(report.number, age)
    later = report
  }
  return ages
}

function between(earlier: Omit<Dated, 'number'>, later: Omit<Dated, 'number'>): number {
  const isOther = earlier.boot !== later.boot && earlier.boot !== '' && later.boot !== ''
  return Math.max(0, later.monotonic - (isOther ? 0 : earlier.monotonic))
}
