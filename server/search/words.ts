/** How texts are cut into words for the index and for a query. One way for both, so that what was written is found. */

/** A word as it is compared, with its place in the text it was read from (UTF-16 units, end excluded). */
export interface Token {
  readonly word: string
  readonly start: number
  readonly end: number
}

/** One thing a query asks for: a word, or with `prefix` all words that begin so. */
export interface Term {
  readonly word: string
  readonly prefix: boolean
}

/** Longest word that is compared, in UTF-16 units; what is longer is compared by its beginning. */
export const wordCharactersMax = 40
/** Words a query may ask for; a run of Chinese counts as one for each pair of neighbours. */
export const termsMax = 24

/** Scripts that put no space between words: each pair of neighbours is a word. */
const unspaced =
  /^[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Hangul}\p{scx=Bopomofo}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}]/u
const letterOrDigit = /^[\p{L}\p{N}]/u

interface Folded {
  readonly text: string
  readonly kind: 'pair' | 'letter' | 'mark' | 'gap'
}

const foldings = new Map<string, Folded>()
const foldingsMax = 20_000

/** A character without case, accents and width: `Ố` is `o`, `đ` is `d`, `Ａ` is `a`, `ё` is `е`. */
function folded(character: string): Folded {
  const known = foldings.get(character)
  if (known !== undefined) return known
  const text = character
    .normalize('NFKC')
    .toLowerCase()
    .normalize('NFD')
    .replace(/\p{Mn}+/gu, '')
    .replaceAll('đ', 'd')
    .replaceAll('ς', 'σ')
    .normalize('NFC')
  const one: Folded = { text, kind: kindOf(text) }
  if (foldings.size < foldingsMax) foldings.set(character, one)
  return one
}

function kindOf(text: string): Folded['kind'] {
  if (text === '') return 'mark'
  if (!letterOrDigit.test(text)) return 'gap'
  return unspaced.test(text) ? 'pair' : 'letter'
}

/** The words of a text in their order. `text` must be in NFC (`text.normalize()`), or the places are those of its NFC form. */
export function tokensOf(text: string): Token[] {
  const tokens: Token[] = []
  let letters = ''
  let lettersFrom = 0
  let pairs: Token[] = []
  let index = 0
  const endLetters = (end: number) => {
    if (letters !== '')
      tokens.push({ word: letters.slice(0, wordCharactersMax), start: lettersFrom, end })
    letters = ''
  }
  const endPairs = () => {
    pairs.forEach((one, at) => {
      const next = pairs[at + 1]
      tokens.push(next === undefined ? one : { ...one, word: one.word + next.word, end: next.end })
    })
    pairs = []
  }
  for (const character of text.normalize()) {
    const { text: plain, kind } = folded(character)
    const end = index + character.length
    if (kind !== 'letter' && kind !== 'mark') endLetters(index)
    if (kind !== 'pair' && kind !== 'mark') endPairs()
    if (kind === 'letter') {
      if (letters === '') lettersFrom = index
      letters += plain
    } else if (kind === 'pair') pairs.push({ word: plain, start: index, end })
    index = end
  }
  endLetters(index)
  endPairs()
  return tokens
}

/** Times that programs write; nobody looks for their digits. */
const machineTime = /\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})/g

/** The distinct words of a text that the index holds. */
export function wordsOf(text: string): Set<string> {
  return new Set(tokensOf(text.replace(machineTime, ' ')).map(({ word }) => word))
}

/**
 * What a query asks for; all of it must be found. A word of two letters or more also stands for those that begin with it, a single
 * Chinese character for every pair that begins with it; of two and more each pair of neighbours is asked for.
 */
export function termsOf(query: string): Term[] {
  const tokens = tokensOf(query.replace(machineTime, ' '))
  const terms = new Map<string, Term>()
  tokens.forEach(({ word, end }, at) => {
    const isPair = unspaced.test(word)
    const before = tokens[at - 1]
    // The last single of a longer run: its pair is asked for already.
    if (isPair && before !== undefined && unspaced.test(before.word) && before.end === end) return
    const isSingle = [...word].length === 1
    terms.set(word, { word, prefix: isPair ? isSingle : !isSingle })
  })
  return [...terms.values()]
}

/** Whether a term stands for a word. */
export function isHit(term: Term, word: string): boolean {
  return term.prefix ? word.startsWith(term.word) : word === term.word
}
