import t from 'tap'
import { Calendar, type ScheduleVersion } from '../../../server/oncall/calendar.ts'
import {
  acknowledge,
  type EscalationState,
  messageKey,
  nextStep,
  type Resolution,
  resolve,
  triggered,
} from '../../../server/oncall/escalation.ts'
import { concatenated, expandLayer } from '../../../server/oncall/expand.ts'
import { type FinalSegment, finalSchedule } from '../../../server/oncall/final.ts'
import { handOff } from '../../../server/oncall/handover.ts'
import { differences } from '../../../server/oncall/plan.ts'
import { type PolicySnapshot, snapshotOf } from '../../../server/oncall/policy.ts'
import { overloads, type PersonFacts, readiness } from '../../../server/oncall/readiness.ts'
import {
  type Layer,
  type Override,
  type ScheduleContent,
  scheduleFault,
  weekdays,
} from '../../../server/oncall/schedule.ts'
import { instantOf, isZone, midnights, wallOf } from '../../../server/oncall/zone.ts'
import fc from '../../helpers/property.ts'

const day = 86_400_000
const hour = 3_600_000
const zones = [
  'Europe/Moscow',
  'Europe/Berlin',
  'America/New_York',
  'Asia/Ho_Chi_Minh',
  'Australia/Lord_Howe',
  'Pacific/Apia',
] as const

const clockTimes = fc
  .tuple(fc.integer({ min: 0, max: 23 }), fc.constantFrom('00', '15', '30', '59'))
  .map(([hours, minutes]) => `${String(hours).padStart(2, '0')}:${minutes}`)
const days = fc
  .integer({ min: 0, max: 500 })
  .map((count) => new Date(Date.UTC(2025, 9, 1) + count * day).toISOString().slice(0, 10))
const windows = fc.record({
  days: fc.subarray([...weekdays], { minLength: 1 }),
  from: clockTimes,
  to: fc.oneof(clockTimes, fc.constant('24:00')),
})
const layers: fc.Arbitrary<Layer> = fc.record(
  {
    name: fc.constant('layer'),
    timeZone: fc.constantFrom(...zones),
    rotation: fc.record({
      unit: fc.constantFrom('hour', 'day', 'week'),
      count: fc.integer({ min: 1, max: 30 }),
    }),
    handOff: clockTimes,
    startsOn: days,
    endsOn: days,
    participants: fc.array(fc.constantFrom('anna', 'boris', 'carla'), { maxLength: 4 }),
    windows: fc.array(windows, { maxLength: 3 }),
  },
  {
    requiredKeys: [
      'name',
      'timeZone',
      'rotation',
      'handOff',
      'startsOn',
      'participants',
      'windows',
    ],
  },
)
const start = Date.UTC(2026, 0, 1)
const instants = fc.integer({ min: 0, max: 500 * 24 * 60 }).map((minute) => start + minute * 60_000)

function touching(
  segments: readonly { readonly from: number; readonly to: number }[],
  from: number,
  to: number,
): boolean {
  if (from === to) return segments.length === 0
  if (segments[0]?.from !== from || segments.at(-1)?.to !== to) return false
  return segments.every(
    (one, index) => one.from < one.to && (index === 0 || segments[index - 1]!.to === one.from),
  )
}

t.test(
  'every instant has exactly one explained answer per layer, and adjacent intervals concatenate',
  async (t) => {
    let gaps = 0
    let shifts = 0
    fc.assert(
      fc.property(
        layers,
        instants,
        fc.array(fc.nat(60 * day), { maxLength: 4 }),
        (layer, from, cuts) => {
          fc.pre(layer.endsOn === undefined || layer.endsOn > layer.startsOn)
          const to = from + 60 * day
          const whole = expandLayer(layer, from, to)
          if (!touching(whole, from, to)) return false
          const edges = [from, ...cuts.map((cut) => from + cut).sort((a, b) => a - b), to]
          const parts = edges.slice(1).map((edge, index) => expandLayer(layer, edges[index]!, edge))
          if (JSON.stringify(concatenated(parts)) !== JSON.stringify(whole)) return false
          for (const one of whole) {
            if (one.kind === 'gap') gaps += 1
            else shifts += 1
            if (one.kind === 'shift' && !layer.participants.includes(one.principalId)) return false
          }
          return true
        },
      ),
      { numRuns: 150 },
    )
    t.ok(gaps > 100 && shifts > 100, `${shifts} shifts and ${gaps} gaps seen`)
  },
)

t.test(
  'the final schedule covers all, and says at each instant what a plain look at the layers says',
  async () => {
    const overrides = fc.array(
      fc.record({
        principalId: fc.constantFrom('dmitri', 'elena'),
        startsAt: instants,
        hours: fc.integer({ min: 1, max: 300 }),
      }),
      { maxLength: 5 },
    )
    fc.assert(
      fc.property(
        fc.array(layers, { maxLength: 3 }),
        overrides,
        instants,
        fc.array(fc.nat(30 * day - 1), { minLength: 5, maxLength: 5 }),
        (some, given, from, probes) => {
          const usable = some.filter(
            ({ endsOn, startsOn }) => endsOn === undefined || endsOn > startsOn,
          )
          const named = usable.map((layer, index) => ({ ...layer, name: `layer ${index}` }))
          const made: Override[] = given.map(({ principalId, startsAt, hours }, index) => ({
            id: String(index),
            principalId,
            startsAt,
            endsAt: startsAt + hours * hour,
            createdAt: index,
          }))
          const version = versionOf(named, made)
          const calendar = new Calendar()
          const to = from + 30 * day
          const { final, layers: expanded } = calendar.expand(version, from, to)
          if (!touching(final, from, to)) return false
          return probes.every((probe) => {
            const at = from + probe
            const segment = final.find((one) => one.from <= at && at < one.to)!
            const override = made.findLast((one) => one.startsAt <= at && at < one.endsAt)
            const first = expanded
              .map(({ segments }) => segments.find((one) => one.from <= at && at < one.to)!)
              .find((one) => one.kind === 'shift')
            const wanted =
              override?.principalId ?? (first?.kind === 'shift' ? first.principalId : undefined)
            const alone = calendar.at(version, at)
            const told = segment.kind === 'shift' ? segment.principalId : undefined
            const toldAlone = alone.kind === 'shift' ? alone.principalId : undefined
            return told === wanted && toldAlone === wanted
          })
        },
      ),
      { numRuns: 60 },
    )
  },
)

function versionOf(own: readonly Layer[], overrides: readonly Override[] = []): ScheduleVersion {
  const content: ScheduleContent = {
    name: 'rota',
    description: '',
    timeZone: 'UTC',
    plannedGaps: false,
    layers: own,
  }
  return { id: 'rota', digest: JSON.stringify(content), content, overrides }
}

t.test('clocks on the wall and instants', async (t) => {
  const { Temporal } = await import('temporal-polyfill')
  for (const zone of zones)
    for (const year of [1996, 2026, 2027, 2061])
      for (let hours = 0; hours < 366 * 24; hours += 7) {
        // What is worked out from stretches without a change is what the time zone database says.
        const at = Date.UTC(year, 0, 1) + hours * hour + 60_000
        const zoned = Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(zone)
        const plain = new Date(at).toISOString().slice(0, 19)
        const told = Temporal.PlainDateTime.from(plain).toZonedDateTime(zone)
        if (wallOf(at, zone) - at !== zoned.offsetNanoseconds / 1e6) t.fail(`${zone} ${plain}`)
        if (instantOf(at, zone) !== told.epochMilliseconds) t.fail(`${zone} ${plain}`)
      }
  for (const zone of zones) {
    let hours = 0
    for (let at = start; at < start + 400 * day; at += 3 * hour, hours += 1) {
      const again = instantOf(wallOf(at, zone), zone)
      // The hour that comes twice is read as its first.
      if (again !== at && at - again > hour) t.fail(`${zone} ${at}`)
    }
    t.equal(hours, 3200, zone)
  }
  const check = (zone: string, wanted: boolean) => t.equal(isZone(zone), wanted, zone)
  check('Europe/Moscow', true)
  check('UTC', true)
  check('+03:00', false)
  check('Europe/Nowhere', false)
  check('', false)
  check('Europe/Berlin\n', false)
  const count = (from: number, to: number, zone: string) => midnights(from, to, zone).length
  t.equal(count(Date.UTC(2026, 2, 28, 23), Date.UTC(2026, 2, 29, 22), 'Europe/Berlin'), 2, '23 h')
  t.equal(
    count(Date.UTC(2011, 11, 29, 12), Date.UTC(2011, 11, 31, 12), 'Pacific/Apia'),
    4,
    'a day that never was',
  )
})

t.test('what is wrong with a schedule is said with what to do', async (t) => {
  const layer: Layer = {
    name: 'a',
    timeZone: 'UTC',
    rotation: { unit: 'week', count: 1 },
    handOff: '09:00',
    startsOn: '2026-03-02',
    participants: [],
    windows: [],
  }
  const check = (change: Partial<Layer>, wanted: RegExp | undefined) => {
    const fault = scheduleFault(versionOf([{ ...layer, ...change }]).content)
    if (wanted === undefined) t.equal(fault, undefined)
    else t.match(fault, wanted)
  }
  check({}, undefined)
  check({ timeZone: 'Mars/Olympus' }, /"Mars\/Olympus" is no time zone; write an IANA name/)
  check({ handOff: '24:00' }, /is no time of a day/)
  check({ handOff: '09:75' }, /is no time of a day/)
  check({ startsOn: '2026-02-30' }, /"2026-02-30" is no day/)
  check({ endsOn: '2026-03-02' }, /before it begins/)
  check({ windows: [{ days: [], from: '09:00', to: '10:00' }] }, /names no day/)
  check({ windows: [{ days: ['mon'], from: '9', to: '10:00' }] }, /a window begins at "9"/)
  t.match(scheduleFault(versionOf([layer, layer]).content), /Two layers are named "a"/)
  t.throws(() => expandLayer(layer, 0, 401 * day), RangeError, 'bounded')
  t.throws(() => expandLayer(layer, 1, 0), RangeError)
  t.same(finalSchedule([], [], 0, day), [{ from: 0, to: day, kind: 'gap', reasons: [] }])
})

const snapshots: fc.Arbitrary<PolicySnapshot> = fc
  .record({
    steps: fc.array(
      fc.record({
        delaySeconds: fc.integer({ min: 10, max: 3600 }),
        targets: fc.array(
          fc.record({
            kind: fc.constant('person' as const),
            id: fc.constantFrom('a', 'b', 'c', 'd'),
          }),
          { minLength: 1, maxLength: 3 },
        ),
      }),
      { maxLength: 5 },
    ),
    repeat: fc.integer({ min: 0, max: 3 }),
    acknowledgementSeconds: fc.option(fc.integer({ min: 60, max: 7200 }), { nil: null }),
  })
  .map((some) =>
    snapshotOf('p', 1, {
      name: 'p',
      description: '',
      catchAll: [{ kind: 'contact', id: 'noc' }],
      catchAllEverySeconds: 900,
      ...some,
    }),
  )

const mostSteps = 1000

/** Who is away changes from call to call; `seed` makes it the same again. */
function flaky(seed: number, missing: number) {
  let state = seed
  return ({ kind, id }: { kind: string; id: string }): Resolution => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    if (kind === 'contact') return { recipients: [{ kind: 'contact', id }] }
    return state / 2 ** 32 < missing
      ? { recipients: [], reason: `${id} is away` }
      : { recipients: [{ kind: 'person', id }] }
  }
}

t.test(
  'three weeks: each page is acknowledged, or climbs to the end and is shouted about; a replay gives the same keys',
  async (t) => {
    const seen = { acknowledged: 0, shouted: 0, expired: 0, skipped: 0, replayed: 0 }
    fc.assert(
      fc.property(
        snapshots,
        fc.nat(),
        fc.constantFrom(0, 0.3, 0.9, 1),
        fc.constantFrom(0, 0.02, 0.3),
        (snapshot, seed, missing, answers) => {
          const end = start + 21 * day
          const resolveTarget = flaky(seed, missing)
          let dice = seed
          const roll = () => {
            dice = (Math.imul(dice, 1_664_525) + 1_013_904_223) >>> 0
            return dice / 2 ** 32
          }
          let state: EscalationState = triggered(start)
          const keys = new Set<string>()
          let lastPlace = ''
          let steps = 0
          let begunAt = start
          while (state.dueAt !== null && state.dueAt < end && steps < mostSteps) {
            steps += 1
            const now: number = Math.max(state.dueAt, start) + Math.floor(roll() * 5000)
            const stored = JSON.stringify(state)
            const { state: next, decisions } = nextStep(snapshot, state, now, resolveTarget)
            // Killed before the commit: from what is stored the very places come again, whatever the time is by then.
            const again = nextStep(snapshot, JSON.parse(stored), now + 60_000, flaky(seed, missing))
            const firstKey = (list: typeof decisions) =>
              list.flatMap((one) => ('key' in one ? [one.key] : []))[0]
            if (firstKey(again.decisions) !== firstKey(decisions)) return false
            seen.replayed += 1
            for (const decision of decisions) {
              if (decision.kind === 'acknowledgement expired') {
                seen.expired += 1
                begunAt = now
              }
              if (decision.kind === 'skip') seen.skipped += 1
              if (decision.kind === 'skip' && decision.reason === '') return false
              if (decision.kind === 'notify' || decision.kind === 'catch-all') {
                lastPlace = decision.key
                for (const recipient of decision.recipients) {
                  const key = messageKey('page', decision.key, recipient)
                  if (keys.has(key)) return false
                  keys.add(key)
                }
              }
            }
            // Twice with the state it gave: nothing, and always something due as long as nobody has taken it.
            if (nextStep(snapshot, next, now, resolveTarget).decisions.length > 0) return false
            if (next.dueAt === null || next.dueAt <= now || !Number.isFinite(next.dueAt))
              return false
            state = roll() < answers ? acknowledge(snapshot, next, 'a', now) : next
          }
          if (state.phase === 'acknowledged') seen.acknowledged += 1
          else if (state.phase === 'shouting') seen.shouted += 1
          // Begun again by an old acknowledgement: on its way no longer than its steps and the worker's delays take.
          else if (steps < mostSteps) {
            const rounds = snapshot.repeat + 1
            const delays = snapshot.steps.reduce((sum, { delaySeconds }) => sum + delaySeconds, 0)
            const longest = rounds * (delays * 1000 + snapshot.steps.length * 5000)
            if (end - begunAt > longest + 5000) return false
          }
          return (
            lastPlace !== '' &&
            nextStep(snapshot, resolve(state), end * 2, resolveTarget).decisions.length === 0
          )
        },
      ),
      { numRuns: 150 },
    )
    for (const [what, count] of Object.entries(seen)) t.ok(count > 20, `${what}: ${count}`)
  },
)

t.test('a clock that goes back delays a step by no more than its own delay', async (t) => {
  const snapshot = snapshotOf('p', 1, {
    name: 'p',
    description: '',
    steps: [
      { delaySeconds: 300, targets: [{ kind: 'person', id: 'a' }] },
      { delaySeconds: 300, targets: [{ kind: 'person', id: 'b' }] },
    ],
    repeat: 0,
    catchAll: [],
    catchAllEverySeconds: 900,
    acknowledgementSeconds: null,
  })
  const all = flaky(1, 0)
  const first = nextStep(snapshot, triggered(start), start - day, all)
  t.equal(
    first.decisions.length,
    1,
    'a page that came a moment before the clock went back is told at once',
  )
  const later = nextStep(
    snapshot,
    nextStep(snapshot, triggered(start), start, all).state,
    start - day,
    all,
  )
  t.same(later.decisions, [])
  t.equal(later.state.dueAt, start - day + 300_000)
  t.equal(snapshot.steps[0]!.targets[0]!.id, 'a')
})

t.test('readiness: never green by what is not known', async (t) => {
  const now = Date.UTC(2026, 2, 2)
  const shift = (principalId: string): FinalSegment => ({
    from: now,
    to: now + day,
    kind: 'shift',
    principalId,
    layer: 'a',
    overrideId: null,
  })
  const point = (channel: string, testedAt: number | null, disabledAt: number | null = null) => ({
    channel,
    testedAt,
    disabledAt,
  })
  const check = (facts: Partial<PersonFacts> | undefined, state: string, reason: string | null) => {
    const person = { id: 'p', name: 'Anna', enabled: true, contactPoints: [], ...facts }
    const people = new Map(facts === undefined ? [] : [['p', person as PersonFacts]])
    const [found] = readiness({ id: 's', plannedGaps: false }, [shift('p')], people, now)
    t.match(found, { state, reason }, JSON.stringify(facts))
  }
  check(undefined, 'unready', 'person unknown')
  check({ enabled: false }, 'unready', 'person disabled')
  check({ contactPoints: undefined }, 'unknown', 'contact points unknown')
  check({}, 'unready', 'too few tested channels')
  check(
    { contactPoints: [point('sms', now), point('sms', now)] },
    'unready',
    'too few tested channels',
  )
  check(
    { contactPoints: [point('sms', now), point('email', null)] },
    'unready',
    'too few tested channels',
  )
  check(
    { contactPoints: [point('sms', now), point('email', now, now)] },
    'unready',
    'too few tested channels',
  )
  check(
    { contactPoints: [point('sms', now), point('email', now - 91 * day)] },
    'unready',
    'too few tested channels',
  )
  check({ contactPoints: [point('sms', now), point('email', now - 89 * day)] }, 'ready', null)
  const reason = 'outside its hours' as const
  const gap: FinalSegment = {
    from: now,
    to: now + day,
    kind: 'gap',
    reasons: [{ layer: 'a', reason }],
  }
  const ended: FinalSegment = { ...gap, reasons: [{ layer: 'a', reason: 'ended' }] }
  const none = new Map<string, PersonFacts>()
  t.match(readiness({ id: 's', plannedGaps: false }, [gap], none, now), [
    { reason: 'nobody on call' },
  ])
  t.same(readiness({ id: 's', plannedGaps: true }, [gap], none, now), [], 'meant so')
  t.match(readiness({ id: 's', plannedGaps: true }, [ended], none, now), [{ state: 'unready' }])
  const two = [
    { id: 'one', final: [{ ...shift('p'), to: now + 9 * day }] },
    { id: 'two', final: [{ ...shift('p'), from: now + 8 * day, to: now + 10 * day }] },
  ]
  t.match(overloads(two), [
    { kind: 'too long', scheduleIds: ['one', 'two'], to: now + 10 * day },
    { kind: 'two schedules', from: now + 8 * day, to: now + 9 * day },
  ])
  t.same(overloads([{ id: 'one', final: [{ ...shift('p'), to: now + 7 * day }] }]), [])
})

t.test('hand-offs are found from what was known last', async (t) => {
  const base = { kind: 'shift', layer: 'a', overrideId: null } as const
  const first: FinalSegment = { ...base, from: 0, to: 10, principalId: 'anna' }
  const second: FinalSegment = { ...base, from: 10, to: 20, principalId: 'boris' }
  const again: FinalSegment = { ...second, from: 20, to: 30, layer: 'b' }
  const gap: FinalSegment = { kind: 'gap', from: 20, to: 30, reasons: [] }
  t.same(handOff(undefined, [first], 5), { at: 5, from: null, to: 'anna', since: 0 })
  t.equal(handOff({ at: 0, to: 'anna' }, [first], 5), undefined)
  t.same(handOff({ at: 0, to: 'anna' }, [first, second], 12), {
    at: 10,
    from: 'anna',
    to: 'boris',
    since: 0,
  })
  t.equal(handOff({ at: 10, to: 'boris' }, [first, second, again], 22), undefined, 'another layer')
  t.same(handOff({ at: 0, to: 'anna' }, [first, second, again], 22), {
    at: 10,
    from: 'anna',
    to: 'boris',
    since: 0,
  })
  t.same(handOff({ at: 10, to: 'boris' }, [first, second, gap], 22), {
    at: 20,
    from: 'boris',
    to: null,
    since: 10,
  })
  t.same(
    handOff({ at: 15, to: 'carla' }, [first, second], 18),
    { at: 18, from: 'carla', to: 'boris', since: 15 },
    'edited',
  )
  t.equal(handOff(undefined, [gap], 22), undefined)
})

t.test('differences are told a line each', async (t) => {
  const check = (before: unknown, after: unknown, wanted: string[]) =>
    t.same(differences(before, after), wanted)
  check({ a: 1 }, { a: 1 }, [])
  check({ a: { b: ['x', 'y'] } }, { a: { b: ['y', 'x'] } }, ['a.b: [x, y] -> [y, x]'])
  check({ l: [{ h: '09:00' }] }, { l: [{ h: '10:00' }, { h: '1' }] }, [
    'l.0.h: 09:00 -> 10:00',
    'l.1: nothing -> {"h":"1"}',
  ])
  check({}, { a: 'x' }, ['a: nothing -> x'])
  t.equal(
    differences({}, Object.fromEntries(Array.from({ length: 500 }, (_, i) => [i, i]))).length,
    200,
  )
})
