import { CallwardError } from '../errors.ts'
import type { LedgerEpochRow } from '../records/schema.ts'
import type { Asked } from './bundle.ts'
import { type BundleRows, tooMuch } from './bundle-rows.ts'
import { type Database, nextNumber, recordedAtFrom } from './ledger-store.ts'
import type { Range } from './merkle.ts'

/** Entries of one bundle. */
const maxBundleEntries = 250_000
/** An incident's bundle goes on to the newest entry while it stays below this. */
const maxTailEntries = 20_000

/** Places of the entries to show, without a gap: what is left out between two could be what matters. */
export async function rangeOf(
  read: Database,
  { first_number, number }: LedgerEpochRow,
  size: number,
  asked: Asked,
  rows: BundleRows,
): Promise<Range> {
  const found =
    asked.kind === 'incident'
      ? await incidentRange(read, asked, rows, first_number + size)
      : widened(await boundsOf(read, asked), size + first_number)
  const [begin, end] = [Math.max(0, found.begin - first_number), found.end - first_number]
  if (found.begin < first_number && asked.kind === 'incident')
    throw new CallwardError(
      'unprocessable',
      `Incident ${asked.number} is in an earlier log than number ${number}; verify that one with: callward ledger verify --epoch ${number - 1}`,
    )
  if (end <= begin)
    throw new CallwardError('not_found', 'The ledger has no entry of that time in this log.')
  if (end - begin > maxBundleEntries) tooMuch(`${maxBundleEntries} entries`)
  return { begin, end: Math.min(end, size) }
}

/** One more on each side shows that none of the period is left out. */
function widened({ begin, end }: Range, below: number): Range {
  return { begin: Math.max(0, begin - 1), end: Math.min(below, end + 1) }
}

/** From the first entry about the incident and its pages to the newest of all, or to the last about them where that is too far. */
async function incidentRange(
  read: Database,
  asked: Extract<Asked, { kind: 'incident' }>,
  { objects }: BundleRows,
  below: number,
): Promise<Range> {
  let [begin, end] = [Number.POSITIVE_INFINITY, 0]
  for (const [type, ids] of Object.entries(objects))
    for (const id of ids) {
      const row = await read
        .selectFrom('ledger_entries')
        .select((is) => [is.fn.min('number').as('first'), is.fn.max('number').as('last')])
        .where('object_type', '=', type)
        .where('object_id', '=', id)
        .where('number', '<', below)
        .where('number', '>=', 0)
        .executeTakeFirst()
      if (row?.first === null || row === undefined) continue
      // What an alert did before has no place in the incident.
      if (type !== 'alert') begin = Math.min(begin, Number(row.first))
      end = Math.max(end, Number(row.last) + 1)
    }
  if (begin > below)
    throw new CallwardError('not_found', `The ledger has no entry of incident ${asked.number}.`)
  return { begin, end: below - begin <= maxTailEntries ? below : end }
}

/** Numbers of the entries of a period, by the time they were recorded. */
export async function boundsOf(database: Database, asked: Asked): Promise<Range> {
  const end = await nextNumber(database)
  if (asked.kind === 'incident') return { begin: 0, end }
  const [begin, stop] = [
    await firstSince(database, asked.from, end),
    await firstSince(database, asked.to, end),
  ]
  if (stop - begin > maxBundleEntries) tooMuch(`${maxBundleEntries} entries`)
  return { begin, end: stop }
}

/** The first number whose entry was recorded at `at` or later; entries are recorded in their order. */
async function firstSince(database: Database, at: number, end: number): Promise<number> {
  let [low, high] = [0, end]
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const found = await recordedAtFrom(database, middle)
    if (found === undefined || Number(found) >= at) high = middle
    else low = middle + 1
  }
  return low
}
