import type { Millis } from '../clock.ts'

/** The calendar month of an instant, UTC: `2026-03`. */
export function monthOf(at: Millis): string {
  return new Date(at).toISOString().slice(0, 7)
}

/** When a month is over, UTC; its recurrences are to be judged from then on. */
export function endOfMonth(month: string): Millis {
  const [year = 0, number = 0] = month.split('-').map(Number)
  return Date.UTC(year, number, 1)
}

/** Months from the first that is not in the list up to the one of `now`, oldest first; at most `most`, the newest. */
export function monthsToOpen(newest: string | undefined, now: Millis, most = 24): string[] {
  const months: string[] = []
  const last = monthOf(now)
  for (let month = newest === undefined ? last : monthOf(endOfMonth(newest)); month <= last; ) {
    months.push(month)
    month = monthOf(endOfMonth(month))
  }
  return months.slice(-most)
}
