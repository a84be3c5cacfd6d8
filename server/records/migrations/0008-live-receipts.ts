import type { Migration } from './migration.ts'

/** When each message first arrived at a person's client, and when it was first shown there. */
export const liveReceipts: Migration = {
  name: '0008-live-receipts',
  async up({ execute }) {
    await execute('alter table live_messages add column received_at INTEGER')
    await execute('alter table live_messages add column displayed_at INTEGER')
  },
}
