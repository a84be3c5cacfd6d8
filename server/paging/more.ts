import type { Millis } from '../clock.ts'
import type { RecordsTransaction } from '../records/records.ts'
import type { PageRow, PageTellingRow } from '../records/schema.ts'
import { type Duties, oweTelling } from './escalation-duty.ts'
import { lastMoreAt, namedBy } from './telling-store.ts'

/** How often at most those whom a page named are told that more alerts joined it, its opening included. */
const moreMillis = 30_000

/** What such a word's place begins with. */
export const morePlace = 'more/'

/** Whether a telling says that alerts joined a page after it was opened. */
export function saysMore({ place }: Pick<PageTellingRow, 'place'>): boolean {
  return place.startsWith(morePlace)
}

/** When they are told, `last` being when they were or will be; undefined: the word to come names this alert too. */
function moreDueAt(last: Millis, now: Millis): Millis | undefined {
  // Further ahead than any word is planned: the clock went back.
  if (Math.abs(now - last) > moreMillis) return now
  return last > now ? undefined : last + moreMillis
}

/** Alerts joined a page that nobody has taken: whom it named is told, so that nobody takes it without having seen them. */
export async function oweMore(
  duties: Duties,
  tx: RecordsTransaction,
  page: PageRow,
  alertId: string,
): Promise<void> {
  const named = await namedBy(tx, page.id)
  // Nobody has heard of the page: its first word names these too.
  if (named.length === 0) return
  // In a storm alerts join within the second: the first word of another system comes before a second one of this.
  const last = (await lastMoreAt(tx, page.id, morePlace)) ?? Number(page.opened_at)
  const dueAt = moreDueAt(last, duties.clock.now())
  if (dueAt === undefined) return
  const place = `${morePlace}${alertId}`
  for (const { recipient_kind, recipient_id, name } of named) {
    const kind = recipient_kind === 'contact' ? 'contact' : 'person'
    const recipient = { kind, id: recipient_id, name } as const
    const key = `${page.id}/${place}/${kind}:${recipient_id}`
    await oweTelling(duties, tx, page, { key, kind: 'page', place, recipient }, dueAt)
  }
}
