import type { Millis } from '../clock.ts'
import type { RecordsTransaction } from '../records/records.ts'
import type { LedgerCosignatureRow } from '../records/schema.ts'
import type { Database } from './ledger-store.ts'
import type { ConfiguredWitness } from './witness-config.ts'

/** What a start found to differ from the configuration of the one before. */
export interface WitnessChange {
  readonly change: 'named' | 'key changed' | 'removed'
  readonly name: string
  readonly key: string | undefined
  readonly before: string | undefined
}

/** Keeps the configured witnesses, and tells what is new about them. */
export async function noteWitnesses(
  tx: RecordsTransaction,
  configured: readonly ConfiguredWitness[],
  now: Millis,
): Promise<WitnessChange[]> {
  const rows = await tx.selectFrom('ledger_witnesses').selectAll().orderBy('name').execute()
  const known = new Map(rows.map(({ name, key }) => [name, key]))
  const changes: WitnessChange[] = []
  for (const { name, key } of configured) {
    const before = known.get(name)
    known.delete(name)
    if (before === key) continue
    changes.push({ change: before === undefined ? 'named' : 'key changed', name, key, before })
    await tx
      .insertInto('ledger_witnesses')
      .values({ name, key, since: now })
      .onConflict((conflict) => conflict.column('name').doUpdateSet({ key, since: now }))
      .execute()
  }
  for (const [name, before] of known) {
    changes.push({ change: 'removed', name, key: undefined, before })
    await tx.deleteFrom('ledger_witnesses').where('name', '=', name).execute()
  }
  return changes
}

/** Since when each configured witness has had its key, by name. */
export async function witnessesSince(database: Database): Promise<Map<string, Millis>> {
  const rows = await database.selectFrom('ledger_witnesses').select(['name', 'since']).execute()
  return new Map(rows.map(({ name, since }) => [name, since]))
}

/** Keeps a verified cosignature; of several on one checkpoint the newest. */
export async function saveCosignature(
  tx: RecordsTransaction,
  row: LedgerCosignatureRow,
): Promise<void> {
  const { line, witnessed_at, received_at } = row
  await tx
    .insertInto('ledger_cosignatures')
    .values(row)
    .onConflict((conflict) =>
      conflict
        .columns(['epoch', 'size', 'key'])
        .doUpdateSet({ line, witnessed_at, received_at })
        .where('ledger_cosignatures.witnessed_at', '<', witnessed_at),
    )
    .execute()
}

/** The last word of a witness on a log: on its largest checkpoint. */
export async function lastCosignature(
  database: Database,
  key: string,
  epoch?: number,
): Promise<LedgerCosignatureRow | undefined> {
  const all = database.selectFrom('ledger_cosignatures').selectAll().where('key', '=', key)
  return (epoch === undefined ? all : all.where('epoch', '=', epoch))
    .orderBy('epoch', 'desc')
    .orderBy('size', 'desc')
    .limit(1)
    .executeTakeFirst()
}

/** Signature lines of witnesses, those of one checkpoint joined, by its size. At most 1,000 sizes are asked for. */
export async function cosignatureLines(
  database: Database,
  epoch: number,
  sizes: readonly number[],
): Promise<Map<number, string>> {
  const lines = new Map<number, string>()
  const [first, last] = [sizes[0], sizes.at(-1)]
  if (first === undefined || last === undefined) return lines
  const rows = await database
    .selectFrom('ledger_cosignatures')
    .select(['size', 'line'])
    .where('epoch', '=', epoch)
    .where('size', '>=', first)
    .where('size', '<=', last)
    .orderBy('size')
    .orderBy('key')
    .execute()
  for (const { size, line } of rows) lines.set(size, `${lines.get(size) ?? ''}${line}`)
  return lines
}
