import type { Bundle, Row } from './bundle.ts'
import type { History, Told } from './history.ts'
import { entryName } from './log-checks.ts'
import type { RowCheck } from './rows.ts'

const table = 'legal_holds'

/** Legal holds: set and released as their entries say. */
export function checkHolds(bundle: Bundle, history: History, rows: RowCheck): void {
  if (!bundle.manifest.tables.has(table)) return
  const shown = rows.unique(table, 'id')
  const incidents = new Map(rows.table('incidents').map(({ number, id }) => [number, id]))
  for (const [object, entries] of history.byObject) {
    if (!object.startsWith('hold:')) continue
    const set = entries.find(({ value }) => value.action === 'hold.set')
    const row = shown.get(object.slice('hold:'.length))
    shown.delete(object.slice('hold:'.length))
    if (set === undefined) {
      if (row !== undefined) rows.skip('holds set before the range')
      continue
    }
    const { incident } = set.value.content
    const isAsked = bundle.manifest.asked.kind === 'period' || incidents.has(incident as never)
    if (row !== undefined) checkHold(rows, history, incidents, entries, set, row)
    else if (isAsked) rows.fault(`${table}: the hold of ${entryName(set)} has no row`)
  }
  for (const [id, row] of shown) {
    const at = Number(row['set_at'])
    if (!history.complete && (at > history.lastAt || at < history.firstAt))
      rows.skip('holds set outside the range')
    else rows.fault(`${table}: hold ${id} has no entry`)
  }
}

function checkHold(
  rows: RowCheck,
  history: History,
  incidents: ReadonlyMap<unknown, unknown>,
  entries: readonly Told[],
  set: Told,
  row: Row,
): void {
  const what = `${table}: hold ${String(row['id'])}`
  const { content, actor, occurredAt } = set.value
  const { incident } = content
  const lasting = {
    ...{ from_at: instant(content['from']), to_at: instant(content['to']) },
    ...{ until_at: instant(content['until']), set_at: occurredAt, set_by: actor },
  }
  rows.equal(what, row, lasting, set)
  if (incident === null || incidents.has(incident))
    rows.equal(what, row, { incident_id: incidents.get(incident) ?? null }, set)
  else if (row['incident_id'] === null)
    rows.fault(`${what}: incident_id is not what ${entryName(set)} says`)
  else rows.skip('incidents of holds that are not shown')
  rows.disclosed(what, 'reason', row['reason'], history.text(set, 'reason'), set)
  const released = entries.find(({ value }) => value.action === 'hold.released')
  if (released === undefined && !history.complete && row['released_at'] !== null) {
    rows.skip('releases of holds after the period')
    return
  }
  const present = {
    released_at: released?.value.occurredAt ?? null,
    released_by: released?.value.actor ?? null,
    release_asked_by: released?.value.content['requestedBy'] ?? null,
  }
  rows.equal(what, row, present, released ?? set)
  if (released === undefined) rows.equal(what, row, { release_reason: null }, set)
  else
    rows.disclosed(
      ...([what, 'release_reason', row['release_reason']] as const),
      ...([history.text(released, 'reason'), released] as const),
    )
}

function instant(value: unknown): number | null {
  return value === null || value === undefined ? null : Date.parse(String(value))
}
