import type { Certainty, Fact, FactKind, FactValue, NewFact } from '../../../incidents/facts.ts'
import { judge, type Verdict } from '../../../incidents/judge.ts'
import { blank, current, type Picture, said } from '../../../incidents/picture.ts'
import { advance } from '../../../incidents/replay.ts'
import {
  type GuardName,
  type Role,
  ruleFor,
  type State,
  type Transition,
} from '../../../incidents/workflow.ts'

export const minute = 60_000
export const hour = 60 * minute
const begin = Date.UTC(2026, 2, 28, 22, 0)

interface Stamp {
  readonly by?: string
  readonly certainty?: Certainty
  readonly at?: number
  readonly supersedes?: string | null
}

/** One incident as it is lived, with a clock moved by hand: every fact is recorded a minute after the one before. */
export class Story {
  picture: Picture = blank
  now = begin

  get facts(): readonly Fact[] {
    return this.picture.facts
  }

  newFact<K extends FactKind>(kind: K, value: FactValue<K>, stamp: Stamp = {}): NewFact {
    const { by = 'anna', certainty = 'actual', at = this.now, supersedes = null } = stamp
    // The kind and its value belong together by the signature.
    return { kind, value, certainty, occurredAt: at, recordedBy: by, supersedes } as NewFact
  }

  /** Adds a fact; throws when it is not lawful. */
  add<K extends FactKind>(kind: K, value: FactValue<K>, stamp: Stamp = {}): Fact {
    this.now += minute
    return this.take(this.newFact(kind, value, stamp))
  }

  take(fact: NewFact): Fact {
    const stamped = { ...fact, id: `f${this.facts.length + 1}`, recordedAt: this.now } as Fact
    const result = advance(this.picture, [stamped])
    if (!result.legal) throw new Error(result.illegal.reasons.join('; '))
    this.picture = result.picture
    return stamped
  }

  /** Asks for a step and takes it when it is allowed. */
  move(to: State, by: string, role: Role): Verdict {
    this.now += minute
    const verdict = judge(this.picture, { to, by, role, at: this.now })
    if (verdict.allowed) for (const fact of verdict.facts) this.take(fact)
    return verdict
  }

  /** Writes what a guard asks for, if that is not there. */
  supply(guard: GuardName): void {
    good[guard](this)
  }

  /** Takes a step with everything it needs; throws when it is refused all the same. */
  step(rule: Transition, to: State = rule.to): void {
    for (const guard of rule.guards) this.supply(guard)
    const [by, role] = moverOf(rule)
    const verdict = this.move(to, by, role)
    if (!verdict.allowed)
      throw new Error(`${rule.rule}: ${verdict.missing.map(({ text }) => text).join('; ')}`)
  }
}

export function moverOf(rule: Transition): [string, Role] {
  if (rule.roles.includes('reviewer') && rule.roles.length === 1) return ['rita', 'reviewer']
  if (rule.roles.includes('commander')) return ['carl', 'commander']
  return ['hub', 'hub']
}

const green = {
  text: 'Green again.',
  evidence: 'machine',
  greenMillis: 5 * minute,
  sources: ['pbx-1'],
} as const
const cause = {
  text: 'The disk filled.',
  codes: ['system_failure/hardware_capacity'],
  evidence: ['f1'],
} as const

const once = (story: Story, kind: FactKind, write: () => void) => {
  if (said(story.picture, kind).length === 0) write()
}

export const attest = (story: Story, by = 'rita') =>
  story.add('attestation', { text: 'I read all of it.' }, { by })

const nothing = () => undefined

/** Makes each guard pass. */
export const good: Readonly<Record<GuardName, (story: Story) => void>> = {
  phenomenon: (s) =>
    once(s, 'phenomenon', () => s.add('phenomenon', { text: 'Calls drop.' }, { by: 'hub' })),
  detected_at: (s) =>
    once(s, 'detected', () => s.add('detected', { text: 'Alert fired.' }, { by: 'hub' })),
  affected_service: (s) =>
    once(s, 'impact', () => s.add('impact', { text: 'Outbound.', services: ['outbound'] })),
  preliminary_cause: (s) =>
    once(s, 'preliminary_cause', () =>
      s.add('preliminary_cause', { text: 'Not known.', confidence: 'unknown' }),
    ),
  plan_pinned: (s) =>
    once(s, 'plan_activated', () =>
      s.add('plan_activated', {
        text: 'By the book.',
        runbook: 'TrunkDown',
        hash: 'ab'.repeat(32),
      }),
    ),
  technician_accepted: (s) =>
    once(s, 'accepted', () => {
      s.add('assigned', { text: 'Tom is to go.', technician: 'tom' })
      s.add('accepted', { text: 'I go.', technician: 'tom' }, { by: 'tom' })
    }),
  arrived: (s) =>
    once(s, 'arrived', () =>
      s.add('arrived', { text: 'There.', technician: 'tom', mode: 'on_site' }, { by: 'tom' }),
    ),
  recovered_at: (s) => s.add('recovered', green, { by: 'hub' }),
  recovery_proven: nothing,
  machine_evidence: nothing,
  instants_in_order: nothing,
  relapse_seen: (s) => s.add('relapse', { text: 'Down again.' }, { by: 'hub' }),
  inside_stability: nothing,
  was_investigated: nothing,
  was_not_investigated: nothing,
  temporary_measures: (s) => s.add('temporary_measure', { text: 'Logs deleted.' }, { by: 'tom' }),
  root_cause_coded: (s) => once(s, 'root_cause', () => s.add('root_cause', cause)),
  cause_evidence: nothing,
  permanent_measures: (s) =>
    once(s, 'permanent_measure', () => s.add('permanent_measure', { text: 'Bigger disk.' })),
  reviewer_not_author: nothing,
  four_questions: (s) =>
    once(s, 'answer', () => {
      for (const question of [
        'promptness',
        'analysis_quality',
        'escalation',
        'communication',
      ] as const)
        s.add('answer', { text: 'Well enough.', question })
    }),
  actions_owned: (s) =>
    once(s, 'action', () =>
      s.add('action', {
        text: 'Watch the disk.',
        number: 1,
        action: 'detect',
        owner: 'anna',
        dueAt: begin + 1000 * hour,
      }),
    ),
  duties_settled: nothing,
  customers_told: (s) =>
    once(s, 'notice', () =>
      s.add(
        'notice',
        { text: 'It works.', audience: 'customers', form: 'closing', approvedBy: 'carl' },
        { by: 'lena' },
      ),
    ),
  attested: (s) => attest(s),
  sent_back_reason: (s) => s.add('note', { text: 'The why is thin.' }, { by: 'rita' }),
  nobody_acted: nothing,
  not_grave: nothing,
  quiet_long_enough: (s) => {
    s.now += 25 * hour
  },
  cancel_reason: (s) => s.add('cancelled', { text: 'A drill.', reason: 'test' }, { by: 'carl' }),
  merge_target: (s) => s.add('merged', { text: 'Same fault.', into: 'i-7' }, { by: 'carl' }),
}

const correct = (story: Story, kind: FactKind) => current(story.picture, kind)?.id ?? null

/** Spoils each guard that leaving out its facts does not spoil. */
export const bad: Partial<Record<GuardName, (story: Story) => void>> = {
  arrived: (s) =>
    s.add('arrived', { text: 'There.', technician: 'bob', mode: 'remote' }, { by: 'bob' }),
  recovery_proven: (s) =>
    s.add(
      'recovered',
      { text: 'It works.', evidence: 'person', verifier: 'tom' },
      { by: 'tom', supersedes: correct(s, 'recovered') },
    ),
  machine_evidence: (s) =>
    s.add(
      'recovered',
      { ...green, greenMillis: minute },
      { by: 'hub', supersedes: correct(s, 'recovered') },
    ),
  instants_in_order: (s) => {
    s.add('aware', { text: 'Told.' })
    s.add('classified', { text: 'Classified.' }, { at: s.now - hour })
    if (s.picture.state === 'review') attest(s)
  },
  inside_stability: (s) => {
    s.now += hour
    s.add('relapse', { text: 'Down again.' }, { by: 'hub', supersedes: correct(s, 'relapse') })
  },
  cause_evidence: (s) =>
    s.add('root_cause', { ...cause, evidence: [] }, { supersedes: correct(s, 'root_cause') }),
  reviewer_not_author: (s) => {
    s.add('root_cause', cause, { by: 'rita', supersedes: correct(s, 'root_cause') })
    attest(s)
  },
  actions_owned: (s) => {
    s.add('action', { text: 'Somebody should look.', number: 2, action: 'process' })
    attest(s)
  },
  duties_settled: (s) =>
    s.add('duty_owed', { text: 'Final report.', duty: 'dora.final', regime: 'dora' }),
  nobody_acted: (s) => s.add('severity', { text: 'Small.', severity: 'sev3' }),
  not_grave: (s) => s.add('severity', { text: 'Large.', severity: 'sev1' }),
}

const mainRoad: readonly State[] = [
  'recorded',
  'plan_active',
  'dispatched',
  'investigating',
  'restored',
  'root_cause',
  'review',
  'closed',
]

/** A story that has just begun: the first fact, and no step. */
export function begun(): Story {
  const story = new Story()
  story.add(
    'opened',
    { text: 'By an alert.', how: 'alert', discovery: 'monitoring', workflow: 1 },
    { by: 'hub' },
  )
  return story
}

/** Goes to a state, by the hub alone where `alone` asks for that. */
export function reach(state: State, alone = false): Story {
  const story = begun()
  if (state === 'draft') return story
  if (state === 'cancelled' || state === 'merged') {
    story.step(ruleOf('draft', 'recorded'))
    story.step(ruleOf('recorded', state))
    return story
  }
  const road: readonly State[] = alone
    ? ['recorded', 'restored', 'root_cause', 'review', 'closed']
    : mainRoad
  let from: State = 'draft'
  for (const to of road.slice(0, road.indexOf(state) + 1)) {
    const rule = ruleOf(from, to)
    if (alone && (to === 'restored' || to === 'recorded')) {
      for (const guard of rule.guards) story.supply(guard)
      story.move(to, 'hub', 'hub')
    } else story.step(rule)
    from = to
  }
  return story
}

export function ruleOf(from: State, to: State): Transition {
  const rule = ruleFor(from, to)
  if (rule === undefined) throw new Error(`no rule from ${from} to ${to}`)
  return rule
}
