import { type FactKind, hubActor } from '../../../../../incidents/facts.ts'
import { evidenceAbout, hubSentence } from '../../../../../incidents/hub-sentences.ts'
import { refusalText } from '../../../../../incidents/refusals.ts'
import { type Words, words } from '../../../../../incidents/words.ts'
import type { GuardName, Role, State } from '../../../../../incidents/workflow.ts'
import type { HubSaid } from '../api-types.ts'
import type { MessageKey } from './catalogue.ts'
import { fullTime } from './format.ts'
import { language, t } from './language.ts'

/** Words of the workflow in the language shown now. What a newer hub says and these lack is shown as it says it. */

const documentWords = (): Words => words[language.value]

/** A fact's words: those of the hub in the reader's language, those of people as they were written. */
export const saidName = (
  fact: { readonly kind: string; readonly recordedBy: string },
  written: string,
): string =>
  hubSentence({ ...fact, kind: fact.kind as FactKind }, written, documentWords(), (at) =>
    fullTime(language.value, at),
  ) ?? written

/** What a frozen piece of evidence shows. */
export const aboutName = (about: string): string => evidenceAbout(about, documentWords())

/** Between the names of a list. */
export const listComma = (): string => documentWords().comma

/** Who wrote something: the program's own name is a word. */
export const writerName = (name: string): string => (name === hubActor ? roleName('hub') : name)

/** What the hub says by a code, in the reader's language and with their clock. */
export const hubText = (said: HubSaid): string =>
  refusalText(said, documentWords(), (at) => fullTime(language.value, at))

export const kindName = (kind: string): string => documentWords().kinds[kind as FactKind] ?? kind
/** With a capital, as a title; documents have it inside sentences. */
export function stateName(state: string): string {
  const name = documentWords().states[state as State] ?? state
  return name.charAt(0).toUpperCase() + name.slice(1)
}
export const roleName = (role: string): string =>
  documentWords().workflow.roles[role as Role] ?? role
export const causeName = (code: string): string => documentWords().workflow.causes[code] ?? code

/** What a guard asks for; undefined for one that is not in the table. */
export function guardName(guard: string | undefined): string | undefined {
  return documentWords().workflow.guards[guard as GuardName]
}

/** A field of a fact. */
export const fieldName = (field: string): string => t(`field.${field}` as MessageKey)

/** A code in a field of a fact. */
export function codeName(field: string, code: string): string {
  const { actions, questions, costs } = documentWords()
  const lists: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    action: actions,
    question: questions,
    cost: costs,
  }
  if (field === 'role') return roleName(code)
  if (field === 'severity') return t(`incidentSeverity.${code}` as MessageKey)
  return lists[field]?.[code] ?? documentWords().workflow.codes[`${field}.${code}`] ?? code
}
