import type { InForce } from '../deadlines/rebuild.ts'
import { readTimeLimits } from '../deadlines/time-limits.ts'
import type { Bundle, Row } from './bundle.ts'
import { hashOf, isTold, type Told } from './history.ts'
import { entryName } from './log-checks.ts'
import type { Findings } from './report.ts'

/** The time limits that the log names, each by the text of its hash, sorted by their places. */
export function limitsInForce(bundle: Bundle, found: Findings): InForce[] {
  const { entries, single, manifest, tables } = bundle
  const rows = new Map<string, Row>()
  for (const row of tables.time_limits) {
    const id = String(row['id'])
    if (rows.has(id)) found.fault(`time_limits has id ${id} twice`)
    rows.set(id, row)
  }
  const limits: InForce[] = []
  const told = [...entries, ...single.map(({ entry }) => entry)]
    .filter(isTold)
    .filter(({ value, index }) => value.action === 'time_limits.in_force' && index < manifest.asOf)
    .sort((a, b) => a.index - b.index)
  for (const entry of told) {
    const { id } = entry.value.object
    const row = rows.get(id)
    rows.delete(id)
    if (row === undefined) found.fault(`time_limits: those of ${entryName(entry)} have no row`)
    else {
      const limit = limitOf(entry, row, found)
      if (limit !== undefined) limits.push(limit)
    }
  }
  for (const id of rows.keys()) found.fault(`time_limits: row ${id} has no entry`)
  return limits
}

function limitOf(entry: Told, row: Row, found: Findings): InForce | undefined {
  const { content, occurredAt, object } = entry.value
  const what = `time_limits: row ${object.id}`
  const body = String(row['body'])
  const wrong = (column: string) =>
    found.fault(`${what}: ${column} is not what ${entryName(entry)} says`)
  if (row['sha256'] !== content['sha256']) wrong('sha256')
  if (row['in_force_at'] !== occurredAt) wrong('in_force_at')
  if (hashOf(body).hex !== content['sha256']) {
    wrong('body')
    return undefined
  }
  const regimes = readTimeLimits(body)
  if (regimes === undefined) found.fault(`${what}: its regimes cannot be read by this verifier`)
  return regimes && { from: entry.index, regimes }
}
