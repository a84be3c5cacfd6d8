import { type FactKind, factKinds, isFactKind, kinds, specOf } from '../../../../incidents/facts.ts'
import { type GuardName, type State, states } from '../../../../incidents/workflow.ts'
import type { Fact, Missing } from './api-types.ts'

/** What people write, by the part of the work it belongs to; each kind of the published table that is in none comes last. */
export const kindGroups = {
  known: [
    ...['impact', 'preliminary_cause', 'severity', 'major', 'phenomenon'],
    ...['occurred', 'detected', 'aware', 'classified'],
  ],
  handling: [
    ...['note', 'plan_activated', 'assigned', 'accepted', 'arrived', 'finding', 'part'],
    ...['mitigated', 'temporary_measure', 'recovered', 'backlog_cleared', 'relapse'],
  ],
  analysis: [
    ...['root_cause', 'five_whys', 'permanent_measure', 'root_cause_addressed'],
    ...['went_well', 'went_badly', 'action', 'action_done'],
  ],
  closing: [
    ...['answer', 'duty_owed', 'duty_met', 'duty_waived', 'notice_not_needed', 'attestation'],
    ...['cost', 'recovery', 'recurrence_of'],
  ],
} as const satisfies Readonly<Record<string, readonly FactKind[]>>
export type KindGroup = keyof typeof kindGroups | 'other'

/** Kinds that come another way: by the hub, by a step, by an upload, by a part of the page of their own. */
const comeOtherwise: ReadonlySet<FactKind> = new Set([
  ...(['opened', 'alert_fired', 'alert_resolved', 'evidence', 'attachment', 'notice'] as const),
  ...(['restored', 'resolved', 'transition', 'closed', 'cancelled', 'merged'] as const),
  ...(['runbook', 'runbook_step', 'role', 'acknowledged'] as const),
])

/** Every kind a person may choose, in groups. */
export function writableKinds(): [KindGroup, readonly FactKind[]][] {
  const named = Object.values(kindGroups).flat() as FactKind[]
  const other = factKinds.filter((kind) => !named.includes(kind) && !comeOtherwise.has(kind))
  return [...(Object.entries(kindGroups) as [KindGroup, readonly FactKind[]][]), ['other', other]]
}

/** Whether a person may correct such a fact from the timeline; once the incident has ended, few. */
export function mayCorrect(kind: string, workflowState: string): kind is FactKind {
  if (!isFactKind(kind) || (comeOtherwise.has(kind) && kind !== 'runbook_step')) return false
  return isOpen(workflowState) || specOf(kind).afterEnd === true
}

/** Whether facts of every kind are still taken; a state that is not known here counts as open. */
export function isOpen(workflowState: string): boolean {
  return states[workflowState as State]?.open !== false
}

/** Which facts give what a guard asks for, the likeliest first; none where no fact does. */
export const suppliers: Readonly<Partial<Record<GuardName, readonly FactKind[]>>> = {
  phenomenon: ['phenomenon'],
  detected_at: ['detected'],
  affected_service: ['impact'],
  preliminary_cause: ['preliminary_cause'],
  plan_pinned: ['plan_activated'],
  technician_accepted: ['assigned', 'accepted'],
  arrived: ['accepted', 'arrived'],
  recovered_at: ['recovered', 'mitigated'],
  recovery_proven: ['recovered'],
  instants_in_order: ['occurred', 'detected', 'classified', 'mitigated', 'recovered'],
  relapse_seen: ['relapse'],
  temporary_measures: ['temporary_measure'],
  root_cause_coded: ['root_cause', 'five_whys'],
  cause_evidence: ['root_cause'],
  permanent_measures: ['permanent_measure'],
  four_questions: ['answer'],
  actions_owned: ['action'],
  duties_settled: ['duty_met', 'duty_waived', 'duty_owed', 'major'],
  customers_told: ['notice_not_needed'],
  attested: ['attestation'],
  sent_back_reason: ['note'],
}

/** What is missing, gathered by the guard that asks for it; what no guard asks for stands alone. */
export function byGuard(missing: readonly Missing[]): [string | undefined, readonly Missing[]][] {
  const gathered = new Map<string, [string | undefined, readonly Missing[]]>()
  for (const one of missing) {
    const key = one.guard ?? one.text
    gathered.set(key, [one.guard, [...(gathered.get(key)?.[1] ?? []), one]])
  }
  return [...gathered.values()]
}

/** How a field is filled in. */
export type Widget =
  | { readonly kind: 'text' | 'line' | 'person' | 'lines' | 'number' | 'flag' | 'instant' }
  | { readonly kind: 'cause' | 'causes' | 'additional' | 'evidence' | 'whys' | 'plan' }
  | { readonly kind: 'choice'; readonly codes: readonly string[] }

const special: Readonly<Record<string, Widget>> = {
  'preliminary_cause.code': { kind: 'cause' },
  'root_cause.codes': { kind: 'causes' },
  'root_cause.additional': { kind: 'additional' },
  'root_cause.evidence': { kind: 'evidence' },
  'five_whys.whys': { kind: 'whys' },
  'plan_activated.runbook': { kind: 'plan' },
}

/** By what the published table wants there. */
export function widgetOf(kind: FactKind, field: string): Widget {
  const own = special[`${kind}.${field}`]
  if (own !== undefined) return own
  const wants = specOf(kind).fields[field]?.wants ?? ''
  if (wants.startsWith('text of')) return { kind: 'text' }
  if (wants.startsWith('the name of a person')) return { kind: 'person' }
  if (wants.startsWith('one of '))
    return { kind: 'choice', codes: wants.slice('one of '.length).split(', ') }
  if (wants.startsWith('a whole number') || wants.startsWith('an amount')) return { kind: 'number' }
  if (wants.startsWith('true or false')) return { kind: 'flag' }
  if (wants.startsWith('an instant')) return { kind: 'instant' }
  return { kind: wants.startsWith('a list of') ? 'lines' : 'line' }
}

/** Fields nobody fills in: they follow from who writes, or from another field. */
const filledIn: Readonly<Partial<Record<FactKind, readonly string[]>>> = {
  phenomenon: ['rule'],
  // What a program suggests cites what it froze.
  impact: ['evidence'],
  preliminary_cause: ['evidence'],
  accepted: ['technician'],
  recovered: ['evidence', 'greenMillis', 'sources', 'verifier'],
  plan_activated: ['hash', 'reason'],
  action: ['number'],
  runbook_step: ['hash', 'step'],
}

/** The fields of a form, what is to be said in words last. */
export function fieldsOf(kind: FactKind): string[] {
  const names = Object.keys(specOf(kind).fields).filter(
    (name) => name !== 'text' && filledIn[kind]?.includes(name) !== true,
  )
  return [...names, 'text']
}

export function isOptional(kind: FactKind, field: string): boolean {
  if (field === 'text') return fieldsOf(kind).length > 1 || wordsGoWithout.has(kind)
  if (kind === 'root_cause' && field === 'evidence') return true
  return specOf(kind).fields[field]?.optional !== false
}

/** Instants and consents say enough by their kind and time. */
const wordsGoWithout: ReadonlySet<FactKind> = new Set([
  ...(['accepted', 'recovered', 'occurred', 'detected', 'aware', 'classified'] as const),
  ...(['backlog_cleared', 'attestation', 'reviewed', 'relapse'] as const),
])

/** What stands in a form, as it was typed. */
export type Draft = Readonly<Record<string, string | boolean | readonly string[]>>

/** What a form starts from. */
export interface FormScene {
  readonly me: string
  readonly facts: readonly Fact[]
  readonly runbook: { readonly name: string; readonly hash: string } | null
}

/** A fact's value as a form shows it; without one, what can be known beforehand. */
export function draftOf(kind: FactKind, scene: FormScene, from: Fact | undefined): Draft {
  const value = (from?.value ?? {}) as Readonly<Record<string, unknown>>
  const draft: Record<string, string | boolean | readonly string[]> = { ...starts(kind, scene) }
  for (const [name, content] of Object.entries(value)) {
    const widget = widgetOf(kind, name).kind
    if (Array.isArray(content))
      draft[name] = widget === 'lines' ? content.map(String).join('\n') : content.map(String)
    else if (typeof content === 'boolean') draft[name] = content
    else draft[name] = widget === 'instant' ? localInput(Number(content)) : String(content)
  }
  if (kind === 'plan_activated' && from !== undefined)
    draft['plan'] = typeof value['hash'] === 'string' ? 'runbook' : String(value['reason'] ?? '')
  return draft
}

function starts(kind: FactKind, { me, facts, runbook }: FormScene): Draft {
  switch (kind) {
    case 'arrived':
      return { technician: me, mode: 'on_site' }
    case 'mitigated':
      return { fixer: me }
    case 'cost':
    case 'recovery':
      return { currency: 'EUR' }
    case 'part':
      return { quantity: '1' }
    case 'major':
      return { major: false }
    case 'plan_activated':
      return { plan: runbook === null ? 'none_exists' : 'runbook' }
    case 'answer':
      return { question: openQuestion(facts) }
    case 'action_done':
      return { number: String(numbers(standing(facts), 'action')[0] ?? 1) }
    default:
      return {}
  }
}

function openQuestion(facts: readonly Fact[]): string {
  const answered = standing(facts).flatMap(({ kind, value }) =>
    kind === 'answer' ? [(value as { question: string }).question] : [],
  )
  const widget = widgetOf('answer', 'question')
  const codes = widget.kind === 'choice' ? widget.codes : []
  return codes.find((code) => !answered.includes(code)) ?? codes[0] ?? ''
}

function numbers(facts: readonly Fact[], kind: string): number[] {
  return facts
    .filter((fact) => fact.kind === kind)
    .map(({ value }) => Number((value as { number?: unknown }).number))
}

/** The value that a form amounts to; faults are the published table's to find. */
export function valueFrom(kind: FactKind, draft: Draft, scene: FormScene): Record<string, unknown> {
  const value: Record<string, unknown> = { ...filled(kind, draft, scene) }
  for (const name of fieldsOf(kind)) {
    const widget = widgetOf(kind, name)
    const content = widget.kind === 'plan' ? undefined : read(widget, draft[name])
    if (content !== undefined && !(name in value)) value[name] = content
  }
  if (kind === 'major') value['major'] = draft['major'] === true
  if (kind === 'root_cause') value['evidence'] ??= []
  return value
}

function read(widget: Widget, content: Draft[string] | undefined): unknown {
  if (content === undefined || content === '' || content === false) return undefined
  if (typeof content === 'boolean') return content
  if (typeof content !== 'string') return listed(content)
  const line = content.trim()
  if (line === '') return undefined
  if (widget.kind === 'number') return Number(line)
  if (widget.kind === 'instant') return Date.parse(line)
  if (widget.kind === 'lines') return listed(line.split('\n'))
  return line
}

function listed(lines: readonly string[]): string[] | undefined {
  const full = [...new Set(lines.map((line) => line.trim()).filter((line) => line !== ''))]
  return full.length === 0 ? undefined : full
}

function filled(kind: FactKind, draft: Draft, { me, facts, runbook }: FormScene) {
  switch (kind) {
    case 'accepted':
      return { technician: me }
    case 'recovered':
      return { evidence: 'person', verifier: me }
    case 'plan_activated':
      return draft['plan'] === 'runbook' && runbook !== null
        ? { runbook: runbook.name, hash: runbook.hash }
        : { reason: draft['plan'] }
    case 'action': {
      const taken = numbers(facts, 'action').filter((number) => Number.isFinite(number))
      return { number: Number(draft['number'] ?? Math.max(0, ...taken) + 1) }
    }
    default:
      return {}
  }
}

/** The fact that a new one of this kind and value has to correct; none where it stands beside. */
export function corrected(
  kind: FactKind,
  value: Readonly<Record<string, unknown>>,
  facts: readonly Fact[],
): Fact | undefined {
  const { per } = kinds[kind] as { readonly per: string }
  if (per === 'many') return undefined
  const same = standing(facts).filter(
    (fact) =>
      fact.kind === kind &&
      (per === 'one' || (fact.value as Readonly<Record<string, unknown>>)[per] === value[per]),
  )
  return same.find(({ certainty }) => certainty !== 'suggestion') ?? same.at(-1)
}

/** Facts by sequence, without those a later fact replaced. */
export function standing(facts: readonly Fact[]): Fact[] {
  const replaced = new Set(facts.map((fact) => fact.supersedes))
  return facts.filter((fact) => !replaced.has(fact.id)).sort((a, b) => a.sequence - b.sequence)
}

/** For `<input type="datetime-local">`: the reader's own clock, to the minute. */
export function localInput(at: number): string {
  const date = new Date(at)
  const two = (number: number) => String(number).padStart(2, '0')
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}T${two(date.getHours())}:${two(date.getMinutes())}`
}
