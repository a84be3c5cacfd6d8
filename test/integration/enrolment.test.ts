import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect as connectPlain } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { connect, createServer } from 'node:tls'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { channelOf } from '../../collector/enrolment/channel.ts'
import { readEnrolment } from '../../collector/enrolment/files.ts'
import { sessionKey } from '../../collector/enrolment/handshake.ts'
import { SessionCountFile } from '../../collector/enrolment/session-count.ts'
import { closeCodes } from '../../collector/wire/frames.ts'
import type { Challenge } from '../../collector/wire/handshake.ts'
import { selfSigned } from '../helpers/certificates.ts'
import { folderOf } from '../helpers/folder.ts'
import { adminToken, until } from '../helpers/hub.ts'
import { Reporter } from '../helpers/reporter.ts'
import { EnrolledHost, ListeningHub, machineRoot, minute } from './enrolment-hub.ts'

/** A hub with a certificate that nobody vouches for. */
async function tlsHub(t: Test, more: Record<string, string> = {}) {
  const folder = folderOf(t)
  const files = selfSigned(folder)
  const environment = {
    CALLWARD_TLS_CERTIFICATE: files.certificate,
    CALLWARD_TLS_KEY: files.key,
    ...more,
  }
  const hub = await ListeningHub.start(join(folder, 'hub'), environment)
  t.teardown(() => hub.stop())
  const host = (name: string, machine = 'machine-a') => {
    const made = new EnrolledHost(join(folder, name), machineRoot(folder, machine))
    t.teardown(() => made.session?.close('over'))
    return made
  }
  return { hub, folder, files, environment, host }
}

t.test(
  'enrolled over TLS nobody vouches for; reports are taken; the token works once',
  async (t) => {
    const { hub, host } = await tlsHub(t)
    const made = await hub.token({ instance: 'pbx-1', labels: { role: 'pbx', site: 'hanoi' } })
    const first = host('first')
    await first.enrol(hub, 'whatever it says', made)
    const file = readEnrolment(join(first.data, 'collector'))
    t.match(file, { instance: 'pbx-1', labels: { role: 'pbx', site: 'hanoi' }, hub: hub.ws })
    first.start()
    await first.opened()
    first.report(42)
    await until('the report is acknowledged', () => first.session?.figures().pending === 0)
    t.match(await hub.enrolment('pbx-1'), { state: 'active', connected: true, sessions: 1 })
    const { hosts } = await hub.api<{ hosts: object[] }>('GET', '/api/v1/hosts')
    t.match(hosts, [{ instance: 'pbx-1', role: 'pbx', site: 'hanoi' }])
    t.equal(await hub.metric('callward_enrolment_sessions_total'), 1)

    const thief = host('thief')
    await t.rejects(thief.enrol(hub, 'pbx-1', made), /used already.*callward collectors list/)
    t.equal(readEnrolment(join(thief.data, 'collector')), undefined, 'nothing is left of it')
    t.equal(await hub.metric('callward_enrolment_token_refusals_total', '{reason="used"}'), 1)
    const late = await hub.token()
    hub.clock.moved += 15 * minute
    await t.rejects(thief.enrol(hub, 'pbx-9', late), /older than 15 minutes/)
    const guess = { ...late, token: `cwe_${'A'.repeat(43)}` }
    await t.rejects(thief.enrol(hub, 'pbx-9', guess), /not known here/)
    const listed = await hub.api<{ tokens: object[] }>('GET', '/api/v1/enrolments')
    t.match(listed.tokens, [
      { state: 'expired', misuses: 1 },
      { state: 'used', instance: 'pbx-1', misuses: 1, lastMisusedFrom: '127.0.0.1' },
    ])
    for (const secret of [made.token, late.token, file!.privateKey, file!.salt]) {
      const rows = [
        await hub.app.records.read.selectFrom('enrolment_tokens').selectAll().execute(),
        await hub.app.records.read.selectFrom('enrolments').selectAll().execute(),
        listed,
      ]
      t.notOk(JSON.stringify(rows).includes(secret), 'no secret is stored or shown')
    }
    t.notOk(JSON.stringify(hosts).includes('machine-a'), 'no raw id of the machine')
    await t.rejects(hub.token({ instance: 'pbx-1' }), /enrolled already.*--replace/)
    const again = await hub.token()
    await t.rejects(thief.enrol(hub, 'pbx-1', again), /enrolled already/)
    await thief.enrol(hub, 'pbx-2', again)
    t.match(
      await hub.enrolment('pbx-2'),
      { state: 'active', sessions: 0 },
      'a conflict uses up nothing',
    )
    const misused = async () =>
      hub.api<{ data: { result: object[] } }>(
        'GET',
        '/prom/api/v1/query?query=callward_enrolment_tokens_misused',
      )
    await until('rules can see the misuse', async () => (await misused()).data.result.length === 1)
    const alerts = async () =>
      (await hub.api<{ alerts: { rule: string }[] }>('GET', '/api/v1/alerts?state=firing')).alerts
    await until(
      'EnrolmentTokenMisused fires',
      async () => (await alerts()).some(({ rule }) => rule === 'EnrolmentTokenMisused'),
      30_000,
    )
  },
)

t.test('revoked while connected: the session ends at once and the key is of no use', async (t) => {
  const { hub, host } = await tlsHub(t)
  const pbx = host('pbx')
  await pbx.enrol(hub, 'pbx-1')
  pbx.start()
  await pbx.opened()
  await hub.api('DELETE', '/api/v1/enrolments/pbx-1')
  t.match(await pbx.refused(), /was revoked/)
  await pbx.stop()
  pbx.start()
  t.match(await pbx.refused(), /was revoked.*callward enrol/)
  t.match(await hub.enrolment('pbx-1'), {
    state: 'revoked',
    connected: false,
    lastRefusal: 'revoked',
  })
  t.equal(await hub.metric('callward_enrolment_refusals_total', '{reason="revoked"}'), 1)
  await pbx.stop()
  await t.rejects(hub.api('DELETE', '/api/v1/enrolments/pbx-1'), /404/)
  await pbx.enrol(hub, 'pbx-1')
  pbx.start()
  await pbx.opened()
  t.match(await hub.enrolment('pbx-1'), { state: 'active', connected: true, sessions: 1 })
  await pbx.stop()
  const other = host('other')
  await other.enrol(hub, 'pbx-1', await hub.token({ instance: 'pbx-1', replace: true }))
  pbx.start()
  t.match(await pbx.refused(), /enrolled anew/)
  t.equal(await hub.metric('callward_enrolments', '{state="replaced"}'), 1)
})

t.test('a clone: the copy that stayed behind is refused, whichever it is', async (t) => {
  const { hub, folder, host } = await tlsHub(t)
  const original = host('original')
  await original.enrol(hub, 'pbx-1')
  original.start()
  await original.opened()
  await original.stop()
  const clone = original.copy(join(folder, 'clone'))
  t.teardown(() => clone.session?.close('over'))
  original.start()
  await original.opened()
  clone.start()
  t.match(await clone.refused(), /Another copy of "pbx-1"/)
  t.equal(original.state, 'open', 'the original goes on')
  t.match(await hub.enrolment('pbx-1'), { lastRefusal: 'cloned', connected: true, sessions: 2 })
  await clone.stop()
  await original.stop()
  original.start()
  await original.opened()
  await original.stop()

  const set = original.copy(join(folder, 'set-back'))
  set.start()
  await set.opened()
  t.teardown(() => set.session?.close('over'))
  original.start()
  t.match(await original.refused(), /Another copy of "pbx-1"/, 'the copy came first: so it shows')
  await original.stop()
  await set.stop()

  const moved = set.copy(join(folder, 'moved'), machineRoot(folder, 'machine-b'))
  moved.start()
  t.teardown(() => moved.session?.close('over'))
  t.match(await moved.refused(), /not the machine that was enrolled.*machine-id/)
  for (const [reason, count] of [
    ['cloned', 2],
    ['other_machine', 1],
  ] as const)
    t.equal(await hub.metric('callward_enrolment_refusals_total', `{reason="${reason}"}`), count)
  const alerts = async () =>
    (
      await hub.api<{ alerts: { rule: string; labels: Record<string, string> }[] }>(
        'GET',
        '/api/v1/alerts?state=firing',
      )
    ).alerts.filter(({ rule }) => rule === 'CollectorRefused')
  await until('CollectorRefused fires for both', async () => (await alerts()).length === 2, 30_000)
  t.same((await alerts()).map(({ labels }) => labels['reason']).sort(), ['cloned', 'other_machine'])
})

/** One connection by hand: its frames, and how it ended. */
async function byHand(url: string, authorization: string) {
  const socket = new WebSocket(`${url}/session`, {
    headers: { authorization },
    rejectUnauthorized: false,
  })
  const frames: { type: string; code?: string }[] = []
  let channel: ReturnType<typeof channelOf> | undefined
  let closed: number | undefined
  let status: number | undefined
  socket.on('upgrade', (response) => {
    channel = channelOf(response.socket)
  })
  socket.on('message', (data) => void frames.push(JSON.parse(String(data))))
  socket.on('close', (code) => {
    closed = code
  })
  socket.on('error', () => undefined)
  socket.on('unexpected-response', (_request, response) => {
    status = response.statusCode
    response.resume()
    socket.terminate()
  })
  await until('an answer', () => frames.length > 0 || status !== undefined || closed !== undefined)
  return {
    socket,
    frames,
    status,
    challenge: frames[0] as unknown as Challenge,
    channel: channel!,
    ended: () => until('the end', () => closed),
    said: (type: string) => frames.some((frame) => frame.type === type),
    error: () => frames.find((frame) => frame.type === 'error')?.code,
  }
}

function keyOfFolder(data: string) {
  const folder = join(data, 'collector')
  const enrolment = readEnrolment(folder)!
  return sessionKey({
    enrolment,
    count: SessionCountFile.open(folder, enrolment.enrolment),
    machine: {},
    onUnsaved: (error) => {
      throw error
    },
  })
}

t.test('replays, wrong keys, strangers: refused with a reason, and counted', async (t) => {
  const { hub, host } = await tlsHub(t)
  const pbx = host('pbx')
  // A machine that shows nothing of itself.
  const bare = new EnrolledHost(pbx.data, '/nonexistent')
  await bare.enrol(hub, 'pbx-1')
  const key = keyOfFolder(pbx.data)
  const hello = JSON.stringify({
    ...new Reporter('pbx-1').hello(),
    protocols: [2],
  })
  const handshake = key.begin()
  const first = await byHand(hub.ws, handshake.authorization)
  t.same(Object.keys(first.frames[0]!).sort(), [
    ...['binding', 'counter', 'hubKey', 'link', 'nonce', 'protocol', 'resync', 'signature', 'type'],
  ])
  const proof = JSON.stringify(handshake.prove(first.challenge, hello, first.channel))
  first.socket.send(hello)
  first.socket.send(proof)
  await until('welcome', () => first.said('welcome'))
  t.match(first.frames[1], { protocol: 2 })
  handshake.welcomed()
  first.socket.close()

  const send = async (authorization: string, ...frames: (string | Buffer)[]) => {
    const connection = await byHand(hub.ws, authorization)
    for (const frame of frames) connection.socket.send(frame)
    const code = await connection.ended()
    t.notOk(connection.said('welcome'))
    return [code, connection.error()]
  }
  t.same(await send(handshake.authorization, hello, proof), [closeCodes.unauthorized, 'replayed'])
  t.same(await send(key.begin().authorization, hello, proof), [closeCodes.unauthorized, 'replayed'])
  const forged = JSON.stringify({ ...JSON.parse(proof), signature: 'A'.repeat(86) })
  t.same(await send(key.begin().authorization, hello, forged), [4401, 'bad_proof'])
  const bad = [closeCodes.badFrame, 'bad_frame']
  t.same(await send(key.begin().authorization, proof, hello), bad, 'the proof first')
  t.same(await send(key.begin().authorization, hello, hello), bad, 'hello twice')
  t.same(await send(key.begin().authorization, hello, Buffer.alloc(100)), bad, 'a report')
  t.same(await send(key.begin().authorization, '{"type":"series","from":0,"series":[]}'), bad)
  t.same(await send(key.begin().authorization, 'x'.repeat(200_000)), [1006, undefined], 'too much')

  const wrongHost = key.begin()
  const asked = await byHand(hub.ws, wrongHost.authorization)
  const forOther = hello.replaceAll('pbx-1', 'pbx-7')
  asked.socket.send(forOther)
  asked.socket.send(JSON.stringify(wrongHost.prove(asked.challenge, forOther, asked.channel)))
  t.equal(await asked.ended(), closeCodes.forbidden)
  t.equal(asked.error(), 'wrong_host')

  const stranger = await byHand(hub.ws, `Callward-Enrolment ${'0'.repeat(36)} ${'A'.repeat(43)}`)
  t.equal(stranger.status, 401)
  t.equal((await byHand(hub.ws, 'Callward-Enrolment')).status, 401)
  t.match(await hub.enrolment('pbx-1'), { sessions: 1, refusals: 9 })
  for (const [name, count] of Object.entries({
    replayed: 2,
    bad_proof: 1,
    bad_frame: 5,
    wrong_host: 1,
    unknown: 2,
  }))
    t.equal(
      await hub.metric('callward_enrolment_refusals_total', `{reason="${name}"}`),
      count,
      name,
    )
})

t.test('a wrong clock, hours off either way: enrolled and connected all the same', async (t) => {
  const { hub, host } = await tlsHub(t)
  for (const [name, hours] of [
    ['ahead', 6],
    ['behind', -6],
  ] as const) {
    const pbx = host(name)
    await pbx.enrol(hub, name)
    pbx.start({ clockOff: hours * 60 * minute })
    await pbx.opened()
    pbx.report(1)
    await until('the report is answered', () => pbx.session?.figures().pending === 0)
    t.match(await hub.enrolment(name), { connected: true, refusals: 0 })
    await pbx.stop()
  }
})

t.test('a hub with another key: nothing is sent to it', async (t) => {
  const { hub, folder, environment, host } = await tlsHub(t)
  const pbx = host('pbx')
  await pbx.enrol(hub, 'pbx-1')
  const made = await hub.token()
  const { port } = hub
  await hub.stop()
  cpSync(hub.data, join(folder, 'impostor'), { recursive: true })
  rmSync(join(folder, 'impostor/hub/identity.key'))
  const impostor = await ListeningHub.start(join(folder, 'impostor'), environment, { port })
  pbx.start()
  t.match(await pbx.refused(), /nothing was sent.*has the key SHA256:.*enrolled with SHA256:/)
  await pbx.stop()
  await until(
    'the impostor hears that it is not trusted',
    async () =>
      (await impostor.metric('callward_enrolment_refusals_total', '{reason="hub_not_trusted"}')) ===
      1,
  )
  t.equal(await impostor.metric('callward_enrolment_sessions_total'), 0)
  t.same((await impostor.api<{ hosts: object[] }>('GET', '/api/v1/hosts')).hosts, [])
  const late = host('late')
  await t.rejects(late.enrol(impostor, 'pbx-2', made), /Stopped, nothing was sent.*Another hub/)
  await impostor.stop()
  const empty = await ListeningHub.start(join(folder, 'empty'), environment, { port })
  t.teardown(() => empty.stop())
  pbx.start()
  t.match(await pbx.refused(), /does not know this enrolment/)
  await pbx.stop()
})

/** Somebody who ends TLS with a certificate of his own and passes all on. */
async function middle(t: Test, folder: string, hub: ListeningHub, tls: boolean): Promise<string> {
  const { certificate, key } = selfSigned(folder, 'middle')
  const server = createServer(
    { cert: readFileSync(certificate), key: readFileSync(key) },
    (client) => {
      const on = tls
        ? connect({ host: '127.0.0.1', port: hub.port, rejectUnauthorized: false })
        : connectPlain(hub.port, '127.0.0.1')
      client.on('error', () => on.destroy()).on('close', () => on.destroy())
      on.on('error', () => client.destroy()).on('close', () => client.destroy())
      client.pipe(on).pipe(client)
    },
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return `https://127.0.0.1:${(server.address() as { port: number }).port}`
}

t.test('somebody in the middle: found out by both, at enrolment and in sessions', async (t) => {
  const { hub, folder, host } = await tlsHub(t)
  const url = await middle(t, folder, hub, true)
  const pbx = host('pbx')
  const made = await hub.token({ instance: 'pbx-1' })
  await t.rejects(pbx.enrol(hub, 'pbx-1', made, url), /Stopped, nothing was sent.*stands between/)
  await pbx.enrol(hub, 'pbx-1', made)
  pbx.start({ url: url.replace('http', 'ws') })
  t.match(await pbx.refused(), /nothing was sent.*somebody stands between/)
  t.match(await hub.enrolment('pbx-1'), { sessions: 0 })
})

t.test('a declared proxy ends TLS: its certificate must be trusted', async (t) => {
  const folder = folderOf(t, { 'c.yaml': 'hub: { behindTlsProxy: true }\n' })
  const hub = await ListeningHub.start(join(folder, 'hub'), {
    CALLWARD_CONFIG: join(folder, 'c.yaml'),
  })
  t.teardown(() => hub.stop())
  const url = await middle(t, folder, hub, false)
  const pbx = new EnrolledHost(join(folder, 'pbx'), machineRoot(folder, 'machine-a'))
  t.teardown(() => pbx.session?.close('over'))
  const made = await hub.token({ instance: 'pbx-1' })
  await t.rejects(pbx.enrol(hub, 'pbx-1', made, url), /certificate of the proxy.*not trusted/)
  await pbx.enrol(hub, 'pbx-1', made)
  pbx.start()
  await pbx.opened()
  await pbx.stop()
  pbx.start({ url: url.replace('http', 'ws') })
  t.match(await pbx.refused(), /certificate of the proxy.*NODE_EXTRA_CA_CERTS/)
})

t.test(
  'a hub restored from before: refused until accepted, or at once by callward restore',
  async (t) => {
    const { hub, folder, environment, host } = await tlsHub(t)
    const pbx = host('pbx')
    await pbx.enrol(hub, 'pbx-1')
    const { port } = hub
    await hub.stop()
    cpSync(hub.data, join(folder, 'older'), { recursive: true })
    cpSync(hub.data, join(folder, 'restored'), { recursive: true })
    const sessions = async (data: string, count: number) => {
      const running = await ListeningHub.start(data, environment, { port })
      for (let i = 0; i < count; i++) {
        pbx.start()
        await pbx.opened()
        await pbx.stop()
      }
      const { sessions } = (await running.enrolment('pbx-1'))!
      await running.stop()
      return sessions
    }
    t.equal(await sessions(hub.data, 3), 3)
    const older = await ListeningHub.start(join(folder, 'older'), environment, { port })
    pbx.start()
    t.match(await pbx.refused(), /knows 3 sessions, the hub 0.*callward collectors accept pbx-1/)
    await pbx.stop()
    t.match(await older.enrolment('pbx-1'), { lastRefusal: 'hub_behind', sessions: 0 })
    await older.api('POST', '/api/v1/enrolments/pbx-1/accept')
    pbx.start()
    await pbx.opened()
    t.match(await older.enrolment('pbx-1'), { sessions: 4, connected: true })
    await pbx.stop()
    await older.stop()
    t.equal(await sessions(join(folder, 'older'), 1), 5, 'and goes on as before')

    writeFileSync(join(folder, 'restored/hub/restored'), '2026-01-01\n')
    t.equal(await sessions(join(folder, 'restored'), 2), 7, 'the mark of callward restore')
    const clone = pbx.copy(join(folder, 'clone'))
    t.equal(await sessions(join(folder, 'restored'), 1), 8)
    const restored = await ListeningHub.start(join(folder, 'restored'), environment, { port })
    t.teardown(() => restored.stop())
    clone.start()
    t.match(await clone.refused(), /Another copy/, 'once only')
    await clone.stop()
  },
)

t.test(
  'a token does not speak for an enrolled host, nor anything plain from elsewhere',
  async (t) => {
    const folder = folderOf(t)
    const hub = await ListeningHub.start(
      join(folder, 'hub'),
      { CALLWARD_LISTEN: '0.0.0.0:0' },
      { host: '0.0.0.0' },
    )
    t.teardown(() => hub.stop())
    const { token } = await hub.api<{ token: string }>('POST', '/api/v1/tokens', {
      name: 'old',
      role: 'collector',
    })
    const old = new Reporter('pbx-1')
    await old.connect(hub.url, token)
    t.match(old.frame('welcome'), { protocol: 1 }, 'a token of this machine works as before')
    const pbx = new EnrolledHost(join(folder, 'pbx'), machineRoot(folder, 'machine-a'))
    t.teardown(() => pbx.session?.close('over'))
    await pbx.enrol(hub, 'pbx-1')
    t.match(await old.untilClosed(), { code: closeCodes.forbidden, reason: /is enrolled now/ })
    await old.connect(hub.url, token)
    t.match(await old.untilClosed(), { code: closeCodes.forbidden, reason: /is enrolled/ })
    pbx.start()
    await pbx.opened()
    const { collector } = JSON.parse(
      readFileSync(join(pbx.data, 'collector/identity.json'), 'utf8'),
    ) as { collector: string }
    const copied = new Reporter('pbx-2', { collector })
    await copied.connect(hub.url, token)
    t.match(await copied.untilClosed(), {
      code: closeCodes.forbidden,
      reason: /id belongs to an enrolled/,
    })
    const other = new Reporter('pbx-3')
    await other.connect(hub.url, token)
    t.ok(other.frame('welcome'), 'other hosts keep their tokens')
    other.close()

    const lan = Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .find(({ internal, family }) => !internal && family === 'IPv4')?.address
    if (lan === undefined) {
      t.comment(
        'no address off loopback on this machine: what comes from elsewhere is tried in the unit tests',
      )
      return
    }
    const refused = (authorization: string) =>
      new Promise<string>((resolve, reject) => {
        // From an address of the network to loopback: not a machine that speaks to itself.
        const socket = new WebSocket(`ws://127.0.0.1:${hub.port}/session`, {
          headers: { authorization },
          localAddress: lan,
        })
        socket.on('open', () => reject(new Error('it was let in')))
        socket.on('error', reject)
        socket.on('unexpected-response', (_request, response) => {
          let body = ''
          response.on('data', (part) => {
            body += part
          })
          response.on('end', () => {
            resolve(`${response.statusCode} ${body}`)
            socket.terminate()
          })
        })
      })
    t.match(
      await refused(`Bearer ${token}`),
      /^403 .*TLS.*CALLWARD_TLS_CERTIFICATE.*behindTlsProxy/,
    )
    t.match(await refused(`Bearer ${adminToken}`), /^403 /)
    const id = readEnrolment(join(pbx.data, 'collector'))!.enrolment
    t.match(await refused(`Callward-Enrolment ${id} ${'A'.repeat(43)}`), /^403 .*TLS/)
    t.equal(await hub.metric('callward_enrolment_refusals_total', '{reason="insecure"}'), 3)
    await t.rejects(
      pbx.enrol(hub, 'pbx-9', await hub.token(), `http://${lan}:${hub.port}`),
      /not protected by TLS/,
    )
  },
)

t.test('who proves nothing: bounded, and gone after 5 s', async (t) => {
  const folder = folderOf(t, { 'c.yaml': 'hub: { maxHalfOpenSessions: 16 }\n' })
  const hub = await ListeningHub.start(join(folder, 'hub'), {
    CALLWARD_CONFIG: join(folder, 'c.yaml'),
  })
  t.teardown(() => hub.stop())
  const ids = []
  for (const name of ['a', 'b', 'c']) {
    const pbx = new EnrolledHost(join(folder, name), machineRoot(folder, name))
    await pbx.enrol(hub, name)
    ids.push(readEnrolment(join(pbx.data, 'collector'))!.enrolment)
  }
  const open = (id: string | undefined) =>
    byHand(hub.ws, `Callward-Enrolment ${id} ${'A'.repeat(43)}`)
  const [first, second, third] = [await open(ids[0]), await open(ids[1]), await open(ids[2])]
  t.match(first.challenge, { type: 'challenge', binding: 'local', counter: 0 })
  t.equal(third.status, 429, 'two of an address')
  t.equal(await hub.metric('callward_enrolment_half_open_sessions'), 2)
  second.socket.terminate()
  await until(
    'its place is free',
    async () => (await hub.metric('callward_enrolment_half_open_sessions')) === 1,
  )
  const fourth = await open(ids[2])
  t.equal(fourth.challenge.type, 'challenge')
  t.equal(await first.ended(), closeCodes.badFrame)
  t.equal(first.error(), 'no_proof')
  fourth.socket.terminate()
  await until(
    'all are gone and counted',
    async () =>
      (await hub.metric('callward_enrolment_half_open_sessions')) === 0 &&
      (await hub.metric('callward_enrolment_refusals_total', '{reason="no_proof"}')) === 3,
  )
  t.equal(await hub.metric('callward_enrolment_refusals_total', '{reason="too_many_half_open"}'), 1)
})

t.test('a connection that a newer one overtook ends, and holds nobody off', async (t) => {
  const folder = folderOf(t, { 'c.yaml': 'hub: { maxHalfOpenSessions: 16 }\n' })
  const hub = await ListeningHub.start(join(folder, 'hub'), {
    CALLWARD_CONFIG: join(folder, 'c.yaml'),
  })
  t.teardown(() => hub.stop())
  const ids = []
  for (const name of ['a', 'b']) {
    const pbx = new EnrolledHost(join(folder, name), machineRoot(folder, name))
    await pbx.enrol(hub, name)
    ids.push(readEnrolment(join(pbx.data, 'collector'))!.enrolment)
  }
  const open = (id: string | undefined) =>
    byHand(hub.ws, `Callward-Enrolment ${id} ${'A'.repeat(43)}`)
  const halfOpen = () => hub.metric('callward_enrolment_half_open_sessions')
  const overtaken = [await open(ids[0]), await open(ids[0]), await open(ids[0])]
  t.equal(await halfOpen(), 1, 'one enrolment holds one place')
  const other = await open(ids[1])
  t.equal(other.challenge.type, 'challenge', 'there is room for another host')
  t.equal(await halfOpen(), 2)
  const newest = await open(ids[0])
  t.equal(newest.challenge.type, 'challenge', 'also while the address has its share')
  t.equal(await halfOpen(), 2)
  for (const one of overtaken) t.equal(await one.ended(), 1006, 'ended at once')
  for (const one of [other, newest]) one.socket.terminate()
  await until('all are gone', async () => (await halfOpen()) === 0)
  t.equal(await hub.metric('callward_enrolment_refusals_total', '{reason="no_proof"}'), 5)
})

t.test(
  'a renewed certificate is taken without a restart; sessions and keys do not care',
  async (t) => {
    const { hub, folder, files, host } = await tlsHub(t)
    const pbx = host('pbx')
    await pbx.enrol(hub, 'pbx-1')
    pbx.start()
    await pbx.opened()
    const served = () =>
      new Promise<string>((resolve, reject) => {
        const socket = connect(
          { host: '127.0.0.1', port: hub.port, rejectUnauthorized: false },
          () => {
            resolve(socket.getPeerX509Certificate()?.subject ?? '')
            socket.destroy()
          },
        )
        socket.on('error', reject)
      })
    t.match(await served(), /CN=hub\.bank/)
    const { tlsPin } = await hub.token()
    const renewed = selfSigned(folder, 'renewed')
    cpSync(renewed.certificate, files.certificate)
    process.emit('SIGHUP')
    t.match(await served(), /CN=hub\.bank/, 'half a pair is not taken')
    cpSync(renewed.key, files.key)
    process.emit('SIGHUP')
    t.match(await served(), /CN=renewed\.bank/)
    t.not((await hub.token()).tlsPin, tlsPin)
    t.equal(pbx.state, 'open')
    await pbx.stop()
    pbx.start()
    await pbx.opened()
  },
)

t.test('faults of the configuration say what to do', async (t) => {
  const folder = folderOf(t, { 'not.pem': 'x' })
  const { certificate, key } = selfSigned(folder)
  const other = selfSigned(folder, 'other')
  const start = (environment: Record<string, string>) =>
    ListeningHub.start(join(folder, 'hub'), environment)
  const check = (certificate: string, key: string, message: RegExp) =>
    t.rejects(start({ CALLWARD_TLS_CERTIFICATE: certificate, CALLWARD_TLS_KEY: key }), message)
  await check(certificate, other.key, /not the private key of/)
  await check(join(folder, 'not.pem'), key, /holds no certificate/)
  await check(certificate, join(folder, 'none'), /cannot be read \(ENOENT\).*CALLWARD_TLS_KEY/)
  await t.rejects(start({ CALLWARD_TLS_CERTIFICATE: certificate }), /tls.*CALLWARD_TLS_KEY/)
  const pbx = new EnrolledHost(join(folder, 'pbx'), '/nonexistent')
  await t.rejects(
    pbx.enrol({ url: 'http://127.0.0.1:1' } as ListeningHub, 'x', {
      token: 'x',
      hubKey: 'x',
      tlsPin: null,
    }),
    /does not answer at http:\/\/127\.0\.0\.1:1 \(ECONNREFUSED\)/,
  )
})

t.test('a lost answer: the same key is registered once, and the host has it', async (t) => {
  const folder = folderOf(t)
  let lost = 0
  const before = (app: FastifyInstance) =>
    void app.addHook('onSend', async (request) => {
      // The registration is durable by now.
      if (request.method === 'POST' && request.url === '/api/v1/enrolments' && ++lost <= 2)
        request.raw.socket.destroy()
    })
  const hub = await ListeningHub.start(join(folder, 'hub'), {}, { before })
  t.teardown(() => hub.stop())
  const pbx = new EnrolledHost(join(folder, 'pbx'), machineRoot(folder, 'machine-a'))
  t.teardown(() => pbx.session?.close('over'))
  await pbx.enrol(hub, 'pbx-1')
  t.equal(lost, 3)
  pbx.start()
  await pbx.opened()
  t.match(await hub.enrolment('pbx-1'), { sessions: 1, state: 'active' })
  t.equal(await hub.metric('callward_enrolments', '{state="active"}'), 1)
  t.equal(await hub.metric('callward_enrolment_token_refusals_total', '{reason="used"}'), 0)
  writeFileSync(join(folder, 'blocked'), 'a file')
  const made = await hub.token()
  const blocked = new EnrolledHost(join(folder, 'blocked'), pbx.root)
  await t.rejects(blocked.enrol(hub, 'pbx-3', made), /cannot write to its folder.*CALLWARD_DATA/)
  t.match(await hub.api('GET', '/api/v1/enrolments'), { tokens: [{ state: 'waiting' }, {}] })
  lost = Number.NEGATIVE_INFINITY
  const late = new EnrolledHost(join(folder, 'late'), machineRoot(folder, 'machine-a'))
  await t.rejects(late.enrol(hub, 'pbx-2'), /closed the connection|did not answer/, 'not for ever')
})

t.test('two collectors of one folder take turns; neither is called a clone', async (t) => {
  const { hub, host } = await tlsHub(t)
  const pbx = host('pbx')
  await pbx.enrol(hub, 'pbx-1')
  pbx.start()
  await pbx.opened()
  const second = new EnrolledHost(pbx.data, pbx.root)
  t.teardown(() => second.session?.close('over'))
  second.start()
  await second.opened()
  t.match(await pbx.refused(), /another collector uses this identity/)
  await second.stop()
  await pbx.opened()
  t.match(await hub.enrolment('pbx-1'), { refusals: 0, connected: true, sessions: 3 })
})

t.test('nobody writes an enrolled host’s series, or the hub’s, by a token', async (t) => {
  const { hub, host } = await tlsHub(t)
  const pbx = host('pbx')
  const { token } = await hub.app.access.people.createToken('telegraf', 'collector', '')
  const line = async (name: string, instance: string, job: string) => {
    const answer = await hub.app.inject({
      method: 'POST',
      url: '/influx/write',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'text/plain' },
      payload: `${name},instance=${instance},job=${job} value=1`,
    })
    return answer.statusCode
  }
  t.equal(await line('callward_collector_up', 'pbx-1', 'callward'), 204, 'before it is enrolled')
  await pbx.enrol(hub, 'pbx-1')
  pbx.start()
  await pbx.opened()
  t.equal(await line('callward_collector_up', 'pbx-1', 'callward'), 400, 'not even what was known')
  t.equal(await line('node_load1', 'pbx-1', 'callward'), 400)
  t.equal(await line('callward_collector_refused', 'hub', 'callward-hub'), 400)
  t.equal(await line('nginx_requests', 'pbx-1', 'telegraf'), 204, 'under a job of its own')
  t.equal(await line('node_load1', 'pbx-2', 'callward'), 204, 'a host without a key')
})
