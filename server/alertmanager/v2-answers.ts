import type { FastifyError, FastifyInstance } from 'fastify'
import type { CallwardError } from '../errors.ts'

/**
 * Errors under `/am` are a JSON text, as Alertmanager's API v2 has them: its clients read nothing else. The status is
 * that of the table of errors.
 */
export function answerInV2(
  app: FastifyInstance,
  shownError: (error: FastifyError) => CallwardError,
): void {
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const shown = shownError(error)
    if (shown.code === 'internal') request.log.error({ err: error }, 'request failed')
    if (shown.code === 'unauthorized')
      reply.header('WWW-Authenticate', 'Basic realm="callward", Bearer realm="callward"')
    return reply
      .code(shown.status)
      .type('application/json')
      .send(JSON.stringify(`${shown.message} (${shown.code}, request ${request.id})`))
  })
}
