import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { rfc3339 } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type { FactsStore } from './facts-store.ts'
import { DocumentParams, DocumentQuery, DocumentView } from './schema.ts'

const access = { owner: 'inventory', roles: ['admin', 'operator', 'auditor'] } as const

/** A host's facts documents as they were at any time. */
export const documentRoutes: FastifyPluginAsyncTypebox<{ facts: FactsStore }> = async (
  app,
  { facts },
) => {
  app.get(
    '/api/v1/hosts/:instance/facts/:name',
    {
      config: { access },
      schema: {
        params: DocumentParams,
        querystring: DocumentQuery,
        response: { 200: DocumentView },
      },
    },
    async (request) => {
      const { instance, name } = request.params
      const at = request.query.at === undefined ? undefined : Date.parse(request.query.at)
      if (Number.isNaN(at))
        throw new CallwardError(
          'bad_request',
          `at: there is no such time as "${request.query.at}".`,
        )
      const found = await facts.at(instance, name, at)
      if (found === undefined) {
        const then = request.query.at === undefined ? '' : ` at ${request.query.at}`
        throw new CallwardError(
          'not_found',
          `There is no document "${name}" of "${instance}"${then}.`,
        )
      }
      const { hash, receivedAt, text } = found
      return {
        instance,
        name,
        hash,
        receivedAt: rfc3339(receivedAt),
        document: JSON.parse(text) as unknown,
      }
    },
  )
}
