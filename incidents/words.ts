import type { Certainty, FactKind, FactValue } from './facts.ts'
import type { HubWords, SuggestionWords } from './hub-sentences.ts'
import type { RefusalWords } from './refusals.ts'
import { en } from './words/en.ts'
import { ru } from './words/ru.ts'
import { vi } from './words/vi.ts'
import { zh } from './words/zh.ts'
import type { GuardName, Role, State } from './workflow.ts'

export type Language = 'en' | 'zh' | 'vi' | 'ru'

/** Fixed words of documents; what people wrote stays as they wrote it. */
export interface Words {
  /** For the lang attribute. */
  readonly tag: string
  readonly labels: Readonly<Record<Label, string>>
  readonly kinds: Readonly<Record<FactKind, string>>
  readonly states: Readonly<Record<State, string>>
  readonly certainties: Readonly<Record<Certainty, string>>
  readonly actions: Readonly<Record<FactValue<'action'>['action'], string>>
  readonly questions: Readonly<Record<FactValue<'answer'>['question'], string>>
  readonly costs: Readonly<Record<FactValue<'cost'>['cost'], string>>
  readonly audiences: Readonly<Record<FactValue<'notice'>['audience'], string>>
  readonly forms: Readonly<Record<FactValue<'notice'>['form'], string>>
  readonly hub: HubWords
  readonly suggestions: SuggestionWords
  readonly workflow: WorkflowWords
  readonly refusals: RefusalWords
  /** Of a post-mortem, with its number and title. */
  readonly heading: string
  /** Between the names of a list. */
  readonly comma: string
}

/** Words of the published workflow. */
export interface WorkflowWords {
  readonly roles: Readonly<Record<Role, string>>
  /** What each guard asks for. */
  readonly guards: Readonly<Record<GuardName, string>>
  /** Root causes by code, of all three levels. */
  readonly causes: Readonly<Record<string, string>>
  /** Other codes, as `reason.false_alarm`. */
  readonly codes: Readonly<Record<string, string>>
}

/** Headings, columns and short sentences. */
export const labels = [
  'summary',
  'impact',
  'figures',
  'instants',
  'panels',
  'attached',
  'pictureGone',
  'causes',
  'whys',
  'measures',
  'wentWell',
  'wentBadly',
  'questions',
  'actions',
  'duties',
  'notices',
  'costs',
  'review',
  'timeline',
  'evidence',
  'owed',
  'violations',
  'state',
  'severity',
  'major',
  'yes',
  'no',
  'unknown',
  'none',
  'what',
  'value',
  'when',
  'who',
  'source',
  'text',
  'recorded',
  'owner',
  'dueAt',
  'done',
  'open',
  'kind',
  'amount',
  'code',
  'met',
  'waived',
  'temporary',
  'permanent',
  'services',
  'hosts',
  'customers',
  'regions',
  'departments',
  'customersAffected',
  'callsAttempted',
  'callsFailed',
  'callsAbandoned',
  'callsUnrecorded',
  'duration',
  'downtime',
  'interruption',
  'toAcknowledge',
  'toRespond',
  'toRestore',
  'relapses',
  'author',
  'reviewer',
  'late',
  'correctedBy',
  'generatedAt',
  'factsAreEvidence',
  'days',
  'hours',
  'minutes',
  'seconds',
] as const
export type Label = (typeof labels)[number]

export const words: Readonly<Record<Language, Words>> = { en, zh, vi, ru }
