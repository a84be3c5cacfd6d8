import t from 'tap'
import { Temporal } from 'temporal-polyfill'
import type { Labels } from '../../../alerts/alert.ts'
import { type Calendar, contains, horizon, spanAt } from '../../../alerts/calendar.ts'
import { readCalendar } from '../../../alerts/calendar-reader.ts'
import { causeOf, type Topology, topologyFaults } from '../../../alerts/dependency.ts'
import { DocumentReader } from '../../../alerts/document.ts'
import {
  calmAt,
  flapBand,
  flapValue,
  forgottenAt,
  newFlapWindow,
  observe,
} from '../../../alerts/flap.ts'
import { InhibitIndex } from '../../../alerts/inhibit.ts'
import { parseMatchers } from '../../../alerts/matchers.ts'
import { measure, noMemory } from '../../../alerts/measure.ts'
import { defaultRouting, parseRouting } from '../../../alerts/routing-config.ts'
import { extrasFromAnnotations, parseExtrasFile } from '../../../alerts/rule-extras.ts'
import {
  breadthOf,
  nudgeAt,
  phaseAt,
  type Silence,
  silenceFaults,
} from '../../../alerts/silence.ts'
import { emptyTable, rowOf, rowsOf, TableDraft } from '../../../alerts/table.ts'
import { noTier, standingOf, stepTiers } from '../../../alerts/tiers.ts'
import fc from '../../helpers/property.ts'
import { viewOf } from './routing-story.ts'

const minute = 60_000
const hour = 60 * minute

t.test('a routing file: every fault at once, each with its place', async (t) => {
  t.ok(defaultRouting().root.routes.length === 2)
  const { config, faults } = parseRouting({
    route: {
      receiver: 'nobody',
      matchers: ['a=b'],
      group_by: ['x', 'x'],
      group_wait: '5 m',
      routes: [
        { matchers: ['a=~"("', 'b'], repeat_interval: '0s', mute_time_intervals: ['night'] },
        { group_by: ['...', 'a'], contine: true },
      ],
    },
    receivers: [{ name: 'team' }, { name: 'team' }, {}],
    time_intervals: [
      {
        name: 'office',
        time_intervals: [
          {
            times: [{ start_time: '17:00', end_time: '9:00' }],
            location: 'Mars/Base',
            weekdays: ['someday'],
          },
        ],
      },
    ],
    inhibit_rules: [{ source_matchers: 'a=b' }],
    unknown: 1,
  })
  t.equal(config, undefined)
  const places = faults.map(({ path }) => path.join('.')).sort()
  t.same(places, [
    'inhibit_rules.0.source_matchers',
    'receivers.1.name',
    'receivers.2.name',
    'route',
    'route.group_by.1',
    'route.group_wait',
    'route.receiver',
    'route.routes.0.matchers.0',
    'route.routes.0.matchers.1',
    'route.routes.0.mute_time_intervals.0',
    'route.routes.0.repeat_interval',
    'route.routes.1.contine',
    'route.routes.1.group_by',
    'time_intervals.0.time_intervals.0.location',
    'time_intervals.0.time_intervals.0.times.0',
    'time_intervals.0.time_intervals.0.weekdays.0',
    'unknown',
  ])
  for (const { message } of faults) t.match(message, /\w/)
  for (const odd of [
    null,
    1,
    'x',
    [],
    { route: [] },
    { route: { receiver: 1 } },
    { receivers: {} },
  ])
    t.ok(parseRouting(odd).faults.length > 0, JSON.stringify(odd))
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      parseRouting(value)
      parseRouting({ route: value, receivers: value, inhibit_rules: value, time_intervals: value })
      parseExtrasFile(value)
      parseExtrasFile({ rules: { A: value }, calendars: [value] })
    }),
  )
})

t.test('a file that contains itself is a fault', async (t) => {
  const receiver: Record<string, unknown> = { name: 'x' }
  receiver['settings'] = receiver
  t.match(parseRouting({ route: { receiver: 'x' }, receivers: [receiver] }).faults, [
    { message: /alias/ },
  ])
  const route: Record<string, unknown> = { receiver: 'x' }
  route['routes'] = [route, route, route]
  t.ok(parseRouting({ route, receivers: [{ name: 'x' }] }).faults.length > 0)
})

t.test('equal routes have keys of their own', async (t) => {
  const { config } = parseRouting({
    route: { receiver: 'x', routes: [{ matchers: ['a=b'], routes: [{}] }, { matchers: ['a=b'] }] },
    receivers: [{ name: 'x' }],
  })
  const [first, second] = config!.root.routes
  t.equal(first!.key, '{}/{a="b"}')
  t.equal(second!.key, '{}/{a="b"}#1')
  t.equal(first!.routes[0]!.key, '{}/{a="b"}/{}')
})

function calendar(item: object): Calendar {
  const reader = new DocumentReader()
  const read = readCalendar(reader, { name: 'x', ...item }, [])
  if (read === undefined || reader.faults.length > 0) throw new Error(JSON.stringify(reader.faults))
  return read
}

const at = (text: string) => Date.parse(text)

t.test('calendars on the wall clock of a zone', async (t) => {
  const office = calendar({
    time_intervals: [
      {
        times: [{ start_time: '09:00', end_time: '17:00' }],
        weekdays: ['monday:friday'],
        location: 'Asia/Ho_Chi_Minh',
      },
    ],
    except: [{ days_of_month: ['1'], months: ['january'], location: 'Asia/Ho_Chi_Minh' }],
  })
  t.equal(contains(office, at('2026-01-05T02:00:00Z')), true, 'Monday 09:00')
  t.equal(contains(office, at('2026-01-05T10:00:00Z')), false, 'Monday 17:00')
  t.equal(contains(office, at('2026-01-04T03:00:00Z')), false, 'Sunday')
  t.equal(contains(office, at('2026-01-01T03:00:00Z')), false, 'holiday')
  t.same(
    spanAt(office, at('2026-01-02T10:00:00Z')).until,
    at('2026-01-05T02:00:00Z'),
    'over the weekend',
  )
  const last = calendar({
    time_intervals: [{ days_of_month: ['-1'], months: ['february'], years: ['2028'] }],
  })
  t.equal(contains(last, at('2028-02-29T12:00:00Z')), true)
  t.equal(contains(last, at('2028-02-28T12:00:00Z')), false)
  t.equal(spanAt(last, at('2026-01-01T00:00:00Z')).until, at('2026-01-01T00:00:00Z') + horizon)
})

t.test('an hour that occurs twice or never', async (t) => {
  const night = calendar({
    time_intervals: [
      { times: [{ start_time: '01:15', end_time: '01:45' }], location: 'America/New_York' },
    ],
  })
  const changes: string[] = []
  let time = at('2026-11-01T04:00:00Z')
  while (time < at('2026-11-01T09:00:00Z')) {
    const { inside, until } = spanAt(night, time)
    if (inside)
      changes.push(
        `${new Date(time).toISOString().slice(11, 16)}-${new Date(until).toISOString().slice(11, 16)}`,
      )
    time = until
  }
  t.same(changes, ['05:15-05:45', '06:15-06:45'], 'twice')
  const gap = calendar({
    time_intervals: [
      { times: [{ start_time: '02:10', end_time: '02:50' }], location: 'America/New_York' },
    ],
  })
  t.equal(
    spanAt(gap, at('2026-03-08T05:00:00Z')).until,
    at('2026-03-09T06:10:00Z'),
    'never on that day',
  )
})

t.test('a span is right at every minute of it, in any zone', async (t) => {
  const zones = [
    'UTC',
    'Europe/Berlin',
    'America/New_York',
    'Asia/Ho_Chi_Minh',
    'Australia/Lord_Howe',
    'Asia/Kathmandu',
  ]
  const days = fc.constantFrom(
    '2026-03-08',
    '2026-03-29',
    '2026-04-05',
    '2026-10-04',
    '2026-10-25',
    '2026-11-01',
    '2026-06-15',
  )
  const clock = fc.integer({ min: 0, max: 95 }).map((quarter) => quarter * 15)
  fc.assert(
    fc.property(
      fc.constantFrom(...zones),
      days,
      clock,
      clock,
      fc.integer({ min: 0, max: 1_439 }),
      (zone, date, a, b, start) => {
        const [from, to] = a < b ? [a, b] : [b, a + 15]
        const one: Calendar = {
          name: 'x',
          intervals: [
            {
              times: [{ from, to: Math.min(to, 1440) }],
              weekdays: [],
              daysOfMonth: [],
              months: [],
              years: [],
              location: zone,
            },
          ],
          except: [],
        }
        const now = at(`${date}T00:00:00Z`) + start * minute
        const span = spanAt(one, now)
        const wall = Temporal.Instant.fromEpochMilliseconds(now).toZonedDateTimeISO(zone)
        const minutes = wall.hour * 60 + wall.minute
        if (span.inside !== (minutes >= from && minutes < to)) throw new Error('wrong at once')
        for (let time = now; time < Math.min(span.until, now + 30 * hour); time += 15 * minute)
          if (contains(one, time) !== span.inside)
            throw new Error(`changes at ${new Date(time).toISOString()}`)
        if (span.until < now + horizon && contains(one, span.until) === span.inside)
          throw new Error('ends early')
      },
    ),
    { numRuns: 150 },
  )
  t.pass('always')
})

const silence: Silence = {
  id: 's1',
  matchers: parseMatchers('{site="hanoi"}'),
  startsAt: 0,
  endsAt: 4 * hour,
  createdAt: 0,
  createdBy: 'Ann',
  reason: 'new card',
}

t.test('a silence needs an author, a reason, an end and a target', async (t) => {
  t.same(silenceFaults(silence, 0), [])
  const check = (change: Partial<Silence>, word: RegExp) =>
    t.match(silenceFaults({ ...silence, ...change }, hour).join(), word)
  check({ createdBy: ' ' }, /createdBy/)
  check({ reason: '' }, /reason/)
  check({ endsAt: 0 }, /after startsAt/)
  check({ endsAt: hour }, /is over/)
  check({ endsAt: Number.NaN }, /endsAt/)
  check({ endsAt: 1e13 }, /366 days/)
  check({ matchers: [] }, /at least one/)
  check({ matchers: parseMatchers('a=~".*"') }, /absent/)
  check({ matchers: [{ name: 'a', value: '(', isRegex: true, isEqual: true }] }, /RE2/)
  check({ id: '__proto__' }, /id/)
  t.same(phaseAt(silence, -1), { phase: 'pending', until: 0 })
  t.same(phaseAt(silence, 0), { phase: 'active', until: 4 * hour })
  t.same(phaseAt(silence, 4 * hour), { phase: 'expired', until: undefined })
  t.equal(nudgeAt(silence, hour), 3 * hour)
  t.equal(nudgeAt(silence, 3 * hour), undefined, 'a short one is not asked about')
})

t.test('what a silence would hide, and whether that is too much', async (t) => {
  const hosts = ['a', 'b', 'c', 'd'].map((instance) => ({
    instance,
    site: instance < 'c' ? 'x' : 'y',
  }))
  const alerts = hosts.map((labels, i) => viewOf(`n${i}`, labels, 0, `l${i}`))
  const check = (text: string, hidden: number, hostCount: number, reasons: number) => {
    const breadth = breadthOf(parseMatchers(text), alerts, hosts)
    t.same(
      [breadth.alerts.length, breadth.hosts.length, breadth.tooBroad.length],
      [hidden, hostCount, reasons],
      text,
    )
  }
  check('{instance="a"}', 1, 1, 0)
  check('{site="x"}', 2, 2, 0)
  check('{site=~".+"}', 4, 4, 2)
  check('{alertname="Story"}', 4, 4, 1)
  check('{instance="a",alertname="Other"}', 0, 1, 0)
  check('{other=~".*"}', 4, 4, 2)
})

t.test('the inhibit index agrees with asking every pair', async (t) => {
  const rules = parseRouting({
    route: { receiver: 'x' },
    receivers: [{ name: 'x' }],
    inhibit_rules: [
      { source_matchers: ['k=~"a|b"'], target_matchers: ['k=~"b|c"'], equal: ['site'] },
      { source_matchers: ['k="d"'], target_matchers: ['k!="d"'] },
    ],
  }).config!.inhibitRules
  const label = fc.record({
    k: fc.constantFrom('a', 'b', 'c', 'd'),
    site: fc.constantFrom('x', 'y', ''),
  })
  const step = fc.tuple(fc.integer({ min: 0, max: 9 }), label)
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const index = new InhibitIndex(rules)
      const firing = new Map<string, Labels>()
      const answers = new Map<string, boolean>()
      const held = (id: string) => index.inhibitor(id, firing.get(id)!) !== undefined
      for (const [n, labels] of steps) {
        const id = String(n)
        const before = firing.get(id)
        firing.delete(id)
        if (before === undefined) firing.set(id, labels)
        const touched = new Set(
          before === undefined ? index.add(id, labels) : index.remove(id, before),
        )
        for (const [one, own] of firing) {
          const expected = rules.some((rule) => {
            const is = (side: typeof rule.source, of: Labels) =>
              side.every(
                (m) =>
                  (m.isRegex
                    ? m.value.split('|').includes(of[m.name] ?? '')
                    : of[m.name] === m.value) === m.isEqual,
              )
            return (
              is(rule.target, own) &&
              [...firing].some(
                ([other, labels2]) =>
                  other !== one &&
                  is(rule.source, labels2) &&
                  rule.equal.every((name) => (own[name] ?? '') === (labels2[name] ?? '')) &&
                  !(is(rule.source, own) && is(rule.target, labels2)),
              )
            )
          })
          if (held(one) !== expected) throw new Error(`${one} should be ${expected}`)
          if (answers.has(one) && answers.get(one) !== expected && !touched.has(one))
            throw new Error(`${one} was not named`)
          answers.set(one, expected)
        }
        if (before !== undefined) answers.delete(id)
      }
    }),
    { numRuns: 500 },
  )
  t.pass('always')
})

t.test('dependencies: any parent, all parents, services, circles', async (t) => {
  const one = (parents: string[], need: 'any' | 'all' = 'any') => ({ parents, need })
  const topology: Topology = {
    nodes: new Map([
      ['pbx', one(['sw1', 'sw2'], 'all')],
      ['sw1', one(['core'])],
      ['sw2', one(['core'])],
      ['x', one(['y'])],
      ['y', one(['x', 'core'])],
    ]),
    down: [],
  }
  const check = (node: string, down: string[], expected: string | undefined, saysDown = false) =>
    t.equal(
      causeOf(topology, node, saysDown, (name) => down.includes(name)),
      expected,
      `${node} with ${down} down`,
    )
  check('pbx', ['sw1'], undefined)
  check('pbx', ['sw1', 'sw2'], 'sw1')
  check('pbx', ['core'], 'core')
  check('pbx/kamailio', ['pbx'], 'pbx')
  check('pbx/kamailio', ['core'], 'core')
  check('pbx', ['pbx'], 'pbx')
  check('pbx', ['pbx'], undefined, true)
  check('x', ['x', 'y'], undefined, true)
  check('y', ['core'], 'core')
  t.same(
    topologyFaults(topology).map((text) => text.split(' ')[0]),
    ['x', 'y'],
  )
})

t.test('flapping as Icinga weighs it', async (t) => {
  let window = newFlapWindow(0)
  const values: number[] = []
  for (let i = 1; i <= 8; i++) {
    window = observe(window, flapBand, true, i * minute)
    values.push(flapValue(window))
  }
  t.same(
    values.map((value) => value.toFixed(1)),
    ['5.9', '11.7', '17.4', '23.0', '28.5', '33.9', '39.2', '44.4'],
  )
  t.equal(window.flapping, true)
  const calm = calmAt(window, flapBand)!
  t.equal(observe(window, flapBand, false, calm - 1).flapping, true)
  t.equal(observe(window, flapBand, false, calm).flapping, false)
  const later = observe(window, flapBand, false, calm - 1)
  t.equal(calmAt(later, flapBand), calm, 'however often it is looked at')
  t.equal(forgottenAt(window, flapBand), 28 * minute + 1)
  t.equal(forgottenAt(observe(window, flapBand, false, 28 * minute + 1), flapBand), undefined)
})

t.test('extras of a rule in annotations', async (t) => {
  const { extras, faults } = extrasFromAnnotations({
    callward_tiers:
      'warning: > 0.05, recovery 0.03, to chat; critical: > 0.2, recovery 0.15, for 1m, to voice sms',
    callward_calendar: 'dialling-hours: critical; otherwise: info',
    callward_recovery: '> 0.03',
    callward_absent_for: '10m',
    callward_flap: '20-40 10s',
    callward_minimum_traffic: 'sum by (instance) (rate(calls[5m])) >= 10',
    callward_receivers: 'voice, chat',
    summary: 'x',
  })
  t.same(faults, [])
  t.same(
    extras.tiers.map(({ receivers, for: wait }) => [receivers, wait]),
    [
      [['chat'], 0],
      [['voice', 'sms'], minute],
    ],
  )
  t.same(extras.flap, { low: 20, high: 40, interval: 10_000 })
  t.same(extras.minimumTraffic, { expr: 'sum by (instance) (rate(calls[5m]))', atLeast: 10 })
  const bad = extrasFromAnnotations({
    callward_tiers: 'critical: > 1; warning: > 2, recovery 3',
    callward_calendar: 'x',
    callward_recovery: '0.03',
    callward_absent_for: '0',
    callward_flap: '40-20',
    callward_minimum_traffic: 'up',
  })
  t.equal(bad.faults.length, 6)
  for (const { message } of bad.faults) t.match(message, /example: /)
  t.same(bad.extras.tiers, [])
  const file = parseExtrasFile({
    rules: { A: { flap: false, tiers: ['warning: < 5', 'critical: < 2'] }, B: { x: 1 } },
  })
  t.equal(file.byRule.get('A')!.flap, 'off')
  t.equal(file.byRule.get('A')!.tiers.length, 2)
  t.equal(file.faults.length, 1)
})

t.test('tiers: reached after their time, left below their recovery', async (t) => {
  const { extras } = extrasFromAnnotations({
    callward_tiers: 'warning: > 5, recovery 3; critical: > 20, recovery 15, for 1m',
  })
  let state = noTier
  const check = (now: number, value: number, expected: number) => {
    state = stepTiers(extras.tiers, state, value, now * 1_000)
    t.equal(state.reached, expected, `${value} at ${now}s`)
  }
  check(0, 4, -1)
  check(1, 6, 0)
  check(2, 4, 0)
  check(3, 30, 0)
  check(62, 30, 0)
  check(63, 30, 1)
  check(64, 16, 1)
  check(65, 14, 0)
  check(66, 3, -1)
  check(67, Number.NaN, -1)
  const night = extrasFromAnnotations({
    callward_calendar: 'gone: critical; otherwise: info',
  }).extras
  t.match(standingOf('critical', night, noTier, new Map(), 0), {
    severity: 'critical',
    because: /not defined/,
  })
})

t.test('recovery, absence and too little traffic, between query and alert', async (t) => {
  const { extras } = extrasFromAnnotations({
    callward_recovery: '> 3',
    callward_absent_for: '5m',
    callward_minimum_traffic: 'calls >= 10',
  })
  const element = (instance: string, value: number) => ({
    labels: { __name__: 'loss', instance },
    value,
  })
  const traffic = ['a', 'b', 'd'].map((instance) => ({
    labels: { instance },
    value: instance === 'b' ? 3 : 10,
  }))
  const values = [element('a', 4), element('b', 9), element('c', 9), element('d', 2)]
  const firing = (labels: Labels) => labels['instance'] === 'a' || labels['instance'] === 'd'
  const first = measure(
    extras,
    noMemory,
    { vector: [values[1]!, values[2]!], values, traffic, firing },
    0,
  )
  t.same(
    first.vector.map(({ labels }) => labels['instance']),
    ['a'],
    'a has not recovered, b and c have no traffic',
  )
  t.same(
    first.held.map(({ because }) => because),
    ['traffic is 3, below 10', 'traffic is unknown, below 10'],
  )
  const reloaded = JSON.parse(JSON.stringify(first.memory)) as typeof first.memory
  const nothing = { vector: [], values: [], traffic: [], firing }
  t.equal(measure(extras, reloaded, nothing, 5 * minute - 1).vector.length, 0)
  const gone = measure(extras, reloaded, nothing, 5 * minute)
  t.equal(gone.vector.length, 4, 'all four are absent, whatever their traffic')
  t.equal(
    measure(extras, gone.memory, nothing, 8 * 24 * hour).vector.length,
    0,
    'out of service after a week',
  )
})

t.test('a table: what was read before a change stays', async (t) => {
  const key = fc.constantFrom('a', 'b', 'c', 'constructor', 'hasOwnProperty')
  fc.assert(
    fc.property(fc.array(fc.tuple(key, fc.option(fc.integer()))), (steps) => {
      let table = emptyTable<number>()
      const model = new Map<string, number>()
      for (const [name, value] of steps) {
        const before = JSON.stringify(table)
        const draft = new TableDraft(table)
        if (value === null) draft.delete(name)
        else draft.set(name, value)
        if (JSON.stringify(table) !== before) throw new Error('the old table changed')
        table = JSON.parse(JSON.stringify(draft.finish())) as typeof table
        if (value === null) model.delete(name)
        else model.set(name, value)
      }
      if (table.size !== model.size || [...rowsOf(table)].length !== model.size)
        throw new Error('size')
      for (const [name, value] of model) if (rowOf(table, name) !== value) throw new Error(name)
    }),
  )
  t.pass('always')
})
