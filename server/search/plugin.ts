import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Static } from 'typebox'
import type { Millis } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type {} from '../knowledge/plugin.ts'
import type {} from '../people/plugin.ts'
import type {} from '../records/plugin.ts'
import { catchUp } from './catch-up.ts'
import { SearchDesk } from './desk.ts'
import { indexAnew, indexFact } from './index-fact.ts'
import { SearchAnswer, SearchQuery } from './schema.ts'

/** The index of incidents, for those who write their facts. */
export interface SearchIndex {
  /** See index-fact.ts. */
  readonly indexFact: typeof indexFact
  /** See index-fact.ts. */
  readonly indexAnew: typeof indexAnew
  /** Resolves when what the start found missing in the index is there. */
  caughtUp(): Promise<void>
}

declare module 'fastify' {
  interface FastifyInstance {
    searchIndex: SearchIndex
  }
}

/** Full-text search over incidents and runbooks. */
export const searchPlugin = fp(
  async (app) => {
    const caughtUp = catchUpAtStart(app)
    app.decorate('searchIndex', { indexFact, indexAnew, caughtUp })
    await app.register(searchRoutes)
  },
  {
    name: 'callward-search',
    dependencies: ['callward-records', 'callward-access', 'callward-knowledge'],
  },
)

/** In the background: a hub with many old incidents is of use before all of them are found. */
function catchUpAtStart(app: FastifyInstance): () => Promise<void> {
  let stopped = false
  let running = Promise.resolve()
  app.addHook('onReady', async () => {
    running = catchUp(app.records, () => stopped).then(
      (incidents) => {
        if (incidents > 0) app.log.info({ incidents }, 'incidents were added to the search index')
      },
      (err: unknown) => {
        if (!stopped)
          app.log.error(
            { err },
            'incidents are missing in the search index; the next start tries again',
          )
      },
    )
  })
  app.addHook('preClose', async () => {
    stopped = true
    await running
  })
  return () => running
}

const access = { owner: 'search', roles: ['admin', 'operator', 'auditor'] } as const

const searchRoutes: FastifyPluginAsyncTypebox = async (app) => {
  const desk = new SearchDesk(app.records.read, () => app.runbooks.list())

  app.get(
    '/api/v1/search',
    {
      config: { access },
      schema: { querystring: SearchQuery, response: { 200: SearchAnswer } },
    },
    async ({ query }) => {
      const { q, kind, service, cursor, limit } = query
      const answer = await desk.ask({
        text: q,
        kind,
        service,
        cursor,
        limit,
        from: timeOf('from', query.from),
        to: timeOf('to', query.to),
      })
      // The kinds' fields are told apart by `kind`.
      return answer as unknown as Static<typeof SearchAnswer>
    },
  )
}

function timeOf(name: string, text: string | undefined): Millis | undefined {
  if (text === undefined) return undefined
  const at = Date.parse(text.toUpperCase())
  if (Number.isNaN(at))
    throw new CallwardError(
      'bad_request',
      `${name}: there is no such time; example: 2026-03-01T08:00:00Z`,
    )
  return at
}
