import { timeField } from './change-fields.ts'
import { type Call, type Command, sayJson, textOption, UsageError } from './command.ts'
import { localTime, type Paint, paintFor, plain } from './render.ts'

interface ExcerptAnswer {
  readonly text: string
  readonly marks: readonly (readonly [start: number, end: number])[]
  readonly kind?: string
}

interface ResultAnswer {
  readonly kind: 'incident' | 'runbook'
  readonly title: ExcerptAnswer
  readonly severity: string
  readonly number?: number
  readonly state?: string
  readonly server?: string
  readonly openedAt?: string
  readonly name?: string
  readonly excerpts: readonly ExcerptAnswer[]
}

interface SearchAnswer {
  readonly results: readonly ResultAnswer[]
  readonly next: string | null
  readonly cut: boolean
}

export const searchCommand: Command = {
  name: 'search',
  summary: 'find incidents and runbooks by what was written in them',
  usage:
    'WORD... [--kind incident|runbook] [--service NAME] [--from TIME] [--to TIME] [--limit N] [--json]',
  help: `Finds incidents (title, every fact, causes, the post-mortem) and runbooks in which all words stand. Case and accents do not count: "su co"
finds "sự cố"; two Chinese characters are a word; the beginning of a word is enough.

  --kind incident|runbook   only these
  --service NAME            only incidents that name this service, or of this server
  --from TIME, --to TIME    only incidents opened in between; 2026-03-01 or 2026-03-01T08:00+07:00
  --limit N                 as many, 1 to 50 (20)
  --cursor TEXT             what comes after; the answer ends with it
  --json                    the hub's answer

Words in the title count most, then causes and measures (of a runbook its steps), then the rest; whole words before beginnings;
then the newer incident.

Examples:
  callward search trunk carrier
  callward search 中继 故障 --kind incident
  callward search su co --service sbc-hn-1 --from 2026-01-01`,
  options: {
    kind: { type: 'string' },
    service: { type: 'string' },
    from: { type: 'string' },
    to: { type: 'string' },
    limit: { type: 'string' },
    cursor: { type: 'string' },
    json: { type: 'boolean' },
  },
  positionals: [1, 30],
  async run(call) {
    const path = `/api/v1/search?${queryOf(call)}`
    const answer = await call.hub().call<SearchAnswer>('GET', path)
    if (call.values['json'] === true) sayJson(call, answer)
    else say(call, answer)
    return 0
  },
}

function queryOf(call: Call): URLSearchParams {
  const query = new URLSearchParams({ q: call.positionals.join(' ') })
  const kind = textOption(call, 'kind')
  if (kind !== undefined && kind !== 'incident' && kind !== 'runbook')
    throw new UsageError(`--kind ${kind}: say incident or runbook.`)
  const limit = textOption(call, 'limit')
  if (limit !== undefined && !/^([1-9]|[1-4]\d|50)$/.test(limit))
    throw new UsageError(`--limit ${limit}: say a number from 1 to 50.`)
  for (const name of ['from', 'to']) {
    const text = textOption(call, name)
    if (text === undefined) continue
    query.set(name, /^\d{4}-\d{2}-\d{2}$/.test(text) ? text : timeField(text, name))
  }
  for (const name of ['kind', 'service', 'limit', 'cursor']) {
    const text = textOption(call, name)
    if (text !== undefined) query.set(name, text)
  }
  return query
}

function say(call: Call, { results, next, cut }: SearchAnswer): void {
  const paint = paintFor(call.terminal)
  if (results.length === 0)
    call.say('Nothing has all of these words. Fewer or shorter words find more.')
  for (const result of results) {
    call.say(`${headOf(result, paint)}  ${shown(result.title, paint)}`)
    for (const excerpt of result.excerpts)
      call.say(
        `    ${excerpt.kind === undefined ? '' : `${plain(excerpt.kind)}: `}${shown(excerpt, paint)}`,
      )
  }
  if (cut) call.say('These words stand for very much; longer ones find what may be missing.')
  if (next !== null) call.say(`There is more: --cursor ${next}`)
}

function headOf(result: ResultAnswer, paint: Paint): string {
  const { kind, severity, number, state, server, openedAt, name } = result
  const word = severity.toUpperCase()
  if (kind === 'runbook') return `runbook ${plain(name ?? '')}  ${paint(word)}`
  const where = plain(server ?? '')
  return `#${number}  ${localTime(openedAt)}  ${paint(word)}  ${(state ?? '').toUpperCase()}${where === '' ? '' : `  ${where}`}`
}

/** The hits in colour, or in brackets where there is none. */
function shown({ text, marks }: ExcerptAnswer, paint: Paint): string {
  let line = ''
  let from = 0
  for (const [start, end] of marks) {
    const hit = plain(text.slice(start, end))
    const painted = paint('HIT', hit)
    line += `${text.slice(from, start)}\u0000${painted === hit ? `[${hit}]` : painted}\u0000`
    from = end
  }
  // What others wrote is made plain between the hits, spaces at its ends kept.
  return (line + text.slice(from))
    .split('\u0000')
    .map((part, index) => (index % 2 === 1 ? part : spaced(part)))
    .join('')
}

function spaced(part: string): string {
  const inner = plain(part)
  if (inner === '') return part === '' ? '' : ' '
  return `${/^\s/.test(part) ? ' ' : ''}${inner}${/\s$/.test(part) ? ' ' : ''}`
}
