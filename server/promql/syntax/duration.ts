const unitMilliseconds: Readonly<Record<string, number>> = {
  y: 365 * 86_400_000,
  w: 7 * 86_400_000,
  d: 86_400_000,
  h: 3_600_000,
  m: 60_000,
  s: 1000,
  ms: 1,
}

const pattern = /^(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$/

/** Longest duration in seconds (2^63 nanoseconds, as in Prometheus). */
export const maxDurationSeconds = 2 ** 63 / 1e9

/**
 * Reads `1h30m` style durations; a year is 365 days. Returns milliseconds, or the reason in
 * Prometheus's words when the text is none.
 */
export function parseDuration(text: string): number | string {
  if (text === '0') return 0
  if (text === '') return 'empty duration string'
  const match = pattern.exec(text)
  if (!match) return `not a valid duration string: ${JSON.stringify(text)}`
  const units = ['y', 'w', 'd', 'h', 'm', 's', 'ms']
  let total = 0
  units.forEach((unit, index) => {
    total += Number(match[index + 1] ?? 0) * (unitMilliseconds[unit] ?? 0)
  })
  return total > maxDurationSeconds * 1000 ? 'duration out of range' : total
}

/** Prints milliseconds (0 or more) as Prometheus does: `1h30m`, weeks and years only when exact. */
export function formatDuration(milliseconds: number): string {
  let rest = Math.trunc(milliseconds)
  if (rest === 0) return '0s'
  let out = ''
  const take = (unit: string, exact: boolean): void => {
    const size = unitMilliseconds[unit] ?? 1
    if (exact && rest % size !== 0) return
    const count = Math.floor(rest / size)
    if (count > 0) {
      out += `${count}${unit}`
      rest -= count * size
    }
  }
  take('y', true)
  take('w', true)
  for (const unit of ['d', 'h', 'm', 's', 'ms']) take(unit, false)
  return out
}
