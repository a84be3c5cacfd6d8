import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { QueryFailure } from '../failure.ts'
import { printExpr } from '../syntax/print.ts'
import type { QueryRequest } from '../workers/query-request.ts'
import type { ApiContext } from './context.ts'
import { envelope, type StatisticsWanted } from './encode.ts'
import {
  durationParameter,
  first,
  invalid,
  limitParameter,
  type Parameters,
  readParameters,
  timeParameter,
} from './parameters.ts'
import { abortOnClose, sendPieces } from './reading.ts'

/** What every route of the API says of itself; `methods` sharing a URL share it. */
export function routeOptions(summary: string) {
  const roles = ['admin', 'operator', 'auditor', 'grafana'] as const
  return { config: { access: { owner: 'promql', roles } }, schema: { summary } }
}

/** The parameters of a request, whether they came in the URL or as a form. */
export function parametersOf(request: FastifyRequest): Parameters {
  return readParameters(request.body, request.query)
}

/** What instants and ranges have in common. */
function requestOf(parameters: Parameters, { bounds }: ApiContext) {
  const timeout = durationParameter(parameters, 'timeout') ?? bounds.timeoutMilliseconds
  const lookback = durationParameter(parameters, 'lookback_delta')
  const stats = first(parameters, 'stats')
  return {
    text: first(parameters, 'query'),
    timeoutMilliseconds: Math.min(timeout, bounds.timeoutMilliseconds),
    lookbackMilliseconds: lookback !== undefined && lookback > 0 ? lookback : undefined,
    coarsestMilliseconds: coarsestOf(parameters),
    limit: limitParameter(parameters),
    statistics: statisticsWanted(stats),
    maxBytes: bounds.maxAnswerBytes,
  }
}

/** As in Thanos: a duration, 0 for the samples themselves; nothing and `auto` leave the choice to the engine. */
function coarsestOf(parameters: Parameters): number | undefined {
  const name = 'max_source_resolution'
  return first(parameters, name) === 'auto' ? undefined : durationParameter(parameters, name)
}

/** As in Prometheus: any value asks for statistics, `all` for those of each step. */
function statisticsWanted(stats: string): StatisticsWanted {
  if (stats === '') return 'none'
  return stats === 'all' ? 'all' : 'summary'
}

async function answer(
  { queries }: ApiContext,
  request: Omit<QueryRequest, 'queueSeconds'>,
  reply: FastifyReply,
): Promise<FastifyReply> {
  try {
    return sendPieces(reply, await queries.answer(request, abortOnClose(reply)))
  } catch (cause) {
    throw asParameterFault(cause)
  }
}

/** Faults in the query's text are faults of the parameter `query`. */
function asParameterFault(cause: unknown): unknown {
  if (!(cause instanceof QueryFailure) || cause.kind !== 'bad_data') return cause
  if (cause.message.startsWith('exceeded maximum resolution')) return cause
  return cause.message.startsWith('invalid parameter') ? cause : invalid('query', cause.message)
}

function answerInstant(context: ApiContext) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const parameters = parametersOf(request)
    const time = timeParameter(parameters, 'time', context.clock.now())
    const times = { kind: 'instant', start: time, end: time, step: 0 } as const
    return answer(context, { ...times, ...requestOf(parameters, context) }, reply)
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

function answerRange(context: ApiContext) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const parameters = parametersOf(request)
    const common = requestOf(parameters, context)
    return answer(context, { kind: 'range', ...rangeOf(parameters), ...common }, reply)
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
  add('/query_exemplars', 'Lists exemplars: always none.', async (request, reply) => {
    context.engine.parse(first(parametersOf(request), 'query'))
    return reply.type('application/json').send(envelope('[]'))
  })
}
