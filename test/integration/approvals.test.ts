import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { buildApp } from '../../server/app.ts'
import { approvalMillis } from '../../server/approvals/approval.ts'
import { ApprovalStore } from '../../server/approvals/approval-store.ts'
import { readHubConfig } from '../../server/config.ts'
import { prepareDataFolder } from '../../server/first-start.ts'
import type { LedgerEntry } from '../../server/ledger/plugin.ts'
import { AccountStore } from '../../server/people/account-store.ts'
import { SessionStore } from '../../server/people/session-store.ts'
import { StaffStore } from '../../server/people/staff-store.ts'
import { TeamStore } from '../../server/people/team-store.ts'
import type { CountedRecords } from '../../server/records/write-queue.ts'
import { sealerOf } from '../../server/sealing.ts'
import { onBothDatabases } from '../helpers/both-databases.ts'
import { folderOf } from '../helpers/folder.ts'
import { HandTime } from '../helpers/hand-time.ts'
import { adminToken } from '../helpers/hub.ts'
import { MovedClock } from './changes-desk.ts'

const roles = ['admin', 'operator']

/** The stores of people and approvals on some records, with what they told the ledger. */
async function stores(records: CountedRecords) {
  const clock = new HandTime(Date.UTC(2026, 0, 5, 8))
  const entries: LedgerEntry[] = []
  const ledger = {
    append: async (_tx: unknown, entry: LedgerEntry) => {
      entries.push(entry)
    },
    waitingSeconds: () => 0,
  }
  const sealer = sealerOf(new Uint8Array(32))
  const accounts = new AccountStore(records, clock, ledger, sealer)
  const sessions = new SessionStore({
    ...{ records, clock, ledger },
    idleMillis: 60_000,
    needFactor: new Set<string>(),
  })
  const staff = new StaffStore({ records, clock, accounts, sessions })
  const teams = new TeamStore(records, clock, ledger)
  const approvals = new ApprovalStore(records, clock, ledger)
  const person = async (name: string, role: 'admin' | 'operator' | 'auditor') =>
    (await staff.invite({ name, role, email: null }, 'test')).id
  return { clock, entries, accounts, sessions, staff, teams, approvals, person }
}

onBothDatabases('accounts', {
  async 'an approval and what it does are kept together, or neither'(t, records) {
    const { approvals, entries, person, staff, clock } = await stores(records)
    const [anna, boris, vera] = [
      await person('anna', 'operator'),
      await person('boris', 'admin'),
      await person('vera', 'auditor'),
    ]
    const ask = (by: string, subject = 'pbx 1') =>
      records.write((tx) =>
        approvals.request(tx, { kind: 'k', subject, content: { a: 1 }, by }, roles),
      )
    const approve = (
      id: string,
      by: string,
      apply: () => Promise<void> = () => Promise.resolve(),
    ) => records.write((tx) => approvals.approve(tx, id, by, roles, apply))
    const { id } = await ask(anna)
    await t.rejects(ask(boris), { code: 'conflict', message: /asked for already/ })
    await t.rejects(ask(vera, 'x'), { code: 'forbidden', message: /role auditor/ })
    await t.rejects(approve(id, anna), { code: 'forbidden', message: /second person/ })
    await t.rejects(approve(id, vera), { code: 'forbidden' })
    await t.rejects(approve('none', boris), { code: 'not_found' })
    await t.rejects(
      approve(id, boris, async () => {
        throw new Error('the disk is full')
      }),
      /disk is full/,
    )
    t.match(await approvals.find(records.read, id), { state: 'open', decidedBy: null })
    entries.length = 0
    const both = await Promise.allSettled([approve(id, boris), approve(id, boris)])
    t.same(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected'], 'once')
    t.match(
      entries.filter(({ action }) => action === 'approval.approved'),
      [{ actor: 'boris', content: { requestedBy: 'anna', contentHash: /^[0-9a-f]{64}$/ } }],
    )
    t.match(await approvals.find(records.read, id), {
      state: 'approved',
      decidedBy: { id: boris, name: 'boris' },
      content: { a: 1 },
    })

    const second = await ask(anna)
    await staff.change(anna, { disabled: true }, 'test')
    await t.rejects(approve(second.id, boris), {
      code: 'conflict',
      message: /may not do so any more/,
    })
    await records.write((tx) => approvals.reject(tx, second.id, boris, roles, 'she has left'))
    t.match(entries.at(-1), { action: 'approval.rejected', sensitive: { reason: 'she has left' } })

    await staff.change(anna, { disabled: false }, 'test')
    const third = await ask(anna)
    await records.write((tx) => approvals.reject(tx, third.id, anna, roles, 'not now'))
    const fourth = await ask(anna)
    clock.move(approvalMillis)
    await t.rejects(approve(fourth.id, boris), { code: 'conflict', message: /expired/ })
    t.equal(await approvals.anyDue(), true)
    t.match(await approvals.list('open', 10), [])
    t.match(await approvals.list('expired', 10), [{ id: fourth.id }])
    t.equal(await records.write((tx) => approvals.expire(tx)), 1)
    t.equal(await approvals.anyDue(), false)
    t.match(entries.at(-1), { action: 'approval.expired', actor: 'hub' })
    t.same((await approvals.list(undefined, 10)).map(({ state }) => state).sort(), [
      'approved',
      'expired',
      'rejected',
      'rejected',
    ])
  },

  async 'accounts, sessions and teams are the same on every database'(t, records) {
    const { accounts, sessions, staff, teams, person, clock } = await stores(records)
    const anna = await person('anna', 'admin')
    const boris = await person('Борис', 'operator')
    await t.rejects(staff.change(anna, { role: 'operator' }, 'x'), { code: 'conflict' })
    await accounts.beginFactor(anna, 'SECRET')
    t.equal(await accounts.pendingFactor(anna), 'SECRET')
    const who = { id: anna, name: 'anna' }
    await records.write((tx) =>
      accounts.confirmFactor(tx, who, 'SECRET', 7, ['aaaa-bbbb', 'cccc-dddd']),
    )
    t.equal(await accounts.factor(anna), 'SECRET')
    const useStep = (step: number) => records.write((tx) => accounts.useStep(tx, anna, step))
    t.same(await Promise.all([useStep(7), useStep(8), useStep(8)]), [false, true, false])
    const useCode = (code: string) => records.write((tx) => accounts.useCode(tx, who, code))
    t.same(await Promise.all([useCode('AAAA BBBB'), useCode('aaaabbbb')]), [true, false])
    t.equal(await accounts.codesLeft(anna), 1)

    const secrets = []
    for (let at = 0; at < 52; at++) {
      secrets.push(await sessions.create(who, 'password', '10.0.0.1'))
      clock.move(1)
    }
    t.equal(await sessions.find(secrets[0]!), undefined, 'fifty sessions of one person')
    t.match(await sessions.find(secrets[51]!), { name: 'anna', role: 'admin' })
    const own = (await sessions.find(secrets[51]!))!
    t.equal((await sessions.listOf(own)).length, 50)
    t.equal(await records.write((tx) => sessions.endOthers(tx, anna, 'anna', own.session)), 49)
    clock.move(60_000)
    t.equal(await sessions.find(secrets[51]!), undefined, 'idle')

    await teams.put('voice', 'Голос', [boris, 'anna'], 'x')
    t.match(
      teams
        .find('voice')
        ?.members.map(({ name }) => name)
        .sort(),
      ['anna', 'Борис'],
    )
    t.match(
      (await staff.list()).map(({ teams }) => teams),
      [['voice'], ['voice']],
    )
    await t.rejects(teams.put('voice', 'Голос', ['nobody'], 'x'), { code: 'unprocessable' })
    t.equal(teams.find('voice')?.members.length, 2, 'whole or not at all')
    await teams.remove('voice', 'x')
    t.equal(teams.find('voice'), undefined)
  },
})

const version = (name: string, port: number) => `role: pbx
version: "${name}"
approvedBy: anna, boris
approvedAt: 2026-01-05
packages: { kamailio: "5.8.${port}" }
`

/** The whole hub with a folder of baselines that takes two people. */
async function baselineHub(t: Test) {
  const folder = folderOf(t, { baselines: {} })
  const file = join(folder, 'callward.yaml')
  const baselinesFolder = join(folder, 'baselines')
  const hub = { baselinesFolder, twoPersonBaselines: true, logLevel: 'silent' }
  writeFileSync(file, JSON.stringify({ hub }))
  const config = readHubConfig({
    CALLWARD_CONFIG: file,
    CALLWARD_DATA: join(folder, 'data'),
    CALLWARD_ADMIN_TOKEN: adminToken,
  })
  mkdirSync(config.data)
  prepareDataFolder(config)
  const app = await buildApp(config, new MovedClock())
  t.teardown(() => app.close())
  await app.ready()
  const tokens: Record<string, string> = { bootstrap: adminToken }
  for (const [name, role] of [
    ['anna', 'operator'],
    ['boris', 'admin'],
    ['vera', 'auditor'],
  ] as const)
    tokens[name] = (await app.access.people.createToken(name, role, '')).token
  // Who signs in by password does so by the link an administrator made; `vera` too.
  const cookies: Record<string, string> = {}
  const signIn = async (payload: object, path: string) => {
    const response = await app.inject({ method: 'POST', url: `/api/v1${path}`, payload })
    return `callward_session=${response.cookies[0]?.value}`
  }
  for (const name of ['anna', 'boris', 'vera']) {
    const link = await app.inject({
      method: 'POST',
      url: `/api/v1/people/${name}/link`,
      headers: { authorization: `Bearer ${adminToken}` },
    })
    const password = 'four lamps over the sea'
    const code = link.json().url.split('#')[1]
    await signIn({ code, password }, '/password-links/use')
    cookies[name] = await signIn({ name, password }, '/sessions')
  }
  // Others could have made these: a session by token, one by link, and bare tokens.
  cookies['boris by token'] = await signIn({ token: tokens['boris'] }, '/sign-in')
  const { code } = await app.access.people.createSignInLink(app.access.adminId)
  cookies['admin by link'] = await signIn({ code }, '/sign-in')
  const call = async (who: string, method: 'GET' | 'POST', path: string, payload?: object) => {
    const cookie = cookies[who]
    const token = tokens[who.replace(/^token of /, '')]
    const headers: Record<string, string> =
      cookie === undefined
        ? { authorization: `Bearer ${token}` }
        : { host: 'localhost', origin: 'http://localhost', cookie }
    const url = `/api/v1${path}`
    const sent = payload === undefined ? {} : { payload }
    const response = await app.inject({ method, url, headers, ...sent })
    return { status: response.statusCode, body: response.json() }
  }
  const write = async (text: string) => {
    writeFileSync(join(baselinesFolder, 'pbx.yaml'), text)
    await app.baselines.look()
  }
  return { app, call, write }
}

t.test('a baseline that two people agreed on, and the bootstrap token is neither', async (t) => {
  const { app, call, write } = await baselineHub(t)
  await write(version('2026.1', 1))
  t.match(await call('anna', 'GET', '/baselines'), {
    body: {
      baselines: [],
      faults: [],
      waiting: [{ role: 'pbx', version: '2026.1', file: 'pbx.yaml' }],
    },
  })
  const wanted = { kind: 'baseline', subject: 'pbx 2026.1' }
  const ask = (who: string, body: object = wanted) => call(who, 'POST', '/approvals', body)
  t.match(await ask('bootstrap'), {
    status: 403,
    body: { error: { message: /sign in to the console with your own password/ } },
  })
  t.match(await ask('vera'), { status: 403 })
  for (const who of ['token of anna', 'boris by token', 'admin by link'])
    t.match(await ask(who), { status: 403, body: { error: { message: /own password/ } } }, who)
  t.match(await ask('anna', { ...wanted, kind: 'moon' }), {
    status: 422,
    body: { error: { message: /known: .*baseline/ } },
  })
  t.match(await ask('anna', { ...wanted, subject: 'pbx 9' }), {
    status: 422,
    body: { error: { message: /waiting: "pbx 2026\.1"/ } },
  })
  const asked = await ask('anna')
  t.match(asked, {
    status: 201,
    body: { approval: { state: 'open', requestedBy: 'anna', mayApprove: false, mayReject: true } },
  })
  const path = `/approvals/${asked.body.approval.id}`
  t.match((await call('boris', 'GET', '/approvals?state=open')).body.approvals, [
    { subject: 'pbx 2026.1', mayApprove: true },
  ])
  t.match((await call('bootstrap', 'GET', path)).body.approval, {
    mayApprove: false,
    content: { text: version('2026.1', 1) },
  })
  for (const [who, status] of [
    ['anna', 403],
    ['bootstrap', 403],
    ['vera', 403],
    ['token of boris', 403],
    ['boris by token', 403],
    ['admin by link', 403],
  ] as const)
    t.equal((await call(who, 'POST', `${path}/approve`)).status, status, who)
  for (const who of ['bootstrap', 'token of anna', 'token of boris', 'admin by link']) {
    t.match((await call(who, 'GET', path)).body.approval, { mayApprove: false, mayReject: false })
    const { status } = await call(who, 'POST', `${path}/reject`, { reason: 'no' })
    t.equal(status, 403, who)
  }
  // A second token of the bootstrap account is no second person either.
  const again = (await app.access.people.createToken('bootstrap', 'admin', '')).token
  const by = { authorization: `Bearer ${again}` }
  t.equal(
    (await app.inject({ method: 'POST', url: `/api/v1${path}/approve`, headers: by })).statusCode,
    403,
  )
  t.match((await call('anna', 'GET', '/baselines')).body.baselines, [], 'nothing is in force yet')
  t.match(await call('boris', 'POST', `${path}/approve`), {
    status: 200,
    body: { approval: { state: 'approved', decidedBy: 'boris' } },
  })
  t.match(await call('boris', 'POST', `${path}/approve`), { status: 409 })
  await app.baselines.look()
  t.match((await call('anna', 'GET', '/baselines')).body, {
    baselines: [{ role: 'pbx', version: '2026.1' }],
    waiting: [],
  })

  await write(version('2026.2', 2))
  t.match(
    (await call('anna', 'GET', '/baselines')).body,
    {
      baselines: [{ version: '2026.1' }],
      waiting: [{ version: '2026.2' }],
    },
    'what was approved stays in force meanwhile',
  )
  const next = (await ask('boris', { ...wanted, subject: 'pbx 2026.2' })).body.approval
  // What is approved is what was asked for, whatever lies in the folder by then.
  await write(version('2026.2', 99))
  await call('anna', 'POST', `/approvals/${next.id}/approve`)
  await app.baselines.look()
  t.match((await call('anna', 'GET', '/baselines')).body, {
    faults: [{ message: /read before with other words/ }],
  })
  const rows = await app.records.read.selectFrom('baseline_versions').selectAll().execute()
  t.equal(rows.find((row) => row.version === '2026.2')?.body, version('2026.2', 2))
  const entries = await app.records.read.selectFrom('ledger_entries').selectAll().execute()
  const actions = JSON.stringify(entries)
  for (const action of ['approval.requested', 'approval.approved', 'baseline.version'])
    t.ok(actions.includes(action), action)
})
