import { availableParallelism } from 'node:os'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { rfc3339 } from '../../clock.ts'
import type { Labels } from '../../store/reader.ts'
import { QueryFailure } from '../failure.ts'
import { matches } from '../matching.ts'
import type { ApiContext, ApiTarget, MetricMetadata } from './context.ts'
import { envelope, errorEnvelope } from './encode.ts'
import { federate } from './federate.ts'
import { first, limitParameter, matcherParameters, type Parameters } from './parameters.ts'
import { parametersOf, routeOptions } from './query-routes.ts'
import { reading, sendPieces } from './reading.ts'
import { syntaxTree } from './syntax-tree.ts'

type Handler = (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>

/** Answers with what `data` gives. */
function answering(data: (parameters: Parameters) => unknown): Handler {
  return async (request, reply) => {
    const found = await data(parametersOf(request))
    return reply.type('application/json').send(envelope(JSON.stringify(found)))
  }
}

const never = '0001-01-01T00:00:00Z'

function shownTarget({ labels, health, lastReport, lastError, intervalSeconds }: ApiTarget) {
  return {
    discoveredLabels: labels,
    labels,
    scrapePool: labels['job'] ?? '',
    // Nothing is fetched from a collector: it reports by itself.
    scrapeUrl: '',
    globalUrl: '',
    lastError,
    lastScrape: lastReport === undefined ? never : rfc3339(lastReport),
    lastScrapeDuration: 0,
    health,
    scrapeInterval: `${intervalSeconds}s`,
    scrapeTimeout: `${intervalSeconds}s`,
  }
}

function targets(context: ApiContext, parameters: Parameters) {
  const state = first(parameters, 'state').toLowerCase()
  const pool = first(parameters, 'scrapePool')
  const shown = context
    .targets()
    .map(shownTarget)
    .filter(({ scrapePool }) => pool === '' || scrapePool === pool)
  return {
    activeTargets: state === 'dropped' ? [] : shown,
    droppedTargets: [],
    ...(state === 'active' ? {} : { droppedTargetCounts: {} }),
  }
}

function targetMetadata(context: ApiContext, parameters: Parameters) {
  const metric = first(parameters, 'metric')
  const limit = limitParameter(parameters)
  const selected = matcherParameters(parameters, 'match_target')[0] ?? []
  const found = context
    .targets()
    .filter(({ labels }) => selected.every((one) => matches(one, labels[one.name] ?? '')))
  const known: readonly (readonly [string, MetricMetadata])[] =
    metric === ''
      ? Object.entries(context.metadata)
      : Object.entries(context.metadata).filter(([name]) => name === metric)
  if (known.length === 0 || found.length === 0)
    throw new QueryFailure('not_found', 'specified metadata not found')
  return (limit > 0 ? found.slice(0, limit) : found).flatMap(({ labels }) =>
    known.map(([name, { type, help, unit }]) => ({
      target: labels,
      ...(metric === '' ? { metric: name } : {}),
      type,
      help,
      unit,
    })),
  )
}

/** Series that `status/tsdb` counts at most: counting holds up the hub's own thread. */
const countedSeries = 20_000
const countedMillis = 3_600_000

interface Count {
  readonly name: string
  readonly value: number
}

function largest(counts: ReadonlyMap<string, number>, limit: number): readonly Count[] {
  const sorted = [...counts].map(([name, value]) => ({ name, value }))
  return sorted.sort((a, b) => b.value - a.value || (a.name < b.name ? -1 : 1)).slice(0, limit)
}

function add(counts: Map<string, number>, name: string, value = 1): void {
  counts.set(name, (counts.get(name) ?? 0) + value)
}

/** Counts of the series of the last hour, as Prometheus counts those of its head. */
function seriesCounts(series: readonly Labels[], now: number, limit: number) {
  const [byName, byPair, values, bytes] = [new Map(), new Map(), new Map(), new Map()] as const
  const seen = new Set<string>()
  for (const labels of series) {
    for (const [name, value] of Object.entries(labels)) {
      const pair = `${name}=${value}`
      if (name === '__name__') add(byName, value)
      add(byPair, pair)
      if (seen.has(pair)) continue
      seen.add(pair)
      add(values, name)
      add(bytes, name, Buffer.byteLength(value))
    }
  }
  return {
    headStats: {
      numSeries: series.length,
      numLabelPairs: seen.size,
      chunkCount: 0,
      minTime: now - countedMillis,
      maxTime: now,
    },
    seriesCountByMetricName: largest(byName, limit),
    labelValueCountByLabelName: largest(values, limit),
    memoryInBytesByLabelName: largest(bytes, limit),
    seriesCountByLabelValuePair: largest(byPair, limit),
  }
}

function answerSeriesCounts(context: ApiContext): Handler {
  const { reader, clock } = context
  return async (request, reply) => {
    const limit = limitParameter(parametersOf(request)) || 10
    if (limit > 10_000) throw new QueryFailure('bad_data', 'limit must be at most 10000')
    const now = clock.now()
    const all = [[{ name: '__name__', op: '!=', value: '' } as const]]
    const series = await reading(context, reply, (signal) =>
      reader.series(all, now - countedMillis, now, { limit: countedSeries, signal }),
    )
    const warnings =
      series.length < countedSeries ? [] : [`only ${countedSeries} series are counted`]
    const data = JSON.stringify(seriesCounts(series, now, limit))
    return reply.type('application/json').send(envelope(data, { warnings }))
  }
}

function runtimeInformation({ clock }: ApiContext, startedAt: string) {
  return {
    startTime: startedAt,
    CWD: '',
    hostname: '',
    serverTime: rfc3339(clock.now()),
    reloadConfigSuccess: true,
    lastConfigTime: startedAt,
    corruptionCount: 0,
    goroutineCount: 0,
    GOMAXPROCS: availableParallelism(),
    GOMEMLIMIT: 0,
    GOGC: '',
    GODEBUG: '',
    storageRetention: '',
  }
}

function answerTree({ engine }: ApiContext): Handler {
  return answering((parameters) => {
    try {
      return syntaxTree(engine.parse(first(parameters, 'query')))
    } catch (cause) {
      if (!(cause instanceof QueryFailure)) throw cause
      throw new QueryFailure(cause.kind, `invalid parameter "query": ${cause.message}`, { cause })
    }
  })
}

/** Status, targets, the tree of a query, and clear words where the hub has nothing. */
export function statusRoutes(app: FastifyInstance, context: ApiContext): void {
  const startedAt = rfc3339(context.clock.now())
  const get = (url: string, summary: string, handler: Handler): void => {
    app.route({ method: 'GET', url, ...routeOptions(summary), handler })
  }
  get(
    '/targets',
    'Lists collectors as targets.',
    answering((asked) => targets(context, asked)),
  )
  get(
    '/targets/metadata',
    'Tells type, help and unit of metrics by collector.',
    answering((asked) => targetMetadata(context, asked)),
  )
  get(
    '/scrape_pools',
    'Lists the jobs of collectors.',
    answering(() => ({
      scrapePools: [...new Set(context.targets().map(({ labels }) => labels['job'] ?? ''))].sort(),
    })),
  )
  get(
    '/alertmanagers',
    'Lists alert managers: none, the hub notifies by itself.',
    answering(() => ({ activeAlertmanagers: [], droppedAlertmanagers: [] })),
  )
  get(
    '/status/runtimeinfo',
    'Tells since when the hub runs.',
    answering(() => runtimeInformation(context, startedAt)),
  )
  get('/status/tsdb', 'Counts series by name and label.', answerSeriesCounts(context))
  get(
    '/status/walreplay',
    'Tells how far the journal is read: the hub answers only when all of it is.',
    answering(() => ({ min: 0, max: 0, current: 0 })),
  )
  app.route({
    method: ['GET', 'POST'],
    url: '/parse_query',
    ...routeOptions('Gives the tree of a PromQL query.'),
    handler: answerTree(context),
  })
  app.route({
    method: 'POST',
    url: '/read',
    ...routeOptions('Refused: there is no remote read.'),
    handler: async (_request, reply) =>
      reply
        .code(404)
        .type('application/json')
        .send(
          errorEnvelope(
            'not_found',
            'the hub has no remote read: take remote_read out of the configuration and ask query or federate',
          ),
        ),
  })
  // What a remote read sends is not looked at; a body of any type gets the answer above.
  app.addContentTypeParser('application/x-protobuf', (_request, payload, done) => {
    payload.resume()
    payload.on('end', () => done(null, undefined))
  })
}

/** What Prometheus serves outside of its API: health, and federation. */
export function serverRoutes(app: FastifyInstance, context: ApiContext): void {
  const text = 'text/plain; charset=utf-8'
  for (const [url, word] of [
    ['/-/healthy', 'Healthy'],
    ['/-/ready', 'Ready'],
  ] as const)
    app.get(url, routeOptions(`Says that the hub is ${word.toLowerCase()}.`), async (_, reply) =>
      reply.type(text).send(`Callward is ${word}.\n`),
    )
  const options = routeOptions('The newest samples for a Prometheus that scrapes them.')
  app.get('/federate', options, async (request, reply) => {
    const selectors = matcherParameters(parametersOf(request))
    const { reader, clock, bounds } = context
    const { maxSeries, maxSamples, maxAnswerBytes } = bounds
    const pieces = await reading(context, reply, (signal, turns) => {
      const limits = { maxSeries, maxSamples, signal }
      return federate(reader, selectors, clock.now(), { limits, maxAnswerBytes, turns })
    })
    return sendPieces(reply, pieces, 'text/plain; version=0.0.4; charset=utf-8')
  })
}
