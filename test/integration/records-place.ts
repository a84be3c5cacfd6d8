import type { Clock } from '../../server/clock.ts'
import type { Migration } from '../../server/records/migrations/migration.ts'
import type { CountedRecords, WriteLimits } from '../../server/records/write-queue.ts'

/** A database that can be opened again and again. */
export interface Place {
  open(options?: {
    clock?: Clock
    limits?: Partial<WriteLimits>
    migrations?: readonly Migration[]
  }): Promise<CountedRecords>
}

/** What a promise must reject with: an error's `code` (RecordsError, CallwardError) or its name. */
export async function refusal(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
  } catch (error) {
    const { code, name } = error as { code?: string; name: string }
    return code ?? name
  }
  return 'kept'
}

export const setting = (key: string, value = '') => ({ key, value })

/** Adds a row in a write transaction of its own. */
export function put(records: CountedRecords, key: string, value = ''): Promise<unknown> {
  return records.write((tx) => tx.insertInto('settings').values(setting(key, value)).execute())
}

export async function keys(records: CountedRecords): Promise<string[]> {
  const rows = await records.read.selectFrom('settings').select('key').orderBy('key').execute()
  return rows.map(({ key }) => key)
}
