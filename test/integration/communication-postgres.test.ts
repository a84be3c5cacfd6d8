import t from 'tap'
import { postgresPrograms, startPostgres } from '../helpers/postgres.ts'
import { CommunicationDesk } from './communication-desk.ts'

const programs = postgresPrograms()
const missing = programs === undefined && process.env.CALLWARD_REQUIRE_PEERS !== '1'

t.test(
  'notices, the promise and assignments on PostgreSQL',
  { skip: missing && 'PostgreSQL is not installed' },
  async (t) => {
    if (programs === undefined) {
      t.fail('PostgreSQL is not installed')
      return
    }
    const cluster = await startPostgres(programs)
    t.teardown(() => cluster.stop())
    const routes = [{ to: 'person:ines' }]
    const settings = { dispatch: { routes } }
    const desk = await CommunicationDesk.start(t, settings, await cluster.database('communication'))
    await desk.point('board')
    await desk.point('ines-hook', 'ines')
    const id = await desk.incident({ severity: 'sev1' })
    const notices = `/incidents/${id}/notices`
    const wanted = { audience: 'management', form: 'opening', language: 'zh' }
    const sent = await desk.as('anna', 'POST', notices, { ...wanted, contactPoints: ['board'] })
    t.equal(sent.status, 201, JSON.stringify(sent.body))
    const corrected = { ...wanted, contactPoints: ['board'], corrects: sent.body.notice.id }
    t.match(await desk.as('anna', 'POST', notices, corrected), { body: { notice: { version: 2 } } })
    const customers = { ...wanted, audience: 'customers', contactPoints: ['board'] }
    const asked = await desk.as('anna', 'POST', notices, customers)
    const approval = `/approvals/${asked.body.notice.approval}/approve`
    t.equal((await desk.as('boris', 'POST', approval)).status, 200)
    const assigned = await desk.as('anna', 'POST', `/incidents/${id}/assignments`, { text: 'Go.' })
    t.match(assigned, { status: 201, body: { assignment: { technician: 'ines' } } })
    await desk.settle()
    t.equal(desk.titlesAt('board').length, 3)
    t.equal(desk.titlesAt('ines-hook').length, 1)
    await desk.pass(6)
    const { assignments } = (await desk.as('vera', 'GET', `/incidents/${id}/assignments`)).body
    t.match(assignments, [{ state: 'waiting', exhaustedAt: String }], 'nobody is left to ask')
    const accept = `/incidents/${id}/assignments/${assigned.body.assignment.fact}/accept`
    t.equal((await desk.as('ines', 'POST', accept, {})).status, 200)
    await desk.pass(30)
    const { communication } = (await desk.as('vera', 'GET', `/incidents/${id}/communication`)).body
    t.match(communication, { overdue: true, overdueToldAt: String })
    t.match(
      communication.notices.map(({ state }: { state: string }) => state),
      ['sent', 'sent', 'sent'],
    )
    t.same(await desk.app.obligations.watch(), [], 'nothing is lost')
  },
)
