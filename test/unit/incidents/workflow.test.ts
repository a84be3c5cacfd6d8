import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { factKinds, faultsOfFact, type NewFact, specOf } from '../../../incidents/facts.ts'
import { faultsOfAddition, judge } from '../../../incidents/judge.ts'
import { blank } from '../../../incidents/picture.ts'
import { workflowJson, workflowMarkdown } from '../../../incidents/published.ts'
import { additionalCauses, costKinds, rootCauseCodes } from '../../../incidents/root-causes.ts'
import {
  type GuardName,
  guards,
  roleNames,
  ruleFor,
  type State,
  stateNames,
  states,
  transitions,
} from '../../../incidents/workflow.ts'
import { packageRoot } from '../../../server/assets.ts'
import { attest, bad, begun, hour, minute, moverOf, reach, ruleOf, Story } from './history.ts'

/** What a refusal says; nothing when the step was allowed. */
function refusal(story: Story, to: State, by: string, role: (typeof roleNames)[number]): string[] {
  const verdict = judge(story.picture, { to, by, role, at: story.now })
  return verdict.allowed ? [] : textsOf(verdict.missing)
}

const textsOf = (said: readonly { readonly text: string }[]) => said.map(({ text }) => text)

t.test(
  'the table is whole: each state is reached, each guard and role is used, one rule a pair',
  async (t) => {
    for (const state of stateNames) t.equal(reach(state).picture.state, state)
    const used = new Set(transitions.flatMap((one) => one.guards))
    t.same(
      Object.keys(guards).filter((guard) => !used.has(guard as GuardName)),
      [],
    )
    for (const from of stateNames) {
      for (const to of stateNames) {
        t.ok(
          transitions.filter((one) => one.from.includes(from) && one.to === to).length <= 1,
          `${from} ${to}`,
        )
      }
      const ends = transitions.some((one) => one.from.includes(from))
      t.equal(ends, states[from].open, `${from}: open states have a way out, ended ones none`)
      const { next } = states[from]
      if (next !== undefined) t.ok(ruleFor(from, next), `${from} has its next step`)
    }
  },
)

t.test(
  'every step from every state: allowed only by the table, and only to its roles',
  async (t) => {
    let tried = 0
    for (const from of stateNames) {
      for (const to of stateNames) {
        const rule = ruleFor(from, to)
        if (rule === undefined) {
          const story = reach(from)
          for (const role of roleNames) {
            const by = role === 'hub' ? 'hub' : 'carl'
            const said = refusal(story, to, by, role)
            t.match(said[0], /^no step leads from|which is final/, `${from} to ${to}`)
            tried++
          }
          continue
        }
        const alone =
          rule.guards.includes('was_not_investigated') || rule.guards.includes('nobody_acted')
        const story = reach(from, alone)
        for (const guard of rule.guards) story.supply(guard)
        const [by] = moverOf(rule)
        for (const role of roleNames) {
          const mover = role === 'hub' ? 'hub' : by === 'hub' ? 'carl' : by
          const said = refusal(story, to, mover, role)
          const allowed = rule.roles.includes(role)
          t.equal(said.length === 0, allowed, `${rule.rule} as ${role}: ${said.join('; ')}`)
          if (!allowed)
            t.ok(said.includes(`a ${role} may not do this; ${rule.roles.join(', ')} may`))
          tried++
        }
      }
    }
    t.equal(tried, stateNames.length ** 2 * roleNames.length)
  },
)

t.test('each guard of each step refuses by its name when its part is missing', async (t) => {
  for (const rule of transitions) {
    for (const from of rule.from) {
      for (const guard of rule.guards) {
        const aloneWanted =
          rule.guards.includes('was_not_investigated') || rule.guards.includes('nobody_acted')
        const alone = /^was_/.test(guard) ? !aloneWanted : aloneWanted
        // What an earlier step asked for already cannot be missing here.
        const story = reach(from, alone)
        const spoil = bad[guard]
        for (const other of rule.guards) {
          if (other === guard && (spoil === undefined || guard === 'arrived')) continue
          story.supply(other)
        }
        spoil?.(story)
        const [by, role] = moverOf(rule)
        const verdict = judge(story.picture, { to: rule.to, by, role, at: story.now })
        if (guard === 'detected_at' && from !== 'draft') continue
        t.notOk(verdict.allowed, `${rule.rule} from ${from} without ${guard}`)
        const named = verdict.allowed ? [] : verdict.missing.map((one) => one.guard)
        t.ok(named.includes(guard), `${rule.rule} from ${from} names ${guard}: ${named}`)
        const others = named.filter((one) => one !== guard && one !== 'nobody_acted')
        t.same(others, [], `${rule.rule} from ${from} without ${guard}: nothing else is missing`)
      }
    }
  }
})

t.test('a refusal says exactly what is missing', async (t) => {
  const refused = (
    name: string,
    story: Story,
    move: [State, string, (typeof roleNames)[number]],
    texts: string[],
  ) => t.same(refusal(story, ...move), texts, name)

  refused(
    'an empty start',
    new Story(),
    ['recorded', 'carl', 'commander'],
    ['the first fact of an incident is opened: how it came to be recorded'],
  )
  refused(
    'nothing known',
    begun(),
    ['recorded', 'carl', 'commander'],
    [
      'the phenomenon is missing',
      'when it was detected is missing',
      'no affected service is named (impact.services)',
      'the preliminary cause is missing (preliminary_cause; confidence "unknown" will do)',
    ],
  )
  refused(
    'a step skipped',
    reach('recorded'),
    ['investigating', 'carl', 'commander'],
    [
      'no step leads from recorded to investigating; from recorded one goes to plan_active, restored, cancelled, merged',
    ],
  )
  const assigned = reach('plan_active')
  assigned.add('assigned', { text: 'Tom.', technician: 'tom' })
  refused(
    'assigned only',
    assigned,
    ['dispatched', 'carl', 'commander'],
    ['tom is assigned but has not accepted (accepted)'],
  )
  const fixed = reach('investigating')
  fixed.add('recovered', { text: 'Works.', evidence: 'person', verifier: 'tom' }, { by: 'tom' })
  refused(
    'the fixer verifies',
    fixed,
    ['restored', 'tom', 'verifier'],
    ['the verifier is the fixer tom'],
  )
  const other = reach('investigating')
  other.add('recovered', { text: 'Works.', evidence: 'person', verifier: 'vera' }, { by: 'tom' })
  refused(
    'another speaks for the verifier',
    other,
    ['restored', 'carl', 'commander'],
    ['the verifier vera confirms in person; tom wrote it'],
  )
  const review = reach('review')
  review.add('action', { text: 'Look.', number: 2, action: 'process', dueAt: review.now })
  review.add('duty_owed', { text: 'Final.', duty: 'final', regime: 'dora' })
  refused(
    'closing',
    review,
    ['closed', 'anna', 'reviewer'],
    [
      'the reviewer is the author anna',
      'closing question "Was it handled promptly?" is not answered (promptness)',
      'closing question "How good was the analysis?" is not answered (analysis_quality)',
      'closing question "Was it escalated well?" is not answered (escalation)',
      'closing question "Was it communicated well?" is not answered (communication)',
      'action 2 has no owner',
      'duty final (dora) is neither met nor waived',
      'the closing notice to customers is missing (notice, or notice_not_needed with the reason)',
      'anna has not attested (attestation)',
    ],
  )
  const changed = reach('review')
  for (const guard of ruleOf('review', 'closed').guards) changed.supply(guard)
  const late = changed.add('went_badly', { text: 'We were slow.' })
  refused(
    'changed after the attestation',
    changed,
    ['closed', 'rita', 'reviewer'],
    [`went_badly changed after the attestation (fact ${late.id}); attest again`],
  )
  attest(changed)
  refused('attested again', changed, ['closed', 'rita', 'reviewer'], [])
  const major = reach('review')
  for (const guard of ruleOf('review', 'closed').guards) major.supply(guard)
  major.add('major', { text: 'Two hours down.', major: true })
  attest(major)
  t.match(refusal(major, 'closed', 'rita', 'reviewer'), [
    /a major incident has no regulatory duty on file/,
  ])
  major.add('duty_waived', { text: 'Not in scope.', duty: 'dora.initial' })
  refused('waived', major, ['closed', 'rita', 'reviewer'], [])
  refused(
    'closed is final',
    reach('closed'),
    ['review', 'rita', 'reviewer'],
    ['the incident is closed, which is final: record a new one with recurrence_of'],
  )
})

t.test('an alert that fires and recovers while nobody acts ends by itself', async (t) => {
  const story = reach('restored', true)
  t.match(refusal(story, 'closed', 'hub', 'hub'), [/well for 0 hours; wait for 24/])
  story.now += 24 * hour
  const verdict = story.move('closed', 'hub', 'hub')
  t.match(verdict, { allowed: true, rule: 'close_unattended' })
  t.same(
    story.facts.slice(-2).map(({ kind }) => kind),
    ['closed', 'transition'],
  )
  // Somebody who took it up must see it through.
  const taken = reach('restored', true)
  taken.add('severity', { text: 'Not so small.', severity: 'sev2' })
  taken.now += 24 * hour
  t.same(refusal(taken, 'closed', 'hub', 'hub'), ['anna wrote severity', 'it is sev2'])
  // What the hub only suggests does not count as said.
  const suggested = reach('restored', true)
  suggested.add(
    'severity',
    { text: 'By the rule.', severity: 'sev2' },
    { by: 'hub', certainty: 'suggestion' },
  )
  suggested.now += 24 * hour
  t.same(refusal(suggested, 'closed', 'hub', 'hub'), [])
})

t.test('facts that come without a step', async (t) => {
  const story = reach('investigating')
  const faults = (fact: NewFact) => textsOf(faultsOfAddition(story.picture, fact))
  const fact = story.newFact.bind(story)
  t.same(faults(fact('note', { text: 'Looked.' })), [])
  t.match(faults(fact('closed', { text: 'Done.' })), [/written by a step/])
  t.match(faults(fact('detected', { text: 'Earlier.' })), [
    /detected is stated by fact f3: name it in supersedes/,
  ])
  const again = story.facts.find(({ kind }) => kind === 'detected')!
  t.same(faults(fact('detected', { text: 'Earlier.' }, { supersedes: again.id })), [])
  t.match(faults(fact('occurred', { text: 'Then.' }, { supersedes: again.id })), [
    /only occurred may be superseded/,
  ])
  t.match(
    faults(fact('detected', { text: 'Hm.' }, { supersedes: again.id, certainty: 'suggestion' })),
    [/a suggestion does not supersede what hub said/],
  )
  t.match(faults(fact('accepted', { text: 'He goes.', technician: 'tom' })), [
    /tom accepts in person/,
  ])
  t.match(
    faults(
      fact('notice', { text: 'Hm.', audience: 'customers', form: 'update', approvedBy: 'anna' }),
    ),
    [/approver is its author anna/],
  )
  t.match(
    faults(
      fact('recovered', { text: 'Green.', evidence: 'machine', greenMillis: 9, sources: ['x'] }),
    ),
    [/machine evidence is written by hub, not by anna/],
  )
  const closed = reach('closed')
  t.same(faultsOfAddition(closed.picture, fact('note', { text: 'A thought.' })), [])
  t.match(textsOf(faultsOfAddition(closed.picture, fact('impact', { text: 'More.' }))), [
    /the incident is closed/,
  ])
})

t.test('a fact that is wrong is refused with what to write', async (t) => {
  const stamp = {
    certainty: 'actual',
    occurredAt: 0,
    recordedBy: 'anna',
    supersedes: null,
  } as const
  const faults = (kind: string, value: unknown, more: object = {}) =>
    // Wrong values are the point.
    faultsOfFact({ ...stamp, kind, value, ...more } as never)
  t.same(faults('note', { text: 'x' }), [])
  t.match(faults('nothing', { text: 'x' }), [/"nothing" is not known/])
  t.match(faults('note', {}), ['note.text is missing: write text of 1 to 10000 characters'])
  t.match(faults('note', { text: ' ' }), [/note.text: write text/])
  t.match(faults('note', { text: 'a\0' }), [/note.text: write text/])
  t.match(faults('note', { text: 'a\ud800' }), [/note.text: write text/])
  t.match(faults('note', { text: 'x', more: 1 }), [/"more" is not known; it takes text/])
  t.match(faults('note', JSON.parse('{"text":"x","__proto__":1}')), [/"__proto__" is not known/])
  t.match(faults('note', ['x']), [/write an object/])
  t.match(faults('severity', { text: 'x', severity: 'high' }), [/one of sev1, sev2, sev3, sev4/])
  t.match(faults('impact', { text: 'x', callsAttempted: 5, callsFailed: 6 }), [
    /6 calls failed of 5 attempted/,
    /11|6/,
  ])
  t.match(faults('impact', { text: 'x', services: ['a', 'a'] }), [/in the list already/])
  t.match(faults('impact', { text: 'x', customersAffected: -1 }), [/a whole number from 0 on/])
  t.match(faults('plan_activated', { text: 'x' }), [/write runbook and hash, or reason/])
  t.match(faults('recovered', { text: 'x', evidence: 'person' }), [/write verifier/])
  t.match(faults('root_cause', { text: 'x', codes: ['system_failure/other'], evidence: [] }), [
    /write which/,
  ])
  t.match(
    faults('root_cause', { text: 'x', codes: ['process_failure/operations'], evidence: [] }),
    [/needs one of patch_management, change_management/],
  )
  t.match(faults('cost', { text: 'x', cost: 'staff', amount: Number.NaN, currency: 'eur' }), [
    /an amount/,
    /ISO 4217/,
  ])
  t.match(faults('note', { text: 'x' }, { occurredAt: Number.NaN }), [
    /occurredAt: write an instant/,
  ])
  t.match(faults('note', { text: 'x' }, { certainty: 'sure' }), [/certainty: write one of/])
  t.match(faults('note', { text: 'x' }, { recordedBy: '' }), [
    /recordedBy: write the name of a person/,
  ])
  const whys = Array.from({ length: 9 }, (_, index) => `${index}${'為'.repeat(1900)}`)
  t.match(faults('five_whys', { text: 'x', whys }), [/bytes; shorten it to 32768/])
  for (const kind of factKinds) t.ok(faults(kind, {}).length > 0, `${kind} needs something`)
})

t.test('code lists are those of the law', async (t) => {
  t.equal(rootCauseCodes.size, 28)
  t.equal(Object.keys(costKinds).length, 9)
  for (const code of Object.keys(additionalCauses)) t.ok(rootCauseCodes.has(code), code)
  t.equal(Object.values(additionalCauses).flatMap((one) => Object.keys(one)).length, 18)
})

t.test('docs/incidents.md holds the published tables, and the JSON is complete', async (t) => {
  const path = join(packageRoot, 'docs/incidents.md')
  const [first, last] = ['<!-- workflow: generated -->\n', '<!-- workflow: end -->']
  const page = readFileSync(path, 'utf8')
  const start = page.indexOf(first) + first.length
  const end = page.indexOf(last)
  if (process.env['CALLWARD_WRITE_DOCS'] === '1')
    writeFileSync(path, page.slice(0, start) + workflowMarkdown() + page.slice(end))
  const written = readFileSync(path, 'utf8')
  t.equal(
    written.slice(start, written.indexOf(last)),
    workflowMarkdown(),
    'write it anew: CALLWARD_WRITE_DOCS=1 node dist/test/unit/incidents/workflow.test.js',
  )
  const json = JSON.parse(workflowJson())
  t.same(Object.keys(json.states), stateNames)
  t.same(json.transitions, transitions)
  t.same(Object.keys(json.kinds), factKinds)
  t.ok(
    factKinds.every((kind) => specOf(kind).fields['text'] !== undefined),
    'each has its line to read',
  )
})

t.test('facts that come with a step are judged with it', async (t) => {
  const story = reach('recorded')
  const cancelled = story.newFact('cancelled', { text: 'A drill.', reason: 'test' }, { by: 'carl' })
  const ask = { to: 'cancelled', by: 'carl', role: 'commander', at: story.now + minute } as const
  t.match(judge(story.picture, ask), { allowed: false, missing: [{ guard: 'cancel_reason' }] })
  const verdict = judge(story.picture, { ...ask, with: [cancelled] })
  t.match(verdict, { allowed: true, rule: 'cancel' })
  t.same(verdict.allowed && verdict.facts.map(({ kind }) => kind), ['cancelled', 'transition'])
  const wrong = story.newFact('closed', { text: 'Done.' })
  t.match(judge(story.picture, { ...ask, with: [wrong] }), { allowed: false })
  t.match(judge(blank, { ...ask, to: 'recorded', with: [cancelled] }), { allowed: false })
})
