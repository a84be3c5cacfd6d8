import { formatGeneral } from './go-format.ts'

/**
 * Prometheus's `humanize*` template functions (prometheus/prometheus, template/template.go).
 * Each takes a plain number and never throws.
 */
const larger = ['k', 'M', 'G', 'T', 'P', 'E', 'Z', 'Y']
const smaller = ['m', 'u', 'n', 'p', 'f', 'a', 'z', 'y']
const binary = larger.map((prefix) => `${prefix}i`)

/** 1234567 becomes `1.235M`, 0.0012 becomes `1.2m`. */
export function humanize(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return formatGeneral(value, 4)
  return Math.abs(value) >= 1 ? scaled(value, 1000, larger) : shrunk(value)
}

/** 1048576 becomes `1Mi`. */
export function humanize1024(value: number): string {
  if (Math.abs(value) <= 1 || !Number.isFinite(value)) return formatGeneral(value, 4)
  return scaled(value, 1024, binary)
}

/** Seconds: 3725 becomes `1h 2m 5s`, 0.0012 becomes `1.2ms`. */
export function humanizeDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return formatGeneral(seconds, 4)
  if (seconds === 0) return '0s'
  if (Math.abs(seconds) < 1) return `${shrunk(seconds)}s`
  const sign = seconds < 0 ? '-' : ''
  const size = Math.abs(seconds)
  const whole = Math.floor(size)
  const s = whole % 60
  const m = Math.floor(whole / 60) % 60
  const h = Math.floor(whole / 3600) % 24
  const d = Math.floor(whole / 86_400)
  if (d > 0) return `${sign}${d}d ${h}h ${m}m ${s}s`
  if (h > 0) return `${sign}${h}h ${m}m ${s}s`
  if (m > 0) return `${sign}${m}m ${s}s`
  return `${sign}${formatGeneral(size, 4)}s`
}

/** A ratio: 0.1234 becomes `12.34%`. */
export function humanizePercentage(ratio: number): string {
  return `${formatGeneral(ratio * 100, 4)}%`
}

/** Seconds since the epoch: `2015-06-23 13:19:44.128 +0000 UTC`, milliseconds at most. */
export function humanizeTimestamp(seconds: number): string {
  const at = new Date(Math.trunc(Math.trunc(seconds * 1e9) / 1e6))
  if (Number.isNaN(at.getTime())) return formatGeneral(seconds, 4)
  const [day, time] = at.toISOString().slice(0, -1).split('T')
  return `${day} ${time!.replace(/\.?0*$/, '')} +0000 UTC`
}

function scaled(value: number, base: number, prefixes: readonly string[]): string {
  let rest = value
  let prefix = ''
  for (const next of prefixes) {
    if (Math.abs(rest) < base) break
    prefix = next
    rest /= base
  }
  return formatGeneral(rest, 4) + prefix
}

function shrunk(value: number): string {
  let rest = value
  let prefix = ''
  for (const next of smaller) {
    if (Math.abs(rest) >= 1) break
    prefix = next
    rest *= 1000
  }
  return formatGeneral(rest, 4) + prefix
}
