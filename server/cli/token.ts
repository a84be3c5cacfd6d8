import type { TokenAnswer } from './answers.ts'
import { type Call, type Command, sayJson, textOption, UsageError } from './command.ts'
import { localTime, table } from './render.ts'

const roles = ['admin', 'operator', 'auditor', 'collector', 'grafana']

export const tokenCommand: Command = {
  name: 'token',
  summary: 'make, list and revoke tokens',
  usage: 'create --name NAME --role ROLE [--label TEXT] | list | revoke ID',
  help: `Tokens let people and programs in. A token is shown once, when it is made. Takes an administrator's token.

  create    --name   whose it is; the same name may have several tokens
            --role   ${roles.join(', ')}
            --label  a note for the list
  list      every token, never its secret
  revoke    ends a token at once; open connections end within 30 s
  --json    the hub's answer

Examples:
  callward token create --name ines --role operator
  callward token create --name pbx-1 --role collector --label 'rack 4'
  callward token revoke 018f3c1a-7b1e-7c55-9d6f-0a4b5c6d7e8f`,
  options: {
    name: { type: 'string' },
    role: { type: 'string' },
    label: { type: 'string' },
    json: { type: 'boolean' },
  },
  positionals: [1, 2],
  async run(call) {
    const [action, id] = call.positionals
    if (action === 'create' && id === undefined) return create(call)
    if (action === 'list' && id === undefined) return list(call)
    if (action === 'revoke' && id !== undefined) return revoke(call, id)
    throw new UsageError(
      'Say what to do: create, list, or revoke with the ID that `callward token list` shows.',
    )
  },
}

async function create(call: Call): Promise<number> {
  const name = textOption(call, 'name')
  const role = textOption(call, 'role')
  const label = textOption(call, 'label')
  if (name === undefined) throw new UsageError('Say whose token it is: --name ines')
  if (role === undefined || !roles.includes(role))
    throw new UsageError(`Say what it may do: --role ${roles.join(' | ')}`)
  const body = { name, role, ...(label === undefined ? {} : { label }) }
  const made = await call.hub().call<{ id: string; token: string }>('POST', '/api/v1/tokens', body)
  if (call.values.json === true) sayJson(call, made)
  else {
    // The secret stands alone on standard output, so that $(callward token create …) is the token.
    call.say(made.token)
    call.terminal.stderr.write(
      `This ${role} token of ${name} is shown once; keep it safe. To end it: callward token revoke ${made.id}\n`,
    )
  }
  return 0
}

async function list(call: Call): Promise<number> {
  const answer = await call.hub().call<{ tokens: TokenAnswer[] }>('GET', '/api/v1/tokens')
  if (call.values.json === true) sayJson(call, answer)
  else {
    const rows = answer.tokens.map((token) => [
      token.id,
      token.name,
      token.role,
      token.revokedAt === null ? 'in use' : `revoked ${localTime(token.revokedAt)}`,
      localTime(token.createdAt),
      localTime(token.lastUsedAt),
      token.label,
    ])
    table(call, ['ID', 'NAME', 'ROLE', 'STATE', 'CREATED', 'LAST USED', 'LABEL'], rows)
  }
  return 0
}

async function revoke(call: Call, id: string): Promise<number> {
  await call.hub().call<unknown>('DELETE', `/api/v1/tokens/${encodeURIComponent(id)}`)
  call.say(`Token ${id} is revoked; open connections with it end within 30 s.`)
  return 0
}
