import t from 'tap'
import type { Fact, FactKind, NewFact } from '../../../incidents/facts.ts'
import { blank, type Picture } from '../../../incidents/picture.ts'
import { formFault, type ScopeRequest, scopeOf } from '../../../server/communication/notice.ts'
import { rhythmOf, type UpdateRhythms } from '../../../server/communication/rhythm.ts'
import { nextOf, routeOf } from '../../../server/dispatch/route.ts'

const minute = 60_000
const minutes: Readonly<Record<string, number>> = { sev1: 30, sev2: 60, sev3: 240 }
const rhythms: UpdateRhythms = (severity) => {
  const everyMillis = (minutes[severity] ?? 0) * minute
  return everyMillis === 0 ? undefined : { everyMillis, after: (at) => at + everyMillis }
}
let sequence = 0

/** A fact at so many minutes. */
function fact(kind: FactKind, value: object, at: number, more: Partial<NewFact> = {}): Fact {
  sequence += 1
  const stamp = { certainty: 'actual', recordedBy: 'anna', supersedes: null } as const
  const times = { occurredAt: at * minute, recordedAt: at * minute }
  // Values are those of their kind.
  return { id: `f${sequence}`, kind, value, ...stamp, ...times, ...more } as unknown as Fact
}
const picture = (facts: readonly Fact[], more: Partial<Picture> = {}): Picture => ({
  ...blank,
  state: 'recorded',
  facts,
  ...more,
})
const opened = (at = 0) => fact('opened', { text: 'x', how: 'hand' }, at)
const severity = (of: string, at: number) => fact('severity', { text: 'x', severity: of }, at)
const notice = (at: number, more: object = {}) =>
  fact('notice', { text: 'x', audience: 'management', form: 'update', ...more }, at)
const due = (facts: readonly Fact[], of = 'sev1', more: Partial<Picture> = {}) => {
  const { dueAt } = rhythmOf(picture(facts, more), of, rhythms)
  return dueAt === undefined ? undefined : dueAt / minute
}

t.test('the next update is promised from what happened last', async (t) => {
  t.equal(due([opened()]), 30, 'from the record')
  t.equal(due([opened()], 'sev2'), 60)
  t.equal(due([opened()], 'sev4'), undefined, 'none')
  t.equal(due([opened()], 'grave'), undefined)
  t.equal(due([opened(), severity('sev1', 10)]), 40, 'from the classification')
  t.equal(
    due([opened(), severity('sev1', 10), severity('sev1', 25)]),
    40,
    'said again it moves nothing',
  )
  t.equal(due([opened(), severity('sev1', 10), severity('sev3', 20)], 'sev3'), 260)
  t.equal(due([opened(), notice(12)]), 42, 'each notice moves it')
  t.equal(due([opened(), notice(12, { nextUpdateAt: 35 * minute })]), 35, 'to what it promised')
  t.equal(
    due([opened(), notice(12, { nextUpdateAt: 100 * minute }), severity('sev1', 20)]),
    50,
    'a graver word shortens what was promised before',
  )
  for (const state of [
    'restored',
    'root_cause',
    'review',
    'closed',
    'cancelled',
    'merged',
  ] as const)
    t.equal(due([opened()], 'sev1', { state }), undefined, state)
  const relapse = { from: 'restored', to: 'recorded', at: 50 * minute, by: 'hub' } as const
  const steps = [{ ...relapse, rule: 'relapse_unattended', fact: 'r', position: 2 }] as const
  const again = fact('transition', { to: 'recorded' }, 50)
  t.equal(due([opened(), notice(12), again], 'sev1', { steps }), 80, 'a relapse begins it anew')
})

t.test('a notice says what is known, and of the rest that it is not', async (t) => {
  const facts = [
    opened(),
    fact('phenomenon', { text: 'Calls\n fail' }, 0),
    fact('detected', { text: 'x' }, 1, { certainty: 'estimate' }),
    fact('impact', { text: 'x', services: ['guessed'] }, 1, { certainty: 'suggestion' }),
    fact('preliminary_cause', { text: 'A trunk, says the rule.' }, 1, { certainty: 'suggestion' }),
  ]
  const request = (more: Partial<ScopeRequest> = {}): ScopeRequest => ({
    ...{ picture: picture(facts), number: 7, title: 'Calls fail', severity: 'sev1' },
    ...{ form: 'opening', language: 'en', timeZone: 'UTC', nextUpdateAt: undefined },
    ...more,
  })
  const { scope, missing } = scopeOf(request())
  t.match(scope, {
    what: 'Calls fail',
    since: '1970-01-01 00:01:00 UTC (estimated)',
    services: null,
    cause: null,
  })
  t.same([...missing], ['services', 'cause'], 'what a program guessed is not known')
  const said = [
    ...facts,
    fact('impact', { text: 'x', services: ['a', 'b'], customersAffected: 0 }, 2),
    fact('preliminary_cause', { text: 'A trunk.', confidence: 'low' }, 2),
    fact('mitigated', { text: 'Calls go by the other trunk.', fixer: 'ines' }, 3),
  ]
  t.match(scopeOf(request({ picture: picture(said), language: 'ru' })), {
    missing: [],
    scope: {
      services: 'a, b',
      customersAffected: 0,
      cause: 'A trunk.',
      confidence: 'low',
      doing: 'записан; пока никто не направлен; Calls go by the other trunk.',
    },
  })
  const unknown = [...said, fact('preliminary_cause', { text: '?', confidence: 'unknown' }, 4)]
  t.equal(scopeOf(request({ picture: picture(unknown) })).scope['cause'], null)
  const root = [...unknown, fact('root_cause', { text: 'A cable.', codes: [], evidence: [] }, 5)]
  const closing = request({ picture: picture(root, { state: 'review' }), form: 'closing' })
  t.match(scopeOf(closing), { scope: { cause: 'A cable.' }, missing: ['ended', 'measures'] })
  const long = [fact('phenomenon', { text: 'ế'.repeat(10_000) }, 0)]
  t.equal([...String(scopeOf(request({ picture: picture(long) })).scope['what'])].length, 400)
})

t.test('a form that would say what is not so is refused', async (t) => {
  t.match(formFault('investigating', 'restored'), /not restored/)
  t.match(formFault('plan_active', 'closing'), /plan active, not restored/)
  t.match(formFault('restored', 'update'), /send "restored" or "closing"/)
  for (const [state, form] of [
    ['recorded', 'opening'],
    ['investigating', 'update'],
    ['restored', 'restored'],
    ['closed', 'closing'],
  ] as const)
    t.equal(formFault(state, form), undefined)
})

t.test('the first route whose conditions all hold decides who is asked', async (t) => {
  const place = { services: ['telephony', 'crm'], hosts: ['pbx-1:9100'], sites: ['hanoi'] }
  const routes = [
    { service: 'mail', to: 'schedule:mail' },
    { service: 'crm', site: 'hue', to: 'schedule:hue' },
    { service: 'crm', site: 'hanoi', to: 'schedule:hanoi:night' },
    { to: 'team:staff' },
  ]
  t.same(routeOf(routes, place), {
    kind: 'schedule',
    id: 'hanoi:night',
    because: 'for service crm, site hanoi',
  })
  t.match(routeOf(routes, { ...place, sites: [] }), {
    kind: 'team',
    because: 'for everything else',
  })
  t.equal(routeOf([], place), undefined)
  const candidates = ['a', 'b'].map((id) => ({ id, name: id, because: '' }))
  t.equal(nextOf(candidates, new Set(['a']))?.id, 'b')
  t.equal(nextOf(candidates, new Set(['a', 'b'])), undefined)
})
