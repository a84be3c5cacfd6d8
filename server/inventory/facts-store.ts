import type { Kysely } from 'kysely'
import type { Clock, Millis } from '../clock.ts'
import type { Records, RecordsTransaction } from '../records/records.ts'
import type { RecordsSchema } from '../records/schema.ts'
import { DocumentStore, textOf } from './document-store.ts'
import { Gathered } from './gathered.ts'

/** A facts document as a host told it. */
export interface StoredDocument {
  readonly instance: string
  readonly name: string
  /** SHA-256 of `text`, hex. */
  readonly hash: string
  /** JSON; its shape is whatever the collector sent. */
  readonly text: string
  readonly receivedAt: Millis
}

/** How much history of each document of a host is kept. */
export interface FactsLimits {
  readonly versions: number
  readonly days: number
}

type Database = Kysely<RecordsSchema> | RecordsTransaction

/** Kinds of documents one host may tell. */
const namesAHost = 32
/** Versions of one document that a host may tell within an hour; a collector looks once in that time. */
const versionsAnHour = 60
const hourMillis = 3_600_000
const dayMillis = 86_400_000
/** Documents that nobody refers to any more, removed in one transaction. */
const documentsASweep = 200

/** Versions of each host's facts documents, by instance: a collector that is replaced changes nothing. */
export class FactsStore {
  readonly documents: DocumentStore
  readonly #records: Records
  readonly #clock: Clock
  readonly #limits: FactsLimits
  readonly #hashes = new Gathered((instances: readonly string[]) => this.#hashesOf(instances))

  constructor(records: Records, clock: Clock, limits: FactsLimits) {
    this.#records = records
    this.#clock = clock
    this.#limits = limits
    this.documents = new DocumentStore(records.read)
  }

  /**
   * Adds a version to a document's history; undefined when the newest one says the same. `within` works in the same transaction.
   */
  async save(
    told: Omit<StoredDocument, 'receivedAt'> & { readonly collectorId: string },
    within: (tx: RecordsTransaction, stored: StoredDocument) => Promise<void>,
  ): Promise<StoredDocument | undefined> {
    const { instance, name, hash, text } = told
    const row = await this.documents.row(hash, text)
    return this.#records.write(async (tx) => {
      const last = await newest(tx, instance, name).executeTakeFirst()
      if (last?.hash === hash) return undefined
      if (last === undefined) await this.#checkNames(tx, instance)
      else await this.#checkRate(tx, instance, name)
      // The order of versions is that of receipt, also when the clock went back.
      const receivedAt = Math.max(this.#clock.now(), (last?.received_at ?? -1) + 1)
      await this.documents.put(tx, row)
      await tx
        .insertInto('facts')
        .values({
          collector_id: told.collectorId,
          instance,
          name,
          hash,
          received_at: receivedAt,
        })
        .execute()
      await this.#forgetOld(tx, instance, name)
      const stored = { instance, name, hash, text, receivedAt }
      await within(tx, stored)
      return stored
    })
  }

  async #checkRate(tx: RecordsTransaction, instance: string, name: string): Promise<void> {
    const row = await tx
      .selectFrom('facts')
      .select((s) => s.fn.countAll().as('count'))
      .where('instance', '=', instance)
      .where('name', '=', name)
      .where('received_at', '>', this.#clock.now() - hourMillis)
      .executeTakeFirst()
    if (Number(row?.count ?? 0) >= versionsAnHour)
      throw new Error(
        `${instance} has told ${versionsAnHour} versions of "${name}" within an hour; this one is not kept until it is sent again`,
      )
  }

  async #checkNames(tx: RecordsTransaction, instance: string): Promise<void> {
    const names = await tx
      .selectFrom('facts')
      .select('name')
      .distinct()
      .where('instance', '=', instance)
      .execute()
    if (names.length >= namesAHost)
      throw new Error(`${instance} has told ${namesAHost} kinds of documents; more are not kept`)
  }

  /** A document as it was at a time (default: now); undefined when the host had told none by then. */
  async at(instance: string, name: string, at?: Millis): Promise<StoredDocument | undefined> {
    const base = newest(this.#records.read, instance, name)
    const row = await (at === undefined
      ? base
      : base.where('received_at', '<=', at)
    ).executeTakeFirst()
    if (row === undefined) return undefined
    const text = await this.documents.text(this.#records.read, row.hash)
    if (text === undefined) throw new Error(`BUG: facts without their document ${row.hash}`)
    return { instance, name, hash: row.hash, text, receivedAt: row.received_at }
  }

  /** Newest version of each document. */
  async all(instance: string): Promise<StoredDocument[]> {
    const rows = await this.#newestOfAll([instance])
      .innerJoin('documents', 'documents.hash', 'facts.hash')
      .select(['facts.name', 'facts.hash', 'facts.received_at', 'encoding', 'body'])
      .execute()
    return rows.map((row) => ({
      instance,
      name: row.name,
      hash: row.hash,
      text: textOf(row),
      receivedAt: row.received_at,
    }))
  }

  /** Hash of the newest version of each document, by name. */
  hashes(instance: string): Promise<Record<string, string>> {
    return this.#hashes.ask(instance)
  }

  async #hashesOf(instances: readonly string[]): Promise<Record<string, string>[]> {
    const rows = await this.#newestOfAll(instances)
      .select(['facts.instance', 'facts.name', 'facts.hash'])
      .execute()
    const byInstance = new Map<string, [string, string][]>()
    for (const { instance, name, hash } of rows) {
      const entries = byInstance.get(instance) ?? []
      if (entries.push([name, hash]) === 1) byInstance.set(instance, entries)
    }
    return instances.map((instance) => Object.fromEntries(byInstance.get(instance) ?? []))
  }

  #newestOfAll(instances: readonly string[]) {
    return this.#records.read
      .selectFrom('facts')
      .where('facts.instance', 'in', instances)
      .where('facts.received_at', '=', (sub) =>
        sub
          .selectFrom('facts as other')
          .select((s) => s.fn.max('other.received_at').as('newest'))
          .whereRef('other.instance', '=', 'facts.instance')
          .whereRef('other.name', '=', 'facts.name'),
      )
  }

  /** The newest version of a document is never forgotten. */
  async #forgetOld(tx: RecordsTransaction, instance: string, name: string): Promise<void> {
    const { versions, days } = this.#limits
    const nth = await newest(tx, instance, name)
      .offset(versions - 1)
      .executeTakeFirst()
    const last = await newest(tx, instance, name).executeTakeFirst()
    // What was in force when the time that is kept began stays, too.
    const reach = days === 0 ? 0 : this.#clock.now() - days * dayMillis
    const first = await newest(tx, instance, name)
      .where('received_at', '<=', reach)
      .executeTakeFirst()
    const oldest = Math.max(nth?.received_at ?? 0, first?.received_at ?? 0)
    const from = Math.min(last?.received_at ?? 0, oldest)
    await tx
      .deleteFrom('facts')
      .where('instance', '=', instance)
      .where('name', '=', name)
      .where('received_at', '<', from)
      .execute()
  }

  /** Removes documents no host's history shows any more; gives how many. */
  async sweep(): Promise<number> {
    return this.#records.write(async (tx) => {
      const orphans = await tx
        .selectFrom('documents')
        .select('hash')
        .where((is) =>
          is.and([
            is.not(
              is.exists(
                is
                  .selectFrom('facts')
                  .select('facts.hash')
                  .whereRef('facts.hash', '=', 'documents.hash'),
              ),
            ),
            is.not(
              is.exists(
                is
                  .selectFrom('known_versions')
                  .select('known_versions.hash')
                  .whereRef('known_versions.hash', '=', 'documents.hash'),
              ),
            ),
          ]),
        )
        .limit(documentsASweep)
        .execute()
      if (orphans.length === 0) return 0
      const hashes = orphans.map(({ hash }) => hash)
      await tx.deleteFrom('documents').where('hash', 'in', hashes).execute()
      return hashes.length
    })
  }
}

/** Newest versions first, one row. */
function newest(database: Database, instance: string, name: string) {
  // Both kinds of database build the same query; their types have no common call.
  return (database as Kysely<RecordsSchema>)
    .selectFrom('facts')
    .select(['hash', 'received_at'])
    .where('instance', '=', instance)
    .where('name', '=', name)
    .orderBy('received_at', 'desc')
    .limit(1)
}
