import { readFileSync } from 'node:fs'
import {
  type Call,
  type Command,
  CommandError,
  sayJson,
  textOption,
  UsageError,
} from './command.ts'
import { localTime, plain, table } from './render.ts'

interface DocumentAnswer {
  readonly version: number
  readonly document: string
  readonly storedAt: string | null
  readonly storedBy: string | null
  readonly faults: readonly LineFault[]
}

interface LineFault {
  readonly line: number
  readonly message: string
}

interface ExplainAnswer {
  readonly version: number
  readonly text: string
  readonly rule: string | null
  readonly rules: readonly {
    readonly rule: string
    readonly action: string
    readonly decides: boolean
    readonly because: string
  }[]
}

interface Totals {
  readonly opened: number
  readonly merged: number
  readonly undecided: number
  readonly rules: readonly {
    readonly rule: string
    readonly opened: number
    readonly joined: number
    readonly nothing: number
  }[]
}

interface TryAnswer {
  readonly from: string
  readonly to: string
  readonly alerts: number
  readonly cut: boolean
  readonly now: Totals
  readonly tried: Totals | null
}

export const correlationCommand: Command = {
  name: 'correlation',
  summary: 'which alerts open an incident, which join one: read, check, store, explain, try',
  usage:
    '[show [VERSION] | versions | check FILE | apply FILE | explain LABEL=VALUE... | try [FILE]] [--json]',
  help: `Correlation rules say which alerts open an incident, which join one and which do neither. The first rule that matches decides.

  show [VERSION]           the document that holds, or an earlier one; 0 is the built-in one
  versions                 who stored which version when
  check FILE               every fault with its line; exit code 1 when there is one; stores nothing
  apply FILE               stores a document; it holds from the next alert on. What is open stays as it is.
                           --made-from N refuses when another version than N holds by now
  explain LABEL=VALUE...   what would become of an alert with these labels, and why; --file FILE by another document
  explain ALERT            the same of a real alert, by its id or fingerprint
  try [FILE]               what the rules would have opened over the last 30 days; with FILE also by that document; --days N
  --json                   for programs

Examples:
  callward correlation show > correlation.yaml
  callward correlation check correlation.yaml
  callward correlation try correlation.yaml --days 30
  callward correlation apply correlation.yaml --made-from 0
  callward correlation explain alertname=HostSilent severity=critical instance=pbx-1:9100 site=hanoi
  callward correlation explain 5823573dc670e4d8`,
  options: {
    json: { type: 'boolean' },
    file: { type: 'string' },
    days: { type: 'string' },
    'made-from': { type: 'string' },
  },
  positionals: [0, 102],
  async run(call) {
    const [action = 'show', first, ...rest] = call.positionals
    const command = Object.hasOwn(actions, action) ? actions[action] : undefined
    if (command === undefined)
      throw new UsageError(`"${action}" is none of ${Object.keys(actions).join(', ')}.`)
    if (first === undefined && command.needs !== undefined)
      throw new UsageError(`${action}: say ${command.needs}.`)
    if (rest.length > 0 && action !== 'explain')
      throw new UsageError(`${action}: "${rest[0]}" is one too many.`)
    return command.run(call, first, rest)
  },
}

interface Action {
  /** What must follow. */
  readonly needs?: string
  run(call: Call, first: string | undefined, rest: readonly string[]): Promise<number>
}

const actions: Readonly<Record<string, Action>> = {
  show: { run: show },
  versions: { run: versions },
  check: { needs: 'which file', run: check },
  apply: { needs: 'which file', run: apply },
  explain: { needs: 'labels, as alertname=HostSilent, or the id of an alert', run: explain },
  try: { run: tryOut },
}

const api = '/api/v1/correlation'

async function show(call: Call, version: string | undefined): Promise<number> {
  const number = version === undefined ? undefined : wholeNumber(version, 'VERSION')
  const path = number === undefined ? api : `${api}/versions/${number}`
  const answer = await call.hub().call<DocumentAnswer>('GET', path)
  if (call.values.json === true) sayJson(call, answer)
  else {
    // What follows is a document that can be read back: comments only around it.
    call.say(`# ${heldBy(answer)}`)
    for (const { line, message } of answer.faults)
      call.say(`# line ${line}: ${plain(message)} (the built-in rules hold)`)
    for (const line of answer.document.trimEnd().split('\n')) call.say(plain(line))
  }
  return 0
}

function heldBy({ version, storedAt, storedBy }: DocumentAnswer): string {
  if (storedAt === null) return 'The built-in document, version 0.'
  return `Version ${version}, stored by ${plain(storedBy ?? '')} at ${storedAt}.`
}

async function versions(call: Call): Promise<number> {
  const answer = await call.hub().call<{
    readonly versions: readonly {
      readonly version: number
      readonly hash: string
      readonly storedAt: string
      readonly storedBy: string
    }[]
  }>('GET', `${api}/versions`)
  if (call.values.json === true) sayJson(call, answer)
  else if (answer.versions.length === 0) call.say('None was stored: the built-in document holds.')
  else
    table(
      call,
      ['VERSION', 'STORED', 'BY', 'SHA-256'],
      answer.versions.map(({ version, hash, storedAt, storedBy }) => [
        String(version),
        localTime(storedAt),
        plain(storedBy),
        hash,
      ]),
    )
  return 0
}

async function check(call: Call, file = ''): Promise<number> {
  const document = textOf(file)
  const answer = await call.hub().call<{
    readonly rules: number
    readonly faults: readonly LineFault[]
  }>('POST', `${api}/check`, { document })
  if (call.values.json === true) sayJson(call, answer)
  else if (answer.faults.length === 0) call.say(`${file}: no fault; ${answer.rules} rules.`)
  else for (const { line, message } of answer.faults) call.say(`${file}:${line}: ${plain(message)}`)
  return answer.faults.length === 0 ? 0 : 1
}

async function apply(call: Call, file = ''): Promise<number> {
  const from = textOption(call, 'made-from')
  const madeFrom = from === undefined ? {} : { madeFrom: wholeNumber(from, '--made-from') }
  const body = { document: textOf(file), ...madeFrom }
  const answer = await call.hub().call<DocumentAnswer>('PUT', api, body)
  if (call.values.json === true) sayJson(call, answer)
  else call.say(`${heldBy(answer)} It holds from the next alert on.`)
  return 0
}

async function explain(
  call: Call,
  first: string | undefined,
  rest: readonly string[],
): Promise<number> {
  const file = textOption(call, 'file')
  const alert = first !== undefined && !first.includes('=') ? first : undefined
  if (alert !== undefined && rest.length > 0)
    throw new UsageError(`"${alert}" is no label. Example: alertname=HostSilent severity=critical`)
  const asked = alert === undefined ? { labels: labelsOf([first ?? '', ...rest]) } : { alert }
  const body = { ...asked, ...(file === undefined ? {} : { document: textOf(file) }) }
  const answer = await call.hub().call<ExplainAnswer>('POST', `${api}/explain`, body)
  if (call.values.json === true) {
    sayJson(call, answer)
    return 0
  }
  const by = answer.rule === null ? '' : ` By the rule "${plain(answer.rule)}".`
  call.say(`The alert ${plain(answer.text)}.${by}`)
  table(
    call,
    ['RULE', 'ACTION', 'DECIDES', 'BECAUSE'],
    answer.rules.map(({ rule, action, decides, because }) => [
      plain(rule),
      action,
      decides ? 'yes' : 'no',
      plain(because),
    ]),
  )
  return 0
}

async function tryOut(call: Call, file: string | undefined): Promise<number> {
  const days = textOption(call, 'days')
  const body = {
    ...(file === undefined ? {} : { document: textOf(file) }),
    ...(days === undefined ? {} : { days: wholeNumber(days, '--days') }),
  }
  const answer = await call.hub().call<TryAnswer>('POST', `${api}/try`, body)
  if (call.values.json === true) {
    sayJson(call, answer)
    return 0
  }
  call.say(
    `${answer.alerts} alerts fired from ${localTime(answer.from)} to ${localTime(answer.to)}.`,
  )
  if (answer.cut) call.say('There were more; the oldest are left out. Ask for fewer days.')
  sayTotals(call, 'The rules that hold', answer.now)
  if (answer.tried !== null) sayTotals(call, plain(file ?? ''), answer.tried)
  return 0
}

function sayTotals(call: Call, whose: string, totals: Totals): void {
  const merged = totals.merged === 0 ? '' : `, ${totals.merged} of them merged into another`
  call.say('')
  call.say(`${whose}: ${totals.opened} incidents${merged}; no rule for ${totals.undecided} alerts.`)
  table(
    call,
    ['RULE', 'OPENED', 'JOINED', 'NOTHING'],
    totals.rules.map(({ rule, opened, joined, nothing }) => [
      plain(rule),
      String(opened),
      String(joined),
      String(nothing),
    ]),
  )
}

function labelsOf(given: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    given.map((one) => {
      const place = one.indexOf('=')
      if (place < 1)
        throw new UsageError(
          `"${one}" is no label. Example: alertname=HostSilent severity=critical`,
        )
      return [one.slice(0, place), one.slice(place + 1)]
    }),
  )
}

function wholeNumber(text: string, name: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new UsageError(`${name}: "${text}" is no whole number.`)
  return Number(text)
}

function textOf(file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file))
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'not UTF-8'
    throw new CommandError(`${file} cannot be read (${code}). Give a text file saved as UTF-8.`)
  }
}
