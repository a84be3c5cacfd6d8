import t from 'tap'
import type { Fact, FactKind } from '../../../incidents/facts.ts'
import {
  median,
  monthlyFigures,
  percentile,
  serviceFigures,
  spreadOf,
  wholeFigures,
} from '../../../incidents/figures.ts'
import { judge } from '../../../incidents/judge.ts'
import { blank, type Picture, simpleState } from '../../../incidents/picture.ts'
import { monthsBefore, recurrences } from '../../../incidents/recurrence.ts'
import { advance, describe, replay } from '../../../incidents/replay.ts'
import {
  roleNames,
  type State,
  stateNames,
  states,
  transitions,
} from '../../../incidents/workflow.ts'
import fc from '../../helpers/property.ts'
import { begun, hour, minute, reach, ruleOf, Story } from './history.ts'

/** One thing that may happen; the numbers choose among what is possible then. */
const happening = fc.tuple(fc.nat(), fc.nat(), fc.nat({ max: 90 }))

/** What else is written into incidents: also corrections, late facts and suggestions. */
const asides: readonly ((story: Story, minutes: number) => unknown)[] = [
  (s) => s.add('note', { text: 'Looked at it.' }),
  (s) => s.add('acknowledged', { text: 'Mine.' }),
  (s, m) => s.add('note', { text: 'I had seen it before.' }, { at: s.now - m * minute }),
  (s) => s.add('cost', { text: 'Overtime.', cost: 'staff', amount: 120.5, currency: 'EUR' }),
  (s, m) => s.add('occurred', { text: 'Then.' }, { at: s.now - m * minute, certainty: 'estimate' }),
  (s, m) => {
    const old = s.facts.findLast(
      ({ id, kind }) => kind === 'occurred' && !s.picture.supersededBy.has(id),
    )
    if (old !== undefined)
      s.add('occurred', { text: 'No, then.' }, { at: s.now - m * minute, supersedes: old.id })
  },
  (s) =>
    s.add(
      'severity',
      { text: 'By the rule.', severity: 'sev2' },
      { by: 'hub', certainty: 'suggestion' },
    ),
  (s) => s.add('alert_fired', { text: 'Another.' }, { by: 'hub' }),
  (s) => s.add('mitigated', { text: 'Less bad.', fixer: 'tom' }, { by: 'tom' }),
  (s) => s.add('duty_owed', { text: 'Report.', duty: `d${s.facts.length}`, regime: 'dora' }),
  (s) => {
    for (const { value, kind } of [...s.facts])
      if (kind === 'duty_owed') s.add('duty_met', { text: 'Sent.', duty: value.duty })
  },
  (s) => s.add('aware', { text: 'Told.' }, { at: s.now - 5 * minute }),
]

/** A lawful history, with the state after each of its facts. */
function live(happenings: readonly (readonly [number, number, number])[]): {
  story: Story
  after: State[]
} {
  const story = begun()
  for (const [what, which, minutes] of happenings) {
    story.now += minutes * minute
    try {
      if (what % 3 === 0) asides[which % asides.length]?.(story, minutes)
      else {
        const ways = transitions.filter((one) => one.from.includes(story.picture.state))
        // Mostly onwards, or few would ever be closed.
        const { next } = states[story.picture.state]
        const way = what % 3 === 1 ? ways.find(({ to }) => to === next) : ways[which % ways.length]
        if (way !== undefined) story.step(way)
      }
    } catch {
      // Not lawful now: it does not happen.
    }
  }
  const after = story.facts.map((_, index) => stateAfter(story.facts.slice(0, index + 1)))
  return { story, after }
}

function stateAfter(facts: readonly Fact[]): State {
  const step = facts.findLast(({ kind }) => kind === 'transition')
  return step?.kind === 'transition' ? step.value.to : 'draft'
}

const same = (one: Picture, other: Picture, now: number) =>
  JSON.stringify(plain(one, now)) === JSON.stringify(plain(other, now))

const plain = (picture: Picture, now: number) => {
  const { fields, picture: inner, ...rest } = describe(picture, now)
  return { ...rest, fields: [...fields], superseded: [...inner.supersededBy], facts: inner.facts }
}

t.test(
  'any lawful history replays, prefix by prefix and in any batches, to the same',
  async (t) => {
    const reached = new Map<State, number>()
    let facts = 0
    fc.assert(
      fc.property(
        fc.array(happening, { minLength: 5, maxLength: 40 }),
        fc.array(fc.nat({ max: 12 }), { maxLength: 40 }),
        (happenings, batches) => {
          const { story, after } = live(happenings)
          facts += story.facts.length
          const whole = replay(story.facts, story.now)
          if (!whole.legal) throw new Error(whole.illegal.reasons.join('; '))
          reached.set(whole.state, (reached.get(whole.state) ?? 0) + 1)
          if (!same(whole.picture, story.picture, story.now)) return false
          let batched: Picture = blank
          let from = 0
          for (const size of [...batches, story.facts.length]) {
            const result = advance(batched, story.facts.slice(from, from + size))
            if (!result.legal) return false
            batched = result.picture
            from += size
            const seen = Math.min(from, story.facts.length)
            if (batched.state !== (after[seen - 1] ?? 'draft')) return false
          }
          return same(batched, whole.picture, story.now)
        },
      ),
      { numRuns: 150 },
    )
    t.ok((reached.get('closed') ?? 0) >= 5, `closed ${reached.get('closed')} times of 150`)
    t.ok((reached.get('merged') ?? 0) + (reached.get('cancelled') ?? 0) > 0)
    t.ok(facts > 2000, `${facts} facts`)
  },
)

t.test('an unlawful fact anywhere is named by its place; what came before stays', async () => {
  fc.assert(
    fc.property(
      fc.array(happening, { minLength: 5, maxLength: 30 }),
      fc.nat(),
      fc.nat(),
      fc.nat(),
      (happenings, where, target, who) => {
        const { story, after } = live(happenings)
        const place = 1 + (where % story.facts.length)
        const before = story.facts.slice(0, place)
        const from = after[place - 1] ?? 'draft'
        const to = stateNames[target % stateNames.length] ?? 'closed'
        const role = roleNames[who % roleNames.length] ?? 'hub'
        const last = before.at(-1)
        const at = last?.recordedAt ?? 0
        const by = role === 'hub' ? 'hub' : 'mallory'
        const { picture } = advance(blank, before)
        const lawful = judge(picture, { to, by, role, at }).allowed
        const forged = {
          id: 'forged',
          kind: 'transition',
          value: {
            text: 'Moved.',
            from,
            to,
            role,
            rule:
              transitions.find((one) => one.to === to && one.from.includes(from))?.rule ?? 'none',
          },
          certainty: 'actual',
          occurredAt: at,
          recordedAt: at,
          recordedBy: by,
          supersedes: null,
        } as const satisfies Fact
        const result = replay([...before, forged, ...story.facts.slice(place)], story.now)
        // A step that adds a fact of its own is not whole without it.
        if (lawful && to !== 'closed') return result.legal || result.illegal.position > place + 1
        if (result.legal) return false
        const { position, fact, kind } = result.illegal
        return (
          position === place + 1 &&
          fact === 'forged' &&
          kind === 'transition' &&
          same(result.picture, picture, at)
        )
      },
    ),
    { numRuns: 200 },
  )
})

t.test('leaving out a fact that a step needed is noticed at that step or before', async (t) => {
  const { facts, now } = reach('closed')
  const needed: FactKind[] = [
    'opened',
    'phenomenon',
    'detected',
    'impact',
    'plan_activated',
    'accepted',
    'arrived',
    'recovered',
    'temporary_measure',
    'root_cause',
    'permanent_measure',
    'answer',
    'notice',
    'attestation',
    'closed',
    'transition',
  ]
  let left = 0
  for (const [index, { kind }] of facts.entries()) {
    const result = replay([...facts.slice(0, index), ...facts.slice(index + 1)], now)
    if (needed.includes(kind) && index < facts.length - 1) {
      t.notOk(result.legal, `without ${kind}`)
      if (!result.legal)
        t.ok(result.illegal.position > index, `${kind}: named at ${result.illegal.position}`)
      left++
    }
  }
  t.ok(left > 20, `${left} facts left out`)
  const swapped = [...facts]
  const [a, b] = [
    swapped.findIndex(({ kind }) => kind === 'accepted'),
    swapped.findIndex(({ kind }) => kind === 'arrived'),
  ]
  ;[swapped[a], swapped[b]] = [swapped[b]!, swapped[a]!]
  t.match(replay(swapped, now), {
    legal: false,
    illegal: { kind: 'transition', reasons: [/tom is assigned but has not accepted/] },
  })
  t.match(replay([...facts, facts[3]!], now), {
    legal: false,
    illegal: { position: facts.length + 1, reasons: [/there is a fact f4 already/] },
  })
})

t.test('what is not a fact at all is refused, and never thrown', async (t) => {
  fc.assert(
    fc.property(
      fc.constantFrom(
        'opened',
        'note',
        'root_cause',
        'transition',
        'recovered',
        'impact',
        'resolved',
        'strange',
      ),
      fc.object(),
      fc.anything(),
      fc.anything(),
      (kind, value, at, by) => {
        const fact = {
          id: 'x',
          kind,
          value,
          certainty: 'actual',
          occurredAt: at,
          recordedAt: 5,
          recordedBy: by,
          supersedes: null,
        }
        // Whatever a database or a bundle may hold.
        const result = replay([fact as never, ...reach('restored').facts], 0)
        return !result.legal || result.state !== undefined
      },
    ),
  )
  t.match(replay([{ id: 'a', kind: 'strange' } as never], 0), {
    legal: false,
    illegal: { position: 1, reasons: [/not known/] },
  })
})

/** Facts as the hub wrote them before there were steps. */
function old(...what: readonly (readonly [FactKind, string, number])[]): Fact[] {
  return what.map(
    ([kind, recordedBy, at], index) =>
      ({
        id: `o${index}`,
        kind,
        value: { text: 'As it was.', rule: 'TrunkDown', extra: true },
        certainty: 'actual',
        occurredAt: at * minute,
        recordedAt: at * minute,
        recordedBy,
        supersedes: null,
      }) as unknown as Fact,
  )
}

t.test('incidents of the time before the workflow keep their meaning', async (t) => {
  const opening = [
    ['phenomenon', 'hub', 1],
    ['occurred', 'hub', 1],
    ['detected', 'hub', 2],
    ['impact', 'hub', 2],
    ['preliminary_cause', 'hub', 2],
    ['alert_fired', 'hub', 2],
  ] as const
  const states = (...more: readonly (readonly [FactKind, string, number])[]) => {
    const result = replay(old(...opening, ...more), 0)
    return result.legal ? [result.state, result.simpleState] : result.illegal.reasons
  }
  t.same(states(), ['recorded', 'open'])
  t.same(states(['acknowledged', 'anna', 3]), ['recorded', 'acknowledged'])
  t.same(states(['alert_resolved', 'hub', 4], ['restored', 'hub', 4], ['resolved', 'hub', 4]), [
    'restored',
    'resolved',
  ])
  t.same(states(['resolved', 'anna', 4]), ['restored', 'resolved'])
  t.same(
    states(
      ['acknowledged', 'anna', 3],
      ['resolved', 'hub', 4],
      ['relapse', 'hub', 6],
      ['alert_fired', 'hub', 6],
    ),
    ['recorded', 'open'],
  )
  t.same(
    states(
      ['acknowledged', 'anna', 3],
      ['resolved', 'hub', 4],
      ['relapse', 'hub', 6],
      ['acknowledged', 'bob', 7],
    ),
    ['recorded', 'acknowledged'],
  )
  t.same(states(['resolved', 'hub', 4], ['resolved', 'hub', 5]), [
    'the incident is restored already',
  ])
  const ended = replay(
    old(...opening, ['resolved', 'hub', 9], ['relapse', 'hub', 11], ['resolved', 'hub', 15]),
    0,
  )
  t.match(ended, {
    legal: true,
    owed: [],
    figures: {
      durationMillis: 14 * minute,
      interruptionMillis: 12 * minute,
      relapses: 1,
      toRestoreMillis: 13 * minute,
    },
  })
  // One that is still open goes on with steps; nothing that was written is written again.
  const open = old(...opening, ['acknowledged', 'anna', 3])
  const { picture } = advance(blank, open)
  t.match(judge(picture, { to: 'plan_active', by: 'carl', role: 'commander', at: 10 * minute }), {
    allowed: false,
    missing: [{ guard: 'plan_pinned' }],
  })
  const story = new Story()
  story.picture = picture
  story.step(ruleOf('recorded', 'plan_active'))
  t.equal(story.picture.state, 'plan_active')
  t.equal(simpleState(story.picture), 'acknowledged')
  t.equal(story.picture.simple, false)
})

t.test(
  'random lives of the time before the workflow: the simple state is the one the rows had',
  async () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('acknowledged', 'resolved', 'relapse', 'note', 'alert_fired'), {
          maxLength: 20,
        }),
        (wanted) => {
          let row = 'open'
          const kept: (readonly [FactKind, string, number])[] = [['phenomenon', 'hub', 0]]
          for (const kind of wanted) {
            const minutes = kept.length
            if (kind === 'acknowledged' && row !== 'open') continue
            if (kind === 'resolved' && row === 'resolved') continue
            if (kind === 'relapse' && row !== 'resolved') continue
            if (kind === 'acknowledged' || kind === 'resolved') row = kind
            if (kind === 'relapse') row = 'open'
            kept.push([kind, kind === 'acknowledged' ? 'anna' : 'hub', minutes])
          }
          const result = replay(old(...kept), 0)
          return result.legal && result.simpleState === row
        },
      ),
    )
  },
)

t.test('figures, corrections and contradictions', async (t) => {
  const story = begun()
  const zero = story.now
  story.step(ruleOf('draft', 'recorded'))
  const guess = story.add(
    'occurred',
    { text: 'About ten.' },
    { at: zero - 60 * minute, certainty: 'estimate' },
  )
  story.now += 10 * minute
  story.add('acknowledged', { text: 'Mine.' }, { at: zero + 8 * minute })
  for (const [from, to] of [
    ['recorded', 'plan_active'],
    ['plan_active', 'dispatched'],
    ['dispatched', 'investigating'],
    ['investigating', 'restored'],
  ] as const)
    story.step(ruleOf(from, to))
  const detected = story.facts.find(({ kind }) => kind === 'detected')!.occurredAt
  const first = story.facts.findLast(({ kind }) => kind === 'recovered')!.occurredAt
  story.step(ruleOf('restored', 'investigating'))
  const relapse = story.facts.findLast(({ kind }) => kind === 'relapse')!.occurredAt
  const between = replay(story.facts, story.now)
  t.match(between, {
    legal: true,
    state: 'investigating',
    figures: { relapses: 1, estimated: true, durationMillis: undefined },
  })
  story.now += hour
  story.step(ruleOf('investigating', 'restored'))
  const end = story.facts.findLast(({ kind }) => kind === 'recovered')!.occurredAt
  const began = zero - 60 * minute
  t.match(replay(story.facts, story.now), {
    legal: true,
    violations: [],
    figures: {
      durationMillis: end - began,
      downtimeMillis: end - began,
      interruptionMillis: first - began + (end - relapse),
      toAcknowledgeMillis: zero + 8 * minute - detected,
      toRestoreMillis: end - detected,
    },
  })
  const fixed = story.add(
    'occurred',
    { text: 'From the log.' },
    { at: zero - 30 * minute, supersedes: guess.id },
  )
  const early = story.facts.find(({ kind }) => kind === 'recovered')!
  story.add(
    'recovered',
    { text: 'By the log.', evidence: 'machine', greenMillis: 5 * minute, sources: ['pbx-1'] },
    { by: 'hub', at: first - 2 * minute, supersedes: early.id },
  )
  const corrected = replay(story.facts, story.now)
  t.match(corrected, {
    legal: true,
    state: 'restored',
    figures: {
      durationMillis: end - zero + 30 * minute,
      interruptionMillis: first - 2 * minute - (zero - 30 * minute) + (end - relapse),
    },
  })
  t.same(corrected.legal && corrected.fields.get('occurred'), {
    current: fixed,
    superseded: [guess],
  })
  story.now += 4 * hour
  story.add('backlog_cleared', { text: 'All called back.' }, { at: end + 3 * hour })
  story.add('occurred', { text: 'Wrong day.' }, { at: zero + 90 * minute, supersedes: fixed.id })
  const wrong = replay(story.facts, story.now)
  t.match(wrong, {
    legal: true,
    violations: [{ rule: 'occurred <= detected' }],
  })
  t.match(wrong, { legal: true, figures: { downtimeMillis: end + 3 * hour - zero - 90 * minute } })
  const backwards = [...reach('recorded').facts]
  backwards[4] = { ...backwards[4]!, recordedAt: 0, occurredAt: 0 }
  t.match(replay(backwards, 0), {
    legal: true,
    violations: [{ rule: 'recorded in order', facts: ['f4', 'f5'] }],
  })
})

t.test('what is owed next, and by whom', async (t) => {
  const story = reach('dispatched')
  story.add('action', { text: 'Watch it.', number: 1, action: 'detect', owner: 'anna', dueAt: 7 })
  story.add('duty_owed', {
    text: 'Initial report.',
    duty: 'dora.initial',
    regime: 'dora',
    dueAt: 9,
  })
  const owed = describe(story.picture, story.now).owed
  t.match(owed, [
    {
      what: 'step',
      id: 'investigating',
      by: 'commander, deputy, technician, expert',
      text: /no technician arrived/,
    },
    { what: 'action', id: '1', by: 'anna', dueAt: 7 },
    { what: 'duty', id: 'dora.initial', by: 'regulatory_liaison', dueAt: 9 },
  ])
  story.supply('arrived')
  t.match(describe(story.picture, story.now).owed[0], {
    text: 'everything for investigating is there: take the step',
  })
  t.same(describe(reach('cancelled').picture, 0).owed, [])
})

t.test('medians, shares and counts by service and period', async (t) => {
  t.equal(median([1, 2, 9]), 2)
  t.equal(median([1, 2, 4, 9]), 3)
  t.equal(percentile([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 0.9), 9)
  for (let n = 1; n <= 300; n++) {
    const sorted = Array.from({ length: n }, (_, index) => index + 1)
    if (percentile(sorted, 0.9) !== Math.ceil((n * 9) / 10)) t.fail(`p90 of ${n}`)
  }
  const incident = (id: number, more: object) => ({
    id: String(id),
    state: 'closed',
    services: ['outbound'],
    at: id * 1000,
    ...more,
  })
  const incidents = [
    ...Array.from({ length: 10 }, (_, index) =>
      incident(index, {
        toRestoreMillis: (index + 1) * minute,
        callsAttempted: 100,
        callsFailed: index,
      }),
    ),
    incident(11, { services: ['inbound', 'outbound'] }),
    incident(12, { state: 'cancelled' }),
    incident(13, { state: 'merged' }),
    incident(14, { at: 31 * 86_400_000 }),
  ]
  const figures = serviceFigures(
    incidents,
    { from: 0, to: 30 * 86_400_000 },
    { acknowledgeMillis: minute, restoreMillis: 4 * minute },
  )
  t.match(figures, [
    { service: 'inbound', incidents: 1, toRestore: { count: 0, unknown: 1, caution: /not known/ } },
    {
      service: 'outbound',
      incidents: 11,
      per30Days: 11,
      failedCallShare: 0.045,
      toRestore: {
        count: 10,
        unknown: 1,
        medianMillis: 5.5 * minute,
        p90Millis: 9 * minute,
        withinTarget: 4,
        withinTargetShare: 0.4,
      },
    },
  ])
  t.notOk(figures[1]?.toRestore.caution)
  t.match(spreadOf([5, undefined], 4), {
    count: 1,
    unknown: 1,
    withinTarget: 0,
    caution: /only 1: neither the median/,
  })
  t.match(spreadOf([5, 6, 7], 4).caution, /only 3: the 90th percentile is the worst case/)
  t.match(
    serviceFigures(
      incidents,
      { from: 0, to: 86_400_000 },
      { acknowledgeMillis: 1, restoreMillis: 1 },
    )[1]?.caution,
    /extrapolated/,
  )
})

t.test(
  'figures by calendar month: clipped to the period, empty months too, each incident once',
  async (t) => {
    const day = (text: string) => Date.parse(`${text}T12:00:00Z`)
    const incident = (at: string, services: string[], state = 'closed') => ({
      ...{ id: at, state, services, at: day(at) },
      ...{ toAcknowledgeMillis: minute, toRestoreMillis: hour },
    })
    const incidents = [
      incident('2026-01-14', ['outbound']),
      incident('2026-01-16', ['outbound', 'inbound']),
      incident('2026-01-31', ['inbound'], 'cancelled'),
      incident('2026-03-31', ['inbound']),
      incident('2026-04-01', ['inbound']),
    ]
    const period = {
      from: Date.parse('2026-01-15T00:00:00Z'),
      to: Date.parse('2026-04-01T00:00:00Z'),
    }
    const targets = { acknowledgeMillis: minute, restoreMillis: minute }
    const months = monthlyFigures(incidents, period, targets)
    t.same(
      months.map(({ month, whole }) => [month, whole.incidents]),
      [
        ['2026-01', 1],
        ['2026-02', 0],
        ['2026-03', 1],
      ],
    )
    t.match(months[0], {
      whole: { period: { from: period.from, to: Date.parse('2026-02-01T00:00:00Z') } },
      services: [{ service: 'inbound' }, { service: 'outbound' }],
    })
    t.match(wholeFigures(incidents, period, targets), {
      ...{ service: '', incidents: 2 },
      ...{ toAcknowledge: { withinTargetShare: 1 }, toRestore: { withinTargetShare: 0 } },
    })
    t.same(monthlyFigures([], { from: 5, to: 5 }, targets), [])
  },
)

t.test('recurrences within six calendar months', async (t) => {
  const utc = (text: string) => Date.parse(`${text}T00:00:00Z`)
  t.equal(monthsBefore(utc('2026-08-31'), 6), utc('2026-02-28'))
  t.equal(monthsBefore(utc('2024-08-30'), 6), utc('2024-02-29'))
  t.equal(monthsBefore(utc('2026-03-15'), 6), utc('2025-09-15'))
  const incident = (number: number, day: string, causes: string[], more: object = {}) => ({
    id: `i${number}`,
    number,
    state: 'closed',
    services: ['outbound'],
    at: utc(day),
    causes,
    ...more,
  })
  const disk = 'system_failure/hardware_capacity'
  const found = recurrences(
    [
      incident(1, '2026-01-31', [disk]),
      incident(2, '2026-03-01', [disk]),
      incident(3, '2026-07-31', [disk, 'human_error/mistake']),
      incident(4, '2026-05-01', [disk], { services: ['inbound'] }),
      incident(5, '2026-05-02', [disk], { state: 'cancelled' }),
      incident(6, '2026-06-01', []),
    ],
    utc('2026-07-31'),
  )
  t.match(found.groups, [
    {
      service: 'outbound',
      cause: disk,
      why: /2 incidents of outbound within 6 months .*2 \(2026-03-01\), 3 \(2026-07-31\)/,
    },
  ])
  t.equal(found.groups.length, 1)
  t.same(
    found.groups[0]?.incidents.map(({ number }) => number),
    [2, 3],
  )
  t.same(
    found.uncoded.map(({ number }) => number),
    [6],
  )
})
