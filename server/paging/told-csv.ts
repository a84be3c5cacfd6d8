import { rfc3339 } from '../clock.ts'
import type { PageAttemptRow } from '../records/schema.ts'
import type { ToldRow } from './told-store.ts'

const columns = [
  'page',
  'title',
  'severity',
  'recipient',
  'what',
  'state',
  'reason',
  'opened_at',
  'ended_at',
  'channel',
  'outcome',
  'attempt_reason',
  'attempted_at',
  'received_at',
  'displayed_at',
] as const

/** First line of the export (RFC 4180). */
export const toldHeader = `${columns.join(',')}\r\n`

/** One line an attempt; one without an attempt where there was none. Times are RFC 3339, UTC. */
export function toldLines(row: ToldRow): string {
  const attempts: readonly (PageAttemptRow | undefined)[] =
    row.attempts.length === 0 ? [undefined] : row.attempts
  return attempts
    .map((attempt) => {
      const fields = [
        String(row.number),
        row.title,
        row.severity,
        row.name,
        row.kind,
        row.state,
        row.reason,
        time(row.opened_at),
        time(row.ended_at),
        attempt?.channel ?? '',
        attempt?.outcome ?? '',
        attempt?.reason ?? '',
        time(attempt?.at),
        time(attempt?.received_at),
        time(attempt?.displayed_at),
      ]
      return `${fields.map(field).join(',')}\r\n`
    })
    .join('')
}

function time(at: number | null | undefined): string {
  return at === null || at === undefined ? '' : rfc3339(Number(at))
}

/** Quoted where needed; what a spreadsheet would take for a formula is made text. */
function field(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
