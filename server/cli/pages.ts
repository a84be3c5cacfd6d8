import { timeField } from './change-fields.ts'
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

interface RungAnswer {
  readonly step: number
  readonly kind: string
  readonly targets: readonly { readonly kind: string; readonly name: string }[]
  readonly state: string
  readonly times: number
  readonly at: string | null
  readonly because: string
}

interface PageDetailAnswer extends PageAnswer {
  /** Time limits of its incident that were over. */
  readonly asks: readonly {
    readonly title: string
    readonly askedAt: string
    readonly endedAt: string | null
  }[]
  readonly tellings: readonly TellingAnswer[]
  readonly climb: readonly RungAnswer[]
}

interface ToldAnswer extends TellingAnswer {
  readonly id: string
  readonly page: { readonly number: number; readonly title: string }
}

interface WhyAnswer {
  readonly answer: string
  readonly notTold: readonly {
    readonly at: string
    readonly receiver: string | null
    readonly because: string
    readonly until: string | null
  }[]
  readonly pages: readonly PageDetailAnswer[]
}

export const pagesCommand: Command = {
  name: 'pages',
  summary: 'list pages, take one, see whom it reached and why not others',
  usage:
    '[list [--all] | show NUMBER | take NUMBER | why ALERT | told [--person NAME] [--page TEXT] [--from TIME] [--to TIME] [--csv]] [--json]',
  help: `A page is what people are told of a critical alert until somebody takes it.

  list          pages that are not closed; --all: closed ones too
  show NUMBER   whom it reached, when and how, or why not
  take NUMBER   you take it: nobody else is told
  why ALERT     why people were or were not told of an alert (its id or fingerprint, see callward alerts)
  told          everybody who was, or was to be, told: --person part of a name, --page part of a title or a
                number, --from and --to times with their zone; --csv: all of them as a table for a spreadsheet
  --json        the hub's answer

Examples:
  callward pages
  callward pages show 12
  callward pages why 9f2c1e0011223344
  callward pages told --person Anna --from 2026-03-01T00:00:00+07:00
  callward pages told --csv > told.csv`,
  options: {
    json: { type: 'boolean' },
    all: { type: 'boolean' },
    csv: { type: 'boolean' },
    person: { type: 'string' },
    page: { type: 'string' },
    from: { type: 'string' },
    to: { type: 'string' },
  },
  positionals: [0, 2],
  async run(call) {
    const [action = 'list', name] = call.positionals
    if (action === 'list') return list(call)
    if (action === 'told') return told(call)
    if (name === undefined || !['show', 'take', 'why'].includes(action))
      throw new UsageError(
        'Say: callward pages, or callward pages show|take NUMBER, why ALERT, or told.',
      )
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
    if (answer.notTold.length > 0)
      table(
        call,
        ['AT', 'NOT TOLD', 'BECAUSE', 'UNTIL'],
        answer.notTold.map(({ at, receiver, because, until }) => [
          localTime(at),
          plain(receiver ?? 'everybody'),
          plain(because),
          localTime(until),
        ]),
      )
    for (const page of answer.pages) show(call, page)
  }
  return 0
}

async function told(call: Call): Promise<number> {
  const query = new URLSearchParams()
  for (const name of ['person', 'page'] as const) {
    const text = call.values[name]
    if (typeof text === 'string') query.set(name, text)
  }
  for (const name of ['from', 'to'] as const) {
    const text = call.values[name]
    if (typeof text === 'string') query.set(name, timeField(text, name))
  }
  if (call.values.csv === true) {
    query.set('format', 'csv')
    await sayLines(call, await call.hub().stream('GET', `/api/v1/told?${query}`))
    return 0
  }
  const answer = await call
    .hub()
    .call<{ told: ToldAnswer[]; next: string | null }>('GET', `/api/v1/told?${query}`)
  if (call.values.json === true) sayJson(call, answer)
  else if (answer.told.length === 0) call.say('Nobody was to be told of anything like that.')
  else {
    const rows = answer.told.flatMap((one) =>
      attemptRows(one).map((cells) => [String(one.page.number), plain(one.page.title), ...cells]),
    )
    table(call, ['PAGE', 'TITLE', ...attemptColumns], rows)
    if (answer.next !== null)
      call.say(`The newest ${answer.told.length}; narrow it by --to, or take all with --csv.`)
  }
  return 0
}

/** Prints a text as it comes; what is read is bounded by what the reader of the terminal takes. */
async function sayLines(call: Call, { body }: Response): Promise<void> {
  let rest = ''
  for await (const chunk of body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const lines = (rest + chunk).replaceAll('\r\n', '\n').split('\n')
    rest = lines.pop() ?? ''
    if (lines.length > 0) call.say(lines.join('\n'))
  }
  if (rest !== '') call.say(rest)
}

function show(call: Call, page: PageDetailAnswer): void {
  const taken = page.acknowledgedBy === null ? '' : `, taken by ${plain(page.acknowledgedBy)}`
  call.say(`Page ${page.number}: ${plain(page.title)} (${page.state}${taken})`)
  table(
    call,
    ['STEP', 'TARGETS', 'STATE', 'AT', 'BECAUSE'],
    page.climb.map((rung) => [
      rung.kind === 'catch-all' ? 'catch-all' : String(rung.step),
      rung.targets.map(({ name }) => plain(name)).join(', ') || '-',
      rung.times > 1 ? `${rung.state.toUpperCase()} x${rung.times}` : rung.state.toUpperCase(),
      localTime(rung.at),
      plain(rung.because),
    ]),
  )
  for (const { title, askedAt, endedAt } of page.asks)
    call.say(
      `Also asks for: ${plain(title)}, since ${localTime(askedAt)}${endedAt === null ? '' : `, over ${localTime(endedAt)}`}`,
    )
  const rows = page.tellings.flatMap(attemptRows)
  if (rows.length === 0) call.say('Nobody was to be told yet.')
  else table(call, attemptColumns, rows)
}

const attemptColumns = ['WHO', 'WHAT', 'WAY', 'RECEIPT', 'AT', 'REASON']

/** One row an attempt; one where there was none. */
function attemptRows(telling: TellingAnswer): string[][] {
  const { recipient, kind, state, openedAt, reason } = telling
  const who = [plain(recipient.name), words[kind] ?? 'page']
  if (telling.attempts.length === 0)
    return [[...who, '-', state.toUpperCase(), localTime(openedAt), plain(reason)]]
  return telling.attempts.map((attempt) => [
    ...who,
    attempt.channel,
    receiptOf(attempt).toUpperCase(),
    localTime(attempt.displayedAt ?? attempt.receivedAt ?? attempt.at),
    plain(attempt.reason),
  ])
}

const words: Readonly<Record<string, string>> = { resolved: 'it is over', notice: 'notice' }

function receiptOf(attempt: TellingAnswer['attempts'][number]): string {
  if (attempt.displayedAt !== null) return 'displayed'
  if (attempt.receivedAt !== null) return 'received'
  return attempt.outcome
}
