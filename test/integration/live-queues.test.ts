import { queuedAfter } from '../../server/live/live-store.ts'
import { QueueReader } from '../../server/live/queue-reader.ts'
import type { CountedRecords } from '../../server/records/write-queue.ts'
import { onBothDatabases } from '../helpers/both-databases.ts'

const people = 150

/** Person `index` has messages from `index % 7` on, as if those before were dropped, and up to `index % 11`. */
async function fill(records: CountedRecords): Promise<void> {
  const principals = Array.from({ length: people }, (_, index) => ({
    id: `p${index}`,
    name: `p${index}`,
    kind: 'person',
    role: 'operator',
    created_at: 1,
    disabled_at: null,
  }))
  const messages = principals.flatMap(({ id }, index) => {
    const [from, to] = [1 + (index % 7), index % 11]
    return Array.from({ length: Math.max(0, to - from + 1) }, (_, at) => ({
      principal_id: id,
      sequence: from + at,
      at: 1_000 + at,
      kind: 'alert',
      body: JSON.stringify({ for: id, at }),
    }))
  })
  await records.write(async (tx) => {
    await tx.insertInto('principals').values(principals).execute()
    await tx.insertInto('live_messages').values(messages).execute()
  })
}

onBothDatabases('queues', {
  async 'queues read together are those read alone, whatever of them was dropped'(t, records) {
    await fill(records)
    const reader = new QueueReader(records)
    const asked = [
      [0, 100],
      [3, 2],
      [8, 1],
      [50, 100],
    ] as const
    for (const [after, limit] of asked) {
      const ids = Array.from({ length: people }, (_, index) => `p${index}`)
      const together = await Promise.all(ids.map((id) => reader.read(id, after, limit)))
      const alone = await Promise.all(ids.map((id) => queuedAfter(records, id, after, limit)))
      t.strictSame(together, alone)
      t.strictSame(await reader.read('p10', after, limit), alone[10])
    }
    const none = [reader.read('nobody', 0, 5), reader.read('p5', 9, 5)]
    t.strictSame(await Promise.all(none), [[], []])
  },
})
