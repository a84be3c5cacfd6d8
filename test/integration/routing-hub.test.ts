import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { storyOnBothDatabases } from '../helpers/both-databases.ts'
import { adminToken, TestHub, until } from '../helpers/hub.ts'
import { terminalOf } from '../helpers/terminal.ts'

const rules = `
groups:
  - name: lines
    interval: 1s
    rules:
      - {alert: TrunkDown, expr: vector(1), labels: {severity: warning, server: pbx-1}, annotations: {summary: 'Trunk 1 is down'}}
      - {alert: CallsFail, expr: vector(1), labels: {severity: critical, server: pbx-1}, annotations: {summary: 'Calls fail'}}
      - {alert: Renewed, expr: vector(1), labels: {severity: info, server: pbx-1}}
`
const routing = `
route:
  receiver: on-call
  group_by: [server]
  group_wait: 3s
  routes: [{receiver: nobody, matchers: ['severity="info"']}]
receivers:
  - {name: on-call, callward_configs: [{policy: default}]}
  - {name: nobody}
`

interface Page {
  readonly title: string
  readonly state: string
  readonly alerts?: readonly string[]
}
interface Status {
  readonly faults: readonly { readonly line: number; readonly message: string }[]
  readonly receivers: readonly { readonly name: string }[]
}

/** The hub is killed while a group waits; the file is spoilt and mended while it runs. */
async function story(t: Test, environment: Record<string, string>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'callward-routing-hub-'))
  const rulesFolder = join(folder, 'rules')
  mkdirSync(rulesFolder)
  const file = join(folder, 'routing.yaml')
  writeFileSync(file, routing)
  const config = join(folder, 'callward.yaml')
  writeFileSync(config, JSON.stringify({ hub: { rulesFolder, routing: file } }))
  writeFileSync(join(rulesFolder, 'lines.yaml'), rules)
  const hub = await TestHub.start(join(folder, 'data'), {
    ...environment,
    CALLWARD_CONFIG: config,
  })
  t.teardown(() => hub.program.kill('SIGKILL'))
  const firing = () =>
    hub.api<{ alerts: { rule: string; id: string; fingerprint: string }[] }>('/api/v1/alerts')
  const alertOf = async (rule: string) =>
    (await firing()).alerts.find((alert) => alert.rule === rule)
  await until('the alerts fire', async () => await alertOf('Renewed'))
  await hub.program.kill('SIGKILL')
  await hub.restart()
  // A machine that is busy with other tests may make the hub page about itself.
  const pages = async () =>
    (await hub.api<{ pages: Page[] }>('/api/v1/pages')).pages.filter(
      ({ title }) => title !== 'Rules are evaluated late',
    )
  const [page] = await until('the group pages', async () => {
    const found = await pages()
    return found.length > 0 && found
  })
  t.match(page, { title: 'Calls fail (and 1 more)', state: 'open' }, 'the worst first')
  t.equal((await pages()).length, 1)
  const why = async (rule: string) => {
    const { fingerprint } = (await until('it fires', () => alertOf(rule)))!
    return (await hub.api<{ answer: string }>(`/api/v1/why/${fingerprint}`)).answer
  }
  await until('a person is named', async () =>
    /named, without a receipt: admin/.test(await why('TrunkDown')),
  )
  t.match(await why('Renewed'), /^Nobody: (the receiver "nobody" tells nobody|waits for others)/)

  const told = (await alertOf('TrunkDown'))!.fingerprint
  const explained = await hub.api(`/api/v1/routing/explain/${told}`)
  t.match(explained, { receivers: [{ receiver: String, told: true, stage: 'told' }] })
  const terminal = terminalOf(hub.url, adminToken)
  const held = (await alertOf('Renewed'))!.fingerprint
  t.match(await terminal('routing', 'explain', held), {
    code: 0,
    out: /^RECEIVER +TOLD +STAGE +BECAUSE.*\nnobody +no +(route|group) /,
  })
  t.match(await terminal('routing', 'explain', 'TrunkDown'), { code: 2, out: /no fingerprint/ })
  t.match(await terminal('routing', 'explain', '0'.repeat(16)), {
    code: 1,
    out: /Routing holds no alert/,
  })

  const status = () => hub.api<Status>('/api/v1/routing')
  t.same((await status()).faults, [])
  writeFileSync(file, routing.replace('callward_configs', 'webhook_configs'))
  const { faults, receivers } = await until('the fault is seen', async () => {
    const seen = await status()
    return seen.faults.length > 0 && seen
  })
  t.match(faults, [{ line: 8, message: /webhook_configs is not supported/ }])
  t.equal(receivers.length, 2, 'the routing of before holds')
  await until('it is told', async () => await alertOf('RoutingFileFaulty'))
  writeFileSync(file, routing.replace('name: nobody}', 'name: nobody}\n  - {name: more}'))
  await until('the new one holds', async () => (await status()).receivers.length === 3)
  const { lost } = await hub.api<{ lost: unknown[] }>('/api/v1/obligations/lost')
  t.same(lost, [], 'nothing was lost')
  t.equal((await hub.program.kill('SIGTERM')).code, 0)
}

storyOnBothDatabases({ database: 'routing_hub', timeout: 120_000 }, story)
