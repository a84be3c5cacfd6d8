import { sql } from 'kysely'
import type { Test } from 'tap'
import { allMigrations } from '../../server/records/migrations.ts'
import type { RecordsSchema } from '../../server/records/schema.ts'
import type { CountedRecords } from '../../server/records/write-queue.ts'
import { type Place, refusal } from './records-place.ts'
import { rows } from './records-tables.ts'

/** Tables that 0003 and later migrations bring or change; all others must come through as they are. */
const newer: readonly (keyof RecordsSchema)[] = [
  'correlation_documents',
  'incident_label_keys',
  'runbook_uses',
  'incident_words',
  'incident_search',
  'facts',
  'documents',
  'changes',
  'change_entries',
  'known_versions',
  'version_changes',
  'version_change_links',
  'baseline_versions',
  'oncall_schedules',
  'oncall_policies',
  'oncall_overrides',
  'oncall_history',
  'oncall_notes',
  'oncall_handovers',
  'oncall_proofs',
  'ledger_epochs',
  'ledger_entries',
  'ledger_tiles',
  'ledger_checkpoints',
  'ledger_keys',
  'ledger_witnesses',
  'ledger_cosignatures',
  'contact_points',
  'notify_log',
  'obligations',
  'lost_obligations',
  'pages',
  'page_alerts',
  'page_asks',
  'page_steps',
  'page_tellings',
  'page_attempts',
  'routing_state',
  'routing_alerts',
  'routing_groups',
  'routing_silences',
  'routing_holds',
  'external_alerts',
  'accounts',
  'recovery_codes',
  'teams',
  'team_members',
  'approvals',
  'canary_plans',
  'canary_runs',
  'incident_join_keys',
  'incident_request_keys',
  'attachments',
  'legal_holds',
  'erasures',
  'incident_deadlines',
  'time_limits',
  'incident_notices',
  'incident_notice_deliveries',
  'incident_update_rhythms',
  'incident_assignments',
  'incident_freezes',
  'incident_evidence',
  'incident_counted',
  'incident_services',
  'recurrence_months',
  'incident_webhook_messages',
  'incident_imports',
]

/** Columns that later migrations add to tables of 0001 and 0002; null in rows of before. */
const newerColumns: Partial<Record<keyof RecordsSchema, readonly string[]>> = {
  live_messages: ['received_at', 'displayed_at'],
  console_sessions: ['id', 'way', 'address', 'last_seen_at'],
  sign_in_links: ['purpose'],
  incident_alerts: ['related'],
  incidents: ['workflow_state', 'attended', 'major', 'closed_at'],
}

/** What rows of before have in a later column that is not null. */
const defaults: Readonly<Record<string, unknown>> = {
  workflow_state: 'recorded',
  attended: 1,
  major: 0,
  related: 0,
}

function oldRow(table: keyof RecordsSchema) {
  const added = newerColumns[table] ?? []
  // A row without columns that may be null is still a row of its table.
  return Object.fromEntries(
    Object.entries(rows[table]).filter(([name]) => !added.includes(name)),
  ) as never
}

/** Facts as 0001 kept them: each with its text. */
const facts = [
  { collector: 'c', name: 'os', hash: 'same', body: '{"id":"debian"}', at: 1 },
  { collector: 'c', name: 'os', hash: 'other', body: '{"id":"Đebian 12"}', at: 2 },
  { collector: 'c', name: 'os', hash: 'same', body: '{"id":"debian"}', at: 3 },
  { collector: 'c2', name: 'os', hash: 'same', body: '{"id":"debian"}', at: 1 },
  { collector: 'c3', name: 'cpu', hash: 'nameless', body: 'null', at: 2 ** 53 - 1 },
]

function laterOf(table: keyof RecordsSchema): Record<string, unknown> {
  return Object.fromEntries(
    (newerColumns[table] ?? []).map((name) => [name, defaults[name] ?? null]),
  )
}

async function fillOld(records: CountedRecords): Promise<void> {
  await records.write(async (tx) => {
    const old = (Object.keys(rows) as (keyof RecordsSchema)[]).filter((one) => !newer.includes(one))
    for (const table of old) await tx.insertInto(table).values(oldRow(table)).execute()
    const more = { ...rows.collectors, labels: '{"instance":"pbx-2:9100","role":"pbx"}' }
    await tx
      .insertInto('collectors')
      .values([
        { ...more, id: 'c2', instance: 'pbx-2:9100' },
        { ...more, id: 'c3', instance: 'odd', labels: '{}' },
      ])
      .execute()
    await sql`update collectors set labels = '{"instance":"pbx-1:9100"}' where id = 'c'`.execute(tx)
    for (const { collector, name, hash, body, at } of facts)
      await sql`insert into facts (collector_id, name, hash, body, received_at) values (${collector}, ${name}, ${hash}, ${body}, ${at})`.execute(
        tx,
      )
  })
}

/** A database of an earlier version, with rows in it, becomes one of this version and loses nothing. */
export async function oldRows(t: Test, place: Place): Promise<void> {
  const before = allMigrations.filter(({ name }) => name < '0003')
  t.same(
    before.map(({ name }) => name),
    ['0001-house', '0002-enrolment'],
  )
  const old = await place.open({ migrations: before })
  await fillOld(old)
  await old.close()

  const [records, other] = await Promise.all([place.open(), place.open()])
  const all = <T extends keyof RecordsSchema>(table: T) =>
    records.read.selectFrom(table).selectAll().execute()
  for (const table of Object.keys(rows) as (keyof RecordsSchema)[]) {
    if (newer.includes(table)) continue
    const kept = (await all(table)) as unknown as { id?: string }[]
    const expected =
      table === 'collectors'
        ? { ...rows.collectors, labels: '{"instance":"pbx-1:9100"}' }
        : { ...rows[table], ...laterOf(table) }
    t.strictSame(
      table === 'collectors' ? kept.filter(({ id }) => id === 'c') : kept,
      [expected],
      table,
    )
  }
  const documents = await records.read.selectFrom('documents').selectAll().orderBy('hash').execute()
  t.strictSame(
    documents,
    [
      { hash: 'nameless', encoding: 'json', body: 'null' },
      { hash: 'other', encoding: 'json', body: '{"id":"Đebian 12"}' },
      { hash: 'same', encoding: 'json', body: '{"id":"debian"}' },
    ],
    'each text once',
  )
  const moved = await records.read
    .selectFrom('facts')
    .selectAll()
    .orderBy('collector_id')
    .orderBy('received_at')
    .execute()
  const instances: Record<string, string> = { c: 'pbx-1:9100', c2: 'pbx-2:9100', c3: '' }
  t.strictSame(
    moved,
    facts.map(({ collector, name, hash, at }) => ({
      collector_id: collector,
      name,
      hash,
      received_at: at,
      instance: instances[collector]!,
    })),
    'every fact, with its host',
  )
  for (const table of ['changes', 'version_changes', 'known_versions'] as const)
    t.strictSame(await all(table), [], `${table} begins empty`)
  const known = { instance: 'pbx-1:9100', name: 'os', hash: 'same' }
  t.equal(
    await refusal(other.write((tx) => tx.insertInto('known_versions').values(known).execute())),
    'kept',
    'what moved can be held',
  )
  await Promise.all([records.close(), other.close()])
  await (await place.open()).close()
}
