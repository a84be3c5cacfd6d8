import type { Call, Terminal } from './command.ts'

/** Takes control and direction characters out of what others wrote, so that it cannot steer the terminal. */
export function plain(text: string): string {
  return text.replace(/[\s\p{Cc}\p{Zl}\p{Zp}\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu, ' ').trim()
}

/** As `plain`, for a text whose lines and spaces mean something. */
export function plainLines(text: string): string[] {
  return text
    .replace(/\r?\n$/, '')
    .split(/\r?\n/)
    .map((line) =>
      line.replace(/[\p{Cc}\p{Zl}\p{Zp}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, ' '),
    )
}

/** Local time with its zone: `2026-03-02 16:15:04 +07:00`; `-` for no time. */
export function localTime(at: string | null | undefined): string {
  if (at === null || at === undefined) return '-'
  const date = new Date(at)
  if (Number.isNaN(date.getTime())) return plain(at)
  const two = (value: number) => String(value).padStart(2, '0')
  const east = -date.getTimezoneOffset()
  const zone = `${east < 0 ? '-' : '+'}${two(Math.floor(Math.abs(east) / 60))}:${two(Math.abs(east) % 60)}`
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())} ${zone}`
}

/** Colours of a word; text alone says the same. */
export type Paint = (word: string, text?: string) => string

const colours: Readonly<Record<string, string>> = {
  CRITICAL: '1;31',
  SEV1: '1;31',
  SEV2: '31',
  WARNING: '33',
  ATTENTION: '33',
  SILENT: '33',
  INFO: '36',
  RESOLVED: '32',
  OK: '32',
  ACKNOWLEDGED: '34',
  INCIDENT: '1;35',
  OPEN: '31',
  HIT: '1;33',
}

/** Colours only on a terminal that wants them (no-color.org). */
export function paintFor({ stdout, environment }: Terminal): Paint {
  const wanted = stdout.isTTY === true && !environment.NO_COLOR && environment.TERM !== 'dumb'
  return (word, text = word) => {
    const colour = colours[word.trim().toUpperCase()]
    return wanted && colour !== undefined ? `\x1b[${colour}m${text}\x1b[0m` : text
  }
}

/** Columns a text takes on a terminal: East Asian wide characters take two, combining ones none. */
export function displayWidth(text: string): number {
  let width = 0
  for (const character of text) width += characterWidth(character)
  return width
}

function characterWidth(character: string): number {
  if (/^[\p{Mn}\p{Me}\p{Cf}]$/u.test(character)) return 0
  const code = character.codePointAt(0) ?? 0
  const wide =
    (code >= 0x1100 && code <= 0x115f) ||
    (code >= 0x2e80 && code <= 0xa4cf) ||
    (code >= 0xac00 && code <= 0xd7a3) ||
    (code >= 0xf900 && code <= 0xfaff) ||
    (code >= 0xfe30 && code <= 0xfe6f) ||
    (code >= 0xff00 && code <= 0xff60) ||
    (code >= 0xffe0 && code <= 0xffe6) ||
    (code >= 0x1f300 && code <= 0x1faff) ||
    (code >= 0x20000 && code <= 0x3fffd)
  return wide ? 2 : 1
}

/** Cuts a text to at most `columns`; a cut shows as `…`. */
export function fit(text: string, columns: number): string {
  if (displayWidth(text) <= columns) return text
  let cut = ''
  let width = 0
  for (const character of text) {
    width += characterWidth(character)
    if (width > columns - 1) break
    cut += character
  }
  return columns < 1 ? '' : `${cut}…`
}

/** Aligned columns; the first row is the head. Cells are made plain, then painted by their own word. */
export function table(
  call: Call,
  head: readonly string[],
  rows: readonly (readonly string[])[],
): void {
  const paint = paintFor(call.terminal)
  const cells = [head, ...rows.map((row) => row.map(plain))]
  const widths = head.map((_, column) =>
    Math.max(...cells.map((row) => displayWidth(row[column] ?? ''))),
  )
  for (const row of cells) {
    const line = row.map((cell, column) => {
      const last = column === row.length - 1
      const gap = last ? '' : ' '.repeat((widths[column] ?? 0) - displayWidth(cell) + 2)
      return `${paint(cell)}${gap}`
    })
    call.say(line.join('').trimEnd())
  }
}
