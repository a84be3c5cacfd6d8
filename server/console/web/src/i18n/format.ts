import { type Language, languageTags } from './catalogue.ts'

/** Numbers, times and durations in the reader's language, all by Intl. `zone` is an IANA name; the browser's own when left out. */

const noValue = '–'

const formats = new Map<string, Intl.NumberFormat>()

function numberFormat(language: Language, options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = language + JSON.stringify(options)
  let format = formats.get(key)
  if (format === undefined) {
    format = new Intl.NumberFormat(languageTags[language], options)
    formats.set(key, format)
  }
  return format
}

/** A ratio as per cent; whole from 10 % up, one digit below. */
export function percent(language: Language, ratio: number | null | undefined): string {
  if (ratio === null || ratio === undefined || !Number.isFinite(ratio)) return noValue
  const digits = Math.abs(ratio) < 0.0995 && ratio !== 0 ? 1 : 0
  return numberFormat(language, { style: 'percent', maximumFractionDigits: digits }).format(ratio)
}

/** A plain number with at most `digits` decimals. */
export function decimal(language: Language, value: number | null | undefined, digits = 2): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return noValue
  return numberFormat(language, { maximumFractionDigits: digits }).format(value)
}

const byteUnits = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const

/** Bytes per second in decimal multiples (1 kB = 1000 bytes); the sign is kept. */
export function bytesPerSecond(language: Language, value: number | null | undefined): string {
  return scaledBytes(language, value, '-per-second')
}

/** Bytes in decimal multiples. */
export function bytes(language: Language, value: number | null | undefined): string {
  return scaledBytes(language, value, '')
}

function scaledBytes(
  language: Language,
  value: number | null | undefined,
  per: '' | '-per-second',
): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return noValue
  const power =
    value === 0 ? 0 : Math.min(4, Math.max(0, Math.floor(Math.log10(Math.abs(value)) / 3)))
  const scaled = value / 1000 ** power
  const unit = `${byteUnits[power]!}${per}`
  const digits = Math.abs(scaled) < 10 && power > 0 ? 1 : 0
  return numberFormat(language, {
    style: 'unit',
    unit,
    unitDisplay: 'short',
    maximumFractionDigits: digits,
  }).format(scaled)
}

/** Seconds with the unit, three decimals at most; a plus sign is written. */
export function offsetSeconds(language: Language, value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return noValue
  const small = Math.abs(value) < 1
  const shown = small ? value * 1000 : value
  const unit = small ? 'millisecond' : 'second'
  return numberFormat(language, {
    style: 'unit',
    unit,
    unitDisplay: 'short',
    maximumFractionDigits: small ? 0 : 1,
    signDisplay: 'exceptZero',
  }).format(shown)
}

const steps: readonly (readonly ['day' | 'hour' | 'minute' | 'second', number])[] = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
]

/** A length of time in its two largest units, "2h 5m"; below zero counts as zero. */
export function duration(language: Language, seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return noValue
  const whole = Math.max(0, Math.floor(seconds))
  const first = steps.findIndex(([, size]) => whole >= size)
  const index = first === -1 ? steps.length - 1 : first
  const [unit, size] = steps[index]!
  const parts = [unitText(language, unit, Math.floor(whole / size))]
  const next = steps[index + 1]
  const rest = next === undefined ? 0 : Math.floor((whole % size) / next[1])
  if (next !== undefined && rest > 0) parts.push(unitText(language, next[0], rest))
  return parts.join(' ')
}

function unitText(language: Language, unit: string, value: number): string {
  return numberFormat(language, { style: 'unit', unit, unitDisplay: 'narrow' }).format(value)
}

const relativeFormats = new Map<Language, Intl.RelativeTimeFormat>()

/** "3 min ago"; a moment in the future (a clock that is ahead) counts as now. */
export function ago(language: Language, seconds: number): string {
  let format = relativeFormats.get(language)
  if (format === undefined) {
    format = new Intl.RelativeTimeFormat(languageTags[language], {
      style: 'short',
      numeric: 'auto',
    })
    relativeFormats.set(language, format)
  }
  const whole = Math.max(0, Math.floor(seconds))
  const [unit, size] = steps.find(([, unitSeconds]) => whole >= unitSeconds) ?? ['second', 1]
  if (unit === 'day' && whole < 2 * 86_400) return format.format(-Math.floor(whole / 3600), 'hour')
  return format.format(-Math.floor(whole / size), unit)
}

const dateFormats = new Map<string, Intl.DateTimeFormat>()

function dateFormat(
  language: Language,
  kind: 'clock' | 'time' | 'full',
  zone: string | undefined,
): Intl.DateTimeFormat {
  const key = `${language} ${kind} ${zone ?? ''}`
  let format = dateFormats.get(key)
  if (format === undefined) {
    const clock = {
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
      hourCycle: 'h23',
    } as const
    const date = { year: 'numeric', month: '2-digit', day: '2-digit' } as const
    const options: Intl.DateTimeFormatOptions = { ...clock, ...(zone ? { timeZone: zone } : {}) }
    if (kind !== 'time') options.timeZoneName = 'short'
    if (kind === 'full') Object.assign(options, date)
    format = new Intl.DateTimeFormat(languageTags[language], options)
    dateFormats.set(key, format)
  }
  return format
}

/** Hours, minutes, seconds and the zone: the header's clock. */
export function clockTime(language: Language, at: number, zone?: string): string {
  return dateFormat(language, 'clock', zone).format(at)
}

/** Hours, minutes, seconds, without zone: axes and tables that name the zone elsewhere. */
export function shortTime(language: Language, at: number, zone?: string): string {
  return dateFormat(language, 'time', zone).format(at)
}

/** Date, time and zone; text that is no date is given back as it came. */
export function fullTime(language: Language, at: string, zone?: string): string {
  const millis = Date.parse(at)
  return Number.isFinite(millis) ? dateFormat(language, 'full', zone).format(millis) : at
}

const momentFormats = new Map<string, Intl.DateTimeFormat>()

/** Weekday, day, month, hours and minutes: hand-offs of a week. Text that is no date is given back as it came. */
export function moment(language: Language, at: string, zone?: string): string {
  const millis = Date.parse(at)
  if (!Number.isFinite(millis)) return at
  const key = `${language} ${zone ?? ''}`
  let format = momentFormats.get(key)
  if (format === undefined) {
    const day = { weekday: 'short', day: '2-digit', month: '2-digit' } as const
    const clock = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const
    const place = zone ? { timeZone: zone } : {}
    format = new Intl.DateTimeFormat(languageTags[language], { ...day, ...clock, ...place })
    momentFormats.set(key, format)
  }
  return format.format(millis)
}

/** A day as a heading, in the reader's zone: "Monday 2 March 2026". Text that is no date is given back as it came. */
export function dayHeading(language: Language, at: string, zone?: string): string {
  const millis = Date.parse(at)
  if (!Number.isFinite(millis)) return at
  const day = { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' } as const
  const place = zone ? { timeZone: zone } : {}
  return new Intl.DateTimeFormat(languageTags[language], { ...day, ...place }).format(millis)
}

/** A calendar month, `2026-03`: its name with the year, or short for an axis, where January shows the year too. */
export function monthName(language: Language, month: string, short = false): string {
  const at = Date.parse(`${month}-01T00:00:00Z`)
  if (!Number.isFinite(at)) return month
  const isPlain = short && !month.endsWith('-01')
  const parts: Intl.DateTimeFormatOptions = {
    ...{ month: short ? 'short' : 'long', timeZone: 'UTC' },
    ...(isPlain ? {} : { year: short ? '2-digit' : 'numeric' }),
  }
  return new Intl.DateTimeFormat(languageTags[language], parts).format(at)
}

/** Weekday and day of a calendar day, `2026-03-02`. */
export function dayName(language: Language, date: string): string {
  const day = { weekday: 'short', day: '2-digit', timeZone: 'UTC' } as const
  return new Intl.DateTimeFormat(languageTags[language], day).format(Date.parse(date))
}
