import t, { type Test } from 'tap'
import { buildApp } from '../../server/app.ts'
import { systemClock } from '../../server/clock.ts'
import { readHubConfig } from '../../server/config.ts'
import { prepareDataFolder } from '../../server/first-start.ts'
import type { RouteAccess } from '../../server/people/plugin.ts'
import { adminToken } from '../helpers/hub.ts'

interface Route {
  readonly method: string
  readonly url: string
  readonly access: RouteAccess
}

const roles = ['admin', 'operator', 'auditor', 'collector', 'grafana'] as const

/** The whole hub in this process, without a port. */
async function build(t: Test) {
  const config = readHubConfig({
    CALLWARD_DATA: t.testdir(),
    CALLWARD_ADMIN_TOKEN: adminToken,
    CALLWARD_LOG: 'silent',
  })
  prepareDataFolder(config)
  const routes: Route[] = []
  const app = await buildApp(config, systemClock, (app) =>
    app.addHook('onRoute', (route) => {
      for (const method of [route.method].flat()) {
        if (method !== 'HEAD' && method !== 'OPTIONS')
          routes.push({ method, url: route.url, access: route.config!.access! })
      }
    }),
  )
  t.teardown(() => app.close())
  await app.ready()
  return { app, routes }
}

t.test('every route by every role', async (t) => {
  const { app, routes } = await build(t)
  const tokens: Record<string, string> = {}
  for (const role of roles) {
    tokens[role] = (await app.access.people.createToken(`the-${role}`, role, '')).token
  }
  t.ok(routes.length > 25, `${routes.length} routes`)
  for (const { method, url, access } of routes) {
    const path = url.replace(/:[a-z]+/gi, 'nothing').replace('*', 'nothing')
    t.ok(access.owner, `${method} ${url} has an owner`)
    const answer = async (headers: Record<string, string>) =>
      (await app.inject({ method: method as 'GET', url: path, headers })).statusCode
    if (access.roles === 'open') {
      t.not(await answer({}), 401, `${method} ${url} is open`)
      continue
    }
    t.equal(await answer({}), 401, `${method} ${url} without a token`)
    t.equal(
      await answer({ authorization: 'Bearer wrong' }),
      401,
      `${method} ${url} with a wrong token`,
    )
    for (const role of roles) {
      const status = await answer({ authorization: `Bearer ${tokens[role]}` })
      if (access.roles.includes(role))
        t.notOk(status === 401 || status === 403, `${method} ${url} as ${role}: ${status}`)
      else t.equal(status, 403, `${method} ${url} as ${role}`)
    }
  }
  const open = routes
    .filter(({ access }) => access.roles === 'open')
    .map(({ method, url }) => `${method} ${url}`)
  t.same(
    open.filter(
      (route) => !/^GET \/(healthz|readyz|assets\/.*|sign-in|\*|[a-z./-]*)?$/.test(route),
    ),
    ['POST /api/v1/sign-in', 'POST /api/v1/sign-out'],
    'nothing else is open',
  )
  t.comment(
    routes
      .map(({ method, url, access }) => `${method} ${url}: ${access.owner}, ${access.roles}`)
      .join('\n'),
  )
})

t.test('unknown routes, bodies and hosts', async (t) => {
  const { app } = await build(t)
  const headers = { authorization: `Bearer ${adminToken}` }
  const get = (url: string, more: Record<string, string> = {}) =>
    app.inject({ url, headers: { ...headers, ...more } })
  t.match((await get('/api/v1/nothing')).json(), {
    error: { code: 'not_found', message: /openapi/ },
  })
  t.match((await get('/prom/api/v1/nothing')).json(), { status: 'error', errorType: 'not_found' })
  t.match((await get('/api/v1/hosts', { host: 'evil.example' })).json(), {
    error: { code: 'host_not_allowed' },
  })
  t.equal((await get('/api/v1/hosts', { host: '127.0.0.1:9770' })).statusCode, 200)
  const post = (payload: string, type = 'application/json') =>
    app.inject({
      method: 'POST',
      url: '/api/v1/tokens',
      headers: { ...headers, 'content-type': type },
      payload,
    })
  t.match((await post('{"name":"x"')).json(), { error: { code: 'bad_request' } })
  t.match((await post('{"name":"x","role":"king"}')).json(), {
    error: { code: 'bad_request', message: /role/ },
  })
  t.match((await post('{"name":"x","role":"admin","extra":1}')).json(), {
    error: { code: 'bad_request', message: /additional/ },
  })
  t.match((await post('x', 'text/plain')).json(), { error: { code: 'bad_request' } })
  t.match((await post(`{"name":"${'x'.repeat(2_000_000)}"}`)).json(), {
    error: { code: 'too_large' },
  })
  t.match((await post('{"name":"../../etc","role":"admin"}')).json(), {
    error: { code: 'bad_request' },
  })
  const openapi = (await get('/api/v1/openapi.json')).json()
  t.match(openapi, {
    openapi: /^3\./,
    paths: { '/api/v1/hosts': { get: {} }, '/api/v1/incidents': { get: {} } },
  })
  t.notOk(Object.keys(openapi.paths).some((path: string) => !path.startsWith('/api/v1/')))
})

t.test('signing in: one use, the cookie, the origin', async (t) => {
  const { app } = await build(t)
  const { code } = await app.access.people.createSignInLink(app.access.adminId)
  const signIn = (payload: object) =>
    app.inject({ method: 'POST', url: '/api/v1/sign-in', payload })
  const first = await signIn({ code })
  t.same(first.json(), { name: 'admin', role: 'admin' })
  const [cookie] = first.cookies
  t.match(cookie, { name: 'callward_session', httpOnly: true, sameSite: 'Strict', path: '/' })
  t.match((await signIn({ code })).json(), { error: { code: 'gone' } }, 'a link works once')
  t.match((await signIn({ code: 'cwl_guess' })).json(), { error: { code: 'gone' } })
  t.match((await signIn({})).json(), { error: { code: 'bad_request' } })
  t.match((await signIn({ token: 'wrong' })).json(), { error: { code: 'unauthorized' } })
  const collector = await app.access.people.createToken('pbx-1', 'collector', '')
  t.match((await signIn({ token: collector.token })).json(), {
    error: { code: 'forbidden', message: /programs/ },
  })

  const cookies = { callward_session: cookie!.value }
  t.equal((await app.inject({ url: '/api/v1/me', cookies })).json().name, 'admin')
  const change = (headers: Record<string, string>) =>
    app.inject({
      method: 'POST',
      url: '/api/v1/tokens',
      cookies,
      headers: { host: 'localhost', ...headers },
      payload: { name: 'anna', role: 'operator' },
    })
  t.equal((await change({})).statusCode, 403, 'no Origin')
  t.equal((await change({ origin: 'http://evil.example' })).statusCode, 403, 'a foreign page')
  t.equal((await change({ origin: 'http://localhost' })).statusCode, 201, 'the console itself')
  await app.inject({ method: 'POST', url: '/api/v1/sign-out', cookies })
  t.equal((await app.inject({ url: '/api/v1/me', cookies })).statusCode, 401, 'signed out')
})

t.test('tokens: shown once, revoked at once, role of a name fixed', async (t) => {
  const { app } = await build(t)
  const headers = { authorization: `Bearer ${adminToken}` }
  const created = await app.inject({
    method: 'POST',
    url: '/api/v1/tokens',
    headers,
    payload: { name: 'anna', role: 'operator' },
  })
  const { id, token } = created.json()
  const me = () =>
    app.inject({
      url: '/api/v1/me',
      headers: { authorization: `Basic ${Buffer.from(`any:${token}`).toString('base64')}` },
    })
  t.same((await me()).json().role, 'operator')
  const list = await app.inject({ url: '/api/v1/tokens', headers })
  t.notOk(list.body.includes(token), 'the list never shows a token')
  t.match(
    (
      await app.inject({
        method: 'POST',
        url: '/api/v1/tokens',
        headers,
        payload: { name: 'anna', role: 'admin' },
      })
    ).json(),
    {
      error: { code: 'conflict', message: /operator/ },
    },
  )
  t.equal(
    (await app.inject({ method: 'DELETE', url: `/api/v1/tokens/${id}`, headers })).statusCode,
    204,
  )
  t.equal((await me()).statusCode, 401, 'revoked at once')
  t.equal(
    (await app.inject({ method: 'DELETE', url: `/api/v1/tokens/${id}`, headers })).statusCode,
    404,
  )
  const stored = await app.records.read.selectFrom('tokens').selectAll().execute()
  t.notOk(JSON.stringify(stored).includes(token), 'only the hash is stored')
})
