import { type Call, type Command, sayJson, textOption, UsageError } from './command.ts'
import { localTime, plain, plainLines, table } from './render.ts'

interface HeadAnswer {
  readonly name: string
  readonly title: string
  readonly severity: string
  readonly estimatedMinutes: number
  readonly hash: string
}

interface UseAnswer {
  readonly rulesWithoutRunbook: readonly {
    readonly rule: string
    readonly group: string
    readonly severity: string
    readonly elsewhere: string | null
  }[]
  readonly neverUsed: readonly {
    readonly name: string
    readonly title: string
    readonly severity: string
  }[]
  readonly used: readonly {
    readonly name: string
    readonly title: string | null
    readonly incidents: number
    readonly opened: number
    readonly lastUsedAt: string
  }[]
}

interface LiveAnswer {
  readonly instance: string
  readonly hash: string
  readonly answers: readonly {
    readonly id: string
    readonly text: string
    readonly query: string
    readonly state: string
    readonly values: readonly {
      readonly labels: Readonly<Record<string, string>>
      readonly value: string
    }[]
    readonly more: number
    readonly fault?: string
  }[]
}

export const runbooksCommand: Command = {
  name: 'runbooks',
  summary: 'what to do when an alert fires; which rules have none, which are never used',
  usage:
    '[list | show NAME [--version HASH] | versions NAME | use | ask NAME (--incident N | --instance HOST)] [--json]',
  help: `Runbooks: one Markdown file an alert.

  list            all of them
  show NAME       the text as it is now; --version HASH: as it was, for an incident that was worked by it
  versions NAME   every version this hub has seen
  use             alert rules without a runbook, runbooks that were never used, and how often the others were
  ask NAME        what the live queries of its steps and checks say now, for an incident's host or for another
  --json          the hub's answer

Used means: pinned to an incident, or its page opened by an operator while its alert fires.

Examples:
  callward runbooks show ServiceDown
  callward runbooks use
  callward runbooks ask ServiceDown --incident 12`,
  options: {
    version: { type: 'string' },
    incident: { type: 'string' },
    instance: { type: 'string' },
    json: { type: 'boolean' },
  },
  positionals: [0, 2],
  async run(call) {
    const [action = 'list', name] = call.positionals
    if (name === undefined && action === 'list') return list(call)
    if (name === undefined && action === 'use') return use(call)
    if (name !== undefined && action === 'show') return show(call, name)
    if (name !== undefined && action === 'versions') return versions(call, name)
    if (name !== undefined && action === 'ask') return ask(call, name)
    throw new UsageError('Say: callward runbooks, or show NAME, versions NAME, use, ask NAME.')
  },
}

const isJson = (call: Call) => call.values['json'] === true
const pathOf = (name: string) => `/api/v1/runbooks/${encodeURIComponent(name)}`

async function list(call: Call): Promise<number> {
  const answer = await call.hub().call<{ runbooks: HeadAnswer[] }>('GET', '/api/v1/runbooks')
  if (isJson(call)) sayJson(call, answer)
  else
    table(
      call,
      ['NAME', 'SEVERITY', 'MINUTES', 'TITLE'],
      answer.runbooks.map(({ name, severity, estimatedMinutes, title }) => [
        name,
        severity.toUpperCase(),
        String(estimatedMinutes),
        title,
      ]),
    )
  return 0
}

async function show(call: Call, name: string): Promise<number> {
  const hash = textOption(call, 'version')
  if (hash !== undefined && !/^[0-9a-f]{64}$/.test(hash))
    throw new UsageError(
      `--version: 64 hexadecimal digits; callward runbooks versions ${name} lists them.`,
    )
  if (hash === undefined) {
    const answer = await call.hub().call<{ runbook: { text: string } }>('GET', pathOf(name))
    return said(call, answer, answer.runbook.text)
  }
  const answer = await call.hub().call<{ text: string }>('GET', `/api/v1/runbook-versions/${hash}`)
  return said(call, answer, answer.text)
}

function said(call: Call, answer: object, text: string): number {
  if (isJson(call)) sayJson(call, answer)
  else for (const line of plainLines(text)) call.say(line)
  return 0
}

async function versions(call: Call, name: string): Promise<number> {
  const answer = await call
    .hub()
    .call<{ versions: { hash: string; recordedAt: string; isCurrent: boolean }[] }>(
      'GET',
      `${pathOf(name)}/versions`,
    )
  if (isJson(call)) sayJson(call, answer)
  else if (answer.versions.length === 0)
    call.say(`No version of ${plain(name)} was ever seen here.`)
  else
    table(
      call,
      ['FIRST SEEN', 'HASH', ''],
      answer.versions.map(({ hash, recordedAt, isCurrent }) => [
        localTime(recordedAt),
        hash,
        isCurrent ? 'now' : '',
      ]),
    )
  return 0
}

async function use(call: Call): Promise<number> {
  const answer = await call.hub().call<UseAnswer>('GET', '/api/v1/runbook-use')
  if (isJson(call)) {
    sayJson(call, answer)
    return 0
  }
  call.say(`Alert rules without a runbook: ${answer.rulesWithoutRunbook.length}`)
  if (answer.rulesWithoutRunbook.length > 0)
    table(
      call,
      ['RULE', 'GROUP', 'SEVERITY', 'ELSEWHERE'],
      answer.rulesWithoutRunbook.map(({ rule, group, severity, elsewhere }) => [
        rule,
        group,
        severity.toUpperCase(),
        elsewhere ?? '-',
      ]),
    )
  call.say(`Runbooks never used: ${answer.neverUsed.length}`)
  for (const { name, title } of answer.neverUsed) call.say(`  ${plain(name)}: ${plain(title)}`)
  call.say(`Used: ${answer.used.length}`)
  if (answer.used.length > 0)
    table(
      call,
      ['NAME', 'INCIDENTS', 'OPENED', 'LAST', 'TITLE'],
      answer.used.map(({ name, incidents, opened, lastUsedAt, title }) => [
        name,
        String(incidents),
        String(opened),
        localTime(lastUsedAt),
        title ?? '(gone)',
      ]),
    )
  return 0
}

async function ask(call: Call, name: string): Promise<number> {
  const incident = textOption(call, 'incident')
  const instance = textOption(call, 'instance')
  if ((incident === undefined) === (instance === undefined))
    throw new UsageError('Say of which host: --incident N, or --instance HOST.')
  const query = new URLSearchParams(
    incident === undefined ? { instance: instance ?? '' } : { incident },
  )
  const answer = await call.hub().call<LiveAnswer>('GET', `${pathOf(name)}/answers?${query}`)
  if (isJson(call)) {
    sayJson(call, answer)
    return 0
  }
  if (answer.answers.length === 0) call.say(`${plain(name)} asks nothing of hosts.`)
  for (const one of answer.answers) {
    call.say(`${one.id}: ${plain(one.text)}`)
    call.say(`    ${plain(one.query)}`)
    for (const line of linesOf(one)) call.say(`    ${plain(line)}`)
  }
  return 0
}

function linesOf({ state, values, more, fault }: LiveAnswer['answers'][number]): string[] {
  if (state === 'failed') return [`not answered: ${fault ?? ''}`]
  if (state === 'nothing') return ['nothing found']
  return [
    ...values.map(({ labels, value }) => {
      const names = Object.entries(labels).map(([label, text]) => `${label}="${text}"`)
      return `${value}  ${names.join(', ')}`
    }),
    ...(more === 0 ? [] : [`and ${more} more`]),
  ]
}
