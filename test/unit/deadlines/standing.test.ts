import t from 'tap'
import { missingDuties } from '../../../deadlines/duties.ts'
import {
  type Deadline,
  deadlinesOf,
  inForce,
  nextWord,
  type Regimes,
  standingsOf,
  wordAt,
} from '../../../deadlines/standing.ts'
import type { FactKind, FactValue, NewFact } from '../../../incidents/facts.ts'
import { guardCode } from '../../../incidents/guards.ts'
import { said } from '../../../incidents/picture.ts'
import { doraDraft } from '../../../server/deadlines/dora-draft.ts'
import { doraFields } from '../../../server/deadlines/dora-form.ts'
import { previewDora } from '../../../server/deadlines/dora-preview.ts'
import { draftMarkdown } from '../../../server/deadlines/draft-document.ts'
import { chooseRegimes, readInstitution } from '../../../server/deadlines/settings.ts'
import { regimes as shipped } from '../clocks/shipped.ts'
import { hour, minute, reach, ruleOf, type Story } from '../incidents/history.ts'

const byName = new Map([...shipped].map(([name, regime]) => [name, { regime }]))
const settings = { institution: { kinds: ['credit-institution'] } }
const institution = readInstitution(settings, 'Europe/Paris')
if (!('holidays' in institution)) throw new Error(JSON.stringify(institution))
const chosen = chooseRegimes(settings, institution, byName)
if (!('serviceLevels' in chosen)) throw new Error(chosen.join('\n'))
const regimes: Regimes = chosen
const dora = shipped.get('dora')!

const iso = (at: number | null | undefined) => (at == null ? undefined : new Date(at).toISOString())

/** One clock as `state deadline`. */
function stand(story: Story, code: string, now = story.now): string {
  const standings = standingsOf(story.picture, inForce(story.picture, regimes), regimes, now)
  const one = standings.flatMap(({ results }) => results).find(({ rule }) => rule.code === code)
  return one === undefined ? 'none' : [one.state, iso(one.deadline)].filter(Boolean).join(' ')
}

/** Writes the duties that the hub would. */
function duties(story: Story): void {
  const [, ...regulators] = inForce(story.picture, regimes)
  const standings = standingsOf(story.picture, regulators, regimes, story.now)
  for (const fact of missingDuties(story.picture, standings, regimes, story.now)) {
    story.now += 1
    story.take(fact)
  }
  const again = standingsOf(story.picture, regulators, regimes, story.now)
  t.same(missingDuties(story.picture, again, regimes, story.now), [], 'nothing is written twice')
}

const owed = (story: Story) =>
  said(story.picture, 'duty_owed').map(({ value }) => `${value.duty} ${iso(value.dueAt) ?? '-'}`)

function say<K extends FactKind>(
  story: Story,
  at: string,
  kind: K,
  value: FactValue<K>,
  more: { supersedes?: string; by?: string; certainty?: 'actual' | 'estimate' } = {},
) {
  story.now = Math.max(story.now + 1, Date.parse(at))
  const fact = story.newFact(kind, value, { at: Date.parse(at), ...more })
  return story.take(fact as NewFact)
}

t.test('DORA by facts: initial, submission, intermediate, final, and corrections', async (t) => {
  const story = reach('investigating')
  t.equal(stand(story, 'initial'), 'none', 'nothing is wanted before it is called major')
  say(story, '2026-04-07T09:00:00+02:00', 'aware', { text: 'Told.' })
  say(story, '2026-04-07T11:00:00+02:00', 'major', { text: 'Two criteria.', major: true })
  duties(story)
  t.same(owed(story), [
    'dora.initial 2026-04-07T13:00:00.000Z',
    'dora.intermediate -',
    'dora.final -',
  ])
  t.not(guardCode.duties_settled(story.picture, { to: 'closed' } as never).length, 0)
  const classified = say(story, '2026-04-07T10:00:00+02:00', 'classified', { text: 'At ten.' })
  duties(story)
  t.equal(owed(story).at(-1), 'dora.initial 2026-04-07T12:00:00.000Z', 'moved by a new fact')
  t.equal(stand(story, 'initial'), 'running 2026-04-07T12:00:00.000Z')
  say(
    story,
    '2026-04-07T09:30:00+02:00',
    'classified',
    { text: 'No.' },
    { supersedes: classified.id },
  )
  duties(story)
  t.equal(stand(story, 'initial'), 'running 2026-04-07T11:30:00.000Z')
  t.equal(stand(story, 'initial', story.now + hour), 'at risk 2026-04-07T11:30:00.000Z')
  const moved = standingsOf(story.picture, [dora], regimes, story.now)[0]!.results[0]!
  t.same(
    moved.previous.map(({ deadline }) => iso(deadline)),
    ['2026-04-07T13:00:00.000Z', '2026-04-07T12:00:00.000Z'],
  )
  say(story, '2026-04-07T13:00:00+02:00', 'duty_met', { text: 'Sent.', duty: 'dora.initial' })
  duties(story)
  t.match(stand(story, 'initial'), /^met 2026-04-07/)
  t.equal(stand(story, 'intermediate'), 'running 2026-04-10T11:00:00.000Z', '72 h after submission')
  t.ok(owed(story).includes('dora.intermediate 2026-04-10T11:00:00.000Z'))
  story.now = Date.parse('2026-04-08T09:00:00Z')
  story.step(ruleOf('investigating', 'restored'))
  duties(story)
  t.equal(stand(story, 'intermediate-update'), 'running')
  t.notOk(
    owed(story).some((one) => one.startsWith('dora.intermediate-update')),
    'the intermediate report says that it recovered',
  )
  const sent = { text: 'Sent.', duty: 'dora.intermediate' }
  say(story, '2026-04-10T12:00:00+02:00', 'duty_met', sent)
  duties(story)
  t.match(stand(story, 'intermediate-update'), /^met/)
  t.equal(stand(story, 'final'), 'running 2026-05-11T10:00:00.000Z', 'a Sunday rolls to noon')
  say(story, '2026-05-11T14:00:00+02:00', 'duty_met', { text: 'Late.', duty: 'dora.final' })
  duties(story)
  t.match(stand(story, 'final'), /^met late/)
  t.same(guardCode.duties_settled(story.picture, { to: 'closed' } as never), [])
})

t.test('reclassified: nothing is waived silently, and major again begins anew', async (t) => {
  const story = reach('investigating')
  say(story, '2026-04-07T09:00:00+02:00', 'aware', { text: 'Told.' })
  const yes = say(story, '2026-04-07T10:00:00+02:00', 'major', { text: 'Yes.', major: true })
  say(story, '2026-04-07T12:00:00+02:00', 'duty_met', { text: 'Sent.', duty: 'dora.initial' })
  duties(story)
  const no = say(
    story,
    '2026-04-08T10:00:00+02:00',
    'major',
    { text: 'Never was.', major: false },
    { supersedes: yes.id },
  )
  duties(story)
  t.equal(stand(story, 'intermediate'), 'not applicable')
  t.same(owed(story), ['dora.final -', 'dora.intermediate -', 'dora.reclassification -'])
  t.equal(guardCode.duties_settled(story.picture, { to: 'closed' } as never).length, 3)
  t.match(
    said(story.picture, 'duty_owed').find(({ value }) => value.duty === 'dora.intermediate'),
    {
      value: { text: /not owed now .*reclassified.*duty_waived/ },
    },
  )
  say(story, '2026-04-08T11:00:00+02:00', 'duty_waived', { text: 'Never was.', duty: 'dora.final' })
  const back = { text: 'It is.', major: true }
  say(story, '2026-04-09T10:00:00+02:00', 'major', back, { supersedes: no.id })
  duties(story)
  t.equal(stand(story, 'initial'), 'running 2026-04-09T12:00:00.000Z', 'four hours anew')
  t.ok(owed(story).includes('dora.initial.2 2026-04-09T12:00:00.000Z'))
  t.ok(owed(story).includes('dora.final.2 -'), 'the waiver was for the time before')
  say(story, '2026-04-09T11:00:00+02:00', 'duty_met', { text: 'Sent.', duty: 'dora.initial.2' })
  duties(story)
  t.match(stand(story, 'initial'), /^met/)
  t.equal(stand(story, 'intermediate'), 'running 2026-04-12T09:00:00.000Z')
  say(story, '2026-04-09T12:00:00+02:00', 'duty_waived', {
    text: 'The authority asked for none.',
    duty: 'dora.intermediate',
  })
  duties(story)
  t.equal(stand(story, 'intermediate'), 'not applicable', 'waived with its reason')
})

t.test('service levels: severity, pauses with reasons, relapse, the end', async (t) => {
  const story = reach('recorded')
  const opened = story.facts[0]!.occurredAt
  const after = (hours: number) => iso(opened + hours * hour)
  t.equal(stand(story, 'restore-sev2'), `running ${after(8)}`, 'without a word it is sev2')
  story.add('severity', { text: 'All of it.', severity: 'sev1' })
  t.equal(stand(story, 'restore-sev1'), `running ${after(4)}`)
  t.equal(stand(story, 'restore-sev2'), 'not applicable')
  story.now = opened + hour
  story.add('clock_paused', { text: 'lunch', clock: 'restore' })
  t.equal(stand(story, 'restore-sev1'), `running ${after(4)}`, 'no reason of the rule')
  const from = story.now + minute
  story.add('clock_paused', { text: 'waiting for the customer: a log', clock: 'restore' })
  t.match(stand(story, 'restore-sev1', story.now + hour), /^paused/)
  const kept = (now: number) =>
    deadlinesOf(story.picture, regimes, now).find(({ code }) => code === 'restore-sev1')
  t.same(kept(story.now), kept(story.now + 90 * hour), 'what is kept does not change by time')
  t.match(kept(story.now), { state: 'paused', dueAt: null })
  t.match(stand(story, 'response-sev1'), /^breached/, 'a pause is of the clock it names')
  story.now = from + 2 * hour - minute
  story.add('clock_resumed', { text: 'They sent it.', clock: 'sla.restore-sev1' })
  t.equal(stand(story, 'restore-sev1'), `running ${after(6)}`)
  for (const to of ['plan_active', 'dispatched', 'investigating', 'restored'] as const)
    story.step(ruleOf(story.picture.state, to))
  t.match(stand(story, 'restore-sev1'), /^met /)
  t.match(stand(story, 'review-sev1'), /^running/)
  story.step(ruleOf('restored', 'investigating'))
  t.match(stand(story, 'restore-sev1'), /^running/, 'a relapse takes the restoration back')
  t.match(stand(story, 'review-sev1'), /^not started/)
  story.step(ruleOf('investigating', 'restored'))
  for (const to of ['root_cause', 'review', 'closed'] as const)
    story.step(ruleOf(story.picture.state, to))
  t.match(stand(story, 'review-sev1'), /^met/)
  const left = deadlinesOf(story.picture, regimes, story.now).filter(
    ({ state }) => state === 'owed',
  )
  t.same(
    left.map(({ regime }) => regime),
    ['action'],
    'what a closed incident still owes are its actions',
  )
  const alone = reach('closed', true)
  t.same(
    deadlinesOf(alone.picture, regimes, alone.now + 1000 * hour).filter(
      ({ state, regime }) => state === 'owed' && regime !== 'action',
    ),
    [],
    'what ended by itself owes nobody a review',
  )
})

t.test('when somebody is told: at risk, breached, and who owns an action first', async (t) => {
  const clock: Deadline = {
    ...{ regime: 'sla', code: 'restore-sev1', state: 'owed', dueAt: 1000, atRiskAt: 750 },
    ...{ satisfiedAt: null, told: true },
  }
  t.equal(nextWord(clock, 0), 750)
  t.equal(wordAt(clock, 0, 749), 0)
  t.equal(wordAt(clock, 0, 750), 1)
  t.equal(nextWord(clock, 1), 1001, 'the very instant of the deadline is in time')
  t.equal(wordAt(clock, 1, 1000), 0)
  t.equal(wordAt(clock, 1, 1001), 2)
  t.equal(wordAt(clock, 0, 5000), 2, 'a hub that was down says the worst at once')
  t.equal(nextWord(clock, 2), undefined)
  for (const none of [{ state: 'met' }, { state: 'paused' }, { dueAt: null }, { told: false }])
    t.equal(nextWord({ ...clock, ...none } as Deadline, 0), undefined)
  const action: Deadline = { ...clock, regime: 'action', code: '1', atRiskAt: null }
  t.same([wordAt(action, 0, 1000), wordAt(action, 0, 1001)], [0, 1])
  t.same([wordAt(action, 1, 1001), wordAt(action, 1, 1001 + 24 * hour)], [0, 2])
})

t.test('the DORA draft: what is known, estimated and missing, with its facts', async (t) => {
  const story = reach('recorded')
  say(story, '2026-04-07T08:00:00Z', 'occurred', { text: 'About.' }, { certainty: 'estimate' })
  say(story, '2026-04-07T09:00:00Z', 'major', { text: 'Yes.', major: true })
  const draft = (stage: 'initial' | 'intermediate' | 'final') =>
    new Map(doraDraft(story.picture, { number: 7 }, stage).map((one) => [one.number, one]))
  const initial = draft('initial')
  t.equal(initial.size, 25)
  t.equal(draft('intermediate').size, 60)
  t.equal(draft('final').size, 76)
  t.equal(new Set(doraFields.map(({ number }) => number)).size, 76)
  t.match(initial.get('1.1'), { state: 'known', value: 'initial notification' })
  t.match(initial.get('2.3'), { state: 'known', value: '2026-04-07T09:00:00Z' })
  t.match(initial.get('2.7'), { state: 'known', value: 'monitoring' })
  t.match(initial.get('2.5'), { state: 'missing', value: null })
  t.match(initial.get('2.8'), { state: 'conditional', note: /originates/ })
  t.match(draft('intermediate').get('3.2'), { state: 'estimated', value: '2026-04-07T08:00:00Z' })
  t.match(draft('intermediate').get('3.3'), { state: 'conditional', value: null })
  for (const { state, facts, value } of draft('final').values())
    if (state === 'known' || state === 'estimated') t.ok(facts.length > 0, String(value))
  const full = reach('closed')
  const final = new Map(
    doraDraft(full.picture, { number: 8 }, 'final').map((one) => [one.number, one]),
  )
  t.match(final.get('4.1'), { state: 'known', value: ['system_failure'] })
  t.match(final.get('4.2'), { value: ['system_failure/hardware_capacity'] })
  t.match(final.get('2.9'), { state: 'missing', note: /TrunkDown.*nobody said/ })
  full.add('cost', { text: 'Overtime.', cost: 'staff', amount: 10.1, currency: 'EUR' })
  full.add('cost', { text: 'Advice.', cost: 'advice', amount: 0.2, currency: 'EUR' })
  const sum = () => doraDraft(full.picture, { number: 8 }, 'final').find((f) => f.number === '4.13')
  t.match(sum(), { state: 'known', value: '10.3 EUR' })
  full.add('cost', { text: 'Abroad.', cost: 'advice', amount: 1, currency: 'USD' })
  t.match(sum(), { state: 'missing', note: /one currency/ })
  const document = {
    ...{ stage: 'initial' as const, source: 's', incident: { number: 7, title: 'a | b <i>' } },
    ...{ made: 'now', fields: [...initial.values()] },
  }
  t.match(draftMarkdown(document, 'en'), /Incident 7: a \\\| b \\<i\\>/)
  for (const language of ['en', 'zh', 'vi', 'ru'] as const)
    t.equal(draftMarkdown(document, language).match(/^\| \d/gm)?.length, 25, language)
})

t.test('the classification that the facts suggest', async (t) => {
  const story = reach('recorded')
  t.match(previewDora(story.picture, {}, story.now), { major: undefined, figures: [] })
  story.add(
    'impact',
    { text: 'All.', services: ['outbound'], customersAffected: 200_000 },
    {
      supersedes: said(story.picture, 'impact')[0]!.id,
    },
  )
  const later = story.now + 30 * hour
  const result = previewDora(story.picture, { criticalFunctionAffected: true }, later)
  t.equal(result.major, true)
  t.same(
    result.figures.map(({ name, from }) => `${name} ${from}`),
    ['clientsAffected facts', 'durationHours facts', 'criticalFunctionAffected request'],
  )
  t.equal(
    previewDora(story.picture, { criticalFunctionAffected: true }, story.now).major,
    undefined,
  )
  t.match(previewDora(story.picture, { clientsAffected: 3 }, later).figures.at(-1), {
    ...{ name: 'clientsAffected', value: 3, from: 'request' },
  })
})

t.test('settings that cannot be used are named', async (t) => {
  t.match(readInstitution({ institution: { zone: 'Mars' } }, 'UTC'), [/zone/])
  t.match(chooseRegimes({ serviceLevels: 'gold' }, institution, byName), [/no regime "gold"/])
  t.match(chooseRegimes({ regimes: ['sla'] }, institution, byName), [/leave it out/])
  const odd = readInstitution({ institution: { kinds: ['bank'] } }, 'UTC')
  if (!('holidays' in odd)) throw new Error('faults')
  t.match(chooseRegimes({}, odd, byName), [/"bank" is no kind/])
  t.match(chooseRegimes({ regimes: ['dora', 'sg-mas'] }, institution, byName), {
    regulators: [{ name: 'dora' }, { name: 'sg-mas' }],
  })
})
