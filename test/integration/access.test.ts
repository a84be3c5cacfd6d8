import t, { type Test } from 'tap'
import { buildApp } from '../../server/app.ts'
import { systemClock } from '../../server/clock.ts'
import { readHubConfig } from '../../server/config.ts'
import { prepareDataFolder } from '../../server/first-start.ts'
import type { Role, RouteAccess } from '../../server/people/plugin.ts'
import { folderOf } from '../helpers/folder.ts'
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
    CALLWARD_DATA: folderOf(t),
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

/** Who may call what, written out by hand; docs/access.md has it in short. */
const everybody: readonly Role[] = ['admin', 'operator', 'auditor', 'collector', 'grafana']
const staff: readonly Role[] = ['admin', 'operator', 'auditor']
const onCall: readonly Role[] = ['admin', 'operator']
const admins: readonly Role[] = ['admin']
const auditors: readonly Role[] = ['admin', 'auditor']
const readers: readonly Role[] = ['admin', 'operator', 'auditor', 'grafana']
const writers: readonly Role[] = ['admin', 'collector']
const senders: readonly Role[] = ['admin', 'operator', 'collector', 'grafana']

const table: Readonly<Record<string, RouteAccess['roles']>> = {
  'GET /healthz': 'open',
  'POST /api/v1/incidents/:id/notices/preview': onCall,
  'POST /api/v1/incidents/:id/notices': onCall,
  'POST /api/v1/incidents/:id/notices/:notice/again': onCall,
  'GET /api/v1/incidents/:id/communication': staff,
  'POST /api/v1/incidents/:id/assignments': onCall,
  'GET /api/v1/incidents/:id/assignments': staff,
  'POST /api/v1/incidents/:id/assignments/:fact/accept': onCall,
  'POST /api/v1/incidents/:id/assignments/:fact/decline': onCall,
  'POST /api/v1/incidents/:id/assignments/:fact/arrived': onCall,
  'POST /api/v1/incidents/:id/assignments/:fact/findings': onCall,
  'POST /api/v1/incidents/:id/assignments/:fact/parts': onCall,
  'GET /api/v1/dispatch/mine': onCall,
  'GET /api/v1/heartbeat': staff,
  'GET /api/v1/canary': staff,
  'POST /api/v1/canary/run': onCall,
  'POST /api/v1/rules/replay': onCall,
  'GET /readyz': 'open',
  'GET /metrics': readers,

  'GET /api/v1/me': everybody,
  'POST /api/v1/sign-in': 'open',
  'POST /api/v1/sign-out': 'open',
  'POST /api/v1/sign-in-links': admins,
  'GET /api/v1/tokens': admins,
  'POST /api/v1/tokens': admins,
  'DELETE /api/v1/tokens/:id': admins,

  'POST /api/v1/sessions': 'open',
  'GET /api/v1/sessions': staff,
  'DELETE /api/v1/sessions': staff,
  'DELETE /api/v1/sessions/:id': staff,
  'GET /api/v1/account': staff,
  'POST /api/v1/account/password': staff,
  'POST /api/v1/password-links/look': 'open',
  'POST /api/v1/password-links/use': 'open',
  'POST /api/v1/account/second-factor': staff,
  'POST /api/v1/account/second-factor/confirm': staff,
  'POST /api/v1/account/second-factor/recovery-codes': staff,
  'POST /api/v1/account/second-factor/remove': staff,
  'GET /api/v1/people': auditors,
  'POST /api/v1/people': admins,
  'POST /api/v1/people/:id': admins,
  'POST /api/v1/people/:id/link': admins,
  'DELETE /api/v1/people/:id/second-factor': admins,
  'GET /api/v1/teams': staff,
  'PUT /api/v1/teams/:id': admins,
  'DELETE /api/v1/teams/:id': admins,
  'GET /api/v1/approvals': staff,
  'GET /api/v1/approvals/:id': staff,
  'POST /api/v1/approvals': onCall,
  'POST /api/v1/approvals/:id/approve': onCall,
  'POST /api/v1/approvals/:id/reject': onCall,

  'GET /api/v1/ledger': auditors,
  'GET /api/v1/ledger/status': auditors,
  'GET /api/v1/ledger/checkpoint': auditors,
  'GET /api/v1/ledger/checkpoints': auditors,
  'GET /api/v1/ledger/entries/:index/proof': auditors,
  'GET /api/v1/ledger/consistency': auditors,
  'GET /api/v1/ledger/witnesses': auditors,
  'POST /api/v1/ledger/cosignatures': auditors,
  'GET /api/v1/ledger/bundle': auditors,
  'GET /api/v1/obligations': staff,
  'GET /api/v1/obligations/lost': staff,
  'GET /api/v1/pages': staff,
  'GET /api/v1/pages/:id': staff,
  'POST /api/v1/pages/:id/acknowledge': onCall,
  'GET /api/v1/why/:alert': staff,
  'GET /api/v1/correlation': staff,
  'PUT /api/v1/correlation': admins,
  'GET /api/v1/correlation/versions': staff,
  'GET /api/v1/correlation/versions/:version': staff,
  'POST /api/v1/correlation/check': staff,
  'POST /api/v1/correlation/explain': staff,
  'POST /api/v1/correlation/try': staff,
  'GET /api/v1/routing': staff,
  'GET /api/v1/routing/explain/:fingerprint': staff,

  'GET /api/v1/live/listeners': staff,
  'GET /api/v1/live/pages': staff,

  'GET /api/v1/runbooks': staff,
  'GET /runbooks/:name': staff,
  'GET /api/v1/runbooks/:name': staff,
  'GET /api/v1/runbooks/:name/versions': staff,
  'GET /api/v1/runbooks/:name/answers': staff,
  'GET /api/v1/runbook-versions/:hash': staff,
  'GET /api/v1/runbook-use': staff,
  'GET /api/v1/search': staff,

  'GET /api/v1/incidents': staff,
  'GET /api/v1/incidents/:id': staff,
  'GET /api/v1/incidents/:id/evidence': staff,
  'GET /api/v1/incidents/:id/evidence/:hash': staff,
  'GET /api/v1/evidence/rules': staff,
  'GET /api/v1/incidents/figures': staff,
  'GET /api/v1/incidents/recurrences': staff,
  'POST /api/v1/incidents/recurrences/signoff': onCall,
  'GET /api/v1/incidents/import': onCall,
  'POST /api/v1/incidents/import': onCall,
  'POST /api/v1/incidents/webhook': onCall,
  'GET /api/v1/incidents/webhooks': staff,
  'POST /api/v1/incidents/:id/acknowledge': onCall,
  'POST /api/v1/incidents/:id/notes': onCall,
  'POST /api/v1/incidents': onCall,
  'POST /api/v1/incidents/:id/facts': onCall,
  'POST /api/v1/incidents/:id/steps': onCall,
  'GET /api/v1/incidents/mine': staff,
  'GET /api/v1/incidents/:id/workflow': staff,
  'GET /api/v1/incidents/:id/post-mortem': staff,
  'GET /api/v1/workflow': staff,
  'GET /api/v1/incidents/:id/attachments': staff,
  'POST /api/v1/incidents/:id/attachments': onCall,
  'GET /api/v1/incidents/:id/attachments/:attachment': staff,
  'GET /api/v1/incidents/:id/panels': staff,
  'POST /api/v1/incidents/:id/panels': onCall,
  'GET /api/v1/holds': staff,
  'POST /api/v1/holds': onCall,
  'POST /api/v1/holds/:id/release': onCall,
  'GET /api/v1/erasures': staff,
  'POST /api/v1/erasures': onCall,

  'GET /api/v1/boards': readers,
  'GET /api/v1/boards/:board': readers,
  'GET /api/v1/boards/:board/panels/:panel/picture.svg': readers,
  'GET /api/v1/boards/:board/panels/:panel/picture.png': readers,
  'GET /prom/api/v1/query': readers,
  'POST /prom/api/v1/query': readers,
  'GET /prom/api/v1/query_range': readers,
  'POST /prom/api/v1/query_range': readers,
  'GET /prom/api/v1/format_query': readers,
  'POST /prom/api/v1/format_query': readers,
  'GET /prom/api/v1/query_exemplars': readers,
  'POST /prom/api/v1/query_exemplars': readers,
  'GET /prom/api/v1/labels': readers,
  'POST /prom/api/v1/labels': readers,
  'GET /prom/api/v1/series': readers,
  'POST /prom/api/v1/series': readers,
  'GET /prom/api/v1/label/:name/values': readers,
  'POST /prom/api/v1/label/:name/values': readers,
  'GET /prom/api/v1/metadata': readers,
  'GET /prom/api/v1/status/buildinfo': readers,
  'GET /prom/api/v1/rules': readers,
  'GET /prom/api/v1/alerts': readers,
  'GET /prom/api/v1/targets': readers,
  'GET /prom/api/v1/targets/metadata': readers,
  'GET /prom/api/v1/scrape_pools': readers,
  'GET /prom/api/v1/alertmanagers': readers,
  'GET /prom/api/v1/status/runtimeinfo': readers,
  'GET /prom/api/v1/status/tsdb': readers,
  'GET /prom/api/v1/status/walreplay': readers,
  'GET /prom/api/v1/parse_query': readers,
  'POST /prom/api/v1/parse_query': readers,
  'POST /prom/api/v1/read': readers,
  'GET /prom/federate': readers,
  'GET /prom/-/healthy': readers,
  'GET /prom/-/ready': readers,
  // What the API does not have: answered in Prometheus' own form, by any method.
  'GET /prom/*': readers,
  'POST /prom/*': readers,
  'PUT /prom/*': readers,
  'PATCH /prom/*': readers,
  'DELETE /prom/*': readers,
  'TRACE /prom/*': readers,
  'QUERY /prom/*': readers,

  'GET /api/v1/silences': staff,
  'POST /api/v1/silences': onCall,
  'POST /api/v1/silences/preview': staff,
  'POST /api/v1/silences/:id/extend': onCall,
  'POST /api/v1/silences/:id/end': onCall,

  'POST /am/api/v2/alerts': senders,
  'POST /am/grafana': senders,
  'GET /am/api/v2/alerts': readers,
  'GET /am/api/v2/alerts/groups': readers,
  'GET /am/api/v2/silences': readers,
  'POST /am/api/v2/silences': onCall,
  'GET /am/api/v2/silence/:id': readers,
  'DELETE /am/api/v2/silence/:id': onCall,
  'GET /am/api/v2/receivers': readers,
  'GET /am/api/v2/status': everybody,
  'GET /am/-/healthy': everybody,
  'GET /am/-/ready': everybody,

  'GET /api/v1/alerts': staff,
  'POST /api/v1/alerts/:fingerprint/acknowledge': onCall,
  'GET /api/v1/rules': staff,

  'GET /api/v1/hosts': staff,
  'GET /api/v1/hosts/:instance': staff,
  'DELETE /api/v1/hosts/:instance': admins,
  'GET /api/v1/hosts/:instance/facts/:name': staff,
  'GET /api/v1/hosts/:instance/changes': staff,
  'GET /api/v1/hosts/:instance/drift': staff,
  'GET /api/v1/baselines': staff,

  'GET /api/v1/clocks/regimes': staff,
  'POST /api/v1/clocks/evaluate': staff,
  'GET /api/v1/clocks/due': staff,
  'GET /api/v1/incidents/:id/clocks': staff,
  'GET /api/v1/incidents/:id/drafts/dora': staff,
  'POST /api/v1/incidents/:id/classification/preview': staff,

  'GET /api/v1/oncall': staff,
  'GET /api/v1/oncall/people': staff,
  'GET /api/v1/oncall/schedules': staff,
  'GET /api/v1/oncall/schedules/:id': staff,
  'PUT /api/v1/oncall/schedules/:id': admins,
  'DELETE /api/v1/oncall/schedules/:id': admins,
  'POST /api/v1/oncall/schedules/:id/overrides': onCall,
  'POST /api/v1/oncall/schedules/:id/notes': onCall,
  'POST /api/v1/oncall/overrides/:id/cancel': onCall,
  'GET /api/v1/oncall/policies': staff,
  'GET /api/v1/oncall/policies/:id': staff,
  'PUT /api/v1/oncall/policies/:id': admins,
  'DELETE /api/v1/oncall/policies/:id': admins,
  'GET /api/v1/oncall/plan': staff,
  'POST /api/v1/oncall/plan': admins,
  'GET /api/v1/oncall/readiness': staff,
  'GET /api/v1/oncall/history': staff,
  'GET /api/v1/oncall/handovers': staff,
  'POST /api/v1/oncall/handovers/:id/acknowledge': onCall,

  'GET /api/v1/changes': staff,
  'POST /api/v1/changes': onCall,
  'GET /api/v1/changes/:id': staff,
  'POST /api/v1/changes/:id/correct': onCall,
  'POST /api/v1/changes/:id/approve': onCall,
  'POST /api/v1/changes/:id/reject': onCall,
  'POST /api/v1/changes/:id/verify': onCall,
  'POST /api/v1/changes/:id/close': onCall,
  'GET /api/v1/version-changes': staff,
  'GET /api/v1/version-changes/:id': staff,
  'POST /api/v1/version-changes/:id/link': onCall,

  'POST /api/v1/enrolment-tokens': admins,
  'POST /api/v1/hub-identity': 'open',
  'POST /api/v1/enrolments': 'open',
  'GET /api/v1/enrolments': staff,
  'DELETE /api/v1/enrolments/:instance': admins,
  'POST /api/v1/enrolments/:instance/accept': admins,
  // Or a one-time token of enrolment.
  'GET /enrol/callward-collector.mjs': admins,

  'GET /api/v1/told': staff,
  'GET /api/v1/contact-points': staff,
  'GET /api/v1/contact-points/channels': staff,
  'POST /api/v1/contact-points': onCall,
  'POST /api/v1/contact-points/:id': onCall,
  'DELETE /api/v1/contact-points/:id': onCall,
  'POST /api/v1/contact-points/:id/test': onCall,
  'GET /api/v1/notify/attempts': staff,
  'POST /api/v1/notify/preview': onCall,

  'POST /api/v1/backup': admins,
  'POST /api/v1/store/compact': admins,

  'GET /assets/*': 'open',
  'GET /service-worker.js': 'open',
  'GET /*': 'open',

  'GET /api/v1/openapi.json': everybody,
}

/** May be absent. */
const optional: Readonly<Record<string, RouteAccess['roles']>> = {
  'POST /prom/api/v1/write': writers,
  'POST /influx/write': writers,
  'POST /influx/api/v2/write': writers,
  'GET /influx/ping': writers,
  'POST /otlp/v1/metrics': writers,
}

t.test('every route by every role', async (t) => {
  const { app, routes } = await build(t)
  const tokens: Record<string, string> = {}
  for (const role of roles) {
    tokens[role] = (await app.access.people.createToken(`the-${role}`, role, '')).token
  }
  const present = routes.map(({ method, url }) => `${method} ${url}`)
  const absent = Object.keys(optional).filter((route) => !present.includes(route))
  t.same(
    [...present, ...absent].sort(),
    [...Object.keys(table), ...Object.keys(optional)].sort(),
    'the table has every route once, and no other',
  )
  for (const { method, url, access } of routes) {
    const name = `${method} ${url}`
    const allowed = table[name] ?? optional[name]
    if (allowed === undefined) continue
    const path = url.replace(/:[a-z]+/gi, 'nothing').replace('*', 'nothing')
    t.ok(access.owner, `${name} has an owner`)
    const answer = async (headers: Record<string, string>) =>
      (await app.inject({ method: method as 'GET', url: path, headers })).statusCode
    if (allowed === 'open') {
      const status = await answer({})
      t.notOk(status === 401 || status === 403, `${name} is open: ${status}`)
      continue
    }
    t.equal(await answer({}), 401, `${name} without a token`)
    t.equal(await answer({ authorization: 'Bearer wrong' }), 401, `${name} with a wrong token`)
    for (const role of roles) {
      const status = await answer({ authorization: `Bearer ${tokens[role]}` })
      if (allowed.includes(role))
        t.notOk(status === 401 || status === 403, `${name} as ${role}: ${status}`)
      else t.equal(status, 403, `${name} as ${role}`)
    }
  }
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
