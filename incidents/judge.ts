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
import { hubSays } from './hub-sentences.ts'
import { blank, live, type Picture, said } from './picture.ts'
import { type Refusal, refusal } from './refusals.ts'
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
export interface Missing extends Refusal {
  readonly guard?: GuardName | undefined
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
  if (rule === undefined) return [noSuchStep(picture.state, move.to)]
  const faults: Missing[] = []
  if (!rule.roles.includes(move.role)) {
    faults.push(refusal('role_may_not', { role: move.role, roles: rule.roles.join(', ') }))
  }
  if ((move.role === 'hub') !== (move.by === hubActor)) {
    faults.push(refusal('hub_is_hub'))
  }
  return [...faults, ...guardFaults(picture, rule, move)]
}

function guardFaults(picture: Picture, rule: Transition, move: Move): Missing[] {
  return rule.guards.flatMap((guard) =>
    guardCode[guard](picture, move).map(({ code, params, text }) => ({
      guard,
      code,
      params,
      text,
    })),
  )
}

function noSuchStep(from: State, to: State): Refusal {
  const next = transitions.filter((one) => one.from.includes(from)).map((one) => one.to)
  return next.length === 0
    ? refusal('state_final', { state: from })
    : refusal('no_such_step', { from, to, states: [...new Set(next)].join(', ') })
}

/** What an incident says against one more fact: nothing when it may be added. Its own faults are `faultsOfFact`'s. */
export function admit(picture: Picture, fact: Omit<NewFact, 'recordedAt'>): Refusal[] {
  const spec = specOf(fact.kind)
  if (picture.facts.length >= limits.facts && isSpare(picture, fact))
    return [refusal('too_many_facts', { count: limits.facts })]
  if (fact.kind === 'opened' && picture.facts.length > 0) return [refusal('opened_is_first')]
  if (!states[picture.state].open && spec.afterEnd !== true)
    return [refusal('ended', { state: picture.state, kind: fact.kind })]
  return [...supersessionFaults(picture, fact as NewFact), ...twoPersonFaults(fact as NewFact)]
}

/** What may be refused when there is no room: the hub's alerts, and what leads to the end, may not. */
function isSpare(picture: Picture, fact: Pick<NewFact, 'kind' | 'recordedBy'>): boolean {
  const spare = fact.kind === 'note' || fact.kind === 'attachment' || fact.kind === 'cost'
  return spare && !picture.simple && fact.recordedBy !== hubActor
}

function supersessionFaults(picture: Picture, fact: NewFact): Refusal[] {
  if (fact.supersedes !== null) {
    const old = picture.facts.find(({ id }) => id === fact.supersedes)
    if (old === undefined) return [refusal('supersedes_nothing', { fact: fact.supersedes })]
    if (old.kind !== fact.kind)
      return [refusal('supersedes_other_kind', { fact: old.id, old: old.kind, kind: fact.kind })]
    const by = picture.supersededBy.get(old.id)
    if (by !== undefined) return [refusal('supersedes_old', { fact: old.id, by })]
    if (fact.certainty === 'suggestion' && old.certainty !== 'suggestion')
      return [refusal('suggestion_over_word', { person: old.recordedBy })]
    if (fact.kind === 'transition') return [refusal('step_stays')]
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
  const stated = { kind: fact.kind, fact: beside.id }
  return [
    per === 'one'
      ? refusal('stated_already', stated)
      : refusal('stated_already_of', { ...stated, key: String(keyOf(fact, per)) }),
  ]
}

function keyOf(fact: { readonly value: unknown }, per: string): unknown {
  return (fact.value as Readonly<Record<string, unknown>>)[per]
}

function twoPersonFaults(fact: NewFact): Refusal[] {
  const by = fact.recordedBy
  if (fact.kind === 'notice' && fact.value.audience === 'customers') {
    const { approvedBy } = fact.value
    if (approvedBy === undefined) return [refusal('approver_missing')]
    if (approvedBy === by) return [refusal('approver_is_author', { person: by })]
  }
  if (fact.kind === 'accepted' && fact.value.technician !== by)
    return [refusal('accepts_in_person', { person: fact.value.technician, by })]
  if (fact.kind === 'declined' && fact.value.technician !== by)
    return [refusal('declines_in_person', { person: fact.value.technician, by })]
  if (fact.kind === 'recovered' && fact.value.evidence === 'machine' && by !== hubActor)
    return [refusal('machine_evidence_by', { person: by })]
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
  const refused = (missing: readonly Missing[]): Verdict => ({ allowed: false, missing })
  const started: Picture = picture.facts.length === 0 ? blank : picture
  let seen = started
  const coming = request.with ?? []
  if (picture.facts.length === 0 && coming[0]?.kind !== 'opened')
    return refused([refusal('begins_with_opened')])
  for (const [index, fact] of coming.entries()) {
    const faults = [...malformed(fact), ...(writtenBySteps.has(fact.kind) ? [stepsOnly(fact)] : [])]
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

function stepsOnly({ kind }: NewFact): Refusal {
  return refusal('written_by_step', { kind })
}

function malformed(fact: NewFact): Refusal[] {
  return faultsOfFact(fact).map((fault) => refusal('malformed', { fault }))
}

function added(from: State, rule: Transition, { to, by, role, at }: Request): NewFact[] {
  const stamp = { certainty: 'actual', occurredAt: at, recordedBy: by, supersedes: null } as const
  return [
    ...rule.adds.map((kind) => ({
      ...stamp,
      kind,
      value: { text: hubSays('closed', { name: by }) },
    })),
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
export function faultsOfAddition(picture: Picture, fact: NewFact): Refusal[] {
  const own = malformed(fact)
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
