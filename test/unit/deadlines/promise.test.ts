import t from 'tap'
import { standingsOf, updateRhythmOf } from '../../../deadlines/standing.ts'
import type { Fact, FactKind } from '../../../incidents/facts.ts'
import { blank, current, type Picture } from '../../../incidents/picture.ts'
import { rhythmOf } from '../../../server/communication/rhythm.ts'
import { chooseRegimes, readInstitution } from '../../../server/deadlines/settings.ts'
import fc from '../../helpers/property.ts'
import { regimes as shipped } from '../clocks/shipped.ts'

const minute = 60_000
const begin = Date.UTC(2026, 3, 7, 6)
const institution = readInstitution({}, 'Europe/Paris')
if (!('holidays' in institution)) throw new Error(JSON.stringify(institution))
const byName = new Map([...shipped].map(([name, regime]) => [name, { regime }]))
const chosen = chooseRegimes({}, institution, byName)
if (!('serviceLevels' in chosen)) throw new Error(chosen.join('\n'))
const regimes = chosen

interface Happening {
  readonly kind: 'severity' | 'suggestion' | 'notice' | 'relapse' | 'correction'
  readonly severity: string
  /** Since the one before. */
  readonly minutes: number
  /** How long before its record it happened. */
  readonly back: number
}

/** A picture of an incident that waits to be restored. */
function pictureOf(happenings: readonly Happening[]): { picture: Picture; now: number } {
  const facts: Fact[] = []
  const steps: { position: number; rule: string; at: number; from: string; to: string }[] = []
  let now = begin
  const add = (kind: FactKind, value: object, more: object = {}) => {
    const times = { occurredAt: now, recordedAt: now }
    const stamp = { certainty: 'actual', recordedBy: 'anna', supersedes: null }
    const fact = {
      id: `f${facts.length}`,
      kind,
      value: { text: 'x', ...value },
      ...stamp,
      ...times,
    }
    // Values are those of their kind.
    facts.push({ ...fact, ...more } as unknown as Fact)
  }
  add('opened', { how: 'hand' })
  for (const { kind, severity, minutes, back } of happenings) {
    now += minutes * minute
    const occurredAt = now - back * minute
    if (kind === 'severity') add('severity', { severity }, { occurredAt })
    if (kind === 'suggestion') add('severity', { severity }, { certainty: 'suggestion' })
    if (kind === 'notice') add('notice', { audience: 'management', form: 'update' })
    if (kind === 'correction') {
      const before = facts.findLast((fact) => fact.kind === 'severity')
      add('severity', { severity }, { occurredAt, supersedes: before?.id ?? null })
    }
    if (kind === 'relapse') {
      const step = { rule: 'relapse', at: now, from: 'restored', to: 'investigating' }
      steps.push({ position: facts.length, ...step })
      add('transition', { to: 'investigating' }, { recordedBy: 'hub' })
    }
  }
  const picture = { ...blank, state: 'recorded', facts, steps } as unknown as Picture
  return { picture, now: now + 1 }
}

/** When the next word is due, as the promise has it and as the clock has it. */
function dues({ picture, now }: { picture: Picture; now: number }) {
  const severity = current(picture, 'severity')?.value.severity ?? 'sev2'
  const { dueAt } = rhythmOf(picture, severity, (one) => updateRhythmOf(regimes, one))
  const [standing] = standingsOf(picture, [regimes.serviceLevels], regimes, now)
  const clock = standing!.results.find(({ rule }) => rule.code === `update-${severity}`)
  return { promise: dueAt, clock: clock?.deadline, late: clock?.rounds?.late }
}

const after = (minutes: number) => begin + minutes * minute
const one = (kind: Happening['kind'], minutes: number, severity = 'sev1', back = 0) => ({
  ...{ kind, severity, minutes, back },
})

t.test('the clock of updates and the promise of them count from one moment', async (t) => {
  const both = (happenings: readonly Happening[]) => dues(pictureOf(happenings))
  t.match(both([]), { promise: after(60), clock: after(60) }, 'from the record')
  const graver = [one('severity', 0, 'sev3'), one('severity', 300, 'sev1', 290)]
  t.match(both(graver), { promise: after(320), clock: after(320), late: 0 }, 'another severity')
  t.match(both([...graver, one('notice', 15)]), { promise: after(335), clock: after(335) })
  const again = [...graver, one('notice', 15), one('severity', 2, 'sev1')]
  t.match(both(again), { promise: after(335), clock: after(335) }, 'said again it moves nothing')
  t.match(
    both([...again, one('correction', 1, 'sev1')]),
    { clock: after(335) },
    'corrected neither',
  )
  t.match(both([...again, one('relapse', 3)]), { promise: after(340), clock: after(340) })
  t.match(both([...graver, one('notice', 25)]), { clock: after(345), late: 1 }, 'late is late')
})

t.test('so they do in any history', async (t) => {
  const happening = fc.record({
    kind: fc.constantFrom(
      ...(['severity', 'suggestion', 'notice', 'relapse', 'correction'] as const),
    ),
    severity: fc.constantFrom('sev1', 'sev2', 'sev3', 'sev4'),
    minutes: fc.integer({ min: 1, max: 3000 }),
    back: fc.nat({ max: 500 }),
  })
  fc.assert(
    fc.property(fc.array(happening, { maxLength: 12 }), (happenings) => {
      const { promise, clock } = dues(pictureOf(happenings))
      if (promise === undefined || promise !== clock) throw new Error(`${promise} ${clock}`)
    }),
    { numRuns: 300 },
  )
  t.pass('promise and clock agree')
})
