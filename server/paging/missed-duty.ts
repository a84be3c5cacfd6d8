import type { ObligationKind } from '../obligations/plugin.ts'
import { alertViewOf } from '../records/alert-view.ts'
import type { Records } from '../records/records.ts'
import { groupKeyOf } from './page.ts'
import type { Pager } from './pager.ts'

/**
 * The page itself: an alert that fires, that routing says pages, and that nobody has taken has one. It is opened in the
 * transaction that says so, so nothing is ever owed here but what was lost. Without routing every critical alert pages.
 */
export function missedDuty(pager: Pager, routed: boolean): ObligationKind {
  return {
    kind: 'page',
    promise: 'every alert that pages, fires and was taken by nobody has an open page',
    concurrency: 1,
    attemptMillis: 1000,
    perform: async () => ({}),
    owed: (read) =>
      (read as Records['read'])
        .selectFrom('alerts')
        .select('alerts.id as subject')
        .where('alerts.state', '=', 'firing')
        .where((is) =>
          routed
            ? is.exists(
                is
                  .selectFrom('routing_alerts')
                  .select('routing_alerts.alert_id')
                  .whereRef('routing_alerts.alert_id', '=', 'alerts.id')
                  .where('routing_alerts.paged', '=', 1),
              )
            : is('alerts.severity', '=', 'critical'),
        )
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
      const alert = alertViewOf(row)
      await pager.tell(tx, { groupKey: groupKeyOf(alert, incident?.incident_id), alerts: [alert] })
      return true
    },
  }
}
