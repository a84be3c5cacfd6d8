import type { Test } from 'tap'
import type { RecordsSchema } from '../../server/records/schema.ts'
import { type Place, refusal } from './records-place.ts'

/** One row of every table, in an order that foreign keys allow. */
export const rows: { [T in keyof RecordsSchema]: RecordsSchema[T] } = {
  principals: {
    id: 'p',
    name: 'Nguyễn',
    role: 'admin',
    kind: 'person',
    created_at: 1,
    disabled_at: null,
  },
  tokens: {
    id: 't',
    principal_id: 'p',
    hash: 'h',
    label: 'laptop',
    created_at: 1,
    expires_at: null,
    last_used_at: 2 ** 53 - 1,
    revoked_at: -1,
  },
  sign_in_links: { hash: 'l', principal_id: 'p', created_at: 1, expires_at: 2, used_at: null },
  console_sessions: {
    hash: 's',
    principal_id: 'p',
    created_at: 1,
    expires_at: 2,
    revoked_at: null,
  },
  collectors: {
    id: 'c',
    instance: 'pbx-1:9100',
    labels: '{}',
    version: '1',
    epoch: 'e',
    interval_seconds: 0.5,
    simulated: 1,
    first_seen_at: 1,
    last_seen_at: 2,
  },
  facts: {
    collector_id: 'c',
    instance: 'pbx-1:9100',
    name: 'os',
    hash: 'h',
    received_at: 1,
  },
  documents: { hash: 'h', encoding: 'json', body: '{"a":"\\u0000"}' },
  sections: { collector_id: 'c', name: 'kamailio', state: 'ok', detail: '', changed_at: 1 },
  alerts: {
    id: 'a',
    fingerprint: 'f',
    rule: 'HostDown',
    rule_group: 'host',
    severity: 'critical',
    instance: null,
    labels: '{}',
    annotations: '{}',
    state: 'firing',
    value: 'NaN',
    active_at: 1,
    fired_at: 2,
    keep_firing_since: null,
    resolved_at: null,
    acknowledged_at: null,
    acknowledged_by: null,
    updated_at: 3,
  },
  runbook_versions: { hash: 'r', name: 'HostDown', body: '# 故障', recorded_at: 1 },
  incidents: {
    id: 'i',
    number: 1,
    title: 'Линия 😀',
    severity: 'sev1',
    state: 'open',
    join_key: 'pbx-1:9100',
    server: 'pbx-1',
    runbook_name: 'HostDown',
    runbook_hash: 'r',
    opened_at: 1,
    acknowledged_at: null,
    acknowledged_by: null,
    resolved_at: null,
    updated_at: 1,
  },
  incident_facts: {
    id: 'if',
    incident_id: 'i',
    sequence: 1,
    kind: 'phenomenon',
    value: '{}',
    certainty: 'actual',
    occurred_at: 1,
    recorded_at: 2,
    recorded_by: 'p',
    supersedes: null,
  },
  incident_alerts: { incident_id: 'i', alert_id: 'a', joined_at: 1 },
  changes: {
    id: 'ch',
    number: 1,
    state: 'approved',
    content: '{}',
    starts_at: 1,
    ends_at: 2,
    requested_by: 'ines',
    requested_at: 1,
    approved_by: null,
    approved_at: null,
    updated_at: 1,
  },
  change_entries: {
    id: 'ce',
    change_id: 'ch',
    sequence: 1,
    kind: 'created',
    value: '{}',
    recorded_at: 1,
    recorded_by: 'ines',
    principal_id: 'p',
    supersedes: null,
  },
  known_versions: { instance: 'pbx-1:9100', name: 'packages', hash: 'h' },
  version_changes: {
    id: 'vc',
    number: 1,
    instance: 'pbx-1:9100',
    document: 'packages',
    from_hash: 'g',
    to_hash: 'h',
    items: '[]',
    omitted: 0,
    uncovered: 1,
    state: 'open',
    detected_at: 1,
  },
  version_change_links: {
    id: 'vl',
    version_change_id: 'vc',
    change_id: 'ch',
    kind: 'linked',
    reason: 'Вручную',
    linked_at: 1,
    linked_by: 'ines',
  },
  baseline_versions: {
    role: 'pbx',
    version: '1',
    hash: 'b',
    body: 'role: pbx',
    first_seen_at: 1,
  },
  live_messages: {
    principal_id: 'p',
    sequence: 1,
    at: 1,
    kind: 'alert',
    body: '{}',
    received_at: 2,
    displayed_at: null,
  },
  settings: { key: 'k', value: 'v' },
  enrolments: {
    id: 'en',
    instance: 'pbx-1',
    public_key: 'pk',
    state: 'active',
    counter: 2 ** 53 - 1,
    link: 'l',
    resync: 0,
    machine: '{}',
    labels: '{}',
    collector_id: null,
    version: '1',
    created_at: 1,
    created_by: 'Nguyễn',
    last_session_at: null,
    ended_at: null,
    ended_by: null,
    refusals: 0,
    last_refused_at: null,
    last_refusal: null,
    last_refused_from: null,
  },
  enrolment_tokens: {
    id: 'et',
    hash: 'h',
    instance: null,
    labels: '{}',
    replaces: 0,
    created_at: 1,
    created_by: 'p',
    expires_at: 2,
    used_at: 2,
    used_by: 'en',
    used_from: '::1',
    misuses: 1,
    last_misused_at: 3,
    last_misused_from: '::1',
  },
}

export async function everyTable(t: Test, place: Place): Promise<void> {
  const records = await place.open()
  const tables = Object.keys(rows) as (keyof RecordsSchema)[]
  await records.write(async (tx) => {
    for (const table of tables) await tx.insertInto(table).values(rows[table]).execute()
  })
  for (const table of tables) {
    t.strictSame(await records.read.selectFrom(table).selectAll().execute(), [rows[table]], table)
  }
  const second = <T extends keyof RecordsSchema>(table: T, change: Partial<RecordsSchema[T]>) =>
    refusal(
      records.write((tx) =>
        tx
          .insertInto(table)
          .values({ ...rows[table], ...change } as never)
          .execute(),
      ),
    )
  for (const table of tables)
    t.equal(await second(table, {}), 'constraint_unique', `${table} again`)
  t.equal(await second('tokens', { id: 't2' }), 'constraint_unique', 'tokens.hash')
  t.equal(await second('principals', { id: 'p2' }), 'constraint_unique', 'principals.name')
  t.equal(await second('collectors', { id: 'c2' }), 'constraint_unique', 'collectors.instance')
  t.equal(await second('incidents', { id: 'i2' }), 'constraint_unique', 'incidents.number')
  t.equal(await second('changes', { id: 'ch2' }), 'constraint_unique', 'changes.number')
  t.equal(
    await second('change_entries', { id: 'ce2' }),
    'constraint_unique',
    'sequence of a change',
  )
  t.equal(await second('version_changes', { id: 'vc2' }), 'constraint_unique')
  t.equal(
    await second('known_versions', { name: 'software', hash: 'gone' }),
    'constraint',
    'what is known is held',
  )
  t.equal(
    await second('incident_facts', { id: 'if2' }),
    'constraint_unique',
    'sequence of an incident',
  )
  t.equal(
    await second('alerts', { id: 'a2', state: 'pending' }),
    'constraint_unique',
    'one life at a time',
  )
  t.equal(
    await second('alerts', { id: 'a2', state: 'resolved' }),
    'kept',
    'former lives may be many',
  )
  t.equal(await second('alerts', { id: 'a3', state: 'resolved' }), 'kept')
  t.equal(await second('facts', { received_at: 2 }), 'kept', 'history')
  t.equal(
    await second('tokens', { id: 't3', hash: 'h3', principal_id: 'nobody' }),
    'constraint',
    'foreign key',
  )
  t.equal(
    await second('incident_facts', { id: 'if3', sequence: 3, supersedes: 'none' }),
    'constraint',
  )
  t.equal(await second('settings', { key: 'n', value: null as never }), 'constraint', 'not null')
  t.equal(
    await second('sections', { name: 'x', changed_at: 'soon' as never }),
    'constraint',
    'a text for a number',
  )
  t.equal(
    await second('sections', { name: 'x', changed_at: 1.5 }),
    'constraint',
    'a fraction for whole numbers',
  )
  t.equal(await second('settings', { key: new Date() as never }), 'TypeError')
  t.equal(await second('settings', { key: 'a\0b' }), 'TypeError', 'NUL')
  t.equal(await second('settings', { key: '\ud800' }), 'TypeError', 'lone surrogate')
  t.equal(
    await second('settings', { key: undefined as never }),
    'constraint',
    'Kysely leaves undefined out',
  )
  await records.close()
}
