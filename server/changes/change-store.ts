import { type Kysely, sql } from 'kysely'
import type { Clock, Millis } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import { uuid } from '../ids.ts'
import type { Ledger } from '../ledger/plugin.ts'
import type { Principal } from '../people/plugin.ts'
import type { RecordsTransaction } from '../records/records.ts'
import type { ChangeEntryRow, ChangeRow, RecordsSchema } from '../records/schema.ts'
import {
  type ChangeAction,
  type ChangeContent,
  type ChangeState,
  type ChangeWindow,
  type EntryKind,
  refusal,
  stateAfter,
} from './change.ts'
import type { Permit } from './matching.ts'

/** Records that may cover a host's change at one time; beyond it the newest count. */
const maxPermits = 500
const writing: readonly EntryKind[] = ['created', 'corrected']

type Database = Kysely<RecordsSchema> | RecordsTransaction

/** A record as it stands, before it has an id. */
export type ChangePlan = ChangeContent & ChangeWindow

/** Change records and their entries; entries are added, never changed. */
export class ChangeStore {
  readonly #clock: Clock
  readonly #ledger: Ledger

  constructor(clock: Clock, ledger: Ledger) {
    this.#clock = clock
    this.#ledger = ledger
  }

  async create(tx: RecordsTransaction, plan: ChangePlan, by: Principal): Promise<ChangeRow> {
    const now = this.#clock.now()
    const row = {
      id: uuid(now),
      state: 'draft',
      ...columnsOf(plan),
      requested_by: by.name,
      requested_at: now,
      approved_by: null,
      approved_at: null,
      updated_at: now,
    }
    const { number } = await tx
      .insertInto('changes')
      .values((is) => ({
        ...row,
        number: sql<number>`(${is
          .selectFrom('changes as other')
          .select((s) => sql<number>`coalesce(${s.fn.max('other.number')}, 0) + 1`.as('next'))})`,
      }))
      .returning('number')
      .executeTakeFirstOrThrow()
    await this.#addEntry(tx, row.id, 'created', plan, by)
    return { ...row, number: Number(number) }
  }

  /** Throws not_found. An id, or the number people say aloud, names a record. */
  async find(database: Database, name: string): Promise<ChangeRow> {
    const query = (database as Kysely<RecordsSchema>).selectFrom('changes').selectAll()
    const named = /^\d{1,9}$/.test(name)
      ? query.where('number', '=', Number(name))
      : query.where('id', '=', name)
    const row = await named.executeTakeFirst()
    if (row === undefined)
      throw new CallwardError(
        'not_found',
        `There is no change ${name}. List them with: callward change list`,
      )
    return row
  }

  entries(database: Database, id: string): Promise<ChangeEntryRow[]> {
    const query = (database as Kysely<RecordsSchema>).selectFrom('change_entries').selectAll()
    return query.where('change_id', '=', id).orderBy('sequence').execute()
  }

  /** Does what a person asks with a record, stamped. Throws conflict, forbidden. */
  async act(
    tx: RecordsTransaction,
    row: ChangeRow,
    action: ChangeAction,
    value: Readonly<Record<string, unknown>> | ChangePlan,
    by: Principal,
  ): Promise<void> {
    const entries = await this.entries(tx, row.id)
    const no = refusal(standingOf(row, entries), action, by.id)
    if (no !== undefined) throw new CallwardError(no.code, no.message)
    const now = this.#clock.now()
    await tx
      .updateTable('changes')
      .set({
        state: stateAfter[action],
        updated_at: now,
        ...(action === 'approved' ? { approved_by: by.name, approved_at: now } : {}),
        ...(action === 'corrected'
          ? { ...columnsOf(value as ChangePlan), approved_by: null, approved_at: null }
          : {}),
      })
      .where('id', '=', row.id)
      .execute()
    const corrects = action === 'corrected' ? entries.findLast(isWriting)?.id : undefined
    await this.#addEntry(tx, row.id, action, value, by, corrects)
  }

  /** Notes in a record that something was linked to it. */
  async linked(tx: RecordsTransaction, id: string, value: object, by: Principal): Promise<void> {
    await this.#addEntry(tx, id, 'linked', value, by)
  }

  /** What is or was approved, with a window that has begun and ended no longer than `graceMillis` ago. */
  async permits(tx: RecordsTransaction, at: Millis, graceMillis: Millis): Promise<Permit[]> {
    const rows = await tx
      .selectFrom('changes')
      .selectAll()
      .where('state', 'in', ['approved', 'closed'])
      .where('starts_at', '<=', at)
      .where('ends_at', '>=', at - graceMillis)
      .orderBy('number', 'desc')
      .limit(maxPermits)
      .execute()
    return rows.flatMap((row) => {
      if (row.approved_at === null) return []
      const { hosts, expected, standing } = contentOf(row)
      // Closing ends the work: what changes in the rest of the window is no longer it.
      const endsAt = row.state === 'closed' ? Math.min(row.ends_at, row.updated_at) : row.ends_at
      const window = { startsAt: row.starts_at, endsAt }
      return { id: row.id, hosts, expected, standing, approvedAt: row.approved_at, ...window }
    })
  }

  async #addEntry(
    tx: RecordsTransaction,
    changeId: string,
    kind: EntryKind,
    value: object,
    by: Principal,
    supersedes?: string,
  ): Promise<void> {
    const now = this.#clock.now()
    const [id, text] = [uuid(now), JSON.stringify(value)]
    await tx
      .insertInto('change_entries')
      .values((is) => ({
        id,
        change_id: changeId,
        kind,
        value: text,
        recorded_at: now,
        recorded_by: by.name,
        principal_id: by.id,
        supersedes: supersedes ?? null,
        sequence: sql<number>`(${is
          .selectFrom('change_entries as other')
          .select((s) => sql<number>`coalesce(${s.fn.max('other.sequence')}, 0) + 1`.as('next'))
          .where('other.change_id', '=', changeId)})`,
      }))
      .execute()
    await this.#ledger.append(tx, {
      action: 'change.entry',
      object: { type: 'change', id: changeId },
      actor: by.name,
      occurredAt: now,
      content: { entry: id, kind, state: stateOf(kind), supersedes: supersedes ?? null },
      sensitive: { value: text },
    })
  }
}

/** What a record plans. */
export function contentOf(row: Pick<ChangeRow, 'content'>): ChangeContent {
  return JSON.parse(row.content) as ChangeContent // the store wrote it
}

/** State that an entry leaves its record in; null when it leaves it as it was. */
function stateOf(kind: EntryKind): ChangeState | null {
  if (kind === 'created') return 'draft'
  return kind === 'linked' ? null : (stateAfter[kind] ?? null)
}

function columnsOf({ startsAt, endsAt, ...content }: ChangePlan) {
  return {
    content: JSON.stringify(content satisfies ChangeContent),
    starts_at: startsAt,
    ends_at: endsAt,
  }
}

function isWriting({ kind }: ChangeEntryRow): boolean {
  return writing.includes(kind as EntryKind)
}

function standingOf(row: ChangeRow, entries: readonly ChangeEntryRow[]) {
  // What was verified before a correction was another plan.
  const latest = entries.findLastIndex(isWriting)
  return {
    number: row.number,
    state: row.state as ChangeState,
    authors: new Set(entries.filter(isWriting).map(({ principal_id }) => principal_id)),
    isVerified: entries.slice(latest + 1).some(({ kind }) => kind === 'verified'),
  }
}
