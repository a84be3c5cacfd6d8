import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { type Clock, rfc3339 } from '../clock.ts'
import type { Principal } from '../people/plugin.ts'
import { channels } from './channels/all.ts'
import type { ContactDesk } from './contact-desk.ts'
import { fieldsOf } from './contact-point.ts'
import type { ContactStore } from './contact-store.ts'
import type { NotifyLog } from './log-store.ts'
import type { Outcome } from './outcome.ts'
import {
  AttemptList,
  AttemptQuery,
  ChannelList,
  ContactPointAnswer,
  ContactPointChange,
  ContactPointList,
  ContactPointRequest,
  IdParams,
  OutcomeView,
} from './schema.ts'

const readers = { owner: 'notify', roles: ['admin', 'operator', 'auditor'] } as const
const writers = { owner: 'notify', roles: ['admin', 'operator'] } as const
const bodyLimit = 64 * 1024

/** Contact points: list, make, change, remove. */
export const contactPointRoutes: FastifyPluginAsyncTypebox<{
  readonly desk: ContactDesk
  readonly store: ContactStore
}> = async (app, { desk, store }) => {
  app.get(
    '/api/v1/contact-points',
    { config: { access: readers }, schema: { response: { 200: ContactPointList } } },
    async (request) => ({ contactPoints: await desk.list(request.principal as Principal) }),
  )

  app.get(
    '/api/v1/contact-points/channels',
    { config: { access: readers }, schema: { response: { 200: ChannelList } } },
    async () => ({
      channels: channels.map((channel) => ({
        name: channel.name,
        personal: [...channel.personal],
        lends: channel.personal.length > 0 && store.lender(channel.name) !== undefined,
        fields: fieldsOf(channel).map((field) => ({ ...field, choices: [...field.choices] })),
      })),
    }),
  )

  app.post(
    '/api/v1/contact-points',
    {
      config: { access: writers },
      bodyLimit,
      schema: { body: ContactPointRequest, response: { 201: ContactPointAnswer } },
    },
    async (request, reply) => {
      const contactPoint = await desk.create(request.body, request.principal as Principal)
      return reply.code(201).send({ contactPoint })
    },
  )

  app.post(
    '/api/v1/contact-points/:id',
    {
      config: { access: writers },
      bodyLimit,
      schema: { params: IdParams, body: ContactPointChange, response: { 200: ContactPointAnswer } },
    },
    async (request) => ({
      contactPoint: await desk.change(
        request.params.id,
        request.body,
        request.principal as Principal,
      ),
    }),
  )

  app.delete(
    '/api/v1/contact-points/:id',
    { config: { access: writers }, schema: { params: IdParams } },
    async (request, reply) => {
      await desk.remove(request.params.id, request.principal as Principal)
      return reply.code(204).send()
    },
  )
}

/** The test of a contact point, and what was tried. */
export const attemptRoutes: FastifyPluginAsyncTypebox<{
  readonly desk: ContactDesk
  readonly store: ContactStore
  readonly log: NotifyLog
  readonly clock: Clock
  test(id: string): Promise<Outcome>
}> = async (app, { desk, store, log, clock, test }) => {
  app.post(
    '/api/v1/contact-points/:id/test',
    {
      config: { access: writers, rateLimit: { max: 20, timeWindow: 60_000 } },
      schema: { params: IdParams, response: { 200: OutcomeView } },
    },
    async (request) => {
      const { point } = desk.mine(request.params.id, request.principal as Principal)
      const { outcome, reason, retryAfterMillis, providerReference } = await test(point.id)
      await store.tested(point.id, outcome, reason, clock.now())
      return {
        ...{ outcome, reason },
        retryAfterSeconds: retryAfterMillis === undefined ? null : retryAfterMillis / 1000,
        providerReference: providerReference ?? null,
      }
    },
  )

  app.get(
    '/api/v1/notify/attempts',
    {
      config: { access: readers },
      schema: { querystring: AttemptQuery, response: { 200: AttemptList } },
    },
    async (request) => {
      const { contactPoint, key, limit = 100 } = request.query
      desk.mayReadAttempts(contactPoint, request.principal as Principal)
      const rows = await log.list({ contactPointId: contactPoint, key, limit })
      return {
        attempts: rows.map((row) => ({
          at: rfc3339(row.at),
          contactPoint: row.contact_point_id,
          channel: row.channel,
          kind: row.kind,
          key: row.key,
          outcome: row.outcome,
          reason: row.reason,
          providerReference: row.provider_reference,
          durationSeconds: row.duration_millis / 1000,
        })),
      }
    },
  )
}
