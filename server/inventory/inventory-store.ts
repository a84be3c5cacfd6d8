import { sql } from 'kysely'
import type { Hello, HostLabels, Section, SectionState } from '../../collector/wire/frames.ts'
import type { Clock, Millis } from '../clock.ts'
import type { Records } from '../records/records.ts'

/** SQLite takes 32,766 values a statement, but long ones hold up the queue. */
const hostsAStatement = 400

/** Collectors and their sections in the records. */
export class InventoryStore {
  readonly #records: Records
  readonly #clock: Clock

  constructor(records: Records, clock: Clock) {
    this.#records = records
    this.#clock = clock
  }

  async load() {
    const [collectors, sections] = await Promise.all([
      this.#records.read.selectFrom('collectors').selectAll().execute(),
      this.#records.read.selectFrom('sections').selectAll().orderBy('name').execute(),
    ])
    // One that was replaced or taken off the list keeps its row, under a name that is not its own.
    const current = collectors.filter(
      (row) => (JSON.parse(row.labels) as Partial<HostLabels>).instance === row.instance,
    )
    const sectionsOf = new Map<string, Section[]>()
    for (const { collector_id, name, state, detail } of sections) {
      const list = sectionsOf.get(collector_id) ?? []
      list.push({ name, state: state as SectionState, detail })
      sectionsOf.set(collector_id, list)
    }
    return current.map((row) => ({
      id: row.id,
      labels: JSON.parse(row.labels) as HostLabels,
      version: row.version,
      intervalSeconds: row.interval_seconds,
      lastSeenAt: row.last_seen_at,
      sections: sectionsOf.get(row.id) ?? [],
    }))
  }

  /** Records who reports for an instance; a new collector takes the place of a lost one. */
  async greet(hello: Hello): Promise<void> {
    const now = this.#clock.now()
    const { instance } = hello.labels
    await this.#records.write(async (tx) => {
      const others = await tx
        .selectFrom('collectors')
        .select('id')
        .where('instance', '=', instance)
        .where('id', '!=', hello.collector)
        .execute()
      for (const { id } of others) {
        await tx.deleteFrom('sections').where('collector_id', '=', id).execute()
        await tx
          .updateTable('collectors')
          .set({ instance: `${instance} (replaced ${id})` })
          .where('id', '=', id)
          .execute()
      }
      const row = {
        instance,
        labels: JSON.stringify(hello.labels),
        version: hello.version,
        epoch: hello.epoch,
        interval_seconds: hello.intervalSeconds,
        simulated: hello.labels.simulated === 'true' ? 1 : 0,
        last_seen_at: now,
      }
      await tx
        .insertInto('collectors')
        .values({ id: hello.collector, first_seen_at: now, ...row })
        .onConflict((conflict) => conflict.column('id').doUpdateSet(row))
        .execute()
    })
  }

  /** Notes when hosts were last heard, in few statements. */
  async seen(hosts: readonly { readonly id: string; readonly at: Millis }[]): Promise<void> {
    if (hosts.length === 0) return
    await this.#records.write(async (tx) => {
      for (let from = 0; from < hosts.length; from += hostsAStatement) {
        const rows = hosts
          .slice(from, from + hostsAStatement)
          .map(({ id, at }) => sql`(cast(${id} as text), cast(${at} as bigint))`)
        // Both databases call the columns of bare values column1 and column2.
        await sql`update collectors set last_seen_at = heard.column2
          from (values ${sql.join(rows)}) as heard where collectors.id = heard.column1`.execute(tx)
      }
    })
  }

  async saveSections(collectorId: string, sections: readonly Section[]): Promise<void> {
    const now = this.#clock.now()
    await this.#records.write(async (tx) => {
      await tx.deleteFrom('sections').where('collector_id', '=', collectorId).execute()
      if (sections.length === 0) return
      await tx
        .insertInto('sections')
        .values(
          sections.map(({ name, state, detail }) => ({
            collector_id: collectorId,
            name,
            state,
            detail,
            changed_at: now,
          })),
        )
        .execute()
    })
  }

  /** Takes a host off the list; its facts' history stays. */
  async forget(collectorId: string, instance: string): Promise<void> {
    await this.#records.write(async (tx) => {
      await tx.deleteFrom('sections').where('collector_id', '=', collectorId).execute()
      await tx
        .updateTable('collectors')
        .set({ instance: `${instance} (taken off the list ${collectorId})` })
        .where('id', '=', collectorId)
        .execute()
    })
  }
}
