import type { TeamAnswer } from './answers.ts'
import { type Call, type Command, sayJson, textOption, UsageError } from './command.ts'
import { plain, table } from './render.ts'

export const teamsCommand: Command = {
  name: 'teams',
  summary: 'teams: who is in them',
  usage: '[list] | set ID --name NAME --members A,B | remove ID [--json]',
  help: `A team can be told by an escalation policy ({ kind: team, id: voice }) and own contact points, which its members keep.
"staff" is everybody who may act, and needs no team. Everybody on staff may list; an administrator sets and removes.

  list      every team and its members
  set       makes the team, or gives it this name and exactly these members
            --name     what people read
            --members  names of people, with commas; none: an empty team
  remove    takes the team away, once it owns no contact point
  --json    the hub's answer; {} where it has none

Examples:
  callward teams set voice --name 'Voice group' --members anna,boris
  callward teams remove voice`,
  options: {
    name: { type: 'string' },
    members: { type: 'string' },
    json: { type: 'boolean' },
  },
  positionals: [0, 2],
  async run(call) {
    const [action = 'list', id] = call.positionals
    for (const option of ['name', 'members'])
      if (action !== 'set' && call.values[option] !== undefined)
        throw new UsageError(
          `--${option} goes with set: callward teams set ID --name … --members …`,
        )
    if (action === 'list' && id === undefined) return list(call)
    if (action === 'set' && id !== undefined) return set(call, id)
    if (action === 'remove' && id !== undefined) return remove(call, id)
    throw new UsageError('Say what to do: list, or set or remove with the ID of a team.')
  },
}

async function list(call: Call): Promise<number> {
  const answer = await call.hub().call<{ teams: TeamAnswer[] }>('GET', '/api/v1/teams')
  if (call.values.json === true) sayJson(call, answer)
  else if (answer.teams.length === 0)
    call.say('There is no team yet. Make one with: callward teams set --help')
  else table(call, ['ID', 'NAME', 'MEMBERS'], answer.teams.map(rowOf))
  return 0
}

function rowOf({ id, name, members }: TeamAnswer): string[] {
  const names = members.map((one) => (one.enabled ? one.name : `${one.name} (disabled)`))
  return [id, plain(name), plain(names.join(', ')) || '-']
}

async function set(call: Call, id: string): Promise<number> {
  const name = textOption(call, 'name')
  const members = call.values['members']
  if (name === undefined || typeof members !== 'string')
    throw new UsageError(
      `Say its name and members: callward teams set ${id} --name … --members anna,boris`,
    )
  if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(id))
    throw new UsageError(
      `"${id}" is no id of a team: small letters, digits and - only, 63 at most. Example: voice-hanoi`,
    )
  const named = members
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '')
  const path = `/api/v1/teams/${encodeURIComponent(id)}`
  const answer = await call.hub().call<{ team: TeamAnswer }>('PUT', path, { name, members: named })
  if (call.values.json === true) sayJson(call, answer)
  else call.say(`The team ${id} has ${answer.team.members.length} member(s).`)
  return 0
}

async function remove(call: Call, id: string): Promise<number> {
  await call.hub().call<unknown>('DELETE', `/api/v1/teams/${encodeURIComponent(id)}`)
  if (call.values.json === true) sayJson(call, {})
  else call.say(`The team ${id} is removed.`)
  return 0
}
