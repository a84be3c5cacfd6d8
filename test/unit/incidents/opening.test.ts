import t from 'tap'
import { type AlertView, fingerprint } from '../../../alerts/alert.ts'
import { judge } from '../../../incidents/judge.ts'
import { blank } from '../../../incidents/picture.ts'
import { alertFact, openingFacts, titleOf } from '../../../server/incidents/incident.ts'
import fc from '../../helpers/property.ts'

/** Whatever a label or an annotation may hold. */
const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.constantFrom(
    '',
    ' ',
    '\0',
    '\n',
    '\ud800',
    'x'.repeat(20_000),
    '线路中断',
    'a\u202eb',
    '\u0085',
  ),
)

const anyAlert = fc
  .record({
    rule: anyText,
    instance: fc.option(anyText, { nil: undefined }),
    value: anyText,
    labels: fc.dictionary(
      fc.constantFrom('service', 'role', 'server', 'customer', 'site'),
      anyText,
    ),
    annotations: fc.dictionary(
      fc.constantFrom('summary', 'description', 'callward_impact', 'callward_cause'),
      anyText,
    ),
    activeAt: fc.integer({ min: 0, max: 4e12 }),
    late: fc.boolean(),
  })
  .map(({ rule, instance, labels, activeAt, late, ...rest }) => {
    const alert: AlertView = {
      ...rest,
      ...{ id: 'a', fingerprint: fingerprint(labels), rule, group: 'g', severity: 'critical' },
      ...{ instance, labels, state: 'firing', activeAt, firedAt: activeAt + 60_000 },
    }
    return { kind: 'firing', alert, at: activeAt + 60_000, ...(late ? { late } : {}) } as const
  })

/** Built-in or of one's own. */
const openedBy = fc.record({
  rule: fc.constantFrom(undefined, '"site down" (version 3)'),
  opening: fc.record({
    severity: fc.constantFrom('sev1', 'sev2', 'sev3', 'sev4'),
    major: fc.boolean(),
    services: fc.array(fc.string({ maxLength: 100 }), { maxLength: 3 }),
  }),
})

t.test('no label keeps an alert from opening a lawful incident', async (t) => {
  fc.assert(
    fc.property(anyAlert, fc.boolean(), fc.boolean(), openedBy, (change, pinned, again, by) => {
      const runbook = pinned ? { name: 'HostSilent', hash: 'a'.repeat(64) } : undefined
      const earlier = again ? { id: 'i', number: 4 } : undefined
      const facts = openingFacts(change, runbook, earlier, by)
      const at = change.at
      const verdict = judge(blank, { to: 'recorded', by: 'hub', role: 'hub', at, with: facts })
      if (!verdict.allowed) throw new Error(JSON.stringify(verdict.missing))
    }),
  )
  t.pass('every one was recorded')
})

t.test('the fact of an alert ends with the title, and both have a limit', async (t) => {
  fc.assert(
    fc.property(anyAlert, (change) => {
      const { text } = alertFact(change, false).value
      const title = titleOf(change.alert)
      return text.includes(`fired: ${title}`) && title.length <= 500 && text.length <= 10_000
    }),
  )
  t.pass('for every one')
})
