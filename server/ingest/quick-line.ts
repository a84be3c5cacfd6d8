import type { Millis } from '../clock.ts'
import type { LineHead, LineSeries } from './line-series.ts'

const [lineEnd, space, quote, comma, equals, backslash] = [10, 32, 34, 44, 61, 92]

/** Where the text before the fields ends: at the first space; -1 when the line needs the whole grammar. */
export function headEnd(text: string, from: number): number {
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === space) return at > from ? at : -1
    if (code <= 13 || code === backslash || code === quote) return -1
  }
  return -1
}

/**
 * Reads the fields and the time of a line whose head is known, where they are written as agents write them: known fields, plain
 * numbers, no escapes, no quotes. Anything else is left to the whole grammar.
 */
export class QuickLine {
  readonly series: LineSeries[] = []
  readonly values: number[] = []
  /** Digits of the time; empty: there is none. */
  time = ''
  /** Behind the line's last character. */
  end = 0

  /** `at`: behind the space after the head. False: nothing of it counts. */
  read(text: string, at: number, { fields }: LineHead): boolean {
    this.series.length = 0
    this.values.length = 0
    let next = at
    for (;;) {
      const nameEnd = endOf(text, next, equals)
      const series = nameEnd < 0 ? undefined : fields.get(text.slice(next, nameEnd))
      if (series === undefined) return false
      const valueEnd = numberEnd(text, nameEnd + 1)
      const value = Number(text.slice(nameEnd + 1, valueEnd))
      if (valueEnd === nameEnd + 1 || !Number.isFinite(value)) return false
      this.series.push(series)
      this.values.push(value)
      next = valueEnd + 1
      if (text.charCodeAt(valueEnd) === comma) continue
      return this.#readTime(text, valueEnd)
    }
  }

  #readTime(text: string, at: number): boolean {
    this.time = ''
    this.end = at
    if (at < text.length && text.charCodeAt(at) === space) {
      let end = at + 1
      while (end < text.length && isDigit(text.charCodeAt(end))) end++
      this.time = text.slice(at + 1, end)
      this.end = end
      if (this.time === '' || this.time.length > 19) return false
    }
    return this.end === text.length || text.charCodeAt(this.end) === lineEnd
  }
}

/** The place of `stop` in a name that needs no care; -1 when it does. */
function endOf(text: string, from: number, stop: number): number {
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === stop) return at
    if (code <= space || code === backslash || code === quote || code === comma) return -1
  }
  return -1
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57
}

/** Behind the characters that a plain number may have. */
function numberEnd(text: string, from: number): number {
  let at = from
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at)
    // Digits, `+`, `-`, `.`, `E`, `e`.
    if (!isDigit(code) && code !== 43 && code !== 45 && code !== 46 && (code | 32) !== 101) break
  }
  return at
}

/** Milliseconds of a time of digits alone in a unit of so many nanoseconds; undefined when it takes more care. */
export function quickMillis(digits: string, unit: bigint): Millis | undefined {
  const cut = unit === 1n ? 6 : unit === 1000n ? 3 : 0
  const whole = Number(cut === 0 ? digits : digits.slice(0, -cut))
  const millis = cut === 0 ? whole * Number(unit / 1_000_000n) : whole
  return millis <= 8.64e15 ? millis : undefined
}
