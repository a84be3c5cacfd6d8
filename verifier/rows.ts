import type { Bundle, Entry, Row, TableName } from './bundle.ts'
import { type Disclosed, push } from './history.ts'
import { entryName } from './log-checks.ts'
import type { Findings } from './report.ts'

/** Says where rows differ from what the entries tell. */
export class RowCheck {
  readonly #found: Findings
  readonly #bundle: Bundle
  compared = 0
  /** Values nobody can compare, by why. */
  readonly uncompared = new Map<string, number>()
  readonly #groups = new Map<string, ReadonlyMap<string, readonly Row[]>>()

  constructor(found: Findings, bundle: Bundle) {
    this.#found = found
    this.#bundle = bundle
  }

  fault(text: string): void {
    this.#found.fault(text)
  }

  flag(text: string): void {
    this.#found.flag(text)
  }

  skip(why: string): void {
    this.uncompared.set(why, (this.uncompared.get(why) ?? 0) + 1)
  }

  table(name: TableName): readonly Row[] {
    return this.#bundle.tables[name]
  }

  /** Rows by a column; a value that is there twice is a fault. */
  unique(name: TableName, column: string): Map<string, Row> {
    const rows = new Map<string, Row>()
    for (const row of this.table(name)) {
      const key = String(row[column])
      if (rows.has(key)) this.fault(`${name} has ${column} ${key} twice`)
      rows.set(key, row)
    }
    return rows
  }

  /** Rows of a table by a column, made once. */
  by(name: TableName, column: string): ReadonlyMap<string, readonly Row[]> {
    const known = this.#groups.get(`${name}.${column}`)
    if (known !== undefined) return known
    const groups = new Map<string, Row[]>()
    for (const row of this.table(name)) push(groups, String(row[column]), row)
    this.#groups.set(`${name}.${column}`, groups)
    return groups
  }

  /** The columns of a row that must be as told by an entry. */
  equal(what: string, row: Row, wanted: Row, told: Entry): void {
    this.compared++
    for (const column of Object.keys(wanted))
      if (row[column] !== wanted[column])
        this.fault(
          `${what}: ${column} is ${JSON.stringify(row[column])}, ${entryName(told)} says ${JSON.stringify(wanted[column])}`,
        )
  }

  /** A text of which the entry holds the salted hash. */
  disclosed(what: string, column: string, shown: unknown, text: Disclosed, told: Entry): void {
    if (text.kind === 'true') {
      if (shown !== text.text && !isCut(shown, text.text))
        this.fault(`${what}: ${column} is not the text that ${entryName(told)} holds the hash of`)
    } else if (text.kind === 'false')
      this.fault(
        `${what}: the text disclosed for ${entryName(told)} is not the one that was hashed`,
      )
    else if (text.kind === 'none')
      this.fault(`${what}: ${entryName(told)} holds no hash of its ${column}`)
    else if (shown !== null && shown !== undefined && shown !== '')
      this.fault(
        `${what}: ${column} is shown, and the salt that proves it to ${entryName(told)} is gone`,
      )
    else this.skip('texts that were erased')
  }
}

/** The hub hashes the first 65,536 characters. */
const maxHashed = 65_536

function isCut(shown: unknown, text: string): boolean {
  return typeof shown === 'string' && text.length >= maxHashed && shown.startsWith(text)
}
