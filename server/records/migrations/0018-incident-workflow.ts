import type { Migration } from './migration.ts'

const statements = [
  "alter table incidents add column workflow_state TEXT not null default 'recorded'",
  // What was there before owes the workflow nothing.
  'alter table incidents add column attended INTEGER not null default 1',
  'alter table incidents add column major INTEGER not null default 0',
  'alter table incidents add column closed_at INTEGER',
  "update incidents set workflow_state = 'restored' where state = 'resolved'",
  'create index incidents_by_workflow_state on incidents (workflow_state, attended)',
  `create table incident_join_keys (
    join_key TEXT not null,
    incident_id TEXT not null references incidents (id),
    primary key (join_key, incident_id)
  )`,
  // What was sent again after an answer got lost is written once.
  `create table incident_request_keys (
    key TEXT not null primary key,
    incident_id TEXT not null references incidents (id),
    at INTEGER not null
  )`,
]

/** Where an incident stands in the workflow, as its facts say, kept beside them for lists; keys it took over in a merger. */
export const incidentWorkflow: Migration = {
  name: '0018-incident-workflow',
  async up({ execute }) {
    for (const statement of statements) await execute(statement)
  },
}
