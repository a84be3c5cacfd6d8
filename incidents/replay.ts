import { type Fact, type FactKind, faultsOfFact, isFactKind, type Millis, specOf } from './facts.ts'
import { isInstant } from './fields.ts'
import { openDuties } from './guards.ts'
import { admit, missingFor, nextStep } from './judge.ts'
import { backwardRecords, disorder, type Violation } from './order.ts'
import {
  blank,
  current,
  live,
  type Picture,
  placeOf,
  relapseRules,
  type Step,
  said,
  simpleState,
} from './picture.ts'
import { type Refusal, type RefusalParams, refusal } from './refusals.ts'
import { ruleFor, type SimpleState, type State, simpleStates } from './workflow.ts'

/** The first fact that a lawful history could not hold, and why. */
export interface IllegalStep {
  /** Counted from 1. */
  readonly position: number
  readonly fact: string
  readonly kind: string
  readonly reasons: readonly string[]
}

export type Advance =
  | { readonly legal: true; readonly picture: Picture }
  | { readonly legal: false; readonly picture: Picture; readonly illegal: IllegalStep }

/**
 * Takes further facts into a picture, in the order in which they were recorded. It does not matter in how many calls.
 * An illegal one ends it: the picture is the one before that fact.
 */
export function advance(from: Picture, facts: readonly Fact[]): Advance {
  const draft = draftOf(from)
  const ids = new Set(from.facts.map(({ id }) => id))
  for (const fact of facts) {
    const stamp = stampFaults(fact, ids)
    const reasons = stamp.length > 0 ? stamp : faultsIn(draft, fact)
    if (reasons.length > 0) {
      const named = { fact: String(fact?.id), kind: String(fact?.kind) }
      const illegal = { position: draft.facts.length + 1, ...named, reasons }
      return { legal: false, picture: draft, illegal }
    }
    take(draft, fact)
    ids.add(fact.id)
  }
  return { legal: true, picture: draft }
}

/** A picture that grows while facts are taken in; nobody else holds it yet. */
interface Draft extends Picture {
  state: State
  simple: boolean
  readonly facts: Fact[]
  readonly steps: Step[]
  readonly supersededBy: Map<string, string>
}

function draftOf({ state, simple, facts, steps, supersededBy }: Picture): Draft {
  return {
    state,
    simple,
    facts: [...facts],
    steps: [...steps],
    supersededBy: new Map(supersededBy),
  }
}

/** Whether a history begins as those did that were written before there was a workflow. */
const isSimpleStart = (fact: Fact) => fact.kind !== 'opened'

function faultsIn(picture: Picture, fact: Fact): string[] {
  const simple = picture.facts.length === 0 ? isSimpleStart(fact) : picture.simple
  if (fact.kind === 'transition') {
    const own = faultsOfFact(fact)
    return own.length > 0 ? own : stepFaults(picture, fact)
  }
  if (simple) return simpleFaults(picture, fact)
  if (fact.kind === 'resolved' || fact.kind === 'restored')
    return [`${fact.kind} is of the time before the workflow: take a step`]
  const own = faultsOfFact(fact)
  if (own.length > 0) return own
  if (fact.kind === 'closed' && ruleFor(picture.state, 'closed') === undefined)
    return [`closed comes with the step to closed, which does not lead from ${picture.state}`]
  return admit(picture, fact).map(({ text }) => text)
}

/** What records give every fact; without it nothing else can be read. */
function stampFaults(fact: Fact | null, ids: ReadonlySet<string>): string[] {
  if (typeof fact !== 'object' || fact === null) return ['a fact is an object']
  if (!isFactKind(fact.kind)) return [`kind: "${String(fact.kind).slice(0, 40)}" is not known`]
  if (typeof fact.id !== 'string' || fact.id === '') return ['id is missing']
  if (ids.has(fact.id)) return [`there is a fact ${fact.id} already`]
  if (!isInstant(fact.recordedAt) || !isInstant(fact.occurredAt))
    return ['occurredAt and recordedAt are instants in milliseconds since 1970, UTC']
  if (typeof fact.recordedBy !== 'string' || fact.recordedBy === '')
    return ['recordedBy is missing']
  if (fact.supersedes !== null && typeof fact.supersedes !== 'string')
    return ['supersedes: the id of a fact, or null']
  return []
}

function stepFaults(picture: Picture, fact: Fact & { kind: 'transition' }): string[] {
  const { from, to, role, rule } = fact.value
  if (fact.supersedes !== null) return ['a step is never superseded']
  if (fact.certainty !== 'actual') return ['a step is actual, not an estimate']
  if (from !== picture.state)
    return [`the step says it leads from ${from}; it stands at ${picture.state}`]
  const move = { to, by: fact.recordedBy, role, at: fact.occurredAt }
  const missing = missingFor({ ...picture, simple: false }, move).map(({ text }) => text)
  if (missing.length > 0) return missing
  const known = ruleFor(from, to)
  if (known?.rule !== rule)
    return [`the step from ${from} to ${to} is by rule ${known?.rule}, not ${rule}`]
  const came = known.adds.filter((kind) => live(picture, kind).length === 0)
  return came.map((kind) => `the step to ${to} lacks its fact ${kind}`)
}

/** Kinds that were written before there was a workflow. */
const simpleKinds: ReadonlySet<FactKind> = new Set([
  'phenomenon',
  'occurred',
  'detected',
  'impact',
  'preliminary_cause',
  'runbook',
  'alert_fired',
  'alert_resolved',
  'acknowledged',
  'note',
  'restored',
  'relapse',
  'resolved',
] as const)

/** Old facts hold a text of any length and fields of their own; the fields that are known must be right. */
function simpleFaults(picture: Picture, fact: Fact): string[] {
  const value = fact.value as Readonly<Record<string, unknown>> | null
  if (typeof value?.['text'] !== 'string')
    return [`${fact.kind}.text is missing: write what a person reads`]
  const known = Object.keys(specOf(fact.kind).fields).filter((name) => value[name] !== undefined)
  const kept = Object.fromEntries(known.map((name) => [name, value[name]]))
  const judged = simpleKinds.has(fact.kind) ? { ...kept, text: 'as it was' } : value
  // A value of the fields that the kind names, which is what is to be found out.
  const own = faultsOfFact({ ...fact, value: judged } as Fact)
  if (own.length > 0) return own
  if (
    fact.kind === 'resolved' &&
    simpleStates[picture.state] === 'resolved' &&
    picture.facts.length > 0
  )
    return [`the incident is ${picture.state} already`]
  if (fact.kind === 'relapse' && picture.state !== 'restored')
    return [`there is no relapse of an incident that is ${picture.state}`]
  return admit(picture, fact).map(({ text }) => text)
}

function take(draft: Draft, fact: Fact): void {
  if (draft.facts.length === 0 && isSimpleStart(fact)) {
    draft.simple = true
    draft.state = 'recorded'
  }
  const step = stepOf(draft, fact)
  draft.facts.push(fact)
  if (fact.supersedes !== null) draft.supersededBy.set(fact.supersedes, fact.id)
  if (step === undefined) return
  if (fact.kind === 'transition') draft.simple = false
  draft.state = step.to
  draft.steps.push(step)
}

function stepOf(picture: Picture, fact: Fact): Step | undefined {
  const stamp = {
    at: fact.occurredAt,
    by: fact.recordedBy,
    fact: fact.id,
    position: picture.facts.length,
    from: picture.state,
  }
  if (fact.kind === 'transition') {
    const { to, role, rule } = fact.value
    return { ...stamp, to, role, rule }
  }
  if (!picture.simple) return undefined
  if (fact.kind === 'resolved') return { ...stamp, to: 'restored', rule: 'simple_resolve' }
  if (fact.kind === 'relapse') return { ...stamp, to: 'recorded', rule: 'simple_relapse' }
  return undefined
}

/** One field of the record: what counts now, and what was said before it. */
export interface FieldHistory {
  readonly current: Fact
  /** Older versions, newest first; each stays on file. */
  readonly superseded: readonly Fact[]
}

/** Spans of time, in milliseconds; absent where an end is not known. */
export interface Figures {
  /** From occurrence (else detection) to the last recovery: 2024/1772 Art. 3(1). */
  readonly durationMillis?: number
  /** As duration, until delayed work was caught up: Art. 3(2). Short recoveries before a relapse count as down. */
  readonly downtimeMillis?: number
  /** Downtime without those short recoveries. */
  readonly interruptionMillis?: number
  readonly toAcknowledgeMillis?: number
  readonly toRespondMillis?: number
  readonly toRestoreMillis?: number
  readonly relapses: number
  /** True when an end of any span is an estimate or a suggestion. */
  readonly estimated: boolean
}

/** What is still owed, and by whom. */
export interface Owed {
  readonly what: 'step' | 'action' | 'duty'
  /** Where the hub says it: what `text` says in English. */
  readonly code?: Refusal['code']
  readonly params?: RefusalParams
  /** The state to reach, the number of the action, the code of the duty. */
  readonly id: string
  readonly text: string
  readonly by: string
  readonly dueAt?: Millis
}

export interface Replayed {
  readonly state: State
  readonly simpleState: SimpleState
  readonly steps: readonly Step[]
  /** By kind, and by `kind key` for kinds that have one current value for each key. */
  readonly fields: ReadonlyMap<string, FieldHistory>
  readonly violations: readonly Violation[]
  readonly figures: Figures
  readonly owed: readonly Owed[]
  readonly picture: Picture
}

export type Replay =
  | ({ readonly legal: true } & Replayed)
  | { readonly legal: false; readonly illegal: IllegalStep; readonly picture: Picture }

/** Everything that follows from the facts of one incident. `now` matters only to what is owed. */
export function replay(facts: readonly Fact[], now: Millis): Replay {
  const result = advance(blank, facts)
  return result.legal ? { legal: true, ...describe(result.picture, now) } : result
}

/** Like `replay`, from a picture. */
export function describe(picture: Picture, now: Millis): Replayed {
  return {
    state: picture.state,
    simpleState: simpleState(picture),
    steps: picture.steps,
    fields: fieldsOf(picture),
    violations: [...disorder(picture), ...backwardRecords(picture)],
    figures: figuresOf(picture),
    owed: owedIn(picture, now),
    picture,
  }
}

function fieldsOf(picture: Picture): ReadonlyMap<string, FieldHistory> {
  const older = new Map([...picture.supersededBy].map(([old, by]) => [by, old]))
  const byId = new Map(picture.facts.map((fact) => [fact.id, fact]))
  const fields = new Map<string, FieldHistory>()
  for (const fact of picture.facts) {
    if (picture.supersededBy.has(fact.id)) continue
    const { per } = specOf(fact.kind)
    if (per === 'many') continue
    const key =
      per === 'one'
        ? fact.kind
        : `${fact.kind} ${String((fact.value as unknown as Record<string, unknown>)[per])}`
    const best = fields.get(key)?.current
    if (best !== undefined && best.certainty !== 'suggestion' && fact.certainty === 'suggestion')
      continue
    const superseded: Fact[] = []
    for (let id = older.get(fact.id); id !== undefined; id = older.get(id)) {
      const old = byId.get(id)
      if (old !== undefined) superseded.push(old)
    }
    fields.set(key, { current: fact, superseded })
  }
  return fields
}

interface Span {
  readonly from: Millis
  readonly to: Millis | undefined
}

const isRelapse = ({ rule }: Step) => (relapseRules as readonly string[]).includes(rule)

/** Times of being down: from the beginning, or a relapse, to the recovery after it. */
function spans(picture: Picture, start: Millis): Span[] {
  const begins = [
    { at: start, position: -1 },
    ...picture.steps
      .filter(isRelapse)
      .map(({ at, position }) => ({ at: relapseAt(picture, position) ?? at, position })),
  ]
  return begins.map(({ at, position }, index) => {
    const until = begins[index + 1]?.position ?? Number.POSITIVE_INFINITY
    const end = picture.steps.find(
      (step) => step.to === 'restored' && step.position > position && step.position < until,
    )
    return { from: at, to: end === undefined ? undefined : recoveredAt(picture, position, end) }
  })
}

/** When the fault came back, as the fact written before the step says. */
function relapseAt(picture: Picture, position: number): Millis | undefined {
  return said(picture, 'relapse').findLast((fact) => placeOf(picture, fact) <= position)?.occurredAt
}

/** When it recovered, as said between two places of the history; corrections stand where the first version stood. */
function recoveredAt(picture: Picture, from: number, step: Step): Millis {
  const recovered = said(picture, 'recovered').findLast((fact) => {
    const place = placeOf(picture, fact)
    return place > from && place < step.position
  })
  return recovered?.occurredAt ?? step.at
}

/** The figures of one incident. A span that would end before it began is absent; `violations` names the facts. */
export function figuresOf(picture: Picture): Figures {
  const occurred = current(picture, 'occurred')
  const detected = current(picture, 'detected')
  const start = occurred ?? detected
  const acknowledged = said(picture, 'acknowledged')[0]
  const arrived = said(picture, 'arrived')[0]
  const relapses = picture.steps.filter(isRelapse).length
  const down = start === undefined ? [] : spans(picture, start.occurredAt)
  const end = down.at(-1)?.to
  const caughtUp = current(picture, 'backlog_cleared')?.occurredAt
  const whole = end === undefined ? undefined : Math.max(end, caughtUp ?? end)
  const anchors: readonly (Fact | undefined)[] = [
    start,
    detected,
    acknowledged,
    arrived,
    current(picture, 'recovered'),
  ]
  const span = (name: string, from: Millis | undefined, to: Millis | undefined) =>
    from === undefined || to === undefined || to < from ? {} : { [name]: to - from }
  const interrupted = down.every(({ from, to }) => to !== undefined && to >= from)
    ? down.reduce((sum, { from, to }) => sum + ((to ?? from) - from), 0)
    : undefined
  return {
    ...span('durationMillis', start?.occurredAt, end),
    ...span('downtimeMillis', start?.occurredAt, whole),
    ...span('interruptionMillis', end === undefined ? undefined : 0, interrupted),
    ...span('toAcknowledgeMillis', detected?.occurredAt, acknowledged?.occurredAt),
    ...span('toRespondMillis', detected?.occurredAt, arrived?.occurredAt),
    ...span('toRestoreMillis', detected?.occurredAt, end),
    relapses,
    estimated: anchors.some((fact) => fact !== undefined && fact.certainty !== 'actual'),
  }
}

function owedIn(picture: Picture, now: Millis): Owed[] {
  // What ended before there was a workflow owes it nothing.
  if (picture.simple && simpleStates[picture.state] === 'resolved') return []
  const next = nextStep(picture, now)
  const done = new Set(said(picture, 'action_done').map(({ value }) => value.number))
  return [
    ...(next?.missing ?? []).map(({ code, params, text }) => ({
      what: 'step' as const,
      id: next?.to ?? '',
      ...{ code, params, text },
      by: next?.roles.join(', ') ?? '',
    })),
    ...(next !== undefined && next.missing.length === 0
      ? [
          {
            what: 'step' as const,
            id: next.to,
            ...refusal('take_the_step', { state: next.to }),
            by: next.roles.join(', '),
          },
        ]
      : []),
    ...said(picture, 'action')
      .filter(({ value }) => !done.has(value.number))
      .map(({ value }) => ({
        what: 'action' as const,
        id: String(value.number),
        text: value.text,
        by: value.owner ?? 'nobody',
        ...(value.dueAt === undefined ? {} : { dueAt: value.dueAt }),
      })),
    ...openDuties(picture).map(({ value }) => ({
      what: 'duty' as const,
      id: value.duty,
      text: value.text,
      by: 'regulatory_liaison',
      ...(value.dueAt === undefined ? {} : { dueAt: value.dueAt }),
    })),
  ]
}
