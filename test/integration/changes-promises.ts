import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { until } from '../helpers/hub.ts'
import { ChangesDesk } from './changes-desk.ts'
import { standing } from './changes-standing.ts'

const hash = (digit: string) => digit.repeat(64)
const listed = (packages: Record<string, string>) => ({ manager: 'dpkg', packages })
const installed = (asterisk: string, more: Record<string, string> = {}) =>
  listed({ asterisk, bash: '5.2', ...more })
const file = (state: string, digit?: string) => ({
  files: [{ path: '/etc/asterisk/pjsip.conf', state, ...(digit ? { sha256: hash(digit) } : {}) }],
})

/** A change without a record is found, alarmed, and ended by a person's link; the history stays. */
export async function withoutRecord(t: Test, recordsUrl?: string): Promise<void> {
  const desk = await ChangesDesk.start(t, recordsUrl)
  await desk.anyAsterisk()
  t.same(await desk.hello('pbx-01'), {})
  await desk.tell('pbx-01', 'packages', installed('1:20.6'))
  await desk.tell('pbx-01', 'software', file('ok', 'a'))
  t.same(await desk.changesOf('pbx-01'), [], 'the first documents change nothing')

  const held = await desk.hello('pbx-01')
  t.same(Object.keys(held).sort(), ['packages', 'software'], 'a new collector need not tell again')
  await desk.tell('pbx-01', 'packages', installed('1:20.6'))
  t.same(await desk.changesOf('pbx-01'), [], 'the same is no change, whoever tells it')
  await desk.tell('pbx-01', 'packages', installed('1:18.1'))
  t.same(await desk.changesOf('pbx-01'), ['1 open: package asterisk 1:20.6 1:18.1 -'])
  await desk.fires('ChangeWithoutRecord pbx-01')
  t.match(desk.app.rules.activeAlerts(), [
    { annotations: { runbook_url: '/runbooks/ChangeWithoutRecord' }, labels: { role: 'pbx' } },
  ])
  t.match(await desk.driftOf('pbx-01'), ['drift', 'unapproved change version change 1'])

  desk.clock.ahead += 11 * 60_000 // another run of the survey
  await desk.hello('pbx-01')
  await desk.tell('pbx-01', 'software', file('denied'))
  await desk.tell('pbx-01', 'software', file('ok', 'b'))
  t.match((await desk.changesOf('pbx-01'))[0], /^2 open: file .* sha256:a{64} sha256:b{64} -$/)

  const link = (change: number | string, reason = 'agreed by phone') =>
    desk.as('ines', 'POST', '/version-changes/1/link', { change, reason })
  const draft = await desk.as('ines', 'POST', '/changes', desk.plan())
  t.match(await link(draft.body.change.number), {
    status: 409,
    body: { error: { message: /is draft/ } },
  })
  t.match(await link(await desk.approved({ hosts: ['role=db'] })), { status: 422 })
  t.match(await link(99), { status: 404 })
  const number = await desk.approved()
  t.match(await link(number, ' '), { status: 400 })
  t.match(
    await desk.as('vera', 'POST', '/version-changes/1/link', { change: number, reason: 'x' }),
    { status: 403 },
  )
  t.match(await link(number), {
    status: 200,
    body: {
      versionChange: {
        state: 'linked',
        links: [{ change: { number }, kind: 'linked', by: 'ines', reason: 'agreed by phone' }],
      },
    },
  })
  t.match(await link(number), { status: 409 }, 'once')
  await desk.fires('ChangeWithoutRecord pbx-01')
  await desk.as('jonas', 'POST', '/version-changes/2/link', {
    change: `${number}`,
    reason: 'the same',
  })
  await desk.fires()
  const { body } = await desk.as('vera', 'GET', `/changes/${number}`)
  t.same(
    body.change.entries.map(
      ({ kind, recordedBy }: { kind: string; recordedBy: string }) => `${kind} ${recordedBy}`,
    ),
    ['created ines', 'approved jonas', 'linked ines', 'linked jonas'],
  )
  t.equal(body.change.versionChanges.length, 2)
  const page = await desk.as('vera', 'GET', '/hosts/pbx-01/changes?limit=1')
  t.match(page.body, { versionChanges: [{ number: 2 }], next: 2 })
  const rest = await desk.as(
    'vera',
    'GET',
    `/hosts/pbx-01/changes?limit=1&before=${page.body.next}`,
  )
  t.match(rest.body, { versionChanges: [{ number: 1 }] })
  t.match((await desk.as('vera', 'GET', '/version-changes?state=open')).body, {
    versionChanges: [],
    next: null,
  })
}

/** What an approved record covers makes no finding; what goes beyond it does. */
export async function withRecord(t: Test, recordsUrl?: string): Promise<void> {
  const desk = await ChangesDesk.start(t, recordsUrl)
  await desk.anyAsterisk()
  await desk.hello('pbx-01')
  await desk.tell('pbx-01', 'packages', installed('1:20.6'))
  const expected = [{ kind: 'package', subject: 'asterisk*', to: '1:20.7' }]
  const number = await desk.approved({ hosts: ['role=pbx'], expected })
  await desk.tell('pbx-01', 'packages', installed('1:20.7'))
  t.same(await desk.changesOf('pbx-01'), ['1 matched: package asterisk 1:20.6 1:20.7 +'])
  await desk.tell('pbx-01', 'packages', installed('1:20.7', { bash: '5.3' }))
  t.match(await desk.changesOf('pbx-01'), ['2 open: package bash 5.2 5.3 -', /^1 matched/])
  await desk.fires('ChangeWithoutRecord pbx-01')

  const verify = { result: 'ok', note: 'Test calls in and out' }
  t.match(await desk.as('ines', 'POST', `/changes/${number}/close`, {}), { status: 409 })
  t.match(await desk.as('ines', 'POST', `/changes/${number}/verify`, verify), {
    body: { change: { state: 'in progress', verification: { by: 'ines', ...verify } } },
  })
  t.match(await desk.as('ines', 'POST', `/changes/${number}/close`, {}), {
    body: { change: { state: 'closed' } },
  })
  await desk.tell('pbx-01', 'packages', installed('1:20.6', { bash: '5.3' }))
  t.match((await desk.changesOf('pbx-01'))[0], /^3 open/, 'not the version it expected')
  await desk.tell('pbx-01', 'packages', installed('1:20.7', { bash: '5.3' }))
  t.match(
    (await desk.changesOf('pbx-01'))[0],
    /^4 matched/,
    'a collector may tell after the closing',
  )
  desk.clock.ahead = 3 * 3_600_000
  await desk.hello('pbx-01')
  await desk.tell('pbx-01', 'packages', installed('1:20.6', { bash: '5.3' }))
  await desk.tell('pbx-01', 'packages', installed('1:20.7', { bash: '5.3' }))
  t.match((await desk.changesOf('pbx-01'))[0], /^6 open/, 'the window and its grace are over')
}

/** A record of a long window covers nothing that happens after it was closed. */
export async function closedEarly(t: Test, recordsUrl?: string): Promise<void> {
  const desk = await ChangesDesk.start(t, recordsUrl)
  await desk.hello('pbx-01')
  await desk.tell('pbx-01', 'packages', installed('1:20.6'))
  const at = (days: number) => new Date(desk.clock.now() + days * 86_400_000).toISOString()
  const number = await desk.approved({ window: { start: at(-1), end: at(20) } })
  await desk.as('ines', 'POST', `/changes/${number}/verify`, { result: 'ok', note: 'calls' })
  await desk.as('ines', 'POST', `/changes/${number}/close`, {})
  await desk.tell('pbx-01', 'packages', installed('1:20.7'))
  t.match((await desk.changesOf('pbx-01'))[0], /^1 matched/, 'told an hour late')
  desk.clock.ahead = 2 * 86_400_000
  await desk.hello('pbx-01')
  await desk.tell('pbx-01', 'packages', installed('1:20.8'))
  t.match((await desk.changesOf('pbx-01'))[0], /^2 open/, 'two days after the closing')
}

/** Two people, a plan that changes, and what a record refuses. */
export async function approval(t: Test, recordsUrl?: string): Promise<void> {
  const desk = await ChangesDesk.start(t, recordsUrl)
  const post = (who: string, path: string, body: object = {}) =>
    desk.as(who, 'POST', `/changes${path}`, body)
  t.match(await post('vera', '', desk.plan()), { status: 403 })
  t.match(await post('ines', '', desk.plan()), {
    status: 201,
    body: { change: { number: 1, state: 'draft', requestedBy: 'ines' } },
  })
  t.match(await post('ines', '/1/approve'), {
    status: 403,
    body: { error: { message: /cannot approve it/ } },
  })
  t.match(await post('jonas', '/1/correct', desk.plan({ title: 'Other' })), { status: 200 })
  t.match(await post('jonas', '/1/approve'), { status: 403 }, 'who corrected it wrote it')
  const admin = await desk.app.inject({
    method: 'POST',
    url: '/api/v1/changes/1/approve',
    headers: { authorization: 'Bearer test-admin-token-0123456789abcdef' },
    payload: {},
  })
  t.match(admin.json(), { change: { state: 'in progress', approvedBy: 'bootstrap' } })
  t.match(await post('ines', '/1/correct', desk.plan({ hosts: ['role=pbx'] })), {
    body: { change: { state: 'draft', approvedBy: null, hosts: ['role=pbx'] } },
  })
  t.match(await post('ines', '/1/verify', { result: 'ok', note: 'x' }), { status: 409 })
  t.match(await post('jonas', '/1/reject', { reason: 'not now' }), {
    body: { change: { state: 'rejected' } },
  })
  t.match(await post('ines', '/1/correct', desk.plan()), { status: 409 })
  const { body } = await desk.as('vera', 'GET', '/changes/1')
  const { entries } = body.change
  t.same(
    entries.map(({ kind, sequence }: { kind: string; sequence: number }) => `${sequence} ${kind}`),
    ['1 created', '2 corrected', '3 approved', '4 corrected', '5 rejected'],
  )
  t.equal(entries[1].supersedes, entries[0].id)
  t.equal(entries[3].supersedes, entries[1].id)
  t.match(
    entries[0].value,
    { title: 'Update', window: { start: /Z$/ } },
    'what was said first stays',
  )

  for (const [more, message] of [
    [{ window: { start: '2026-01-01T10:00:00', end: '2026-01-01T11:00:00Z' } }, /window/],
    [{ window: { start: '2026-01-01T10:00:00Z', end: '2026-01-01T09:00:00Z' } }, /after its start/],
    [{ window: { start: '2026-01-01T10:00:00Z', end: '2026-03-01T09:00:00Z' } }, /31 days/],
    [{ window: { start: '2026-13-41T10:00:00Z', end: '2026-03-01T09:00:00Z' } }, /real times/],
    [{ hosts: [] }, /hosts/],
    [{ title: '' }, /title/],
    [{ expected: [{ kind: 'moon', subject: 'x' }] }, /expected/],
    [{ approvedBy: 'ines' }, /additional/],
    [
      { expected: Array.from({ length: 51 }, () => ({ kind: 'file', subject: '/*' })) },
      /51 subjects/,
    ],
  ] as const)
    t.match(await post('ines', '', desk.plan(more)), { status: 400, body: { error: { message } } })
  t.match(
    await post('ines', '', desk.plan({ title: 'a\u0000b\ud800' })),
    { status: 201 },
    'odd text is kept',
  )
  const list = await desk.as('vera', 'GET', '/changes?limit=1')
  t.match(list.body, { changes: [{ number: 2 }], next: 2 })
  t.match((await desk.as('vera', 'GET', '/changes?state=rejected')).body, {
    changes: [{ number: 1 }],
  })
}

/** Baselines: read at once, judged at once, by kind; what cannot be known is unknown. */
export async function drift(t: Test, recordsUrl?: string): Promise<void> {
  const desk = await ChangesDesk.start(t, recordsUrl)
  const text = (version: string, asterisk: string) =>
    `role: pbx\nversion: "${version}"\napprovedBy: Anh\napprovedAt: 2026-03-02\npackages: { asterisk: "${asterisk}" }\nforbidden: [telnetd]\n`
  await desk.hello('pbx-01')
  t.same(await desk.driftOf('pbx-01'), ['unknown', 'unknown baseline'])
  desk.baseline('pbx.yaml', text('1', '>= 1:20'))
  await desk.look()
  t.same(
    await desk.driftOf('pbx-01'),
    [
      'unknown',
      'unknown packages',
      'unknown forbidden packages',
      'unknown forbidden services and files',
    ],
    'no document, no judgement',
  )
  await desk.tell('pbx-01', 'packages', installed('1:20.6'))
  await desk.tell('pbx-01', 'software', {})
  t.same(await desk.driftOf('pbx-01'), ['ok'])
  t.same(desk.firing(), [])
  await desk.tell('pbx-01', 'packages', installed('1:18.1', { telnetd: '0.17' }))
  await desk.fires('ChangeWithoutRecord pbx-01', 'VersionDrift pbx-01', 'VersionDrift pbx-01')
  t.same(await desk.driftOf('pbx-01'), [
    'drift',
    'unapproved change version change 1',
    'drift package asterisk',
    'forbidden package telnetd',
  ])
  const hostile = [
    'null',
    '{"manager":"dpkg","packages":{}}',
    '{"manager":"x"}',
    '[1]',
    '"\\u0000"',
  ]
  for (const bad of hostile) {
    await desk.tell('pbx-01', 'packages', JSON.parse(bad))
    t.match(
      await desk.driftOf('pbx-01'),
      ['drift', /unapproved/, 'unknown packages', 'unknown forbidden packages'],
      bad,
    )
  }
  t.equal((await desk.changesOf('pbx-01')).length, 1, 'what cannot be read changes nothing')
  await desk.tell('pbx-01', 'packages', installed('1:20.6'))
  t.match((await desk.changesOf('pbx-01'))[0], /^2 open: package asterisk 1:18.1 1:20.6 -/)

  const shown = async () => {
    const now = desk.clock.now()
    const { value } = await desk.app.promql.instant(
      '{__name__=~"callward_(drift|unapp|baseline_i).*"}',
      now,
    )
    return value.kind === 'vector' ? value.samples.length : undefined
  }
  t.equal(await shown(), 6)
  desk.app.inventory.disconnected(desk.collectorOf('pbx-01'))
  desk.clock.ahead += 60_000
  await desk.app.inventory.forget('pbx-01')
  t.equal(await shown(), 0, 'a host off the list has no series')
  await desk.hello('pbx-01', { role: 'edge' })
  await desk.app.baselines.settled()
  t.equal(await shown(), 3, 'one that comes back is judged by the role it has now')
  t.same((await desk.driftOf('pbx-01')).at(-1), 'unknown baseline')
  await desk.hello('pbx-01')
  await desk.app.baselines.settled()
  t.equal(await shown(), 6)

  desk.baseline('pbx.yaml', text('1', '1:18.1'))
  await desk.look()
  t.same(
    (await desk.driftOf('pbx-01')).at(-1),
    'unknown baseline',
    'an approved version stays what it was',
  )
  t.match((await desk.as('vera', 'GET', '/baselines')).body, {
    baselines: [],
    faults: [{ file: 'pbx.yaml', message: /was read before with other words/ }],
  })
  desk.baseline('pbx.yaml', text('2', '1:18.1'))
  await desk.look()
  t.same((await desk.driftOf('pbx-01')).at(-1), 'drift package asterisk')
  t.match((await desk.as('vera', 'GET', '/hosts/pbx-01/drift')).body.baseline, {
    version: '2',
    packages: 1,
  })
  const info = await desk.app.promql.instant('callward_baseline_info', desk.clock.now())
  t.match(info.value, {
    samples: [{ labels: { instance: 'pbx-01', role: 'pbx', version: '2' }, value: 1 }],
  })
  const named = async () => {
    const { value } = await desk.app.promql.instant('callward_baseline_info', desk.clock.now())
    return value.kind === 'vector' ? value.samples.map(({ labels }) => labels['version']) : []
  }
  await desk.hello('pbx-01', { role: 'nameless' })
  await desk.app.baselines.settled()
  t.same(await named(), ['none'], 'another role is no way out of being judged')
  await desk.hello('pbx-01')
  await desk.app.baselines.settled()
  rmSync(join(desk.baselines, 'pbx.yaml'))
  await desk.look()
  t.same(await named(), ['none'], 'a file that is gone: DriftUnknown, not silence')
  desk.baseline('pbx.yaml', text('2', '1:18.1'))
  await desk.look()
  t.same(await named(), ['2'])
  t.match(await desk.as('vera', 'GET', '/hosts/nobody/drift'), { status: 404 })

  const facts = (at?: string) =>
    desk.as(
      'vera',
      'GET',
      `/hosts/pbx-01/facts/packages${at === undefined ? '' : `?at=${encodeURIComponent(at)}`}`,
    )
  const now = await facts()
  t.match(now.body, { name: 'packages', document: { packages: { asterisk: '1:20.6' } } })
  t.match(await facts(now.body.receivedAt), { status: 200, body: { hash: now.body.hash } })
  const before = new Date(Date.parse(now.body.receivedAt) - 1).toISOString()
  t.match((await facts(before)).body, { document: '\u0000' })
  t.match(await facts('2020-01-01T00:00:00+07:00'), { status: 404 })
  t.match(await facts('yesterday'), { status: 400 })
}

/** Boards draw approved windows and changed versions on the hosts they are about, and nothing else. */
export async function onBoards(t: Test, recordsUrl?: string): Promise<void> {
  const desk = await ChangesDesk.start(t, recordsUrl)
  const shown = async (name: string) => {
    const { value } = await desk.app.promql.instant(`callward_${name}`, desk.clock.now())
    if (value.kind !== 'vector') throw new Error(value.kind)
    return value.samples
      .map(({ labels, value: figure }) => ({
        ...{ of: labels['instance'], window: labels['window'], covered: labels['covered'] },
        figure,
      }))
      .sort((a, b) => String(a.of).localeCompare(String(b.of)))
  }
  await desk.hello('pbx-01')
  await desk.hello('pbx-02', { role: 'recorder' })
  const number = String(await desk.approved({ hosts: ['pbx-01', 'nobody'] }))
  await desk.as('ines', 'POST', '/changes', desk.plan({ title: 'A draft' }))
  const at = (hours: number) => new Date(desk.clock.now() + hours * 3_600_000).toISOString()
  const next = String(
    await desk.approved({ hosts: ['role=recorder'], window: { start: at(5), end: at(6) } }),
  )
  await desk.tell('pbx-01', 'packages', installed('1:20.6'))
  await desk.tell('pbx-01', 'packages', installed('1:20.7', { bash: '5.3' }))
  await until('versions', async () => (await shown('versions_changed')).length === 1)
  t.match(await shown('versions_changed'), [{ of: 'pbx-01', covered: 'yes', figure: 2 }])
  t.match(await shown('maintenance_active'), [{ of: 'pbx-01', window: number, figure: 1 }])

  await desk.tell('pbx-02', 'packages', installed('1:20.6'))
  await desk.tell('pbx-02', 'packages', installed('1:20.7'))
  await until('the next one', async () => (await shown('versions_changed')).length === 2)
  t.match((await shown('versions_changed'))[1], { of: 'pbx-02', covered: 'no', figure: 1 })
  const starts = await shown('maintenance_start_timestamp_seconds')
  t.match(
    starts.map(({ of, window }) => `${of} ${window}`),
    [`pbx-01 ${number}`, `pbx-02 ${next}`],
  )
  t.ok(starts[0]!.figure * 1000 < desk.clock.now() && starts[1]!.figure * 1000 > desk.clock.now())

  desk.clock.ahead = 70 * 60_000
  await desk.hello('pbx-01')
  await desk.tell('pbx-01', 'packages', installed('1:20.8', { bash: '5.3' }))
  await until('it is over', async () => (await shown('maintenance_active')).length === 0)
  t.match(
    (await shown('versions_changed')).filter(({ of }) => of === 'pbx-01'),
    [{ covered: 'yes', figure: 1 }],
    'in its grace; what was seen more than ten minutes ago is not told any more',
  )
}

/** By name, on whichever records. */
export const changesSuite = {
  'a change without a record is found, alarmed and ended by a link': withoutRecord,
  'an approved record covers what it says, when it says': withRecord,
  'a closed record covers nothing more': closedEarly,
  'a record takes two people': approval,
  'windows and changed versions stand on the boards': onBoards,
  'a standing record covers announced security updates, and nothing else': standing,
  'drift is judged at once, and what is unknown is not in order': drift,
}
