import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import {
  addBusinessDays,
  addLocal,
  advance,
  countedBetween,
  merged,
  nextWorkingDayAt,
  spoken,
  type WorkCalendar,
} from '../../../clocks/calendar.ts'
import {
  classifyDora,
  type DoraImpact,
  readDoraImpact,
} from '../../../clocks/dora-classification.ts'
import {
  type Case,
  evaluate,
  namesOf,
  ruleInWords,
  settingsFault,
  whatIf,
} from '../../../clocks/evaluate.ts'
import type { Fact } from '../../../clocks/fact.ts'
import { instantOf, readCaseText, supposedFault } from '../../../clocks/read-case.ts'
import { readRegimeText } from '../../../clocks/read-regime.ts'
import { evaluationView } from '../../../clocks/view.ts'
import { packageRoot } from '../../../server/assets.ts'
import fc from '../../helpers/property.ts'
import { regimes } from './shipped.ts'

t.setTimeout(300_000)

const hour = 3_600_000
const at = (text: string) => instantOf(text)!
const dora = regimes.get('dora')!
const bank = { kinds: ['credit-institution'], zone: 'Europe/Paris', holidays: [] }
const settings = { ...bank, weekend: undefined, workingHours: undefined }

function fact(name: string, when: number | undefined, more: Partial<Fact> = {}): Fact {
  const base = { id: `${name} ${when}`, name, at: when, certainty: 'actual' } as const
  return { ...base, recordedAt: when ?? 0, supersedes: undefined, reason: undefined, ...more }
}

function caseOf(facts: readonly Fact[], more: Partial<Case> = {}): Case {
  return { facts, attributes: {}, institution: settings, ...more }
}

t.test('a regime file: every fault at once, each with its line', async (t) => {
  const text = `regime: My Rules
title: x
jurisdiction: x
calendar: { zone: Mars/Olympus, weekend: [monday, tuesday, wednesday, thursday, friday, saturday, sunday], holidays: [2026-02-30], hours: 1 }
facts: { aware: known, paused: x, resumed: x }
clocks:
  - code: a
    title: A
    citation: { document: d, article: 1, url: 'ftp://x' }
    starts_with: aware
    deadline: { after: awair, plus: { hours: 0 } }
    satisfied_by: told
    at_risk_share: 1
    confidence: certain
    verified_on: yesterday
  - code: a
    title: B
    citation: { document: d, article: a }
    starts_with: aware
    deadline: { min: [{ after: aware, plus: { hours: 1, days: 2 } }] }
    rhythm: { every: { days: 1 }, event: aware, until: aware }
    pause: { begins: paused, ends: resumed, reasons: [] }
    roll: { on: [], at: noon, citation: { document: d, article: a } }
    confidence: memory
    verified_on: 2026-01-01
  - code: c
    title: C
    citation: { document: d, article: a }
    starts_with: aware
    deadline: { after: aware, before: aware, plus: { hours: 1 } }
    satisfied_by: aware
    confidence: memory
    verified_on: 2026-01-01
`
  const { value, faults } = readRegimeText(text)
  t.equal(value, undefined)
  const said = faults.map(({ line, message }) => `${line}: ${message}`).join('\n')
  for (const part of [
    /^1: regime: must be a name/m,
    /^1: caution: is missing/m,
    /^4: calendar\.zone: Mars\/Olympus is no IANA/m,
    /^4: calendar\.weekend: leaves no working day/m,
    /^4: calendar\.holidays\[0\]: 2026-02-30 is no day/m,
    /^4: calendar\.hours: unknown key/m,
    /^9: clocks\[0\]\.citation\.article: must be a text/m,
    /^9: clocks\[0\]\.citation\.url: must begin with/m,
    /^11: clocks\[0\]\.deadline\.plus\.hours: must be a whole number/m,
    /clocks\[0\]: the fact "told" is not among "facts"/,
    /^13: clocks\[0\]\.at_risk_share/m,
    /^14: clocks\[0\]\.confidence: must be one of confirmed, secondary, memory/m,
    /^15: clocks\[0\]\.verified_on: yesterday is no day/m,
    /clocks\[1\]: needs exactly one of deadline, rhythm/,
    /clocks\[1\]\.deadline\.min: needs at least two/,
    /clocks\[1\]\.rhythm\.every: must be minutes or hours/,
    /clocks\[1\]\.pause\.reasons: needs at least one reason/,
    /clocks\[1\]\.roll\.on: must name weekend/,
    /clocks\[1\]\.roll\.at: must be a time/,
    /clocks\[2\]\.deadline: needs exactly one of after, before/,
  ])
    t.match(said, part)
  t.match(readRegimeText('a: [').faults, [{ line: 1, message: /not readable as YAML/ }])
  t.match(readRegimeText('null').faults, [{ message: /must be a mapping/ }])
  t.match(readRegimeText('#'.repeat(2_000_000)).faults, [{ message: /longer than/ }])
  const deep = Array.from({ length: 40 }).reduce<string>((inner) => `{ min: [x, ${inner}] }`, 'x')
  t.match(
    JSON.stringify(readRegimeText(`clocks: [{ deadline: ${deep} }]`).faults),
    /nested more than/,
  )
  const good = readFileSync(join(packageRoot, 'clocks/regimes/dora.yaml'), 'utf8')
  const changed = (from: string, to: string) => readRegimeText(good.replace(from, to)).faults
  t.same(changed('', ''), [])
  t.match(changed('code: intermediate\n', 'code: initial\n'), [
    { message: /clocks\[1\]\.code: "initial" is there twice/ },
  ])
  t.match(changed('  - nis2-important\n', ''), [
    { message: /not_for: "nis2-important" is not among "kinds"/ },
    {},
  ])
})

t.test('arbitrary text is never a crash and never a regime', async () => {
  const good = `{ regime: x, title: x, jurisdiction: x, caution: x, facts: { a: x }, clocks: [{ code: a,
title: x, citation: { document: x, article: x }, starts_with: a, deadline: { after: a, plus: { hours: 1 } },
satisfied_by: a, confidence: memory, verified_on: 2026-01-01 }] }`
  fc.assert(
    fc.property(fc.nat(good.length), fc.nat(40), fc.string(), (place, length, put) => {
      const text = good.slice(0, place) + put + good.slice(place + length)
      return [readRegimeText(text), readCaseText(text, 0)].every(
        ({ value, faults }) => (value === undefined) === faults.length > 0,
      )
    }),
    { numRuns: 150, examples: [[0, 0, '']] },
  )
})

t.test('a file of facts: every fault with its line', async (t) => {
  const now = at('2026-03-10T12:00:00Z')
  const { value, faults } = readCaseText(
    `institution: { zone: Nowhere, kinds: credit-institution }
attributes: { severity: 1 }
facts:
  - { fact: aware, at: 2026-03-10T09:00:00 }
  - { fact: Aware, at: 2026-02-30T09:00:00Z }
  - { fact: aware, at: 2026-03-10T09:00:00Z, supersedes: x }
  - { fact: aware, withdrawn: true }
  - { fakt: aware }
`,
    now,
  )
  t.equal(value, undefined)
  const said = faults.map(({ line, message }) => `${line}: ${message}`).join('\n')
  for (const part of [
    /^1: institution\.zone: Nowhere is no IANA/m,
    /^1: institution\.kinds: must be a list/m,
    /^2: attributes\.severity: must be a text/m,
    /^4: facts\[0\]\.at: 2026-03-10T09:00:00 is no instant with its zone/m,
    /^5: facts\[1\]\.fact: must be a name/m,
    /^5: facts\[1\]\.at: 2026-02-30T09:00:00Z is no instant/m,
    /^6: facts\[2\]\.recorded_at: is missing/m,
    /^7: facts\[3\]: a withdrawn fact names what it supersedes/m,
    /^8: facts\[4\]\.fakt: unknown key/m,
  ])
    t.match(said, part)
  const chain = (rows: string) => readCaseText(`facts:\n${rows}`, now).faults
  const first = '  - { id: a, fact: aware, at: 2026-03-10T09:00:00Z }\n'
  const next = (more: string) =>
    `  - { fact: aware, at: 2026-03-10T08:00:00Z, recorded_at: 2026-03-10T10:00:00Z, ${more} }\n`
  t.same(chain(first + next('supersedes: a')), [])
  t.match(chain(next('supersedes: a')), [{ line: 2, message: /there is no fact with the id "a"/ }])
  t.match(chain(first + first), [{ line: 3, message: /there twice/ }])
  t.match(chain(first + next('supersedes: a') + next('supersedes: a')), [
    { line: 4, message: /superseded by "fact 2" already/ },
  ])
  t.match(chain(first.replace('aware', 'classified') + next('supersedes: a')), [
    { line: 3, message: /"a" is classified; a correction keeps the name/ },
  ])
  t.match(
    chain(
      `${first}  - { id: b, fact: aware, at: 2026-03-10T09:00:00Z, supersedes: b, recorded_at: 2026-03-10T09:00:00Z }\n`,
    ),
    [{ line: 3, message: /was not recorded before this/ }],
  )
})

const paris: WorkCalendar = {
  zone: 'Europe/Paris',
  weekend: ['saturday', 'sunday'],
  holidays: new Set(['2026-04-06']),
  workingHours: { from: 540, to: 1020 },
}

t.test('days, months and hours on a calendar', async (t) => {
  const months = (from: string, amount: number, to: string) =>
    t.equal(addLocal(at(from), { months: amount }, 'Europe/Paris'), at(to), `${from} + ${amount}`)
  months('2027-01-31T10:00:00+01:00', 1, '2027-02-28T10:00:00+01:00')
  months('2028-01-31T10:00:00+01:00', 1, '2028-02-29T10:00:00+01:00')
  months('2026-05-31T10:00:00+02:00', 1, '2026-06-30T10:00:00+02:00')
  months('2026-09-25T02:30:00+02:00', 1, '2026-10-25T02:30:00+02:00')
  months('2026-02-28T23:59:59+01:00', 1, '2026-03-28T23:59:59+01:00')
  const business = (from: string, amount: number, to: string) =>
    t.equal(addBusinessDays(paris, at(from), amount), at(to), `${from} + ${amount}`)
  business('2026-04-02T10:00:00+02:00', 1, '2026-04-03T10:00:00+02:00')
  business('2026-04-03T10:00:00+02:00', 1, '2026-04-07T10:00:00+02:00')
  business('2026-04-04T10:00:00+02:00', 1, '2026-04-07T10:00:00+02:00')
  business('2026-04-07T10:00:00+02:00', -1, '2026-04-03T10:00:00+02:00')
  const noon = nextWorkingDayAt(paris, at('2026-03-28T23:30:00+01:00'), 720)
  t.equal(noon, at('2026-03-30T12:00:00+02:00'))
  const working = (from: string, hours: number, to: string) =>
    t.equal(advance(at(from), hours * hour, paris, []), at(to), `${from} + ${hours} h`)
  working('2026-04-03T16:00:00+02:00', 1, '2026-04-03T17:00:00+02:00')
  working('2026-04-03T16:00:00+02:00', 2, '2026-04-07T10:00:00+02:00')
  working('2026-04-03T03:00:00+02:00', 8, '2026-04-03T17:00:00+02:00')
  working('2026-04-04T12:00:00+02:00', 9, '2026-04-08T10:00:00+02:00')
})

t.test('the time that counts and the time that passes agree', async (t) => {
  const start = at('2026-03-20T00:00:00Z')
  const moment = fc
    .integer({ min: 0, max: 40 * 24 * 60 })
    .map((minutes) => start + minutes * 60_000)
  const pauses = fc
    .array(fc.tuple(moment, fc.integer({ min: 1, max: 3000 })), { maxLength: 5 })
    .map((some) => merged(some.map(([from, minutes]) => ({ from, to: from + minutes * 60_000 }))))
  const counting = fc.constantFrom(undefined, paris)
  fc.assert(
    fc.property(
      moment,
      fc.integer({ min: 1, max: 6000 }),
      pauses,
      counting,
      (from, minutes, paused, calendar) => {
        const to = advance(from, minutes * 60_000, calendar, paused)
        t.equal(countedBetween(from, to, calendar, paused), minutes * 60_000)
        return advance(from, (minutes + 1) * 60_000, calendar, paused) > to
      },
    ),
    { numRuns: 60 },
  )
})

const start = at('2026-01-01T00:00:00Z')
const year = 366 * 24 * 60
const minute = fc.integer({ min: 0, max: year }).map((minutes) => start + minutes * 60_000)
const doraNames = Object.keys(dora.facts)
const history = fc.array(
  fc
    .tuple(fc.constantFrom(...doraNames), minute, fc.integer({ min: 0, max: 500 }))
    .map(([name, when, delay]): Fact => fact(name, when, { recordedAt: when + delay * 60_000 })),
  { maxLength: 12 },
)
/** Ids made unique, and some facts made corrections of earlier ones. */
const corrected = fc
  .tuple(history, fc.array(fc.nat(20), { maxLength: 12 }))
  .map(([facts, links]) => {
    const sorted = [...facts].sort((a, b) => a.recordedAt - b.recordedAt)
    const taken = new Set<string>()
    return sorted.map((one, i): Fact => {
      const id = `f${i}`
      const old = sorted[links[i] ?? i]
      const oldId = `f${links[i] ?? i}`
      const fits = old !== undefined && old.name === one.name && old.recordedAt < one.recordedAt
      if (!fits || taken.has(oldId)) return { ...one, id }
      taken.add(oldId)
      return { ...one, id, supersedes: oldId }
    })
  })
const brief = (results: ReturnType<typeof evaluate>) =>
  results.map(({ rule, state, deadline, previous, steps }) => ({
    code: rule.code,
    state,
    deadline,
    previous,
    steps,
  }))

t.test('the order of facts, and facts a clock does not name, change nothing', async (t) => {
  fc.assert(
    fc.property(corrected, minute, fc.nat(), (facts, now, seed) => {
      const straight = brief(evaluate(caseOf(facts), dora, now))
      const shuffled = [...facts].sort(
        (a, b) => ((a.recordedAt + seed) % 7) - ((b.recordedAt + seed) % 7),
      )
      t.same(brief(evaluate(caseOf(shuffled), dora, now)), straight)
      return true
    }),
    { numRuns: 60 },
  )
  fc.assert(
    fc.property(
      corrected,
      minute,
      minute,
      fc.constantFrom('weather', ...doraNames),
      (facts, now, when, name) => {
        const before = brief(evaluate(caseOf(facts), dora, now))
        const more = [...facts, fact(name, when, { id: 'more', recordedAt: Math.min(when, now) })]
        const after = brief(evaluate(caseOf(more), dora, now))
        for (const [i, { code }] of before.entries()) {
          const rule = dora.clocks.find((one) => one.code === code)!
          if (!namesOf(rule).has(name)) t.same(after[i], before[i], `${name} and ${code}`)
        }
        return true
      },
    ),
    { numRuns: 60 },
  )
})

t.test('a later anchor never makes an earlier deadline', async () => {
  const due = (facts: readonly Fact[], kind: string, code: string) => {
    const theCase = caseOf(facts, { institution: { ...settings, kinds: [kind] } })
    const end = start + 2 * year * 60_000
    return evaluate(theCase, dora, end).find(({ rule }) => rule.code === code)!.deadline!
  }
  const day = (time: number) => spoken(time, 'Europe/Paris').split(' ')[1]!
  for (const [code, anchor] of [
    ['initial', 'classified'],
    ['intermediate', 'initial_submitted'],
    ['final', 'intermediate_submitted'],
  ] as const)
    for (const kind of ['credit-institution', 'payment-institution'])
      fc.assert(
        fc.property(minute, minute, fc.integer({ min: 1, max: 100_000 }), (aware, when, by) => {
          const known = fact('aware', aware)
          const first = due([known, fact(anchor, when)], kind, code)
          const second = due([known, fact(anchor, when + by * 60_000)], kind, code)
          // Months that are too short, and noon of the next working day, keep the order of days only.
          if (kind === 'credit-institution' && code !== 'final') return second >= first
          return day(second) >= day(first)
        }),
        { numRuns: 50, examples: [[start, start + 24 * 60 * 60_000, 1]] },
      )
})

t.test('as of an earlier time, what was recorded later does not exist', async (t) => {
  fc.assert(
    fc.property(corrected, minute, (facts, now) => {
      const known = facts.filter(({ recordedAt }) => recordedAt <= now)
      t.same(brief(evaluate(caseOf(facts), dora, now)), brief(evaluate(caseOf(known), dora, now)))
      return true
    }),
    { numRuns: 60 },
  )
})

t.test('what if it were classified later', async (t) => {
  const now = at('2026-03-10T12:00:00+01:00')
  const aware = fact('aware', at('2026-03-10T09:00:00+01:00'))
  const supposed = [{ name: 'classified', at: at('2026-03-10T18:00:00+01:00') }]
  const { now: then, clocks } = whatIf(caseOf([aware]), supposed, dora, now)
  t.equal(then, supposed[0]!.at, 'it is as late as what is supposed')
  t.match(clocks[0], { state: 'running', deadline: at('2026-03-10T22:00:00+01:00') })
  t.equal(evaluate(caseOf([aware]), dora, now)[0]!.state, 'not started', 'nothing was kept')
  t.match(supposedFault([{ name: 'classify', at: '' }], dora), /no fact of dora; known are aware/)
  t.match(supposedFault([{ name: 'aware', at: 'noon' }], dora), /noon is no instant/)
  const view = evaluationView(dora, caseOf([aware, fact('clasified', now)]), now, [])
  t.same(view.unusedFacts, ['clasified'], 'a misspelt fact is told')
})

t.test('an institution that does not fit is refused', async (t) => {
  t.equal(settingsFault(settings, dora), undefined)
  t.match(
    settingsFault({ ...settings, kinds: ['bank'] }, dora),
    /"bank" is no kind that dora knows/,
  )
  t.match(settingsFault({ ...settings, zone: undefined }, dora), /zone is missing/)
  t.equal(settingsFault({ ...settings, zone: undefined }, regimes.get('sg-mas')!), undefined)
})

t.test('an explanation that a lawyer can follow', async (t) => {
  const friday = fact('classified', at('2026-03-06T21:00:00+01:00'))
  const aware = fact('aware', at('2026-03-06T20:00:00+01:00'))
  const institution = { ...settings, kinds: ['payment-institution'] }
  const [initial] = evaluate(caseOf([friday, aware], { institution }), dora, friday.at!)
  t.same(
    initial!.steps.map(({ kind, text }) => `${kind}: ${text}`),
    [
      'choice: classified (Friday 2026-03-06 21:00:00 +01:00 (Europe/Paris)) is not later than 24 hours after aware (Saturday 2026-03-07 20:00:00 +01:00 (Europe/Paris))',
      'anchor: classified: Friday 2026-03-06 21:00:00 +01:00 (Europe/Paris) (actual, recorded Friday 2026-03-06 21:00:00 +01:00 (Europe/Paris))',
      'rule: 4 hours after classified: Saturday 2026-03-07 01:00:00 +01:00 (Europe/Paris)',
      'anchor: aware: Friday 2026-03-06 20:00:00 +01:00 (Europe/Paris) (actual, recorded Friday 2026-03-06 20:00:00 +01:00 (Europe/Paris))',
      'rule: 24 hours after aware: Saturday 2026-03-07 20:00:00 +01:00 (Europe/Paris)',
      'choice: the earlier of these holds: Saturday 2026-03-07 01:00:00 +01:00 (Europe/Paris)',
      'roll: falls on a Saturday; Delegated Regulation (EU) 2025/301 Art. 5(4) to (6): until Monday 2026-03-09 12:00:00 +01:00 (Europe/Paris)',
      'rule: deadline: Monday 2026-03-09 12:00:00 +01:00 (Europe/Paris)',
      'result: running: due Monday 2026-03-09 12:00:00 +01:00 (Europe/Paris), in 63 h',
    ],
  )
  t.match(
    ruleInWords(dora.clocks[0]!),
    '4 hours after classified where classified is later than 24 hours after aware, else the earlier of 4 hours after classified and 24 hours after aware',
  )
})

t.test('docs/clocks.md has a row for every clock that ships, and no other', async (t) => {
  const text = readFileSync(join(packageRoot, 'docs', 'clocks.md'), 'utf8')
  const rows = [...text.matchAll(/^\| `([a-z-]+)` \| `([a-z0-9-]+)` \|(.*)\|$/gm)]
  const said = rows.map(([, regime, code, rest]) => `${regime} ${code}${rest}`).sort()
  const shipped = [...regimes.values()].flatMap(({ name, clocks }) =>
    clocks.map((rule) => {
      const { document, article } = rule.citation
      return `${name} ${rule.code} ${ruleInWords(rule)} | ${document}, ${article} | ${rule.confidence} | ${rule.verifiedOn} `
    }),
  )
  t.same(said, shipped.sort())
  for (const { name, caution } of regimes.values())
    t.match(caution, /[Cc]ounsel must confirm|not law/, `${name} says what it is not`)
})

t.test('major under DORA: the gate, and one criterion or two', async (t) => {
  const none: Required<DoraImpact> = {
    ...{
      criticalFunctionAffected: false,
      supervisedServiceAffected: false,
      maliciousAccess: false,
    },
    ...{ accessMayLoseData: false, clientsAffected: 0, clientsAffectedShare: 0 },
    ...{ counterpartsAffectedShare: 0, transactionsNumberShare: 0, transactionsValueShare: 0 },
    ...{ relevantClientsAffected: false, inMedia: false, repeatedComplaints: false },
    ...{ regulatoryRequirementsMissed: false, clientsLost: false, durationHours: 0 },
    ...{ criticalDowntimeHours: 0, memberStates: 1, dataLossAdverse: false, costsEuro: 0 },
  }
  const gate = { criticalFunctionAffected: true }
  const check = (impact: DoraImpact, major: boolean | undefined, because: RegExp) => {
    const result = classifyDora(impact)
    t.equal(result.major, major, JSON.stringify(impact))
    t.match(result.because, because)
  }
  check(none, false, /no critical service/)
  check({ ...none, ...gate }, false, /0 of two/)
  check({ ...none, ...gate, durationHours: 25 }, false, /1 of two thresholds: duration/)
  check({ ...none, ...gate, durationHours: 25, costsEuro: 100_000.01 }, true, /duration.*economic/)
  check(
    { ...none, ...gate, durationHours: 24, criticalDowntimeHours: 2, costsEuro: 100_000 },
    false,
    /0 of two/,
  )
  check({ ...none, ...gate, durationHours: 30, criticalDowntimeHours: 3 }, false, /1 of two/)
  check(
    { ...none, ...gate, clientsAffectedShare: 0.1, clientsAffected: 100_000, memberStates: 2 },
    false,
    /1 of two/,
  )
  check({ ...none, ...gate, clientsAffected: 100_001, memberStates: 2 }, true, /geographical/)
  check(
    { ...none, clientsAffected: 200_000, memberStates: 3, costsEuro: 1e6 },
    false,
    /no critical service/,
  )
  check({ ...none, maliciousAccess: true, accessMayLoseData: true }, true, /Art\. 8\(1\)\(a\)/)
  check({ ...none, maliciousAccess: true }, false, /0 of two/)
  check(
    { ...none, ...gate, repeatedComplaints: true, dataLossAdverse: true },
    true,
    /reputational impact, data/,
  )
  check({}, undefined, /cannot be said yet/)
  check({ ...gate, durationHours: 30, inMedia: true }, true, /reputational impact, duration/)
  const { costsEuro: _, ...unpriced } = { ...none, ...gate, inMedia: true }
  check(unpriced, undefined, /not known: costsEuro$/)
  t.same(classifyDora(unpriced).unknown, ['costsEuro'])
  check({ ...unpriced, inMedia: false }, false, /0 of two/)
  for (const { citation } of classifyDora(none).criteria) t.match(citation, /2024\/1772 Art\. 9/)

  t.same(readDoraImpact({ inMedia: true, costsEuro: 5 }).faults, [])
  t.match(
    readDoraImpact({ inMedia: 1, costs: 5, costsEuro: -1, clientsAffectedShare: 12 }).faults,
    [
      { message: /costs: unknown key/ },
      { message: /inMedia: must be true or false/ },
      { message: /costsEuro: must be a number/ },
      { message: /clientsAffectedShare: is a share/ },
    ],
  )
})

t.test('a figure more, answered either way, never turns an answer that was given', async () => {
  const keys = [
    ...['inMedia', 'memberStates', 'costsEuro', 'durationHours', 'criticalFunctionAffected'],
    ...['maliciousAccess', 'accessMayLoseData', 'dataLossAdverse'],
  ]
  const isNumber = (key: string) => /memberStates|costsEuro|durationHours/.test(key)
  const figureOf = (key: string, high: boolean) => (isNumber(key) ? (high ? 1e6 : 0) : high)
  fc.assert(
    fc.property(
      fc.subarray(keys),
      fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }),
      fc.constantFrom(...keys),
      fc.boolean(),
      (some, values, key, high) => {
        const impact = Object.fromEntries(
          some.map((one, i) => [one, figureOf(one, values[i]!)]),
        ) as DoraImpact
        const before = classifyDora(impact).major
        if (before === undefined || key in impact) return true
        return classifyDora({ ...impact, [key]: figureOf(key, high) }).major === before
      },
    ),
    { numRuns: 500 },
  )
})
