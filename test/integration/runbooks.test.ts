import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { packageRoot } from '../../server/assets.ts'
import { readRunbook, readRunbookFile } from '../../server/knowledge/runbook.ts'
import { useReport } from '../../server/knowledge/runbook-use.ts'
import { openSqliteRecords } from '../../server/records/sqlite-records.ts'
import { folderOf } from '../helpers/folder.ts'
import { adminToken, TestHub, until } from '../helpers/hub.ts'
import { terminalOf } from '../helpers/terminal.ts'

const head = (more = '') =>
  `---\nalert: Full\ntitle: Disk\nseverity: critical\nroles: [on-call]\nestimated_minutes: 5\nsteps: [{id: look, text: Look}]\n${more}---\nText`

t.test('front matter is taken whole or refused with what to write', async (t) => {
  const whole = readRunbook(
    'Full',
    head(
      `checks: [{id: room, text: Room, query: 'up{instance="$instance"}'}]\ncontacts: [{who: Desk, how: "17"}]\ncustomer_text: {en: Sorry, zh: 抱歉}\n`,
    ),
  )
  t.match(whole, {
    checks: [{ id: 'room', text: 'Room', query: 'up{instance="$instance"}' }],
    contacts: [{ who: 'Desk', how: '17' }],
    customerText: { en: 'Sorry', zh: '抱歉' },
  })
  t.match(readRunbook('Full', head()), { checks: [], contacts: [], customerText: {} })
  const wrong: [string, RegExp][] = [
    ['check: []\n', /check: is not known/],
    ['checks: [{id: look, text: x}]\n', /^checks: .*example/],
    ['checks: [{id: a, text: x, promql: up}]\n', /^checks:/],
    ['checks: {id: a}\n', /^checks:/],
    ['contacts: [{who: Desk}]\n', /^contacts:/],
    ['customer_text: {de: x}\n', /^customer_text:/],
    ['customer_text: sorry\n', /^customer_text:/],
    ['customer_text: {en: ""}\n', /^customer_text:/],
  ]
  for (const [more, message] of wrong)
    t.throws(() => readRunbook('Full', head(more)), message, more)
  t.throws(() => readRunbookFile('Full', Buffer.from([0x2d, 0xff])), /not UTF-8/)
  t.throws(() => readRunbookFile('Full', Buffer.alloc(256 * 1024 + 1, 32)), /over 262144 bytes/)
  const bytes = Buffer.from(head().replace('Text', 'Tệp'))
  t.equal(readRunbookFile('Full', bytes).hash, createHash('sha256').update(bytes).digest('hex'))
})

t.test('what is used, what is missing', async (t) => {
  const runbooks = [
    readRunbook('Full', head()),
    readRunbook('Never', head().replace('alert: Full', 'alert: Never')),
  ]
  const rule = (name: string, kind: 'alert' | 'record', url?: string) => ({
    kind,
    name,
    labels: { severity: 'critical' },
    annotations: url === undefined ? {} : { runbook_url: url },
  })
  const group = (name: string, rules: object[]) => ({ name, file: `${name}.yaml`, rules })
  const groups = [
    group('a', [
      rule('Full', 'alert'),
      rule('Wild', 'alert', 'https://hub/runbooks/Wild'),
      rule('x:y', 'record'),
    ]),
    group('b', [rule('Wild', 'alert'), rule('Abroad', 'alert', 'https://wiki/abroad')]),
  ]
  const use = { name: 'Full', incidents: 2, pinned: 1, opened: 0, lastUsedAt: 7 }
  const gone = { ...use, name: 'Gone' }
  const report = useReport(groups as never, runbooks, [gone, use])
  t.match(report.rulesWithoutRunbook, [
    { rule: 'Abroad', elsewhere: 'https://wiki/abroad' },
    { rule: 'Wild', group: 'a', elsewhere: null },
  ])
  t.equal(report.rulesWithoutRunbook.length, 2)
  t.same(
    report.neverUsed.map(({ name }) => name),
    ['Never'],
  )
  t.match(report.used, [
    { name: 'Full', runbook: { title: 'Disk' } },
    { name: 'Gone', runbook: undefined },
  ])
})

interface Use {
  readonly rulesWithoutRunbook: { rule: string }[]
  readonly neverUsed: { name: string }[]
  readonly used: { name: string; incidents: number; opened: number }[]
}

const serviceDown = readFileSync(join(packageRoot, 'runbooks/ServiceDown.md'))
const hashNow = createHash('sha256').update(serviceDown).digest('hex')

/** A hub with an incident of a service that is down, and a figure to ask for. */
async function scene(t: Test): Promise<TestHub> {
  const data = join(folderOf(t), 'data')
  const hub = await TestHub.start(data)
  t.teardown(() => hub.stop())
  const labels = {
    alertname: 'ServiceDown',
    severity: 'critical',
    instance: 'pbx-"1"',
    server: 'pbx-1',
  }
  const annotations = { summary: 'Tổng đài: sự cố 中继故障', description: 'Транк не отвечает' }
  await hub.api('/am/api/v2/alerts', { method: 'POST', body: [{ labels, annotations }] })
  await until('the incident is there', async () => {
    const { incidents } = await hub.api<{ incidents: unknown[] }>('/api/v1/incidents')
    return incidents.length === 1
  })
  return hub
}

t.test(
  'runbooks of a hub: use, live answers, versions; search, by REST and in the terminal',
  async (t) => {
    const hub = await scene(t)
    const use = () => hub.api<Use>('/api/v1/runbook-use')
    const before = await use()
    t.same(before.rulesWithoutRunbook, [], 'every rule that ships has its runbook')
    t.match(before.used, [{ name: 'ServiceDown', incidents: 1, opened: 0 }])
    t.notOk(before.neverUsed.some(({ name }) => name === 'ServiceDown'))
    const auditor = await hub.token('aud', 'auditor')
    await hub.fetch('/runbooks/ServiceDown', { token: auditor })
    await hub.fetch('/runbooks/HostSilent')
    const page = await (await hub.fetch('/runbooks/ServiceDown')).text()
    t.match(
      page,
      /<h2>Checks<\/h2>[\s\S]*callward_service_up[\s\S]*<h2>Contacts[\s\S]*<li lang="zh-CN">/,
    )
    const opened = await until('the opening is counted', async () => {
      const one = (await use()).used.find(({ name }) => name === 'ServiceDown')
      return one !== undefined && one.opened > 0 ? one : false
    })
    t.equal(opened.opened, 1, 'an auditor’s look is none')
    t.notOk(
      (await use()).used.some(({ name }) => name === 'HostSilent'),
      'its alert does not fire',
    )

    await t.test('live answers', async (t) => {
      const path = '/api/v1/runbooks/ServiceDown/answers'
      const nothing = await hub.api(`${path}?incident=1`)
      const query = 'callward_service_up{instance="pbx-\\"1\\""}'
      t.match(nothing, {
        instance: 'pbx-"1"',
        hash: hashNow,
        answers: [{ id: 'up', of: 'check', state: 'nothing', query }],
      })
      const writer = await hub.token('writer', 'collector')
      const written = await fetch(`${hub.url}/influx/write?precision=ms`, {
        method: 'POST',
        headers: { authorization: `Bearer ${writer}` },
        body: `callward_service,instance=pbx-"1",name=kamailio up=1 ${Date.now() - 1000}`,
      })
      t.ok(written.ok, await written.text())
      const answered = await until('the figure is there', async () => {
        const answer = await hub.api<{ answers: { state: string }[] }>(`${path}?incident=1`)
        return answer.answers[0]?.state === 'answered' ? answer : false
      })
      t.match(answered, {
        answers: [{ values: [{ labels: { name: 'kamailio' }, value: '1' }], more: 0 }],
      })
      t.match(await hub.api(`${path}?instance=other`), { answers: [{ state: 'nothing' }] })
      for (const [bad, status] of [
        ['', 400],
        ['?incident=1&instance=x', 400],
        ['?incident=99', 404],
        ['?instance=', 400],
      ] as const)
        t.equal((await hub.fetch(`${path}${bad}`)).status, status, bad)
    })

    await t.test('versions', async (t) => {
      const versions = await until('all versions are kept', async () => {
        const { versions } = await hub.api<{ versions: { hash: string }[] }>(
          '/api/v1/runbooks/HostSilent/versions',
        )
        return versions.length > 0 ? versions : false
      })
      t.match(versions, [{ isCurrent: true }])
      t.match(await hub.api(`/api/v1/runbook-versions/${hashNow}`), {
        name: 'ServiceDown',
        text: serviceDown.toString(),
      })
      t.equal((await hub.fetch(`/runbooks/ServiceDown?version=${hashNow}`)).status, 200)
      t.equal((await hub.fetch(`/runbooks/HostSilent?version=${hashNow}`)).status, 404)
      t.equal((await hub.fetch(`/api/v1/runbook-versions/${'0'.repeat(64)}`)).status, 404)
      t.match(await hub.api('/api/v1/runbooks/ServiceDown'), {
        runbook: { hash: hashNow, checks: [{ id: 'up' }], customerText: { zh: /故障/ } },
      })
    })

    await t.test('search', async (t) => {
      const found = async (q: string, more = '') =>
        (
          await hub.api<{ results: { kind: string; number?: number; name?: string }[] }>(
            `/api/v1/search?q=${encodeURIComponent(q)}${more}`,
          )
        ).results
      t.match(await found('su co'), [{ kind: 'incident', number: 1 }])
      t.match(await found('中继'), [
        { kind: 'incident', title: { text: 'Tổng đài: sự cố 中继故障', marks: [[16, 18]] } },
      ])
      t.match(await found('транк отвечает'), [{ excerpts: [{ kind: 'phenomenon' }] }])
      t.match(await found('service down'), [{ name: 'ServiceDown' }])
      await hub.api('/api/v1/incidents/1/notes', {
        method: 'POST',
        body: { text: 'Thẻ mạng hỏng' },
      })
      t.match(await found('the mang hong', '&kind=incident'), [
        { excerpts: [{ kind: 'note', text: 'Thẻ mạng hỏng' }] },
      ])
      t.match(await found('the mang', '&service=pbx-1'), [{ number: 1 }])
      t.same(await found('the mang', '&from=2999-01-01'), [])
      for (const bad of [
        '',
        '?q=',
        '?q=%20',
        '?q=a&kind=x',
        '?q=a&from=yesterday',
        '?q=a&from=2026-13-01',
        '?q=a&cursor=zz',
        '?q=a&limit=51',
        `?q=${'a'.repeat(201)}`,
      ])
        t.equal((await hub.fetch(`/api/v1/search${bad}`)).status, 400, bad)
    })

    await t.test('terminal', async (t) => {
      const callward = terminalOf(hub.url, adminToken)
      t.match(await callward('search', 'su', 'co'), {
        code: 0,
        out: /#1 .*CRITICAL|#1 .*SEV2.*\[sự\] \[cố\] 中继故障/,
      })
      t.match(await callward('search', 'xyzzy'), { code: 0, out: /Nothing has all/ })
      t.match(await callward('search', '故障', '--limit', '1'), {
        code: 0,
        out: /There is more: --cursor/,
      })
      t.match(JSON.parse((await callward('search', '故障', '--kind', 'runbook', '--json')).out), {
        results: [{ name: 'ServiceDown' }],
      })
      t.match(await callward('search', 'a', '--kind', 'x'), { code: 2, out: /incident or runbook/ })
      t.match(await callward('search', 'a', '--limit', '51'), { code: 2, out: /1 to 50/ })
      t.match(await callward('search', 'a', '--from', 'soon'), { code: 2, out: /is no time/ })
      t.match(await callward('search', '中继', '--from', '2000-01-01', '--to', '2001-01-01'), {
        code: 0,
        out: /Nothing/,
      })
      t.match(await callward('search'), { code: 2 })
      t.match(await callward('search', '?!'), { code: 1, out: /at least one word/ })
      t.match(await callward('runbooks'), {
        code: 0,
        out: /ServiceDown +CRITICAL +20 +A service is down/,
      })
      t.match(await callward('runbooks', 'use'), {
        code: 0,
        out: /without a runbook: 0[\s\S]*never used: \d+[\s\S]*ServiceDown +1 +1 /,
      })
      t.match(await callward('runbooks', 'ask', 'ServiceDown', '--incident', '1'), {
        code: 0,
        out: /up: The service runs[\s\S]*\n {4}1 /,
      })
      t.match(await callward('runbooks', 'ask', 'ServiceDown', '--instance', 'x'), {
        code: 0,
        out: /nothing found/,
      })
      t.match(await callward('runbooks', 'ask', 'CpuBusy', '--instance', 'x'), {
        code: 0,
        out: /asks nothing/,
      })
      t.match(await callward('runbooks', 'ask', 'ServiceDown'), {
        code: 2,
        out: /Say of which host/,
      })
      t.match(await callward('runbooks', 'show', 'ServiceDown'), { code: 0, out: /## Escalate/ })
      t.match(await callward('runbooks', 'show', 'ServiceDown', '--version', hashNow), {
        code: 0,
        out: /## Escalate/,
      })
      t.match(await callward('runbooks', 'show', 'ServiceDown', '--version', 'x'), {
        code: 2,
        out: /64 hex/,
      })
      t.match(await callward('runbooks', 'show', 'None'), {
        code: 1,
        out: /no runbook of that name/,
      })
      t.match(await callward('runbooks', 'versions', 'ServiceDown'), {
        code: 0,
        out: new RegExp(`${hashNow} +now`),
      })
      t.match(await callward('runbooks', 'versions', 'None'), { code: 0, out: /was ever seen/ })
      t.match(await callward('runbooks', 'eat'), { code: 2, out: /Say: callward runbooks/ })
    })

    await t.test('a restart finds what was never indexed', async (t) => {
      await hub.stop()
      const records = await openSqliteRecords({ path: join(hub.data, 'hub/records.sqlite') })
      await records.write(async (tx) => {
        await tx.deleteFrom('incident_words').execute()
        await tx.deleteFrom('incident_search').execute()
      })
      await records.close()
      await hub.restart()
      await until('it is found again', async () => {
        const { results } = await hub.api<{ results: unknown[] }>(
          `/api/v1/search?q=${encodeURIComponent('中继')}`,
        )
        return results.length === 1
      })
      t.pass()
    })
  },
)
