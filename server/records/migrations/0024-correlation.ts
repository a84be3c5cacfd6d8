import type { Migration } from './migration.ts'

const statements = [
  `create table correlation_documents (
    version INTEGER not null primary key,
    hash TEXT not null,
    body TEXT not null,
    stored_at INTEGER not null,
    stored_by TEXT not null
  )`,
  `create table incident_label_keys (
    label_key TEXT not null,
    incident_id TEXT not null references incidents (id),
    primary key (label_key, incident_id)
  )`,
  'alter table incident_alerts add column related INTEGER not null default 0',
  // As the fact on file says it. Facts of before do not say it: there every alert held its incident, and goes on doing so.
  `update incident_alerts set related = 1 where exists (
    select 1 from incident_facts join alerts on alerts.id = incident_alerts.alert_id
    where incident_facts.incident_id = incident_alerts.incident_id
      and incident_facts.kind = 'alert_fired'
      and alerts.severity <> 'critical'
      and incident_facts.value like '%"related":true%'
      and incident_facts.value like '%"fingerprint":"' || alerts.fingerprint || '"%'
  )`,
]

/** Correlation rules of one's own, and which alerts hold an incident's recovery. */
export const correlation: Migration = {
  name: '0024-correlation',
  async up({ execute }) {
    for (const statement of statements) await execute(statement)
  },
}
