import t, { type Test } from 'tap'
import { CommunicationDesk } from './communication-desk.ts'

const schedule = {
  ...{ name: 'Night', description: '', timeZone: 'UTC', plannedGaps: false },
  layers: [
    {
      ...{ name: 'primary', handOff: '00:00', startsOn: '2026-01-01', windows: [] },
      rotation: { unit: 'week', count: 1 },
      participants: ['anna', 'boris'],
    },
  ],
}

async function start(t: Test, hub: Record<string, unknown> = {}) {
  const desk = await CommunicationDesk.start(t, {
    dispatch: { routes: [{ service: 'telephony', to: 'schedule:night' }] },
    ...hub,
  })
  const made = await desk.as('bootstrap', 'PUT', '/oncall/schedules/night', { schedule })
  t.ok(made.status < 300, JSON.stringify(made.body))
  for (const name of ['anna', 'boris', 'ines']) await desk.point(`${name}-hook`, name)
  const id = await desk.incident({ severity: 'sev2' })
  const list = async () =>
    (await desk.as('vera', 'GET', `/incidents/${id}/assignments`)).body.assignments
  const assign = (who: string, body: object = {}) =>
    desk.as(who, 'POST', `/incidents/${id}/assignments`, { text: 'Look at the trunk.', ...body })
  const say = (who: string, fact: string, what: string, body: object = {}) =>
    desk.as(who, 'POST', `/incidents/${id}/assignments/${fact}/${what}`, body)
  return { desk, id, list, assign, say }
}

t.test('the schedule decides who goes; an answer that does not come passes it on', async (t) => {
  const { desk, id, list, assign, say } = await start(t)
  const first = await assign('ines', { key: 'phone-0001' })
  t.match(first, {
    status: 201,
    body: {
      assignment: {
        state: 'waiting',
        technician: /^(anna|boris)$/,
        text: /^Look at the trunk\. \(on call in night \(primary\) until .*; for service telephony\)$/,
      },
    },
  })
  const { technician, fact } = first.body.assignment
  const other = technician === 'anna' ? 'boris' : 'anna'
  t.equal((await assign('ines', { key: 'phone-0001' })).body.assignment.fact, fact, 'once a key')
  t.match(await assign('ines', { technician }), { status: 409 })
  await desk.settle()
  t.match(desk.titlesAt(`${technician}-hook`), [/^Assigned to you: incident 1,/])
  t.match(desk.noticesAt(`${technician}-hook`).at(-1), {
    url: `https://hub.bank.example/incidents/1?assignment=${fact}`,
  })
  t.match((await desk.as(technician, 'GET', '/dispatch/mine')).body.assignments, [
    {
      fact,
      incident: { number: 1, severity: 'sev2' },
      services: ['telephony'],
      owed: [{ code: 'answer_assignment', text: 'accept or decline' }],
    },
  ])
  t.match(await say(other, fact, 'accept'), {
    status: 403,
    body: { error: { message: /in person/ } },
  })
  t.match(await say(technician, fact, 'arrived', { mode: 'remote' }), { status: 409 })
  await desk.pass(9)
  t.equal((await list()).length, 1, 'ten minutes at sev2')
  await desk.pass(2)
  t.match(await list(), [
    { technician, state: 'passed', reason: /did not answer by/ },
    {
      technician: other,
      state: 'waiting',
      assignedBy: 'hub',
      text: /did not answer.*next in night/,
    },
  ])
  t.match(desk.titlesAt(`${other}-hook`), [/^Assigned to you/])
  t.equal((await desk.kinds(id)).filter((kind) => kind === 'assigned').length, 2, 'each a fact')

  const second = (await list())[1].fact
  t.match(await say(other, second, 'decline', {}), { status: 400 })
  t.match(await say(other, second, 'decline', { reason: 'I am on a plane.' }), {
    status: 200,
    body: { assignment: { state: 'declined', reason: 'I am on a plane.' } },
  })
  t.equal((await say(other, second, 'decline', { reason: 'twice' })).status, 200)
  await desk.settle()
  t.equal((await desk.kinds(id)).filter((kind) => kind === 'declined').length, 1)
  t.match(await list(), [{}, { state: 'declined', exhaustedAt: String, endedAt: null }])
  t.ok((await desk.kinds(id)).includes('note'), 'that nobody is left is written down')
  t.match(desk.titlesAt('ines-hook'), [/^Nobody takes it: incident 1/], 'and everybody is told')
  await desk.pass(16)
  t.equal(desk.titlesAt('ines-hook').length, 2, 'again until somebody is found')
  t.same(await desk.app.obligations.watch(), [], 'nothing is lost')
  t.match(await assign('ines'), {
    status: 422,
    body: { error: { message: /Everybody was asked/ } },
  })
  t.match(await assign('ines', { technician: 'moon' }), { status: 422 })
  const third = (await assign('boris', { technician: 'ines' })).body.assignment
  t.match(third, { text: /named by hand/, state: 'waiting' })
  t.match(await list(), [{}, { endedAt: String }, {}])
  await desk.pass(1)
  t.equal((await say('ines', third.fact, 'accept', { key: 'offline-01' })).status, 200)
  t.equal((await say('ines', third.fact, 'accept')).status, 200, 'sent again')
  await desk.pass(60)
  t.equal((await list()).length, 3, 'nobody else is asked')
  t.equal(desk.titlesAt('ines-hook').filter((title) => title.startsWith('Nobody')).length, 2)
})

t.test('what was written on the way is kept once, in the order it happened', async (t) => {
  const { desk, id, list, assign, say } = await start(t)
  const { fact } = (await assign('anna', { technician: 'ines' })).body.assignment
  t.equal((await say('ines', fact, 'accept')).status, 200)
  const occurredAt = new Date(desk.clock.now() - 60_000).toISOString()
  for (let twice = 0; twice < 2; twice += 1) {
    for (const [what, body] of [
      ['arrived', { mode: 'on_site', key: 'offline-02', occurredAt }],
      ['findings', { text: 'The card is dead.', key: 'offline-03', occurredAt }],
      ['parts', { part: 'E1 card', quantity: 1, key: 'offline-04', occurredAt }],
    ] as const)
      t.match(await say('ines', fact, what, body), { status: 200 }, what)
  }
  const kinds = (await desk.kinds(id)).filter((kind) => kind !== 'evidence')
  t.same(
    kinds.slice(-6),
    ['assigned', 'accepted', 'acknowledged', 'arrived', 'finding', 'part'],
    'who accepts has acknowledged',
  )
  t.match(await say('ines', fact, 'decline', { reason: 'x' }), { status: 409 })
  t.equal((await say('ines', 'none', 'accept')).status, 404)
  const { owed } = (await desk.as('ines', 'GET', '/dispatch/mine')).body.assignments[0]
  t.notOk(owed.some(({ code }: { code: string }) => code === 'say_finding'))

  // A fact that came another way is followed all the same.
  const [boris] = ['boris']
  await desk.as('anna', 'POST', `/incidents/${id}/facts`, {
    facts: [{ kind: 'assigned', value: { text: 'Help.', technician: boris } }],
  })
  t.match(await list(), [{ state: 'accepted' }, { technician: 'boris', state: 'waiting' }])
  await desk.as('anna', 'POST', `/incidents/${id}/facts`, {
    facts: [
      {
        ...{ kind: 'assigned', value: { text: 'Long ago.', technician: 'anna' } },
        occurredAt: '2026-01-05T08:00:00Z',
      },
      { kind: 'assigned', value: { text: 'Of the maker.', technician: 'somebody else' } },
    ],
  })
  t.equal((await list()).length, 2, 'neither what is old nor who has no account is waited for')
  await desk.as('anna', 'POST', `/incidents/${id}/facts`, {
    facts: [{ kind: 'role', value: { text: 'x', role: 'commander', person: 'anna' } }],
  })
  const cancelled = await desk.as('anna', 'POST', `/incidents/${id}/steps`, {
    ...{ to: 'cancelled', role: 'commander' },
    with: [{ kind: 'cancelled', value: { text: 'x', reason: 'false_alarm' } }],
  })
  t.equal(cancelled.status, 200, JSON.stringify(cancelled.body))
  t.match(await list(), [{ state: 'accepted' }, { state: 'over', reason: /cancelled/ }])
  t.same((await desk.as('boris', 'GET', '/dispatch/mine')).body.assignments, [])
  t.equal((await assign('anna', { technician: 'boris' })).status, 422, 'an ended one takes nobody')
  await desk.pass(60)
  t.equal((await list()).length, 2)
  t.same(await desk.app.obligations.watch(), [])
})

t.test('without a route it is said what is missing', async (t) => {
  const { assign } = await start(t, { dispatch: {} })
  t.match(await assign('anna'), {
    status: 422,
    body: { error: { message: /no route of dispatch\.routes/ } },
  })
})
