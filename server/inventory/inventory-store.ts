import { createHash } from 'node:crypto'
import { sql } from 'kysely'
import type { Hello, HostLabels, Section, SectionState } from '../../collector/wire/frames.ts'
import type { Clock, Millis } from '../clock.ts'
import type { Records, RecordsTransaction } from '../records/records.ts'
import { Gathered } from './gathered.ts'

/** SQLite takes 32,766 values a statement, but long ones hold up the queue. */
const hostsAStatement = 400

/** Collectors and their sections in the records. */
export class InventoryStore {
  readonly #records: Records
  readonly #clock: Clock
  /** By collector: a digest of what the records hold of its hello. */
  readonly #greeted = new Map<string, string>()
  readonly #greetings = new Gathered((hellos: readonly Hello[]) => this.#greetAll(hellos))

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
    for (const row of current) this.#greeted.set(row.id, digestOf(row))
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

  /** Records who reports for an instance, unless that is known; a new collector takes the place of a lost one. */
  async greet(hello: Hello): Promise<void> {
    if (this.#greeted.get(hello.collector) === digestOf(rowOf(hello))) return
    await this.#greetings.ask(hello)
  }

  async #greetAll(hellos: readonly Hello[]): Promise<readonly undefined[]> {
    const parts = withoutRivals(hellos)
    const replaced = await this.#records.write(async (tx) => {
      const ids: string[][] = []
      for (const part of parts) ids.push(await this.#write(tx, part))
      return ids
    })
    // Only after the commit, and in the order of the commits.
    for (const [index, part] of parts.entries()) {
      for (const id of replaced[index]!) this.#greeted.delete(id)
      for (const hello of part) this.#greeted.set(hello.collector, digestOf(rowOf(hello)))
    }
    return hellos.map(() => undefined)
  }

  /** The hellos are of collectors and instances that differ. Gives the collectors that they replace. */
  async #write(tx: RecordsTransaction, hellos: readonly Hello[]): Promise<string[]> {
    const now = this.#clock.now()
    const owners = new Map(hellos.map(({ labels, collector }) => [labels.instance, collector]))
    const holders = await tx
      .selectFrom('collectors')
      .select(['id', 'instance'])
      .where('instance', 'in', [...owners.keys()])
      .execute()
    const replaced = holders.filter(({ id, instance }) => owners.get(instance) !== id)
    for (const { id, instance } of replaced) {
      await tx.deleteFrom('sections').where('collector_id', '=', id).execute()
      await tx
        .updateTable('collectors')
        .set({ instance: `${instance} (replaced ${id})` })
        .where('id', '=', id)
        .execute()
    }
    const rows = hellos.map((hello) => ({
      id: hello.collector,
      first_seen_at: now,
      last_seen_at: now,
      ...rowOf(hello),
    }))
    await tx
      .insertInto('collectors')
      .values(rows)
      .onConflict((conflict) =>
        conflict.column('id').doUpdateSet((s) => ({
          instance: s.ref('excluded.instance'),
          labels: s.ref('excluded.labels'),
          version: s.ref('excluded.version'),
          epoch: s.ref('excluded.epoch'),
          interval_seconds: s.ref('excluded.interval_seconds'),
          simulated: s.ref('excluded.simulated'),
          last_seen_at: s.ref('excluded.last_seen_at'),
        })),
      )
      .execute()
    return replaced.map(({ id }) => id)
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
    this.#greeted.delete(collectorId)
  }
}

/** What the records hold of a hello. */
function rowOf({ labels, version, epoch, intervalSeconds }: Hello) {
  return {
    instance: labels.instance,
    labels: JSON.stringify(labels),
    version,
    epoch,
    interval_seconds: intervalSeconds,
    simulated: labels.simulated === 'true' ? 1 : 0,
  }
}

function digestOf({
  labels,
  version,
  epoch,
  interval_seconds,
}: Pick<ReturnType<typeof rowOf>, 'labels' | 'version' | 'epoch' | 'interval_seconds'>): string {
  const text = JSON.stringify([labels, version, epoch, interval_seconds])
  return createHash('sha256').update(text).digest('base64')
}

/** Parts in which no collector and no instance stands twice, in order. */
function withoutRivals(hellos: readonly Hello[]): Hello[][] {
  const parts: Hello[][] = []
  let taken = new Set<string>()
  for (const hello of hellos) {
    const names = [`id ${hello.collector}`, `instance ${hello.labels.instance}`]
    if (parts.length === 0 || names.some((name) => taken.has(name))) {
      parts.push([])
      taken = new Set()
    }
    for (const name of names) taken.add(name)
    parts.at(-1)!.push(hello)
  }
  return parts
}
