import { sql } from 'kysely'
import type { Test } from 'tap'
import { atEnd, later, type RecordsTransaction } from '../../server/records/records.ts'
import type { CountedRecords } from '../../server/records/write-queue.ts'
import fc from '../helpers/property.ts'
import { keys, type Place, refusal, setting } from './records-place.ts'

/** One thing a transaction does: adds a row with or without waiting, takes one away, counts what it sees, or fails of itself. */
type Deed = readonly ['later' | 'await' | 'remove' | 'count' | 'throw', number]

const deed = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(fc.constant('later' as const), fc.nat(24)) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('await' as const), fc.nat(24)) },
  { weight: 3, arbitrary: fc.tuple(fc.constant('remove' as const), fc.nat(24)) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('count' as const), fc.constant(0)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('throw' as const), fc.constant(0)) },
)

const insert = (tx: RecordsTransaction, key: number) =>
  tx.insertInto('settings').values(setting(`k${key}`))

async function perform(records: CountedRecords, deeds: readonly Deed[]): Promise<number[]> {
  return records.write(async (tx) => {
    const counts: number[] = []
    for (const [what, key] of deeds) {
      if (what === 'later') await later(tx, insert(tx, key))
      else if (what === 'await') await insert(tx, key).execute()
      else if (what === 'remove')
        await later(tx, tx.deleteFrom('settings').where('key', '=', `k${key}`))
      else if (what === 'throw') throw new TypeError('of itself')
      else {
        const { n } = await tx
          .selectFrom('settings')
          .select(sql<number>`count(*)`.as('n'))
          .executeTakeFirstOrThrow()
        counts.push(Number(n))
      }
    }
    return counts
  })
}

/** What must come of it when one goes after the other: the rows, and what each saw; undefined for one that failed. */
function expected(all: readonly (readonly Deed[])[]): { rows: string[]; seen: unknown[] } {
  let kept = new Set<number>()
  const seen = all.map((deeds) => {
    const mine = new Set(kept)
    const counts: number[] = []
    for (const [what, key] of deeds) {
      if (what === 'throw' || ((what === 'later' || what === 'await') && mine.has(key)))
        return undefined
      if (what === 'later' || what === 'await') mine.add(key)
      else if (what === 'remove') mine.delete(key)
      else counts.push(mine.size)
    }
    kept = mine
    return counts
  })
  return { rows: [...kept].map((key) => `k${key}`).sort(), seen }
}

/** Whatever mixture of transactions shares a group, each is kept whole or not at all, and as if alone. */
export async function unawaited(t: Test, place: Place): Promise<void> {
  const records = await place.open()
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(deed, { maxLength: 8 }), { minLength: 1, maxLength: 30 }),
      async (all) => {
        await records.write((tx) => later(tx, tx.deleteFrom('settings')))
        const outcomes = await Promise.allSettled(all.map((deeds) => perform(records, deeds)))
        const seen = outcomes.map((one) => (one.status === 'fulfilled' ? one.value : undefined))
        const wanted = expected(all)
        t.strictSame(seen, wanted.seen)
        t.strictSame((await keys(records)).sort(), wanted.rows)
      },
    ),
    { numRuns: 40 },
  )
  await records.write((tx) => later(tx, tx.deleteFrom('settings')))
  const twice = await Promise.all([
    refusal(records.write((tx) => later(tx, insert(tx, 1)))),
    refusal(records.write((tx) => later(tx, insert(tx, 1)))),
    refusal(
      records.write(async (tx) => {
        await later(tx, insert(tx, 2))
        await later(tx, insert(tx, 1))
        await later(tx, insert(tx, 3)).catch(() => {})
      }),
    ),
    refusal(
      records.write(async (tx) => {
        for (let key = 100; key < 1_100; key += 1) await later(tx, insert(tx, key))
      }),
    ),
  ])
  t.strictSame(twice, ['kept', 'constraint_unique', 'constraint_unique', 'kept'])
  t.equal((await keys(records)).length, 1_001)
  const done: string[] = []
  await records.write(async (tx) => {
    atEnd(tx, 'a', async () => {
      done.push('end')
      atEnd(tx, 'b', async () => void done.push('after the end'))
    })
    atEnd(tx, 'a', async () => void done.push('never'))
    done.push('work')
  })
  t.strictSame(done, ['work', 'end', 'after the end'])
  const failing = records.write(async (tx) => {
    await later(tx, insert(tx, 5_000))
    atEnd(tx, 'c', () => Promise.reject(new TypeError('at the end')))
  })
  t.equal(await refusal(failing), 'TypeError')
  t.notOk((await keys(records)).includes('k5000'), 'what fails at the end takes all with it')
  await records.close()
}
