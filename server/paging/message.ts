import type { Message } from '../notify/plugin.ts'
import type { PageRow, PageTellingRow } from '../records/schema.ts'
import { alertOf } from './alert-row.ts'
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
  const rows = await (
    database as import('kysely').Kysely<import('../records/schema.ts').RecordsSchema>
  )
    .selectFrom('alerts')
    .selectAll('alerts')
    .innerJoin('page_alerts', 'page_alerts.alert_id', 'alerts.id')
    .where('page_alerts.page_id', '=', page.id)
    .orderBy('page_alerts.joined_at')
    .limit(maxAlerts)
    .execute()
  const alerts = rows.flatMap((row) => {
    try {
      return [alertOf(row)]
    } catch {
      return [] // the page's own title is said all the same
    }
  })
  const first = alerts[0]
  const label = (name: string) => first?.labels[name]
  const step = /\.s(\d+)$/.exec(telling.place)?.[1]
  const over = telling.kind === 'resolved' || telling.kind === 'notice-over'
  const escalated = telling.kind === 'page' && telling.place !== 'g0.r0.s0'
  return {
    kind: over ? 'resolved' : escalated ? 'escalated' : 'firing',
    title: page.title,
    severity: first?.severity ?? 'critical',
    ...given('description', first?.annotations['description']),
    ...given('impact', first?.annotations['callward_impact']),
    ...given('server', label('server') ?? first?.instance),
    ...given('site', label('site')),
    ...given('customer', label('customer')),
    startedAt: first?.activeAt ?? Number(page.opened_at),
    ...(over && page.closed_at !== null ? { endedAt: Number(page.closed_at) } : {}),
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

function given<K extends string>(key: K, text: string | undefined): { [P in K]?: string } {
  return text === undefined ? {} : ({ [key]: text } as { [P in K]: string })
}
