import { join } from 'node:path'
import t, { type Test } from 'tap'
import { folderOf } from '../helpers/folder.ts'
import { until } from '../helpers/hub.ts'
import { postgresPrograms, startPostgres } from '../helpers/postgres.ts'
import { EnrolledHost, ListeningHub, machineRoot, minute } from './enrolment-hub.ts'

/** All that enrolment keeps: tokens, keys, counters, refusals, endings; and that a hub that starts again knows them. */
async function story(t: Test, recordsUrl?: string): Promise<void> {
  const folder = folderOf(t)
  const environment: Record<string, string> =
    recordsUrl === undefined ? {} : { CALLWARD_RECORDS: recordsUrl }
  const data = join(folder, 'hub')
  let hub = await ListeningHub.start(data, environment)
  t.teardown(() => hub.stop())
  const host = (name: string, machine = 'machine-a') => {
    const made = new EnrolledHost(join(folder, name), machineRoot(folder, machine))
    t.teardown(() => made.session?.close('over'))
    return made
  }
  const first = host('first')
  const made = await hub.token({ instance: 'pbx-1', labels: { role: 'pbx', site: 'hà nội' } })
  await first.enrol(hub, 'pbx-1', made)
  const thief = host('thief')
  await t.rejects(thief.enrol(hub, 'pbx-1', made), /used already/)
  const late = await hub.token()
  hub.clock.moved += 15 * minute
  await t.rejects(thief.enrol(hub, 'pbx-9', late), /older than 15 minutes/)
  hub.clock.moved = 0
  t.match(await hub.api<object>('GET', '/api/v1/enrolments'), {
    tokens: [
      { misuses: 1 },
      { state: 'used', instance: 'pbx-1', misuses: 1, lastMisusedFrom: '127.0.0.1' },
    ],
  })
  await t.rejects(hub.token({ instance: 'pbx-1' }), /enrolled already/)
  // Two lines for one host at the same moment: one of them wins.
  const lines = [await hub.token({ instance: 'pbx-2' }), await hub.token({ instance: 'pbx-2' })]
  const both = await Promise.allSettled(
    lines.map((line, index) => host(`both-${index}`).enrol(hub, 'pbx-2', line)),
  )
  t.same(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])

  first.start()
  await first.opened()
  first.report(1)
  await until('acknowledged', () => first.session?.figures().pending === 0)
  await first.stop()
  const clone = first.copy(join(folder, 'clone'))
  t.teardown(() => clone.session?.close('over'))
  first.start()
  await first.opened()
  clone.start()
  t.match(await clone.refused(), /Another copy of "pbx-1"/)
  await clone.stop()
  await first.stop()

  const { port } = hub
  await hub.stop()
  hub = await ListeningHub.start(data, environment, { port })
  t.match(
    await hub.enrolment('pbx-1'),
    { state: 'active', refusals: 1, lastRefusal: 'cloned', sessions: 2 },
    'known after a restart',
  )
  first.start()
  await first.opened()
  clone.start()
  t.match(await clone.refused(), /Another copy/, 'the counter, too')
  await hub.api('DELETE', '/api/v1/enrolments/pbx-1')
  t.match(await first.refused(), /was revoked/)
  await first.stop()
  await first.enrol(hub, 'pbx-1', await hub.token({ instance: 'pbx-1' }))
  await host('next', 'machine-b').enrol(
    hub,
    'pbx-1',
    await hub.token({ instance: 'pbx-1', replace: true }),
  )
  const { enrolments } = await hub.api<{ enrolments: { instance: string; state: string }[] }>(
    'GET',
    '/api/v1/enrolments',
  )
  t.same(
    enrolments
      .filter(({ instance }) => instance === 'pbx-1')
      .map(({ state }) => state)
      .sort(),
    ['active', 'replaced', 'revoked'],
  )
}

const programs = postgresPrograms()
const missing = programs === undefined && process.env['CALLWARD_REQUIRE_PEERS'] !== '1'

t.test('enrolment on SQLite', (t) => story(t))

t.test('enrolment on PostgreSQL', { skip: missing && 'PostgreSQL is not installed' }, async (t) => {
  if (programs === undefined) {
    t.fail('PostgreSQL is not installed')
    return
  }
  const cluster = await startPostgres(programs)
  // The hub ends before its database: what is torn down last was made first.
  t.teardown(() => cluster.stop())
  const url = await cluster.database('enrolment')
  await t.test('the same story', (t) => story(t, url))
})
