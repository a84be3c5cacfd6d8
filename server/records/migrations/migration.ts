import type { Records, RecordsTransaction } from '../records.ts'

/** What a migration is given. */
export interface MigrationContext {
  readonly kind: Records['kind']
  readonly tx: RecordsTransaction
  /** Runs one statement written with TEXT, INTEGER and REAL in capitals, which become each engine's own types. */
  execute(statement: string): Promise<void>
}

/** One step of the schema; what is released is never changed. */
export interface Migration {
  /** Sorts after those before it: `0001-house`. */
  readonly name: string
  up(context: MigrationContext): Promise<void>
}
