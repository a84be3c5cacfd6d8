import type { Bundle, Row } from './bundle.ts'
import type { History, Told } from './history.ts'
import { entryName } from './log-checks.ts'
import type { RowCheck } from './rows.ts'

const table = 'incident_assignments'

/** Who was asked to go, and what they answered: each row is what its entries and its fact say. */
export function checkAssignments(bundle: Bundle, history: History, rows: RowCheck): void {
  if (!bundle.manifest.tables.has(table)) return
  const shown = rows.unique(table, 'fact_id')
  const ledgeredFrom = firstLimits(bundle)
  for (const { id: incident } of rows.table('incidents')) {
    const entries = history.byObject.get(`incident:${String(incident)}`) ?? []
    for (const [fact, asked] of askedOf(entries)) {
      const row = shown.get(fact)
      shown.delete(fact)
      if (row === undefined) rows.fault(`${table}: the one of ${entryName(asked)} has no row`)
      else checkAssignment(rows, history, entries, asked, row)
    }
  }
  for (const [fact, row] of shown) {
    const entries = history.byObject.get(`incident:${String(row['incident_id'])}`) ?? []
    const told = entries.find((entry) => isFact(entry, fact))
    if (told !== undefined && told.index < ledgeredFrom)
      rows.skip('assignments of before they were ledgered')
    else if (told === undefined && entries[0]?.value.action !== 'incident.state')
      rows.skip('assignments before the range')
    else if (!history.complete && Number(row['assigned_at']) > history.lastAt)
      rows.skip('assignments after the period')
    else rows.fault(`${table}: assignment ${fact} of ${String(row['technician'])} has no entry`)
  }
}

/** Assignments are ledgered since the time limits are. */
function firstLimits({ entries, single }: Bundle): number {
  const places = [...entries, ...single.map(({ entry }) => entry)].flatMap(({ index, value }) =>
    value?.action === 'time_limits.in_force' ? [index] : [],
  )
  return Math.min(...places.slice(0, 1000), Number.MAX_SAFE_INTEGER)
}

const isFact = ({ value }: Told, fact: string) =>
  value.action === 'incident.fact' && value.content['fact'] === fact

function askedOf(entries: readonly Told[]): Map<string, Told> {
  return new Map(
    entries
      .filter(({ value }) => value.action === 'dispatch.asked')
      .map((entry) => [String(entry.value.content['fact']), entry]),
  )
}

function checkAssignment(
  rows: RowCheck,
  history: History,
  entries: readonly Told[],
  asked: Told,
  row: Row,
): void {
  const fact = String(row['fact_id'])
  const what = `${table}: assignment ${fact}`
  const { actor, object, content, occurredAt } = asked.value
  rows.equal(
    what,
    row,
    {
      ...{ incident_id: object.id, principal_id: content['account'], assigned_by: actor },
      ...{ assigned_at: occurredAt, due_at: Date.parse(String(content['dueAt'])) },
    },
    asked,
  )
  const told = entries.find((entry) => isFact(entry, fact))
  const text = told && history.factText(told)
  if (told === undefined) rows.fault(`${what}: no fact says that somebody was assigned`)
  else if (text?.kind === 'true')
    rows.equal(what, row, { technician: technicianIn(text.text) }, told)
  else rows.skip('technicians whose fact was erased')
  const later = entries.filter(
    ({ value, index }) => index > asked.index && value.content['fact'] === fact,
  )
  if (!history.complete) {
    rows.skip('answers of technicians, which may have come after the period')
    return
  }
  const answer = later.findLast(({ value }) => value.action === 'dispatch.answered')
  const endedAt = answer?.value.content['endedAt'] ?? null
  const exhausted = later.find(({ value }) => value.action === 'dispatch.exhausted')
  const present = {
    state: answer?.value.content['state'] ?? 'waiting',
    ended_at: endedAt === null ? null : Date.parse(String(endedAt)),
  }
  rows.equal(what, row, present, answer ?? asked)
  const exhaustedAt = exhausted?.value.occurredAt ?? null
  rows.equal(what, row, { exhausted_at: exhaustedAt }, exhausted ?? asked)
}

function technicianIn(text: string): unknown {
  try {
    return (JSON.parse(text) as Row)['technician']
  } catch {
    return undefined
  }
}
