import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { folderOf } from '../helpers/folder.ts'
import { adminToken, TestHub, until } from '../helpers/hub.ts'
import { type Said, terminalOf } from '../helpers/terminal.ts'
import { remoteWriteBody } from '../helpers/write-encoders.ts'
import { NotifyDesk, receiver } from './notify-desk.ts'

const minute = 60_000
const hour = 60 * minute

const rules = `
groups:
  - name: trunks
    interval: 1m
    rules:
      - {alert: TrunkLossHigh, expr: trunk_loss_percent > 5, labels: {severity: critical}}
      - {alert: TrunkGone, expr: trunk_registered == 0, labels: {severity: critical}}
`
const sibling = `
calendars:
  - {name: dialling-hours, time_intervals: [{times: [{start_time: '00:00', end_time: '24:00'}], location: UTC}]}
`

/** Two days of a trunk, a sample a minute: it lost too much for ten minutes, 26 and 3 hours ago. */
async function fill(hub: TestHub): Promise<void> {
  const now = Math.floor(Date.now() / minute) * minute
  const lossy = (at: number) =>
    [26 * hour, 3 * hour].some((ago) => at >= now - ago && at < now - ago + 10 * minute)
  const times = Array.from({ length: 48 * 60 }, (_, i) => now - 48 * hour + (i + 1) * minute)
  const samples = times.map((at) => ({ t: at, value: lossy(at) ? 9 : 1 }))
  const name = ['__name__', 'trunk_loss_percent'] as const
  const response = await fetch(`${hub.url}/prom/api/v1/write`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${adminToken}`,
      'content-type': 'application/x-protobuf',
      'content-encoding': 'snappy',
      'x-prometheus-remote-write-version': '0.1.0',
    },
    body: new Uint8Array(remoteWriteBody([{ labels: [name, ['instance', 'pbx-1']], samples }])),
  })
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`)
}

/** Answers each request with the next text, then hangs up. */
async function babbler(t: Test, texts: readonly string[]): Promise<string> {
  let count = 0
  const server = createServer((request, response) => {
    request.resume()
    response.writeHead(200, { 'content-type': 'application/x-ndjson' })
    response.write(texts[count++ % texts.length], () => response.destroy())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

t.test('rules are replayed in the terminal', { timeout: 590_000 }, async (t) => {
  const folder = folderOf(t, {
    'trunks.yaml': rules,
    'trunks.callward.yaml': sibling,
    'broken.yaml': 'groups: [{name: a, rules: [{alert: X, expr: sum(}]}]',
    'recorded.yaml': 'groups: [{name: a, rules: [{record: x, expr: vector(1)}]}]',
  })
  const hub = await TestHub.start(join(folder, 'data'))
  t.teardown(() => hub.stop())
  await fill(hub)
  const admin = terminalOf(hub.url, adminToken)
  const auditor = terminalOf(hub.url, await hub.token('vera', 'auditor'))
  const file = join(folder, 'trunks.yaml')
  const replay = (...more: string[]) => admin('rules', 'replay', file, ...more)

  const whole = await replay('--days', '1.9', '--zone', 'UTC', '--calendar', 'dialling-hours')
  t.equal(whole.code, 0, whole.out)
  t.match(whole.out, /^ +0 {5}6 {5}12 {4}18\n20\d\d-\d\d-\d\d \w{3} /, 'drawn by day and hour')
  t.match(whole.out, /\n +\. nothing {2}- firing {2}1-9 pages/)
  t.match(
    whole.out,
    /\nRULE +HOST +FIRED +OVER\nTrunkLossHigh +pbx-1 +20\S+ \S+ \+00:00 +20\S+ \S+ \+00:00\nTrunkLossHigh /,
  )
  t.match(whole.out, /TrunkGone: nothing is stored of trunk_registered in that time/)
  t.match(
    whole.out,
    /\nIt would have paged 2 times in 1\.9 days, [012] at night; 2 in dialling-hours; 2 firings; the history does not reach/,
  )
  const one = JSON.parse((await replay('--rule', 'TrunkLossHigh', '--days', '1', '--json')).out)
  t.match(one, {
    calendar: null,
    summary: { firings: 1, pages: 1, longestSeconds: 600 },
    rules: [{ name: 'TrunkLossHigh', failed: 0, missing: [] }],
    firings: [{ labels: { instance: 'pbx-1' } }],
  })
  const early = await replay('--rule', 'TrunkLossHigh', '--days', '4')
  t.match(early, {
    code: 0,
    out: /TrunkLossHigh: its data begins .*; before that it could not fire/,
  })
  t.match(
    await replay('--rule', 'TrunkGone'),
    { code: 1, out: /would have paged not at all in 30 days/ },
    'nothing at all is known of it',
  )

  const named = (name: string) => admin('rules', 'replay', join(folder, name))
  const refusals: [run: () => Promise<Said>, code: number, out: RegExp][] = [
    [() => named('none.yaml'), 1, /cannot be read \(ENOENT\)\. Give the path of a rule file/],
    [() => named('broken.yaml'), 1, /rules\.yaml:1: .*X.*parse error/],
    [() => named('recorded.yaml'), 1, /The file has no alerting rule/],
    [() => replay('--rule', 'Nope'), 1, /The file has no alert "Nope"/],
    [() => replay('--calendar', 'none'), 1, /no calendar "none"; define it in a file/],
    [() => replay('--zone', 'Mars/Base'), 1, /Mars\/Base/],
    [() => replay('--days', '0'), 2, /--days is a number above 0, at most 366/],
    [() => replay('--days', '400'), 2, /at most 366\. Example/],
    [() => replay('--days', 'week'), 2, /--days is a number/],
    [() => admin('rules', 'replay'), 2, /replay: give a rule file/],
    [() => admin('rules', 'dance', file), 2, /"dance" is none of replay/],
    [() => admin('rules'), 2, /An argument is missing/],
    [() => auditor('rules', 'replay', file), 1, /auditor may not do that; it takes admin or op/],
  ]
  for (const [run, code, out] of refusals) t.match(await run(), { code, out }, String(out))
  const url = await babbler(t, ['{"progress":0.5}\n', '<html>\n'])
  const elsewhere = terminalOf(url, adminToken)
  for (const what of ['it hangs up', 'it is no hub'])
    t.match(
      await elsewhere('rules', 'replay', file),
      { code: 1, out: /^callward rules: The answer ended early\. .*check --hub\.\n$/ },
      what,
    )
})

t.test('the canary in the terminal', { timeout: 590_000 }, async (t) => {
  const outside = await receiver(t, (_heard, response) => response.writeHead(200).end('ok'))
  const folder = folderOf(t)
  const listening = async (hub: object) => {
    const desk = await NotifyDesk.start(t, folder, { timeZone: 'UTC', ...hub })
    await desk.app.listen({ port: 0, host: '127.0.0.1' })
    const url = `http://127.0.0.1:${(desk.app.server.address() as AddressInfo).port}`
    const as = (who: string) => terminalOf(url, desk.tokens[who] ?? '')
    return { desk, anna: as('anna'), vera: as('vera') }
  }
  const fires = ({ app }: NotifyDesk) =>
    until('it fires', () =>
      app.rules
        .activeAlerts()
        .some(({ rule, state }) => rule === 'CanaryTest' && state === 'firing'),
    )
  const first = await listening({})
  const { anna, vera } = first
  t.match(await vera('canary'), {
    code: 0,
    out: /^No canary has flown yet\. Send one: callward canary run\nNone is planned; set hub\.canary/,
  })
  t.match(await vera('canary', 'run'), { code: 1, out: /it takes admin or operator/ })
  t.match(await anna('canary', 'dance'), { code: 2, out: /"dance" is none of show, run/ })
  t.match(await anna('canary', 'run', 'now'), { code: 2, out: /one argument too many/ })
  const flying = anna('canary', 'run')
  await fires(first.desk)
  t.match(await anna('canary', 'run'), { code: 1, out: /is flying; see it with: callward canary/ })
  // In the first minute after a start nothing resolves without news.
  first.desk.clock.ahead += 100_000
  t.match(
    await flying,
    {
      code: 1,
      out: /^Flight of 20.*\nSTAGE +STATE +TOOK +REASON\nfired +OK +\d+\.\d{3} s +the rule fired\nrecorded +OK [\s\S]*\nsent +FAILED +.*reached nobody.*hub\.canary\.contactPoint[\s\S]*\nresolved +OK/,
    },
    'whom it did not reach it does not vouch for',
  )
  const shown = await vera('canary', 'show')
  t.match(shown, {
    code: 0,
    out: /\nFLIGHT +STATE +BY +REASON\n20.* FAILED +anna +.*reached nobody/,
  })
  const secret = '0123456789abcdef0123456789abcdef'
  const owner = { kind: 'shared', id: 'canary' }
  const contactPoint = await first.desk.point(
    'admin',
    'webhook',
    { url: outside.url, secret },
    { owner },
  )
  await first.desk.app.close()

  const at = new Date(Date.now() + 12 * hour).toISOString().slice(11, 16)
  const second = await listening({ canary: { at, contactPoint } })
  // Later than what the first left, and past the first minute.
  second.desk.clock.ahead = 200_000
  const run = await second.anna('canary', 'run', '--json')
  t.equal(run.code, 0, run.out)
  t.match(JSON.parse(run.out), { ok: true, startedBy: 'anna', stages: { length: 5 } })
  t.match(JSON.parse(outside.heard[0]!.body), { kind: 'canary' })
  const after = await second.vera('canary')
  t.match(after, { code: 0, out: /\n20.* OK +anna\n20.* FAILED +anna [\s\S]*The next is due 20/ })
  const json = JSON.parse((await second.vera('canary', '--json')).out)
  t.match(json, { nextAt: /Z$/, runs: [{ ok: true }, { ok: false }] })
})
