import { createHash } from 'node:crypto'
import { type Kysely, sql } from 'kysely'
import type { Clock, Millis } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import { uuid } from '../ids.ts'
import type { Principal } from '../people/plugin.ts'
import type { RecordsTransaction } from '../records/records.ts'
import type {
  OncallDocumentRow,
  OncallHistoryRow,
  OncallOverrideRow,
  RecordsSchema,
} from '../records/schema.ts'
import type { ScheduleVersion } from './calendar.ts'
import { type PolicyContent, schedulesOf } from './policy.ts'
import { type Override, type ScheduleContent, scheduleLimits } from './schedule.ts'

export type Database = Kysely<RecordsSchema> | RecordsTransaction
export type DocumentType = 'schedule' | 'policy'

/** Schedules, and policies, that may exist at once. */
const maxDocuments = 500

/** What the ledger is told of a change; see ARCHITECTURE.md. */
export interface LedgerEntry {
  readonly action: string
  readonly object: { readonly type: string; readonly id: string }
  readonly actor: string
  readonly occurredAt: Millis
  readonly content: unknown
}
export type Ledger = (tx: RecordsTransaction, entry: LedgerEntry) => Promise<void>

/** One change, as the history keeps it. */
export interface Change {
  readonly type: DocumentType | 'override' | 'handover'
  readonly id: string
  readonly action: string
  readonly before: unknown
  readonly after: unknown
}

/** What is saved over what: `revision` is the one that was read. */
export interface Saving {
  readonly id: string
  readonly content: ScheduleContent | PolicyContent
  readonly revision: number | undefined
}

const ledgerActions = {
  schedule: 'oncall.schedule',
  policy: 'oncall.policy',
  override: 'oncall.override',
  handover: 'oncall.handover',
} as const

/** Schedules, policies, overrides and their history. */
export class OncallStore {
  readonly #clock: Clock
  readonly #ledger: Ledger

  constructor(clock: Clock, ledger: Ledger) {
    this.#clock = clock
    this.#ledger = ledger
  }

  /** All that are not deleted, by id. */
  documents(database: Database, type: DocumentType): Promise<OncallDocumentRow[]> {
    return (database as Kysely<RecordsSchema>)
      .selectFrom(tableOf(type))
      .selectAll()
      .where('deleted_at', 'is', null)
      .orderBy('id')
      .limit(maxDocuments)
      .execute()
  }

  /** Throws not_found. */
  async document(database: Database, type: DocumentType, id: string): Promise<OncallDocumentRow> {
    const row = await this.#row(database, type, id)
    if (row === undefined || row.deleted_at !== null)
      throw new CallwardError(
        'not_found',
        `There is no ${type} "${id}". List them with: callward oncall ${type === 'policy' ? 'policy' : 'now'}`,
      )
    return row
  }

  #row(database: Database, type: DocumentType, id: string): Promise<OncallDocumentRow | undefined> {
    return (database as Kysely<RecordsSchema>)
      .selectFrom(tableOf(type))
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst()
  }

  /** Creates or changes one, with its entry in the history. Throws conflict when it is not as it was read. */
  async save(
    tx: RecordsTransaction,
    type: DocumentType,
    { id, content, revision }: Saving,
    by: Principal,
  ): Promise<OncallDocumentRow> {
    const now = this.#clock.now()
    const found = await this.#row(tx, type, id)
    const alive = found !== undefined && found.deleted_at === null
    requireRevision(type, id, alive ? found.revision : undefined, revision)
    const text = JSON.stringify(content)
    if (alive && found.content === text) return found
    if (!alive) await this.#requireRoom(tx, type)
    const row: OncallDocumentRow = {
      id,
      revision: (found?.revision ?? 0) + 1,
      content: text,
      created_at: found?.created_at ?? now,
      updated_at: now,
      deleted_at: null,
    }
    if (found === undefined) await tx.insertInto(tableOf(type)).values(row).execute()
    else await tx.updateTable(tableOf(type)).set(row).where('id', '=', id).execute()
    const action = alive ? 'changed' : 'created'
    const before = alive ? JSON.parse(found.content) : null
    await this.record(tx, { type, id, action, before, after: content }, by)
    return row
  }

  async #requireRoom(tx: RecordsTransaction, type: DocumentType): Promise<void> {
    const row = await tx
      .selectFrom(tableOf(type))
      .select((s) => s.fn.countAll().as('count'))
      .where('deleted_at', 'is', null)
      .executeTakeFirst()
    if (Number(row?.count ?? 0) >= maxDocuments) {
      const many = type === 'policy' ? 'policies' : 'schedules'
      const message = `There are ${maxDocuments} ${many}, as many as may be; delete one first.`
      throw new CallwardError('unprocessable', message)
    }
  }

  /** Throws not_found, conflict when a policy needs the schedule. */
  async remove(
    tx: RecordsTransaction,
    type: DocumentType,
    id: string,
    by: Principal,
  ): Promise<void> {
    const row = await this.document(tx, type, id)
    if (type === 'schedule') await this.#requireUnused(tx, id)
    const now = this.#clock.now()
    await tx
      .updateTable(tableOf(type))
      .set({ deleted_at: now, updated_at: now, revision: row.revision + 1 })
      .where('id', '=', id)
      .execute()
    const before: unknown = JSON.parse(row.content)
    await this.record(tx, { type, id, action: 'deleted', before, after: null }, by)
  }

  async #requireUnused(tx: RecordsTransaction, id: string): Promise<void> {
    const policies = await this.documents(tx, 'policy')
    const user = policies.find((policy) => schedulesOf(policyContent(policy)).has(id))
    if (user !== undefined)
      throw new CallwardError(
        'conflict',
        `The policy "${user.id}" names the schedule "${id}"; take it out there first.`,
      )
  }

  /** A schedule with its overrides that touch [from, to). Throws not_found. */
  async version(
    database: Database,
    id: string,
    from: Millis,
    to: Millis,
  ): Promise<ScheduleVersion> {
    const row = await this.document(database, 'schedule', id)
    return versionOf(row, await this.overrides(database, from, to, id))
  }

  /** Every schedule, with its overrides that touch [from, to). */
  async versions(database: Database, from: Millis, to: Millis): Promise<ScheduleVersion[]> {
    const rows = await this.documents(database, 'schedule')
    const overrides = await this.overrides(database, from, to)
    return rows.map((row) =>
      versionOf(
        row,
        overrides.filter(({ schedule_id }) => schedule_id === row.id),
      ),
    )
  }

  /** Overrides in force that touch [from, to), of one schedule or all, by their beginning. */
  overrides(
    database: Database,
    from: Millis,
    to: Millis,
    scheduleId?: string,
  ): Promise<OncallOverrideRow[]> {
    let query = (database as Kysely<RecordsSchema>)
      .selectFrom('oncall_overrides')
      .selectAll()
      .where('cancelled_at', 'is', null)
      .where('ends_at', '>', from)
      .where('starts_at', '<', to)
      .orderBy('starts_at')
      .orderBy('id')
    if (scheduleId !== undefined) query = query.where('schedule_id', '=', scheduleId)
    return query.execute()
  }

  /** Throws unprocessable when the schedule has too many already. */
  async addOverride(
    tx: RecordsTransaction,
    wanted: Pick<
      OncallOverrideRow,
      'schedule_id' | 'principal_id' | 'starts_at' | 'ends_at' | 'reason'
    >,
    by: Principal,
  ): Promise<OncallOverrideRow> {
    const now = this.#clock.now()
    const most = scheduleLimits.overridesOfSchedule
    const alive = await this.overrides(tx, now, Number.MAX_SAFE_INTEGER, wanted.schedule_id)
    if (alive.length >= most) {
      const message = `The schedule has ${most} overrides that are not over; change its layers instead.`
      throw new CallwardError('unprocessable', message)
    }
    const stamp = { created_at: now, created_by: by.name, creator_id: by.id, cancelled_at: null }
    const row: OncallOverrideRow = { id: uuid(now), ...wanted, ...stamp }
    await tx.insertInto('oncall_overrides').values(row).execute()
    const change = { type: 'override', id: row.id, action: 'created' } as const
    await this.record(tx, { ...change, before: null, after: overrideContent(row) }, by)
    return row
  }

  /** Throws not_found. */
  async override(database: Database, id: string): Promise<OncallOverrideRow> {
    const row = await (database as Kysely<RecordsSchema>)
      .selectFrom('oncall_overrides')
      .selectAll()
      .where('id', '=', id)
      .where('cancelled_at', 'is', null)
      .executeTakeFirst()
    if (row === undefined)
      throw new CallwardError('not_found', 'There is no such override, or it was cancelled.')
    return row
  }

  /** One that has begun ends now: who was on call stays true. */
  async cancelOverride(
    tx: RecordsTransaction,
    row: OncallOverrideRow,
    by: Principal,
  ): Promise<void> {
    const now = this.#clock.now()
    await tx
      .updateTable('oncall_overrides')
      .set(row.starts_at < now ? { ends_at: Math.min(now, row.ends_at) } : { cancelled_at: now })
      .where('id', '=', row.id)
      .execute()
    const change = { type: 'override', id: row.id, action: 'cancelled' } as const
    await this.record(tx, { ...change, before: overrideContent(row), after: null }, by)
  }

  /** Writes a change into the history, and into the ledger. */
  async record(tx: RecordsTransaction, change: Change, by: Principal): Promise<void> {
    const now = this.#clock.now()
    const { type, id, action, before, after } = change
    await tx
      .insertInto('oncall_history')
      .values((is) => ({
        id: uuid(now),
        object_type: type,
        object_id: id,
        action,
        before: before === null ? null : JSON.stringify(before),
        after: after === null ? null : JSON.stringify(after),
        recorded_at: now,
        recorded_by: by.name,
        principal_id: by.id,
        sequence: sql<number>`(${is
          .selectFrom('oncall_history as other')
          .select((s) => sql<number>`coalesce(${s.fn.max('other.sequence')}, 0) + 1`.as('next'))})`,
      }))
      .execute()
    await this.#ledger(tx, {
      action: ledgerActions[type],
      object: { type, id },
      actor: by.name,
      occurredAt: now,
      content: { change: action, before: withoutReason(before), after: withoutReason(after) },
    })
  }

  /** The newest first. */
  history(
    database: Database,
    filter: {
      readonly type?: string | undefined
      readonly id?: string | undefined
      readonly before?: number | undefined
      readonly limit: number
    },
  ): Promise<OncallHistoryRow[]> {
    let query = (database as Kysely<RecordsSchema>)
      .selectFrom('oncall_history')
      .selectAll()
      .orderBy('sequence', 'desc')
      .limit(filter.limit)
    if (filter.type !== undefined) query = query.where('object_type', '=', filter.type)
    if (filter.id !== undefined) query = query.where('object_id', '=', filter.id)
    if (filter.before !== undefined) query = query.where('sequence', '<', filter.before)
    return query.execute()
  }
}

const tables = { schedule: 'oncall_schedules', policy: 'oncall_policies' } as const

function tableOf(type: DocumentType): (typeof tables)[DocumentType] {
  return tables[type]
}

function requireRevision(
  type: DocumentType,
  id: string,
  there: number | undefined,
  read: number | undefined,
): void {
  if (there === read) return
  const message =
    there === undefined
      ? `There is no ${type} "${id}" any more; leave the revision out to make it anew.`
      : read === undefined
        ? `There is a ${type} "${id}" already; give its revision to change it, or take another id.`
        : `Somebody changed the ${type} "${id}" meanwhile (it is at revision ${there}); read it again and repeat your change.`
  throw new CallwardError('conflict', message)
}

/** What a stored schedule says. */
export function scheduleContent(row: Pick<OncallDocumentRow, 'content'>): ScheduleContent {
  return JSON.parse(row.content) as ScheduleContent // the store wrote it
}

/** What a stored policy says. */
export function policyContent(row: Pick<OncallDocumentRow, 'content'>): PolicyContent {
  return JSON.parse(row.content) as PolicyContent // the store wrote it
}

function versionOf(
  row: OncallDocumentRow,
  overrides: readonly OncallOverrideRow[],
): ScheduleVersion {
  const digest = createHash('sha256').update(row.content).digest('base64')
  return { id: row.id, digest, content: scheduleContent(row), overrides: overrides.map(overrideOf) }
}

/** Why somebody is away is nobody's business for the years a ledger lasts; the history has it. */
function withoutReason(content: unknown): unknown {
  if (typeof content !== 'object' || content === null || !('reason' in content)) return content
  const { reason: _, ...rest } = content
  return rest
}

function overrideOf(row: OncallOverrideRow): Override {
  return {
    id: row.id,
    principalId: row.principal_id,
    startsAt: row.starts_at,
    endsAt: row.ends_at,
    createdAt: row.created_at,
  }
}

function overrideContent(row: OncallOverrideRow) {
  const { schedule_id, principal_id, starts_at, ends_at, reason } = row
  return {
    schedule: schedule_id,
    principalId: principal_id,
    from: new Date(starts_at).toISOString(),
    to: new Date(ends_at).toISOString(),
    reason,
  }
}
