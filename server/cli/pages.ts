import { type Call, type Command, sayJson, UsageError } from './command.ts'
import { localTime, plain, table } from './render.ts'

interface PageAnswer {
  readonly number: number
  readonly title: string
  readonly severity: string
  readonly state: string
  readonly policy: string
  readonly phase: string
  readonly nextStepAt: string | null
  readonly openedAt: string
  readonly acknowledgedBy: string | null
}

interface TellingAnswer {
  readonly kind: string
  readonly recipient: { readonly name: string }
  readonly state: string
  readonly reason: string
  readonly openedAt: string
  readonly attempts: readonly {
    readonly channel: string
    readonly outcome: string
    readonly reason: string
    readonly at: string
    readonly receivedAt: string | null
    readonly displayedAt: string | null
  }[]
}

interface PageDetailAnswer extends PageAnswer {
  readonly tellings: readonly TellingAnswer[]
}

interface WhyAnswer {
  readonly answer: string
  readonly pages: readonly PageDetailAnswer[]
}

export const pagesCommand: Command = {
  name: 'pages',
  summary: 'list pages, take one, see whom it reached and why not others',
  usage: '[list [--all] | show NUMBER | take NUMBER | why ALERT] [--json]',
  help: `A page is what people are told of a critical alert until somebody takes it.

  list          pages that are not closed; --all: closed ones too
  show NUMBER   whom it reached, when and how, or why not
  take NUMBER   you take it: nobody else is told
  why ALERT     why people were or were not told of an alert (its id or fingerprint, see callward alerts)
  --json        the hub's answer

Examples:
  callward pages
  callward pages show 12
  callward pages why 9f2c1e0011223344`,
  options: { json: { type: 'boolean' }, all: { type: 'boolean' } },
  positionals: [0, 2],
  async run(call) {
    const [action = 'list', name] = call.positionals
    if (action === 'list') return list(call)
    if (name === undefined || !['show', 'take', 'why'].includes(action))
      throw new UsageError('Say: callward pages, or callward pages show|take NUMBER, or why ALERT.')
    if (action === 'why') return why(call, name)
    return one(call, action, name)
  },
}

async function list(call: Call): Promise<number> {
  const state = call.values.all === true ? 'all' : 'open'
  const answer = await call
    .hub()
    .call<{ pages: PageAnswer[] }>('GET', `/api/v1/pages?state=${state}`)
  if (call.values.json === true) sayJson(call, answer)
  else if (answer.pages.length === 0) call.say('No page is open.')
  else
    table(
      call,
      ['PAGE', 'STATE', 'TITLE', 'SINCE', 'POLICY', 'NEXT STEP', 'TAKEN BY'],
      answer.pages.map((page) => [
        String(page.number),
        (page.phase === 'shouting' ? 'nobody takes it' : page.state).toUpperCase(),
        plain(page.title),
        localTime(page.openedAt),
        plain(page.policy),
        localTime(page.nextStepAt),
        page.acknowledgedBy === null ? '-' : plain(page.acknowledgedBy),
      ]),
    )
  return 0
}

async function one(call: Call, action: string, name: string): Promise<number> {
  const path = `/api/v1/pages/${encodeURIComponent(name)}`
  const hub = call.hub()
  const answer = await (action === 'take'
    ? hub.call<{ page: PageDetailAnswer }>('POST', `${path}/acknowledge`)
    : hub.call<{ page: PageDetailAnswer }>('GET', path))
  if (call.values.json === true) sayJson(call, answer)
  else if (action === 'take')
    call.say(`Page ${answer.page.number} is taken by ${plain(answer.page.acknowledgedBy ?? '-')}.`)
  else show(call, answer.page)
  return 0
}

async function why(call: Call, name: string): Promise<number> {
  const answer = await call.hub().call<WhyAnswer>('GET', `/api/v1/why/${encodeURIComponent(name)}`)
  if (call.values.json === true) sayJson(call, answer)
  else {
    call.say(plain(answer.answer))
    for (const page of answer.pages) show(call, page)
  }
  return 0
}

function show(call: Call, page: PageDetailAnswer): void {
  const taken = page.acknowledgedBy === null ? '' : `, taken by ${plain(page.acknowledgedBy)}`
  call.say(`Page ${page.number}: ${plain(page.title)} (${page.state}${taken})`)
  const rows = page.tellings.flatMap((telling) => {
    const who = [plain(telling.recipient.name), telling.kind === 'resolved' ? 'it is over' : 'page']
    if (telling.attempts.length === 0)
      return [
        [
          ...who,
          '-',
          telling.state.toUpperCase(),
          localTime(telling.openedAt),
          plain(telling.reason),
        ],
      ]
    return telling.attempts.map((attempt) => [
      ...who,
      attempt.channel,
      receiptOf(attempt).toUpperCase(),
      localTime(attempt.displayedAt ?? attempt.receivedAt ?? attempt.at),
      plain(attempt.reason),
    ])
  })
  if (rows.length === 0) call.say('Nobody was to be told yet.')
  else table(call, ['WHO', 'WHAT', 'WAY', 'RECEIPT', 'AT', 'REASON'], rows)
}

function receiptOf(attempt: TellingAnswer['attempts'][number]): string {
  if (attempt.displayedAt !== null) return 'displayed'
  if (attempt.receivedAt !== null) return 'received'
  return attempt.outcome
}
