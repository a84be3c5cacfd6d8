import { copyFileSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { packageRoot } from '../../server/assets.ts'
import { isSignedBy, readCheckpoint, readVerifierKey } from '../../server/ledger/checkpoint.ts'
import { type LedgeredAction, ledgered } from '../../server/ledger/ledgered.ts'
import { isConsistent, rootOfInclusion } from '../../server/ledger/merkle.ts'
import { folderOf } from '../helpers/folder.ts'
import { adminToken, Program, until } from '../helpers/hub.ts'
import { listeningHub } from '../helpers/listening-hub.ts'
import { type Answer, MovedClock } from './changes-desk.ts'

interface Entry {
  readonly action: string
  readonly actor: string
  readonly object: { readonly type: string; readonly id: string }
  readonly content: Record<string, unknown>
  readonly sensitive?: Record<string, string>
}

const rule = `groups:
  - name: test
    rules:
      - alert: AlwaysTrue
        expr: vector(1)
        labels: {severity: critical, instance: pbx-1}
        annotations: {summary: it is}
`
const baseline = `role: pbx
version: "1"
approvedBy: Vera
approvedAt: "2026-03-02T10:00:00+07:00"
packages:
  chrony: "*"
`

/** The whole hub over one data folder, started again and again. */
class Desk {
  readonly data: string
  readonly clock = new MovedClock()
  readonly #file: string
  app!: FastifyInstance
  url = ''

  constructor(t: Test) {
    const folder = folderOf(t, {
      rules: { 'test.yaml': rule },
      baselines: { 'pbx.yaml': baseline },
      data: {},
    })
    this.data = join(folder, 'data')
    this.#file = join(folder, 'callward.yaml')
    const own = `rulesFolder: ${join(folder, 'rules')}, baselinesFolder: ${join(folder, 'baselines')}`
    writeFileSync(this.#file, `hub: { ${own}, ruleIntervalSeconds: 1 }\n`)
    t.teardown(() => this.app.close())
  }

  async start(): Promise<void> {
    const { app, url } = await listeningHub(this.#file, this.data, this.clock)
    this.app = app
    this.url = url
  }

  async call(method: 'GET' | 'POST' | 'DELETE', url: string, body?: object, token = adminToken) {
    const answer = await this.app.inject({
      method,
      url,
      headers: { authorization: `Bearer ${token}`, host: 'localhost' },
      ...(body === undefined ? {} : { payload: body }),
    })
    const json = /json/.test(String(answer.headers['content-type']))
    return {
      status: answer.statusCode,
      body: json ? answer.json() : answer.body,
      cookie: String(answer.headers['set-cookie'] ?? '').split(';')[0],
    } as Answer & { readonly cookie: string }
  }

  async entries(query = ''): Promise<Entry[]> {
    // A checkpoint covers all that is there.
    await this.call('GET', '/api/v1/ledger/checkpoint')
    const { body } = await this.call('GET', `/api/v1/ledger?limit=1000${query}`)
    return (body.entries as { entry: string }[]).map(({ entry }) => JSON.parse(entry) as Entry)
  }

  async callward(...args: string[]): Promise<{ code: number | null; output: string }> {
    const environment = { CALLWARD_HUB: this.url, CALLWARD_TOKEN: adminToken }
    const program = new Program('server/cli/main.js', environment, ['ledger', ...args])
    const { code } = await program.exited
    return { code, output: program.output }
  }
}

t.test('what people and the hub do is ledgered, read, proven and verified', async (t) => {
  const desk = new Desk(t)
  await desk.start()
  await everythingDone(t, desk)
  await readAndProven(t, desk)
  await verified(t, desk)
  await putBack(t, desk)
})

async function everythingDone(t: Test, desk: Desk): Promise<void> {
  const token = await desk.call('POST', '/api/v1/tokens', { name: 'ines', role: 'operator' })
  const signedIn = await desk.call('POST', '/api/v1/sign-in', { token: token.body.token })
  t.equal(signedIn.status, 200)
  const out = await desk.app.inject({
    method: 'POST',
    url: '/api/v1/sign-out',
    headers: { cookie: signedIn.cookie, host: 'localhost', origin: 'http://localhost' },
  })
  t.equal(out.statusCode, 204)
  await desk.call('POST', '/api/v1/sign-in-links')
  await desk.call('DELETE', `/api/v1/tokens/${token.body.id}`)
  const window = { start: '2026-01-01T00:00:00Z', end: '2026-01-02T00:00:00Z' }
  const plan = {
    title: 'Patch',
    description: 'by 555-0100',
    hosts: ['pbx-1'],
    expected: [],
    window,
  }
  const made = await desk.call('POST', '/api/v1/changes', plan)
  t.equal(made.status, 201, JSON.stringify(made.body))
  await desk.call('POST', '/api/v1/enrolment-tokens', { instance: 'pbx-9' })
  const alert = await until('the alert', async () => {
    const { body } = await desk.call('GET', '/api/v1/alerts')
    const found = (
      body.alerts as { fingerprint: string; rule: string; incident: { id: string } | null }[]
    )
      .filter(({ rule }) => rule === 'AlwaysTrue')
      .at(0)
    return found !== undefined && found.incident !== null && found
  })
  await desk.call('POST', `/api/v1/alerts/${alert.fingerprint}/acknowledge`, {})
  const incident = alert.incident!.id
  await desk.call('POST', `/api/v1/incidents/${incident}/notes`, { text: 'Mai called 555-0101' })
  const cancelled = await desk.call('POST', `/api/v1/incidents/${incident}/steps`, {
    ...{ to: 'cancelled', role: 'commander' },
    with: [
      { kind: 'role', value: { text: 'Mine.', role: 'commander', person: 'bootstrap' } },
      { kind: 'cancelled', value: { text: 'A rule for this test.', reason: 'test' } },
    ],
  })
  t.equal(cancelled.status, 200, JSON.stringify(cancelled.body))

  const entries = await until('all entries', async () => {
    const found = await desk.entries()
    return found.some(({ action }) => action === 'baseline.version') && found
  })
  const actions = new Set(entries.map(({ action }) => action))
  for (const action of [
    'ledger.opened',
    'ledger.key_added',
    'ledger.read',
    'access.token_made',
    'access.signed_in',
    'access.signed_out',
    'access.link_made',
    'access.token_revoked',
    'change.entry',
    'baseline.version',
    'enrolment.token_made',
    'alert.fired',
    'alert.acknowledged',
    'incident.state',
    'incident.fact',
  ])
    t.ok(actions.has(action), action)
  t.equal(entries[0]?.action, 'ledger.opened')
  t.match(entries.find(({ action }) => action === 'access.token_revoked')?.actor, 'bootstrap')
  t.match(
    entries.filter(({ action }) => action === 'access.signed_in').map(({ actor }) => actor),
    ['ines'],
  )
  t.notMatch(JSON.stringify(entries), /555-01/, 'what people write is there as a salted hash')
  const states = entries.filter(({ action }) => action === 'incident.state')
  t.same(
    states.map(({ content }) => content.state),
    ['open', 'acknowledged', 'resolved'],
  )
  const facts = entries.filter(({ action }) => action === 'incident.fact')
  const { body } = await desk.call('GET', `/api/v1/incidents/${incident}`)
  t.equal(facts.length, body.incident.facts.length, 'every fact once')
  t.ok(facts.every(({ sensitive }) => sensitive?.value !== undefined))
  for (const { action, object, content, sensitive } of entries) {
    const { object: type, holds }: LedgeredAction = ledgered[action as keyof typeof ledgered]
    t.equal(object.type, type, action)
    const told = [
      ...Object.keys(content),
      ...Object.keys(sensitive ?? {}).map((name) => `${name}*`),
    ]
    t.same(
      told.filter((name) => !holds.includes(name)),
      [],
      `${action} holds what docs/ledger.md says`,
    )
  }
}

async function readAndProven(t: Test, desk: Desk): Promise<void> {
  const reads = (await desk.entries('&objectType=ledger')).filter(
    ({ action }) => action === 'ledger.read',
  )
  t.equal(reads.length, 1, 'an account is written down once a minute')
  desk.clock.ahead += 61_000
  await desk.entries()
  const again = await desk.entries('&objectType=ledger')
  t.equal(again.filter(({ action }) => action === 'ledger.read').length, 2)
  const token = await desk.call('POST', '/api/v1/tokens', { name: 'olga', role: 'operator' })
  const asOperator = (url: string) => desk.call('GET', url, undefined, token.body.token)
  t.equal((await asOperator('/api/v1/ledger')).status, 403)
  t.equal((await asOperator('/api/v1/ledger/checkpoint')).status, 403)
  t.equal((await desk.call('GET', '/api/v1/ledger?objectId=7')).status, 400)
  t.equal((await desk.call('GET', '/api/v1/ledger?epoch=9')).status, 404)
  t.equal((await desk.call('GET', '/api/v1/ledger/entries/999999/proof')).status, 400)
  t.equal((await desk.call('GET', '/api/v1/ledger/consistency?from=5&to=4')).status, 400)

  const note = String((await desk.call('GET', '/api/v1/ledger/checkpoint')).body)
  const head = readCheckpoint(note)!
  const { body: status } = await desk.call('GET', '/api/v1/ledger/status')
  t.match(status, { epoch: 1, inconsistency: null, origin: head.origin })
  const keys = (status.verifierKeys as string[]).map((key) => readVerifierKey(key)!)
  t.ok(isSignedBy(head, keys))
  t.equal(statSync(join(desk.data, 'hub/ledger.key')).mode & 0o777, 0o600)
  t.equal(readFileSync(join(desk.data, 'hub/ledger.checkpoint'), 'utf8'), note)
  const base64 = (text: string) => Buffer.from(text, 'base64')
  const { body: inclusion } = await desk.call(
    'GET',
    `/api/v1/ledger/entries/3/proof?size=${head.size}`,
  )
  const proof = (inclusion.proof as string[]).map(base64)
  t.ok(rootOfInclusion(3, head.size, base64(inclusion.leaf), proof)?.equals(head.root))
  const { body: consistency } = await desk.call(
    'GET',
    `/api/v1/ledger/consistency?from=5&to=${head.size}`,
  )
  t.ok(
    isConsistent(
      { size: 5, root: base64(consistency.fromRoot) },
      head,
      (consistency.proof as string[]).map(base64),
    ),
  )
}

async function verified(t: Test, desk: Desk): Promise<void> {
  const kept = join(desk.data, 'kept.txt')
  writeFileSync(kept, (await desk.callward('checkpoint')).output)
  t.match(await desk.callward('status'), { code: 0, output: /Entries +\d+[\s\S]*Key +callward/ })
  t.match(await desk.callward('list', '--object', 'change'), { code: 0, output: /change\.entry/ })
  t.match(await desk.callward('proof', '3'), { code: 0, output: /root +\S+ \(\d+ entries\)/ })
  t.match(await desk.callward('proof', 'x'), { code: 2, output: /INDEX/ })
  t.match(await desk.callward('burn'), { code: 2, output: /none of status, list/ })
  t.match(await desk.callward('verify', '--checkpoint', kept), { code: 0, output: /^Verified: / })
  await desk.app.records.write((tx) =>
    tx
      .updateTable('ledger_entries')
      .set({ entry: '{"action":"nothing"}' })
      .where('number', '=', 4)
      .execute(),
  )
  t.match(await desk.callward('verify', '--checkpoint', kept), {
    code: 1,
    output: /Entry 4 [\s\S]*NOT verified/,
  })
}

async function putBack(t: Test, desk: Desk): Promise<void> {
  const { length } = await desk.entries()
  await desk.call('POST', '/api/v1/tokens', { name: 'last', role: 'operator' })
  await desk.app.close()
  const last = readCheckpoint(readFileSync(join(desk.data, 'hub/ledger.checkpoint'), 'utf8'))
  t.ok(last!.size > length, 'a hub that stops signs what it did until then')
  const [file, older] = [join(desk.data, 'hub/records.sqlite'), join(desk.data, 'older')]
  copyFileSync(file, older)
  await desk.start()
  await desk.call('POST', '/api/v1/tokens', { name: 'later', role: 'operator' })
  t.equal((await desk.call('GET', '/api/v1/ledger/checkpoint')).status, 200)
  const { origin } = (await desk.call('GET', '/api/v1/ledger/status')).body
  await desk.app.close()
  copyFileSync(older, file)
  await desk.start()
  t.match(await desk.call('GET', '/api/v1/ledger/checkpoint'), {
    status: 409,
    body: { error: { message: /put back to an older state/ } },
  })
  t.match((await desk.call('GET', '/metrics')).body, /callward_ledger_inconsistent 1/)
  t.match(await desk.callward('status'), { code: 1, output: /WRONG .*older state/ })
  await desk.app.close()
  t.match(await desk.callward('reopen', '--data', desk.data, '--reason', 'disk lost'), { code: 0 })
  await desk.start()
  const [first] = await desk.entries()
  t.match(first, {
    action: 'ledger.opened',
    content: { reason: 'disk lost', previous: { origin } },
  })
  t.notOk(readdirSync(join(desk.data, 'hub')).includes('ledger.epoch'))
  t.match(await desk.callward('verify'), { code: 0, output: /^Verified: / })
  await desk.app.close()
  await desk.start()
  t.match((await desk.call('GET', '/api/v1/ledger/status')).body, { epoch: 2 })
}

t.test('the list of ledgered changes is what the code writes', async (t) => {
  const sources = readdirSync(join(packageRoot, 'server'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !/^(ledger\/ledgered|console\/)/.test(path))
    .map((path) => readFileSync(join(packageRoot, 'server', path), 'utf8'))
    .filter((text) => /[lL]edger|accounts\.note/.test(text))
  const written = new Set(
    sources.flatMap((text) =>
      [
        ...text.matchAll(
          /'((?:ledger|alert|incident|change|version_change|baseline|correlation|dispatch|enrolment|attachment|erasure|hold|access|oncall|notice|notify|people|paging|obligation|silence|approval|time_limits)\.[a-z_]+)'/g,
        ),
      ].map(([, action]) => action),
    ),
  )
  const files = ['ledger.checkpoint', 'ledger.epoch', 'ledger.key', 'notify.key']
  t.same([...written].filter((name) => !files.includes(name!)).sort(), Object.keys(ledgered).sort())
})
