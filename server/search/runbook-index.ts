import type { Runbook } from '../knowledge/plugin.ts'
import { type Excerpt, excerptOf, marked } from './excerpt.ts'
import { wholeWordPoints } from './incident-query.ts'
import { addWords, type Weight } from './texts.ts'
import { isHit, type Term, wordsOf } from './words.ts'

export interface RunbookResult {
  readonly kind: 'runbook'
  readonly name: string
  readonly score: number
  readonly title: Excerpt
  readonly severity: string
  readonly hash: string
  readonly excerpts: readonly Excerpt[]
}

/** A runbook that has every term. */
export interface FoundRunbook {
  readonly runbook: Runbook
  readonly score: number
}

/** Words of each version; a version that nobody holds any more is forgotten with it. */
const known = new WeakMap<Runbook, ReadonlyMap<string, Weight>>()

function wordsOfRunbook(runbook: Runbook): ReadonlyMap<string, Weight> {
  const before = known.get(runbook)
  if (before !== undefined) return before
  const words = new Map<string, Weight>()
  const take = (text: string, weight: Weight) =>
    addWords(words, new Map([...wordsOf(text)].map((word) => [word, weight])))
  take(runbook.body, 1)
  for (const text of stepTexts(runbook)) take(text, 2)
  take(runbook.name, 3)
  take(spelled(runbook.name), 3)
  take(runbook.title, 3)
  known.set(runbook, words)
  return words
}

/** `ServiceDown` as people look for it. */
function spelled(name: string): string {
  return name.replace(/(?<=[a-z0-9])(?=[A-Z])|[_-]/g, ' ')
}

function stepTexts(runbook: Runbook): string[] {
  return [
    ...runbook.steps.map(({ text }) => text),
    ...runbook.checks.map(({ text }) => text),
    ...Object.values(runbook.customerText),
  ]
}

/** Runbooks in which every term is found, best first, then by name. Looks through all of them. */
export function findRunbooks(runbooks: readonly Runbook[], terms: readonly Term[]): FoundRunbook[] {
  return runbooks
    .flatMap((runbook) => {
      const points = terms.map((term) => pointsOf(wordsOfRunbook(runbook), term))
      return points.includes(0)
        ? []
        : [{ runbook, score: points.reduce((sum, one) => sum + one, 0) }]
    })
    .sort((a, b) => b.score - a.score || (a.runbook.name < b.runbook.name ? -1 : 1))
}

/** The weight, and as a whole word 100 more; 0 where it is not found. */
function pointsOf(words: ReadonlyMap<string, Weight>, term: Term): number {
  const whole = words.get(term.word)
  let best = whole === undefined ? 0 : whole + wholeWordPoints
  if (!term.prefix) return best
  for (const [word, weight] of words) {
    if (weight > best && isHit(term, word)) best = weight
  }
  return best
}

const excerptsMax = 2

/** What is shown of a runbook that was found. */
export function runbookResult(
  { runbook, score }: FoundRunbook,
  terms: readonly Term[],
): RunbookResult {
  const { name, severity, hash, title, body } = runbook
  const lines = [...stepTexts(runbook), ...body.split('\n')]
  const excerpts: Excerpt[] = []
  for (const line of lines) {
    if (excerpts.length === excerptsMax) break
    const excerpt = excerptOf(line.replace(/^[#>\s*-]+|^\s*\d+\.\s+/, ''), terms)
    if (excerpt !== undefined) excerpts.push(excerpt)
  }
  return { kind: 'runbook', name, score, title: marked(title, terms), severity, hash, excerpts }
}
