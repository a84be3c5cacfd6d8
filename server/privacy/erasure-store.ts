import type { Kysely } from 'kysely'
import { type Clock, type Millis, rfc3339 } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import { uuid } from '../ids.ts'
import type { Ledger, LedgerEraser } from '../ledger/plugin.ts'
import type { RecordsTransaction } from '../records/records.ts'
import type { RecordsSchema } from '../records/schema.ts'
import { erased } from './erasure.ts'

type Database = Kysely<RecordsSchema>

/** What two people decide to erase. */
export interface Wanted {
  readonly incidentId: string
  readonly kind: 'fact' | 'attachment'
  readonly id: string
  /** Fields of a fact's value; undefined: all that may hold personal data. */
  readonly fields?: readonly string[] | undefined
  readonly reason: string
}

/** An erasure that was made; never what was erased. */
export interface Erasure {
  readonly id: string
  readonly incidentId: string
  readonly incident: number
  readonly kind: 'fact' | 'attachment'
  readonly of: string
  readonly fields: readonly string[]
  readonly reason: string
  readonly askedBy: string
  readonly approvedBy: string
  readonly at: Millis
}

/** Who asked and who agreed. */
export interface Two {
  readonly askedBy: string
  readonly approvedBy: string
}

interface Stamped extends Two {
  readonly at: Millis
}

export interface ErasureOptions {
  readonly clock: Clock
  readonly ledger: Pick<Ledger, 'append'> & LedgerEraser
  /** Throws conflict while the incident is held. */
  readonly refuseHeld: (tx: RecordsTransaction, incidentId: string) => Promise<void>
  /** Erases the record of an attachment and gives its SHA-256 as it was. */
  readonly eraseAttachment: (
    tx: RecordsTransaction,
    incidentId: string,
    id: string,
    at: Millis,
  ) => Promise<{ readonly sha256: string }>
}

/** Erasures in the records. */
export class ErasureStore {
  readonly #options: ErasureOptions

  constructor(options: ErasureOptions) {
    this.#options = options
  }

  /** Whether it can be erased now; changes nothing. Throws not_found, conflict, unprocessable. */
  async check(tx: RecordsTransaction, { incidentId, kind, id, fields }: Wanted): Promise<void> {
    await this.#options.refuseHeld(tx, incidentId)
    if (kind === 'fact') {
      const fact = await factOf(tx, incidentId, id)
      erased(fact.kind, fact.value, fields)
      return
    }
    const row = await tx
      .selectFrom('attachments')
      .select('erased_at')
      .where('id', '=', id)
      .where('incident_id', '=', incidentId)
      .executeTakeFirst()
    if (row === undefined)
      throw new CallwardError('not_found', `The incident has no attachment "${id}".`)
    if (row.erased_at !== null)
      throw new CallwardError('conflict', 'This attachment was erased already.')
  }

  /** In the transaction of the approval: values and salts go, the entry says so. Throws as `check`. */
  async erase(tx: RecordsTransaction, wanted: Wanted, by: Two): Promise<Erasure[]> {
    const two = { ...by, at: this.#options.clock.now() }
    await this.#options.refuseHeld(tx, wanted.incidentId)
    if (wanted.kind === 'fact') return [await this.#eraseFact(tx, wanted, two)]
    const { incidentId, id } = wanted
    const { sha256 } = await this.#options.eraseAttachment(tx, incidentId, id, two.at)
    const leaves = await this.#options.ledger.erase(tx, {
      object: { type: 'incident', id: incidentId },
      action: 'attachment.added',
      of: { attachment: id },
      fields: ['name', 'sha256'],
    })
    const done = [await this.#note(tx, wanted, two, ['name', 'sha256'], leaves, null)]
    // The timeline may name the file too.
    for (const fact of await factsOfFile(tx, incidentId, sha256))
      done.push(
        await this.#eraseFact(tx, { ...wanted, kind: 'fact', id: fact, fields: undefined }, two),
      )
    return done
  }

  async #eraseFact(tx: RecordsTransaction, wanted: Wanted, two: Stamped): Promise<Erasure> {
    const { incidentId, id } = wanted
    const fact = await factOf(tx, incidentId, id)
    const left = erased(fact.kind, fact.value, wanted.fields)
    const value = JSON.stringify(left.value)
    await tx.updateTable('incident_facts').set({ value }).where('id', '=', id).execute()
    const leaves = await this.#options.ledger.erase(tx, {
      object: { type: 'incident', id: incidentId },
      action: 'incident.fact',
      of: { fact: id },
      fields: ['value'],
    })
    const earlier = await this.#options.ledger.erase(tx, {
      object: { type: 'incident', id: incidentId },
      action: 'erasure.made',
      of: { of: id },
      fields: ['left'],
    })
    return this.#note(tx, wanted, two, left.fields, [...leaves, ...earlier], value)
  }

  async #note(
    tx: RecordsTransaction,
    { incidentId, kind, id: of, reason }: Wanted,
    { askedBy, approvedBy, at }: Stamped,
    fields: readonly string[],
    entries: readonly string[],
    left: string | null,
  ): Promise<Erasure> {
    const { ledger } = this.#options
    const id = uuid(at)
    await tx
      .insertInto('erasures')
      .values({
        ...{ id, incident_id: incidentId, kind, object_id: of, fields: JSON.stringify(fields) },
        ...{ reason, asked_by: askedBy, approved_by: approvedBy, erased_at: at },
      })
      .execute()
    await ledger.append(tx, {
      action: 'erasure.made',
      object: { type: 'incident', id: incidentId },
      actor: approvedBy,
      occurredAt: at,
      content: { erasure: id, kind, of, fields, entries, requestedBy: askedBy },
      // What is left of it may have to go another time.
      sensitive: { reason, left },
    })
    const [made] = await erasuresOf(tx).where('erasures.id', '=', id).execute()
    if (made === undefined) throw new Error(`BUG: erasure ${id} is not there`)
    return erasureOf(made)
  }

  /** The newest first. */
  async list(
    database: Database,
    { incidentId, limit }: { incidentId?: string | undefined; limit: number },
  ): Promise<Erasure[]> {
    let query = erasuresOf(database)
    if (incidentId !== undefined) query = query.where('erasures.incident_id', '=', incidentId)
    const rows = await query
      .orderBy('erasures.erased_at', 'desc')
      .orderBy('erasures.id', 'desc')
      .limit(limit)
      .execute()
    return rows.map(erasureOf)
  }
}

/** For the person who is asked to agree: what it is about, without what is to go. */
export async function describe(tx: RecordsTransaction, wanted: Wanted): Promise<object> {
  const { incidentId, kind, id, fields, reason } = wanted
  const { number } = await tx
    .selectFrom('incidents')
    .select('number')
    .where('id', '=', incidentId)
    .executeTakeFirstOrThrow()
  const base = {
    incident: Number(number),
    incidentId,
    kind,
    id,
    ...(fields === undefined ? {} : { fields }),
    reason,
  }
  if (kind === 'attachment') return base
  const fact = await factOf(tx, incidentId, id)
  return { ...base, fact: fact.kind, sequence: fact.sequence, recordedAt: rfc3339(fact.recordedAt) }
}

async function factOf(tx: RecordsTransaction, incidentId: string, id: string) {
  const row = await tx
    .selectFrom('incident_facts')
    .select(['kind', 'value', 'sequence', 'recorded_at'])
    .where('id', '=', id)
    .where('incident_id', '=', incidentId)
    .executeTakeFirst()
  if (row === undefined) throw new CallwardError('not_found', `The incident has no fact "${id}".`)
  const value = JSON.parse(row.value) as Readonly<Record<string, unknown>>
  return { kind: row.kind, value, sequence: Number(row.sequence), recordedAt: row.recorded_at }
}

async function factsOfFile(tx: RecordsTransaction, incidentId: string, sha256: string) {
  const rows = await tx
    .selectFrom('incident_facts')
    .select(['id', 'value'])
    .where('incident_id', '=', incidentId)
    .where('kind', '=', 'attachment')
    .execute()
  return rows
    .filter(({ value }) => (JSON.parse(value) as { hash?: unknown }).hash === sha256)
    .map(({ id }) => id)
}

function erasuresOf(database: Database) {
  return database
    .selectFrom('erasures')
    .innerJoin('incidents', 'incidents.id', 'erasures.incident_id')
    .selectAll('erasures')
    .select('incidents.number')
}

function erasureOf(
  row: Awaited<ReturnType<ReturnType<typeof erasuresOf>['execute']>>[number],
): Erasure {
  return {
    id: row.id,
    incidentId: row.incident_id,
    incident: Number(row.number),
    kind: row.kind as Erasure['kind'],
    of: row.object_id,
    fields: JSON.parse(row.fields) as string[],
    reason: row.reason,
    askedBy: row.asked_by,
    approvedBy: row.approved_by,
    at: row.erased_at,
  }
}
