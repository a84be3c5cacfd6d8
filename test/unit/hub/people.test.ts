import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { buildApp } from '../../../server/app.ts'
import type { Clock } from '../../../server/clock.ts'
import { readHubConfig } from '../../../server/config.ts'
import { prepareDataFolder } from '../../../server/first-start.ts'
import type { Role } from '../../../server/people/plugin.ts'
import { folderOf } from '../../helpers/folder.ts'
import { adminToken } from '../../helpers/hub.ts'

const minute = 60_000
const hour = 60 * minute

/** A clock moved by hand. */
class HandClock implements Clock {
  #now = Date.UTC(2026, 0, 5, 8, 0, 0)
  now = () => this.#now
  monotonic = () => this.#now

  pass(millis: number): void {
    this.#now += millis
  }
}

/** The whole hub without a port, configured by a file. */
async function hub(t: Test, keys: Readonly<Record<string, number>> = {}) {
  const folder = folderOf(t)
  const data = join(folder, 'data')
  mkdirSync(data)
  const file = join(folder, 'callward.yaml')
  const lines = Object.entries(keys).map(([key, value]) => `  ${key}: ${value}\n`)
  writeFileSync(file, `hub:\n  logLevel: silent\n${lines.join('')}`)
  const config = readHubConfig({
    CALLWARD_CONFIG: file,
    CALLWARD_DATA: data,
    CALLWARD_ADMIN_TOKEN: adminToken,
  })
  prepareDataFolder(config)
  const clock = new HandClock()
  const app = await buildApp(config, clock)
  t.teardown(() => app.close())
  await app.ready()
  const { people, adminId } = app.access
  return {
    app,
    clock,
    people,
    link: () => people.createSignInLink(adminId),
    token: async (role: Role) => (await people.createToken(`the-${role}`, role, '')).token,
    signIn: (payload: object) => app.inject({ method: 'POST', url: '/api/v1/sign-in', payload }),
    /** Status of a request with a token, or with none. */
    status: async (url: string, token?: string, method: 'GET' | 'DELETE' = 'GET') => {
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
      return (await app.inject({ method, url, headers })).statusCode
    },
    me: async (cookie: string) =>
      (await app.inject({ url: '/api/v1/me', cookies: { callward_session: cookie } })).statusCode,
  }
}

t.test('a sign-in link works once, for 15 minutes', async (t) => {
  const { clock, link, signIn } = await hub(t)
  const [first, second] = [await link(), await link()]
  t.equal(first.expiresAt, clock.now() + 15 * minute)
  clock.pass(15 * minute - 1)
  t.equal((await signIn({ code: first.code })).statusCode, 200, 'in its last moment')
  const again = await signIn({ code: first.code })
  t.equal(again.statusCode, 410, 'once')
  t.match(again.json(), { error: { code: 'gone' } })
  t.same(again.cookies, [], 'and no session')
  clock.pass(1)
  t.equal((await signIn({ code: second.code })).statusCode, 410, 'too old')
  const [a, b] = await Promise.all([link(), link()])
  const both = await Promise.all([a, a, b].map(({ code }) => signIn({ code })))
  t.same(both.map(({ statusCode }) => statusCode).sort(), [200, 200, 410], 'once at a time too')
})

t.test('a console session ends after 12 hours', async (t) => {
  const { app, clock, link, signIn, me } = await hub(t, { idleMinutes: 720 })
  const signedIn = async () => {
    const [cookie] = (await signIn({ code: (await link()).code })).cookies
    t.equal(cookie!.maxAge, 12 * 3600)
    return cookie!.value
  }
  const early = await signedIn()
  clock.pass(hour)
  const late = await signedIn()
  clock.pass(11 * hour - 1)
  t.equal(await me(early), 200, 'in its last moment')
  clock.pass(1)
  t.equal(await me(early), 401, 'over')
  t.equal(await me(late), 200, 'the other goes on')
  clock.pass(1)
  const newest = await signedIn()
  t.equal(await me(late), 200, 'a sign-in ends nobody else’s session')
  const kept = await app.records.read.selectFrom('console_sessions').select('hash').execute()
  t.equal(kept.length, 3, 'of the ended one the address is known')
  clock.pass(hour)
  t.equal(await me(late), 401)
  t.equal(await me(newest), 200)
  t.equal(await me('cws_guess'), 401)
})

t.test('an expired token is refused', async (t) => {
  const { app, clock, people, token, status, signIn } = await hub(t)
  const secret = await token('operator')
  const expires = clock.now() + hour
  await app.records.write((tx) => tx.updateTable('tokens').set({ expires_at: expires }).execute())
  clock.pass(hour - 1)
  t.match(await people.byToken(secret), { name: 'the-operator', role: 'operator' })
  clock.pass(1)
  t.equal(await people.byToken(secret), undefined, 'on the moment')
  t.equal(await status('/api/v1/me', secret), 401)
  t.equal((await signIn({ token: secret })).statusCode, 401, 'nor can it sign in')
})

t.test('a revoked token is refused at once', async (t) => {
  const { people, token, status } = await hub(t)
  const [secret, other] = [await token('operator'), await token('auditor')]
  t.equal(await status('/api/v1/me', secret), 200)
  const { id } = (await people.listTokens()).find(({ name }) => name === 'the-operator')!
  t.equal(await status(`/api/v1/tokens/${id}`, other, 'DELETE'), 403)
  t.equal(await status('/api/v1/me', secret), 200)
  t.equal(await status(`/api/v1/tokens/${id}`, adminToken, 'DELETE'), 204)
  t.equal(await status('/api/v1/me', secret), 401)
  t.equal(await people.byToken(secret), undefined)
  t.equal(await status('/api/v1/me', other), 200, 'the others stay')
})

t.test('a disabled person is refused', async (t) => {
  const { app, clock, people, token, status, signIn, me } = await hub(t)
  const secret = await token('operator')
  const cookie = (await signIn({ token: secret })).cookies[0]!.value
  const { id } = (await people.byToken(secret))!
  const { code } = await people.createSignInLink(id)
  t.same([await status('/api/v1/me', secret), await me(cookie)], [200, 200])
  await app.records.write((tx) =>
    tx.updateTable('principals').set({ disabled_at: clock.now() }).where('id', '=', id).execute(),
  )
  clock.pass(5000)
  t.same([await status('/api/v1/me', secret), await me(cookie)], [401, 401])
  t.equal((await signIn({ code })).statusCode, 410)
})

t.test('signing in has a limit', async (t) => {
  const { link, signIn, status } = await hub(t, { signInsPerMinute: 3 })
  const { code } = await link()
  for (const guess of ['cwl_a', 'cwl_b', 'cwl_c'])
    t.equal((await signIn({ code: guess })).statusCode, 410, guess)
  const refused = await signIn({ code })
  t.equal(refused.statusCode, 429, 'even with a good link')
  t.match(refused.json(), { error: { code: 'too_many_requests' } })
  t.equal((await signIn({ token: adminToken })).statusCode, 429, 'or a good token')
  t.equal(await status('/api/v1/me', adminToken), 200, 'nothing else is refused')
})

t.test('wrong tokens are limited, right ones and none are not', async (t) => {
  const { token, status } = await hub(t, { failedSignInsPerMinute: 3 })
  for (let at = 0; at < 5; at++) t.equal(await status('/api/v1/me'), 401, 'no token is no guess')
  for (const wrong of ['cwt_a', 'cwt_b', 'cwt_c'])
    t.equal(await status('/api/v1/me', wrong), 401, wrong)
  t.equal(await status('/api/v1/me', 'cwt_d'), 429)
  t.equal(await status('/api/v1/me'), 401)
  t.equal(await status('/api/v1/me', adminToken), 200, 'whose secret is known is served')
  t.equal(await status('/api/v1/me', await token('operator')), 200)
})

t.test('the name of the bootstrap token is no person’s', async (t) => {
  const folder = folderOf(t)
  const data = join(folder, 'data')
  mkdirSync(data)
  const file = join(folder, 'callward.yaml')
  writeFileSync(file, 'hub:\n  logLevel: silent\n')
  const start = async (token: object) => {
    const config = readHubConfig({ CALLWARD_CONFIG: file, CALLWARD_DATA: data, ...token })
    prepareDataFolder(config)
    return buildApp(config, new HandClock())
  }
  const app = await start({})
  await app.ready()
  await t.rejects(app.access.people.createToken('bootstrap', 'admin', ''), { code: 'conflict' })
  const person = { name: 'bootstrap', role: 'admin', kind: 'person', disabled_at: null } as const
  await app.records.write((tx) =>
    tx
      .insertInto('principals')
      .values({ id: 'p1', created_at: 0, ...person })
      .execute(),
  )
  await app.close()
  await t.rejects(start({ CALLWARD_ADMIN_TOKEN: adminToken }), {
    message: /person’s account "bootstrap"/,
  })
})

t.test('requests have a limit for each person', async (t) => {
  const { token, status, app } = await hub(t, { requestsPerMinute: 10 })
  const [operator, auditor] = [await token('operator'), await token('auditor')]
  for (let request = 1; request <= 10; request++)
    t.equal(await status('/api/v1/me', operator), 200, `request ${request}`)
  const refused = await app.inject({
    url: '/api/v1/me',
    headers: { authorization: `Bearer ${operator}` },
  })
  t.equal(refused.statusCode, 429)
  t.match(refused.json(), { error: { code: 'too_many_requests' } })
  t.equal(await status('/api/v1/hosts', operator), 429, 'all routes together')
  t.equal(await status('/api/v1/me', auditor), 200, 'another person is served')
  t.equal(await status('/healthz'), 200)
})

t.test('/metrics needs a token', async (t) => {
  const { token, status } = await hub(t)
  t.equal(await status('/metrics'), 401)
  t.equal(await status('/metrics', 'cwt_guess'), 401)
  t.equal(await status('/metrics', await token('collector')), 403)
  t.equal(await status('/metrics', await token('grafana')), 200)
})

t.test('only an admin removes a host', async (t) => {
  const { token, status } = await hub(t)
  for (const role of ['operator', 'auditor', 'collector', 'grafana'] as const)
    t.equal(await status('/api/v1/hosts/x', await token(role), 'DELETE'), 403, role)
  t.equal(await status('/api/v1/hosts/x', undefined, 'DELETE'), 401)
  t.equal(await status('/api/v1/hosts/x', await token('admin'), 'DELETE'), 404, 'not there')
})
