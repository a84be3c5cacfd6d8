import type { InvitationAnswer, PersonAnswer } from './answers.ts'
import { type Call, type Command, sayJson, textOption, UsageError } from './command.ts'
import { localTime, plain, table } from './render.ts'

const roles = ['admin', 'operator', 'auditor']
const actions = ['invite', 'link', 'role', 'email', 'disable', 'enable', 'reset-factor']

export const peopleCommand: Command = {
  name: 'people',
  summary: 'accounts of people: invite, change, disable',
  usage:
    '[list] | invite NAME --role ROLE [--email ADDRESS] | link NAME | role NAME ROLE | email NAME ADDRESS | disable NAME | enable NAME | reset-factor NAME [--json]',
  help: `Accounts of people. Takes an administrator's token; an auditor may list.

  list          everybody, with role, state, second factor and teams
  invite        makes an account and prints a link; whoever opens it chooses the password. It works once, for three days
  link          a new link, for who forgot the password; links of before are void
  role          ${roles.join(', ')}; the person signs in anew
  email         an address for administrators to see; - takes it away
  disable       ends sessions, tokens and links at once; the name stays in the records
  enable        lets the person sign in again; tokens stay revoked
  reset-factor  takes the second factor away, for who lost it
  --json        the hub's answer; {} where it has none

Examples:
  callward people invite anna --role operator --email anna@bank.example
  callward people role anna admin
  callward people disable boris`,
  options: {
    role: { type: 'string' },
    email: { type: 'string' },
    json: { type: 'boolean' },
  },
  positionals: [0, 3],
  async run(call) {
    const [action = 'list', name, value] = call.positionals
    checkOptions(call, action)
    if (action === 'list' && name === undefined) return list(call)
    if (!actions.includes(action) || name === undefined)
      throw new UsageError(`Say what to do: list, or one of ${actions.join(', ')} with a name.`)
    if (action === 'role' || action === 'email') {
      if (value === undefined)
        throw new UsageError(`Say which: callward people ${action} ${name} …`)
    } else if (value !== undefined) throw new UsageError(`${action} takes no "${value}".`)
    return act(call, action, name, value)
  },
}

function checkOptions(call: Call, action: string): void {
  for (const name of ['role', 'email'])
    if (action !== 'invite' && call.values[name] !== undefined)
      throw new UsageError(`--${name} goes with invite. Later: callward people ${name} NAME …`)
}

/** Bad values are told before the hub is asked, in words: its own schema speaks of patterns. */
function checkEmail(email: string): void {
  if (/^[^\s@,;<>"]+@[^\s@,;<>"]+$/.test(email)) return
  throw new UsageError(`"${email}" is no e-mail address. Example: anna@bank.example`)
}

function checkName(name: string): void {
  if (/^[\p{L}\p{N}][\p{L}\p{N}._@ -]{0,63}$/u.test(name)) return
  throw new UsageError(
    `"${name}" is no name: it begins with a letter or a digit, has letters, digits, spaces and . _ @ - and 64 characters at most.`,
  )
}

function act(call: Call, action: string, name: string, value = ''): Promise<number> {
  const path = `/api/v1/people/${encodeURIComponent(name)}`
  switch (action) {
    case 'invite':
      return invite(call, name)
    case 'link':
      return link(call, name, `${path}/link`)
    case 'role':
      if (!roles.includes(value)) throw new UsageError(`A role is one of ${roles.join(', ')}.`)
      return change(call, path, { role: value }, `${name} is ${value} now, and signs in anew.`)
    case 'email':
      if (value === '-')
        return change(call, path, { email: null }, `${name} has no e-mail address now.`)
      checkEmail(value)
      return change(call, path, { email: value }, `The e-mail address of ${name} is ${value} now.`)
    case 'disable':
      return change(
        call,
        path,
        { disabled: true },
        `${name} is disabled; sessions and tokens have ended.`,
      )
    case 'enable':
      return change(
        call,
        path,
        { disabled: false },
        `${name} may sign in again; tokens are made anew.`,
      )
    default:
      return resetFactor(call, name, `${path}/second-factor`)
  }
}

async function list(call: Call): Promise<number> {
  const answer = await call.hub().call<{ people: PersonAnswer[] }>('GET', '/api/v1/people')
  if (call.values.json === true) sayJson(call, answer)
  else {
    const rows = answer.people.map((one) => [
      plain(one.name),
      one.role,
      stateOf(one),
      one.hasSecondFactor ? 'yes' : 'no',
      one.teams.join(', ') || '-',
      plain(one.email ?? '-'),
      localTime(one.createdAt),
    ])
    table(call, ['NAME', 'ROLE', 'STATE', 'SECOND FACTOR', 'TEAMS', 'E-MAIL', 'SINCE'], rows)
  }
  return 0
}

function stateOf({ disabledAt, hasPassword }: PersonAnswer): string {
  if (disabledAt !== null) return `disabled ${localTime(disabledAt)}`
  return hasPassword ? 'signs in by password' : 'no password yet'
}

async function invite(call: Call, name: string): Promise<number> {
  const role = textOption(call, 'role')
  const email = textOption(call, 'email')
  if (role === undefined || !roles.includes(role))
    throw new UsageError(`Say what ${name} may do: --role ${roles.join(' | ')}`)
  checkName(name)
  if (email !== undefined) checkEmail(email)
  const body = { name, role, ...(email === undefined ? {} : { email }) }
  const made = await call
    .hub()
    .call<{ invitation: InvitationAnswer }>('POST', '/api/v1/people', body)
  if (call.values.json === true) sayJson(call, made)
  else sayLink(call, name, made.invitation)
  return 0
}

async function link(call: Call, name: string, path: string): Promise<number> {
  const made = await call.hub().call<InvitationAnswer>('POST', path, {})
  if (call.values.json === true) sayJson(call, made)
  else sayLink(call, name, made)
  return 0
}

/** The link stands alone on standard output, so that a program can pass it on. */
function sayLink(call: Call, name: string, { url, expiresAt }: InvitationAnswer): void {
  call.say(url)
  call.terminal.stderr.write(
    `Give this link to ${name} and nobody else: whoever opens it first chooses the password. It works once, until ${localTime(expiresAt)}.\n`,
  )
}

async function change(call: Call, path: string, body: object, done: string): Promise<number> {
  const answer = await call.hub().call<{ person: PersonAnswer }>('POST', path, body)
  if (call.values.json === true) sayJson(call, answer)
  else call.say(done)
  return 0
}

async function resetFactor(call: Call, name: string, path: string): Promise<number> {
  await call.hub().call<unknown>('DELETE', path)
  if (call.values.json === true) sayJson(call, {})
  else call.say(`The second factor of ${name} is taken away; ${name} signs in anew.`)
  return 0
}
