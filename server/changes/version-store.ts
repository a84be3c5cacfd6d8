import { type Kysely, sql } from 'kysely'
import type { HostLabels } from '../../collector/wire/frames.ts'
import type { Clock } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import { uuid } from '../ids.ts'
import type { Ledger } from '../ledger/plugin.ts'
import type { Principal } from '../people/plugin.ts'
import type { RecordsTransaction } from '../records/records.ts'
import type { ChangeRow, RecordsSchema, VersionChangeRow } from '../records/schema.ts'
import type { ExpectedChange } from './change.ts'
import { type ChangeStore, contentOf } from './change-store.ts'
import type { VersionItem } from './difference.ts'
import { coverage, namesHost } from './matching.ts'
import { permitsNow } from './standing.ts'

/** Items kept of one version change; a whole distribution upgrade has fewer. */
const maxItems = 5_000
/** Version changes of a host within a day that are kept with all their items: they stay for good, so no host may fill the records. */
const wholeADay = 20
/** Items kept of each beyond them. */
const fewItems = 20
const dayMillis = 86_400_000
/** Documents of one survey come within this. */
const runMillis = 10 * 60_000
const hubActor = 'hub'

type Database = Kysely<RecordsSchema>

/** One document of a host that differs from what was known. */
export interface SeenChange {
  readonly labels: HostLabels
  readonly document: string
  readonly fromHash: string
  readonly toHash: string
  readonly items: readonly VersionItem[]
}

/** Version changes of hosts and what they were linked to. */
export class VersionStore {
  readonly #clock: Clock
  readonly #changes: ChangeStore
  readonly #graceMillis: number
  readonly #ledger: Ledger

  constructor(clock: Clock, changes: ChangeStore, graceMillis: number, ledger: Ledger) {
    this.#clock = clock
    this.#changes = changes
    this.#graceMillis = graceMillis
    this.#ledger = ledger
  }

  /**
   * Keeps a change, with the approved records that cover it. What no record covers joins the open finding of the same run: a collector
   * tells packages and software one after the other. `announced` gives the security updates the host told of before.
   */
  async add(
    tx: RecordsTransaction,
    seen: SeenChange,
    announced: () => Promise<readonly ExpectedChange[]>,
  ): Promise<void> {
    const at = this.#clock.now()
    const all = await this.#changes.permits(tx, at, this.#graceMillis)
    const permits = await permitsNow(all, seen.labels, at, this.#graceMillis, announced)
    const covered = coverage(seen.items, seen.labels, at, permits, this.#graceMillis)
    const uncovered = new Set(covered.uncovered)
    const kept = seen.items.slice(0, await this.#itemsKept(tx, seen.labels.instance, at))
    const items = kept.map((item) => ({ ...item, covered: !uncovered.has(item) }))
    const link = async (id: string) => {
      for (const [changeId, count] of covered.records) {
        const reason = `covers ${count} of ${seen.items.length} changed version(s), inside its window`
        await this.#link(tx, id, changeId, 'matched', reason, hubActor)
      }
    }
    const sameRun = uncovered.size === 0 ? undefined : await this.#openOfRun(tx, seen, at)
    if (sameRun !== undefined) {
      const before = JSON.parse(sameRun.items) as typeof items // this store wrote it
      const together = [...before, ...items].slice(0, maxItems)
      const omitted =
        before.length + items.length - together.length + seen.items.length - kept.length
      await tx
        .updateTable('version_changes')
        .set({
          document: `${sameRun.document}, ${seen.document}`,
          items: JSON.stringify(together),
          omitted: sameRun.omitted + omitted,
          uncovered: sameRun.uncovered + uncovered.size,
        })
        .where('id', '=', sameRun.id)
        .execute()
      return link(sameRun.id)
    }
    const row: Omit<VersionChangeRow, 'number'> = {
      id: uuid(at),
      instance: seen.labels.instance,
      document: seen.document,
      from_hash: seen.fromHash,
      to_hash: seen.toHash,
      items: JSON.stringify(items),
      omitted: seen.items.length - kept.length,
      uncovered: uncovered.size,
      state: uncovered.size === 0 ? 'matched' : 'open',
      detected_at: at,
    }
    await tx
      .insertInto('version_changes')
      .values((is) => ({
        ...row,
        number: sql<number>`(${is
          .selectFrom('version_changes as other')
          .select((s) => sql<number>`coalesce(${s.fn.max('other.number')}, 0) + 1`.as('next'))})`,
      }))
      .execute()
    await link(row.id)
  }

  /** The open finding of the same host and run that another document made. */
  async #openOfRun(
    tx: RecordsTransaction,
    { labels, document }: SeenChange,
    at: number,
  ): Promise<VersionChangeRow | undefined> {
    const row = await tx
      .selectFrom('version_changes')
      .selectAll()
      .where('instance', '=', labels.instance)
      .where('state', '=', 'open')
      .where('detected_at', '>', at - runMillis)
      .where('detected_at', '<=', at)
      .orderBy('number', 'desc')
      .limit(1)
      .executeTakeFirst()
    return row?.document.split(', ').includes(document) === false ? row : undefined
  }

  async #itemsKept(tx: RecordsTransaction, instance: string, at: number): Promise<number> {
    const row = await tx
      .selectFrom('version_changes')
      .select((s) => s.fn.countAll().as('count'))
      .where('instance', '=', instance)
      .where('detected_at', '>', at - dayMillis)
      .executeTakeFirst()
    return Number(row?.count ?? 0) < wholeADay ? maxItems : fewItems
  }

  /** Links an open version change to a record after the fact. Throws conflict, unprocessable. */
  async link(
    tx: RecordsTransaction,
    row: VersionChangeRow,
    change: ChangeRow,
    labels: HostLabels | undefined,
    reason: string,
    by: Principal,
  ): Promise<VersionChangeRow> {
    if (row.state !== 'open')
      throw new CallwardError('conflict', `Version change ${row.number} is ${row.state} already.`)
    if (change.approved_at === null || !['approved', 'closed'].includes(change.state)) {
      const message = `Change ${change.number} is ${change.state}; link one that another person has approved.`
      throw new CallwardError('conflict', message)
    }
    const { hosts } = contentOf(change)
    const named = labels === undefined ? hosts.includes(row.instance) : namesHost(hosts, labels)
    if (!named) {
      const message = `Change ${change.number} does not name the host ${row.instance}; correct the record or link another.`
      throw new CallwardError('unprocessable', message)
    }
    await tx
      .updateTable('version_changes')
      .set({ state: 'linked' })
      .where('id', '=', row.id)
      .execute()
    await this.#link(tx, row.id, change.id, 'linked', reason, by.name)
    const value = { versionChange: row.number, instance: row.instance, reason }
    await this.#changes.linked(tx, change.id, value, by)
    return { ...row, state: 'linked' }
  }

  /** Throws not_found. An id, or the number, names a version change. */
  async find(database: Database | RecordsTransaction, name: string): Promise<VersionChangeRow> {
    const query = (database as Database).selectFrom('version_changes').selectAll()
    const named = /^\d{1,9}$/.test(name)
      ? query.where('number', '=', Number(name))
      : query.where('id', '=', name)
    const row = await named.executeTakeFirst()
    if (row === undefined)
      throw new CallwardError('not_found', `There is no version change ${name}.`)
    return row
  }

  /** How many are open, by instance. */
  async openCounts(database: Database): Promise<Map<string, number>> {
    const rows = await database
      .selectFrom('version_changes')
      .select((s) => ['instance', s.fn.countAll().as('count')])
      .where('state', '=', 'open')
      .groupBy('instance')
      .execute()
    return new Map(rows.map(({ instance, count }) => [instance, Number(count)]))
  }

  async openCount(database: Database, instance: string): Promise<number> {
    const row = await database
      .selectFrom('version_changes')
      .select((s) => s.fn.countAll().as('count'))
      .where('state', '=', 'open')
      .where('instance', '=', instance)
      .executeTakeFirst()
    return Number(row?.count ?? 0)
  }

  async #link(
    tx: RecordsTransaction,
    versionChangeId: string,
    changeId: string,
    kind: 'matched' | 'linked',
    reason: string,
    by: string,
  ): Promise<void> {
    const now = this.#clock.now()
    const ids = { id: uuid(now), version_change_id: versionChangeId, change_id: changeId }
    await tx
      .insertInto('version_change_links')
      .values({ ...ids, kind, reason, linked_at: now, linked_by: by })
      .execute()
    await this.#ledger.append(tx, {
      action: 'version_change.linked',
      object: { type: 'version-change', id: versionChangeId },
      actor: by,
      occurredAt: now,
      content: { change: changeId, kind },
      sensitive: { reason },
    })
  }
}
