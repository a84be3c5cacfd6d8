import { type Kysely, sql } from 'kysely'
import { type Severity, severityOf } from '../../alerts/alert.ts'
import type { Message } from '../notify/plugin.ts'
import { alertViewOf } from '../records/alert-view.ts'
import type { PageRow, PageTellingRow, RecordsSchema } from '../records/schema.ts'
import { saysMore } from './more.ts'
import { titleOfMany } from './page.ts'
import type { Reading } from './paging-store.ts'

/** Alerts of a page that a message lists. */
const maxAlerts = 20

/** What is said of a page; the language is the contact point's. */
export async function messageOf(
  database: Reading,
  page: PageRow,
  telling: Pick<PageTellingRow, 'kind' | 'place'>,
  publicUrl: string,
): Promise<Message> {
  const rows = await (database as Kysely<RecordsSchema>)
    .selectFrom('alerts')
    .selectAll('alerts')
    .innerJoin('page_alerts', 'page_alerts.alert_id', 'alerts.id')
    .where('page_alerts.page_id', '=', page.id)
    .orderBy(sql`case when page_alerts.resolved_at is null then 0 else 1 end`)
    .orderBy('page_alerts.joined_at', 'desc')
    .orderBy(sql`case alerts.severity when 'critical' then 0 when 'warning' then 1 else 2 end`)
    .orderBy('alerts.active_at')
    .limit(maxAlerts)
    .execute()
  const alerts = rows.flatMap((row) => {
    try {
      return [alertViewOf(row)]
    } catch {
      return [] // the page's own title is said all the same
    }
  })
  const first = alerts[0]
  const label = (name: string) => first?.labels[name]
  const step = /\.s(\d+)$/.exec(telling.place)?.[1]
  const over = telling.kind === 'resolved' || telling.kind === 'notice-over'
  const escalated = telling.kind === 'page' && telling.place !== 'g0.r0.s0' && !saysMore(telling)
  const now = telling.kind === 'page' ? await standing(database, page) : undefined
  return {
    kind: over ? 'resolved' : escalated ? 'escalated' : 'firing',
    title: now?.joined && first !== undefined ? titleOfMany(first, now.alerts) : page.title,
    severity: now?.worst ?? first?.severity ?? 'critical',
    ...given('description', first?.annotations['description']),
    ...given('impact', first?.annotations['callward_impact']),
    ...given('server', label('server') ?? first?.instance),
    ...given('site', label('site')),
    ...given('customer', label('customer')),
    startedAt: first?.activeAt ?? Number(page.opened_at),
    ...(over && page.closed_at !== null ? { endedAt: Number(page.closed_at) } : {}),
    further: over || saysMore(telling) || telling.place === 'reminder',
    ...(step === undefined ? {} : { step: Number(step) + 1 }),
    alerts: alerts.map((alert) => ({
      title: alert.annotations['summary'] ?? alert.rule,
      severity: alert.severity,
      startedAt: alert.activeAt,
      ...given('server', alert.labels['server'] ?? alert.instance),
    })),
    url: `${publicUrl}/pages/${page.number}`,
    ...(first === undefined ? {} : { runbookUrl: `${publicUrl}/runbooks/${first.rule}` }),
  }
}

/** What of a page is not over: how many alerts, how bad, and whether some joined it later. */
async function standing(database: Reading, page: PageRow) {
  const rows = await (database as Kysely<RecordsSchema>)
    .selectFrom('page_alerts')
    .innerJoin('alerts', 'alerts.id', 'page_alerts.alert_id')
    .select((is) => [
      'alerts.severity',
      is.fn.countAll<number>().as('count'),
      is.fn.max('page_alerts.joined_at').as('joined_at'),
    ])
    .where('page_alerts.page_id', '=', page.id)
    .where('page_alerts.resolved_at', 'is', null)
    .groupBy('alerts.severity')
    .execute()
  return {
    alerts: rows.reduce((sum, { count }) => sum + Number(count), 0),
    worst: worstOf(rows.map(({ severity }) => severityOf({ severity }))),
    joined: rows.some(({ joined_at }) => Number(joined_at) > Number(page.opened_at)),
  }
}

function worstOf(severities: readonly Severity[]): Severity | undefined {
  return (['critical', 'warning', 'info'] as const).find((one) => severities.includes(one))
}

function given<K extends string>(key: K, text: string | undefined): { [P in K]?: string } {
  return text === undefined ? {} : ({ [key]: text } as { [P in K]: string })
}
