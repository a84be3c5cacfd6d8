import type { AlertView, Severity } from '../../alerts/alert.ts'
import type { AlertRow as RoutedAlert } from '../../alerts/pipeline-state.ts'
import { alertViewOf } from '../records/alert-view.ts'
import type { RecordsTransaction } from '../records/records.ts'
import type { Duties } from './escalation-duty.ts'
import { Pager } from './pager.ts'
import { addStep, findPage, pageOf, readable } from './paging-store.ts'
import { reachedSomebody } from './telling-store.ts'

/**
 * A notice that seems to reach nobody: its critical alerts that still fire page as if routing
 * had said nothing of whom, one page for all that this receiver misses. Those that a page has, or that routing holds
 * back, do not.
 */
export async function pageTheUnheard(
  duties: Duties,
  tx: RecordsTransaction,
  noticeId: string,
): Promise<void> {
  if (await reachedSomebody(tx, noticeId)) return
  const alerts = await unheardAlerts(tx, noticeId)
  if (alerts.length === 0) return
  const notice = await findPage(tx, noticeId)
  const from = pageOf(notice).policy.name
  const page = await new Pager(duties).tell(tx, { groupKey: `unheard:${from}`, alerts })
  if (page === undefined) return
  await addStep(duties.ports, tx, noticeId, duties.clock.now(), 'reached nobody', {
    ...{ from, alerts: alerts.length },
    page: Number(page.number),
  })
  duties.ports.unheard?.(from, Number(page.number), alerts.length)
}

/** Critical alerts of a notice that fire, that nothing holds back and that no page has. */
async function unheardAlerts(tx: RecordsTransaction, noticeId: string): Promise<AlertView[]> {
  const rows = await readable(tx)
    .selectFrom('page_alerts')
    .innerJoin('alerts', 'alerts.id', 'page_alerts.alert_id')
    .leftJoin('routing_alerts', 'routing_alerts.alert_id', 'alerts.id')
    .selectAll('alerts')
    .select(['routing_alerts.held', 'routing_alerts.body'])
    .where('page_alerts.page_id', '=', noticeId)
    .where('alerts.state', '=', 'firing')
    .where((is) =>
      is.not(
        is.exists(
          is
            .selectFrom('page_alerts as other')
            .innerJoin('pages', 'pages.id', 'other.page_id')
            .select('pages.id')
            .whereRef('other.alert_id', '=', 'alerts.id')
            .where('pages.state', '<>', 'closed'),
        ),
      ),
    )
    .orderBy('alerts.active_at')
    .execute()
  return rows.flatMap(({ held, body, ...row }) => {
    const alert = alertViewOf(row)
    const severity = severityNow(body) ?? alert.severity
    return Number(held ?? 0) === 1 || severity !== 'critical' ? [] : [{ ...alert, severity }]
  })
}

/** As tiers and calendars have it. */
function severityNow(body: string | null): Severity | undefined {
  try {
    return body === null ? undefined : (JSON.parse(body) as RoutedAlert).severity
  } catch {
    return undefined
  }
}
