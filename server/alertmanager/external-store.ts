import type { Labels } from '../../alerts/alert.ts'
import type { Millis } from '../clock.ts'
import type { Records, RecordsTransaction } from '../records/records.ts'
import type { ExternalAlertRow } from '../records/schema.ts'

/** Writes until when alerts last; a repeat has no second effect. */
export async function saveExternal(
  tx: RecordsTransaction,
  rows: readonly ExternalAlertRow[],
): Promise<void> {
  for (let from = 0; from < rows.length; from += 100)
    await tx
      .insertInto('external_alerts')
      .values(rows.slice(from, from + 100))
      .onConflict((conflict) =>
        conflict.column('alert_id').doUpdateSet((is) => ({
          ends_at: is.ref('excluded.ends_at'),
          explicit: is.ref('excluded.explicit'),
          generator_url: is.ref('excluded.generator_url'),
        })),
      )
      .execute()
}

/** Forgets alerts that are over. */
export async function dropExternal(tx: RecordsTransaction, ids: readonly string[]): Promise<void> {
  for (let from = 0; from < ids.length; from += 500)
    await tx
      .deleteFrom('external_alerts')
      .where('alert_id', 'in', ids.slice(from, from + 500))
      .execute()
}

/** Until when the active ones last, by id of the alert. */
export async function loadExternal(
  records: Records,
): Promise<ReadonlyMap<string, ExternalAlertRow>> {
  await records.write((tx) =>
    tx
      .deleteFrom('external_alerts')
      .where('alert_id', 'in', (is) =>
        is.selectFrom('alerts').select('id').where('state', '=', 'resolved'),
      )
      .execute(),
  )
  const rows = await records.read.selectFrom('external_alerts').selectAll().execute()
  return new Map(
    rows.map((row) => [
      row.alert_id,
      { ...row, ends_at: Number(row.ends_at), explicit: Number(row.explicit) },
    ]),
  )
}

/** Label sets of the newest posted alerts that ended since then and that are no active alert's, `most` at most. */
export async function loadEnded(
  records: Records,
  group: string,
  since: Millis,
  most: number,
): Promise<readonly Labels[]> {
  const rows = await records.read
    .selectFrom('alerts as ended')
    .select('labels')
    .where('rule_group', '=', group)
    .where('state', '=', 'resolved')
    .where('resolved_at', '>=', since)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('alerts as other')
            .select('other.id')
            .whereRef('other.fingerprint', '=', 'ended.fingerprint')
            .where('other.state', '!=', 'resolved'),
        ),
      ),
    )
    .orderBy('resolved_at', 'desc')
    .limit(most)
    .execute()
  return rows.map(({ labels }) => JSON.parse(labels) as Labels)
}
