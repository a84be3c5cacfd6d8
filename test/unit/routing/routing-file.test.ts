import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { severityOf } from '../../../alerts/alert.ts'
import { routesFor } from '../../../alerts/route.ts'
import type { Call } from '../../../server/cli/command.ts'
import { routingCommand } from '../../../server/cli/routing.ts'
import {
  builtInRouting,
  readRouting,
  readRoutingFile,
} from '../../../server/routing/routing-file.ts'
import { folderOf } from '../../helpers/folder.ts'

const good = `
route:
  receiver: voice
  routes: [{receiver: chat, matchers: ['severity="info"'], group_by: [site], group_wait: 10s}]
receivers:
  - {name: voice, callward_configs: [{policy: telephony}, {policy: default}]}
  - {name: chat, callward_configs: [{contact: The wall}, {person: anna}, {team: staff}]}
  - {name: 'null'}
callward_dependencies:
  down: ['alertname="HostSilent"']
  nodes: [{node: pbx-1, parents: [switch-1]}]
`

t.test('without a file: what counts as critical pages, whatever the word for it', async (t) => {
  const { config, targets } = builtInRouting()
  for (const severity of [
    'critical',
    'CRITICAL',
    'page',
    'Error',
    'disaster',
    'high',
    'warning',
    'info',
    'none',
    '',
    'hightech',
  ]) {
    const routes = routesFor(config.root, { alertname: 'A', severity })
    const critical = severityOf({ severity }) === 'critical'
    t.same(
      routes.map(({ receiver }) => receiver),
      [critical ? 'on-call' : 'screens'],
      severity,
    )
  }
  t.same(
    [...targets],
    [
      ['on-call', [{ kind: 'page', policy: undefined }]],
      ['screens', []],
    ],
  )
})

t.test('what receivers do, and what stands behind what', async (t) => {
  const { plan, faults } = readRouting(good)
  t.same(faults, [])
  t.same(plan?.targets.get('voice'), [
    { kind: 'page', policy: 'telephony' },
    { kind: 'page', policy: undefined },
  ])
  t.same(
    plan?.targets.get('chat')?.map((one) => one.kind),
    ['contact', 'person', 'team'],
  )
  t.same(plan?.targets.get('null'), [])
  t.same(plan?.topology.nodes.get('pbx-1'), { parents: ['switch-1'], need: 'any' })
})

t.test('every fault with its line, and no routing with any', async (t) => {
  const { plan, faults } = readRouting(`
route: {receiver: voice}
receivers:
  - name: voice
    slack_configs: [{channel: '#ops'}]
  - name: chat
    callward_configs:
      - {contact: a, policy: b}
      - {contact: 7}
      - {colour: red}
  - name: odd
    callward_configs: {policy: b}
    surprise: 1
callward_dependencies:
  down: ['a b']
  nodes:
    - {node: a, parents: [b], need: some}
    - {parents: [b]}
`)
  t.equal(plan, undefined)
  t.match(faults, [
    { line: 15, message: /callward_dependencies\.down\[0\]/ },
    { line: 17, message: /need: must be any/ },
    { line: 18, message: /node: must be a text/ },
    {
      line: 5,
      message: /slack_configs is not supported: .*callward_configs: \[\{contact: NAME\}\]/,
    },
    { line: 8, message: /give one of policy, contact, person, team/ },
    { line: 9, message: /contact: must be a text/ },
    { line: 10, message: /unknown key "colour"/ },
    { line: 10, message: /give one of/ },
    { line: 13, message: /unknown key "surprise" of receiver "odd"/ },
    { line: 12, message: /must be a list/ },
  ])
  const circle = good.replace('parents: [switch-1]}', 'parents: [a]}, {node: a, parents: [pbx-1]}')
  t.match(readRouting(circle).faults, [{ line: 11, message: /pbx-1 depends on itself/ }, {}])
  for (const text of ['route: [', '- 1', '', 'a: &a [*a]', 'route: {receiver: x}', '\u0000'])
    t.ok(readRouting(text).faults.length > 0, JSON.stringify(text))
  t.match(readRoutingFile('/nowhere/routing.yaml').faults, [
    { message: /cannot be read \(ENOENT\)/ },
  ])
})

async function run(positionals: readonly string[], values: Call['values'] = {}) {
  const lines: string[] = []
  const call = { positionals, values, say: (line: string) => void lines.push(line) }
  // Only what these actions use.
  const code = await routingCommand.run(call as unknown as Call)
  return { code, text: lines.join('\n') }
}

t.test('in the terminal: faults end with 1, labels say whom they reach', async (t) => {
  const folder = folderOf(t, { 'good.yaml': good, 'bad.yaml': 'route: {}' })
  const file = join(folder, 'good.yaml')
  const fine = await run(['check', file])
  t.equal(fine.code, 0)
  t.match(fine.text, /no fault; 3 receivers.*\n.*tell nobody: null/)
  const faulty = await run(['check', join(folder, 'bad.yaml')])
  t.equal(faulty.code, 1)
  t.match(faulty.text, /bad\.yaml:1: route\.receiver: the first route needs a receiver/)
  const json = { json: true }
  const asked = await run(['test', file, 'severity=info', 'site="hanoi"'], json)
  t.same((JSON.parse(asked.text) as { routes: object[] }).routes, [
    {
      receiver: 'chat',
      tells: 'contact The wall, person anna, team staff',
      route: '{}/{severity="info"}',
      group: { site: 'hanoi' },
      groupWaitSeconds: 10,
    },
  ])
  await t.rejects(run(['test', file, 'severity']), /is no label/)
  await t.rejects(run(['test', join(folder, 'bad.yaml'), 'a=b']), /has faults/)
  writeFileSync(file, Buffer.from([0xff, 0xfe]))
  t.match((await run(['check', file])).text, /not UTF-8/)
})
