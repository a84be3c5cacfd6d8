import type { Millis } from '../clock.ts'
import { uuid } from '../ids.ts'
import type { Records, RecordsTransaction } from '../records/records.ts'
import type { ObligationKind } from './obligation.ts'
import { lostSubjects } from './obligation-store.ts'

/** Lost subjects that one look names and mends of a kind; the rest follows at the next. */
const maxLost = 100
/** Mended ones that one round drops. */
const prunedAtOnce = 1_000

/** A subject somebody owes something and nothing in the table remembers it. */
export interface LostObligation {
  readonly id: string
  readonly kind: string
  readonly subject: string
  readonly foundAt: Millis
  /** When it was opened anew; null: it could not be, yet. */
  readonly mendedAt: Millis | null
}

/**
 * Asks each kind's own tables who is owed something, names whom the table of obligations has forgotten, writes that down, and
 * opens it anew. Gives what it found now, the first time each.
 */
export async function findLost(
  records: Records,
  kinds: readonly ObligationKind[],
  now: Millis,
  onFault: (err: unknown, kind: string) => void,
): Promise<{ readonly kind: string; readonly subject: string }[]> {
  const found: { kind: string; subject: string }[] = []
  for (const kind of kinds) {
    try {
      if ((await lostSubjects(records.read, kind, maxLost)).length === 0) continue
      // What was seen in one look may have been in the middle of a change: the second look holds the writer's turn.
      const subjects = await records.write(async (tx) => {
        const lost = await lostSubjects(tx, kind, maxLost)
        for (const subject of lost) await note(tx, kind.kind, subject, now)
        return lost
      })
      found.push(...subjects.map((subject) => ({ kind: kind.kind, subject })))
      for (const subject of subjects) await mend(records, kind, subject, now, onFault)
    } catch (err) {
      onFault(err, kind.kind)
    }
  }
  return found
}

/** Each in a transaction of its own: one that cannot be mended holds up no other. */
async function mend(
  records: Records,
  kind: ObligationKind,
  subject: string,
  now: Millis,
  onFault: (err: unknown, kind: string) => void,
): Promise<void> {
  try {
    await records.write(async (tx) => {
      await kind.mend(tx, subject)
      await tx
        .updateTable('lost_obligations')
        .set({ mended_at: now })
        .where('kind', '=', kind.kind)
        .where('subject', '=', subject)
        .where('mended_at', 'is', null)
        .execute()
    })
  } catch (err) {
    onFault(err, kind.kind)
  }
}

async function note(
  tx: RecordsTransaction,
  kind: string,
  subject: string,
  now: Millis,
): Promise<void> {
  await tx
    .insertInto('lost_obligations')
    .values({ id: uuid(now), kind, subject, found_at: now, mended_at: null })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

/** What was found lost since `since` or is still lost, the newest first. */
export async function lostSince(
  records: Records,
  since: Millis,
  limit: number,
): Promise<LostObligation[]> {
  const rows = await records.read
    .selectFrom('lost_obligations')
    .selectAll()
    .where((is) => is.or([is('found_at', '>=', since), is('mended_at', 'is', null)]))
    .orderBy('found_at', 'desc')
    .orderBy('id', 'desc')
    .limit(limit)
    .execute()
  return rows.map((row) => ({
    id: row.id,
    kind: row.kind,
    subject: row.subject,
    foundAt: Number(row.found_at),
    mendedAt: row.mended_at === null ? null : Number(row.mended_at),
  }))
}

/** Drops what was found lost and mended before `before`; what is not mended stays. There are few. */
export async function pruneLost(records: Records, before: Millis): Promise<void> {
  const old = await records.read
    .selectFrom('lost_obligations')
    .select('id')
    .where('mended_at', '<', before)
    .limit(prunedAtOnce)
    .execute()
  const ids = old.map(({ id }) => id)
  if (ids.length > 0)
    await records.write((tx) => tx.deleteFrom('lost_obligations').where('id', 'in', ids).execute())
}
