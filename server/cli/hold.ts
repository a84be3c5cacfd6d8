import { timeField } from './change-fields.ts'
import { type Call, type Command, sayJson, textOption, UsageError } from './command.ts'
import { localTime, plain, table } from './render.ts'

interface HoldAnswer {
  readonly id: string
  readonly incident: number | null
  readonly from: string
  readonly to: string | null
  readonly reason: string
  readonly until: string | null
  readonly setAt: string
  readonly setBy: string
  readonly standing: boolean
  readonly releasedAt: string | null
  readonly releasedBy: readonly string[]
}

export const holdCommand: Command = {
  name: 'hold',
  summary: 'legal holds: what is not erased and not swept by age',
  usage:
    '[list [--all] [--incident N] | set (--incident N | --from TIME --to TIME) --reason TEXT [--until TIME] | release ID --reason TEXT] [--json]',
  help: `While an incident or a period is held, nothing of it is erased, and nothing that was recorded since its beginning is swept by age.
One person sets a hold; two people, each signed in to the console with the own password, release it. Both stand in the ledger.

  list        those that stand; --all: also those that ended or were released; --incident N: those that keep this one
  set         --incident N, or --from TIME and --to TIME for all incidents that lasted into that period
              --reason TEXT   why; it stays on file
              --until TIME    when it ends by itself; without it, when it is released
  release ID  asks for the release; a second person agrees: callward approvals
  --json      the hub's answer

Examples:
  callward hold
  callward hold set --incident 12 --reason 'Court order 12/26' --until 2027-12-31T00:00:00Z
  callward hold set --from 2026-05-01T00:00:00Z --to 2026-06-01T00:00:00Z --reason 'Regulator, letter of 3 June'
  callward hold release 0199… --reason 'The case is closed'`,
  options: {
    incident: { type: 'string' },
    from: { type: 'string' },
    to: { type: 'string' },
    until: { type: 'string' },
    reason: { type: 'string' },
    all: { type: 'boolean' },
    json: { type: 'boolean' },
  },
  positionals: [0, 2],
  async run(call) {
    const [action = 'list', id] = call.positionals
    if (action === 'list' && id === undefined) return list(call)
    if (action === 'set' && id === undefined) return set(call)
    if (action === 'release' && id !== undefined) return release(call, id)
    throw new UsageError(
      'Say: callward hold, hold set --incident N --reason TEXT, or hold release ID --reason TEXT.',
    )
  },
}

async function list(call: Call): Promise<number> {
  const query = new URLSearchParams({ state: call.values['all'] === true ? 'all' : 'standing' })
  const incident = textOption(call, 'incident')
  if (incident !== undefined) query.set('incident', incident)
  const answer = await call.hub().call<{ holds: HoldAnswer[] }>('GET', `/api/v1/holds?${query}`)
  if (call.values['json'] === true) sayJson(call, answer)
  else if (answer.holds.length === 0) call.say('Nothing is held.')
  else
    table(
      call,
      ['ID', 'WHAT', 'STATE', 'UNTIL', 'SET', 'BY', 'REASON'],
      answer.holds.map((hold) => [
        hold.id,
        whatOf(hold),
        stateOf(hold),
        hold.until === null ? 'released' : localTime(hold.until),
        localTime(hold.setAt),
        plain(hold.setBy),
        plain(hold.reason),
      ]),
    )
  return 0
}

function whatOf({ incident, from, to }: HoldAnswer): string {
  return incident === null ? `${localTime(from)} to ${localTime(to)}` : `#${incident}`
}

function stateOf({ standing, releasedAt, releasedBy }: HoldAnswer): string {
  if (standing) return 'HELD'
  return releasedAt === null ? 'ended' : `released by ${plain(releasedBy.join(' and '))}`
}

async function set(call: Call): Promise<number> {
  const body: Record<string, string> = { reason: reasonOf(call) }
  const incident = textOption(call, 'incident')
  if (incident !== undefined) body['incident'] = incident
  else for (const name of ['from', 'to']) body[name] = timeField(textOption(call, name), name)
  const until = textOption(call, 'until')
  if (until !== undefined) body['until'] = timeField(until, 'until')
  const answer = await call.hub().call<{ hold: HoldAnswer }>('POST', '/api/v1/holds', body)
  if (call.values['json'] === true) sayJson(call, answer)
  else call.say(`${whatOf(answer.hold)} is held (${answer.hold.id}).`)
  return 0
}

async function release(call: Call, id: string): Promise<number> {
  const path = `/api/v1/holds/${encodeURIComponent(id)}/release`
  const answer = await call
    .hub()
    .call<{ approval: { id: string } }>('POST', path, { reason: reasonOf(call) })
  if (call.values['json'] === true) sayJson(call, answer)
  else call.say(`Asked for. A second person agrees: callward approvals show ${answer.approval.id}`)
  return 0
}

function reasonOf(call: Call): string {
  const reason = textOption(call, 'reason')
  if (reason === undefined) throw new UsageError("Say why: --reason 'Court order 12/26'.")
  return reason
}
