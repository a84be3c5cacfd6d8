import { rebuild } from '../deadlines/rebuild.ts'
import type { Deadline } from '../deadlines/standing.ts'
import type { Bundle, Row } from './bundle.ts'
import { type History, push, type Told } from './history.ts'
import { entryName } from './log-checks.ts'
import { type Check, Findings } from './report.ts'
import { limitsInForce } from './time-limits.ts'
import { placesOf, wayOf } from './way.ts'

/** (7) Every deadline is worked out again from the facts, by the time limits that were in force, and is the one that is kept. */
export function checkDeadlines(bundle: Bundle, history: History): Check {
  const found = new Findings('deadlines')
  if (!bundle.manifest.tables.has('incident_deadlines')) {
    found.notChecked('the hub that made the bundle puts no deadlines in; update it')
    return found.done('')
  }
  const limits = limitsInForce(bundle, found)
  const kept = new Map<string, Row[]>()
  for (const row of bundle.tables.incident_deadlines) push(kept, String(row['incident_id']), row)
  const skipped = new Map<string, number>()
  let [incidents, deadlines] = [0, 0]
  for (const { id, number } of bundle.tables.incidents) {
    const rows = kept.get(String(id)) ?? []
    kept.delete(String(id))
    const entries = history.byObject.get(`incident:${String(id)}`) ?? []
    const answer = rebuiltOf(history, entries, limits)
    if (typeof answer === 'string') {
      if (rows.length > 0 || answer !== noLimits)
        skipped.set(answer, (skipped.get(answer) ?? 0) + 1)
      continue
    }
    incidents++
    deadlines += answer.deadlines.length
    const name = `incident ${String(number)}`
    compare(found, name, rows, answer.deadlines, entries)
    for (const duty of answer.duties) found.fault(`${name}: ${duty}`)
  }
  for (const [id, rows] of kept)
    for (const row of rows)
      found.fault(`incident_deadlines: ${nameOf(row)} of ${id}, which is no incident shown`)
  for (const [why, count] of skipped) found.flag(`not compared: ${count} × ${why}`)
  if (incidents === 0) found.notChecked('no incident whose deadlines can be worked out is shown')
  return found.done(
    `${deadlines} deadlines of ${incidents} incidents worked out again from facts and time limits.`,
  )
}

const noLimits = 'incidents of before their time limits were in the ledger'

/** Or why they cannot be worked out. */
function rebuiltOf(
  history: History,
  entries: readonly Told[],
  limits: Parameters<typeof rebuild>[2],
) {
  const [first] = entries
  if (first?.value.action !== 'incident.state') return 'incidents that began before the range'
  if (!history.complete) return 'deadlines of a period, which later facts may have changed'
  const way = wayOf(history, entries)
  if (way === undefined || !way.legal) return 'incidents that could not be replayed'
  const now = history.lastAt
  return rebuild(way.picture, placesOf(entries), limits, now) ?? noLimits
}

function compare(
  found: Findings,
  incident: string,
  rows: readonly Row[],
  wanted: readonly Deadline[],
  entries: readonly Told[],
): void {
  const shown = new Map<string, Row>()
  for (const row of rows) {
    if (shown.has(nameOf(row)))
      found.fault(`incident_deadlines: ${nameOf(row)} of ${incident} is there twice`)
    shown.set(nameOf(row), row)
  }
  for (const deadline of wanted) {
    const columns = columnsOf(deadline)
    const name = nameOf(columns)
    const row = shown.get(name)
    shown.delete(name)
    if (row === undefined) {
      const about = `${deadline.state}${inWords(deadline.dueAt)}`
      found.fault(
        `incident_deadlines: ${name} of ${incident} (${about}) follows from its facts and has no row`,
      )
    } else
      for (const [column, value] of Object.entries(columns))
        if (row[column] !== value)
          found.fault(
            `incident_deadlines: ${name} of ${incident}: ${column} is ${shownValue(column, row[column])}, from its facts up to ${entryName(entries.at(-1)!)} it is ${shownValue(column, value)}`,
          )
  }
  for (const name of shown.keys())
    found.fault(`incident_deadlines: ${name} of ${incident} follows from none of its facts`)
}

function columnsOf({ regime, code, state, dueAt, atRiskAt, satisfiedAt, told }: Deadline): Row {
  return {
    ...{ regime, code, state, due_at: dueAt, at_risk_at: atRiskAt, satisfied_at: satisfiedAt },
    tells: told ? 1 : 0,
  }
}

function nameOf(row: Row): string {
  return `${String(row['regime'])}.${String(row['code'])}`
}

function inWords(at: number | null): string {
  return at === null ? '' : `, due ${new Date(at).toISOString()}`
}

/** Times as people write them. */
function shownValue(column: string, value: unknown): string {
  const isTime = column.endsWith('_at') && typeof value === 'number' && Math.abs(value) < 8.64e15
  return isTime ? new Date(value).toISOString() : (JSON.stringify(value) ?? 'nothing')
}
