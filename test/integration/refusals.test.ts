import { mkdirSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { buildApp } from '../../server/app.ts'
import { readHubConfig } from '../../server/config.ts'
import { prepareDataFolder } from '../../server/first-start.ts'
import { notifyPlugin } from '../../server/notify/plugin.ts'
import { folderOf } from '../helpers/folder.ts'
import { adminToken } from '../helpers/hub.ts'
import { MovedClock } from './changes-desk.ts'
import { receiver } from './notify-desk.ts'

const secret = 'a-secret-of-32-characters-0123456'

/** A hub that listens, seen from outside; `names` is its name service, each look-up the next answer. */
class Outside {
  readonly app: FastifyInstance
  readonly clock: MovedClock
  readonly #url: string

  private constructor(app: FastifyInstance, clock: MovedClock) {
    this.app = app
    this.clock = clock
    const { port } = app.server.address() as AddressInfo
    this.#url = `http://127.0.0.1:${port}`
  }

  static async start(
    t: Test,
    notifyAllow: readonly string[],
    names: (name: string) => readonly string[],
  ): Promise<Outside> {
    const folder = folderOf(t)
    const file = join(folder, 'callward.yaml')
    writeFileSync(file, JSON.stringify({ hub: { notifyAllow, logLevel: 'silent' } }))
    const config = readHubConfig({
      CALLWARD_CONFIG: file,
      CALLWARD_DATA: join(folder, 'data'),
      CALLWARD_ADMIN_TOKEN: adminToken,
    })
    mkdirSync(config.data)
    prepareDataFolder(config)
    const clock = new MovedClock()
    const app = await buildApp(config, clock, (app) => {
      // The one thing of the outside world that a test cannot have: names that change their meaning.
      const register = app.register.bind(app) as (plugin: unknown, options?: object) => unknown
      const resolve = async (name: string) => [...names(name)]
      Object.assign(app, {
        register: (plugin: unknown, options: object = {}) =>
          register(plugin, plugin === notifyPlugin ? { ...options, resolve } : options),
      })
    })
    t.teardown(() => app.close())
    await app.listen({ port: 0, host: '127.0.0.1' })
    return new Outside(app, clock)
  }

  /** Status, code, message, and the rest of the body. */
  async ask(
    method: string,
    path: string,
    { token, cookie, body }: { token?: string; cookie?: string; body?: object } = {},
  ) {
    const response = await fetch(`${this.#url}${path}`, {
      method,
      headers: {
        origin: this.#url,
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(cookie === undefined ? {} : { cookie: `callward_session=${cookie}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    const answer = text === '' ? {} : JSON.parse(text)
    const { code, message } = answer.error ?? {}
    const set = /callward_session=([^;]+)/.exec(response.headers.get('set-cookie') ?? '')?.[1]
    return { status: response.status, code, message, answer, set }
  }

  async token(name: string, role: 'admin' | 'operator' | 'collector'): Promise<string> {
    return (await this.app.access.people.createToken(name, role, '')).token
  }
}

t.test('who may not come in is told so, and what to do', async (t) => {
  const hub = await Outside.start(t, [], () => [])
  const operator = await hub.token('anna', 'operator')
  for (const token of ['cwt_wrong', `${adminToken}x`, operator.slice(0, -1), ''])
    t.match(
      await hub.ask('GET', '/api/v1/alerts', { token }),
      { status: 401, code: 'unauthorized', message: /Authorization: Bearer TOKEN/ },
      `token ${token.slice(0, 9)}`,
    )
  t.match(await hub.ask('GET', '/api/v1/alerts', { token: await hub.token('c', 'collector') }), {
    status: 403,
    code: 'forbidden',
    message: /role collector may not do that; it takes admin or operator or auditor/,
  })
  t.match(await hub.ask('POST', '/api/v1/sign-in', { body: { token: 'cwt_wrong' } }), {
    status: 401,
    message: /not known, or was revoked/,
  })

  const { set: cookie } = await hub.ask('POST', '/api/v1/sign-in', { body: { token: operator } })
  const withCookie = () => hub.ask('GET', '/api/v1/me', { cookie: cookie as string })
  t.match(await withCookie(), { status: 200, answer: { name: 'anna' } })
  hub.clock.ahead += 31 * 60_000
  t.match(await withCookie(), { status: 401, code: 'unauthorized' }, 'a session nobody used')
  const { set: second } = await hub.ask('POST', '/api/v1/sign-in', { body: { token: operator } })
  hub.clock.ahead += 13 * 3_600_000
  t.match(
    await hub.ask('POST', '/api/v1/contact-points', { cookie: second as string, body: {} }),
    { status: 401, code: 'unauthorized' },
    'a session longer than a shift',
  )

  const admin = { token: adminToken }
  await hub.ask('PUT', '/api/v1/teams/voice', { ...admin, body: { name: 'Voice', members: [] } })
  const point = { channel: 'slack', label: 'x', settings: { url: 'https://hooks.example/x' } }
  const owner = { kind: 'team', id: 'voice' }
  t.match(
    await hub.ask('POST', '/api/v1/contact-points', { token: operator, body: { ...point, owner } }),
    {
      status: 403,
      code: 'forbidden',
      message: /not in the team "voice".*administrator can add you: callward teams/,
    },
    'a foreign team',
  )
})

t.test('templates that are too large or go round in circles are refused by name', async (t) => {
  const hub = await Outside.start(t, [], () => [])
  const preview = (template: string) =>
    hub.ask('POST', '/api/v1/notify/preview', {
      token: adminToken,
      body: { kind: 'firing', template, form: 'text' },
    })
  t.match(await preview('{{ title }}'), { status: 200 })
  const large = await preview('x'.repeat(100_000))
  t.match(large, { message: /characters|limit/ })
  t.ok([400, 413, 422].includes(large.status), `oversized: ${large.status} ${large.code}`)
  t.match(
    await preview(
      `{% for a in (1..100000000) %}{% for b in (1..100000) %}x{% endfor %}{% endfor %}`,
    ),
    { status: 422, code: 'unprocessable', message: /loop|memory|longer|characters/ },
    'a loop without end',
  )
  t.match(
    await preview("{% render 'try' %}"),
    {
      status: 422,
      code: 'unprocessable',
      message: /template that is not there; take the render tag out/,
    },
    'a template that is not there, itself included',
  )
})

t.test('the hub sends nothing to its own side of the internet unless it is allowed', async (t) => {
  const heard = await receiver(t, (_heard, response) => response.writeHead(204).end())
  const allowed = await receiver(t, (_heard, response) => response.writeHead(204).end(), {
    address: '127.0.0.2',
  })
  // The second name means something else each time it is asked.
  const answers = [['127.0.0.2'], ['127.0.0.1']]
  let asked = 0
  const hub = await Outside.start(t, ['127.0.0.2'], (name) => {
    if (name !== 'rebind.example') return ['127.0.0.2', '10.0.0.1']
    asked += 1
    return answers.shift() ?? ['127.0.0.1']
  })
  const test = async (url: string) => {
    const settings = { url, secret }
    const made = await hub.ask('POST', '/api/v1/contact-points', {
      token: adminToken,
      body: { channel: 'webhook', label: 'x', settings },
    })
    if (made.status !== 201) return made
    const path = `/api/v1/contact-points/${made.answer.contactPoint.id}/test`
    return hub.ask('POST', path, { token: adminToken })
  }
  const { port } = heard
  for (const [host, what] of [
    ['127.0.0.1', 'loopback'],
    ['[::1]', 'loopback'],
    ['[::ffff:127.0.0.1]', 'loopback'],
    ['169.254.169.254', 'link-local|metadata'],
    ['[fe80::1]', 'link-local'],
    ['10.0.0.1', 'private'],
    ['192.168.1.1', 'private'],
    ['172.16.0.1', 'private'],
    ['[fd00::1]', 'private|unique'],
    ['2130706433', 'loopback'],
    ['0x7f.1', 'loopback'],
    ['mixed.example', 'private'],
  ] as const) {
    const { status, message, answer } = await test(`https://${host}:${port}/hook`)
    const said = status === 200 ? answer.reason : message
    t.match(said, new RegExp(what), `${host}: ${status} ${said}`)
    t.match(said, /notifyAllow|address/, `${host}: says what to do`)
    if (status === 200) t.equal(answer.outcome, 'refused', host)
    else t.equal(status, 400, host)
  }
  t.match((await test(`http://127.0.0.2:${allowed.port}/hook`)).answer, { outcome: 'accepted' })
  const first = await test(`http://rebind.example:${allowed.port}/hook`)
  const later = await test(`http://rebind.example:${port}/hook`)
  t.match(later.answer, {
    outcome: 'refused',
    reason: /rebind\.example has the address 127\.0\.0\.1/,
  })
  t.equal(heard.heard.length, 0, 'nothing arrived where it must not')
  t.equal(asked, 2, 'each name is asked once a message, and what was checked is what is used')
  t.match(first.answer.outcome, /accepted|refused/)
})

t.test('nobody writes a header of an e-mail', async (t) => {
  const hub = await Outside.start(t, [], () => [])
  const settings = { to: 'anna@bank.example', from: 'hub@bank.example', host: 'mail.bank.example' }
  for (const [key, value] of [
    ['to', 'anna@bank.example\r\nBcc: eve@evil.example'],
    ['to', 'anna@bank.example\nSubject: x'],
    ['to', 'anna@bank.example, eve@evil.example'],
    ['from', 'hub@bank.example\r\nReply-To: eve@evil.example'],
    ['host', 'mail.bank.example\r\nRCPT TO:<eve@evil.example>'],
  ] as const) {
    const body = { channel: 'email', label: 'x', settings: { ...settings, [key]: value } }
    t.match(
      await hub.ask('POST', '/api/v1/contact-points', { token: adminToken, body }),
      { status: 400, code: 'bad_request', message: new RegExp(`${key}: .*`) },
      `${key}: ${JSON.stringify(value)}`,
    )
  }
  const labelled = { channel: 'email', label: 'x\r\nBcc: eve@evil.example', settings }
  t.match(await hub.ask('POST', '/api/v1/contact-points', { token: adminToken, body: labelled }), {
    status: 400,
    code: 'bad_request',
    message: /label/,
  })
  t.match(
    await hub.ask('POST', '/api/v1/people', {
      token: adminToken,
      body: { name: 'eve', role: 'operator', email: 'eve@evil.example\r\nBcc: x@y.example' },
    }),
    { status: 400, code: 'bad_request', message: /email/ },
  )
})
