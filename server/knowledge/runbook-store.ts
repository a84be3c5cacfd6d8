import { type Kysely, sql } from 'kysely'
import type { Clock } from '../clock.ts'
import { later, type Records, type RecordsTransaction } from '../records/records.ts'
import type { RecordsSchema, RunbookVersionRow } from '../records/schema.ts'
import type { Runbook } from './runbook.ts'

/** The ways a runbook is used: pinned to an incident, or its page opened while its alert fires. */
export type UseKind = 'pinned' | 'opened'

/** Keeps every version of a runbook that was seen, and counts how runbooks are used. */
export class RunbookStore {
  readonly #records: Records
  readonly #clock: Clock
  /** Hashes that are known to be kept. */
  readonly #kept = new Set<string>()

  constructor(records: Records, clock: Clock) {
    this.#records = records
    this.#clock = clock
  }

  isKept({ hash }: Runbook): boolean {
    return this.#kept.has(hash)
  }

  /** Keeps versions in one transaction; those that are kept already cost nothing. */
  async keep(runbooks: readonly Runbook[]): Promise<void> {
    const asked = runbooks.filter(({ hash }) => !this.#kept.has(hash))
    if (asked.length === 0) return
    const known = await this.#known(asked)
    const fresh = asked.filter(({ hash }) => !known.has(hash))
    if (fresh.length > 0)
      await this.#records.write(async (tx) => {
        for (const runbook of fresh) await this.keepIn(tx, runbook)
      })
    for (const { hash } of asked) this.#kept.add(hash)
  }

  async #known(runbooks: readonly Runbook[]): Promise<ReadonlySet<string>> {
    const rows = await this.#records.read
      .selectFrom('runbook_versions')
      .select('hash')
      .where(
        'hash',
        'in',
        runbooks.map(({ hash }) => hash),
      )
      .execute()
    return new Set(rows.map(({ hash }) => hash))
  }

  /** Keeps a version inside a transaction that may still be rolled back. */
  async keepIn(tx: RecordsTransaction, { hash, name, text }: Runbook): Promise<void> {
    const row = { hash, name, body: text, recorded_at: this.#clock.now() }
    await later(
      tx,
      tx
        .insertInto('runbook_versions')
        .values(row)
        .onConflict((conflict) => conflict.column('hash').doNothing()),
    )
  }

  async countUse(tx: RecordsTransaction, name: string, how: UseKind): Promise<void> {
    const at = this.#clock.now()
    await later(
      tx,
      tx
        .insertInto('runbook_uses')
        .values({ name, how, times: 1, first_at: at, last_at: at })
        .onConflict((conflict) =>
          conflict
            .columns(['name', 'how'])
            .doUpdateSet({ times: sql<number>`runbook_uses.times + 1`, last_at: at }),
        ),
    )
  }

  /** The page was opened while its alert fires. */
  async opened(name: string): Promise<void> {
    await this.#records.write((tx) => this.countUse(tx, name, 'opened'))
  }

  async byHash(hash: string): Promise<RunbookVersionRow | undefined> {
    const { read } = this.#records
    return read
      .selectFrom('runbook_versions')
      .selectAll()
      .where('hash', '=', hash)
      .executeTakeFirst()
  }

  /** Versions of a runbook that were seen, the newest first. */
  async versions(name: string, limit: number): Promise<Omit<RunbookVersionRow, 'body'>[]> {
    return this.#records.read
      .selectFrom('runbook_versions')
      .select(['hash', 'name', 'recorded_at'])
      .where('name', '=', name)
      .orderBy('recorded_at', 'desc')
      .orderBy('hash')
      .limit(limit)
      .execute()
  }

  uses(): Promise<RunbookUse[]> {
    return usesOf(this.#records.read)
  }
}

/** How one runbook was used. */
export interface RunbookUse {
  readonly name: string
  /** Incidents that were opened with it. */
  readonly incidents: number
  /** How often it was pinned to an incident since that is counted. */
  readonly pinned: number
  /** How often its page was opened while its alert fired. */
  readonly opened: number
  readonly lastUsedAt: number
}

async function usesOf(db: Kysely<RecordsSchema>): Promise<RunbookUse[]> {
  const uses = new Map<string, RunbookUse>()
  const add = (name: string, more: Partial<RunbookUse>, at: number) => {
    const before = uses.get(name) ?? { name, incidents: 0, pinned: 0, opened: 0, lastUsedAt: 0 }
    uses.set(name, { ...before, ...more, lastUsedAt: Math.max(before.lastUsedAt, at) })
  }
  for (const row of await db.selectFrom('runbook_uses').selectAll().execute())
    add(row.name, { [row.how]: Number(row.times) }, row.last_at)
  const opened = await db
    .selectFrom('incidents')
    .select([
      'runbook_name',
      sql<number>`count(*)`.as('incidents'),
      sql<number>`max(opened_at)`.as('last'),
    ])
    .where('runbook_name', 'is not', null)
    .groupBy('runbook_name')
    .execute()
  for (const row of opened)
    add(row.runbook_name ?? '', { incidents: Number(row.incidents) }, Number(row.last))
  return [...uses.values()]
}
