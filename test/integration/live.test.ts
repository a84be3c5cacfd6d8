import { connect as connectSocket } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { WebSocket } from 'ws'
import { pruneQueues, queuedAfter, queueEnds } from '../../server/live/live-store.ts'
import { openPostgresRecords } from '../../server/records/postgres-records.ts'
import { openSqliteRecords } from '../../server/records/sqlite-records.ts'
import { folderOf } from '../helpers/folder.ts'
import { postgresPrograms, startPostgres } from '../helpers/postgres.ts'
import fc from '../helpers/property.ts'
import { addStaff, connect, type LiveClient, type LiveHub, startLiveHub } from './live-hub.ts'

const records = await openSqliteRecords({ path: join(folderOf(t, {}), 'records.sqlite') })
await addStaff(records)
t.teardown(() => records.close())

async function withHub(
  t: { teardown(work: () => unknown): void },
  options: Parameters<typeof startLiveHub>[1] = {},
): Promise<LiveHub> {
  const hub = await startLiveHub(records, options)
  t.teardown(() => hub.close())
  return hub
}

function range(first: number, last: number): number[] {
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => first + index)
}

async function head(person = 'p-ines'): Promise<number> {
  return (await queueEnds(records, person)).sequence
}

async function caughtUp(client: LiveClient, sequence: number): Promise<void> {
  await client.seen(
    (frame) => frame.type === 'message' && frame.sequence === sequence,
    `message ${sequence}`,
  )
}

t.test('publish queues for enabled staff only, inside the transaction', async (t) => {
  const hub = await withHub(t)
  const before = await head()
  await hub.publish({ change: 'firing', text: 'Trunk “A” lost 中继' })
  t.equal(await head(), before + 1)
  t.equal(await head('p-carl'), before + 1)
  t.equal(await head('p-grafana'), 0, 'a program gets nothing')
  t.equal(await head('p-gone'), 0, 'a disabled person gets nothing')
  await t.rejects(
    records.write(async (tx) => {
      await hub.app.live.publish(tx, { kind: 'alert', at: 1, body: {} })
      throw new Error('rolled back')
    }),
    { message: 'rolled back' },
  )
  t.equal(await head(), before + 1, 'what is rolled back was never queued')
  await records.write(async (tx) => {
    await hub.app.live.publish(tx, { kind: 'alert', at: 5, body: { n: 1 } })
    await hub.app.live.publish(tx, { kind: 'incident', at: 6, body: { n: 2 } })
  })
  const rows = await queuedAfter(records, 'p-ines', before + 1, 10)
  t.same(rows, [
    { sequence: before + 2, at: 5, kind: 'alert', body: '{"n":1}' },
    { sequence: before + 3, at: 6, kind: 'incident', body: '{"n":2}' },
  ])
  await t.rejects(
    records.write((tx) => hub.app.live.publish(tx, { kind: 'alert', at: 1, body: undefined })),
    /BUG/,
  )
})

t.test('welcome, follow, resume, receipts, two sockets of one person', async (t) => {
  const hub = await withHub(t, { simulated: true })
  const start = await head()
  const one = await connect(hub)
  t.match(one.frames[0], {
    type: 'welcome',
    name: 'ines',
    role: 'operator',
    sequence: start,
    oldest: 1,
    hub: { simulated: true, version: /^\d/ },
  })
  one.send({ type: 'subscribe' })
  // An answered ping shows that the subscription was taken.
  one.send({ type: 'ping', id: 1 })
  await one.seen(({ type }) => type === 'pong')
  await hub.publish({ change: 'firing', text: 'Trunk “A” lost 中继' })
  await hub.publish({ change: 'opened' }, 'incident')
  await caughtUp(one, start + 2)
  t.match(
    one.frames.find(({ sequence, type }) => type === 'message' && sequence === start + 1),
    { kind: 'alert', at: /^\d{4}-.*Z$/, body: { text: 'Trunk “A” lost 中继' } },
  )
  t.match(one.frames.at(-1), { kind: 'incident', sequence: start + 2 })
  const two = await connect(hub)
  two.send({ type: 'subscribe', resume: start + 1 })
  await caughtUp(two, start + 2)
  one.send({ type: 'received', sequence: start + 2 })
  one.send({ type: 'ping', id: 2 })
  await one.seen(({ id }) => id === 2)
  await hub.publish({ n: 3 })
  await Promise.all([caughtUp(one, start + 3), caughtUp(two, start + 3)])
  t.same(one.sequences(), range(start + 1, start + 3))
  t.same(two.sequences(), range(start + 2, start + 3))
  t.match(hub.app.live.listeners(), [
    { name: 'ines', sent: start + 3, received: start + 2 },
    { name: 'ines', sent: start + 3, received: 0 },
  ])
  const metrics = await hub.registry.metrics()
  t.match(metrics, 'callward_live_connections 2')
  t.match(metrics, 'callward_live_messages_total{kind="alert"} 3')
  t.match(metrics, 'callward_live_messages_total{kind="incident"} 2')
  one.socket.terminate()
  two.socket.close()
  await two.closed
})

t.test('exactly once and in order while messages are committed during replays', async (t) => {
  const hub = await withHub(t, { limits: { pageMessages: 3 }, times: { sweepMs: 3_600_000 } })
  const plans = fc.record({
    before: fc.integer({ min: 0, max: 10 }),
    back: fc.integer({ min: 0, max: 10 }),
    // Each number: how many messages are committed at once, and by how many turns of the loop the next waits.
    bursts: fc.array(
      fc.record({
        messages: fc.integer({ min: 1, max: 5 }),
        turns: fc.integer({ min: 0, max: 4 }),
        flush: fc.boolean(),
      }),
      { minLength: 1, maxLength: 8 },
    ),
    subscribeAt: fc.nat(7),
  })
  await fc.assert(
    fc.asyncProperty(plans, async ({ before, back, bursts, subscribeAt }) => {
      for (let n = 0; n < before; n += 1) await hub.publish({ n })
      const client = await connect(hub)
      const resume = Math.max(0, Number(client.frames[0]?.sequence) - back)
      const commits: Promise<unknown>[] = []
      for (const [index, { messages, turns, flush }] of bursts.entries()) {
        if (index === Math.min(subscribeAt, bursts.length - 1))
          client.send({ type: 'subscribe', resume })
        for (let n = 0; n < messages; n += 1) {
          const commit = records.write((tx) =>
            hub.app.live.publish(tx, { kind: 'alert', at: n, body: { index, n } }),
          )
          commits.push(flush ? commit.then(() => hub.app.live.flush()) : commit)
        }
        for (let n = 0; n < turns; n += 1) await new Promise((resolve) => setImmediate(resolve))
      }
      await Promise.all(commits)
      hub.app.live.flush()
      const end = await head()
      await caughtUp(client, end)
      t.same(client.sequences(), range(resume + 1, end))
      client.socket.close()
      await client.closed
    }),
    { numRuns: 60 },
  )
})

t.test('two clients under a storm that reconnect at random lose and repeat nothing', async (t) => {
  const hub = await withHub(t, { limits: { pageMessages: 7 } })
  const start = await head()
  const total = 400
  const storm = (async () => {
    for (let n = 0; n < total; n += 4) {
      await Promise.all(range(1, 4).map((k) => hub.publish({ n, k })))
      await new Promise((resolve) => setImmediate(resolve))
    }
  })()
  async function follow(every: number): Promise<number[]> {
    const got: number[] = []
    let position = start
    while (position < start + total) {
      const client = await connect(hub)
      client.send({ type: 'subscribe', resume: position })
      const until = Math.min(position + every, start + total)
      await caughtUp(client, until)
      client.socket.terminate()
      await client.closed
      got.push(...client.sequences())
      position = got.at(-1) ?? position
    }
    return got
  }
  const [, ...got] = await Promise.all([storm, follow(13), follow(57)])
  for (const sequences of got) t.same(sequences, range(start + 1, start + total))
})

t.test('a wake-up that is lost is found by the sweep', async (t) => {
  const hub = await withHub(t, { times: { sweepMs: 30 } })
  const client = await connect(hub)
  client.send({ type: 'subscribe' })
  await records.write((tx) => hub.app.live.publish(tx, { kind: 'alert', at: 1, body: {} }))
  await caughtUp(client, await head())
  t.equal(client.sequences().length, 1)
  client.socket.terminate()
})

t.test('who is let in', async (t) => {
  const hub = await withHub(t, { limits: { socketsPerPerson: 2 } })
  async function refused(
    name: string,
    headers: Record<string, string>,
    expected: RegExp,
    url = hub.url,
  ) {
    await t.rejects(connect({ url }, '', headers), { message: expected }, name)
  }
  await refused(
    'no token',
    {},
    /^HTTP 401 \{"error":\{"code":"unauthorized","message":".*callward token create.*","requestId":"[0-9a-f-]{36}"\}\}$/,
  )
  await refused('wrong token', { authorization: 'Bearer nonsense' }, /^HTTP 401 /)
  await refused(
    'a program',
    { authorization: 'Bearer grafana-token' },
    /^HTTP 403 .*role grafana may not follow alerts/,
  )
  await refused(
    'cookie, foreign origin',
    { cookie: 'callward_session=ines-token', origin: 'http://evil.example' },
    /^HTTP 403 .*own pages/,
  )
  await refused('cookie, no origin', { cookie: 'callward_session=ines-token' }, /^HTTP 403 /)
  await refused(
    'foreign host',
    { authorization: 'Bearer ines-token', host: 'evil.example' },
    /^HTTP 421 /,
  )
  await refused(
    'another path',
    { authorization: 'Bearer ines-token' },
    /^HTTP 404 .*the hub serves \/live/,
    hub.url.replace('/live', '/elsewhere'),
  )
  const cookie = await connect(hub, '', {
    cookie: 'callward_session=ines-token',
    origin: `http://127.0.0.1:${hub.port}`,
  })
  const second = await connect({ url: `${hub.url}?tab=2` })
  await refused(
    'a third socket of one person',
    { authorization: 'Bearer ines-token' },
    /^HTTP 429 .*close a tab/,
  )
  t.match(
    await plainUpgrade(hub.port, 'h2c'),
    /^HTTP\/1.1 400 Bad Request[\s\S]*"bad_request"/,
    'another protocol',
  )
  t.match(await hub.registry.metrics(), /callward_live_refused_total\{reason="unauthorized"\} 2/)
  cookie.socket.close()
  second.socket.close()
  await Promise.all([cookie.closed, second.closed])
  const narrow = await withHub(t, { maxSockets: 1 })
  const only = await connect(narrow)
  await t.rejects(connect(narrow, 'carl-token'), { message: /^HTTP 503 .*limit of 1 open/ })
  only.socket.terminate()
  await until(() => narrow.app.upgrades.open === 0)
  const again = await connect(narrow, 'carl-token')
  again.socket.terminate()
})

async function plainUpgrade(port: number, protocol: string): Promise<string> {
  const socket = connectSocket(port, '127.0.0.1')
  socket.write(
    `GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`,
  )
  let text = ''
  for await (const part of socket) text += String(part)
  return text
}

async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`not in 10 s: ${holds.toString()}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

t.test('a token that is revoked ends the connection, a failing check does not', async (t) => {
  const hub = await withHub(t, { times: { recheckMs: 20 } })
  const client = await connect(hub)
  const carl = await connect(hub, 'carl-token')
  hub.tokens.delete('ines-token')
  t.match(await client.closed, { code: 4401, reason: /sign in again/ })
  t.equal(carl.socket.readyState, WebSocket.OPEN)
  hub.tokens.set('carl-token', { ...hub.tokens.get('carl-token')!, role: 'collector' })
  t.match(await carl.closed, { code: 4403 })
  await until(() => hub.app.live.listeners().length === 0)
})

t.test('bad frames, large frames, fast frames', async (t) => {
  const hub = await withHub(t)
  const bad = await connect(hub)
  for (const text of ['{', 'null', Buffer.from('binary')]) bad.send(text)
  t.match(await bad.closed, { code: 4400, reason: /3 frames in a row/ })
  t.equal(bad.frames.filter(({ code }) => code === 'bad_frame').length, 3)
  const large = await connect(hub)
  large.send({ type: 'ping', id: 'x'.repeat(100_000) })
  t.match(await large.closed, { code: 1009 })
  const fits = await connect(hub)
  fits.send({ type: 'dance', fill: 'x'.repeat(65_000) })
  await fits.seen(({ code }) => code === 'unknown_type')
  for (let n = 0; n < 60; n += 1) fits.send({ type: 'ping', id: n })
  await fits.seen(({ code }) => code === 'too_many_requests')
  t.ok(fits.frames.filter(({ type }) => type === 'pong').length <= 40, 'at most two seconds’ worth')
  for (let n = 0; n < 2100; n += 1) fits.send({ type: 'received', sequence: 0 })
  t.ok([4429, 4400].includes((await fits.closed).code))
  t.match(await hub.registry.metrics(), 'callward_live_refused_total{reason="frame_too_large"} 1')
})

t.test('acknowledging by operator and auditor', async (t) => {
  const hub = await withHub(t)
  const ines = await connect(hub)
  const carl = await connect(hub, 'carl-token')
  ines.send({ type: 'acknowledge', target: 'alert', fingerprint: 'f1' })
  ines.send({ type: 'acknowledge', target: 'incident', id: 'i1' })
  await ines.seen(({ type, id }) => type === 'acknowledged' && id === 'i1')
  t.match(ines.frames.slice(1), [
    { target: 'alert', fingerprint: 'f1' },
    { target: 'incident', id: 'i1' },
  ])
  carl.send({ type: 'acknowledge', target: 'alert', fingerprint: 'f2' })
  t.match(await carl.seen(({ type }) => type === 'error'), { code: 'forbidden', fingerprint: 'f2' })
  ines.send({ type: 'acknowledge', target: 'alert', fingerprint: 'missing' })
  t.match(await ines.seen(({ code }) => code === 'not_found'), {
    message: 'No such alert is firing.',
    fingerprint: 'missing',
  })
  ines.send({ type: 'acknowledge', target: 'incident', id: 'broken' })
  t.notMatch(
    await ines.seen(({ code }) => code === 'internal'),
    { message: /secret/ },
    'the reason stays in the log',
  )
  t.same(hub.acknowledged, ['alert f1 by ines', 'incident i1 by ines'])
  ines.socket.close()
  carl.socket.close()
})

t.test('a client that does not read is closed and resumes without loss', async (t) => {
  const hub = await withHub(t, {
    limits: { bufferedBytes: 200_000, stalledMs: 50, pageMessages: 8 },
  })
  const slow = await connect(hub)
  const brisk = await connect(hub, 'carl-token')
  const start = await head()
  const startOfCarl = await head('p-carl')
  slow.send({ type: 'subscribe' })
  brisk.send({ type: 'subscribe' })
  slow.send({ type: 'ping' })
  await slow.seen(({ type }) => type === 'pong')
  slow.socket.pause()
  let count = 0
  while (
    hub.app.live.listeners().some(({ name }) => name === 'ines') &&
    !(await hub.registry.metrics()).includes('reason="slow"')
  ) {
    await hub.publish({ fill: 'x'.repeat(400_000) })
    count += 1
    if (count > 300) throw new Error('never closed')
  }
  slow.socket.resume()
  t.match(await slow.closed, { code: 4408, reason: /resume/ })
  const last = slow.sequences().at(-1) ?? start
  t.same(slow.sequences(), range(start + 1, last), 'what it got is whole')
  t.ok(last < start + count, 'and not all')
  const back = await connect(hub)
  back.send({ type: 'subscribe', resume: last })
  await caughtUp(back, start + count)
  t.same(
    back.sequences(),
    range(last + 1, start + count),
    'the replay paces itself: one connection is enough',
  )
  await caughtUp(brisk, startOfCarl + count)
  t.same(brisk.sequences(), range(startOfCarl + 1, startOfCarl + count), 'nobody else waits')
  back.socket.close()
  brisk.socket.close()
})

t.test('a dead client is found by the heartbeat, a living one stays', async (t) => {
  const hub = await withHub(t, { times: { pingMs: 40 } })
  const dead = await connect(hub)
  const living = await connect(hub, 'carl-token')
  dead.socket.pause()
  await until(() => hub.app.live.listeners().length === 1)
  t.match(hub.app.live.listeners(), [{ name: 'carl' }])
  t.equal(living.socket.readyState, WebSocket.OPEN)
  dead.socket.terminate()
  living.socket.terminate()
})

t.test('the hub restarts: goodbye, and the client resumes at the new one', async (t) => {
  const first = await startLiveHub(records)
  const client = await connect(first)
  const start = await head()
  client.send({ type: 'subscribe' })
  await first.publish({ n: 1 })
  await caughtUp(client, start + 1)
  const closing = first.close()
  t.match(await client.closed, { code: 1001, reason: /stopping/ })
  await closing
  const second = await startLiveHub(records, { port: first.port })
  await second.publish({ n: 2 })
  const back = await connect(second)
  back.send({ type: 'subscribe', resume: start + 1 })
  await caughtUp(back, start + 2)
  t.same(back.sequences(), [start + 2])
  // Whoever will not say goodbye does not hold the hub open.
  back.socket.pause()
  await second.close()
  back.socket.terminate()
})

t.test('ahead of the queue, pruned queue, pruning', async (t) => {
  const hub = await withHub(t)
  await records.write(async (tx) => {
    for (let at = 1; at <= 12; at += 1)
      await hub.app.live.publish(tx, { kind: 'alert', at, body: { at } })
  })
  const end = await head()
  const ahead = await connect(hub)
  ahead.send({ type: 'subscribe', resume: end + 5 })
  await ahead.seen(({ code }) => code === 'resume_ahead')
  await hub.publish({ n: 1 })
  await caughtUp(ahead, end + 1)
  t.same(ahead.sequences(), [end + 1])
  const dropped = await pruneQueues(records, Date.now(), 5, Number.MAX_SAFE_INTEGER)
  t.ok(dropped > 10)
  t.same(
    await queueEnds(records, 'p-ines'),
    { sequence: end + 1, oldest: end - 3 },
    'the newest five',
  )
  const late = await connect(hub)
  t.match(late.frames[0], { oldest: end - 3 })
  late.send({ type: 'subscribe', resume: 1 })
  t.match(await late.seen(({ code }) => code === 'messages_pruned'), {
    message: `Messages 2 to ${end - 4} are no longer kept; load the present state anew.`,
  })
  await caughtUp(late, end + 1)
  t.same(late.sequences(), range(end - 3, end + 1))
  await pruneQueues(records, Date.now() + 1e6, 1000, 1)
  t.same(
    await queueEnds(records, 'p-ines'),
    { sequence: end + 1, oldest: end + 1 },
    'the newest stays, however old',
  )
  await hub.publish({ n: 2 })
  t.equal(await head(), end + 2, 'and numbers go on')
  ahead.socket.close()
  late.socket.close()
})

t.test('hints reach subscribers, joined', async (t) => {
  const hub = await withHub(t, { times: { hintMs: 50 } })
  const client = await connect(hub)
  client.send({ type: 'subscribe' })
  client.send({ type: 'ping' })
  await client.seen(({ type }) => type === 'pong')
  for (let n = 0; n < 100; n += 1) hub.app.live.hint('hosts')
  hub.app.live.hint('alerts')
  await until(() => client.frames.filter(({ topic }) => topic === 'hosts').length === 2)
  t.equal(client.frames.filter(({ topic }) => topic === 'alerts').length, 1)
  client.socket.close()
})

const programs = postgresPrograms()
const required = process.env.CALLWARD_REQUIRE_PEERS === '1'
const skip = programs === undefined && !required ? 'postgresql is not installed' : false
t.test('the queues on PostgreSQL', { skip }, async (t) => {
  if (programs === undefined) throw new Error('postgresql is not installed')
  const cluster = await startPostgres(programs)
  t.teardown(() => cluster.stop())
  const postgres = await openPostgresRecords({ connectionString: await cluster.database('live') })
  await addStaff(postgres)
  const hub = await startLiveHub(postgres)
  const client = await connect(hub)
  client.send({ type: 'subscribe', resume: 0 })
  await Promise.all(range(1, 30).map((n) => hub.publish({ n, text: '断线 “x”' })))
  await caughtUp(client, 30)
  t.same(client.sequences(), range(1, 30))
  t.match(client.frames.at(-1), { kind: 'alert', at: /Z$/, body: { text: '断线 “x”' } })
  t.equal(await pruneQueues(postgres, Date.now(), 10, Number.MAX_SAFE_INTEGER), 40)
  t.same(await queueEnds(postgres, 'p-ines'), { sequence: 30, oldest: 21 })
  client.socket.terminate()
  await hub.close()
  await postgres.close()
})
