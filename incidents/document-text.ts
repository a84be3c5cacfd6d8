import type { Millis } from './facts.ts'
import type { Cell, Piece, PostMortem } from './postmortem.ts'
import type { Words } from './words.ts'

/** How a reader wants it: whose words, whose clock. */
export interface Reader {
  readonly words: Words
  /** IANA name; a wrong one throws RangeError. */
  readonly timeZone: string
  /** Where each picture that is there can be read, by the id of its attachment. */
  readonly pictures: ReadonlyMap<string, string>
}

/** The title of a post-mortem; `safe` escapes what people wrote in it. */
export function headingOf(
  { number, title }: Pick<PostMortem, 'number' | 'title'>,
  { heading }: Words,
  safe: (text: string) => string,
): string {
  const parts: Readonly<Record<string, string>> = { number: String(number), title: safe(title) }
  return heading.replace(/\{(\w+)\}/g, (place, name: string) => parts[name] ?? place)
}

/** A piece as plain text, not escaped yet; `cite` gives its ids. */
export function plainText(piece: Piece, reader: Reader): string {
  switch (piece.kind) {
    case 'text':
      return visible(piece.text)
    case 'word':
      return visible(piece.of(reader.words))
    case 'at':
      return showInstant(piece.at, reader.timeZone)
    case 'span':
      return showSpan(piece.millis, reader.words)
    case 'count':
      return String(piece.count)
    case 'cite':
      return piece.facts.map(visible).join(', ')
  }
}

/** Joins the pieces of a cell by blanks, none inside brackets. */
export function joined(cell: Cell, one: (piece: Piece) => string): string {
  return cell
    .map(one)
    .filter((part) => part !== '')
    .join(' ')
    .replaceAll('( ', '(')
    .replaceAll(' )', ')')
    .replaceAll(' : ', ': ')
}

/** Local time with the zone's offset, to the second. */
export function showInstant(at: Millis, timeZone: string): string {
  const parts = new Intl.DateTimeFormat('en-GB', {
    timeZone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
    timeZoneName: 'longOffset',
  }).formatToParts(at)
  const part = (type: string) => parts.find((one) => one.type === type)?.value ?? ''
  const offset = part('timeZoneName').replace('GMT', '') || '+00:00'
  const zone = offset === '+00:00' ? 'UTC' : offset
  return `${part('year')}-${part('month')}-${part('day')} ${part('hour')}:${part('minute')}:${part('second')} ${zone}`
}

/** Days, hours, minutes, seconds; the largest two that are not zero. */
export function showSpan(millis: number, { labels }: Words): string {
  const seconds = Math.round(millis / 1000)
  const parts = [
    [Math.floor(seconds / 86_400), labels.days],
    [Math.floor(seconds / 3600) % 24, labels.hours],
    [Math.floor(seconds / 60) % 60, labels.minutes],
    [seconds % 60, labels.seconds],
  ] as const
  const first = parts.findIndex(([count]) => count > 0)
  if (first < 0) return `0 ${labels.seconds}`
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(' ')
}

/** Control characters, and those that turn the direction of what follows, would let a text lie about what it says. */
const unseen = /(?![\n\t])\p{Cc}|[\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu

export function visible(text: string): string {
  return text
    .replaceAll('\r\n', '\n')
    .replaceAll(/\p{Surrogate}/gu, '\ufffd')
    .replaceAll(unseen, '\ufffd')
}
