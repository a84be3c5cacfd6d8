import { createHash } from 'node:crypto'
import { showInstant } from '../../incidents/document-text.ts'
import type { Fact } from '../../incidents/facts.ts'
import { current, live, type Picture, recovery, said } from '../../incidents/picture.ts'
import type { Millis } from '../clock.ts'
import type { Language } from '../notify/plugin.ts'
import { noticeWords } from './notice-words.ts'
import { isUnderWay } from './rhythm.ts'

export const audiences = ['management', 'departments', 'customers'] as const
export type Audience = (typeof audiences)[number]
export const forms = ['opening', 'update', 'restored', 'closing'] as const
export type Form = (typeof forms)[number]

/** Limits of one notice and of all of one incident. */
export const noticeLimits = {
  titleCharacters: 300,
  /** What a message carries; more is refused, not cut. */
  textCharacters: 2000,
  contactPoints: 100,
  noticesOfIncident: 500,
} as const

/** Characters of one fact's text within a notice. */
const pieceCharacters = 400
/** Names of one list. */
const listed = 20

/** Why a notice of this form would say what is not so; undefined: it may be sent. */
export function formFault(state: string, form: Form): string | undefined {
  const over = form === 'restored' || form === 'closing'
  if (over && isUnderWay(state))
    return `the incident is ${state.replace('_', ' ')}, not restored: send an update, or restore it first`
  if (!over && !isUnderWay(state))
    return `the incident is ${state.replace('_', ' ')}: send "restored" or "closing"`
  return undefined
}

/** What a template of notices sees. `null` is said as unknown; `missing` names what of the known fields is. */
export interface NoticeScope {
  readonly scope: Readonly<Record<string, unknown>>
  readonly missing: readonly string[]
}

export interface ScopeRequest {
  readonly picture: Picture
  readonly number: number
  readonly title: string
  readonly severity: string
  readonly form: Form
  readonly language: Language
  readonly timeZone: string
  readonly nextUpdateAt: Millis | undefined
}

const needed = ['what', 'since', 'services', 'doing', 'cause'] as const

/** The known facts of an incident for a notice; suggestions of programs are never said as facts. */
export function scopeOf(request: ScopeRequest): NoticeScope {
  const { picture, form, language, timeZone, nextUpdateAt, severity } = request
  const words = noticeWords[language]
  const time = (fact: Fact | undefined) =>
    fact === undefined
      ? null
      : `${showInstant(fact.occurredAt, timeZone)}${fact.certainty === 'estimate' ? ` (${words.estimate})` : ''}`
  const impact = said(picture, 'impact').at(-1)?.value
  const list = (names: readonly string[] | undefined) =>
    names === undefined ? null : piece(shown(names))
  const over = form === 'restored' || form === 'closing'
  const known: Record<string, unknown> = {
    what: piece(said(picture, 'phenomenon').at(-1)?.value.text),
    since: time(said(picture, 'occurred').at(-1) ?? said(picture, 'detected').at(-1)),
    ended: over ? time(recovery(picture)) : null,
    services: list(impact?.services),
    doing: doing(picture, words.states[picture.state]),
    ...causeOf(picture),
    measures: piece(measures(picture)),
  }
  const wanted = [
    ...needed,
    ...(over ? ['ended'] : []),
    ...(form === 'closing' ? ['measures'] : []),
  ]
  return {
    missing: wanted.filter((name) => known[name] === null),
    scope: {
      ...known,
      ...{ words, form, language, severity, title: request.title, number: request.number },
      major: current(picture, 'major')?.value.major === true,
      hosts: list(impact?.hosts),
      customers: list(impact?.customers),
      regions: list(impact?.regions),
      departments: list(impact?.departments),
      customersAffected: impact?.customersAffected ?? null,
      callsFailed: impact?.callsFailed ?? null,
      nextUpdate: nextUpdateAt === undefined ? null : showInstant(nextUpdateAt, timeZone),
    },
  }
}

function doing(picture: Picture, state: string): string {
  const mitigated = isUnderWay(picture.state) ? said(picture, 'mitigated').at(-1) : undefined
  return mitigated === undefined ? state : `${state}; ${piece(mitigated.value.text)}`
}

/** The root cause, else what is thought to be the cause; "unknown" is no cause. */
function causeOf(picture: Picture): { cause: string | null; confidence: string | null } {
  const root = said(picture, 'root_cause').at(-1)
  if (root !== undefined) return { cause: piece(root.value.text), confidence: null }
  const thought = said(picture, 'preliminary_cause').at(-1)?.value
  if (thought === undefined || thought.confidence === 'unknown')
    return { cause: null, confidence: null }
  return { cause: piece(thought.text), confidence: thought.confidence ?? null }
}

function measures(picture: Picture): string | undefined {
  const all = [...live(picture, 'temporary_measure'), ...live(picture, 'permanent_measure')]
  const texts = all
    .filter(({ certainty }) => certainty !== 'suggestion')
    .map(({ value }) => value.text)
  return texts.length === 0 ? undefined : shown(texts, '; ')
}

function shown(names: readonly string[], between = ', '): string {
  const more = names.length - listed
  return `${names.slice(0, listed).join(between)}${more > 0 ? ` +${more}` : ''}`
}

/** One line that leaves room for the others; null: there is none. */
function piece(text: string | undefined): string | null {
  if (text === undefined) return null
  const line = text.replace(/\s+/g, ' ').trim()
  if (line === '') return null
  const characters = [...line]
  return characters.length <= pieceCharacters
    ? line
    : `${characters.slice(0, pieceCharacters - 1).join('')}…`
}

/** Names one text for ever. */
export function textHash(title: string, text: string): string {
  return createHash('sha256').update(`${title}\n${text}`).digest('hex')
}
