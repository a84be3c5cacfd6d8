import type { Migration } from './migration.ts'

/** Finds the deliveries of notices that did not arrive without reading those that did. */
export const undelivered: Migration = {
  name: '0022-undelivered',
  async up({ execute }) {
    await execute(
      'create index incident_notice_deliveries_by_state on incident_notice_deliveries (state, updated_at)',
    )
  },
}
