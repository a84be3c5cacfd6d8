import {
  type Fact,
  type FactKind,
  faultsOfFact,
  hubActor,
  limits,
  type Millis,
  type NewFact,
  specOf,
} from './facts.ts'
import { guardCode, type Move } from './guards.ts'
import { blank, live, type Picture, said } from './picture.ts'
import {
  type GuardName,
  type Role,
  roles,
  ruleFor,
  type State,
  states,
  type Transition,
  transitions,
} from './workflow.ts'

/** A step somebody asks for, with the facts that come with it, written in the same transaction. */
export interface Request extends Move {
  readonly with?: readonly NewFact[]
}

/** Why a step is refused; `guard` is missing where the step itself is not in the table. */
export interface Missing {
  readonly guard?: GuardName | undefined
  readonly text: string
}

export type Verdict =
  | {
      readonly allowed: true
      readonly rule: string
      /** All facts to write, in this order. */
      readonly facts: readonly NewFact[]
    }
  | { readonly allowed: false; readonly missing: readonly Missing[] }

/** Kinds that only steps write. */
export const writtenBySteps: ReadonlySet<FactKind> = new Set(['transition', 'closed'])
/** Kinds that mean something only together with a step. */
const comeWithSteps: ReadonlySet<FactKind> = new Set(['cancelled', 'merged'])

/** What is missing for a step; nothing when it may be taken. The facts that come with it are in the picture already. */
export function missingFor(picture: Picture, move: Move): Missing[] {
  const rule = ruleFor(picture.state, move.to)
  if (rule === undefined) return [{ text: noSuchStep(picture.state, move.to) }]
  const faults: Missing[] = []
  if (!rule.roles.includes(move.role)) {
    faults.push({ text: `a ${move.role} may not do this; ${rule.roles.join(', ')} may` })
  }
  if ((move.role === 'hub') !== (move.by === hubActor)) {
    faults.push({ text: `the role hub and the name ${hubActor} belong together` })
  }
  return [...faults, ...guardFaults(picture, rule, move)]
}

function guardFaults(picture: Picture, rule: Transition, move: Move): Missing[] {
  return rule.guards.flatMap((guard) =>
    guardCode[guard](picture, move).map((text) => ({ guard, text })),
  )
}

function noSuchStep(from: State, to: State): string {
  const next = transitions.filter((one) => one.from.includes(from)).map((one) => one.to)
  return next.length === 0
    ? `the incident is ${from}, which is final: record a new one with recurrence_of`
    : `no step leads from ${from} to ${to}; from ${from} one goes to ${[...new Set(next)].join(', ')}`
}

/** What an incident says against one more fact: nothing when it may be added. Its own faults are `faultsOfFact`'s. */
export function admit(picture: Picture, fact: Omit<NewFact, 'recordedAt'>): string[] {
  const spec = specOf(fact.kind)
  if (picture.facts.length >= limits.facts && isSpare(picture, fact))
    return [`the incident has ${limits.facts} facts, which is the limit: close it`]
  if (fact.kind === 'opened' && picture.facts.length > 0)
    return ['opened is the first fact of an incident, or none']
  if (!states[picture.state].open && spec.afterEnd !== true)
    return [`the incident is ${picture.state}: ${fact.kind} is not taken any more; write a note`]
  return [...supersessionFaults(picture, fact as NewFact), ...twoPersonFaults(fact as NewFact)]
}

/** What may be refused when there is no room: the hub's alerts, and what leads to the end, may not. */
function isSpare(picture: Picture, fact: Pick<NewFact, 'kind' | 'recordedBy'>): boolean {
  const spare = fact.kind === 'note' || fact.kind === 'attachment' || fact.kind === 'cost'
  return spare && !picture.simple && fact.recordedBy !== hubActor
}

function supersessionFaults(picture: Picture, fact: NewFact): string[] {
  if (fact.supersedes !== null) {
    const old = picture.facts.find(({ id }) => id === fact.supersedes)
    if (old === undefined)
      return [`supersedes: there is no fact ${fact.supersedes} before this one`]
    if (old.kind !== fact.kind)
      return [`supersedes: fact ${old.id} is ${old.kind}; only ${fact.kind} may be superseded`]
    const by = picture.supersededBy.get(old.id)
    if (by !== undefined)
      return [`supersedes: fact ${old.id} is superseded by ${by}: name that one`]
    if (fact.certainty === 'suggestion' && old.certainty !== 'suggestion')
      return [`a suggestion does not supersede what ${old.recordedBy} said`]
    if (fact.kind === 'transition') return ['a step is never superseded']
  }
  if (picture.simple) return []
  const { per } = specOf(fact.kind)
  if (per === 'many') return []
  const beside = live(picture, fact.kind).find(
    (one) =>
      one.id !== fact.supersedes &&
      (one.certainty === 'suggestion') === (fact.certainty === 'suggestion') &&
      (per === 'one' || keyOf(one, per) === keyOf(fact, per)),
  )
  if (beside === undefined) return []
  const what = per === 'one' ? fact.kind : `${fact.kind} ${String(keyOf(fact, per))}`
  return [`${what} is stated by fact ${beside.id}: name it in supersedes to correct it`]
}

function keyOf(fact: { readonly value: unknown }, per: string): unknown {
  return (fact.value as Readonly<Record<string, unknown>>)[per]
}

function twoPersonFaults(fact: NewFact): string[] {
  if (fact.kind === 'notice' && fact.value.audience === 'customers') {
    const { approvedBy } = fact.value
    if (approvedBy === undefined) return ['notice.approvedBy is missing: name who approved it']
    if (approvedBy === fact.recordedBy)
      return [`the notice’s approver is its author ${approvedBy}: let another person approve it`]
  }
  if (fact.kind === 'accepted' && fact.value.technician !== fact.recordedBy)
    return [`${fact.value.technician} accepts in person; ${fact.recordedBy} cannot do it`]
  if (fact.kind === 'declined' && fact.value.technician !== fact.recordedBy)
    return [`${fact.value.technician} declines in person; ${fact.recordedBy} cannot do it`]
  if (
    fact.kind === 'recovered' &&
    fact.value.evidence === 'machine' &&
    fact.recordedBy !== hubActor
  )
    return [`machine evidence is written by ${hubActor}, not by ${fact.recordedBy}`]
  return []
}

/** Adds a fact without asking whether it may be. */
function withFact(picture: Picture, fact: Fact): Picture {
  const supersededBy =
    fact.supersedes === null
      ? picture.supersededBy
      : new Map([...picture.supersededBy, [fact.supersedes, fact.id] as const])
  return { ...picture, facts: [...picture.facts, fact], supersededBy }
}

/**
 * Whether a step may be taken. Allowed: the facts to write, in order. Refused: all that is missing, each by the name of
 * its guard and in words.
 */
export function judge(picture: Picture, request: Request): Verdict {
  const refused = (texts: readonly string[]): Verdict => ({
    allowed: false,
    missing: texts.map((text) => ({ text })),
  })
  const started: Picture = picture.facts.length === 0 ? blank : picture
  let seen = started
  const coming = request.with ?? []
  if (picture.facts.length === 0 && coming[0]?.kind !== 'opened')
    return refused(['the first fact of an incident is opened: how it came to be recorded'])
  for (const [index, fact] of coming.entries()) {
    const faults = [
      ...faultsOfFact(fact),
      ...(writtenBySteps.has(fact.kind) ? [stepsOnly(fact)] : []),
    ]
    if (faults.length > 0) return refused(faults)
    const against = admit(seen, fact)
    if (against.length > 0) return refused(against)
    seen = withFact(seen, { ...fact, id: `new ${index + 1}`, recordedAt: request.at } as Fact)
  }
  const strict = { ...seen, simple: false }
  const missing = missingFor(strict, request)
  if (missing.length > 0) return { allowed: false, missing }
  const rule = ruleFor(picture.state, request.to)
  if (rule === undefined) throw new Error(`BUG: no rule to ${request.to} after it was judged`)
  return {
    allowed: true,
    rule: rule.rule,
    facts: [...coming, ...added(picture.state, rule, request)],
  }
}

function stepsOnly(fact: NewFact): string {
  return `${fact.kind} is written by a step: ask for the step`
}

function added(from: State, rule: Transition, { to, by, role, at }: Request): NewFact[] {
  const stamp = { certainty: 'actual', occurredAt: at, recordedBy: by, supersedes: null } as const
  return [
    ...rule.adds.map((kind) => ({ ...stamp, kind, value: { text: `Closed by ${by}.` } })),
    {
      ...stamp,
      kind: 'transition',
      value: {
        text: `${states[to].title}, by ${by} (${roles[role]}).`,
        from,
        to,
        role,
        rule: rule.rule,
      },
    },
  ]
}

/** Faults of a fact that comes without a step: its own, and what the incident says against it. */
export function faultsOfAddition(picture: Picture, fact: NewFact): string[] {
  const own = faultsOfFact(fact)
  if (own.length > 0) return own
  if (writtenBySteps.has(fact.kind) || comeWithSteps.has(fact.kind)) return [stepsOnly(fact)]
  return admit(picture, fact)
}

/** Roles that may take the next step on the way to the end, and what it still needs. */
export function nextStep(
  picture: Picture,
  at: Millis,
):
  | {
      readonly rule: string
      readonly to: State
      readonly roles: readonly Role[]
      readonly missing: Missing[]
    }
  | undefined {
  const to = states[picture.state].next
  const rule = to === undefined ? undefined : ruleFor(picture.state, to)
  if (to === undefined || rule === undefined) return undefined
  const reviewer = said(picture, 'attestation').at(-1)?.recordedBy ?? ''
  const role = rule.roles.find((one) => one !== 'hub') ?? 'commander'
  return {
    rule: rule.rule,
    to,
    roles: rule.roles,
    missing: guardFaults(picture, rule, { to, by: reviewer, role, at }),
  }
}
