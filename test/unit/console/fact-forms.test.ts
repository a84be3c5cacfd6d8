import t from 'tap'
import {
  type FactKind,
  factKinds,
  faultsOfFact,
  hubActor,
  type NewFact,
  specOf,
} from '../../../incidents/facts.ts'
import { additionalCodes, rootCauseCodes, rootCauses } from '../../../incidents/root-causes.ts'
import { workflowEn } from '../../../incidents/words/workflow-en.ts'
import { workflowRu } from '../../../incidents/words/workflow-ru.ts'
import { workflowVi } from '../../../incidents/words/workflow-vi.ts'
import { workflowZh } from '../../../incidents/words/workflow-zh.ts'
import { cancelReasons, guards, noPlanReasons, roleNames } from '../../../incidents/workflow.ts'
import type { Fact } from '../../../server/console/web/src/api-types.ts'
import {
  corrected,
  type Draft,
  draftOf,
  type FormScene,
  fieldsOf,
  isOptional,
  mayCorrect,
  suppliers,
  valueFrom,
  widgetOf,
  writableKinds,
} from '../../../server/console/web/src/fact-forms.ts'
import { catalogues } from '../../../server/console/web/src/i18n/catalogues.ts'
import {
  mostWaiting,
  outcomeOf,
  parseQueue,
  requestOf,
  settled,
  stamped,
  type Waiting,
  withWaiting,
} from '../../../server/console/web/src/outbox-queue.ts'
import fc from '../../helpers/property.ts'

const runbook = { name: 'HostSilent', hash: 'a'.repeat(64) }
const scene: FormScene = { me: 'anna', facts: [], runbook }
const writable = writableKinds().flatMap(([, kinds]) => kinds)

function fact(id: string, given: Partial<Fact>): Fact {
  return {
    ...{ id, sequence: Number(id), kind: 'note', value: {}, certainty: 'actual' },
    ...{ occurredAt: '2026-03-02T08:00:00Z', recordedAt: '2026-03-02T08:00:00Z' },
    ...{ recordedBy: 'anna', supersedes: null, text: '' },
    ...given,
  }
}

/** What somebody types who fills in every field. */
function filledIn(kind: FactKind): Draft {
  const typed = Object.fromEntries(
    fieldsOf(kind).map((field): [string, Draft[string]] => {
      const widget = widgetOf(kind, field)
      switch (widget.kind) {
        case 'choice':
          return [field, widget.codes[0]!]
        case 'number':
          return [field, field === 'callsAttempted' ? '9' : '3']
        case 'flag':
          return [field, true]
        case 'instant':
          return [field, '2026-03-06T09:30']
        case 'cause':
          return [field, 'system_failure/hardware_ageing']
        case 'causes':
          return [field, ['process_failure/operations', 'system_failure/other']]
        case 'additional':
          return [field, ['change_management']]
        case 'whys':
          return [field, ['because', ' because of that ', '']]
        case 'evidence':
          return [field, ['1']]
        case 'lines':
          return [field, 'cards\n\n calls \ncards']
        case 'line':
          return [field, field === 'currency' ? 'EUR' : 'a line']
        default:
          return [field, 'words']
      }
    }),
  )
  return { ...draftOf(kind, scene, undefined), ...typed }
}

const faults = (kind: FactKind, value: object) =>
  faultsOfFact({
    ...{ kind, value, certainty: 'actual', occurredAt: 1, recordedBy: 'anna', supersedes: null },
  } as NewFact)

t.test('every form gives a fact that the published table takes', (t) => {
  for (const kind of [...writable, 'cancelled', 'merged'] as FactKind[])
    t.same(faults(kind, valueFrom(kind, filledIn(kind), scene)), [], kind)
  t.end()
})

t.test('what must be filled in is what the table wants, and nothing else', (t) => {
  for (const kind of writable) {
    const draft = Object.fromEntries(
      Object.entries(filledIn(kind)).filter(([field]) => !isOptional(kind, field)),
    )
    const value = valueFrom(kind, { ...draftOf(kind, scene, undefined), ...draft }, scene)
    t.same(
      faults(kind, { text: 'as the form sums it up', ...value }).filter(
        // Only the chosen code tells that these are needed; their fields appear with it.
        (fault) => !/root_cause\.(other|additional)/.test(fault),
      ),
      [],
      kind,
    )
  }
  t.end()
})

t.test('people write every kind, or it comes another way', (t) => {
  const otherwise = factKinds.filter((kind) => !writable.includes(kind))
  t.same(otherwise.toSorted(), [
    ...['acknowledged', 'alert_fired', 'alert_resolved', 'attachment', 'cancelled', 'closed'],
    ...['evidence', 'merged', 'notice', 'opened', 'resolved', 'restored', 'role', 'runbook'],
    ...['runbook_step', 'transition'],
  ])
  t.equal(mayCorrect('impact', 'review'), true)
  t.equal(mayCorrect('impact', 'closed'), false)
  t.equal(mayCorrect('note', 'closed'), true)
  t.equal(mayCorrect('transition', 'review'), false)
  t.equal(mayCorrect('of a newer hub', 'review'), false)
  for (const [guard, kinds] of Object.entries(suppliers))
    t.ok(kinds.length > 0 && Object.hasOwn(guards, guard), guard)
  t.end()
})

t.test('a form shows what is on file, and gives it back unchanged', (t) => {
  const check = (kind: FactKind, value: Record<string, unknown>) =>
    t.same(valueFrom(kind, draftOf(kind, scene, fact('1', { kind, value })), scene), value, kind)
  check('impact', { text: 'Calls fail.', services: ['cards', 'calls'], callsFailed: 7 })
  check('major', { text: 'Not major.', major: false })
  check('action', { text: 'Replace it.', number: 4, action: 'repair', owner: 'dung' })
  check('five_whys', { text: 'Age.', whys: ['It broke.', 'It was old.'] })
  check('plan_activated', { text: 'None fits.', reason: 'does_not_apply' })
  check('plan_activated', { text: 'As written.', runbook: runbook.name, hash: runbook.hash })
  check('permanent_measure', { text: 'Two of them.', plannedFor: Date.parse('2026-03-06T09:30') })
  const cause = { text: 'Age.', codes: ['system_failure/hardware_ageing'], evidence: ['12'] }
  check('root_cause', cause)
  t.end()
})

t.test('a second statement of a kind corrects the first; actions by their number', (t) => {
  const facts = [
    fact('1', { kind: 'impact', certainty: 'suggestion', value: { text: 'Not known.' } }),
    fact('2', { kind: 'action', value: { number: 1 } }),
    fact('3', { kind: 'action', value: { number: 2 } }),
    fact('4', { kind: 'action', value: { number: 2 }, supersedes: '3' }),
  ]
  t.equal(corrected('impact', {}, facts)?.id, '1', 'a suggestion is confirmed')
  t.equal(corrected('action', { number: 2 }, facts)?.id, '4', 'its newest version')
  t.equal(corrected('action', { number: 3 }, facts), undefined)
  t.equal(corrected('note', {}, facts), undefined)
  t.equal(valueFrom('action', { text: 'x' }, { ...scene, facts })['number'], 3)
  const answered = fact('5', { kind: 'answer', value: { question: 'promptness' } })
  const next = draftOf('answer', { ...scene, facts: [answered] }, undefined)
  t.equal(next['question'], 'analysis_quality', 'the next question that is open')
  t.end()
})

t.test('every word of the workflow is there in every language', (t) => {
  const causes = [...Object.keys(rootCauses), ...rootCauseCodes.keys(), ...additionalCodes.keys()]
  const reasons = Object.keys({ ...cancelReasons, ...noPlanReasons })
  for (const [language, words] of Object.entries({
    workflowEn,
    workflowZh,
    workflowVi,
    workflowRu,
  })) {
    t.same(Object.keys(words.guards).sort(), Object.keys(guards).sort(), `${language}: guards`)
    t.same(Object.keys(words.roles).sort(), [...roleNames].sort(), `${language}: roles`)
    t.same(Object.keys(words.causes).sort(), [...causes].sort(), `${language}: causes`)
    for (const reason of reasons)
      t.ok(words.codes[`reason.${reason}`], `${language}: reason ${reason}`)
    t.same(Object.keys(words.codes).sort(), Object.keys(workflowEn.codes).sort(), language)
  }
  const fields = new Set(
    factKinds
      .filter((kind) => writable.includes(kind) || kind === 'cancelled' || kind === 'merged')
      .flatMap((kind) => fieldsOf(kind)),
  )
  for (const field of fields) t.ok(`field.${field}` in catalogues.en, `field ${field}`)
  for (const kind of writable)
    for (const field of fieldsOf(kind))
      t.ok(field === 'text' || field in specOf(kind).fields, `${kind}.${field}`)
  t.not(writable.includes('opened' as never), true, hubActor)
  t.end()
})

const entry = (key: string): Waiting => ({
  ...{ key, person: 'anna', incident: 'i-1', number: 1, facts: [], writtenAt: 'now' },
  refused: null,
})

t.test('what waits for the network is kept, sent in order and never twice', (t) => {
  const queue = [entry('one'), entry('two')]
  t.same(settled(queue, 'one', 'sent'), [entry('two')])
  t.same(settled(queue, 'one', 'later'), queue)
  t.same(settled(queue, 'two', { refused: 'no' })[1], { ...entry('two'), refused: 'no' })
  for (const status of [0, 401, 429, 502, 503, 504]) t.equal(outcomeOf(status, 'no'), 'later')
  t.equal(outcomeOf(200, ''), 'sent')
  t.same(outcomeOf(422, 'write it so'), { refused: 'write it so' })
  t.same(outcomeOf(500, 'broken'), { refused: 'broken' }, 'which would repeat for ever')
  const full = Array.from({ length: mostWaiting }, (_, index) => entry(String(index)))
  t.equal(withWaiting(full, entry('more')), undefined, 'a limit')
  t.equal(withWaiting(full.slice(1), entry('more'))?.length, mostWaiting)
  const note = { kind: 'note', value: { text: 'x' } }
  t.same(stamped([note, { ...note, occurredAt: 'before' }], 'now'), [
    { ...note, occurredAt: 'now' },
    { ...note, occurredAt: 'before' },
  ])
  t.end()
})

t.test('facts go to the incident, the answer to an assignment to its route', (t) => {
  const one = { ...entry('one'), incident: 'a/b' }
  t.same(requestOf(one), {
    path: '/api/v1/incidents/a%2Fb/facts',
    body: { facts: one.facts, key: 'one' },
  })
  const answer = { fact: 'f 1', what: 'arrived', body: { mode: 'remote', occurredAt: 'then' } }
  t.same(requestOf({ ...one, answer }), {
    path: '/api/v1/incidents/a%2Fb/assignments/f%201/arrived',
    body: { mode: 'remote', occurredAt: 'then', key: 'one' },
  })
  const kept = [
    { ...one, answer },
    { ...one, answer: null },
    { ...one, answer: 'accept' },
  ]
  t.same(parseQueue(JSON.stringify(kept)), kept.slice(0, 1), 'half an answer is none')
  t.end()
})

t.test('whatever stands in the browser’s storage, the console starts', (t) => {
  t.same(parseQueue(null), [])
  t.same(parseQueue('{'), [])
  t.same(parseQueue(JSON.stringify([entry('one'), null, { key: 'half' }])), [entry('one')])
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      for (const one of parseQueue(JSON.stringify(value))) if (one.key === undefined) return false
      return true
    }),
  )
  t.end()
})
