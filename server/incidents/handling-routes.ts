import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { incidentIdOf } from '../incident-id.ts'
import type { Principal } from '../people/plugin.ts'
import { detail } from './routes.ts'
import { AcknowledgeBody, IncidentDetail, IncidentParams, TextBody } from './schema.ts'
import { FactsBody, RecordBody, StepBody } from './workflow-schema.ts'

const access = { owner: 'incidents', roles: ['admin', 'operator'] } as const
const answers = { response: { 200: IncidentDetail } }

/** What people do with incidents; each answers with the whole record. */
export const handlingRoutes: FastifyPluginAsyncTypebox = async (app) => {
  const db = app.records.read
  const { incidents } = app

  app.post(
    '/api/v1/incidents',
    { config: { access }, schema: { body: RecordBody, response: { 201: IncidentDetail } } },
    async (request, reply) => {
      const id = await incidents.record(request.principal as Principal, request.body)
      reply.code(201)
      return detail(db, id)
    },
  )

  app.post(
    '/api/v1/incidents/:id/acknowledge',
    { config: { access }, schema: { params: IncidentParams, body: AcknowledgeBody, ...answers } },
    async (request) => {
      const id = await incidentIdOf(db, request.params.id)
      await incidents.acknowledge(id, request.principal as Principal, request.body.note)
      return detail(db, id)
    },
  )

  app.post(
    '/api/v1/incidents/:id/notes',
    { config: { access }, schema: { params: IncidentParams, body: TextBody, ...answers } },
    async (request) => {
      const id = await incidentIdOf(db, request.params.id)
      const { text, key } = request.body
      const facts = [{ kind: 'note', value: { text } }]
      await incidents.add(id, request.principal as Principal, { facts, key })
      return detail(db, id)
    },
  )

  app.post(
    '/api/v1/incidents/:id/facts',
    { config: { access }, schema: { params: IncidentParams, body: FactsBody, ...answers } },
    async (request) => {
      const id = await incidentIdOf(db, request.params.id)
      await incidents.add(id, request.principal as Principal, request.body)
      return detail(db, id)
    },
  )

  app.post(
    '/api/v1/incidents/:id/steps',
    { config: { access }, schema: { params: IncidentParams, body: StepBody, ...answers } },
    async (request) => {
      const id = await incidentIdOf(db, request.params.id)
      await incidents.step(id, request.principal as Principal, request.body)
      return detail(db, id)
    },
  )
}
