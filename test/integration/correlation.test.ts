import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { storyOnBothDatabases } from '../helpers/both-databases.ts'
import { adminToken, TestHub, until } from '../helpers/hub.ts'
import { terminalOf } from '../helpers/terminal.ts'

const document = `rules:
  - name: tests
    matchers: ['alertname="Drill"']
    action: ignore
  - name: site down
    matchers: ['alertname="HostSilent"', 'severity="critical"']
    action: open
    same: [site]
    count: {at_least: 3, of: instance, within: 1h}
    severity: sev1
    major: true
    services: [telephony]
    runbook: HostSilent
  - name: faults
    matchers: ['severity="critical"']
    action: open
    severity: sev3
  - name: beside
    action: join
    same: [site]
    within: 2h
`

interface Incident {
  readonly id: string
  readonly number: number
  readonly title: string
  readonly state: string
  readonly workflowState: string
  readonly severity: string
  readonly major: boolean
}
interface Detail {
  readonly incident: Incident & {
    readonly alerts: readonly {
      readonly rule: string
      readonly related: boolean
      readonly id: string
    }[]
    readonly facts: readonly { readonly kind: string; readonly text: string }[]
  }
}

const alert = (name: string, host: string, severity: string) =>
  `      - {alert: ${name}, expr: vector(1), labels: {severity: ${severity}, instance: ${host}, site: hanoi}}\n`
const rules = (...alerts: string[]) =>
  `groups:\n  - name: lines\n    interval: 1s\n    rules:\n${alerts.join('')}`

/** Rules are stored by terminal, hosts of a site fall silent one after the other, and the hub is killed in between. */
async function story(t: Test, environment: Record<string, string>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'callward-correlation-'))
  const rulesFolder = join(folder, 'rules')
  mkdirSync(rulesFolder)
  const fires = (...alerts: string[]) =>
    writeFileSync(join(rulesFolder, 'lines.yaml'), rules(...alerts))
  fires(alert('Drill', 'pbx-9', 'critical'))
  const config = join(folder, 'callward.yaml')
  writeFileSync(config, JSON.stringify({ hub: { rulesFolder } }))
  const file = join(folder, 'correlation.yaml')
  writeFileSync(file, document)
  const bad = join(folder, 'bad.yaml')
  writeFileSync(bad, document.replace('sev1', 'grave'))
  const hub = await TestHub.start(join(folder, 'data'), { ...environment, CALLWARD_CONFIG: config })
  t.teardown(() => hub.program.kill('SIGKILL'))
  const terminal = () => terminalOf(hub.url, adminToken)
  const incidents = async () =>
    (await hub.api<{ incidents: Incident[] }>('/api/v1/incidents?state=all')).incidents
      // A busy machine may have others, of the hub itself.
      .filter(({ title }) => /^(Drill|HostSilent) on pbx/.test(title))
      .toSorted((a, b) => a.number - b.number)
  const standing = async () =>
    (await incidents()).map(({ title, workflowState }) => `${title} ${workflowState}`)

  t.match(await terminal()('correlation', 'show'), {
    code: 0,
    out: /built-in.*\n[\s\S]*action: open/,
  })
  t.match(await terminal()('correlation', 'check', bad), {
    code: 1,
    out: /bad.yaml:10: .*sev1, sev2/,
  })
  t.match(await terminal()('correlation', 'apply', bad), { code: 1, out: /line 10: / })
  t.match(await terminal()('correlation', 'check', file), { code: 0, out: /no fault; 4 rules/ })
  const first = await until('the drill opens one by the built-in rules', async () => {
    const found = await incidents()
    return found.length === 1 && found
  })
  t.match(first, [{ severity: 'sev2' }])
  t.match(await terminal()('correlation', 'apply', file, '--made-from', '7'), {
    ...{ code: 1, out: /Version 0 holds, and yours was made from version 7/ },
  })
  t.match(await terminal()('correlation', 'apply', file, '--made-from', '0'), {
    ...{ code: 0, out: /Version 1, stored by .* It holds from the next alert on/ },
  })
  await terminal()('correlation', 'apply', file)
  t.match(await hub.api('/api/v1/correlation/versions'), { versions: [{ version: 1 }] }, 'once')
  const silences = (host: string) => alert('HostSilent', host, 'critical')
  const drill = alert('Drill', 'pbx-9', 'critical')
  fires(drill, silences('pbx-1'), silences('pbx-2'), alert('LinkSlow', 'sw-1', 'warning'))
  await hub.program.kill('SIGKILL')
  await hub.restart()
  await until('two hosts are two incidents', async () => (await incidents()).length === 3, 60_000)
  t.match(await incidents(), [{ severity: 'sev2' }, { severity: 'sev3' }, { severity: 'sev3' }])

  const would = await terminal()(
    ...['correlation', 'explain', 'alertname=HostSilent', 'severity=critical'],
    ...['instance=pbx-3', 'site=hanoi'],
  )
  t.match(would, { code: 0, out: /opens an incident of sev3\. By the rule "faults"/ })
  t.match(would.out, /site down +open +no +2 of 3 different values of instance so far/)
  const silent = (await incidents())[1]!

  fires(drill, silences('pbx-1'), silences('pbx-2'), silences('pbx-3'))
  await hub.program.kill('SIGKILL')
  await hub.restart()
  await until('the third host makes them one', async () => (await incidents()).length === 4, 60_000)
  const all = [
    'Drill on pbx-9 recorded',
    'HostSilent on pbx-1 merged',
    'HostSilent on pbx-2 merged',
    'HostSilent on pbx-3 recorded',
  ]
  t.same(await standing(), all)
  const four = (await incidents())[3]!
  t.match(four, { severity: 'sev1', major: true })
  const { incident } = await hub.api<Detail>(`/api/v1/incidents/${four.id}`)
  const held = incident.alerts.filter(({ related }) => !related).map(({ rule }) => rule)
  t.same(held, ['HostSilent', 'HostSilent', 'HostSilent'])
  t.match(
    incident.facts.filter(({ kind }) => ['severity', 'major', 'impact'].includes(kind)),
    [
      { kind: 'impact' },
      { kind: 'severity', text: 'By the correlation rule "site down" (version 1); say otherwise.' },
      { kind: 'major', text: /^Major by the correlation rule "site down"/ },
    ],
  )
  t.equal(
    incident.facts.filter(({ kind }) => kind === 'alert_fired').length,
    incident.alerts.length,
  )

  await hub.program.kill('SIGKILL')
  await hub.restart()
  const [one] = incident.alerts.filter(({ rule }) => rule === 'HostSilent')
  t.match(await terminal()('correlation', 'explain', one!.id), {
    ...{ code: 0, out: new RegExp(`is in incident ${four.number} already and stays there`) },
  })
  t.match(await terminal()('correlation', 'explain', 'nobody'), {
    code: 1,
    out: /no alert "nobody"/,
  })
  t.same(await standing(), all, 'nothing opens twice')
  t.not(silent.id, four.id)
  t.match(await terminal()('correlation', 'try', file, '--days', '1'), {
    ...{ code: 0, out: /alerts fired from[\s\S]*The rules that hold: [\s\S]*site down +1 / },
  })
  t.match(await terminal()('correlation', 'try', bad), { code: 1, out: /line 10/ })
  t.match(await terminal()('correlation', 'show', '1'), { code: 0, out: /name: site down/ })
  t.match(await terminal()('correlation', 'show', '5'), { code: 1, out: /no version 5/ })
}

storyOnBothDatabases({ database: 'correlation', timeout: 240_000 }, story)
