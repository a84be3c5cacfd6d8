import { createHash, createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import canonicalize from 'canonicalize'
import t, { type Test } from 'tap'
import { folderOf } from '../helpers/folder.ts'
import { IncidentDesk, minute } from './incident-desk.ts'

t.test('what the hub knows is frozen when an incident opens, and after its recovery', async (t) => {
  const desk = await IncidentDesk.start(t)
  const packages = (asterisk: string) => ({ manager: 'dpkg', packages: { asterisk, bash: '5.2' } })
  const backups = {
    posture: 'unprotected',
    jobs: [
      {
        ...{ name: 'recordings', posture: 'unprotected', lastSuccessAt: '2026-01-01T00:00:00Z' },
        reasons: [{ code: 'late', posture: 'unprotected', text: 'no copy for 9 days' }],
      },
    ],
  }
  await desk.host('pbx-01', { packages: packages('20.1'), backups })
  // The same host tells another version: seen, and covered by no change record.
  await desk.host('pbx-01', { packages: packages('20.2') })
  const disk = { mountpoint: '/var' }
  const falling = Array.from({ length: 60 }, (_, index) => Math.max(1e8, 6e10 - index * 2e9))
  await desk.series('pbx-01', 'node_filesystem_avail_bytes', disk, falling)
  await desk.series(
    'pbx-01',
    'node_filesystem_size_bytes',
    disk,
    falling.map(() => 1e11),
  )
  await desk.series(
    'pbx-01',
    'callward_calls_attempted_total',
    {},
    falling.map((_, i) => i * 60),
  )
  await desk.series(
    'pbx-01',
    'callward_calls_failed_total',
    {},
    falling.map((_, i) => i * 6),
  )
  await desk.series('pbx-01', 'not_asked_for', {}, [1, 2, 3])
  const { alert: first } = await desk.fires('FilesystemFull', 'pbx-01', 10 * minute)

  const [frozen] = await desk.untilSo('the evidence', async () => {
    const { evidence } = await desk.evidenceOf(1)
    return evidence.length > 0 && evidence
  })
  t.match(frozen, { stage: 'detection', about: 'pbx-01 at detection' })
  const { text, body } = await desk.as('vera', 'GET', `/incidents/1/evidence/${frozen!.hash}`)
  t.equal(createHash('sha256').update(text).digest('hex'), frozen!.hash, 'the hash is of the bytes')
  t.equal(text, canonicalize(body), 'and the bytes are the canonical form')
  t.equal(Buffer.byteLength(text), frozen!.bytes)
  const [host] = body.hosts
  t.match(host, {
    instance: 'pbx-01',
    metrics: { state: 'ok', stepMillis: minute, omitted: 0 },
    versions: {
      state: 'ok',
      changes: [{ state: 'open', items: [{ subject: 'asterisk', to: '20.2' }] }],
    },
    drift: { state: 'absent' },
    backups: { state: 'ok', posture: 'unprotected', jobs: [{ name: 'recordings' }] },
    changes: { state: 'ok', records: [] },
  })
  const names = host.metrics.series.map(
    (one: { labels: { __name__: string } }) => one.labels.__name__,
  )
  t.notOk(names.includes('not_asked_for'), 'only the published series')
  const avail = host.metrics.series[names.indexOf('node_filesystem_avail_bytes')]
  t.equal(Math.min(...avail.min.filter((value: unknown) => value !== null)), 1e8)
  t.equal(avail.min.length, avail.avg.length)
  t.match(body.onCall, { state: 'absent' })
  t.match(body.similar, { state: 'ok', incidents: [] })

  const [fact] = await desk.facts(1, 'evidence')
  t.match(fact, { recordedBy: 'hub', value: { hash: frozen!.hash, bytes: frozen!.bytes } })
  const causes = await desk.facts(1, 'preliminary_cause')
  t.equal(causes.length, 2)
  t.match(causes[1], {
    ...{ certainty: 'suggestion', recordedBy: 'hub', supersedes: causes[0]!.id },
    value: {
      ...{ confidence: 'high', code: 'system_failure/hardware_capacity' },
      evidence: [frozen!.hash],
    },
  })
  const said = String(causes[1]!.value['text'])
  t.match(said, /\/var had .* % left \(high\)/)
  t.match(said, /package asterisk 20\.1 -> 20\.2 changed .* minutes before|backup recordings/)
  const impacts = await desk.facts(1, 'impact')
  t.match(impacts.at(-1), { certainty: 'suggestion', supersedes: impacts[0]!.id })
  t.same(impacts.at(-1)!.value['services'], impacts[0]!.value['services'], 'the scope is kept')
  const { callsAttempted, callsFailed } = impacts.at(-1)!.value as Record<string, number>
  t.ok(callsAttempted! >= 540 && callsAttempted! <= 720, `${callsAttempted} in ten minutes`)
  t.ok(callsFailed! >= 54 && callsFailed! <= 72)

  // A person says the cause; the next freeze suggests beside it and never over it.
  const cause = { text: 'the recordings were not moved', confidence: 'high' }
  const added = await desk.as('ines', 'POST', '/incidents/1/facts', {
    facts: [{ kind: 'preliminary_cause', value: cause, supersedes: causes[1]!.id }],
  })
  t.equal(added.status, 200, added.text)
  await desk.retire('pbx-01')
  await desk.recovers(first)
  desk.clock.ahead += 5 * minute + 1000
  await desk.untilSo('the recovery', async () => {
    const { owed } = await desk.evidenceOf(1)
    return owed.some(({ stage }) => stage.startsWith('recovery '))
  })
  t.equal((await desk.evidenceOf(1)).evidence.length, 1, 'not before the 15 minutes')
  desk.clock.ahead += 16 * minute
  await desk.untilSo(
    'the second freeze',
    async () => (await desk.evidenceOf(1)).evidence.length === 2,
  )
  t.same((await desk.evidenceOf(1)).owed, [])
  const after = await desk.facts(1, 'preliminary_cause')
  t.equal(after.find(({ certainty }) => certainty === 'actual')!.value['text'], cause.text)
  t.ok(
    after.every(({ id, certainty }) => {
      const by = after.find(({ supersedes }) => supersedes === id)
      return certainty === 'suggestion' || by === undefined || by.certainty === 'actual'
    }),
    'no suggestion supersedes what a person said',
  )

  // The same alert again, of a host nobody knows: the first incident is named with why it is alike.
  const trunk = await desk.fires('TrunkDown', 'gw-09')
  await desk.recovers(trunk.alert)
  desk.clock.ahead += 6 * minute
  await desk.untilSo('restored', async () => {
    const { body } = await desk.as('vera', 'GET', `/incidents/${trunk.number}`)
    return body.incident.workflowState === 'restored'
  })
  desk.clock.ahead += 20 * minute
  const { number } = await desk.fires('TrunkDown', 'gw-09')
  t.ok(number > trunk.number, 'another incident')
  const again = await desk.untilSo('evidence of the second', async () => {
    const { evidence } = await desk.evidenceOf(number)
    return evidence[0]
  })
  const second = await desk.as('vera', 'GET', `/incidents/${number}/evidence/${again.hash}`)
  t.match(second.body.similar.incidents[0], {
    number: trunk.number,
    reasons: ['same alert', 'same rule', 'same host', 'same service'],
  })
  t.match(second.body.hosts, [{ instance: 'gw-09', metrics: { state: 'absent' } }])
  t.equal((await desk.as('vera', 'GET', `/incidents/1/evidence/${again.hash}`)).status, 404)

  // Somebody edits what was frozen.
  await desk.app.records.write((tx) =>
    tx
      .updateTable('incident_evidence')
      .set({ body: 'H4sIAAAAAAAAA6uuBQBDv6ajAgAAAA==' })
      .where('hash', '=', again.hash)
      .execute(),
  )
  t.match(await desk.as('vera', 'GET', `/incidents/${number}/evidence/${again.hash}`), {
    status: 409,
    body: { error: { message: /was changed outside of the hub/ } },
  })
  t.match((await desk.as('vera', 'GET', '/evidence/rules')).body, {
    suggestions: [{ rule: 'certificate_expired' }],
  })
})

interface Received {
  readonly headers: IncomingMessage['headers']
  readonly text: string
}

async function receiver(t: Test, answers: number[]): Promise<{ url: string; got: Received[] }> {
  const got: Received[] = []
  const server = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    got.push({ headers: request.headers, text })
    response.writeHead(answers.shift() ?? 204).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, got }
}

t.test('other systems are told, signed, at least once and under one key', async (t) => {
  const { url, got } = await receiver(t, [500])
  const secret = 'a secret of sixteen'
  const webhooks = [
    { name: 'desk', url, secret, events: ['recorded', 'acknowledged'] },
    { name: 'inside', url: 'http://169.254.169.254/latest', secret, events: ['recorded'] },
  ]
  const desk = await IncidentDesk.start(t, { notifyAllow: ['127.0.0.1'], incidents: { webhooks } })
  const message = {
    ...{ id: 'INC-77', summary: 'no calls', service: 'telephony', host: 'pbx-01', priority: 'P1' },
    ...{ started_at: '2026-01-05T08:00:00Z', whatever: { else: 1 } },
  }
  const made = await desk.as('ines', 'POST', '/incidents/webhook', message)
  t.equal(made.status, 201, made.text)
  t.match(made.body.incident, { number: 1, title: 'no calls', severity: 'sev1' })
  t.match(await desk.facts(1, 'opened'), [{ value: { how: 'webhook', discovery: 'monitoring' } }])
  t.match(await desk.facts(1, 'occurred'), [{ occurredAt: '2026-01-05T08:00:00.000Z' }])
  t.match((await desk.as('ines', 'POST', '/incidents/webhook', message)).body.incident, {
    number: 1,
  })
  t.match(await desk.as('ines', 'POST', '/incidents/webhook', { title: 'x' }), {
    status: 422,
    body: { error: { message: /lacks one of services, service, component/ } },
  })
  t.equal((await desk.as('vera', 'POST', '/incidents/webhook', message)).status, 403)

  await desk.untilSo('the first try', async () => got.length > 0)
  desk.clock.ahead += 5 * minute
  await desk.untilSo('the second try', async () => got.length > 1)
  await desk.as('jonas', 'POST', '/incidents/1/acknowledge', {})
  await desk.as('jonas', 'POST', '/incidents/1/notes', { text: 'looking at it' })
  await desk.untilSo('the acknowledgement', async () => got.length > 2)
  t.same(
    got.map(({ text }) => JSON.parse(text).event),
    ['recorded', 'recorded', 'acknowledged'],
    'tried again after a 500; no note, which nobody asked for',
  )
  t.equal(got[0]!.headers['idempotency-key'], got[1]!.headers['idempotency-key'])
  t.equal(got[0]!.text, got[1]!.text)
  for (const { headers, text } of got) {
    const hmac = createHmac('sha256', secret).update(`${headers['callward-timestamp']}.${text}`)
    t.equal(headers['callward-signature'], `v1=${hmac.digest('hex')}`)
    t.notMatch(text, /looking at it/)
  }
  const { body } = await desk.as('vera', 'GET', '/incidents/webhooks')
  t.notMatch(JSON.stringify(body), new RegExp(secret), 'no secret is shown')
  t.match(
    body.messages.find(({ webhook }: { webhook: string }) => webhook === 'inside'),
    { state: 'waiting', answer: /not|allow|local|inside|private/i },
    'not to where the hub may not connect',
  )
  desk.clock.ahead += 4 * 86_400_000
  await desk.untilSo('given up', async () => {
    const now = (await desk.as('vera', 'GET', '/incidents/webhooks')).body
    return now.webhooks.every(({ waiting }: { waiting: number }) => waiting === 0)
  })
})

t.test('a configuration of webhooks that cannot be used', async (t) => {
  const secret = 'a secret of sixteen'
  const twice = [
    { name: 'desk', url: 'https://a.example', secret },
    { name: 'desk', url: 'https://b.example', secret },
  ]
  const folder = folderOf(t)
  await t.rejects(
    IncidentDesk.start(t, { incidents: { webhooks: twice } }, folder),
    /incidents\.webhooks: "desk" is there twice/,
  )
  await t.rejects(
    IncidentDesk.start(
      t,
      { incidents: { webhooks: [{ name: 'x', url: 'ftp://a', secret }] } },
      folder,
    ),
    /incidents/,
  )
})
