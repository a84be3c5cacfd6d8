import type { Migration } from './migration.ts'

/** Until when alerts last that others posted; the alerts themselves stand among those of the rules. */
export const externalAlerts: Migration = {
  name: '0011-external-alerts',
  async up({ execute }) {
    await execute(`create table external_alerts (
      alert_id TEXT not null primary key references alerts (id),
      ends_at INTEGER not null,
      explicit INTEGER not null,
      generator_url TEXT not null,
      posted_by TEXT not null
    )`)
  },
}
