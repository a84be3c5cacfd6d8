import type { FactKind } from './facts.ts'
import { en } from './words/en.ts'
import { refusalsEn } from './words/refusals-en.ts'
import type { Words } from './words.ts'
import { type Role, roles, type State } from './workflow.ts'

export type RefusalCode = keyof typeof refusalsEn
/** One sentence a code; its places are those of English, or the same parameters in other words. */
export type RefusalWords = Readonly<Record<RefusalCode, string>>
/** What changes in a refusal: names, numbers, instants in RFC 3339, codes of the published tables. */
export type RefusalParams = Readonly<Record<string, string | number>>

/** One thing that stands against a step or a fact. */
export interface Refusal {
  readonly code: RefusalCode
  readonly params: RefusalParams
  /** In English, with the names of kinds and fields as programs write them. */
  readonly text: string
}

/** What may have a code: one of a newer hub may be unknown here, and what people wrote has none. */
export interface Sentence {
  readonly code?: string | undefined
  readonly params?: RefusalParams | undefined
  readonly text: string
}

export function refusal(code: RefusalCode, params: RefusalParams = {}): Refusal {
  return { code, params, text: filled(refusalsEn[code], params, en, (at) => at) }
}

/**
 * A refusal in the reader's words, `at` writing its instants. A code that a newer hub says and these words lack is said as the hub
 * says it.
 */
export function refusalText(
  said: Sentence,
  words: Words,
  at: (instant: string) => string = (instant) => instant,
): string {
  const sentence = words.refusals[said.code as RefusalCode]
  return sentence === undefined ? said.text : filled(sentence, said.params ?? {}, words, at)
}

/** How a parameter is said, where it is no name or number. */
const spoken: Readonly<Record<string, (value: string, words: Words) => string>> = {
  kind: (kind, { kinds }) => kinds[kind as FactKind] ?? kind,
  old: (kind, { kinds }) => kinds[kind as FactKind] ?? kind,
  before: (kind, { kinds }) => kinds[kind as FactKind] ?? kind,
  after: (kind, { kinds }) => kinds[kind as FactKind] ?? kind,
  state: (state, { states }) => states[state as State] ?? state,
  from: (state, { states }) => states[state as State] ?? state,
  to: (state, { states }) => states[state as State] ?? state,
  states: (list, words) => each(list, words, (one) => words.states[one as State] ?? one),
  role: (role, { workflow }) => workflow.roles[role as Role] ?? role,
  roles: (list, words) => each(list, words, (one) => words.workflow.roles[one as Role] ?? one),
  cause: (cause, { workflow }) => workflow.causes[cause] ?? cause,
}

/** Places whose parameter has another name. */
const derived: Readonly<
  Record<string, readonly [string, (value: string, words: Words) => string]>
> = {
  asks: ['question', (name, { questions }) => questions[name as keyof Words['questions']] ?? name],
  does: ['role', (role) => roles[role as Role] ?? role],
}

function each(list: string, { comma }: Words, say: (one: string) => string): string {
  return list.split(', ').map(say).join(comma)
}

function filled(
  sentence: string,
  params: RefusalParams,
  words: Words,
  at: (instant: string) => string,
): string {
  return sentence.replace(/\{(\w+)\}/g, (place, slot: string) => {
    const [name, say] = derived[slot] ?? [slot, spoken[slot]]
    const value = params[name] ?? params[slot.replace(/Code$/, '')]
    if (value === undefined) return place
    if (/^at$|At$/.test(slot)) return at(String(value))
    return say === undefined ? String(value) : say(String(value), words)
  })
}
