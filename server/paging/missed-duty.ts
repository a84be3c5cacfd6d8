import type { ObligationKind } from '../obligations/plugin.ts'
import type { Records } from '../records/records.ts'
import { alertOf } from './alert-row.ts'
import type { Pager } from './pager.ts'

/**
 * The page itself: whoever fires, is critical and taken by nobody has one. It is opened with the alert, in the same
 * transaction, so nothing is ever owed here but what was lost.
 */
export function missedDuty(pager: Pager): ObligationKind {
  return {
    kind: 'page',
    promise: 'every critical alert that fires and that nobody has taken has an open page',
    concurrency: 1,
    attemptMillis: 1000,
    perform: async () => ({}),
    owed: (read) =>
      (read as Records['read'])
        .selectFrom('alerts')
        .select('alerts.id as subject')
        .where('alerts.state', '=', 'firing')
        .where('alerts.severity', '=', 'critical')
        .where('alerts.acknowledged_at', 'is', null)
        .where((is) =>
          is.not(
            is.exists(
              is
                .selectFrom('page_alerts')
                .select('page_alerts.page_id')
                .innerJoin('pages', 'pages.id', 'page_alerts.page_id')
                .where('pages.state', '<>', 'closed')
                .whereRef('page_alerts.alert_id', '=', 'alerts.id'),
            ),
          ),
        ),
    async mend(tx, subject) {
      const row = await tx
        .selectFrom('alerts')
        .selectAll()
        .where('id', '=', subject)
        .executeTakeFirst()
      if (row === undefined || row.state !== 'firing') return false
      const incident = await tx
        .selectFrom('incident_alerts')
        .select('incident_id')
        .where('alert_id', '=', subject)
        .executeTakeFirst()
      await pager.fired(tx, alertOf(row), incident?.incident_id)
      return true
    },
  }
}
