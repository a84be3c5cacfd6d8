import t from 'tap'
import { countUndelivered } from '../../server/communication/communication-store.ts'
import { CommunicationDesk } from './communication-desk.ts'

t.test('a notice is drafted from facts, edited, sent, and moves the promise', async (t) => {
  const desk = await CommunicationDesk.start(t)
  await desk.point('board')
  await desk.point('annas', 'anna')
  const id = await desk.incident({ severity: 'sev1' })
  const talk = async () =>
    (await desk.as('vera', 'GET', `/incidents/${id}/communication`)).body.communication
  const notices = `/incidents/${id}/notices`
  const first = await talk()
  t.match(first, { severity: 'sev1', everyMinutes: 20, overdue: false, notices: [], words: [] })
  t.equal(Date.parse(first.nextUpdateDueAt) - Date.parse(first.since), 20 * 60_000)

  const wanted = { audience: 'management', form: 'opening', language: 'en' }
  const preview = await desk.as('anna', 'POST', `${notices}/preview`, wanted)
  t.match(preview, {
    status: 200,
    body: {
      title: /^Disturbance: Incident 1, Calls to the call centre fail\.$/,
      text: /What was seen: Calls to the call centre fail\.\nSince: .*\+07:00\nServices affected: telephony\nSeverity: sev1\n[\s\S]*Cause: not known yet\nNext update by: \d/,
      ...{ missing: ['cause'], needsApproval: false, contactPoints: [], faults: [] },
    },
  })
  for (const language of ['zh', 'vi', 'ru'])
    for (const audience of ['management', 'departments', 'customers']) {
      const made = await desk.as('anna', 'POST', `${notices}/preview`, {
        ...wanted,
        language,
        audience,
      })
      t.match(made, { status: 200, body: { text: /telephony/ } }, `${audience} ${language}`)
      t.notMatch(made.body.text, /\{|undefined|null/)
      if (audience === 'customers')
        t.notMatch(made.body.text, /sev1|call centre/, 'nothing internal')
    }
  t.match(await desk.as('anna', 'POST', notices, wanted), {
    status: 422,
    body: { error: { message: /contactPoints: name at least one/ } },
  })
  t.match(await desk.as('anna', 'POST', notices, { ...wanted, contactPoints: ['moon'] }), {
    status: 422,
    body: { error: { message: /no contact point "moon"/ } },
  })
  t.match(
    await desk.as('anna', 'POST', notices, {
      ...wanted,
      form: 'restored',
      contactPoints: ['board'],
    }),
    {
      status: 409,
      body: { error: { message: /not restored/ } },
    },
  )
  t.equal((await desk.as('vera', 'POST', notices, wanted)).status, 403)
  t.match(
    await desk.as('anna', 'POST', notices, {
      ...wanted,
      contactPoints: ['board'],
      text: 'ế'.repeat(2001),
    }),
    { status: 422 },
  )

  desk.clock.ahead += 10 * 60_000
  const text = 'Cuộc gọi đến bị gián đoạn. 我们正在处理。'
  const sent = { ...wanted, contactPoints: ['board', 'board'], text, key: 'phone-0001' }
  const made = await desk.as('anna', 'POST', notices, sent)
  t.match(made, {
    status: 201,
    body: { notice: { state: 'sent', version: 1, writtenBy: 'anna', approvedBy: null, text } },
  })
  const again = await desk.as('anna', 'POST', notices, sent)
  t.equal(again.body.notice.id, made.body.notice.id, 'sent twice with one key, it is once')
  await desk.settle()
  t.equal((await desk.kinds(id)).filter((kind) => kind === 'notice').length, 1)
  t.equal(desk.titlesAt('board').length, 1)
  t.match(desk.noticesAt('board').at(-1), {
    kind: 'notice',
    language: 'en',
    text: { body: new RegExp(text) },
  })
  const after = await talk()
  t.match(after.notices, [
    { deliveries: [{ recipient: 'board', channel: 'webhook', state: 'accepted', attempts: 1 }] },
  ])
  t.equal(after.nextUpdateDueAt, made.body.notice.nextUpdateAt, 'what was said counts')
  t.ok(after.nextUpdateDueAt > first.nextUpdateDueAt, 'moved')

  // A quarter of an hour later it is not overdue by the new promise; after twenty minutes it is.
  await desk.pass(15)
  t.match(await talk(), { overdue: false, words: [] })
  await desk.pass(6)
  t.match(await talk(), {
    overdue: true,
    overdueToldAt: String,
    words: [
      { form: 'overdue', title: /^Update overdue: incident 1,/, deliveries: [{}, {}, {}, {}] },
    ],
  })
  t.equal(desk.titlesAt('annas').length, 1)
  t.match(
    (await talk()).words[0].deliveries.filter(
      ({ recipient }: { recipient: string }) => recipient === 'boris',
    ),
    [{ state: 'refused', reason: /no contact point/ }],
    'whom nothing reaches is written down',
  )
  await desk.as('anna', 'POST', `/incidents/${id}/facts`, {
    facts: [{ kind: 'role', value: { text: 'x', role: 'commander', person: 'anna' } }],
  })
  await desk.pass(16)
  t.equal(desk.titlesAt('annas').length, 2, 'who leads is told again')
  t.equal((await talk()).words.length, 2)
  const update = { ...wanted, form: 'update', contactPoints: ['board'] }
  t.equal((await desk.as('anna', 'POST', notices, update)).status, 201)
  t.match(await talk(), { overdue: false, overdueToldAt: null })
  // Another severity, another rhythm: that of the service levels.
  const severity = async (of: string) => {
    const { body } = await desk.as('vera', 'GET', `/incidents/${id}`)
    const old = body.incident.facts.findLast(({ kind }: { kind: string }) => kind === 'severity')
    const fact = { kind: 'severity', value: { text: 'x', severity: of }, supersedes: old.id }
    const told = await desk.as('anna', 'POST', `/incidents/${id}/facts`, { facts: [fact] })
    t.equal(told.status, 200, JSON.stringify(told.body))
  }
  await severity('sev4')
  t.match(await talk(), { everyMinutes: 7 * 24 * 60, nextUpdateDueAt: String })
  await severity('sev2')
  t.match(await talk(), { everyMinutes: 60, nextUpdateDueAt: String })
  await desk.as('anna', 'POST', `/incidents/${id}/steps`, {
    ...{ to: 'cancelled', role: 'commander' },
    with: [{ kind: 'cancelled', value: { text: 'x', reason: 'false_alarm' } }],
  })
  t.match(await talk(), { nextUpdateDueAt: null, overdue: false }, 'nothing is promised any more')
  const entries = JSON.stringify(
    await desk.app.records.read.selectFrom('ledger_entries').selectAll().execute(),
  )
  for (const action of [
    'notice.written',
    'notice.sent',
    'notice.delivery',
    'incident.update_overdue',
  ])
    t.ok(entries.includes(action), action)
  t.same(await desk.app.obligations.watch(), [], 'nothing is lost')
})

t.test('what customers read takes two people, and comes again until it arrives', async (t) => {
  const desk = await CommunicationDesk.start(t, {
    communication: { contactPoints: { customers: ['public'] } },
  })
  await desk.point('public')
  await desk.point('annas', 'anna')
  const id = await desk.incident({ severity: 'sev3' })
  const notices = `/incidents/${id}/notices`
  const talk = async () =>
    (await desk.as('vera', 'GET', `/incidents/${id}/communication`)).body.communication
  const wanted = { audience: 'customers', form: 'opening', language: 'vi' }
  t.match(await desk.as('bootstrap', 'POST', notices, wanted), { status: 403 })
  const asked = await desk.as('anna', 'POST', notices, wanted)
  t.match(asked, {
    status: 201,
    body: { notice: { state: 'waiting', approval: String, fact: null, deliveries: [] } },
  })
  await desk.settle()
  t.same(desk.titlesAt('public'), [], 'nothing goes out before')
  t.notOk((await desk.kinds(id)).includes('notice'))
  const forged = {
    kind: 'notice',
    value: { text: 'x', audience: 'customers', form: 'opening', approvedBy: 'boris' },
  }
  t.equal(
    (await desk.as('anna', 'POST', `/incidents/${id}/facts`, { facts: [forged] })).status,
    422,
  )
  const approve = (who: string, notice: { approval: string }) =>
    desk.as(who, 'POST', `/approvals/${notice.approval}/approve`)
  t.equal((await approve('anna', asked.body.notice)).status, 403, 'not who wrote it')
  t.equal((await approve('bootstrap', asked.body.notice)).status, 403)
  t.match(
    (await desk.as('boris', 'GET', `/approvals/${asked.body.notice.approval}`)).body.approval
      .content,
    {
      text: asked.body.notice.text,
    },
  )
  desk.refusing.add('/hook/public')
  t.equal((await approve('boris', asked.body.notice)).status, 200)
  await desk.settle()
  t.match((await talk()).notices, [
    {
      state: 'sent',
      approvedBy: 'boris',
      writtenBy: 'anna',
      fact: String,
      deliveries: [{ state: 'refused', attempts: 1 }],
    },
  ])
  const { body } = await desk.as('vera', 'GET', `/incidents/${id}`)
  const fact = body.incident.facts.find(({ kind }: { kind: string }) => kind === 'notice')
  t.match(fact, { recordedBy: 'anna', value: { approvedBy: 'boris', audience: 'customers' } })
  t.match(desk.titlesAt('annas'), [/^Notice not delivered: incident 1/], 'the author hears of it')
  const undelivered = (hours: number) =>
    countUndelivered(desk.app.records.read, desk.clock.now() + hours * 3_600_000)
  t.equal(await undelivered(0), 1, 'it counts for the rule')
  t.equal(await undelivered(23), 1)
  t.equal(await undelivered(25), 0, 'for a day')
  desk.refusing.clear()
  t.match(await desk.as('anna', 'POST', `${notices}/${asked.body.notice.id}/again`), {
    status: 200,
  })
  await desk.settle()
  const [one] = (await talk()).notices
  t.match(one.deliveries, [{ state: 'accepted', attempts: 2 }])
  t.equal(await undelivered(0), 0, 'it came')
  const keys = desk.noticesAt('public').map(({ id }) => id)
  t.equal(keys.length, 2)
  t.equal(keys[0], keys[1], 'the receiver can tell the repeat')
  t.equal((await desk.as('anna', 'POST', `${notices}/${one.id}/again`)).status, 409)

  const draft = await desk.as('ines', 'POST', `${notices}/preview`, { ...wanted, corrects: one.id })
  t.match(draft.body, { contactPoints: [{ label: 'public' }], needsApproval: true })
  t.match(draft.body.title, /^Đính chính: /)
  t.match(draft.body.text, /^Thông báo này thay cho thông báo của chúng tôi lúc \d{4}-/)
  t.ok(draft.body.text.endsWith(one.text), 'what was said, to be put right')
  const corrected = await desk.as('ines', 'POST', notices, {
    ...wanted,
    corrects: one.id,
    text: 'Đính chính.',
  })
  t.match(corrected, { status: 201, body: { notice: { version: 2, series: one.series } } })
  t.equal((await approve('anna', corrected.body.notice)).status, 200)
  await desk.settle()
  const facts = (await desk.as('vera', 'GET', `/incidents/${id}`)).body.incident.facts
  t.equal(facts.findLast(({ kind }: { kind: string }) => kind === 'notice').supersedes, fact.id)
  t.equal(desk.titlesAt('public').length, 3)

  const rejected = (await desk.as('anna', 'POST', notices, { ...wanted, form: 'update' })).body
    .notice
  await desk.as('boris', 'POST', `/approvals/${rejected.approval}/reject`, { reason: 'not yet' })
  t.equal((await talk()).notices.at(-1).state, 'rejected')
  t.equal(desk.titlesAt('public').length, 3)
})
