import { groupLabels, routesFor } from '../../alerts/route.ts'
import { type ReceiverTarget, type RoutingPlan, readRoutingFile } from '../routing/routing-file.ts'
import { type Call, type Command, CommandError, sayJson, UsageError } from './command.ts'
import { plain, table } from './render.ts'

interface RoutingAnswer {
  readonly file: string | null
  readonly faults: readonly { readonly line: number; readonly message: string }[]
  readonly receivers: readonly {
    readonly name: string
    readonly targets: readonly { readonly kind: string; readonly name: string | null }[]
  }[]
}

export const routingCommand: Command = {
  name: 'routing',
  summary: 'check a routing file, ask whom an alert would reach, see which routing holds',
  usage: '[show | check FILE | test FILE label=value... | explain FINGERPRINT] [--json]',
  help: `Routing says which alerts reach whom, with what others and when: a file in Alertmanager's format.

  show                    receivers of the running hub, and what is wrong with its file
  check FILE              every fault with its line; exit code 1 when there is one
  test FILE LABEL=VALUE   whom an alert with these labels would reach, as "amtool config routes test"
  explain FINGERPRINT     why the running hub told each receiver of an alert, or did not; of alerts that are not over
  --json                  for programs

Examples:
  callward routing check /etc/callward/routing.yaml
  callward routing test /etc/callward/routing.yaml alertname=TrunkDown severity=critical site=hanoi
  callward routing explain 5823573dc670e4d8`,
  options: { json: { type: 'boolean' } },
  positionals: [0, 102],
  async run(call) {
    const [action = 'show', file, ...labels] = call.positionals
    if (action === 'show') return show(call)
    if (file === undefined || !['check', 'test', 'explain'].includes(action))
      throw new UsageError(
        'Say: callward routing, callward routing check|test FILE, or callward routing explain FINGERPRINT.',
      )
    if (action === 'explain') return explain(call, file)
    return action === 'check' ? check(call, file) : test(call, file, labels)
  },
}

async function show(call: Call): Promise<number> {
  const answer = await call.hub().call<RoutingAnswer>('GET', '/api/v1/routing')
  if (call.values.json === true) {
    sayJson(call, answer)
    return 0
  }
  call.say(answer.file === null ? 'No routing file: critical alerts page at once.' : answer.file)
  for (const { line, message } of answer.faults) call.say(`line ${line}: ${plain(message)}`)
  if (answer.faults.length > 0) call.say('The routing of before these faults holds.')
  table(
    call,
    ['RECEIVER', 'TELLS'],
    answer.receivers.map(({ name, targets }) => [
      plain(name),
      plain(targets.map((one) => `${one.kind} ${one.name ?? 'default'}`).join(', ')) || 'nobody',
    ]),
  )
  return 0
}

interface ExplainAnswer {
  readonly receivers: readonly {
    readonly receiver: string | null
    readonly told: boolean
    readonly stage: string
    readonly because: string
    readonly until: string | null
  }[]
}

async function explain(call: Call, fingerprint: string): Promise<number> {
  if (!/^[0-9a-f]{16}$/.test(fingerprint))
    throw new UsageError(
      `"${fingerprint}" is no fingerprint: 16 characters of 0-9 and a-f. See: callward alerts`,
    )
  const path = `/api/v1/routing/explain/${fingerprint}`
  const answer = await call.hub().call<ExplainAnswer>('GET', path)
  if (call.values.json === true) sayJson(call, answer)
  else
    table(
      call,
      ['RECEIVER', 'TOLD', 'STAGE', 'BECAUSE', 'AGAIN'],
      answer.receivers.map(({ receiver, told, stage, because, until }) => [
        plain(receiver ?? '-'),
        told ? 'yes' : 'no',
        stage,
        plain(because),
        until ?? '-',
      ]),
    )
  return 0
}

async function check(call: Call, file: string): Promise<number> {
  const { plan, faults } = readRoutingFile(file)
  if (call.values.json === true) sayJson(call, { file, faults })
  else if (plan === undefined)
    for (const { line, message } of faults) call.say(`${file}:${line}: ${plain(message)}`)
  else {
    const { config, targets } = plan
    const silent = [...targets].filter(([, some]) => some.length === 0).map(([name]) => name)
    call.say(
      `${file}: no fault; ${targets.size} receivers, ${config.inhibitRules.length} inhibit rules, ${config.calendars.size} time intervals.`,
    )
    if (silent.length > 0) call.say(`These receivers tell nobody: ${plain(silent.join(', '))}`)
  }
  return plan === undefined ? 1 : 0
}

async function test(call: Call, file: string, given: readonly string[]): Promise<number> {
  const { plan, faults } = readRoutingFile(file)
  if (plan === undefined)
    throw new CommandError(
      `${file} has faults:\n${faults.map(({ line, message }) => `  line ${line}: ${message}`).join('\n')}`,
    )
  const labels = labelsOf(given)
  const routes = routesFor(plan.config.root, labels).map((route) => ({
    receiver: route.receiver,
    tells: tellsOf(plan, route.receiver),
    route: route.key,
    group: groupLabels(route, labels),
    groupWaitSeconds: route.groupWait / 1000,
  }))
  if (call.values.json === true) sayJson(call, { routes })
  else
    table(
      call,
      ['RECEIVER', 'TELLS', 'GROUP', 'WAITS'],
      routes.map(({ receiver, tells, group, groupWaitSeconds }) => [
        plain(receiver),
        plain(tells),
        plain(
          Object.entries(group)
            .map((pair) => pair.join('='))
            .join(' '),
        ) || '-',
        `${groupWaitSeconds} s`,
      ]),
    )
  return 0
}

function tellsOf({ targets }: RoutingPlan, receiver: string): string {
  const text = (target: ReceiverTarget) =>
    target.kind === 'page'
      ? `policy ${target.policy ?? 'default'}`
      : `${target.kind} ${target.name}`
  return (targets.get(receiver) ?? []).map(text).join(', ') || 'nobody'
}

function labelsOf(given: readonly string[]): Record<string, string> {
  const labels: Record<string, string> = {}
  for (const one of given) {
    const place = one.indexOf('=')
    if (place < 1)
      throw new UsageError(`"${one}" is no label. Example: alertname=TrunkDown severity=critical`)
    labels[one.slice(0, place)] = one.slice(place + 1).replace(/^"(.*)"$/s, '$1')
  }
  return labels
}
