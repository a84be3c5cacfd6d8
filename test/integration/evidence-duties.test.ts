import t from 'tap'
import {
  type Report,
  readCheckpoint,
  readVerifierKey,
  type Trust,
  verifyBundle,
} from '../../verifier/verify.ts'
import { CommunicationDesk } from './communication-desk.ts'

/** What an auditor makes of an incident's bundle. */
async function judge(desk: CommunicationDesk, id: string, trust: Trust): Promise<Report> {
  const { body } = await desk.as('vera', 'GET', `/incidents/${id}`)
  const since = trust.older === undefined ? '' : `&since=${trust.older.size}`
  const path = `/ledger/bundle?incident=${body.incident.number}${since}`
  const answer = await desk.file('vera', path)
  return verifyBundle(answer, trust)
}

const faultsOf = ({ checks }: Report) =>
  checks.flatMap(({ id, faults }) => faults.map((fault) => `${id}: ${fault}`))
const checkOf = ({ checks }: Report, id: string) => checks.find((one) => one.id === id)!

async function trustOf(desk: CommunicationDesk): Promise<Trust> {
  const status = await desk.as('vera', 'GET', '/ledger/status')
  const note = new TextDecoder().decode(await desk.file('vera', '/ledger/checkpoint'))
  return { key: readVerifierKey(status.body.verifierKeys[0])!, older: readCheckpoint(note)! }
}

t.test('an auditor works out again what was owed, and sees to whom it was said', async (t) => {
  const desk = await CommunicationDesk.start(t, { communication: { contactPoints: {} } })
  await desk.point('board')
  await desk.point('public')
  const id = await desk.incident({ severity: 'sev1' })
  const say = (who: string, path: string, body: object) =>
    desk.as(who, 'POST', `/incidents/${id}${path}`, body)
  await desk.as('boris', 'POST', `/incidents/${id}/facts`, {
    facts: [
      { kind: 'aware', value: { text: 'The desk was told.' } },
      { kind: 'major', value: { text: 'All lines are down.', major: true } },
    ],
  })
  await say('anna', '/assignments', { technician: 'ines', text: 'Please go.' })
  const told = await say('anna', '/notices', {
    ...{ audience: 'management', form: 'opening', language: 'en', contactPoints: ['board'] },
  })
  t.match(told, { status: 201 })
  desk.refusing.add('/hook/public')
  const asked = await say('anna', '/notices', {
    ...{ audience: 'customers', form: 'opening', language: 'vi', contactPoints: ['public'] },
  })
  t.match(asked, { status: 201, body: { notice: { state: 'waiting' } } })
  const early = await judge(desk, id, {})
  t.same(faultsOf(early), [], 'one that waits for a second person')
  await desk.as('boris', 'POST', `/approvals/${asked.body.notice.approval}/approve`)
  await desk.settle()
  const refused = await judge(desk, id, await trustOf(desk))
  t.same(faultsOf(refused), [])
  t.match(checkOf(refused, 'notices').flags.join(), /did not come to its receiver: refused/)
  desk.refusing.clear()
  await say('anna', `/notices/${asked.body.notice.id}/again`, {})
  await desk.pass(40)
  await say('anna', '/notices', {
    ...{ audience: 'management', form: 'opening', language: 'en', contactPoints: ['board'] },
    corrects: told.body.notice.id,
  })
  await desk.as('boris', 'POST', '/holds', { incident: id, reason: 'A lawsuit.' })
  await desk.settle()
  const trust = await trustOf(desk)
  const honest = await judge(desk, id, trust)
  t.same(faultsOf(honest), [])
  t.equal(honest.verdict, 'verified')
  for (const name of ['deadlines', 'notices', 'rows', 'states'])
    t.equal(checkOf(honest, name).state, 'passed', name)
  t.match(checkOf(honest, 'notices').said, /^3 notices to 3 receivers/)

  for (const [edit, undo, named] of [
    [
      "update incident_deadlines set due_at = due_at + 60000 where code = 'initial'",
      "update incident_deadlines set due_at = due_at - 60000 where code = 'initial'",
      /deadlines: incident_deadlines: dora\.initial of incident 1: due_at is .+ from its facts/,
    ],
    [
      "update incident_deadlines set state = 'met' where code = 'initial'",
      "update incident_deadlines set state = 'owed' where code = 'initial'",
      /deadlines: incident_deadlines: dora\.initial of incident 1: state is "met"/,
    ],
    [
      "update incident_notice_deliveries set state = 'refused' where channel = 'webhook'",
      "update incident_notice_deliveries set state = 'accepted' where channel = 'webhook'",
      /notices: incident_notice_deliveries: .+ state is "refused"/,
    ],
    [
      "update incident_notices set approved_by = 'anna' where audience = 'customers'",
      "update incident_notices set approved_by = 'boris' where audience = 'customers'",
      /notices: incident_notices: .+ approved_by is "anna"/,
    ],
    [
      'update incident_assignments set due_at = due_at + 1',
      'update incident_assignments set due_at = due_at - 1',
      /rows: incident_assignments: .+ due_at/,
    ],
    [
      "update legal_holds set set_by = 'anna'",
      "update legal_holds set set_by = 'boris'",
      /rows: legal_holds: .+ set_by is "anna"/,
    ],
    [
      "update time_limits set body = replace(body, 'hours: 24', 'hours: 25')",
      "update time_limits set body = replace(body, 'hours: 25', 'hours: 24')",
      /deadlines: time_limits: row .+ body is not what/,
    ],
  ] as const) {
    await desk.past(edit)
    t.match(faultsOf(await judge(desk, id, trust)).join('\n'), named, edit)
    await desk.past(undo)
  }
  t.same(faultsOf(await judge(desk, id, trust)), [], 'all is as it was')
})
