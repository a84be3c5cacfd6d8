/** Values in Grafana's units, in the reader's language. Pure. */

const formats = new Map<string, Intl.NumberFormat>()

function number(language: string, value: number, options: Intl.NumberFormatOptions): string {
  const key = language + JSON.stringify(options)
  let format = formats.get(key)
  if (format === undefined) {
    format = new Intl.NumberFormat(language, options)
    formats.set(key, format)
  }
  return format.format(value)
}

/** With `decimals` exactly that many; else about three figures that say something. */
function digits(value: number, decimals: number | undefined): Intl.NumberFormatOptions {
  if (decimals !== undefined)
    return { minimumFractionDigits: decimals, maximumFractionDigits: decimals }
  const size = Math.abs(value)
  if (size === 0 || size >= 100) return { maximumFractionDigits: 0 }
  if (size >= 10) return { maximumFractionDigits: 1 }
  return size >= 1 ? { maximumFractionDigits: 2 } : { maximumSignificantDigits: 3 }
}

const spans = [
  ['year', 31_557_600],
  ['week', 604_800],
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
  ['millisecond', 1e-3],
  ['microsecond', 1e-6],
] as const

/** One figure in the largest span that it reaches, such as `1.5h`. */
function lasting(language: string, seconds: number, decimals?: number): string {
  const size = Math.abs(seconds)
  const [unit, length] =
    size === 0 ? (['second', 1] as const) : (spans.find(([, s]) => size >= s) ?? spans.at(-1)!)
  const value = seconds / length
  return number(language, value, {
    ...{ style: 'unit', unit, unitDisplay: 'narrow' },
    ...digits(value, decimals),
  })
}

/** The two largest whole parts, such as `3 days, 4 hr`. */
function parts(language: string, seconds: number): string {
  let rest = Math.round(Math.abs(seconds))
  const said: string[] = []
  for (const [unit, length] of spans.filter(([unit]) => !/milli|micro/.test(unit))) {
    const count = Math.floor(rest / length)
    rest -= count * length
    if (count > 0 && said.length < 2)
      said.push(number(language, count, { style: 'unit', unit, unitDisplay: 'short' }))
  }
  if (said.length === 0) return lasting(language, 0)
  return (seconds < 0 ? '-' : '') + said.join(', ')
}

/** Seconds since or until, such as `5 minutes ago`. */
function fromNow(language: string, seconds: number): string {
  const [unit, length] =
    spans.slice(0, 6).find(([, length]) => Math.abs(seconds) >= length) ?? spans[5]
  return new Intl.RelativeTimeFormat(language, { numeric: 'auto' }).format(
    Math.round(seconds / length),
    unit as Intl.RelativeTimeFormatUnit,
  )
}

const binary = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']
const decimal = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']

function scaled(
  language: string,
  value: number,
  base: 1000 | 1024,
  names: readonly string[],
  decimals?: number,
): string {
  const size = Math.abs(value)
  const power =
    size < 1 ? 0 : Math.min(names.length - 1, Math.floor(Math.log(size) / Math.log(base) + 1e-9))
  const shown = value / base ** power
  return `${number(language, shown, digits(shown, decimals))} ${names[power]}`
}

const signs: Readonly<Record<string, string>> = {
  percent: '%',
  ops: 'ops/s',
  iops: 'io/s',
  reqps: 'req/s',
  cps: 'c/s',
  pps: 'p/s',
  celsius: '°C',
  rotrpm: 'rpm',
  watt: 'W',
  volt: 'V',
  amp: 'A',
  hertz: 'Hz',
}
const secondsOf: Readonly<Record<string, number>> = {
  ns: 1e-9,
  µs: 1e-6,
  ms: 1e-3,
  s: 1,
  m: 60,
  h: 3600,
  d: 86_400,
}

/**
 * A value as Grafana's unit `unit` shows it; units it does not know stand behind the number. `language` is a BCP 47 tag;
 * `now` (milliseconds) is what `dateTimeFromNow` counts from.
 */
export function inUnit(
  value: number,
  unit: string | undefined,
  { language, decimals, now }: { language: string; decimals?: number | undefined; now: number },
): string {
  if (Number.isNaN(value)) return '–'
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '-∞'
  const plain = (shown: number) => number(language, shown, digits(shown, decimals))
  const span = secondsOf[unit ?? '']
  if (span !== undefined) return lasting(language, value * span, decimals)
  switch (unit) {
    case undefined:
    case '':
    case 'none':
      return plain(value)
    case 'short':
      return Math.abs(value) < 1000
        ? plain(value)
        : number(language, value, { notation: 'compact', maximumFractionDigits: decimals ?? 1 })
    case 'percentunit':
      return `${plain(value * 100)}%`
    case 'percent':
      return `${plain(value)}%`
    case 'bytes':
      return scaled(language, value, 1024, binary, decimals)
    case 'decbytes':
      return scaled(language, value, 1000, decimal, decimals)
    case 'Bps':
      return `${scaled(language, value, 1000, decimal, decimals)}/s`
    case 'dtdurations':
      return parts(language, value)
    case 'dateTimeFromNow':
      return fromNow(language, (value - now) / 1000)
    case 'dateTimeAsIso':
      return new Date(value).toISOString().replace('T', ' ').slice(0, 19)
    default:
      return `${plain(value)} ${signs[unit] ?? unit}`
  }
}
