import { isHit, type Term, tokensOf } from './words.ts'

/** A piece of a text and what of it was asked for: pairs of beginning and end in UTF-16 units of `text`. */
export interface Excerpt {
  readonly text: string
  readonly marks: readonly (readonly [start: number, end: number])[]
}

/** Length of an excerpt, in UTF-16 units; it grows to the ends of its words. */
const excerptCharacters = 180
/** How much of it stands before the first hit. */
const leadCharacters = 50
/** How much of one text is looked through. */
const lookedThroughMax = 20_000

/** Which terms a text has, and where. */
export function hitsIn(text: string, terms: readonly Term[]) {
  const plain = text.slice(0, lookedThroughMax).normalize()
  const hit = new Set<Term>()
  const marks: [number, number][] = []
  for (const { word, start, end } of tokensOf(plain)) {
    const found = terms.filter((term) => isHit(term, word))
    if (found.length === 0) continue
    for (const term of found) hit.add(term)
    const last = marks.at(-1)
    if (last !== undefined && start <= last[1]) last[1] = Math.max(last[1], end)
    else marks.push([start, end])
  }
  return { plain, hit, marks }
}

/** A whole short text, with its hits. */
export function marked(text: string, terms: readonly Term[]): Excerpt {
  const { plain, marks } = hitsIn(text, terms)
  return { text: plain, marks: marks.filter(([, end]) => end <= plain.length) }
}

/** The surroundings of the first hit; undefined where there is none. */
export function excerptOf(text: string, terms: readonly Term[]): Excerpt | undefined {
  const { plain, marks } = hitsIn(text, terms)
  const [first] = marks
  if (first === undefined) return undefined
  const from = wordEdge(plain, Math.max(0, first[0] - leadCharacters), first[0])
  const to = Math.max(first[1], Math.min(plain.length, from + excerptCharacters))
  const isCut = to < plain.length
  const end = isCut ? beforeCut(plain, to, first[1]) : to
  const before = from > 0 ? '…' : ''
  const shown = marks.filter((mark) => mark[0] >= from && mark[1] <= end)
  return {
    text: `${before}${plain.slice(from, end)}${isCut ? '…' : ''}`,
    marks: shown.map(([start, stop]) => [
      start - from + before.length,
      stop - from + before.length,
    ]),
  }
}

/** The beginning of a word at or after `at`, no later than `latest`. */
function wordEdge(text: string, at: number, latest: number): number {
  if (at === 0) return 0
  const space = text.slice(at, latest).search(/\s/)
  const edge = space < 0 ? at : at + space + 1
  // Never between the halves of a character.
  return /[\uDC00-\uDFFF]/.test(text[edge] ?? '') ? edge + 1 : edge
}

function beforeCut(text: string, at: number, earliest: number): number {
  const space = text.lastIndexOf(' ', at)
  const edge = space > earliest && space > at - 30 ? space : at
  return /[\uDC00-\uDFFF]/.test(text[edge] ?? '') ? edge - 1 : edge
}
