import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Answer, QueryOptions } from '../engine.ts'
import { QueryFailure } from '../failure.ts'
import { printExpr } from '../syntax/print.ts'
import type { ApiContext } from './context.ts'
import { entriesOf, envelope, gathered, queryText, truncated } from './encode.ts'
import {
  durationParameter,
  first,
  invalid,
  limitParameter,
  type Parameters,
  readParameters,
  timeParameter,
} from './parameters.ts'

/** Points from which an answer is sent in pieces instead of one string. */
const streamedPoints = 100_000

/** What every route of the API says of itself; `methods` sharing a URL share it. */
export function routeOptions(summary: string) {
  const roles = ['admin', 'operator', 'auditor', 'grafana'] as const
  return { config: { access: { owner: 'promql', roles } }, schema: { summary } }
}

/** The parameters of a request, whether they came in the URL or as a form. */
export function parametersOf(request: FastifyRequest): Parameters {
  return readParameters(request.body, request.query)
}

function pointsOf({ value }: Answer): number {
  if (value.kind !== 'matrix') return 0
  return value.series.reduce((count, { times }) => count + times.length, 0)
}

function send(reply: FastifyReply, answer: Answer, limit: number): FastifyReply {
  const cut = limit > 0 && entriesOf(answer.value) > limit
  const value = cut ? truncated(answer.value, limit) : answer.value
  const warnings = cut ? [...answer.warnings, 'results truncated due to limit'] : answer.warnings
  const pieces = gathered(queryText(value, { warnings, infos: answer.infos }))
  reply.type('application/json')
  if (pointsOf(answer) < streamedPoints) return reply.send([...pieces].join(''))
  return reply.send(Readable.from(pieces, { objectMode: false }))
}

/** A signal that aborts when the asker goes away before the answer is sent. */
function abortOnClose(reply: FastifyReply): AbortSignal {
  const controller = new AbortController()
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) controller.abort()
  })
  return controller.signal
}

function queryOptions(parameters: Parameters, signal: AbortSignal): QueryOptions {
  const timeout = durationParameter(parameters, 'timeout')
  const lookback = durationParameter(parameters, 'lookback_delta')
  return {
    signal,
    ...(timeout === undefined ? {} : { timeoutMilliseconds: timeout }),
    ...(lookback === undefined || lookback <= 0 ? {} : { lookbackMilliseconds: lookback }),
  }
}

/** Faults in the query's text are faults of the parameter `query`. */
function asParameterFault(cause: unknown): unknown {
  if (!(cause instanceof QueryFailure) || cause.kind !== 'bad_data') return cause
  if (cause.message.startsWith('exceeded maximum resolution')) return cause
  return cause.message.startsWith('invalid parameter') ? cause : invalid('query', cause.message)
}

function answerInstant({ engine, gate, clock }: ApiContext) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const parameters = parametersOf(request)
    const limit = limitParameter(parameters)
    const time = timeParameter(parameters, 'time', clock.now())
    const signal = abortOnClose(reply)
    const options = queryOptions(parameters, signal)
    try {
      const query = first(parameters, 'query')
      const answer = await gate.run(signal, () => engine.instant(query, time, options))
      return send(reply, answer, limit)
    } catch (cause) {
      throw asParameterFault(cause)
    }
  }
}

function rangeOf(parameters: Parameters): { start: number; end: number; step: number } {
  const start = timeParameter(parameters, 'start')
  const end = timeParameter(parameters, 'end')
  if (end < start) throw invalid('end', 'end timestamp must not be before start time')
  const step = durationParameter(parameters, 'step')
  if (step === undefined) throw invalid('step', 'cannot parse "" to a valid duration')
  if (step <= 0) {
    throw invalid(
      'step',
      'zero or negative query resolution step widths are not accepted. Try a positive integer',
    )
  }
  return { start, end, step: Math.max(1, Math.trunc(step)) }
}

function answerRange({ engine, gate }: ApiContext) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const parameters = parametersOf(request)
    const limit = limitParameter(parameters)
    const { start, end, step } = rangeOf(parameters)
    const signal = abortOnClose(reply)
    const options = queryOptions(parameters, signal)
    try {
      const query = first(parameters, 'query')
      const answer = await gate.run(signal, () => engine.range(query, start, end, step, options))
      return send(reply, answer, limit)
    } catch (cause) {
      throw asParameterFault(cause)
    }
  }
}

function answerFormat({ engine }: ApiContext) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    try {
      const expr = engine.parse(first(parametersOf(request), 'query'))
      return reply.type('application/json').send(envelope(JSON.stringify(printExpr(expr))))
    } catch (cause) {
      throw asParameterFault(cause)
    }
  }
}

/** `query`, `query_range`, `query_exemplars` and `format_query`. */
export function queryRoutes(app: FastifyInstance, context: ApiContext): void {
  const both = ['GET', 'POST']
  const add = (
    url: string,
    summary: string,
    handler: (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>,
  ): void => {
    app.route({ method: both, url, ...routeOptions(summary), handler })
  }
  add('/query', 'Evaluates a PromQL query at one instant.', answerInstant(context))
  add('/query_range', 'Evaluates a PromQL query over a range.', answerRange(context))
  add('/format_query', 'Prints a PromQL query in its usual form.', answerFormat(context))
  // There are no exemplars; Grafana asks when it loads the data source and needs a success.
  add('/query_exemplars', 'Lists exemplars: always none.', async (_request, reply) =>
    reply.type('application/json').send(envelope('[]')),
  )
}
