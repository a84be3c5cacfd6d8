import type { Kysely } from 'kysely'
import type { Clock, Millis } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import { uuid } from '../ids.ts'
import type { Principal } from '../people/plugin.ts'
import type { RecordsTransaction } from '../records/records.ts'
import type { OncallHandoverRow, RecordsSchema } from '../records/schema.ts'
import type { HandOff, HandoverContent } from './handover.ts'
import type { Database, OncallStore } from './oncall-store.ts'

/** Open alerts, and incidents, listed in a hand-over. */
const maxListed = 200
/** Notes that go with it, the newest. */
const maxNotes = 50
/** Notes of a schedule within a day: they stay for good. */
const notesADay = 200
const dayMillis = 86_400_000

/** Notes for who comes next, and the hand-overs that carry them. */
export class HandoverStore {
  readonly #clock: Clock
  readonly #store: OncallStore

  constructor(clock: Clock, store: OncallStore) {
    this.#clock = clock
    this.#store = store
  }

  /** Throws unprocessable when there are too many already. */
  async addNote(
    tx: RecordsTransaction,
    scheduleId: string,
    text: string,
    by: Principal,
  ): Promise<string> {
    const now = this.#clock.now()
    const row = await tx
      .selectFrom('oncall_notes')
      .select((s) => s.fn.countAll().as('count'))
      .where('schedule_id', '=', scheduleId)
      .where('recorded_at', '>', now - dayMillis)
      .executeTakeFirst()
    if (Number(row?.count ?? 0) >= notesADay) {
      const message = `The schedule "${scheduleId}" has ${notesADay} notes of the last day; write into the incident instead.`
      throw new CallwardError('unprocessable', message)
    }
    const id = uuid(now)
    const stamp = { recorded_at: now, recorded_by: by.name, principal_id: by.id }
    await tx
      .insertInto('oncall_notes')
      .values({ id, schedule_id: scheduleId, text, ...stamp })
      .execute()
    return id
  }

  /** Keeps a hand-off with what is open now; nothing where it is kept already. Gives whether it is new. */
  async keep(tx: RecordsTransaction, scheduleId: string, handOff: HandOff): Promise<boolean> {
    const there = await tx
      .selectFrom('oncall_handovers')
      .select('id')
      .where('schedule_id', '=', scheduleId)
      .where('handed_at', '=', handOff.at)
      .executeTakeFirst()
    if (there !== undefined) return false
    const now = this.#clock.now()
    await tx
      .insertInto('oncall_handovers')
      .values({
        id: uuid(now),
        schedule_id: scheduleId,
        handed_at: handOff.at,
        from_principal: handOff.from,
        to_principal: handOff.to,
        content: JSON.stringify(await this.#content(tx, scheduleId, handOff)),
        created_at: now,
        acknowledged_at: null,
      })
      .execute()
    return true
  }

  async #content(
    tx: RecordsTransaction,
    scheduleId: string,
    { since, at }: HandOff,
  ): Promise<HandoverContent> {
    const alerts = await tx
      .selectFrom('alerts')
      .select(['id', 'rule', 'severity', 'instance'])
      .where('state', '=', 'firing')
      .orderBy('active_at', 'desc')
      .limit(maxListed + 1)
      .execute()
    const incidents = await tx
      .selectFrom('incidents')
      .select(['id', 'number', 'severity', 'title'])
      .where('state', '!=', 'resolved')
      .orderBy('number', 'desc')
      .limit(maxListed + 1)
      .execute()
    const notes = await tx
      .selectFrom('oncall_notes')
      .select(['text', 'recorded_by', 'recorded_at'])
      .where('schedule_id', '=', scheduleId)
      .where('recorded_at', '>=', since)
      .where('recorded_at', '<=', at)
      .orderBy('recorded_at', 'desc')
      .limit(maxNotes)
      .execute()
    return {
      alerts: alerts.slice(0, maxListed).map(({ id, rule, severity, instance }) => ({
        id,
        text: `${severity} ${rule}${instance === null ? '' : ` ${instance}`}`,
      })),
      incidents: incidents.slice(0, maxListed).map(({ id, number, severity, title }) => ({
        id,
        text: `${severity} #${number} ${title}`,
      })),
      omitted: Math.max(0, alerts.length - maxListed) + Math.max(0, incidents.length - maxListed),
      notes: notes.reverse().map((note) => ({
        text: note.text,
        by: note.recorded_by,
        at: note.recorded_at,
      })),
    }
  }

  /** The newest first. */
  list(
    database: Database,
    filter: {
      readonly schedule?: string | undefined
      readonly state?: 'open' | 'acknowledged' | undefined
      readonly limit: number
    },
  ): Promise<OncallHandoverRow[]> {
    let query = (database as Kysely<RecordsSchema>)
      .selectFrom('oncall_handovers')
      .selectAll()
      .orderBy('handed_at', 'desc')
      .orderBy('id', 'desc')
      .limit(filter.limit)
    if (filter.schedule !== undefined) query = query.where('schedule_id', '=', filter.schedule)
    if (filter.state !== undefined)
      query = query.where('acknowledged_at', filter.state === 'open' ? 'is' : 'is not', null)
    return query.execute()
  }

  /** The taker has read it. Throws not_found, forbidden for anybody else; twice does nothing. */
  async acknowledge(tx: RecordsTransaction, id: string, by: Principal): Promise<OncallHandoverRow> {
    const row = await tx
      .selectFrom('oncall_handovers')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst()
    if (row === undefined) throw new CallwardError('not_found', 'There is no such hand-over.')
    if (row.to_principal !== by.id)
      throw new CallwardError('forbidden', 'Only who takes over can say that the note was read.')
    if (row.acknowledged_at !== null) return row
    const now = this.#clock.now()
    await tx
      .updateTable('oncall_handovers')
      .set({ acknowledged_at: now })
      .where('id', '=', id)
      .execute()
    const change = { type: 'handover', id, action: 'acknowledged' } as const
    await this.#store.record(tx, { ...change, before: null, after: { at: now } }, by)
    return { ...row, acknowledged_at: now }
  }

  /** The newest hand-off of each schedule. */
  async last(database: Database): Promise<Map<string, { at: Millis; to: string | null }>> {
    const db = database as Kysely<RecordsSchema>
    const rows = await db
      .selectFrom('oncall_handovers as one')
      .select(['schedule_id', 'handed_at', 'to_principal'])
      .where('handed_at', '=', (is) =>
        is
          .selectFrom('oncall_handovers as other')
          .select((s) => s.fn.max('other.handed_at').as('last'))
          .whereRef('other.schedule_id', '=', 'one.schedule_id'),
      )
      .execute()
    return new Map(
      rows.map(({ schedule_id, handed_at, to_principal }) => [
        schedule_id,
        { at: handed_at, to: to_principal },
      ]),
    )
  }
}
