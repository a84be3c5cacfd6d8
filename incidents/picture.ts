import type { Fact, FactKind, FactOf, Millis } from './facts.ts'
import { type Role, type SimpleState, type State, simpleStates } from './workflow.ts'

/** A step that was taken. */
export interface Step {
  readonly from: State
  readonly to: State
  readonly at: Millis
  readonly by: string
  /** Absent for steps written before there was a workflow. */
  readonly role?: Role
  readonly rule: string
  /** The id of the fact that holds it. */
  readonly fact: string
  /** How many facts came before it. */
  readonly position: number
}

/** What a list of facts amounts to so far. */
export interface Picture {
  readonly state: State
  /** Written without steps, as before there was a workflow; ends with the first step. */
  readonly simple: boolean
  readonly facts: readonly Fact[]
  readonly steps: readonly Step[]
  readonly supersededBy: ReadonlyMap<string, string>
}

/** Before the first fact. */
export const blank: Picture = {
  state: 'draft',
  simple: false,
  facts: [],
  steps: [],
  supersededBy: new Map(),
}

/** Facts of a kind that no other supersedes, oldest first. */
export function live<K extends FactKind>(picture: Picture, kind: K): FactOf<K>[] {
  // The kind tells the type of the value; the compiler does not follow that through a type parameter.
  return picture.facts.filter(
    (fact) => fact.kind === kind && !picture.supersededBy.has(fact.id),
  ) as unknown as FactOf<K>[]
}

/** Like `live`, without suggestions. */
export function said<K extends FactKind>(picture: Picture, kind: K): FactOf<K>[] {
  return live(picture, kind).filter(({ certainty }) => certainty !== 'suggestion')
}

/** What counts now: the latest that somebody said, else the latest suggestion. */
export function current<K extends FactKind>(picture: Picture, kind: K): FactOf<K> | undefined {
  return said(picture, kind).at(-1) ?? live(picture, kind).at(-1)
}

/** The last step into a state by any of these rules. */
export function lastStep(picture: Picture, ...rules: readonly string[]): Step | undefined {
  return picture.steps.findLast(({ rule }) => rules.includes(rule))
}

/** Rules that take up an incident again. */
export const relapseRules = ['relapse', 'relapse_unattended', 'simple_relapse'] as const

/** The place of what a fact corrects, or of itself: a correction stands where the first version stood. */
export function placeOf(picture: Picture, fact: Pick<Fact, 'id' | 'supersedes'>): number {
  const byId = new Map(picture.facts.map((one, index) => [one.id, { one, index }]))
  let first = byId.get(fact.id)
  for (let old = fact.supersedes; old !== null; ) {
    const earlier = byId.get(old)
    if (earlier === undefined) break
    first = earlier
    old = earlier.one.supersedes
  }
  return first?.index ?? -1
}

/** The recovery that counts: said after the last relapse. */
export function recovery(picture: Picture): FactOf<'recovered'> | undefined {
  const from = lastStep(picture, ...relapseRules)?.position ?? 0
  return said(picture, 'recovered').findLast((fact) => placeOf(picture, fact) >= from)
}

/** Who fixed: technicians who accepted or came, and whoever reduced the effect. */
export function fixers(picture: Picture): ReadonlySet<string> {
  return new Set([
    ...said(picture, 'accepted').map(({ value }) => value.technician),
    ...said(picture, 'arrived').map(({ value }) => value.technician),
    ...said(picture, 'mitigated').map(({ value }) => value.fixer),
  ])
}

/** Whether it was taken over from other records: what was due in it was due elsewhere. */
export function isImported({ facts: [first] }: Picture): boolean {
  return first?.kind === 'opened' && first.value.how === 'import'
}

/** Who has a part in this incident now. Whoever accepts is a technician without being named one. */
export function holders(picture: Picture, role: Role): ReadonlySet<string> {
  const has = new Set(
    role === 'technician' ? said(picture, 'accepted').map(({ value }) => value.technician) : [],
  )
  for (const { value } of said(picture, 'role')) {
    if (value.role !== role) continue
    if (value.ended === true) has.delete(value.person)
    else has.add(value.person)
  }
  return has
}

/** Who wrote the analysis, also what was superseded, and who handed it in. */
export function authors(picture: Picture): ReadonlySet<string> {
  const written = picture.facts.filter(
    ({ kind, certainty }) =>
      certainty !== 'suggestion' &&
      (kind === 'root_cause' || kind === 'five_whys' || kind === 'permanent_measure'),
  )
  const handedIn = picture.steps.filter(({ rule }) => rule === 'submit')
  return new Set([...written.map(({ recordedBy }) => recordedBy), ...handedIn.map(({ by }) => by)])
}

/** What lists showed before there was a workflow: open, acknowledged or resolved. */
export function simpleState(picture: Picture): SimpleState {
  if (simpleStates[picture.state] === 'resolved') return 'resolved'
  const from = lastStep(picture, ...relapseRules)?.position ?? 0
  const taken = picture.facts.slice(from).some(({ kind }) => kind === 'acknowledged')
  return taken ? 'acknowledged' : 'open'
}
