import type { ApprovalAnswer, ApprovalDetailAnswer } from './answers.ts'
import { type Call, type Command, sayJson, textOption, UsageError } from './command.ts'
import { localTime, plain, plainLines, table } from './render.ts'

export const approvalsCommand: Command = {
  name: 'approvals',
  summary: 'what waits for a second person',
  usage:
    '[list] [--all] | show ID | request KIND SUBJECT | approve ID | reject ID --reason TEXT [--json]',
  help: `Some things take two people: one asks, another agrees, and only then it is done. A request waits 24 hours.
Who asks and who decides signed in to the console with their own password: this program has a token, which others can make in
anybody's name, so the hub refuses (forbidden) what it asks for or decides. The terminal shows what waits.

  list      what waits; --all: what was decided, too
  show      one request with what it holds
  request, approve, reject
            answer what the console or the API with its cookie takes
  --json    the hub's answer

Examples:
  callward approvals
  callward approvals show 019ab0c1-…`,
  options: {
    all: { type: 'boolean' },
    reason: { type: 'string' },
    json: { type: 'boolean' },
  },
  positionals: [0, 3],
  async run(call) {
    const [action = 'list', first, second] = call.positionals
    if (action === 'list' && first === undefined) return list(call)
    if (action === 'request' && first !== undefined && second !== undefined)
      return decide(call, 'POST', '', { kind: first, subject: second }, 'waits for a second person')
    if (first !== undefined && second === undefined) {
      const path = `/${encodeURIComponent(first)}`
      if (action === 'show') return show(call, path)
      if (action === 'approve') return decide(call, 'POST', `${path}/approve`, {}, 'is approved')
      if (action === 'reject') return reject(call, path)
    }
    throw new UsageError(
      'Say what to do: list, show ID, request KIND SUBJECT, approve ID, or reject ID --reason TEXT.',
    )
  },
}

async function list(call: Call): Promise<number> {
  const query = call.values['all'] === true ? '' : '?state=open'
  const answer = await call
    .hub()
    .call<{ approvals: ApprovalAnswer[] }>('GET', `/api/v1/approvals${query}`)
  if (call.values.json === true) sayJson(call, answer)
  else if (answer.approvals.length === 0)
    call.say(
      query === ''
        ? 'Nothing was ever asked for.'
        : 'Nothing waits for a second person. What was decided: callward approvals --all',
    )
  else {
    const rows = answer.approvals.map((one) => [
      one.id,
      one.kind,
      plain(one.subject),
      one.state,
      plain(one.requestedBy),
      localTime(one.requestedAt),
      one.state === 'open' ? `until ${localTime(one.expiresAt)}` : plain(one.decidedBy ?? '-'),
    ])
    table(call, ['ID', 'KIND', 'SUBJECT', 'STATE', 'ASKED BY', 'AT', 'DECIDED'], rows)
  }
  return 0
}

async function show(call: Call, path: string): Promise<number> {
  const answer = await call
    .hub()
    .call<{ approval: ApprovalDetailAnswer }>('GET', `/api/v1/approvals${path}`)
  if (call.values.json === true) sayJson(call, answer)
  else sayApproval(call, answer.approval)
  return 0
}

function sayApproval(call: Call, one: ApprovalDetailAnswer): void {
  call.say(`${one.kind} "${plain(one.subject)}": ${plain(one.title)}`)
  call.say(`asked by ${plain(one.requestedBy)} ${localTime(one.requestedAt)}`)
  if (one.state === 'open') {
    call.say(`waits for a second person until ${localTime(one.expiresAt)}; who agrees signs in to`)
    call.say('the console with the own password and agrees on its page "Approvals"')
  } else if (one.decidedBy === null) call.say(`${one.state}: nobody agreed in time`)
  else call.say(`${one.state} by ${plain(one.decidedBy)} ${localTime(one.decidedAt)}`)
  if (one.reason !== null) call.say(`because ${plain(one.reason)}`)
  const { content } = one
  const parts = typeof content === 'object' && content !== null ? Object.entries(content) : []
  for (const [name, value] of parts) {
    call.say(`${plain(name)}:`)
    const text = typeof value === 'string' ? value : JSON.stringify(value, undefined, 2)
    for (const line of plainLines(text)) call.say(`  ${line}`)
  }
}

function reject(call: Call, path: string): Promise<number> {
  const reason = textOption(call, 'reason')
  if (reason === undefined) throw new UsageError('Say why: --reason TEXT')
  return decide(call, 'POST', `${path}/reject`, { reason }, 'is rejected')
}

async function decide(
  call: Call,
  method: 'POST',
  path: string,
  body: object,
  outcome: string,
): Promise<number> {
  const answer = await call
    .hub()
    .call<{ approval: ApprovalAnswer }>(method, `/api/v1/approvals${path}`, body)
  if (call.values.json === true) sayJson(call, answer)
  else
    call.say(
      `${answer.approval.kind} "${plain(answer.approval.subject)}" ${outcome} (${answer.approval.id}).`,
    )
  return 0
}
