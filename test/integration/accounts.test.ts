import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { buildApp } from '../../server/app.ts'
import type { Clock } from '../../server/clock.ts'
import { readHubConfig } from '../../server/config.ts'
import { prepareDataFolder } from '../../server/first-start.ts'
import { type PasswordCost, passwordCost } from '../../server/people/password.ts'
import { peoplePlugin } from '../../server/people/plugin.ts'
import { codeAt } from '../../server/people/second-factor.ts'
import { folderOf } from '../helpers/folder.ts'
import { adminToken } from '../helpers/hub.ts'

const minute = 60_000
/** Passwords at a cost that does not fill the tests' time; the first test pays the whole. */
const cheap: PasswordCost = { ...passwordCost, logN: 12 }
const good = 'four lamps over the sea'
const better = 'nine quiet rivers at noon'

/** A clock moved by hand. */
class HandClock implements Clock {
  #now = Date.UTC(2026, 0, 5, 8, 0, 0)
  now = () => this.#now
  monotonic = () => this.#now

  pass(millis: number): void {
    this.#now += millis
  }
}

interface Who {
  readonly cookie?: string
  readonly token?: string
  readonly address?: string
}

/** The whole hub without a port. */
async function hub(t: Test, keys: Record<string, unknown> = {}, cost = cheap) {
  const folder = folderOf(t)
  const data = join(folder, 'data')
  mkdirSync(data)
  const file = join(folder, 'callward.yaml')
  const settings = { logLevel: 'silent', signInsPerMinute: 1000, ...keys }
  writeFileSync(file, JSON.stringify({ hub: settings }))
  const config = readHubConfig({
    CALLWARD_CONFIG: file,
    CALLWARD_DATA: data,
    CALLWARD_ADMIN_TOKEN: adminToken,
  })
  prepareDataFolder(config)
  const clock = new HandClock()
  const app = await buildApp(config, clock, (app) => {
    const register = app.register.bind(app) as (plugin: unknown, options?: object) => unknown
    Object.assign(app, {
      register: (plugin: unknown, options: object = {}) =>
        register(plugin, plugin === peoplePlugin ? { ...options, cost } : options),
    })
  })
  t.teardown(() => app.close())
  await app.ready()
  const call = async (
    method: 'GET' | 'POST' | 'PUT' | 'DELETE',
    path: string,
    payload?: object,
    { cookie, token, address = '10.0.0.1' }: Who = { token: adminToken },
  ) => {
    const response = await app.inject({
      ...{ method, url: `/api/v1${path}`, remoteAddress: address },
      headers: {
        host: 'localhost',
        origin: 'http://localhost',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      ...(cookie === undefined ? {} : { cookies: { callward_session: cookie } }),
      ...(payload === undefined ? {} : { payload }),
    })
    const body = response.body === '' ? undefined : response.json()
    return { status: response.statusCode, body, cookie: response.cookies[0]?.value }
  }
  const signIn = (payload: object, address?: string) =>
    call('POST', '/sessions', payload, address === undefined ? {} : { address })
  /** A person with a password; the link an administrator made was used. */
  const person = async (name: string, role: string) => {
    const { body } = await call('POST', '/people', { name, role })
    const code = body.invitation.url.split('#')[1] as string
    await call('POST', '/password-links/use', { code, password: good }, {})
    return body.person.id as string
  }
  const entered = async (name: string, more: object = {}, password = good) => {
    const { status, body, cookie } = await signIn({ name, password, ...more })
    if (status !== 201) throw new Error(JSON.stringify(body))
    return cookie as string
  }
  const me = async (cookie: string) => (await call('GET', '/me', undefined, { cookie })).status
  return { app, clock, call, signIn, person, entered, me }
}

t.test(
  'from the invitation to the own password, and everything that is refused on the way',
  async (t) => {
    const { app, clock, call, signIn, entered, me } = await hub(t, {}, passwordCost)
    const invited = await call('POST', '/people', {
      name: 'anna',
      role: 'operator',
      email: 'anna@bank.example',
    })
    t.match(invited, {
      status: 201,
      body: {
        person: { name: 'anna', hasPassword: false, email: 'anna@bank.example' },
        invitation: { url: /\/welcome#cwl_/, expiresAt: '2026-01-08T08:00:00.000Z' },
      },
    })
    t.match(await call('POST', '/people', { name: 'anna', role: 'admin' }), { status: 409 })
    for (const name of ['Anna', 'ａｎｎａ', 'hub', 'Bootstrap', 'ADMIN'])
      t.match(await call('POST', '/people', { name, role: 'admin' }), { status: 409 }, name)
    t.match(await call('POST', '/people', { name: 'x', role: 'collector' }), { status: 400 })
    t.match(await call('POST', '/people', { name: 'x', role: 'admin', email: 'a@b\r\nBcc: c' }), {
      status: 400,
    })
    const code = invited.body.invitation.url.split('#')[1]
    t.match(await call('POST', '/password-links/look', { code }, {}), { body: { name: 'anna' } })
    t.match(
      await call('POST', '/sign-in', { code }, {}),
      { status: 410 },
      'what sets a password signs nobody in',
    )
    const use = (password: string) => call('POST', '/password-links/use', { code, password }, {})
    t.match(await use('anna1234'), { status: 400, body: { error: { message: /12 or more/ } } })
    t.match(await use('annaanna2026'), { status: 400, body: { error: { message: /first/ } } })
    const twice = await Promise.all([use(good), use(good)])
    t.same(twice.map(({ status }) => status).sort(), [200, 410], 'once, even at the same moment')
    t.match(await call('POST', '/password-links/look', { code }, {}), { status: 410 })

    await call('POST', '/people', { name: 'gone', role: 'operator' })
    await call('POST', '/people/gone', { disabled: true })
    await app.access.people.createToken('pbx-1', 'collector', '')
    const refused = await Promise.all(
      [
        { name: 'nobody', password: good },
        { name: 'anna', password: better },
        { name: 'admin', password: good },
        { name: 'gone', password: good },
        { name: 'pbx-1', password: good },
        { name: 'anna', password: '' },
      ].map((payload) => signIn(payload)),
    )
    t.same(
      refused.map(({ status }) => status),
      [401, 401, 401, 401, 401, 400],
    )
    const said = new Set(refused.slice(0, 5).map(({ body }) => body.error.message))
    t.equal(said.size, 1, 'no answer tells a name from a password')
    t.match([...said][0], /name, the password or the code is wrong.*administrator/)

    const first = await entered('anna')
    clock.pass(1000)
    const second = (await signIn({ name: 'anna', password: good }, '10.0.0.2')).cookie as string
    const list = (await call('GET', '/sessions', undefined, { cookie: second })).body.sessions
    t.match(list, [
      {
        way: 'password',
        address: '10.0.0.2',
        current: true,
        lastSeenAt: '2026-01-05T08:00:01.000Z',
      },
      { way: 'password', address: '10.0.0.1', current: false },
    ])
    const foreign = await entered('anna')
    t.match(await call('DELETE', `/sessions/${list[1].id}`, undefined, { cookie: second }), {
      status: 204,
    })
    t.same([await me(first), await me(second), await me(foreign)], [401, 200, 200])
    t.match(await call('DELETE', '/sessions', undefined, { cookie: second }), {
      body: { ended: 1 },
    })
    t.same([await me(second), await me(foreign)], [200, 401], 'all but the own')

    const other = await entered('anna')
    const change = (password: string, newPassword: string) =>
      call('POST', '/account/password', { password, newPassword }, { cookie: second })
    t.match(await change(better, better), {
      status: 422,
      body: { error: { message: /password is wrong/ } },
    })
    t.match(await change(good, good), { status: 400, body: { error: { message: /old one/ } } })
    t.match(await change(good, 'administrator'), { status: 400 })
    t.match(await change(good, better), { status: 204 })
    t.same([await me(second), await me(other)], [200, 401], 'the others end')
    t.match(await signIn({ name: 'anna', password: good }), { status: 401 })
    t.match(await signIn({ name: 'anna', password: better }), { status: 201 })
    const account = await call('GET', '/account', undefined, { cookie: second })
    t.match(account.body, {
      name: 'anna',
      email: 'anna@bank.example',
      secondFactor: { state: 'none' },
    })
    t.match(
      await call('POST', '/account/password', { password: good, newPassword: better }),
      { status: 403, body: { error: { message: /belongs to a program/ } } },
      'the bootstrap token has no password',
    )

    // A link that was forgotten is void when a newer one is made, and after three days.
    const old = (await call('POST', '/people/anna/link')).body.url.split('#')[1]
    const newer = (await call('POST', '/people/anna/link')).body.url.split('#')[1]
    t.match(await call('POST', '/password-links/look', { code: old }, {}), { status: 410 })
    clock.pass(72 * 60 * minute)
    t.match(await call('POST', '/password-links/look', { code: newer }, {}), {
      status: 410,
      body: { error: { message: /callward people link NAME/ } },
    })
    const stored = JSON.stringify([
      await app.records.read.selectFrom('accounts').selectAll().execute(),
      await app.records.read.selectFrom('sign_in_links').selectAll().execute(),
      await app.records.read.selectFrom('console_sessions').selectAll().execute(),
      await app.records.read.selectFrom('ledger_entries').selectAll().execute(),
    ])
    t.match(stored, /\$scrypt\$ln=17,r=8,p=1\$/)
    for (const secret of [good, better, code, newer, second]) t.notOk(stored.includes(secret))
  },
)

t.test('a session ends when nobody uses it, and after a shift', async (t) => {
  const { app, clock, person, entered, me: look } = await hub(t, { idleMinutes: 30 })
  const me = async (cookie: string) => {
    const status = await look(cookie)
    // When it was used is written after the answer.
    await app.records.write(async () => undefined)
    return status
  }
  await person('anna', 'operator')
  const [idle, used] = [await entered('anna'), await entered('anna')]
  for (let passed = 0; passed < 29; passed += 1) {
    clock.pass(minute)
    if (passed % 10 === 5) t.equal(await me(used), 200)
  }
  t.equal(await me(idle), 200, 'in its last minute')
  clock.pass(29 * minute)
  t.equal(await me(idle), 200, 'what is used goes on')
  t.equal(await me(used), 401, 'what is not ends')
  for (let passed = 0; passed < 12 * 60; passed += 20) {
    clock.pass(20 * minute)
    await me(idle)
  }
  t.equal(await me(idle), 401, 'and no session is longer than a shift')
})

t.test('the second factor: set up, asked for, each code once, lost', async (t) => {
  const { app, clock, call, signIn, person, entered, me } = await hub(t)
  await person('anna', 'operator')
  const cookie = await entered('anna')
  const as = (path: string, payload: object) =>
    call('POST', `/account/second-factor${path}`, payload, { cookie })
  t.match(await as('/confirm', { code: '123456' }), { status: 409 })
  t.match(await as('', { password: better }), { status: 422 })
  const begun = (await as('', { password: good })).body
  t.match(begun, { secret: /^[A-Z2-7]{32}$/, uri: /^otpauth:/, qr: /^<svg/ })
  const without = (await signIn({ name: 'anna', password: good })).cookie as string
  t.equal(await me(without), 200, 'not in force yet')
  t.match(await as('/confirm', { code: '000000' }), {
    status: 422,
    body: { error: { message: /clock/ } },
  })
  const codeNow = () => codeAt(begun.secret, clock.now())
  const { body } = await as('/confirm', { code: codeNow() })
  t.equal(body.recoveryCodes.length, 10)
  t.same([await me(cookie), await me(without)], [200, 401], 'who came in without it is out')
  t.match(await as('', { password: good }), { status: 409 })
  const stored = JSON.stringify([
    await app.records.read.selectFrom('accounts').selectAll().execute(),
    await app.records.read.selectFrom('recovery_codes').selectAll().execute(),
  ])
  t.notOk(stored.includes(begun.secret), 'sealed')
  t.notOk(stored.includes(body.recoveryCodes[0].replaceAll('-', '')), 'hashed')

  const enter = (code?: string) =>
    signIn({ name: 'anna', password: good, ...(code === undefined ? {} : { code }) })
  const wrong = (await signIn({ name: 'nobody', password: good })).body.error.message
  for (const code of [undefined, '', '000000', 'abcd-efgh-jkmn-pqrs', codeNow()])
    t.match(
      await enter(code),
      { status: 401, body: { error: { message: wrong } } },
      `code ${code}: no word about what was wrong, nor the one of the confirmation again`,
    )
  clock.pass(60_000)
  const now = codeNow()
  const both = await Promise.all([enter(now), enter(now)])
  t.same(both.map(({ status }) => status).sort(), [201, 401], 'once, even at the same moment')
  t.match(await signIn({ name: 'anna', password: better, code: codeNow() }), { status: 401 })
  const [recovery, next] = body.recoveryCodes
  t.match(await enter(recovery.toUpperCase()), { status: 201 })
  t.match(await enter(recovery), { status: 401 }, 'once')
  t.match((await call('GET', '/account', undefined, { cookie })).body.secondFactor, {
    state: 'on',
    required: false,
    recoveryCodesLeft: 9,
  })
  const renewed = (await as('/recovery-codes', { password: good })).body.recoveryCodes
  t.match(await enter(next), { status: 401 }, 'those of before are void')
  t.match(await enter(renewed[0]), { status: 201 })
  t.match(await as('/remove', { password: better }), { status: 422 })
  t.match(await call('DELETE', '/people/anna/second-factor'), { status: 204 })
  t.equal(await me(cookie), 401, 'its sessions end')
  t.match(await enter(), { status: 201 }, 'an administrator took it away')
  t.match(await call('DELETE', '/people/anna/second-factor'), { status: 409 })
})

t.test('a role that needs a second factor gets nowhere without', async (t) => {
  const { clock, call, person, entered } = await hub(t, { requireSecondFactor: ['admin'] })
  await person('root', 'admin')
  const cookie = await entered('root')
  const get = async (path: string) => call('GET', path, undefined, { cookie })
  t.match(await get('/me'), { status: 200, body: { needsSecondFactor: true } })
  t.match(await get('/account'), { body: { secondFactor: { state: 'none', required: true } } })
  for (const path of ['/people', '/alerts', '/tokens', '/openapi.json'])
    t.match(await get(path), {
      status: 403,
      body: { error: { message: /needs a second factor here; set one up/ } },
    })
  const begin = await call('POST', '/account/second-factor', { password: good }, { cookie })
  const code = codeAt(begin.body.secret, clock.now())
  await call('POST', '/account/second-factor/confirm', { code }, { cookie })
  t.match(await get('/people'), { status: 200 }, 'and then is in')
  t.match(await get('/me'), { body: { needsSecondFactor: false } })
  t.match(
    await call('POST', '/account/second-factor/remove', { password: good }, { cookie }),
    { status: 403, body: { error: { message: /administrator/ } } },
    'it stays',
  )
  await person('anna', 'operator')
  const operator = await entered('anna')
  t.match(await call('GET', '/alerts', undefined, { cookie: operator }), { status: 200 })
})

t.test('disabled at once; one administrator always stays', async (t) => {
  const { app, call, person, entered, me } = await hub(t)
  const id = await person('anna', 'operator')
  const cookie = await entered('anna')
  const { token } = await app.access.people.createToken('anna', 'operator', '')
  const { code } = await app.access.people.createSignInLink(id)
  const byToken = async () => (await call('GET', '/me', undefined, { token })).status
  t.same([await me(cookie), await byToken()], [200, 200])
  t.match(await call('POST', '/people/anna', { disabled: true }), {
    body: { person: { disabledAt: /Z$/ } },
  })
  t.same([await me(cookie), await byToken()], [401, 401])
  t.match(await call('POST', '/sign-in', { code }, {}), { status: 410 })
  t.match(await call('POST', '/people/anna/link'), { status: 409 })
  t.match(await call('POST', '/tokens', { name: 'anna', role: 'operator' }), { status: 409 })
  await call('POST', '/people/anna', { disabled: false })
  t.same([await me(cookie), await byToken()], [401, 401], 'what has ended stays ended')
  t.ok(await entered('anna'), 'the password is the old one')

  t.match(await call('POST', '/people/admin', { role: 'operator' }), {
    status: 409,
    body: { error: { message: /last administrator/ } },
  })
  t.match(await call('POST', '/people/admin', { disabled: true }), { status: 409 })
  const before = await entered('anna')
  const own = (await app.access.people.createToken('anna', 'operator', '')).token
  t.equal((await call('GET', '/me', undefined, { token: own })).status, 200)
  await call('POST', '/people/anna', { role: 'admin', email: 'anna@bank.example' })
  t.equal(await me(before), 401, 'a new role begins with a new sign-in')
  t.equal((await call('GET', '/me', undefined, { token: own })).status, 401, 'nor tokens of it')
  await call('POST', '/people/anna', { email: 'anna@bank.example' })
  const entries = await app.records.read.selectFrom('ledger_entries').selectAll().execute()
  const ofAction = (action: string) =>
    entries.map((entry) => JSON.stringify(entry)).filter((text) => text.includes(action))
  t.match(ofAction('people.role'), [/tokensRevoked/])
  t.equal(ofAction('people.changed').length, 1, 'only what changes is told')
  t.match(
    await call('POST', '/people/anna', { disabled: true }),
    { status: 409, body: { error: { message: /last administrator with a password or a token/ } } },
    'admin is one by name only',
  )
  const both = await Promise.all(
    ['anna', 'admin'].map((name) => call('POST', `/people/${name}`, { disabled: true })),
  )
  t.same(both.map(({ status }) => status).sort(), [200, 409], 'not both at the same moment')
  t.match(await call('POST', '/people/bootstrap', { disabled: true }), { status: 404 })
  const { people } = (await call('GET', '/people')).body
  t.same(
    people.map(({ name }: { name: string }) => name),
    ['admin', 'anna'],
  )
})

t.test('guesses wait, others do not', async (t) => {
  const { clock, signIn, person } = await hub(t)
  await person('anna', 'operator')
  await person('boris', 'operator')
  for (let guess = 0; guess < 11; guess++)
    t.equal((await signIn({ name: 'anna', password: `guess number ${guess}` })).status, 401)
  const owner = { name: 'Anna', password: good }
  t.match(await signIn(owner, '10.0.0.9'), {
    status: 429,
    body: { error: { message: /try again in 1 s/ } },
  })
  t.equal((await signIn({ name: 'boris', password: good })).status, 201, 'another name')
  clock.pass(1000)
  t.equal((await signIn({ name: 'anna', password: good })).status, 201, 'after the wait')
})

t.test('an owner is not kept out where they came in before', async (t) => {
  const { app, call, clock, signIn, person, entered } = await hub(t)
  await person('anna', 'operator')
  const right = { name: 'anna', password: good }
  t.equal((await signIn(right, '10.0.0.9')).status, 201)
  clock.pass(20 * 24 * 60 * minute)
  await person('boris', 'operator')
  await entered('boris')
  const guess = (address: string) => signIn({ name: 'anna', password: 'a guess of hers' }, address)
  for (let at = 0; at < 11; at++) t.equal((await guess(`10.1.0.${at}`)).status, 401)
  t.equal((await guess('10.1.0.99')).status, 429, 'from anywhere else')
  t.equal((await signIn(right, '10.0.0.9')).status, 201, 'and she comes in')
  t.equal((await signIn(right, '10.0.0.77')).status, 429, 'not from where nobody knows her')
  for (let at = 0; at < 11; at++) t.equal((await guess('10.0.0.9')).status, 401)
  t.equal((await signIn(right, '10.0.0.9')).status, 429, 'guesses at her own address wait, too')

  clock.pass(minute)
  const cookie = await entered('anna')
  for (let at = 0; at < 31; at++) await signIn({ name: `nobody-${at}`, password: good })
  t.equal((await signIn(right)).status, 429, 'the address waits')
  const change = (password: string, newPassword: string) =>
    call('POST', '/account/password', { password, newPassword }, { cookie })
  for (let at = 0; at < 11; at++) t.equal((await change(better, good)).status, 422)
  t.equal((await change(good, better)).status, 429, 'a session guesses no faster')
  clock.pass(1000)
  t.equal((await change(good, better)).status, 204)
  const metrics = await app.telemetry.registry.metrics()
  t.match(metrics, /callward_sign_ins_failed_total\{reason="password"\} 33/)
  t.match(metrics, /callward_sign_ins_failed_total\{reason="name"\} 31/)
  t.match(metrics, /callward_sign_ins_failed_total\{reason="wait"\} [1-9]/)
})

t.test('what was checked must still hold when it is written', async (t) => {
  const { app, call, clock, person, entered } = await hub(t)
  const id = await person('anna', 'operator')
  const cookie = await entered('anna')
  const link = (await call('POST', '/people/anna/link')).body.url.split('#')[1]
  // Somebody sets another password after the old one was checked, and before what follows is written.
  const { records } = app
  const write = records.write.bind(records)
  let held: (() => Promise<unknown>) | undefined = () =>
    write((tx) =>
      tx
        .updateTable('accounts')
        .set({ password: '$scrypt$ln=12,r=8,p=1$YWJj$YWJj', password_set_at: clock.now() + 1 })
        .where('principal_id', '=', id)
        .execute(),
    )
  const stored = await records.read
    .selectFrom('accounts')
    .select(['password', 'password_set_at'])
    .where('principal_id', '=', id)
    .executeTakeFirstOrThrow()
  Object.assign(records, {
    write: async (...args: Parameters<typeof write>) => {
      const first = held
      held = undefined
      await first?.()
      return write(...args)
    },
  })
  const again = held
  const changed = await call(
    'POST',
    '/account/password',
    { password: good, newPassword: better },
    { cookie },
  )
  t.match(changed, { status: 409, body: { error: { message: /sign in again/ } } })
  const restore = () =>
    write((tx) => tx.updateTable('accounts').set(stored).where('principal_id', '=', id).execute())
  await restore()
  held = again
  t.match(await call('POST', '/sessions', { name: 'anna', password: good }, {}), { status: 401 })
  await restore()
  t.match(await call('POST', '/sessions', { name: 'anna', password: good }, {}), { status: 201 })
  t.match(await call('POST', '/password-links/use', { code: link, password: better }, {}), {
    status: 200,
  })
})

t.test('names of tokens are those of accounts', async (t) => {
  const { call, person } = await hub(t)
  await person('anna', 'operator')
  const make = (name: string, role = 'operator') => call('POST', '/tokens', { name, role })
  for (const name of ['Anna', 'ａｎｎａ', 'hub', 'Bootstrap', 'unknown'])
    t.match(await make(name), { status: 409 }, name)
  t.match(await make('anna'), { status: 201 })
  t.match(await make('pbx-1', 'collector'), { status: 201 })
  t.match(await make('PBX-1', 'collector'), { status: 409 })
})

t.test('teams: in policies, and keepers of their own contact points', async (t) => {
  const { app, clock, call, person, entered } = await hub(t)
  const anna = await person('anna', 'operator')
  await person('boris', 'operator')
  const as = async (name: string) => ({ cookie: await entered(name) })
  const team = { name: 'Voice group', members: ['anna', anna] }
  t.match(await call('PUT', '/teams/voice', team), {
    body: { team: { id: 'voice', members: [{ name: 'anna', enabled: true }] } },
  })
  t.match(await call('PUT', '/teams/staff', team), { status: 409 })
  t.match(await call('PUT', '/teams/UPPER', team), { status: 400 })
  t.match(await call('PUT', '/teams/x', { name: 'X', members: ['nobody'] }), {
    status: 422,
    body: { error: { message: /no person "nobody"/ } },
  })
  t.match((await call('GET', '/teams')).body.teams, [{ id: 'voice' }], 'and nothing is left of it')
  const resolve = await app.oncall.resolverAt(app.records.read, clock.now())
  t.same(resolve({ kind: 'team', id: 'voice' }), { recipients: [{ kind: 'person', id: anna }] })
  t.match(resolve({ kind: 'team', id: 'none' }), {
    recipients: [],
    reason: 'there is no team none',
  })

  const point = { channel: 'slack', label: 'group', settings: { url: 'https://hooks.example/x' } }
  const owner = { kind: 'team', id: 'voice' }
  const [member, foreign] = [await as('anna'), await as('boris')]
  const made = await call('POST', '/contact-points', { ...point, owner }, member)
  t.match(made, { status: 201, body: { contactPoint: { mine: true, owner } } })
  const refused = { status: 403, body: { error: { message: /not in the team "voice"/ } } }
  t.match(await call('POST', '/contact-points', { ...point, owner }, foreign), refused)
  const path = `/contact-points/${made.body.contactPoint.id}`
  t.match(await call('POST', path, { disabled: true }, foreign), refused)
  t.match(await call('DELETE', path, undefined, foreign), refused)
  const seen = (await call('GET', '/contact-points', undefined, foreign)).body.contactPoints
  t.match(seen, [{ mine: false, settings: {} }], 'seen without its settings')
  t.match(await call('POST', '/contact-points', { ...point, owner: { kind: 'team', id: 'nix' } }), {
    status: 422,
    body: { error: { message: /callward teams set nix/ } },
  })
  t.match(await call('DELETE', '/teams/voice'), { status: 409 })

  await call('POST', '/people/anna', { disabled: true })
  const later = await app.oncall.resolverAt(app.records.read, clock.now())
  t.match(later({ kind: 'team', id: 'voice' }), { recipients: [], reason: /has nobody/ })
  await call('PUT', '/teams/voice', { name: 'Voice', members: ['boris'] })
  t.match(await call('DELETE', path, undefined, foreign), { status: 204 }, 'a member now')
  t.match(await call('DELETE', '/teams/voice'), { status: 204 })
  t.match(await call('DELETE', '/teams/voice'), { status: 404 })
})
