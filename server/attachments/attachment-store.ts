import type { Kysely } from 'kysely'
import type { Clock, Millis } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import { uuid } from '../ids.ts'
import type { Ledger } from '../ledger/plugin.ts'
import type { RecordsTransaction } from '../records/records.ts'
import type { AttachmentRow, RecordsSchema } from '../records/schema.ts'
import { erasedName, limits } from './attachment.ts'

type Database = Kysely<RecordsSchema>

/** A file of an incident, as its record says. */
export interface Attachment {
  readonly id: string
  readonly incidentId: string
  readonly name: string
  readonly mediaType: string
  readonly bytes: number
  /** Lower-case hexadecimal; empty once it was erased. */
  readonly sha256: string
  readonly addedAt: Millis
  readonly addedBy: string
  readonly erasedAt: Millis | null
}

/** Attachments in the records. */
export class AttachmentStore {
  readonly #clock: Clock
  readonly #ledger: Pick<Ledger, 'append'>

  constructor(clock: Clock, ledger: Pick<Ledger, 'append'>) {
    this.#clock = clock
    this.#ledger = ledger
  }

  /** Throws not_found, unprocessable over the limits of an incident. */
  async add(
    tx: RecordsTransaction,
    file: Pick<
      Attachment,
      'id' | 'incidentId' | 'name' | 'mediaType' | 'bytes' | 'sha256' | 'addedBy'
    >,
  ): Promise<Attachment> {
    await this.checkRoom(tx, file.incidentId, file.bytes)
    const now = this.#clock.now()
    const { id, incidentId, name, mediaType, bytes, sha256, addedBy } = file
    await tx
      .insertInto('attachments')
      .values({
        ...{ id, incident_id: incidentId, name, media_type: mediaType, bytes, sha256 },
        ...{ added_at: now, added_by: addedBy, erased_at: null, leaving: null },
      })
      .execute()
    await this.#ledger.append(tx, {
      action: 'attachment.added',
      object: { type: 'incident', id: incidentId },
      actor: addedBy,
      occurredAt: now,
      content: { attachment: id, bytes, mediaType },
      sensitive: { name, sha256 },
    })
    return this.find(tx, incidentId, id)
  }

  newId(): string {
    return uuid(this.#clock.now())
  }

  /** Throws not_found without that incident, unprocessable when it takes no more. */
  async checkRoom(database: Database, incidentId: string, bytes: number): Promise<void> {
    const incident = await database
      .selectFrom('incidents')
      .select('id')
      .where('id', '=', incidentId)
      .executeTakeFirst()
    if (incident === undefined) throw new CallwardError('not_found', 'There is no such incident.')
    const sum = await database
      .selectFrom('attachments')
      .select((is) => [is.fn.countAll().as('files'), is.fn.sum('bytes').as('bytes')])
      .where('incident_id', '=', incidentId)
      .where('erased_at', 'is', null)
      .executeTakeFirstOrThrow()
    if (Number(sum.files) >= limits.incidentFiles)
      throw new CallwardError(
        'unprocessable',
        `An incident takes ${limits.incidentFiles} files: put several into one archive.`,
      )
    if (Number(sum.bytes ?? 0) + bytes > limits.incidentBytes)
      throw new CallwardError(
        'unprocessable',
        `The files of an incident have at most ${limits.incidentBytes} bytes together: attach a part, or say in a note where it is kept.`,
      )
  }

  /** In the order they came. */
  async list(database: Database, incidentId: string): Promise<Attachment[]> {
    const rows = await database
      .selectFrom('attachments')
      .selectAll()
      .where('incident_id', '=', incidentId)
      .orderBy('added_at')
      .orderBy('id')
      .execute()
    return rows.map(attachmentOf)
  }

  /** Throws not_found. */
  async find(database: Database, incidentId: string, id: string): Promise<Attachment> {
    const row = await database
      .selectFrom('attachments')
      .selectAll()
      .where('id', '=', id)
      .where('incident_id', '=', incidentId)
      .executeTakeFirst()
    if (row !== undefined) return attachmentOf(row)
    throw new CallwardError('not_found', `The incident has no attachment "${id}".`)
  }

  /** Name and hash go; the file is `leaving` until it is removed from the disk. Throws not_found, conflict when it was erased. */
  async erase(
    tx: RecordsTransaction,
    incidentId: string,
    id: string,
    at: Millis,
  ): Promise<Attachment> {
    const attachment = await this.find(tx, incidentId, id)
    if (attachment.erasedAt !== null)
      throw new CallwardError('conflict', 'This attachment was erased already.')
    await tx
      .updateTable('attachments')
      .set({
        name: erasedName,
        sha256: '',
        erased_at: at,
        leaving: attachment.sha256,
      })
      .where('id', '=', id)
      .execute()
    return attachment
  }

  /** Hashes of erased files that may still lie on the disk. */
  async leaving(database: Database): Promise<string[]> {
    const rows = await database
      .selectFrom('attachments')
      .select('leaving')
      .distinct()
      .where('leaving', 'is not', null)
      .execute()
    return rows.flatMap(({ leaving }) => (leaving === null ? [] : [leaving]))
  }

  async hasLeft(tx: RecordsTransaction, sha256: string): Promise<void> {
    await tx
      .updateTable('attachments')
      .set({ leaving: null })
      .where('leaving', '=', sha256)
      .execute()
  }

  /** Whether some attachment still is this file. */
  async isNeeded(database: Database, sha256: string): Promise<boolean> {
    const row = await database
      .selectFrom('attachments')
      .select('id')
      .where('sha256', '=', sha256)
      .limit(1)
      .executeTakeFirst()
    return row !== undefined
  }

  async isKnown(database: Database, id: string): Promise<boolean> {
    const row = await database
      .selectFrom('attachments')
      .select('id')
      .where('id', '=', id)
      .executeTakeFirst()
    return row !== undefined
  }
}

function attachmentOf(row: AttachmentRow): Attachment {
  return {
    id: row.id,
    incidentId: row.incident_id,
    name: row.name,
    mediaType: row.media_type,
    bytes: Number(row.bytes),
    sha256: row.sha256,
    addedAt: row.added_at,
    addedBy: row.added_by,
    erasedAt: row.erased_at,
  }
}
