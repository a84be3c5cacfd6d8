import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { CallwardError, type ErrorCode } from './errors.ts'

/** Every REST error in one shape: `{ error: { code, message, requestId, missing? } }`. */
export function answerErrors(app: FastifyInstance): void {
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const shown = shownError(error)
    if (shown.code === 'internal') request.log.error({ err: error }, 'request failed')
    return answer(request, reply, shown)
  })
  app.setNotFoundHandler((request, reply) =>
    answer(
      request,
      reply,
      new CallwardError(
        'not_found',
        `There is no ${request.method} ${pathOf(request)}. The API is described at /api/v1/openapi.json.`,
      ),
    ),
  )
}

function answer(request: FastifyRequest, reply: FastifyReply, error: CallwardError): FastifyReply {
  if (error.code === 'unauthorized') reply.header('WWW-Authenticate', 'Bearer realm="callward"')
  const { code, message, missing } = error
  return reply.code(error.status).send({ error: { code, message, requestId: request.id, missing } })
}

const ofStatus: Readonly<Record<number, ErrorCode>> = {
  400: 'bad_request',
  404: 'not_found',
  405: 'method_not_allowed',
  413: 'too_large',
  415: 'bad_request',
  429: 'too_many_requests',
}

/** What the caller may see of an error: ours, or Fastify's about the request; anything else is `internal`. */
export function shownError(error: Error & { statusCode?: number }): CallwardError {
  if (error instanceof CallwardError) return error
  if (error.name === 'RecordsError') return recordsError(error)
  const code = ofStatus[error.statusCode ?? 500]
  return code === undefined
    ? new CallwardError('internal')
    : new CallwardError(code, `${sentence(error.message)}`)
}

/** The records' own refusals, told apart by their code (server/records/records-error.ts). */
function recordsError(error: Error & { code?: string }): CallwardError {
  if (error.code === 'full' || error.code === 'readonly' || error.code === 'corrupt')
    return new CallwardError('storage_unavailable')
  if (error.code === 'busy')
    return new CallwardError('unavailable', 'The records are busy; try again shortly.')
  return new CallwardError('internal')
}

function sentence(text: string): string {
  const line = text.split('\n')[0] ?? ''
  return /[.!?]$/.test(line) ? line : `${line}.`
}

function pathOf(request: FastifyRequest): string {
  return (request.url.split('?')[0] ?? '').slice(0, 200)
}
