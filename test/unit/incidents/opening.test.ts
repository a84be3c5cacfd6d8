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

t.test('a silent host failed after its last report, not when that was noticed', async (t) => {
  const noticed = Date.parse('2026-03-02T10:00:30Z')
  const occurred = (annotations: Record<string, string>, lastReportAt?: number) => {
    const alert: AlertView = {
      ...{ id: 'a', fingerprint: 'f', rule: 'HostSilent', group: 'hosts', severity: 'critical' },
      ...{ instance: 'pbx-1', labels: {}, annotations, value: '0', state: 'firing' },
      ...{ activeAt: noticed, firedAt: noticed },
    }
    const opening = { severity: 'sev2', major: false, services: [] } as const
    const change = { kind: 'firing', alert, at: noticed } as const
    const facts = openingFacts(change, undefined, undefined, { opening, lastReportAt })
    const { occurredAt, value, certainty } = facts.find(({ kind }) => kind === 'occurred')!
    t.equal(certainty, 'estimate')
    return { occurredAt, text: (value as { text: string }).text }
  }
  const since = { callward_since: 'last_report' }
  const seen = {
    occurredAt: noticed,
    text: 'First seen at 2026-03-02T10:00:30.000Z; the fault may be older.',
  }
  t.same(occurred(since, noticed - 30_000), {
    occurredAt: noticed - 30_000,
    text: 'Last report at 2026-03-02T10:00:00.000Z; the fault began after it.',
  })
  t.same(occurred({}, noticed - 30_000), seen, 'only where the rule says so')
  t.same(occurred({ callward_since: 'yesterday' }, noticed - 30_000), seen)
  t.same(occurred(since), seen, 'nothing is known')
  t.same(occurred(since, noticed + 1000), seen, 'a report that came since')
  t.same(occurred(since, noticed - 31 * 86_400_000), seen, 'back from storage')
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
