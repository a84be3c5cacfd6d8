import type { Millis } from './alert.ts'

const pattern = /^(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$/

const units: readonly (readonly [name: string, length: Millis])[] = [
  ['y', 365 * 86_400_000],
  ['w', 7 * 86_400_000],
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1],
]

/** Reads a duration in Prometheus's syntax (`90s`, `1h30m`, `0`); undefined when it is none. */
export function parseDuration(text: string): Millis | undefined {
  if (text === '0') return 0
  const match = pattern.exec(text)
  if (match === null || text === '') return undefined
  const total = units.reduce((sum, [, length], i) => sum + Number(match[i + 1] ?? 0) * length, 0)
  return Number.isSafeInteger(total) ? total : undefined
}

/** Writes a duration as Prometheus does: largest units first, years and weeks only when exact. */
export function formatDuration(duration: Millis): string {
  if (duration === 0) return '0s'
  let rest = duration
  let text = ''
  for (const [name, length] of units) {
    const exactOnly = name === 'y' || name === 'w'
    if (exactOnly && rest % length !== 0) continue
    const count = Math.floor(rest / length)
    if (count > 0) text += `${count}${name}`
    rest -= count * length
  }
  return text
}
