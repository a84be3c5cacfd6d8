import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { rfc3339 } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type { Principal } from '../people/plugin.ts'
import type { PageRow } from '../records/schema.ts'
import type {} from '../routing/plugin.ts'
import { findPage, historyOf, pageOf } from './paging-store.ts'
import { PageDetail, PageList, PageParams, PageQuery, WhyParams, WhyView } from './schema.ts'
import { targetNames } from './target-names.ts'
import { pageDetail, pageView } from './views.ts'
import { whyOf } from './why.ts'

const readers = { owner: 'paging', roles: ['admin', 'operator', 'auditor'] } as const
const takers = { owner: 'paging', roles: ['admin', 'operator'] } as const

export interface PageRoutesOptions {
  /** Acknowledges one alert; throws not_found when it is not active any more. */
  readonly acknowledge: (fingerprint: string, by: Principal) => Promise<void>
  /** Acknowledges the page itself, where an older acknowledgement of its alerts has become too old. */
  readonly take: (pageId: string, by: Principal) => Promise<void>
}

/** Pages, and why each person was or was not told. */
export const pageRoutes: FastifyPluginAsyncTypebox<PageRoutesOptions> = async (
  app,
  { acknowledge, take },
) => {
  const db = app.records.read
  const detail = detailReader(app)

  app.get(
    '/api/v1/pages',
    {
      config: { access: readers },
      schema: { querystring: PageQuery, response: { 200: PageList } },
    },
    async (request) => {
      const { state, before, limit } = request.query
      let query = db.selectFrom('pages').selectAll().orderBy('number', 'desc').limit(limit)
      if (state === 'open') query = query.where('state', '<>', 'closed')
      if (before !== undefined) query = query.where('number', '<', before)
      const rows = await query.execute()
      const next = rows.length < limit ? null : Number(rows.at(-1)!.number)
      return { pages: rows.map(pageView), next }
    },
  )

  app.get(
    '/api/v1/pages/:id',
    {
      config: { access: readers },
      schema: { params: PageParams, response: { 200: PageDetail } },
    },
    async (request) => ({ page: await detail(await findPage(db, request.params.id)) }),
  )

  app.post(
    '/api/v1/pages/:id/acknowledge',
    {
      config: { access: takers },
      schema: { params: PageParams, response: { 200: PageDetail } },
    },
    async (request) => {
      const page = await findPage(db, request.params.id)
      if (page.state === 'closed')
        throw new CallwardError(
          'conflict',
          `Page ${page.number} is closed: what it was about is over.`,
        )
      const alerts = await db
        .selectFrom('alerts')
        .select('fingerprint')
        .innerJoin('page_alerts', 'page_alerts.alert_id', 'alerts.id')
        .where('page_alerts.page_id', '=', page.id)
        .where('alerts.state', '=', 'firing')
        .where('alerts.acknowledged_at', 'is', null)
        .execute()
      const by = request.principal as Principal
      await take(page.id, by)
      for (const { fingerprint } of alerts)
        await acknowledge(fingerprint, by).catch((err: unknown) => {
          // The page is taken; an alert that has just resolved needs nobody.
          request.log.warn({ err, fingerprint }, 'an alert of a taken page was not acknowledged')
        })
      return { page: await detail(await findPage(db, page.id)) }
    },
  )
  await app.register(whyRoutes)
}

/** Why people were or were not told of one alert. */
const whyRoutes: FastifyPluginAsyncTypebox = async (app) => {
  const db = app.records.read
  const detail = detailReader(app)
  app.get(
    '/api/v1/why/:alert',
    {
      config: { access: readers },
      schema: { params: WhyParams, response: { 200: WhyView } },
    },
    async (request) => {
      const { alert: name } = request.params
      const alert = await db
        .selectFrom('alerts')
        .selectAll()
        .where((is) => is.or([is('id', '=', name), is('fingerprint', '=', name)]))
        .orderBy('active_at', 'desc')
        .limit(1)
        .executeTakeFirst()
      if (alert === undefined)
        throw new CallwardError(
          'not_found',
          `There is no alert ${name}; give its id or fingerprint, see GET /api/v1/alerts?state=all.`,
        )
      const rows = await db
        .selectFrom('pages')
        .selectAll('pages')
        .innerJoin('page_alerts', 'page_alerts.page_id', 'pages.id')
        .where('page_alerts.alert_id', '=', alert.id)
        .orderBy('pages.number')
        .limit(50)
        .execute()
      const pages = await Promise.all(rows.map(detail))
      const { id, rule, severity, state } = alert
      // Routing registers after paging, which it calls.
      const history = await app.alertRouting.notTold(id)
      const now = app.alertRouting.why(alert.fingerprint, id)
      return {
        alert: { id, rule, severity, state },
        answer: whyOf(alert, pages, now ?? history),
        pages,
        notTold: history.map(({ at, until, ...one }) => ({
          ...one,
          at: rfc3339(at),
          until: until === null ? null : rfc3339(until),
        })),
      }
    },
  )
}

function detailReader({ records, notify }: FastifyInstance) {
  const db = records.read
  return async (row: PageRow) => {
    const nameOf = await targetNames(db, notify, pageOf(row).policy)
    return pageDetail(row, await historyOf(db, row.id), nameOf)
  }
}
