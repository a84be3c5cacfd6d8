import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { packageRoot } from '../../server/assets.ts'
import { TestHub, until } from '../helpers/hub.ts'
import { postgresPrograms, startPostgres } from '../helpers/postgres.ts'

interface Shown {
  readonly id: string
  readonly fingerprint: string
  readonly rule: string
  readonly group: string
  readonly state: string
  readonly acknowledgedBy: string | null
  readonly annotations: Readonly<Record<string, string>>
}

interface Silence {
  readonly id: string
  readonly state: string
  readonly createdBy: string
  readonly endsAt: string
  readonly hidesCount: number
  readonly hides: readonly { readonly rule: string }[]
}

const minutes = (count: number) => new Date(Date.now() + count * 60_000).toISOString()
const trunk = { alertname: 'TrunkDown', severity: 'critical', instance: 'sbc-1' }
const fixture = join(packageRoot, 'test/fixtures/alertmanager/grafana-webhook.json')

async function startHub(t: Test, environment: Record<string, string>, settings: object = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'callward-alertmanager-'))
  const config = join(folder, 'callward.yaml')
  writeFileSync(config, JSON.stringify({ hub: settings }))
  const hub = await TestHub.start(join(folder, 'data'), { ...environment, CALLWARD_CONFIG: config })
  t.teardown(async () => {
    await hub.stop()
    rmSync(folder, { recursive: true, force: true })
  })
  return hub
}

const post = (hub: TestHub, alerts: readonly object[]) =>
  hub.api('/am/api/v2/alerts', { method: 'POST', body: alerts })

/** Posted ones; the hub's own rules may fire beside them. */
async function firing(hub: TestHub): Promise<readonly Shown[]> {
  const { alerts } = await hub.api<{ alerts: Shown[] }>('/api/v1/alerts')
  return alerts.filter(({ group }) => group === 'external')
}

async function pageStates(hub: TestHub): Promise<string[]> {
  const path = '/api/v1/pages?state=all'
  const { pages } = await hub.api<{ pages: { title: string; state: string }[] }>(path)
  return pages.map(({ title, state }) => `${title} ${state}`)
}

/** What was answered with success is there after kill -9, with its acknowledgement, its silence and its end. */
async function story(t: Test, environment: Record<string, string>): Promise<void> {
  const hub = await startHub(t, environment)
  const silences = async (state = 'standing') =>
    (await hub.api<{ silences: Silence[] }>(`/api/v1/silences?state=${state}`)).silences

  await post(hub, [
    { labels: trunk, annotations: { summary: 'Trunk 1 is down' }, generatorURL: 'http://p/graph' },
    { labels: { alertname: 'Batch', severity: 'info' }, endsAt: minutes(600) },
  ])
  const [alert] = await firing(hub)
  t.match(alert, { rule: 'TrunkDown', group: 'external', state: 'firing' })
  t.same(await pageStates(hub), ['Trunk 1 is down open'])
  await hub.api(`/api/v1/alerts/${alert!.fingerprint}/acknowledge`, { method: 'POST', body: {} })
  const body = {
    matchers: 'alertname="DiskFull", instance="db-1"',
    reason: 'The disk is being replaced',
    minutes: 60,
    untilResolved: true,
  }
  const { silence } = await hub.api<{ silence: Silence }>('/api/v1/silences', {
    method: 'POST',
    body,
  })
  await post(hub, [{ labels: { alertname: 'DiskFull', severity: 'critical', instance: 'db-1' } }])

  await hub.program.kill('SIGKILL')
  await hub.restart()
  const after = (await firing(hub)).find(({ rule }) => rule === 'TrunkDown')
  t.match(after, { id: alert!.id, acknowledgedBy: 'bootstrap' })
  t.same(await pageStates(hub), ['Trunk 1 is down acknowledged'], 'the disk is silenced')
  const v2 = await hub.api<Record<string, unknown>[]>('/am/api/v2/alerts?filter=alertname=Batch')
  t.ok(Date.parse(String(v2[0]?.['endsAt'])) > Date.now() + 9 * 3_600_000, 'its end was kept')
  t.match(await silences(), [{ id: silence.id, hidesCount: 1, hides: [{ rule: 'DiskFull' }] }])
  await post(hub, [{ labels: trunk, annotations: { summary: 'Trunk 1 is down' } }])
  t.equal((await firing(hub)).find(({ rule }) => rule === 'TrunkDown')?.id, alert!.id)

  await post(hub, [
    { labels: trunk, startsAt: minutes(-2), endsAt: minutes(-0.01) },
    {
      labels: { alertname: 'DiskFull', severity: 'critical', instance: 'db-1' },
      endsAt: minutes(-0.01),
    },
  ])
  await until('the page is closed', async () => (await pageStates(hub))[0]?.endsWith('closed'))
  t.same(await silences(), [], 'it ended with what it hid')
  t.match(await silences('all'), [{ id: silence.id, state: 'expired' }])

  const answer = await hub.api<{ taken: number }>('/am/grafana', {
    method: 'POST',
    body: JSON.parse(readFileSync(fixture, 'utf8')),
  })
  t.equal(answer.taken, 2)
  t.match(
    (await firing(hub)).filter(({ rule }) => rule === 'TrunkLoss'),
    [{ annotations: { summary: 'Trunk to the carrier loses packets' } }],
    'the one that fires; the other is over',
  )
  t.match((await hub.fetch('/am/grafana', { method: 'POST', body: { text: 'own' } })).status, 422)
}

t.test('posted alerts and silences outlive a killed hub', async (t) => {
  await t.test('SQLite', (t) => story(t, {}))
  const programs = postgresPrograms()
  const missing = programs === undefined && process.env['CALLWARD_REQUIRE_PEERS'] !== '1'
  await t.test('PostgreSQL', { skip: missing && 'PostgreSQL is not installed' }, async (t) => {
    const cluster = await startPostgres(programs!)
    t.teardown(() => cluster.stop())
    await story(t, { CALLWARD_RECORDS: await cluster.database('alertmanager') })
  })
})

t.test('a rule of the hub comes before posts of the same labels', async (t) => {
  const rulesFolder = mkdtempSync(join(tmpdir(), 'callward-same-'))
  t.teardown(() => rmSync(rulesFolder, { recursive: true, force: true }))
  const labels = { severity: 'critical', where: 'here' }
  writeFileSync(
    join(rulesFolder, 'same.yaml'),
    JSON.stringify({
      groups: [
        {
          name: 'own',
          interval: '1s',
          rules: [
            { alert: 'Same', expr: 'vector(1) and on() (callward_external_alerts > 1)', labels },
          ],
        },
      ],
    }),
  )
  const hub = await startHub(t, {}, { rulesFolder })
  const same = { labels: { alertname: 'Same', ...labels } }
  const others = ['A', 'B', 'C'].map((alertname) => ({ labels: { alertname } }))
  const lives = async () =>
    (await hub.api<{ alerts: Shown[] }>('/api/v1/alerts?state=all')).alerts
      .filter(({ rule }) => rule === 'Same')
      .map(({ group, state }) => `${group} ${state}`)
      .sort()
  await post(hub, [same])
  t.same(await lives(), ['external firing'])
  await post(hub, others)
  const livesAre = (wanted: readonly string[]) =>
    until(wanted.join(), async () => (await lives()).join() === wanted.join())
  await livesAre(['external resolved', 'own firing'])
  await post(hub, [same])
  t.same(await lives(), ['external resolved', 'own firing'], 'a post does not count')
})

t.test('what is refused is refused in words', async (t) => {
  const hub = await startHub(t, {}, { externalAlertsMax: 10 })
  const send = async (path: string, body: unknown, token?: string, raw = false) => {
    const response = await fetch(`${hub.url}${path}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token ?? 'test-admin-token-0123456789abcdef'}`,
        'content-type': 'application/json',
      },
      body: raw ? String(body) : JSON.stringify(body),
    })
    const text = await response.text()
    return { status: response.status, text }
  }
  const alerts = (body: unknown, raw = false) => send('/am/api/v2/alerts', body, undefined, raw)

  await t.test('posts', async (t) => {
    t.match(await alerts('{"labels', true), { status: 400 })
    t.match(await alerts({ labels: trunk }), { status: 400, text: /must be a list/ })
    t.match(await alerts([]), { status: 200, text: '' })
    const mixed = await alerts([{ labels: trunk }, { labels: {} }, 7])
    t.match(mixed, { status: 400, text: /alert 1: labels: at least one.*alert 2: .*were taken/ })
    t.match(JSON.parse(mixed.text), /^alert 1/, 'a JSON text, as Alertmanager answers')
    t.equal((await firing(hub)).length, 1)
    t.match(await alerts(Array.from({ length: 10_001 }, () => 0)), {
      status: 413,
      text: /More than 10000/,
    })
    // The hub answers and hangs up before all of it is there; who is still sending then may see only the latter.
    const large = await alerts(`[${' '.repeat(17 * 1024 * 1024)}]`, true).catch(
      ({ cause }: { cause?: { code?: string } }) => ({ status: cause?.code, text: '' }),
    )
    t.ok([413, 'EPIPE', 'ECONNRESET'].includes(large.status ?? ''), `refused: ${large.status}`)
    t.match(await alerts('[{"labels":{"alertname":"A","alertname":"B"}}]', true), { status: 200 })
    t.same((await firing(hub)).map(({ rule }) => rule).sort(), ['B', 'TrunkDown'])
    t.match(await alerts('[{"labels":{"__proto__":"x","a":"b"}}]', true), { status: 400 })
  })

  await t.test('too many that are active', async (t) => {
    const many = Array.from({ length: 20 }, (_, i) => ({ labels: { ...trunk, instance: `h${i}` } }))
    t.match(await alerts(many), { status: 429, text: /too many.*ExternalAlertsFull/ })
    t.equal((await firing(hub)).length, 10)
    const metrics = await (await hub.fetch('/metrics')).text()
    t.match(metrics, /callward_external_alerts 10/)
    t.match(metrics, /callward_external_alerts_refused_total\{reason="too many active"\} 12/)
  })

  await t.test('questions', async (t) => {
    const ask = async (path: string) => {
      const response = await hub.fetch(`/am/api/v2${path}`)
      return { status: response.status, text: await response.text() }
    }
    t.match(await ask('/alerts?active=perhaps'), { status: 400, text: /active: must be true/ })
    t.match(await ask('/alerts?filter=a=~(b'), { status: 400, text: /not a regular expression/ })
    t.match(await ask('/alerts?receiver=(x'), { status: 400 })
    t.match(await ask('/alerts?active=false'), { status: 200, text: '[]' })
    t.match(await ask('/alerts?receiver=nobody'), { status: 200, text: '[]' })
    t.equal(
      JSON.parse((await ask('/alerts?receiver=on-.*&filter=instance!=hub')).text).length,
      9,
      'those that page',
    )
    t.equal(JSON.parse((await ask('/alerts/groups?filter=instance=sbc-1')).text).length, 1)
    t.match(await ask('/silence/none'), { status: 404 })
    t.match(await ask('/silences?filter=)'), { status: 400 })
    t.equal((await hub.fetch('/am/alertmanager/api/v2/status')).status, 404, 'as Grafana wishes')
    t.match(await ask('/receivers'), { status: 200, text: /on-call/ })
  })

  await t.test('silences', async (t) => {
    const operator = await hub.token('ines', 'operator')
    const set = (body: object, token?: string) => send('/api/v1/silences', body, token)
    const good = { matchers: 'instance="pbx-1"', reason: 'work', minutes: 30 }
    for (const [wrong, text] of [
      [{ reason: '' }, 'reason'],
      [{ reason: '  ' }, 'reason'],
      [{ minutes: undefined }, 'Say until when'],
      [{ endsAt: minutes(5) }, 'Say until when'],
      [{ minutes: undefined, endsAt: 'soon' }, 'RFC 3339'],
      [{ minutes: undefined, endsAt: minutes(-5) }, 'must be after startsAt|is over'],
      [{ matchers: 'instance' }, 'is not a matcher'],
      [{ matchers: [] }, 'matchers'],
      [{ matchers: 'a=""' }, 'must not match an absent label'],
      [{ during: 'nights' }, 'no time interval'],
    ] as const)
      t.match(await set({ ...good, ...wrong }), { status: 400, text: new RegExp(text) })
    const broad = { ...good, matchers: 'alertname=~".+"' }
    t.match(await set(broad), {
      status: 409,
      text: /too broad/,
    })
    const forced = { ...broad, force: true }
    t.match(await set(forced, operator), { status: 403, text: /Only an administrator/ })
    const shown = await send('/api/v1/silences/preview', { matchers: 'instance=~"h."' }, operator)
    t.match(JSON.parse(shown.text), { hidesCount: 8, critical: 8, tooBroad: null })
    t.match(await set(forced), { status: 201 })
    const { silences } = await hub.api<{ silences: Silence[] }>('/api/v1/silences')
    t.match(silences, [{ createdBy: 'bootstrap' }])
    t.ok(silences[0]!.hidesCount >= 10, 'all that were posted')
    const path = `/api/v1/silences/${silences[0]!.id}`
    const longer = await send(`${path}/extend`, { minutes: 60 }, operator)
    t.equal(
      Date.parse(JSON.parse(longer.text).silence.endsAt) - Date.parse(silences[0]!.endsAt),
      3_600_000,
    )
    t.match(await send(`${path}/end`, {}, operator), { status: 200, text: /expired/ })
    t.match(await send(`${path}/extend`, { minutes: 60 }), { status: 409, text: /has ended/ })
    t.match(await send(`${path}/end`, {}), { status: 200 }, 'again has no second effect')
    t.match(await send('/api/v1/silences/none/end', {}), { status: 404 })
    const auditor = await hub.token('otto', 'auditor')
    t.match(await set(good, auditor), { status: 403 })
    const v2 = { matchers: [{ name: 'instance', value: 'x' }], endsAt: minutes(5), comment: 'c' }
    for (const role of ['collector', 'grafana']) {
      const token = await hub.token(`a ${role}`, role)
      t.match(await send('/am/api/v2/silences', v2, token), { status: 403 })
      t.match(await send('/am/api/v2/alerts', [], token), { status: 200 })
    }
    t.match(await send('/am/api/v2/alerts', [], auditor), { status: 403 })
    const id = JSON.parse((await send('/am/api/v2/silences', v2)).text).silenceID
    const moved = { ...v2, id, matchers: [{ name: 'instance', value: 'y' }] }
    const other = JSON.parse((await send('/am/api/v2/silences', moved)).text).silenceID
    t.not(other, id, 'with other matchers it is another one')
    const all = await hub.api<{ id: string; status: { state: string } }[]>('/am/api/v2/silences')
    t.match(
      all.map((one) => `${one.id === other ? 'new' : 'old'} ${one.status.state}`).slice(0, 2),
      ['new active', 'old expired'],
    )
    t.match(await send('/am/api/v2/silences', { ...v2, id: 'unknown' }), { status: 404 })
  })
})
