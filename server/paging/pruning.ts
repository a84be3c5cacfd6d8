import type { Millis } from '../clock.ts'
import type { Records } from '../records/records.ts'

/** Pages of one transaction: with all their tellings and attempts some thousand rows. */
const pagesAtOnce = 100
/** Transactions of one round; what is left is taken by the next. */
const mostBatches = 50

/**
 * Drops pages that were closed before `before`, with all that is known of them. What is open or acknowledged stays however old it
 * is, and so does a closed page that still owes somebody the word. Gives how many were dropped.
 */
export async function prunePages(
  records: Records,
  before: Millis,
  limits = { pagesAtOnce, mostBatches },
): Promise<number> {
  let dropped = 0
  for (let batch = 0; batch < limits.mostBatches; batch += 1) {
    const count = await pruneBatch(records, before, limits.pagesAtOnce)
    dropped += count
    if (count < limits.pagesAtOnce) break
  }
  return dropped
}

async function pruneBatch(records: Records, before: Millis, limit: number): Promise<number> {
  const pages = await records.read
    .selectFrom('pages')
    .select('id')
    .where('state', '=', 'closed')
    .where('closed_at', '<', before)
    // Numbers count on from the highest.
    .where('number', '<', (is) =>
      is.selectFrom('pages as all').select((all) => all.fn.max('all.number').as('highest')),
    )
    .where((is) =>
      is.not(
        is.exists(
          is
            .selectFrom('page_tellings')
            .select('page_tellings.id')
            .whereRef('page_tellings.page_id', '=', 'pages.id')
            .where('page_tellings.state', '=', 'waiting'),
        ),
      ),
    )
    .orderBy('number')
    .limit(limit)
    .execute()
  const ids = pages.map(({ id }) => id)
  if (ids.length === 0) return 0
  // A closed page never opens again, and owes nobody anything once all its tellings have ended: what was read still holds.
  await records.write(async (tx) => {
    const tellings = tx.selectFrom('page_tellings').select('id').where('page_id', 'in', ids)
    await tx.deleteFrom('page_attempts').where('telling_id', 'in', tellings).execute()
    await tx.deleteFrom('page_tellings').where('page_id', 'in', ids).execute()
    await tx.deleteFrom('page_steps').where('page_id', 'in', ids).execute()
    await tx.deleteFrom('page_asks').where('page_id', 'in', ids).execute()
    await tx.deleteFrom('page_alerts').where('page_id', 'in', ids).execute()
    await tx.deleteFrom('pages').where('id', 'in', ids).execute()
  })
  return ids.length
}
