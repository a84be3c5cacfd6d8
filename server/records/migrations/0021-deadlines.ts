import type { Migration } from './migration.ts'

const statements = [
  `create table incident_deadlines (
    incident_id TEXT not null references incidents (id),
    regime TEXT not null,
    code TEXT not null,
    state TEXT not null,
    due_at INTEGER,
    at_risk_at INTEGER,
    satisfied_at INTEGER,
    tells INTEGER not null,
    told INTEGER not null,
    next_at INTEGER,
    primary key (incident_id, regime, code)
  )`,
  'create index incident_deadlines_by_due on incident_deadlines (state, due_at)',
  'create index incident_deadlines_by_next on incident_deadlines (next_at)',
]

/** Deadlines that follow from the facts of incidents, kept beside them for lists and what is to be told. */
export const deadlines: Migration = {
  name: '0021-deadlines',
  async up({ execute }) {
    for (const statement of statements) await execute(statement)
  },
}
