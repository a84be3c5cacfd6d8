function date(seconds: number): Date {
  return new Date(Math.trunc(seconds) * 1000)
}

const day = 86_400_000

function dayOfYear(seconds: number): number {
  const at = date(seconds)
  const start = Date.UTC(at.getUTCFullYear(), 0, 1)
  return Math.floor((at.getTime() - start) / day) + 1
}

function daysInMonth(seconds: number): number {
  const at = date(seconds)
  return new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1, 0)).getUTCDate()
}

/** Parts of a time given in seconds since the epoch, in UTC; NaN for what is no time. */
export const timeFunctions: Readonly<Record<string, (seconds: number) => number>> = {
  minute: (seconds) => date(seconds).getUTCMinutes(),
  hour: (seconds) => date(seconds).getUTCHours(),
  day_of_month: (seconds) => date(seconds).getUTCDate(),
  day_of_week: (seconds) => date(seconds).getUTCDay(),
  day_of_year: dayOfYear,
  days_in_month: daysInMonth,
  month: (seconds) => date(seconds).getUTCMonth() + 1,
  year: (seconds) => date(seconds).getUTCFullYear(),
}
