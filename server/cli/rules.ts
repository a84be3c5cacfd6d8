import { existsSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import {
  type Call,
  type Command,
  CommandError,
  sayJson,
  textOption,
  UsageError,
} from './command.ts'
import { localTime, plain, table } from './render.ts'
import { drawReplay, type PictureAnswer } from './rules-picture.ts'

export const rulesCommand: Command = {
  name: 'rules',
  summary: 'what a rule would have done: replay it over the stored history before saving it',
  usage: 'replay FILE [--days 30] [--rule NAME] [--calendar NAME] [--zone ZONE] [--json]',
  help: `Replays the alerts of a rule file over what the hub has stored, with the hub's own state machine and routing:
how often they would have fired, whom they would have paged, and how often at night. Nothing is saved and nobody is told.

  FILE        a rule file as Prometheus reads it; <name>.callward.yaml beside it is read too
  --days      how many days back; 30
  --rule      one alert of the file
  --calendar  counts the pages inside a calendar, as dialling-hours
  --zone      the site's time zone; the hub's own without
  --json      the hub's answer

Night is 22 to 7 on the site's clock. Exit code 1 where the hub has no history for it at all.

Examples:
  callward rules replay trunks.yaml
  callward rules replay trunks.yaml --rule TrunkLossHigh --days 7 --calendar dialling-hours`,
  options: {
    days: { type: 'string' },
    rule: { type: 'string' },
    calendar: { type: 'string' },
    zone: { type: 'string' },
    json: { type: 'boolean' },
  },
  positionals: [1, 2],
  async run(call) {
    const [action, file] = call.positionals
    if (action !== 'replay') throw new UsageError(`"${action}" is none of replay.`)
    if (file === undefined) throw new UsageError('replay: give a rule file.')
    return replay(call, file)
  },
}

interface ReplayShown extends PictureAnswer {
  readonly summary: { readonly text: string; readonly longestSeconds: number }
  readonly rules: readonly {
    readonly name: string
    readonly failed: number
    readonly lastError: string | null
    readonly firings: number
    readonly dataFrom: string | null
    readonly missing: readonly string[]
  }[]
  readonly firings: readonly {
    readonly rule: string
    readonly labels: Readonly<Record<string, string>>
    readonly begin: string
    readonly end: string | null
  }[]
  readonly faults: readonly string[]
}

/** The hub replays no more (docs/rules.md). */
const daysMax = 366
/** Firings listed; the picture shows all. */
const listedMax = 40

async function replay(call: Call, file: string): Promise<number> {
  const days = Number(textOption(call, 'days') ?? 30)
  if (!(days > 0 && days <= daysMax))
    throw new UsageError(`--days is a number above 0, at most ${daysMax}. Example: --days 7`)
  const sibling = file.replace(/\.ya?ml$/, '.callward.yaml')
  const body = {
    rules: readText(file),
    ...(sibling !== file && existsSync(sibling) ? { extras: readText(sibling) } : {}),
    days,
    ...optional(call, 'rule'),
    ...optional(call, 'calendar'),
    ...optional(call, 'zone'),
  }
  const response = await call.hub().stream('POST', '/api/v1/rules/replay?progress=true', body)
  const answer = await lastLine(call, response)
  if (call.values.json === true) sayJson(call, answer)
  else show(call, answer)
  return answer.rules.every(({ dataFrom }) => dataFrom === null) ? 1 : 0
}

function optional(call: Call, name: string): Record<string, string> {
  const text = textOption(call, name)
  return text === undefined ? {} : { [name]: text }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new CommandError(`${path} cannot be read (${code}). Give the path of a rule file.`)
  }
}

/** What the hub says on the way, and at the end. */
interface ReplayLine {
  readonly progress?: number
  readonly answer?: ReplayShown
  readonly error?: { readonly message: string }
}

async function lastLine(call: Call, response: Response): Promise<ReplayShown> {
  const { stderr } = call.terminal
  try {
    for await (const { answer, error, progress = 0 } of linesOf(response)) {
      if (answer !== undefined) return answer
      if (error !== undefined) throw new CommandError(error.message)
      if (stderr.isTTY) stderr.write(`\r\x1b[Kreplaying ${Math.round(100 * progress)} %`)
    }
  } catch (error) {
    if (error instanceof CommandError) throw error
    // The connection broke, or what came is no JSON.
  } finally {
    if (stderr.isTTY) stderr.write('\r\x1b[K')
  }
  throw new CommandError(
    'The answer ended early. Try again; when it does so twice, see the log of the hub, and check --hub.',
  )
}

async function* linesOf({ body }: Response): AsyncGenerator<ReplayLine> {
  if (body === null) return
  const lines = createInterface({ input: Readable.fromWeb(body as ReadableStream) })
  // When no more lines are read, how the connection ends is nobody's business.
  lines.on('error', () => undefined)
  // The hub's own schema vouches for the shape.
  for await (const line of lines) yield JSON.parse(line) as ReplayLine
}

function show(call: Call, answer: ReplayShown): void {
  for (const fault of answer.faults) call.say(plain(fault))
  for (const line of drawReplay(answer)) call.say(line)
  call.say('')
  const rows = answer.firings
    .slice(0, listedMax)
    .map(({ rule, labels, begin, end }) => [
      rule,
      labels['instance'] ?? '',
      localTime(begin),
      end === null ? 'still firing' : localTime(end),
    ])
  if (rows.length > 0) table(call, ['RULE', 'HOST', 'FIRED', 'OVER'], rows)
  const more = answer.firings.length - listedMax
  if (more > 0) call.say(`and ${more} more; --json shows them`)
  for (const rule of answer.rules) for (const line of remarks(rule, answer.from)) call.say(line)
  call.say(`It ${answer.summary.text}.`)
}

function remarks(rule: ReplayShown['rules'][number], from: string): string[] {
  const { name, missing, dataFrom, failed, lastError } = rule
  return [
    ...(missing.length === 0
      ? []
      : [
          `${name}: nothing is stored of ${missing.join(', ')} in that time; it could not see them.`,
        ]),
    ...(dataFrom !== null && Date.parse(dataFrom) > Date.parse(from)
      ? [`${name}: its data begins ${localTime(dataFrom)}; before that it could not fire.`]
      : []),
    ...(failed === 0 ? [] : [`${name}: ${failed} evaluations would have failed: ${lastError}`]),
  ].map(plain)
}
