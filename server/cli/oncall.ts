import { readFileSync } from 'node:fs'
import { parseDocument, stringify } from 'yaml'
import { timeField } from './change-fields.ts'
import {
  type Call,
  type Command,
  CommandError,
  sayJson,
  textOption,
  UsageError,
} from './command.ts'
import type {
  ApplyAnswer,
  HandoversAnswer,
  HistoryAnswer,
  NowAnswer,
  PolicyAnswer,
  ReadinessAnswer,
  TargetAnswer,
} from './oncall-answers.ts'
import { drawWeek, type ExpansionAnswer } from './oncall-week.ts'
import { localTime, paintFor, plain, table } from './render.ts'

export const oncallCommand: Command = {
  name: 'oncall',
  summary: 'who is on call, schedules, escalation policies, readiness',
  usage:
    '[now] | show ID | override ID … | policy [ID] | check | note ID TEXT | handovers | people | history | apply FILE | export [--json]',
  help: `Who is on call now, and whom a page would reach.

  now        each schedule: who is on call, until when, who is next; --at TIME: then
  show       the layers and the outcome of a week as bars, eight cells a day; --at TIME begins there
  override   --person NAME --from TIME --to TIME --reason TEXT; an operator gives away the own shift only
  policy     escalation policies; with an id its steps, and whom each reaches now
  check      whether the shifts of the next 14 days will reach people; --days N
             exit code 1 where one would not, or it is not known
  note       a note for who comes next in a schedule
  handovers  the last hand-overs with what was open
  people     who can be put on call
  history    who changed what of schedules, policies and overrides
  apply      schedules and policies from a YAML file; shows what would change, and changes it with --yes;
             --prune also deletes what the file does not name
  export     all schedules and policies as such a file
  --json     the hub's answer

Times without a zone are in this machine's zone; "now" is now.

Examples:
  callward oncall
  callward oncall now --at '2026-03-29 03:00'
  callward oncall show pbx-primary
  callward oncall override pbx-primary --person boris --from now --to '2026-03-02 18:00' --reason 'Anna is ill'
  callward oncall export > oncall.yaml
  callward oncall apply oncall.yaml
  callward oncall apply oncall.yaml --yes
  callward oncall check --days 7`,
  options: {
    at: { type: 'string' },
    person: { type: 'string' },
    from: { type: 'string' },
    to: { type: 'string' },
    reason: { type: 'string' },
    days: { type: 'string' },
    yes: { type: 'boolean' },
    prune: { type: 'boolean' },
    json: { type: 'boolean' },
  },
  positionals: [0, 3],
  async run(call) {
    const [action = 'now', ...rest] = call.positionals
    const command = actions[action]
    if (command === undefined)
      throw new UsageError(`"${action}" is none of ${Object.keys(actions).join(', ')}.`)
    const [fewest, most] = command.takes
    if (rest.length < fewest) throw new UsageError(`${action}: an argument is missing.`)
    if (rest.length > most) throw new UsageError(`${action}: "${rest[most]}" is one too many.`)
    return command.run(call, rest[0] ?? '', rest[1] ?? '')
  },
}

interface Action {
  readonly takes: readonly [fewest: number, most: number]
  run(call: Call, first: string, second: string): Promise<number>
}

const actions: Readonly<Record<string, Action>> = {
  now: { takes: [0, 0], run: now },
  show: { takes: [1, 1], run: show },
  override: { takes: [1, 1], run: override },
  policy: { takes: [0, 1], run: policy },
  check: { takes: [0, 0], run: check },
  note: { takes: [2, 2], run: note },
  handovers: { takes: [0, 0], run: handovers },
  people: { takes: [0, 0], run: people },
  history: { takes: [0, 0], run: history },
  apply: { takes: [1, 1], run: apply },
  export: { takes: [0, 0], run: exportPlan },
}

const api = '/api/v1/oncall'

function path(id: string): string {
  return encodeURIComponent(id)
}

function timeOption(call: Call, name: string): string {
  const text = textOption(call, name)
  return text === 'now' ? new Date().toISOString() : timeField(text, name)
}

async function now(call: Call): Promise<number> {
  const at = call.values.at === undefined ? '' : `?at=${path(timeOption(call, 'at'))}`
  const answer = await call.hub().call<NowAnswer>('GET', `${api}${at}`)
  if (call.values.json === true) sayJson(call, answer)
  else if (answer.schedules.length === 0)
    call.say(
      'There is no schedule. Write one into a file and apply it: callward oncall apply --help',
    )
  else {
    const rows = answer.schedules.map(({ id, onCall, gap, next }) => [
      id,
      onCall.map(({ name }) => name).join(', ') || (gap?.planned === true ? '-' : 'NOBODY'),
      localTime(onCall[0]?.until ?? gap?.until),
      next === null ? '-' : `${next.name} at ${localTime(next.at)}`,
      gap?.reason ?? onCall.map(({ layer }) => layer).join(', '),
    ])
    table(call, ['SCHEDULE', 'ON CALL', 'UNTIL', 'NEXT', 'BY'], rows)
  }
  return 0
}

async function show(call: Call, id: string): Promise<number> {
  const from = call.values.at === undefined ? '' : `?from=${path(timeOption(call, 'at'))}`
  const answer = await call.hub().call<{
    schedule: { name: string; timeZone: string; revision: number }
    expansion: ExpansionAnswer
    overrides: { person: { name: string }; from: string; to: string; reason: string }[]
  }>('GET', `${api}/schedules/${path(id)}${from}`)
  if (call.values.json === true) {
    sayJson(call, answer)
    return 0
  }
  const { schedule, expansion, overrides } = answer
  call.say(
    `${id}  ${plain(schedule.name)}  days of ${plain(schedule.timeZone)}, eight cells of three hours\n`,
  )
  for (const line of drawWeek(expansion)) call.say(line)
  const gaps = expansion.final.filter(({ person }) => person === null)
  for (const { from: begins, to, reason } of gaps.slice(0, 20))
    call.say(`nobody ${localTime(begins)} to ${localTime(to)}: ${plain(reason)}`)
  if (gaps.length > 20) call.say(`and ${gaps.length - 20} more gaps`)
  for (const one of overrides)
    call.say(
      `override ${plain(one.person.name)} ${localTime(one.from)} to ${localTime(one.to)}: ${plain(one.reason)}`,
    )
  return 0
}

async function override(call: Call, id: string): Promise<number> {
  const [person, reason] = [textOption(call, 'person'), textOption(call, 'reason')]
  if (person === undefined) throw new UsageError('Say who: --person NAME')
  if (reason === undefined) throw new UsageError('Say why: --reason TEXT')
  const body = { person, from: timeOption(call, 'from'), to: timeOption(call, 'to'), reason }
  const answer = await call
    .hub()
    .call<{ override: { from: string; to: string; person: { name: string } } }>(
      'POST',
      `${api}/schedules/${path(id)}/overrides`,
      body,
    )
  if (call.values.json === true) sayJson(call, answer)
  else {
    const made = answer.override
    call.say(
      `${plain(made.person.name)} is on call in ${id} from ${localTime(made.from)} to ${localTime(made.to)}.`,
    )
  }
  return 0
}

async function policy(call: Call, id: string): Promise<number> {
  if (id === '') {
    const answer = await call.hub().call<{ policies: PolicyAnswer[] }>('GET', `${api}/policies`)
    if (call.values.json === true) sayJson(call, answer)
    else if (answer.policies.length === 0)
      call.say('There is no policy. Write one into a file: callward oncall apply --help')
    else {
      const rows = answer.policies.map((one) => [
        one.id,
        one.name,
        String(one.steps.length),
        String(one.repeat + 1),
      ])
      table(call, ['POLICY', 'NAME', 'STEPS', 'ROUNDS'], rows)
    }
    return 0
  }
  const answer = await call
    .hub()
    .call<{ policy: PolicyAnswer }>('GET', `${api}/policies/${path(id)}`)
  if (call.values.json === true) sayJson(call, answer)
  else sayPolicy(call, answer.policy)
  return 0
}

function sayPolicy(call: Call, policy: PolicyAnswer): void {
  call.say(`${policy.id}  ${plain(policy.name)}`)
  const reaches = ({ kind, name, now: people, reason }: TargetAnswer) =>
    `${kind} ${plain(name)} -> ${people.length === 0 ? `nobody now: ${plain(reason)}` : people.map(plain).join(', ')}`
  for (const [index, { delaySeconds, targets }] of policy.steps.entries()) {
    call.say(`  step ${index + 1}, waits ${spanText(delaySeconds)}`)
    for (const target of targets) call.say(`    ${reaches(target)}`)
  }
  call.say(`  ${policy.repeat + 1} round(s), then every ${spanText(policy.catchAllEverySeconds)}`)
  for (const target of policy.catchAll) call.say(`    ${reaches(target)}`)
  const { acknowledgementSeconds: lasts } = policy
  if (lasts !== null) call.say(`  an acknowledgement counts for ${spanText(lasts)}`)
}

function spanText(seconds: number): string {
  if (seconds % 3600 === 0) return `${seconds / 3600} h`
  return seconds % 60 === 0 ? `${seconds / 60} min` : `${seconds} s`
}

async function check(call: Call): Promise<number> {
  const days = textOption(call, 'days') ?? '14'
  const answer = await call
    .hub()
    .call<ReadinessAnswer>('GET', `${api}/readiness?days=${path(days)}`)
  const exitCode = answer.state === 'ready' ? 0 : 1
  if (call.values.json === true) {
    sayJson(call, answer)
    return exitCode
  }
  const paint = paintFor(call.terminal)
  const { ready, unready, unknown } = answer.counts
  call.say(
    `${paint(answer.state === 'ready' ? 'ok' : 'attention', answer.state)}: of the shifts of ${answer.days} days ${ready} ready, ${unready} not, ${unknown} not known`,
  )
  if (ready + unready + unknown === 0) call.say('There is no schedule, so nothing is proven.')
  const bad = answer.shifts.filter(({ state }) => state !== 'ready')
  if (bad.length > 0) {
    const rows = bad.map((one) => [
      one.schedule,
      localTime(one.from),
      one.person ?? '-',
      one.reason ?? '',
      one.detail,
    ])
    table(call, ['SCHEDULE', 'FROM', 'PERSON', 'REASON', 'DETAIL'], rows)
  }
  if (answer.omitted > 0) call.say(`and ${answer.omitted} more`)
  for (const { kind, person, schedules, from, to } of answer.overloads)
    call.say(
      `overload: ${plain(person)}, ${kind}, ${schedules.join(' and ')}, ${localTime(from)} to ${localTime(to)}`,
    )
  if (answer.proof !== null)
    call.say(`The proof of ${answer.proof.day} said: ${plain(answer.proof.state)}.`)
  return exitCode
}

async function note(call: Call, id: string, text: string): Promise<number> {
  await call.hub().call('POST', `${api}/schedules/${path(id)}/notes`, { text })
  call.say('Kept; it goes with the next hand-over.')
  return 0
}

async function handovers(call: Call): Promise<number> {
  const answer = await call.hub().call<HandoversAnswer>('GET', `${api}/handovers?limit=10`)
  if (call.values.json === true) sayJson(call, answer)
  else if (answer.handovers.length === 0) call.say('No shift has ended yet.')
  else
    for (const one of answer.handovers) {
      const read =
        one.acknowledgedAt === null ? 'not read yet' : `read ${localTime(one.acknowledgedAt)}`
      call.say(
        `${localTime(one.at)}  ${one.schedule}  ${plain(one.from?.name ?? 'nobody')} -> ${plain(one.to?.name ?? 'nobody')}  (${read})`,
      )
      for (const { text } of [...one.incidents, ...one.alerts]) call.say(`  ${plain(text)}`)
      for (const { text, by } of one.notes) call.say(`  ${plain(by)}: ${plain(text)}`)
    }
  return 0
}

async function people(call: Call): Promise<number> {
  const answer = await call
    .hub()
    .call<{ people: { name: string; enabled: boolean }[] }>('GET', `${api}/people`)
  if (call.values.json === true) sayJson(call, answer)
  else
    table(
      call,
      ['NAME', 'ACCOUNT'],
      answer.people.map(({ name, enabled }) => [name, enabled ? 'ok' : 'disabled']),
    )
  return 0
}

async function history(call: Call): Promise<number> {
  const answer = await call.hub().call<HistoryAnswer>('GET', `${api}/history`)
  if (call.values.json === true) sayJson(call, answer)
  else
    table(
      call,
      ['WHEN', 'WHO', 'WHAT', 'ACTION'],
      answer.history.map((one) => [
        localTime(one.recordedAt),
        one.recordedBy,
        `${one.type} ${one.id}`,
        one.action,
      ]),
    )
  return 0
}

/** A file larger than this is none of schedules. */
const fileBytes = 8 * 1024 * 1024

async function apply(call: Call, file: string): Promise<number> {
  const body = {
    plan: readPlan(file),
    dryRun: call.values.yes !== true,
    prune: call.values.prune === true,
  }
  const answer = await call.hub().call<ApplyAnswer>('POST', `${api}/plan`, body)
  if (call.values.json === true) {
    sayJson(call, answer)
    return 0
  }
  for (const { type, id, action, lines } of answer.changes) {
    call.say(`${type} ${id}: ${action}`)
    for (const line of lines) call.say(`  ${plain(line)}`)
  }
  const count = answer.changes.length
  if (count === 0) call.say(`Nothing differs; ${answer.unchanged} unchanged.`)
  else if (answer.applied) call.say(`Done: ${count} changed, ${answer.unchanged} unchanged.`)
  else call.say(`Nothing was changed yet. To do it: callward oncall apply ${plain(file)} --yes`)
  return 0
}

function readPlan(file: string): unknown {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new CommandError(`${file} cannot be read (${code}). Give the path of a YAML file.`)
  }
  if (text.length > fileBytes) throw new CommandError(`${file} is larger than 8 MiB.`)
  const document = parseDocument(text)
  const [fault] = document.errors
  if (fault !== undefined) throw new CommandError(`${file}: ${fault.message}`)
  const plan: unknown = document.toJS({ maxAliasCount: 100 })
  if (typeof plan !== 'object' || plan === null || Array.isArray(plan))
    throw new CommandError(
      `${file} must hold schedules: and policies:. See: callward oncall export`,
    )
  return plan
}

async function exportPlan(call: Call): Promise<number> {
  const { plan } = await call.hub().call<{ plan: object }>('GET', `${api}/plan`)
  if (call.values.json === true) sayJson(call, plan)
  else call.say(stringify(plan, { lineWidth: 0 }).trimEnd())
  return 0
}
