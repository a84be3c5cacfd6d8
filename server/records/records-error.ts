/** What went wrong in the database, in words both engines share. */
export type RecordsErrorCode =
  | 'constraint_unique'
  | 'constraint'
  | 'busy'
  | 'full'
  | 'readonly'
  | 'corrupt'
  | 'other'

/**
 * A refusal by the database, the same shape for SQLite and PostgreSQL. `constraint_unique` is a primary key or
 * unique index; `constraint` any other rule or a value of the wrong type; `busy` a lock that was not given in time.
 */
export class RecordsError extends Error {
  readonly code: RecordsErrorCode

  constructor(code: RecordsErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'RecordsError'
    this.code = code
  }
}

/** Source: https://www.sqlite.org/rescode.html; the low byte is the primary code. */
const sqlitePrimaryCodes: Readonly<Record<number, RecordsErrorCode>> = {
  5: 'busy',
  6: 'busy',
  8: 'readonly',
  11: 'corrupt',
  13: 'full',
  19: 'constraint',
  20: 'constraint',
  26: 'corrupt',
}
const sqliteUniqueCodes: ReadonlySet<number> = new Set([1555, 2067, 2579])

/** Error of node:sqlite (`errcode`) or libsql (`rawCode`) in the shared shape. */
export function fromSqlite(error: unknown): RecordsError {
  if (error instanceof RecordsError) return error
  const { errcode, rawCode } = Object(error) as { errcode?: unknown; rawCode?: unknown }
  const number = typeof errcode === 'number' ? errcode : typeof rawCode === 'number' ? rawCode : 0
  const code = sqliteUniqueCodes.has(number)
    ? 'constraint_unique'
    : (sqlitePrimaryCodes[number & 0xff] ?? 'other')
  return new RecordsError(code, messageOf(error), { cause: error })
}

/** Source: PostgreSQL 15 manual, appendix A. Classes stand by their first two characters. */
const postgresCodes: Readonly<Record<string, RecordsErrorCode>> = {
  '23505': 'constraint_unique',
  '23': 'constraint',
  '22': 'constraint',
  '40001': 'busy',
  '40P01': 'busy',
  '55P03': 'busy',
  '53100': 'full',
  '25006': 'readonly',
  XX001: 'corrupt',
  XX002: 'corrupt',
}

/** Error of `pg` in the shared shape. */
export function fromPostgres(error: unknown): RecordsError {
  if (error instanceof RecordsError) return error
  const state = (Object(error) as { code?: unknown }).code
  const code =
    typeof state === 'string'
      ? (postgresCodes[state] ?? postgresCodes[state.slice(0, 2)] ?? 'other')
      : 'other'
  return new RecordsError(code, messageOf(error), { cause: error })
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
