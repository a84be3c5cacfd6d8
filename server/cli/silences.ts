import { timeField } from './change-fields.ts'
import { type Call, type Command, sayJson, textOption, UsageError } from './command.ts'
import { localTime, plain, table } from './render.ts'

interface HiddenAnswer {
  readonly rule: string
  readonly severity: string
  readonly instance: string | null
  readonly summary: string
}

interface SilenceAnswer {
  readonly id: string
  readonly state: string
  readonly text: string
  readonly reason: string
  readonly createdBy: string
  readonly endsAt: string
  readonly during: string | null
  readonly untilResolved: boolean
  readonly hidesCount: number
}

interface PreviewAnswer {
  readonly text: string
  readonly hidesCount: number
  readonly critical: number
  readonly hides: readonly HiddenAnswer[]
  readonly tooBroad: string | null
}

export const silencesCommand: Command = {
  name: 'silences',
  summary: 'who silenced what, why and until when; set, extend and end silences',
  usage:
    '[list [--all] | preview MATCHER... | add MATCHER... --for 2h --reason TEXT | extend ID --for 1h | end ID] [--json]',
  help: `A silence hides alerts from everybody until it ends: nobody is told of them, they stay on the screens.

  list        those that stand and what each hides now; --all: also those that ended of late
  preview     what a silence would hide, without setting it
  add         MATCHER: instance=pbx-1, alertname=~"Disk.*", site!=hn, severity!~"critical"; all must hold
              --reason TEXT    why, for the person on the next shift
              --for 30m | 2h | 1d, or --until TIME; --from TIME for one that begins later
              --until-resolved it ends by itself once what it hides is over
              --during NAME    only inside this time interval of the routing file, again and again
              --force          an administrator sets one that is too broad
  extend ID   --for 1h: so much longer, or --until TIME; --reason TEXT for another reason
  end ID      it ends now; what it hid is told
  --json      the hub's answer

Examples:
  callward silences
  callward silences preview instance=pbx-1
  callward silences add instance=pbx-1 alertname=DiskFull --for 2h --until-resolved --reason 'Disk is being replaced, ticket 812'
  callward silences extend 0199… --for 1h
  callward silences end 0199…`,
  options: {
    reason: { type: 'string' },
    for: { type: 'string' },
    until: { type: 'string' },
    from: { type: 'string' },
    during: { type: 'string' },
    'until-resolved': { type: 'boolean' },
    force: { type: 'boolean' },
    all: { type: 'boolean' },
    json: { type: 'boolean' },
  },
  positionals: [0, 30],
  async run(call) {
    const [action = 'list', ...rest] = call.positionals
    const [first] = rest
    if (action === 'list' && first === undefined) return list(call)
    if (first !== undefined && action === 'preview') return preview(call, rest)
    if (first !== undefined && action === 'add') return add(call, rest)
    if (rest.length === 1 && action === 'extend') return extend(call, first!)
    if (rest.length === 1 && action === 'end') return one(call, first!, 'end', {})
    throw new UsageError(
      'Say: callward silences, or preview MATCHER..., add MATCHER..., extend ID, end ID.',
    )
  },
}

async function list(call: Call): Promise<number> {
  const state = call.values['all'] === true ? 'all' : 'standing'
  const answer = await call
    .hub()
    .call<{ silences: SilenceAnswer[] }>('GET', `/api/v1/silences?state=${state}`)
  if (call.values['json'] === true) sayJson(call, answer)
  else if (answer.silences.length === 0) call.say('Nothing is silenced.')
  else silenceTable(call, answer.silences)
  return 0
}

function silenceTable(call: Call, silences: readonly SilenceAnswer[]): void {
  table(
    call,
    ['ID', 'STATE', 'WHAT', 'HIDES', 'UNTIL', 'BY', 'REASON'],
    silences.map((silence) => [
      silence.id,
      silence.state.toUpperCase(),
      plain(silence.text),
      String(silence.hidesCount),
      `${localTime(silence.endsAt)}${silence.untilResolved ? ' or recovery' : ''}${silence.during === null ? '' : `, during ${plain(silence.during)}`}`,
      plain(silence.createdBy),
      plain(silence.reason),
    ]),
  )
}

async function preview(call: Call, texts: readonly string[]): Promise<number> {
  const answer = await call
    .hub()
    .call<PreviewAnswer>('POST', '/api/v1/silences/preview', { matchers: matchersOf(texts) })
  if (call.values['json'] === true) sayJson(call, answer)
  else {
    call.say(
      `${plain(answer.text)} would hide ${answer.hidesCount} alerts that fire now, ${answer.critical} of them critical.`,
    )
    if (answer.hides.length > 0)
      table(
        call,
        ['SEVERITY', 'ALERT', 'HOST', 'SUMMARY'],
        answer.hides.map((alert) => [
          alert.severity.toUpperCase(),
          plain(alert.rule),
          plain(alert.instance ?? '-'),
          plain(alert.summary),
        ]),
      )
    if (answer.tooBroad !== null)
      call.say(`Only an administrator may set it, with --force: it ${plain(answer.tooBroad)}.`)
  }
  return 0
}

async function add(call: Call, texts: readonly string[]): Promise<number> {
  const reason = textOption(call, 'reason')
  if (reason === undefined) throw new UsageError('Say why: --reason TEXT')
  const during = textOption(call, 'during')
  const answer = await call.hub().call<{ silence: SilenceAnswer }>('POST', '/api/v1/silences', {
    matchers: matchersOf(texts),
    reason,
    ...untilOf(call),
    ...(textOption(call, 'from') === undefined
      ? {}
      : { startsAt: timeField(textOption(call, 'from'), 'from') }),
    ...(during === undefined ? {} : { during }),
    ...(call.values['until-resolved'] === true ? { untilResolved: true } : {}),
    ...(call.values['force'] === true ? { force: true } : {}),
  })
  return said(call, answer)
}

function extend(call: Call, id: string): Promise<number> {
  const reason = textOption(call, 'reason')
  return one(call, id, 'extend', { ...untilOf(call), ...(reason === undefined ? {} : { reason }) })
}

async function one(call: Call, id: string, action: string, body: object): Promise<number> {
  const path = `/api/v1/silences/${encodeURIComponent(id)}/${action}`
  return said(call, await call.hub().call<{ silence: SilenceAnswer }>('POST', path, body))
}

function said(call: Call, answer: { readonly silence: SilenceAnswer }): number {
  if (call.values['json'] === true) sayJson(call, answer)
  else silenceTable(call, [answer.silence])
  return 0
}

/** Several matchers as one text; a value without quotes may hold anything but a quote. */
function matchersOf(texts: readonly string[]): string {
  return texts
    .map((text) => {
      const match = /^([^=!~{}"]+)(=~|!=|!~|=)([^"]*)$/.exec(text)
      return match === null ? text : `${match[1]}${match[2]}${JSON.stringify(match[3])}`
    })
    .join(',')
}

const units = { m: 1, h: 60, d: 1440, w: 10_080 } as const

function untilOf(call: Call): object {
  const length = textOption(call, 'for')
  const until = textOption(call, 'until')
  if ((length === undefined) === (until === undefined))
    throw new UsageError('Say until when: --for 2h, or --until TIME.')
  if (until !== undefined) return { endsAt: timeField(until, 'until') }
  const match = /^(\d{1,6})([mhdw])$/.exec(length!)
  if (match === null) throw new UsageError(`--for ${length}: say 30m, 2h, 1d or 1w.`)
  return { minutes: Number(match[1]) * units[match[2] as keyof typeof units] }
}
