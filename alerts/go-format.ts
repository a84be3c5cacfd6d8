/**
 * Writes a number as Prometheus writes a sample value: plain digits, exponent only below 1e-6 or from 1e21,
 * `NaN`, `+Inf`, `-Inf`.
 */
export function formatSampleValue(value: number): string {
  return special(value) ?? (Object.is(value, -0) ? '-0' : twoDigitExponent(String(value)))
}

/** Writes a number as Go's `%v` and `%g` do: fewest digits, exponent below 1e-4 and from 1e6. */
export function formatPlain(value: number): string {
  if (!Number.isFinite(value) || value === 0) return formatSampleValue(value)
  const power = Number(value.toExponential().split('e')[1])
  return power < -4 || power >= 6 ? formatScientific(value) : formatSampleValue(value)
}

/** Writes a number as Go's `%e` with the fewest digits that read back the same: `1e+00`. */
export function formatScientific(value: number): string {
  return (
    special(value) ?? (Object.is(value, -0) ? '-' : '') + twoDigitExponent(value.toExponential())
  )
}

/** Go's `%.4g`: four significant digits, no trailing zeros, exponent below 1e-4 or from 1e4. */
export function formatGeneral(value: number, digits: number): string {
  const text = special(value)
  if (text !== undefined) return text
  if (value === 0) return Object.is(value, -0) ? '-0' : '0'
  const [mantissa, exponent] = toExponential(value, Math.max(digits, 1) - 1).split('e')
  const power = Number(exponent)
  if (power < -4 || power >= Math.max(digits, 1)) {
    return twoDigitExponent(`${withoutTrailingZeros(mantissa!)}e${exponent}`)
  }
  return withoutTrailingZeros(toFixed(value, Math.max(0, digits - 1 - power)))
}

function special(value: number): string | undefined {
  if (Number.isNaN(value)) return 'NaN'
  if (value === Infinity) return '+Inf'
  return value === -Infinity ? '-Inf' : undefined
}

function withoutTrailingZeros(text: string): string {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text
}

function twoDigitExponent(text: string): string {
  return text.replace(/e([+-])(\d)$/, 'e$10$2')
}

const directive = /%([-+ 0#]*)(\d*)(?:\.(\d*))?([a-zA-Z%])?/g

/** What printf takes: `bigint` is Go's int, `number` its float64. */
type Argument = string | number | bigint | boolean

/** The part of Go's printf that rules use: %s %v %q %d %x %c %t %f %F %e %g %% with flags `-+0 `, width and precision. */
export function printf(format: string, args: readonly Argument[]): string {
  let next = 0
  const text = format.replace(
    directive,
    (
      _all,
      flags: string,
      width: string,
      precision: string | undefined,
      verb: string | undefined,
    ) => {
      if (verb === '%') return '%'
      if (verb === undefined) return '%!(NOVERB)'
      const arg = args[next++]
      if (arg === undefined) return `%!${verb}(MISSING)`
      const digits = precision === undefined ? undefined : Number(precision)
      return pad(withSign(oneVerb(verb, arg, digits), flags, arg), flags, Number(width || 0))
    },
  )
  return next < args.length ? `${text}%!(EXTRA ${args.slice(next).map(goValue).join(', ')})` : text
}

function goValue(arg: Argument): string {
  if (typeof arg === 'number') return `float64=${formatPlain(arg)}`
  if (typeof arg === 'bigint') return `int=${arg}`
  return typeof arg === 'boolean' ? `bool=${arg}` : `string=${arg}`
}

function oneVerb(verb: string, arg: Argument, digits: number | undefined): string {
  if (typeof arg === 'boolean')
    return verb === 't' || verb === 'v' ? String(arg) : `%!${verb}(${goValue(arg)})`
  if (typeof arg === 'bigint') return ofInt(verb, arg)
  if (typeof arg === 'string') {
    if (verb === 's' || verb === 'v')
      return digits === undefined ? arg : [...arg].slice(0, digits).join('')
    return verb === 'q' ? JSON.stringify(arg) : `%!${verb}(${goValue(arg)})`
  }
  switch (verb) {
    case 'v':
    case 'g':
      return digits === undefined ? formatPlain(arg) : formatGeneral(arg, digits)
    case 'f':
    case 'F':
      return special(arg) ?? toFixed(arg, digits ?? 6)
    case 'e':
      return special(arg) ?? twoDigitExponent(toExponential(arg, digits ?? 6))
    default:
      return `%!${verb}(${goValue(arg)})`
  }
}

function ofInt(verb: string, arg: bigint): string {
  switch (verb) {
    case 'd':
    case 'v':
      return String(arg)
    case 'x':
      return arg.toString(16)
    case 'X':
      return arg.toString(16).toUpperCase()
    case 'o':
      return arg.toString(8)
    case 'b':
      return arg.toString(2)
    case 'c':
      return arg >= 0n && arg <= 0x10ffffn ? String.fromCodePoint(Number(arg)) : '\ufffd'
    default:
      return `%!${verb}(${goValue(arg)})`
  }
}

const mostDigits = 100

/** toFixed that rounds ties to even as Go does, keeps the sign of -0 and stays decimal beyond 1e21. */
function toFixed(value: number, digits: number): string {
  const sign = value < 0 || Object.is(value, -0) ? '-' : ''
  const size = Math.abs(value)
  const places = Math.min(digits, mostDigits)
  if (size >= 1e21)
    return sign + BigInt(size).toString() + (places === 0 ? '' : `.${'0'.repeat(places)}`)
  const [whole, fraction] = size.toFixed(mostDigits).split('.')
  const kept = places === 0 ? whole! : `${whole}.${fraction!.slice(0, places)}`
  return sign + (tieToEven(kept, fraction!.slice(places)) ? kept : size.toFixed(places))
}

/** toExponential that rounds ties to even as Go does and keeps the sign of -0. */
function toExponential(value: number, digits: number): string {
  const sign = value < 0 || Object.is(value, -0) ? '-' : ''
  const size = Math.abs(value)
  const places = Math.min(digits, mostDigits)
  const [mantissa, exponent] = size.toExponential(mostDigits).split('e')
  const [first, rest] = mantissa!.split('.')
  const kept = places === 0 ? first! : `${first}.${rest!.slice(0, places)}`
  return (
    sign +
    (tieToEven(kept, rest!.slice(places)) ? `${kept}e${exponent}` : size.toExponential(places))
  )
}

/** What is cut off is exactly half, and the digit before it is even. JavaScript would round away from zero. */
function tieToEven(kept: string, cut: string): boolean {
  return /^50*$/.test(cut) && /[02468]$/.test(kept)
}

function withSign(text: string, flags: string, arg: Argument): string {
  if (typeof arg === 'string' || typeof arg === 'boolean' || /^[-+%]/.test(text)) return text
  return flags.includes('+') ? `+${text}` : flags.includes(' ') ? ` ${text}` : text
}

function pad(text: string, flags: string, width: number): string {
  if (text.length >= width) return text
  if (flags.includes('-')) return text.padEnd(width)
  if (!flags.includes('0')) return text.padStart(width)
  const sign = /^[-+]/.test(text) ? text[0]! : ''
  return sign + text.slice(sign.length).padStart(width - sign.length, '0')
}
