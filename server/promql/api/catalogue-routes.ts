import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { version } from '../../assets.ts'
import { CallwardError } from '../../errors.ts'
import type { Labels, Matcher } from '../../store/reader.ts'
import { QueryFailure } from '../failure.ts'
import { isLabelName } from '../syntax/quote.ts'
import type { ApiContext, MetricMetadata } from './context.ts'
import { envelope, errorEnvelope } from './encode.ts'
import {
  earliest,
  first,
  labelNameOf,
  latest,
  limitParameter,
  matcherParameters,
  type Parameters,
  timeParameter,
} from './parameters.ts'
import { parametersOf, routeOptions } from './query-routes.ts'

type Handler = (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>

function sendList(reply: FastifyReply, entries: readonly unknown[], limit: number): FastifyReply {
  const cut = limit > 0 && entries.length > limit
  const kept = cut ? entries.slice(0, limit) : entries
  const warnings = cut ? ['results truncated due to limit'] : []
  return reply.type('application/json').send(envelope(JSON.stringify(kept), { warnings }))
}

interface Selection {
  readonly limit: number
  readonly start: number
  readonly end: number
  readonly selectors: readonly (readonly Matcher[])[]
}

function selectionOf(parameters: Parameters): Selection {
  return {
    limit: limitParameter(parameters),
    start: timeParameter(parameters, 'start', earliest),
    end: timeParameter(parameters, 'end', latest),
    selectors: matcherParameters(parameters),
  }
}

/** A store's refusal in the API's words. */
async function asked<T>(ask: Promise<T>): Promise<T> {
  try {
    return await ask
  } catch (cause) {
    if (!(cause instanceof CallwardError)) throw cause
    const kind = cause.code === 'query_too_large' ? 'execution' : 'unavailable'
    throw new QueryFailure(kind, cause.message, { cause })
  }
}

function answerLabels({ reader }: ApiContext): Handler {
  return async (request, reply) => {
    const { limit, start, end, selectors } = selectionOf(parametersOf(request))
    return sendList(reply, await asked(reader.labelNames(selectors, start, end)), limit)
  }
}

function answerValues({ reader }: ApiContext): Handler {
  return async (request, reply) => {
    const name = labelNameOf((request.params as { name: string }).name)
    if (!isLabelName(name)) {
      throw new QueryFailure('bad_data', `invalid label name: ${JSON.stringify(name)}`)
    }
    const { limit, start, end, selectors } = selectionOf(parametersOf(request))
    return sendList(reply, await asked(reader.labelValues(name, selectors, start, end)), limit)
  }
}

function sortedLabels(labels: Labels): Labels {
  return Object.fromEntries(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function answerSeries({ reader }: ApiContext): Handler {
  return async (request, reply) => {
    const { limit, start, end, selectors } = selectionOf(parametersOf(request))
    if (selectors.length === 0) throw new QueryFailure('bad_data', 'no match[] parameter provided')
    // One more than wanted shows that there are more.
    const wanted = limit === 0 ? undefined : limit + 1
    const found = await asked(reader.series(selectors, start, end, wanted))
    const sorted = found
      .map(sortedLabels)
      .map((labels) => [JSON.stringify(labels), labels] as const)
    sorted.sort(([a], [b]) => (a < b ? -1 : 1))
    return sendList(
      reply,
      sorted.map(([, labels]) => labels),
      limit,
    )
  }
}

function answerMetadata({ metadata }: ApiContext): Handler {
  return async (request, reply) => {
    const parameters = parametersOf(request)
    const limit = limitParameter(parameters)
    limitParameter(parameters, 'limit_per_metric')
    const wanted = first(parameters, 'metric')
    const names = Object.keys(metadata).filter((name) => wanted === '' || name === wanted)
    const data: Record<string, readonly MetricMetadata[]> = {}
    for (const name of limit > 0 ? names.slice(0, limit) : names) {
      const found = metadata[name]
      // One entry a metric: any `limit_per_metric` leaves it.
      if (found !== undefined)
        data[name] = [{ type: found.type, help: found.help, unit: found.unit }]
    }
    return reply.type('application/json').send(envelope(JSON.stringify(data)))
  }
}

/**
 * The version of Prometheus whose API and language this is: clients choose features by it. There is
 * no `features` key: with one, Grafana takes the server for another product.
 */
const buildInformation = {
  version: '3.5.0',
  revision: `callward ${version}`,
  branch: 'HEAD',
  buildUser: 'callward',
  buildDate: '',
  goVersion: '',
}

function answerData(data: (request: FastifyRequest) => unknown): Handler {
  return async (request, reply) =>
    reply.type('application/json').send(envelope(JSON.stringify(data(request))))
}

/** Labels, series, metadata, and what else data sources ask of a Prometheus. */
export function catalogueRoutes(app: FastifyInstance, context: ApiContext): void {
  const add = (
    methods: readonly string[],
    url: string,
    summary: string,
    handler: Handler,
  ): void => {
    app.route({ method: [...methods], url, ...routeOptions(summary), handler })
  }
  const both = ['GET', 'POST']
  const get = ['GET']
  add(both, '/labels', 'Lists label names.', answerLabels(context))
  add(both, '/series', 'Lists series by selector.', answerSeries(context))
  add(get, '/label/:name/values', 'Lists the values of a label.', answerValues(context))
  add(['POST'], '/label/:name/values', 'Refused: this list is read by GET.', async (_, reply) =>
    reply
      .code(405)
      .header('allow', 'GET')
      .type('application/json')
      .send(errorEnvelope('bad_data', 'Method Not Allowed')),
  )
  add(get, '/metadata', 'Tells type, help and unit of metrics.', answerMetadata(context))
  const build = answerData(() => buildInformation)
  add(get, '/status/buildinfo', 'Tells which API this is.', build)
  const rules = answerData((request) => context.rules(parametersOf(request)))
  add(get, '/rules', 'Lists rule groups.', rules)
  add(
    get,
    '/alerts',
    'Lists active alerts.',
    answerData(() => context.alerts()),
  )
}
