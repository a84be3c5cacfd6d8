import { type Call, type Command, sayJson, UsageError } from './command.ts'
import { localTime, table } from './render.ts'

interface EnrolmentAnswer {
  readonly instance: string
  readonly state: string
  readonly connected: boolean
  readonly sessions: number
  readonly createdAt: string
  readonly createdBy: string
  readonly lastSessionAt: string | null
  readonly refusals: number
  readonly lastRefusedAt: string | null
  readonly lastRefusal: string | null
  readonly lastRefusedFrom: string | null
  readonly version: string
}

interface TokenAnswer {
  readonly id: string
  readonly instance: string | null
  readonly state: string
  readonly expiresAt: string
  readonly usedFrom: string | null
  readonly misuses: number
  readonly lastMisusedAt: string | null
  readonly lastMisusedFrom: string | null
}

interface Answer {
  readonly enrolments: readonly EnrolmentAnswer[]
  readonly tokens: readonly TokenAnswer[]
}

export const collectorsCommand: Command = {
  name: 'collectors',
  summary: 'list enrolled collectors, revoke one',
  usage: 'list [--all] | revoke NAME | accept NAME',
  help: `Collectors that report by a key of their own.

  list     every enrolment with its last session and last refusal; --all shows ended ones and one-time tokens too
  revoke   ends a host's key at once, its open session with it
  accept   takes the next session of a host as it is, where this hub was restored from an older copy (hub_behind)
  --json   the hub's answer

What each refusal means: docs/collector.md, "Enrolment". To enrol a host: callward enrol --help

Examples:
  callward collectors list
  callward collectors revoke pbx-2
  callward collectors list --json | jq '.enrolments[] | select(.lastRefusal == "cloned")'`,
  options: { all: { type: 'boolean' }, json: { type: 'boolean' } },
  positionals: [1, 2],
  async run(call) {
    const [action, name] = call.positionals
    if (action === 'list' && name === undefined) return list(call)
    if (action === 'revoke' && name !== undefined) return revoke(call, name)
    if (action === 'accept' && name !== undefined) return accept(call, name)
    throw new UsageError('Say what to do: list, or revoke or accept with the name of a host.')
  },
}

async function list(call: Call): Promise<number> {
  const answer = await call.hub().call<Answer>('GET', '/api/v1/enrolments')
  if (call.values['json'] === true) {
    sayJson(call, answer)
    return 0
  }
  const isAll = call.values['all'] === true
  const shown = answer.enrolments.filter(({ state }) => isAll || state === 'active')
  if (shown.length === 0) call.say('No collector is enrolled. To enrol a host: callward enrol')
  else sayEnrolments(call, shown)
  const misused = answer.tokens.filter(({ misuses }) => isAll || misuses > 0)
  if (misused.length > 0) {
    call.say('')
    sayTokens(call, misused)
  }
  return 0
}

function sayEnrolments(call: Call, enrolments: readonly EnrolmentAnswer[]): void {
  table(
    call,
    ['HOST', 'STATE', 'SESSIONS', 'LAST SESSION', 'ENROLLED', 'BY', 'REFUSED', 'LAST REFUSAL'],
    enrolments.map((one) => [
      one.instance,
      one.state === 'active' ? (one.connected ? 'connected' : 'not connected') : one.state,
      String(one.sessions),
      localTime(one.lastSessionAt),
      localTime(one.createdAt),
      one.createdBy,
      String(one.refusals),
      one.lastRefusal === null
        ? '-'
        : `${one.lastRefusal} from ${one.lastRefusedFrom ?? '-'} at ${localTime(one.lastRefusedAt)}`,
    ]),
  )
}

function sayTokens(call: Call, tokens: readonly TokenAnswer[]): void {
  table(
    call,
    ['ONE-TIME TOKEN', 'FOR', 'STATE', 'USED FROM', 'REFUSED', 'LAST REFUSED'],
    tokens.map((one) => [
      one.id,
      one.instance ?? 'any host',
      one.state,
      one.usedFrom ?? '-',
      String(one.misuses),
      one.misuses === 0
        ? '-'
        : `from ${one.lastMisusedFrom ?? '-'} at ${localTime(one.lastMisusedAt)}`,
    ]),
  )
}

async function revoke(call: Call, name: string): Promise<number> {
  await call.hub().call<unknown>('DELETE', `/api/v1/enrolments/${encodeURIComponent(name)}`)
  call.say(
    `The key of "${name}" is revoked; its session has ended. To enrol it again: callward enrol --host ${name}`,
  )
  return 0
}

async function accept(call: Call, name: string): Promise<number> {
  await call.hub().call<unknown>('POST', `/api/v1/enrolments/${encodeURIComponent(name)}/accept`)
  call.say(
    `The next session of "${name}" is taken as it is. Be sure that no copy of that host runs.`,
  )
  return 0
}
