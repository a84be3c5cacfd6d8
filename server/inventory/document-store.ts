import { promisify } from 'node:util'
import { deflateRaw, deflateRawSync, inflateRawSync } from 'node:zlib'
import type { Kysely } from 'kysely'
import type { RecordsTransaction } from '../records/records.ts'
import type { DocumentRow, RecordsSchema } from '../records/schema.ts'

/** Shorter documents are kept as they are. */
const packFromCharacters = 1024
/** A document's text has at most this many bytes (the wire's limit for facts). */
const maxBytes = 1024 * 1024

const deflate = promisify(deflateRaw)

type Database = Kysely<RecordsSchema> | RecordsTransaction

/** Facts documents by hash: packed, and held once for all hosts that show the same. */
export class DocumentStore {
  readonly #read: Kysely<RecordsSchema>
  /** One at a time: the journal's fdatasync uses the same threads. */
  #packing: Promise<unknown> = Promise.resolve()

  constructor(read: Kysely<RecordsSchema>) {
    this.#read = read
  }

  /** The row of a document, ready to be put; packed unless the records hold it already. */
  async row(hash: string, text: string): Promise<DocumentRow> {
    const plain = { hash, encoding: 'json', body: text }
    if (text.length < packFromCharacters || (await this.#holds(this.#read, hash))) return plain
    const packed = this.#packing.then(() => deflate(text))
    this.#packing = packed.catch(() => undefined)
    return { hash, encoding: 'deflate', body: (await packed).toString('base64') }
  }

  async put(tx: RecordsTransaction, row: DocumentRow): Promise<void> {
    if (await this.#holds(tx, row.hash)) return
    await tx.insertInto('documents').values(row).execute()
  }

  /** A document's JSON text; undefined when there is none of that hash. */
  async text(database: Database, hash: string): Promise<string | undefined> {
    const row = await database
      .selectFrom('documents')
      .selectAll()
      .where('hash', '=', hash)
      .executeTakeFirst()
    return row === undefined ? undefined : textOf(row)
  }

  async #holds(database: Database, hash: string): Promise<boolean> {
    const row = await database
      .selectFrom('documents')
      .select('hash')
      .where('hash', '=', hash)
      .executeTakeFirst()
    return row !== undefined
  }
}

/** The row of a document that is packed at once; for the few that the hub writes itself. */
export function packedRow(hash: string, text: string): DocumentRow {
  if (text.length < packFromCharacters) return { hash, encoding: 'json', body: text }
  return { hash, encoding: 'deflate', body: deflateRawSync(text).toString('base64') }
}

/** The JSON text of a row. */
export function textOf({ encoding, body }: Pick<DocumentRow, 'encoding' | 'body'>): string {
  if (encoding === 'json') return body
  if (encoding !== 'deflate') throw new Error(`BUG: a document in encoding "${encoding}"`)
  return inflateRawSync(Buffer.from(body, 'base64'), { maxOutputLength: maxBytes * 4 }).toString()
}
