import type { Kysely } from 'kysely'
import { CallwardError } from '../errors.ts'
import type { Runbook } from '../knowledge/plugin.ts'
import type { RecordsSchema } from '../records/schema.ts'
import { type Cursor, cursorText, readCursor } from './cursor.ts'
import { findIncidents, type IncidentFilter, type IncidentPlace } from './incident-query.ts'
import { type IncidentResult, incidentResults } from './incident-views.ts'
import {
  type FoundRunbook,
  findRunbooks,
  type RunbookResult,
  runbookResult,
} from './runbook-index.ts'
import { type Term, termsMax, termsOf } from './words.ts'

/** What is asked. */
export interface Question extends IncidentFilter {
  readonly text: string
  readonly kind: 'all' | 'incident' | 'runbook'
  readonly cursor: string | undefined
  readonly limit: number
}

export interface Answer {
  readonly results: readonly (IncidentResult | RunbookResult)[]
  /** Cursor of the next page; null at the end. */
  readonly next: string | null
  /** A limit was reached: longer words find what is missing. */
  readonly cut: boolean
}

/** Searches that wait or run at once; a search keeps the thread that reads for some milliseconds. */
export const searchesMax = 32

/** Answers searches over incidents and runbooks. */
export class SearchDesk {
  readonly #db: Kysely<RecordsSchema>
  readonly #runbooks: () => readonly Runbook[]
  #running = 0

  constructor(db: Kysely<RecordsSchema>, runbooks: () => readonly Runbook[]) {
    this.#db = db
    this.#runbooks = runbooks
  }

  /** Throws bad_request (no word, too many words, a strange cursor), too_many_requests. */
  async ask(question: Question): Promise<Answer> {
    const terms = usable(termsOf(question.text))
    const after = question.cursor === undefined ? undefined : readCursor(question.cursor)
    if (this.#running >= searchesMax)
      throw new CallwardError(
        'too_many_requests',
        `${searchesMax} searches run; try again shortly.`,
      )
    this.#running += 1
    try {
      return await this.#answer(question, terms, after)
    } finally {
      this.#running -= 1
    }
  }

  async #answer(
    question: Question,
    terms: readonly Term[],
    after: Cursor | undefined,
  ): Promise<Answer> {
    const { limit } = question
    const runbooks = this.#runbooksAfter(question, terms, after)
    const { found, cut } = await this.#incidentsAfter(question, terms, after)
    const page = merged(runbooks, found)
    const shown = page.slice(0, limit)
    const places = shown.flatMap((one) => ('runbook' in one ? [] : [one]))
    const incidents = new Map(
      (await incidentResults(this.#db, places, terms)).map((one) => [one.number, one]),
    )
    const results = shown.flatMap((one): readonly (IncidentResult | RunbookResult)[] =>
      'runbook' in one
        ? [runbookResult(one, terms)]
        : [incidents.get(one.number)].filter((found) => found !== undefined),
    )
    const last = shown.at(-1)
    const next = page.length > limit && last !== undefined ? cursorText(cursorOf(last)) : null
    return { results, next, cut }
  }

  /** Runbooks have neither time nor service: where those are asked for, there are none. */
  #runbooksAfter(question: Question, terms: readonly Term[], after: Cursor | undefined) {
    const { kind, from, to, service, limit } = question
    if (kind === 'incident' || (from ?? to ?? service) !== undefined) return []
    const found = findRunbooks(this.#runbooks(), terms)
    return found.filter((one) => after === undefined || isAfter(one, after)).slice(0, limit + 1)
  }

  async #incidentsAfter(question: Question, terms: readonly Term[], after: Cursor | undefined) {
    if (question.kind === 'runbook') return { found: [], cut: false }
    const place =
      after === undefined || 'number' in after
        ? after
        : { score: after.score, number: Number.MAX_SAFE_INTEGER }
    return findIncidents(this.#db, terms, question, { after: place, limit: question.limit + 1 })
  }
}

function usable(terms: readonly Term[]): readonly Term[] {
  if (terms.length === 0)
    throw new CallwardError(
      'bad_request',
      'q: write at least one word, such as trunk, su co or 中继.',
    )
  if (terms.length > termsMax)
    throw new CallwardError(
      'bad_request',
      `q: ${terms.length} words are too many; write at most ${termsMax}.`,
    )
  return terms
}

function isAfter({ runbook, score }: FoundRunbook, after: Cursor): boolean {
  if (score !== after.score) return score < after.score
  return 'runbook' in after && runbook.name > after.runbook
}

function merged(
  runbooks: readonly FoundRunbook[],
  incidents: readonly IncidentPlace[],
): (FoundRunbook | IncidentPlace)[] {
  // Both are in order already, and the sort keeps the order of equals: runbooks first.
  return [...runbooks, ...incidents].sort((a, b) => b.score - a.score)
}

function cursorOf(one: FoundRunbook | IncidentPlace): Cursor {
  return 'runbook' in one ? { score: one.score, runbook: one.runbook.name } : one
}
