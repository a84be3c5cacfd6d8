import { sql } from 'kysely'
import { type AlertView, type Severity, severityOf } from '../../alerts/alert.ts'
import type { Message, MessageAlert } from '../notify/plugin.ts'
import { alertViewOf } from '../records/alert-view.ts'
import type { PageAskRow, PageRow, PageTellingRow } from '../records/schema.ts'
import { openAsksOf } from './ask-store.ts'
import { saysMore } from './more.ts'
import { andMore, titleOfMany } from './page.ts'
import { type Reading, readable } from './paging-store.ts'

/** Alerts of a page that a message lists. */
const maxAlerts = 20

/** What is said of a page; the language is the contact point's. What came to it last gives the title. */
export async function messageOf(
  database: Reading,
  page: PageRow,
  telling: Pick<PageTellingRow, 'kind' | 'place'>,
  publicUrl: string,
): Promise<Message> {
  const alerts = await alertsOf(database, page)
  const first = alerts[0]
  const label = (name: string) => first?.labels[name]
  const step = /\.s(\d+)$/.exec(telling.place)?.[1]
  const over = telling.kind === 'resolved' || telling.kind === 'notice-over'
  const escalated = telling.kind === 'page' && telling.place !== 'g0.r0.s0' && !saysMore(telling)
  const now = telling.kind === 'page' ? await standing(database, page) : undefined
  const title =
    now !== undefined && (now.joined || now.asks.length > 0) ? titleNow(now, first) : undefined
  return {
    kind: over ? 'resolved' : escalated ? 'escalated' : 'firing',
    title: title ?? page.title,
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
    alerts: [...(now?.asks ?? []).map(askLine), ...alerts.map(alertLine)],
    url: `${publicUrl}/pages/${page.number}`,
    ...(first === undefined ? {} : { runbookUrl: `${publicUrl}/runbooks/${first.rule}` }),
  }
}

/** Alerts of a page: those that are not over first, of them the newest. */
async function alertsOf(database: Reading, page: PageRow): Promise<AlertView[]> {
  const rows = await readable(database)
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
  return rows.flatMap((row) => {
    try {
      return [alertViewOf(row)]
    } catch {
      return [] // the page's own title is said all the same
    }
  })
}

function alertLine(alert: AlertView): MessageAlert {
  return {
    title: alert.annotations['summary'] ?? alert.rule,
    severity: alert.severity,
    startedAt: alert.activeAt,
    ...given('server', alert.labels['server'] ?? alert.instance),
  }
}

function askLine({ title, asked_at }: PageAskRow): MessageAlert {
  return { title, severity: 'critical', startedAt: Number(asked_at) }
}

/** What came last, and how much there is with it; undefined: nothing is open, or the alert cannot be read. */
function titleNow(now: Standing, first: AlertView | undefined): string | undefined {
  const [ask] = now.asks
  const open = now.alerts + now.asks.length
  if (ask !== undefined && Number(ask.asked_at) >= now.alertJoinedAt)
    return andMore(ask.title, open)
  return first === undefined ? ask?.title : titleOfMany(first, open)
}

interface Standing {
  /** How many are not over. */
  readonly alerts: number
  /** When the last of these joined; 0: none is open. */
  readonly alertJoinedAt: number
  /** The newest first. */
  readonly asks: readonly PageAskRow[]
  readonly worst: Severity | undefined
  /** Whether something that is open came after the page was opened. */
  readonly joined: boolean
}

/** What of a page is not over. */
async function standing(database: Reading, page: PageRow): Promise<Standing> {
  const rows = await readable(database)
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
  const asks = await openAsksOf(database, page.id)
  const alertJoinedAt = Math.max(0, ...rows.map(({ joined_at }) => Number(joined_at)))
  const askedAt = Math.max(0, ...asks.map(({ asked_at }) => Number(asked_at)))
  const severities = rows.map(({ severity }) => severityOf({ severity }))
  return {
    alerts: rows.reduce((sum, { count }) => sum + Number(count), 0),
    ...{ alertJoinedAt, asks },
    worst: worstOf(asks.length > 0 ? [...severities, 'critical'] : severities),
    joined: Math.max(alertJoinedAt, askedAt) > Number(page.opened_at),
  }
}

function worstOf(severities: readonly Severity[]): Severity | undefined {
  return (['critical', 'warning', 'info'] as const).find((one) => severities.includes(one))
}

function given<K extends string>(key: K, text: string | undefined): { [P in K]?: string } {
  return text === undefined ? {} : ({ [key]: text } as { [P in K]: string })
}
