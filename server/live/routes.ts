import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { type Clock, rfc3339 } from '../clock.ts'
import { recentPages } from './receipt-store.ts'

/** Connections and pages a list shows at most. */
const listLimit = 1000
const pageLimit = 100
/** A page older than this is not put on a fresh screen any more. */
const pageMillis = 24 * 3600 * 1000

const Listeners = Type.Object({
  people: Type.Integer({ description: 'People with one open connection at least.' }),
  connections: Type.Integer(),
  listeners: Type.Array(
    Type.Object({
      name: Type.String(),
      openedAt: Type.String(),
      sent: Type.Integer(),
      received: Type.Integer(),
    }),
    { maxItems: listLimit },
  ),
})

const WaitingPages = Type.Object({
  messages: Type.Array(
    Type.Object({
      sequence: Type.Integer(),
      at: Type.String(),
      kind: Type.Literal('page'),
      body: Type.Unknown(),
    }),
    { maxItems: pageLimit },
  ),
})

const access = { owner: 'live', roles: ['admin', 'operator', 'auditor'] } as const

/** Who follows, and which pages wait for a screen of whoever asks. */
export const liveRoutes: FastifyPluginAsyncTypebox<{ readonly clock: Clock }> = async (
  app,
  { clock },
) => {
  app.get(
    '/api/v1/live/listeners',
    { config: { access }, schema: { response: { 200: Listeners } } },
    async () => {
      const open = app.live.listeners()
      return {
        people: new Set(open.map(({ principalId }) => principalId)).size,
        connections: open.length,
        listeners: open.slice(0, listLimit).map(({ name, openedAt, sent, received }) => ({
          name,
          openedAt: rfc3339(openedAt),
          sent,
          received,
        })),
      }
    },
  )

  app.get(
    '/api/v1/live/pages',
    { config: { access }, schema: { response: { 200: WaitingPages } } },
    async (request) => {
      const since = clock.now() - pageMillis
      const waiting = await recentPages(app.records, request.principal?.id ?? '', since, pageLimit)
      return {
        messages: waiting.map(({ sequence, at, body }) => ({
          sequence,
          at: rfc3339(at),
          kind: 'page' as const,
          body: JSON.parse(body) as unknown,
        })),
      }
    },
  )
}
