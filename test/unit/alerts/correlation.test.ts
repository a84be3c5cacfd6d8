import fc from 'fast-check'
import t from 'tap'
import {
  candidates,
  counted,
  countOf,
  decideBy,
  isBeside,
  keyOf,
  labelKeys,
  subjectOfLabels,
  unmet,
} from '../../../alerts/correlation.ts'
import { type CorrelationRule, parseCorrelation } from '../../../alerts/correlation-config.ts'
import { CorrelationReplay, type PastLife } from '../../../alerts/correlation-replay.ts'
import { builtInText, readDocument } from '../../../server/incidents/correlation/document.ts'

const times = { greenMillis: 300_000, stabilityMillis: 600_000 }
const minute = 60_000

function rulesOf(rules: readonly object[]): readonly CorrelationRule[] {
  const read = parseCorrelation({ rules })
  if (read.rules === undefined) throw new Error(JSON.stringify(read.faults))
  return read.rules
}

const siteDown = {
  ...{ name: 'site down', matchers: ['alertname="HostSilent"'], action: 'open', same: ['site'] },
  ...{ count: { at_least: 3, of: 'instance', within: '5m' }, severity: 'sev1', major: true },
}
const faults = { name: 'faults', matchers: ['severity="critical"'], action: 'open' }
const beside = { name: 'beside', action: 'join' }
const silent = (instance: string, site = 'hanoi') =>
  subjectOfLabels({ alertname: 'HostSilent', severity: 'critical', instance, site })

t.test('the built-in document reads as what the hub does without one', (t) => {
  const { rules = [], faults } = readDocument(builtInText)
  t.same(faults, [])
  t.match(rules, [
    { action: 'open', same: ['instance'], opening: { severity: 'sev2', major: false } },
    { action: 'join', same: ['instance'], matchers: [] },
  ])
  t.end()
})

t.test('every fault of a document is named with its line and what to write', (t) => {
  const text = `rules:
  - name: a
    action: opens
  - name: a
    matchers: ['severity=~"("']
    action: join
    severity: sev1
    same: []
  - action: open
    count: {at_least: 1, of: 'no label'}
    within: 8d
    service: telephony
  - x
`
  const { rules, faults } = readDocument(text)
  t.equal(rules, undefined)
  const said = faults.map(({ line, message }) => `${line} ${message}`)
  for (const [at, words] of [
    [3, /must be one of open, join, ignore/],
    [4, /there is a rule "a" already/],
    [5, /not a regular expression/],
    [7, /belongs to rules with "action: open" only/],
    [8, /names no label; example: "same: \[site\]"/],
    [9, /name is missing/],
    [10, /whole number from 2 to 1000/],
    [10, /"no label" is no label/],
    [10, /within is missing/],
    [11, /at most 168h/],
    [12, /unknown key "service"/],
    [13, /must be a mapping/],
  ] as const)
    t.ok(
      said.some((one) => one.startsWith(`${at} `) && words.test(one)),
      `line ${at} ${words}`,
    )
  t.match(readDocument('rules: [').faults, [{ line: 1, message: /not readable as YAML/ }])
  t.match(readDocument('{}').faults, [{ message: /"rules" is missing/ }])
  t.same(readDocument('rules: []').rules, [])
  t.end()
})

t.test('no text throws: it is rules or faults', (t) => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json().map((one) => `rules: ${one}`),
      ),
      (text) => {
        const { rules, faults } = readDocument(text)
        return (rules === undefined) === faults.length > 0
      },
    ),
  )
  fc.assert(
    fc.property(fc.anything(), (content) => {
      const { rules, faults } = parseCorrelation({ rules: [content, siteDown] })
      return (rules === undefined) === faults.length > 0
    }),
  )
  t.pass('for each')
  t.end()
})

t.test('the first rule that matches decides; one whose count is not reached lets others', (t) => {
  const rules = rulesOf([siteDown, faults, beside])
  const found = candidates(rules, silent('pbx-1'))
  t.same(
    found.map(({ rule, key }) => [rule.name, key]),
    [
      ['site down', '{site="hanoi"}'],
      ['faults', 'pbx-1'],
    ],
  )
  const [site, host] = found
  t.equal(decideBy(site!, { count: 2 }), undefined)
  t.match(decideBy(site!, { count: 3 }), { kind: 'open' })
  t.match(decideBy(site!, { count: 0, incident: 'x' }), { kind: 'join', incident: 'x' })
  t.match(decideBy(host!, { count: 0 }), { kind: 'open' })
  const warning = subjectOfLabels({ alertname: 'Disk', severity: 'warn', instance: 'pbx-1' })
  const [only] = candidates(rules, warning)
  t.match(decideBy(only!, { count: 0 }), {
    kind: 'nothing',
    candidate: { rule: { name: 'beside' } },
  })
  t.equal(unmet(rules[1]!, warning), 'severity="critical"', 'foreign words of severity are read')
  const [, , ...none] = candidates(rulesOf([{ name: 'no', action: 'ignore' }, faults]), warning)
  t.same(none, [])
  t.match(
    decideBy(candidates(rulesOf([{ name: 'no', action: 'ignore' }]), warning)[0]!, {
      ...{ count: 0, incident: 'x' },
    }),
    { kind: 'nothing' },
  )
  t.end()
})

t.test('an alert without the labels of a rule stands alone, and never counts', (t) => {
  const lone = subjectOfLabels({ alertname: 'HostSilent', severity: 'critical' })
  t.equal(keyOf(['site'], lone), `alert:${lone.fingerprint}`)
  t.equal(keyOf(['instance'], lone), `alert:${lone.fingerprint}`)
  const [site] = candidates(rulesOf([siteDown]), lone)
  const firing = counted(site!, 0, [{ subject: lone, firedAt: 0 }])
  t.equal(countOf(site!, firing), 0)
  t.same(labelKeys(rulesOf([beside]), silent('pbx-1')), ['instance pbx-1'])
  t.same(
    [isBeside('critical', 'join'), isBeside('warning', 'join'), isBeside('warning', 'open')],
    [false, true, false],
  )
  t.end()
})

/** What happens to hosts of two sites within a quarter of an hour. */
const lives = fc
  .array(
    fc.record({
      host: fc.integer({ min: 0, max: 5 }),
      alertname: fc.constantFrom('HostSilent', 'TrunkDown'),
      severity: fc.constantFrom('critical', 'warning'),
      at: fc.integer({ min: 0, max: 15 }),
      minutes: fc.option(fc.integer({ min: 1, max: 30 }), { nil: undefined }),
    }),
    { maxLength: 30 },
  )
  .map((all) => {
    const sorted = all.toSorted((a, b) => a.at - b.at)
    return sorted.map(({ host, alertname, severity, at, minutes }): PastLife => {
      const site = host % 2 === 0 ? 'hanoi' : 'hue'
      const subject = subjectOfLabels({ alertname, severity, site, instance: `pbx-${host}` })
      const end = minutes === undefined ? undefined : (at + minutes) * minute
      return { subject, firedAt: at * minute, resolvedAt: end }
    })
  })

const someRules = fc.constantFrom(
  rulesOf([faults, beside]),
  rulesOf([siteDown, faults, beside]),
  rulesOf([{ ...siteDown, same: ['site', 'alertname'], within: '10m' }, beside]),
  rulesOf([{ ...beside, same: ['site'], matchers: ['severity="warning"'] }, faults]),
  rulesOf([]),
)

t.test('every alert is counted once: opened, joined, nothing or undecided', (t) => {
  fc.assert(
    fc.property(someRules, lives, (rules, past) => {
      const replay = new CorrelationReplay(rules, times)
      for (const life of past) replay.take(life)
      const { alerts, opened, merged, undecided, rules: counts } = replay.totals
      const sum = counts.reduce((all, one) => all + one.opened + one.joined + one.nothing, 0)
      return alerts === past.length && sum + undecided === alerts && merged <= opened
    }),
  )
  t.pass('for all histories')
  t.end()
})

t.test(
  'in whatever order hosts of a site fall silent within the window, one incident is left',
  (t) => {
    const rules = rulesOf([siteDown, faults, beside])
    const hosts = ['a', 'b', 'c', 'd', 'e', 'f']
    fc.assert(
      fc.property(
        fc.shuffledSubarray(hosts, { minLength: 3 }),
        fc.array(fc.integer({ min: 0, max: 50_000 }), { minLength: 6, maxLength: 6 }),
        (order, delays) => {
          const replay = new CorrelationReplay(rules, times)
          let at = 0
          for (const [i, host] of order.entries()) {
            at += delays[i]!
            replay.take({ subject: silent(host), firedAt: at })
          }
          const { opened, merged, rules: counts } = replay.totals
          return opened - merged === 1 && counts[0]!.opened === 1
        },
      ),
    )
    t.pass('for every order')
    t.end()
  },
)

t.test('a look back knows ends, relapses and the age of incidents', (t) => {
  const run = (rules: readonly CorrelationRule[], past: readonly PastLife[]) => {
    const replay = new CorrelationReplay(rules, times)
    for (const life of past) replay.take(life)
    return replay.totals
  }
  const life = (host: string, from: number, to?: number): PastLife => ({
    subject: silent(host),
    firedAt: from * minute,
    resolvedAt: to === undefined ? undefined : to * minute,
  })
  const own = rulesOf([faults, beside])
  t.match(run(own, [life('a', 0, 1), life('a', 3, 4)]), { opened: 1 }, 'not yet green')
  t.match(run(own, [life('a', 0, 1), life('a', 12, 13)]), { opened: 1 }, 'a relapse')
  t.match(run(own, [life('a', 0, 1), life('a', 40, 41)]), { opened: 2 }, 'a new fault')
  const site = rulesOf([{ ...faults, same: ['site'], within: '5m' }])
  t.match(run(site, [life('a', 0), life('b', 4), life('c', 6)]), { opened: 2 }, 'too old to join')
  t.match(run(rulesOf([]), [life('a', 0)]), { opened: 0, undecided: 1 })
  t.end()
})
