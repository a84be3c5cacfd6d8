import { readFileSync } from 'node:fs'
import { type Call, CommandError, sayJson, textOption, UsageError } from './command.ts'
import { type Hub, RawText } from './hub.ts'
import { localTime, plain, table } from './render.ts'

interface Spread {
  readonly count: number
  readonly medianMillis?: number
  readonly p90Millis?: number
  readonly withinTargetShare?: number
}

/** `callward incidents figures`. */
export async function showFigures(call: Call, hub: Hub): Promise<void> {
  const query = new URLSearchParams()
  for (const name of ['from', 'to', 'service']) {
    const value = textOption(call, name)
    if (value !== undefined) query.set(name, value)
  }
  const answer = await hub.call<{
    from: string
    to: string
    services: readonly {
      service: string
      incidents: number
      per30Days: number
      toAcknowledge: Spread
      toRestore: Spread
      caution?: string
    }[]
  }>('GET', `/api/v1/incidents/figures?${query}`)
  if (call.values.json === true) return sayJson(call, answer)
  call.say(`From ${localTime(answer.from)} to ${localTime(answer.to)}`)
  const rows = answer.services.map((one) => [
    plain(one.service),
    String(one.incidents),
    one.per30Days.toFixed(1),
    spread(one.toAcknowledge),
    spread(one.toRestore),
    plain(one.caution ?? ''),
  ])
  const head = ['SERVICE', 'INCIDENTS', 'IN 30 DAYS', 'TO ACKNOWLEDGE', 'TO RESTORE', 'CAUTION']
  table(call, head, rows)
  call.say('Times are median / 90th percentile, then the share within the target.')
}

function spread({ count, medianMillis, p90Millis, withinTargetShare }: Spread): string {
  if (count === 0 || medianMillis === undefined) return '-'
  const share = withinTargetShare === undefined ? '' : `, ${Math.round(withinTargetShare * 100)} %`
  return `${minutes(medianMillis)} / ${p90Millis === undefined ? '-' : minutes(p90Millis)}${share}`
}

function minutes(millis: number): string {
  return millis < 3_600_000
    ? `${(millis / 60_000).toFixed(1)} min`
    : `${(millis / 3_600_000).toFixed(1)} h`
}

/** `callward incidents recurrences [sign MONTH DECISION "TEXT"]`. */
export async function recurrences(call: Call, hub: Hub, words: readonly string[]): Promise<void> {
  if (words[0] === 'sign') {
    const [, month, decision, text] = words
    if (month === undefined || decision === undefined || text === undefined)
      throw new UsageError(
        'Say which month, what was decided, and why: callward incidents recurrences sign 2026-10 no_recurrence "Two different cards."',
      )
    await hub.call('POST', '/api/v1/incidents/recurrences/signoff', { month, decision, text })
    call.say('Signed.')
    return
  }
  const answer = await hub.call<{
    groups: readonly { why: string }[]
    uncodedCount: number
    months: readonly {
      month: string
      overdue: boolean
      decision: string | null
      signedBy: string | null
    }[]
  }>('GET', '/api/v1/incidents/recurrences')
  if (call.values.json === true) return sayJson(call, answer)
  if (answer.groups.length === 0) call.say('Nothing recurred in the last 6 months.')
  for (const { why } of answer.groups) call.say(plain(why))
  if (answer.uncodedCount > 0)
    call.say(`${answer.uncodedCount} incidents have no coded cause: they may belong to a group.`)
  const rows = answer.months.map((one) => [
    one.month,
    one.decision ?? (one.overdue ? 'OVERDUE' : 'open'),
    plain(one.signedBy ?? '-'),
  ])
  table(call, ['MONTH', 'DECISION', 'SIGNED BY'], rows)
}

const importMillis = 120_000

interface Imported {
  readonly lines: number
  readonly ready: number
  readonly imported: readonly unknown[]
  readonly already: readonly unknown[]
  readonly faults: readonly { line: number; reference: string; field: string; text: string }[]
}

/** `callward incidents import FILE`. */
export async function importFile(call: Call, hub: Hub, [path]: readonly string[]): Promise<void> {
  if (path === undefined)
    throw new UsageError('Say which file: callward incidents import past.csv --dry-run')
  const type = path.endsWith('.csv') ? 'text/csv' : 'application/x-ndjson'
  const content = new RawText(type, contentOf(path))
  const send = (dryRun: boolean) =>
    hub.call<Imported>('POST', `/api/v1/incidents/import?dryRun=${dryRun}`, content, importMillis)
  const tried = await send(true)
  for (const { line, reference, field, text } of tried.faults)
    call.say(`line ${line}  ${plain(reference)}  ${plain(field)}: ${plain(text)}`)
  if (call.values['dry-run'] === true) {
    call.say(
      `${tried.ready} of ${tried.lines} could be imported, ${tried.already.length} are here already. Nothing was written.`,
    )
    return
  }
  if (tried.faults.length > 0)
    throw new CommandError(
      `${tried.faults.length} faults, above: mend them in ${path}. Nothing was written.`,
    )
  const answer = await send(false)
  call.say(`${answer.imported.length} imported, ${answer.already.length} were here already.`)
}

function contentOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new CommandError(`${path} cannot be read: ${(error as NodeJS.ErrnoException).code}`)
  }
}
