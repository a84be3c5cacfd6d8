import type { Millis } from '../clock.ts'
import { uuid } from '../ids.ts'
import type { RecordsTransaction } from '../records/records.ts'
import type { PageAskRow, PageRow } from '../records/schema.ts'
import { groupKeyOfIncident } from './page.ts'
import { type Reading, readable } from './paging-store.ts'

/** What a page asks for besides its alerts, of a name; at most one of a name is open. */
export async function openAsk(tx: Reading, name: string): Promise<PageAskRow | undefined> {
  return readable(tx)
    .selectFrom('page_asks')
    .selectAll()
    .where('name', '=', name)
    .where('ended_at', 'is', null)
    .executeTakeFirst()
}

/** What a page asks for and is not over, the newest first. */
export async function openAsksOf(tx: Reading, pageId: string): Promise<PageAskRow[]> {
  return readable(tx)
    .selectFrom('page_asks')
    .selectAll()
    .where('page_id', '=', pageId)
    .where('ended_at', 'is', null)
    .orderBy('asked_at', 'desc')
    .orderBy('id', 'desc')
    .execute()
}

/** Writes that a page asks for something; gives the row's id. */
export async function insertAsk(
  tx: RecordsTransaction,
  ask: Pick<PageAskRow, 'page_id' | 'name' | 'incident_id' | 'title'>,
  now: Millis,
): Promise<string> {
  const id = uuid(now)
  await tx
    .insertInto('page_asks')
    .values({ id, ...ask, asked_at: now, ended_at: null })
    .execute()
  return id
}

export async function endAsk(tx: RecordsTransaction, id: string, at: Millis): Promise<void> {
  await tx.updateTable('page_asks').set({ ended_at: at }).where('id', '=', id).execute()
}

/** The pages of an incident that are not closed, the oldest first: its own, and those that an alert of it or another word of it keeps open. */
export async function openPagesOfIncident(tx: Reading, incidentId: string): Promise<PageRow[]> {
  return readable(tx)
    .selectFrom('pages')
    .selectAll()
    .where('state', 'in', ['open', 'acknowledged'])
    .where((is) =>
      is.or([
        is('group_key', '=', groupKeyOfIncident(incidentId)),
        is.exists(
          is
            .selectFrom('page_alerts')
            .innerJoin('incident_alerts', 'incident_alerts.alert_id', 'page_alerts.alert_id')
            .select('page_alerts.page_id')
            .whereRef('page_alerts.page_id', '=', 'pages.id')
            .where('page_alerts.resolved_at', 'is', null)
            .where('incident_alerts.incident_id', '=', incidentId),
        ),
        is.exists(
          is
            .selectFrom('page_asks')
            .select('page_asks.page_id')
            .whereRef('page_asks.page_id', '=', 'pages.id')
            .where('page_asks.ended_at', 'is', null)
            .where('page_asks.incident_id', '=', incidentId),
        ),
      ]),
    )
    .orderBy('number')
    .execute()
}
