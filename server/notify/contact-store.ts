import type { Clock, Millis } from '../clock.ts'
import { uuid } from '../ids.ts'
import type { Records, RecordsTransaction } from '../records/records.ts'
import type { ContactPointRow } from '../records/schema.ts'
import type { Sealer } from '../sealing.ts'
import { channelOf } from './channels/all.ts'
import {
  type ChannelName,
  type ContactPoint,
  needsLending,
  type Owner,
  type Settings,
  visible,
} from './contact-point.ts'
import type { Language } from './message.ts'

/** A contact point whose settings are open; stays inside this part. */
export interface OpenPoint {
  readonly point: ContactPoint
  /** Its own settings; undefined when they cannot be opened. */
  readonly own: Settings | undefined
}

export interface NewPoint {
  readonly owner: Owner
  readonly channel: ChannelName
  readonly label: string
  readonly language: Language
  readonly timeZone: string
  readonly settings: Settings
}

/** What may be told apart when it changes; absent keys stay. */
export interface PointChange {
  readonly label?: string
  readonly language?: Language
  readonly timeZone?: string
  readonly settings?: Settings
  readonly disabled?: boolean
}

/** Contact points of the whole hub. */
export const pointsKept = 10_000

/**
 * Contact points in the records, their settings sealed, and a copy of all in memory: a page goes out although the records
 * cannot be read.
 */
export class ContactStore {
  readonly #records: Records
  readonly #clock: Clock
  readonly #sealer: Sealer
  #known = new Map<string, OpenPoint>()

  constructor(records: Records, clock: Clock, sealer: Sealer) {
    this.#records = records
    this.#clock = clock
    this.#sealer = sealer
  }

  /** Reads all again. Rejects when the records cannot be read; what was known stays. */
  async load(): Promise<void> {
    const rows = await this.#records.read
      .selectFrom('contact_points')
      .selectAll()
      .orderBy('id')
      .limit(pointsKept)
      .execute()
    this.#known = new Map(rows.map((row) => [row.id, this.#opened(row)] as const))
  }

  /** Oldest first. */
  all(): readonly OpenPoint[] {
    return [...this.#known.values()]
  }

  find(id: string): OpenPoint | undefined {
    return this.#known.get(id)
  }

  /** How many cannot be opened with the hub's key. */
  get unreadable(): number {
    return this.all().filter(({ own }) => own === undefined).length
  }

  /** What a point sends with: its own settings, or what a shared one of its channel lends with them. Undefined: there is none to lend, or it cannot be opened. */
  effective({ point, own }: OpenPoint): Settings | undefined {
    const channel = channelOf(point.channel)
    if (own === undefined || channel === undefined) return undefined
    if (!needsLending(channel, own)) return own
    const lender = this.lender(point.channel)
    return lender === undefined ? undefined : { ...lender, ...own }
  }

  /** Settings of the oldest shared contact point of a channel that is in use. */
  lender(channel: string): Settings | undefined {
    return this.all().find(
      ({ point, own }) =>
        point.owner.kind === 'shared' &&
        point.channel === channel &&
        point.disabledAt === null &&
        own !== undefined,
    )?.own
  }

  /** Writes a new one; `remember` it once the transaction is committed. */
  async add(tx: RecordsTransaction, point: NewPoint, by: string): Promise<ContactPointRow> {
    const now = this.#clock.now()
    const id = uuid(now)
    const row: ContactPointRow = {
      id,
      owner_kind: point.owner.kind,
      owner_id: point.owner.id,
      channel: point.channel,
      label: point.label,
      language: point.language,
      time_zone: point.timeZone,
      settings: this.#sealer.seal(id, JSON.stringify(point.settings)),
      created_at: now,
      created_by: by,
      updated_at: now,
      tested_at: null,
      test_outcome: null,
      test_reason: null,
      disabled_at: null,
    }
    await tx.insertInto('contact_points').values(row).execute()
    return row
  }

  /** Changes one; other settings than before must be tested again. */
  async change(
    tx: RecordsTransaction,
    id: string,
    change: PointChange,
  ): Promise<ContactPointRow | undefined> {
    const { label, language, timeZone, settings, disabled } = change
    const now = this.#clock.now()
    await tx
      .updateTable('contact_points')
      .set({
        updated_at: now,
        ...(label === undefined ? {} : { label }),
        ...(language === undefined ? {} : { language }),
        ...(timeZone === undefined ? {} : { time_zone: timeZone }),
        ...(settings === undefined
          ? {}
          : {
              settings: this.#sealer.seal(id, JSON.stringify(settings)),
              tested_at: null,
              test_outcome: null,
              test_reason: null,
            }),
        ...(disabled === undefined ? {} : { disabled_at: disabled ? now : null }),
      })
      .where('id', '=', id)
      .execute()
    return tx.selectFrom('contact_points').selectAll().where('id', '=', id).executeTakeFirst()
  }

  async tested(id: string, outcome: string, reason: string, at: Millis): Promise<void> {
    const good = outcome === 'accepted' || outcome === 'delivered'
    const row = await this.#records.write(async (tx) => {
      await tx
        .updateTable('contact_points')
        .set({ tested_at: good ? at : null, test_outcome: outcome, test_reason: reason })
        .where('id', '=', id)
        .execute()
      return tx.selectFrom('contact_points').selectAll().where('id', '=', id).executeTakeFirst()
    })
    if (row !== undefined) this.remember(row)
  }

  async remove(tx: RecordsTransaction, id: string): Promise<void> {
    await tx.deleteFrom('contact_points').where('id', '=', id).execute()
  }

  /** Takes a committed row into the copy. */
  remember(row: ContactPointRow): ContactPoint {
    const opened = this.#opened(row)
    this.#known.set(row.id, opened)
    return opened.point
  }

  forget(id: string): void {
    this.#known.delete(id)
  }

  #opened(row: ContactPointRow): OpenPoint {
    let own: Settings | undefined
    try {
      own = JSON.parse(this.#sealer.open(row.id, row.settings)) as Settings
    } catch {
      // Another key than the one it was sealed with; told by `unreadable` and by each attempt to send.
      own = undefined
    }
    const shown = visible(channelOf(row.channel), own ?? {})
    // Rows are written by this file alone, with checked values.
    const point: ContactPoint = {
      id: row.id,
      owner: { kind: row.owner_kind as Owner['kind'], id: row.owner_id },
      channel: row.channel as ChannelName,
      label: row.label,
      language: row.language as Language,
      timeZone: row.time_zone,
      settings: shown.settings,
      secrets: shown.secrets,
      testedAt: row.tested_at,
      testOutcome: row.test_outcome,
      testReason: row.test_reason,
      disabledAt: row.disabled_at,
      createdAt: row.created_at,
    }
    return { point, own }
  }
}
