import type { Kysely } from 'kysely'
import { type Clock, type Millis, rfc3339 } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import { uuid } from '../ids.ts'
import type { Ledger } from '../ledger/plugin.ts'
import type { RecordsTransaction } from '../records/records.ts'
import type { LegalHoldRow, RecordsSchema } from '../records/schema.ts'
import { type Hold, isStanding, keeps, marginMillis } from './hold.ts'

type Database = Kysely<RecordsSchema>

/** Holds that stand at once. */
export const standingMost = 500

export interface NewHold {
  /** Id of an incident, or the period. */
  readonly of:
    | { readonly kind: 'incident'; readonly id: string }
    | { readonly kind: 'period'; readonly from: Millis; readonly to: Millis }
  readonly reason: string
  readonly until: Millis | null
  readonly by: string
}

/** Legal holds in the records. */
export class HoldStore {
  readonly #clock: Clock
  readonly #ledger: Pick<Ledger, 'append'>

  constructor(clock: Clock, ledger: Pick<Ledger, 'append'>) {
    this.#clock = clock
    this.#ledger = ledger
  }

  /** Throws not_found, conflict when the same incident is held already without an earlier end, unprocessable. */
  async set(tx: RecordsTransaction, { of, reason, until, by }: NewHold): Promise<Hold> {
    const now = this.#clock.now()
    if (until !== null && until <= now)
      throw new CallwardError('bad_request', '`until` is in the past; leave it out to hold on.')
    const incident = of.kind === 'incident' ? await incidentOf(tx, of.id) : null
    await this.#checkRoom(tx, of, until, now)
    const id = uuid(now)
    const [from, to] =
      of.kind === 'period' ? [of.from, of.to] : [(incident?.opened_at ?? now) - marginMillis, null]
    await tx
      .insertInto('legal_holds')
      .values({
        ...{ id, incident_id: incident?.id ?? null, from_at: from, to_at: to, reason },
        ...{ until_at: until, set_at: now, set_by: by },
        ...{ released_at: null, release_asked_by: null, released_by: null, release_reason: null },
      })
      .execute()
    await this.#ledger.append(tx, {
      action: 'hold.set',
      object: { type: 'hold', id },
      actor: by,
      occurredAt: now,
      content: {
        incident: incident?.number ?? null,
        from: rfc3339(from),
        to: to === null ? null : rfc3339(to),
        until: until === null ? null : rfc3339(until),
      },
      sensitive: { reason },
    })
    return this.find(tx, id)
  }

  /** Of two people; throws not_found, conflict when it does not stand any more. */
  async release(
    tx: RecordsTransaction,
    id: string,
    two: { readonly askedBy: string; readonly by: string; readonly reason: string },
  ): Promise<void> {
    const now = this.#clock.now()
    const hold = await this.standing(tx, id)
    const { numUpdatedRows } = await tx
      .updateTable('legal_holds')
      .set({
        released_at: now,
        release_asked_by: two.askedBy,
        released_by: two.by,
        release_reason: two.reason,
      })
      .where('id', '=', id)
      .where('released_at', 'is', null)
      .executeTakeFirst()
    if (numUpdatedRows !== 1n) throw new CallwardError('conflict')
    await this.#ledger.append(tx, {
      action: 'hold.released',
      object: { type: 'hold', id },
      actor: two.by,
      occurredAt: now,
      content: { incident: hold.incident?.number ?? null, requestedBy: two.askedBy },
      sensitive: { reason: two.reason },
    })
  }

  /** Throws not_found, conflict when it was released or has ended. */
  async standing(database: Database, id: string): Promise<Hold> {
    const hold = await this.find(database, id)
    if (isStanding(hold, this.#clock.now())) return hold
    throw new CallwardError(
      'conflict',
      'This hold does not stand any more; see: callward hold list --all',
    )
  }

  /** Throws not_found. */
  async find(database: Database, id: string): Promise<Hold> {
    const row = await holdsOf(database).where('legal_holds.id', '=', id).executeTakeFirst()
    if (row !== undefined) return holdOf(row)
    throw new CallwardError('not_found', `There is no hold "${id}"; see: callward hold list`)
  }

  /** The newest first. */
  async list(
    database: Database,
    { all, incidentId, limit }: { all: boolean; incidentId?: string | undefined; limit: number },
  ): Promise<Hold[]> {
    let query = holdsOf(database)
    if (!all) query = standingAt(query, this.#clock.now())
    const rows = await query
      .orderBy('legal_holds.set_at', 'desc')
      .orderBy('legal_holds.id', 'desc')
      .limit(incidentId === undefined ? limit : 10_000)
      .execute()
    const holds = rows.map(holdOf)
    if (incidentId === undefined) return holds
    const incident = await incidentOf(database, incidentId)
    return holds.filter((hold) => keeps(hold, lifeOf(incident))).slice(0, limit)
  }

  /** The hold that keeps an incident now; undefined when none does. Throws not_found. */
  async holding(database: Database, incidentId: string): Promise<Hold | undefined> {
    const incident = lifeOf(await incidentOf(database, incidentId))
    const rows = await standingAt(holdsOf(database), this.#clock.now()).execute()
    return rows.map(holdOf).find((hold) => keeps(hold, incident))
  }

  async #checkRoom(
    tx: RecordsTransaction,
    of: NewHold['of'],
    until: Millis | null,
    now: Millis,
  ): Promise<void> {
    const standing = (await standingAt(holdsOf(tx), now).execute()).map(holdOf)
    if (standing.length >= standingMost)
      throw new CallwardError(
        'unprocessable',
        `${standingMost} holds stand already; release some, or hold one longer period.`,
      )
    const same = standing.find(
      (hold) =>
        of.kind === 'incident' &&
        hold.incident?.id === of.id &&
        (hold.until ?? Number.POSITIVE_INFINITY) >= (until ?? Number.POSITIVE_INFINITY),
    )
    if (same !== undefined)
      throw new CallwardError(
        'conflict',
        `The incident is held already, at least as long: ${same.id}.`,
      )
  }
}

function holdsOf(database: Database) {
  return database
    .selectFrom('legal_holds')
    .leftJoin('incidents', 'incidents.id', 'legal_holds.incident_id')
    .selectAll('legal_holds')
    .select('incidents.number')
}

function standingAt(query: ReturnType<typeof holdsOf>, now: Millis) {
  return query
    .where('legal_holds.released_at', 'is', null)
    .where((is) =>
      is.or([is('legal_holds.until_at', 'is', null), is('legal_holds.until_at', '>', now)]),
    )
}

async function incidentOf(database: Database, id: string) {
  const row = await database
    .selectFrom('incidents')
    .select(['id', 'number', 'opened_at', 'resolved_at'])
    .where('id', '=', id)
    .executeTakeFirst()
  if (row === undefined) throw new CallwardError('not_found', 'There is no such incident.')
  return row
}

function lifeOf({ id, opened_at, resolved_at }: Awaited<ReturnType<typeof incidentOf>>) {
  return { id, openedAt: opened_at, endedAt: resolved_at }
}

function holdOf(row: LegalHoldRow & { number: number | null }): Hold {
  return {
    id: row.id,
    incident: row.incident_id === null ? null : { id: row.incident_id, number: Number(row.number) },
    from: row.from_at,
    to: row.to_at,
    reason: row.reason,
    until: row.until_at,
    setAt: row.set_at,
    setBy: row.set_by,
    released:
      row.released_at === null
        ? null
        : {
            at: row.released_at,
            askedBy: row.release_asked_by ?? '',
            by: row.released_by ?? '',
            reason: row.release_reason ?? '',
          },
  }
}
