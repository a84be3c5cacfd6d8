import type { AttemptAnswer, ChannelAnswer, ContactPointAnswer, OutcomeAnswer } from './answers.ts'
import {
  type Call,
  type Command,
  CommandError,
  sayJson,
  textOption,
  UsageError,
} from './command.ts'
import { localTime, paintFor, plain, table } from './render.ts'

const actions = 'list, channels, add, test, preview, attempts, remove'

export const notifyCommand: Command = {
  name: 'notify',
  summary: 'where people are told: contact points, tests, previews',
  usage:
    'list | channels | add CHANNEL KEY=VALUE… | test ID | preview KIND | attempts [ID] | remove ID [--json]',
  help: `A contact point is where somebody can be reached: an address, a number, a group's webhook. It counts once a test was accepted.
People manage their own; administrators all, those of teams, and shared ones, whose relay or gateway serves everybody's address.

  list      what you may see, with the last test
  channels  the channels and their settings; * is needed, - is never shown again
  add       CHANNEL and its settings as KEY=VALUE; KEY=@FILE reads a file, KEY=- one line of standard input (for secrets)
            --label TEXT, --language en | zh | vi | ru, --zone Asia/Ho_Chi_Minh
            --shared, --team ID, --person ID: for administrators
  test      sends a test message and says what became of it
  preview   what people would read: firing, resolved, acknowledged, escalated, test, canary
            --channel NAME, --language, --zone; administrators: --template FILE, --form title | text | short
  attempts  the newest attempts to send, with their reasons
  remove    takes a contact point away
  --json    the hub's answer

Examples:
  callward notify add email to=anna@bank.example --label Office --language vi --zone Asia/Ho_Chi_Minh
  callward notify add email to=ops@bank.example from=callward@bank.example host=mail.bank.example user=callward password=- --shared
  callward notify add dingtalk url=- secret=@/root/dingtalk.secret --label 'Voice group'
  callward notify test 019ab0c1-…
  callward notify preview firing --channel sms --language ru`,
  options: {
    label: { type: 'string' },
    language: { type: 'string' },
    zone: { type: 'string' },
    shared: { type: 'boolean' },
    team: { type: 'string' },
    person: { type: 'string' },
    channel: { type: 'string' },
    template: { type: 'string' },
    form: { type: 'string' },
    json: { type: 'boolean' },
  },
  positionals: [1, 30],
  async run(call) {
    const [action, subject, ...rest] = call.positionals
    if (rest.length > 0 && action !== 'add')
      throw new UsageError(`${action} takes no "${rest[0]}".`)
    if (action === 'list' && subject === undefined) return list(call)
    if (action === 'channels' && subject === undefined) return channels(call)
    if (action === 'attempts') return attempts(call, subject)
    if (subject !== undefined) {
      if (action === 'add') return add(call, subject, rest)
      if (action === 'test') return test(call, subject)
      if (action === 'preview') return preview(call, subject)
      if (action === 'remove') return remove(call, subject)
    }
    throw new UsageError(
      `Say what to do: ${actions}; add takes a channel, test and remove an ID, preview a kind.`,
    )
  },
}

async function list(call: Call): Promise<number> {
  const answer = await call
    .hub()
    .call<{ contactPoints: ContactPointAnswer[] }>('GET', '/api/v1/contact-points')
  if (call.values.json === true) sayJson(call, answer)
  else if (answer.contactPoints.length === 0)
    call.say('There is no contact point yet. Make one with: callward notify add --help')
  else {
    const rows = answer.contactPoints.map((point) => [
      point.id,
      point.channel,
      point.label,
      point.owner.kind === 'shared' ? 'shared' : `${point.owner.kind} ${point.owner.name}`,
      stateOf(point),
      localTime(point.testedAt),
    ])
    table(call, ['ID', 'CHANNEL', 'LABEL', 'OWNER', 'STATE', 'TESTED'], rows)
  }
  return 0
}

function stateOf({ disabledAt, testedAt, testOutcome }: ContactPointAnswer): string {
  if (disabledAt !== null) return 'DISABLED'
  if (testedAt !== null) return 'TESTED'
  return testOutcome === null ? 'UNTESTED' : 'TEST FAILED'
}

async function channels(call: Call): Promise<number> {
  const answer = await readChannels(call)
  if (call.values.json === true) sayJson(call, { channels: answer })
  else {
    const rows = answer.map(({ name, fields, personal, lends }) => [
      name,
      lends
        ? `${personal.join(' ')}   (the rest is lent by a shared one)`
        : fields
            .map(({ key, required, secret }) => `${key}${required ? '*' : ''}${secret ? '-' : ''}`)
            .join(' '),
    ])
    table(call, ['CHANNEL', 'SETTINGS'], rows)
  }
  return 0
}

async function readChannels(call: Call): Promise<readonly ChannelAnswer[]> {
  const { channels } = await call
    .hub()
    .call<{ channels: ChannelAnswer[] }>('GET', '/api/v1/contact-points/channels')
  return channels
}

async function add(call: Call, channel: string, pairs: readonly string[]): Promise<number> {
  const known = (await readChannels(call)).find(({ name }) => name === channel)
  if (known === undefined)
    throw new UsageError(`There is no channel "${channel}". See: callward notify channels`)
  const answer = await call
    .hub()
    .call<{ contactPoint: ContactPointAnswer }>('POST', '/api/v1/contact-points', {
      channel,
      label: textOption(call, 'label') ?? channel,
      ...optional(call, 'language', 'language'),
      ...optional(call, 'zone', 'timeZone'),
      ...ownerOf(call),
      settings: await settingsOf(call, known, pairs),
    })
  if (call.values.json === true) sayJson(call, answer)
  else
    call.say(
      `Made ${answer.contactPoint.id}. It counts once it is tested: callward notify test ${answer.contactPoint.id}`,
    )
  return 0
}

function optional(call: Call, option: string, key: string): Record<string, string> {
  const value = textOption(call, option)
  return value === undefined ? {} : { [key]: value }
}

function ownerOf(call: Call): object {
  const team = textOption(call, 'team')
  const person = textOption(call, 'person')
  if (call.values.shared === true) return { owner: { kind: 'shared' } }
  if (team !== undefined) return { owner: { kind: 'team', id: team } }
  return person === undefined ? {} : { owner: { kind: 'person', id: person } }
}

/** Settings from KEY=VALUE; of a key with lines each further one adds a line. */
async function settingsOf(
  call: Call,
  channel: ChannelAnswer,
  pairs: readonly string[],
): Promise<Record<string, unknown>> {
  const settings: Record<string, unknown> = {}
  for (const pair of pairs) {
    const at = pair.indexOf('=')
    const key = pair.slice(0, Math.max(0, at))
    const field = channel.fields.find((one) => one.key === key)
    if (field === undefined) {
      const keys = channel.fields.map((one) => one.key).join(', ')
      throw new UsageError(
        `"${at < 0 ? pair : key}" is no setting of ${channel.name}; it has ${keys}.`,
      )
    }
    const value = await givenValue(call, pair.slice(at + 1))
    if (field.input === 'number') settings[key] = Number(value)
    else if (field.input === 'lines')
      settings[key] = [
        ...((settings[key] as string[] | undefined) ?? []),
        ...value.split('\n').filter((line) => line !== ''),
      ]
    else settings[key] = value
  }
  return settings
}

/** Longest secret or file that is read. */
const valueBytes = 64 * 1024

async function givenValue(call: Call, text: string): Promise<string> {
  if (text.startsWith('@')) return readWhole(text.slice(1))
  if (text !== '-') return text
  if (call.terminal.stdin.isTTY) call.terminal.stderr.write('value: ')
  return (await firstLine(call.terminal.stdin)).trim()
}

async function readWhole(path: string): Promise<string> {
  const { readFile, stat } = await import('node:fs/promises')
  try {
    if ((await stat(path)).size > valueBytes)
      throw new CommandError(`${path} is larger than 64 KiB.`)
    return (await readFile(path, 'utf8')).trim()
  } catch (error) {
    if (error instanceof CommandError) throw error
    throw new CommandError(`${path} cannot be read (${(error as NodeJS.ErrnoException).code}).`)
  }
}

function firstLine(stdin: NodeJS.ReadStream): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    const done = () => {
      stdin.off('data', take)
      stdin.pause()
      const [line = '', ...rest] = text.split('\n')
      // What follows is the next value's.
      if (rest.length > 0 && rest.join('\n') !== '') stdin.unshift(rest.join('\n'))
      resolve(line)
    }
    const take = (chunk: Buffer | string) => {
      text += String(chunk)
      if (text.includes('\n') || text.length > valueBytes) done()
    }
    stdin.on('data', take)
    stdin.once('end', done)
    stdin.resume()
  })
}

async function test(call: Call, id: string): Promise<number> {
  const path = `/api/v1/contact-points/${encodeURIComponent(id)}/test`
  const answer = await call.hub().call<OutcomeAnswer>('POST', path, undefined, 40_000)
  const { outcome, reason } = answer
  const good = outcome === 'accepted' || outcome === 'delivered'
  if (call.values.json === true) sayJson(call, answer)
  else {
    call.say(
      `${paintFor(call.terminal)(good ? 'ok' : 'critical', outcome.toUpperCase())}  ${plain(reason)}`,
    )
    if (good) call.say('Look whether it arrived: the provider took it, no more is known.')
  }
  return good ? 0 : 1
}

async function preview(call: Call, kind: string): Promise<number> {
  const file = textOption(call, 'template')
  const answer = await call.hub().call<{
    title: string
    text: string
    short: string
    sms: { encoding: string; segments: number }
    faults: string[]
  }>('POST', '/api/v1/notify/preview', {
    kind,
    ...optional(call, 'channel', 'channel'),
    ...optional(call, 'language', 'language'),
    ...optional(call, 'zone', 'timeZone'),
    ...optional(call, 'form', 'form'),
    ...(file === undefined ? {} : { template: await readWhole(file) }),
  })
  if (call.values.json === true) sayJson(call, answer)
  else {
    call.say(plain(answer.title))
    call.say('')
    for (const line of answer.text.split('\n')) call.say(plain(line))
    call.say('')
    call.say(`SMS (${answer.sms.encoding}, ${answer.sms.segments} part(s)): ${plain(answer.short)}`)
    for (const fault of answer.faults) call.say(`FAULT ${plain(fault)}`)
  }
  return answer.faults.length === 0 ? 0 : 1
}

async function attempts(call: Call, id: string | undefined): Promise<number> {
  const query = id === undefined ? '' : `&contactPoint=${encodeURIComponent(id)}`
  const answer = await call
    .hub()
    .call<{ attempts: AttemptAnswer[] }>('GET', `/api/v1/notify/attempts?limit=50${query}`)
  if (call.values.json === true) sayJson(call, answer)
  else if (answer.attempts.length === 0) call.say('Nothing was sent yet.')
  else {
    const rows = answer.attempts.map((one) => [
      localTime(one.at),
      one.channel,
      one.kind,
      one.outcome.toUpperCase(),
      `${one.durationSeconds.toFixed(1)} s`,
      one.reason,
    ])
    table(call, ['AT', 'CHANNEL', 'KIND', 'OUTCOME', 'TOOK', 'REASON'], rows)
  }
  return 0
}

async function remove(call: Call, id: string): Promise<number> {
  await call.hub().call('DELETE', `/api/v1/contact-points/${encodeURIComponent(id)}`)
  if (call.values.json === true) sayJson(call, { removed: id })
  else call.say(`Removed ${id}.`)
  return 0
}
