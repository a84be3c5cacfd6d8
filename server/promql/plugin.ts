import { availableParallelism } from 'node:os'
import formbody from '@fastify/formbody'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import { type Clock, systemClock } from '../clock.ts'
import { CallwardError, type ErrorCode } from '../errors.ts'
import type {} from '../people/plugin.ts'
import type { Archive } from '../store/archive.ts'
import type {} from '../store/plugin.ts'
import type {} from '../telemetry/plugin.ts'
import { catalogueRoutes } from './api/catalogue-routes.ts'
import type { ApiContext, ApiTarget, MetricMetadata } from './api/context.ts'
import { errorEnvelope, statusOf } from './api/encode.ts'
import { Gate } from './api/gate.ts'
import { queryRoutes, routeOptions } from './api/query-routes.ts'
import { serverRoutes, statusRoutes } from './api/status-routes.ts'
import { ArchiveDesk } from './archive/archive-desk.ts'
import {
  createEngine,
  defaultLookback,
  defaultSubqueryStep,
  type Engine,
  type EngineOptions,
} from './engine.ts'
import { type Allowance, defaultLimits } from './eval/budget.ts'
import { type FailureKind, QueryFailure } from './failure.ts'
import { type History, historyOf } from './workers/history.ts'
import { QueryDesk, type QueryPlace } from './workers/query-desk.ts'
import { QueryWorkers } from './workers/query-workers.ts'

export type { ApiTarget, MetricMetadata } from './api/context.ts'
export type {
  Answer,
  FixedSeries,
  Look,
  PlacedSeries,
  QueryOptions,
  Sample,
  Series,
  SeriesAtHand,
  Together,
  Value,
} from './engine.ts'
export type { ExprReads } from './reads.ts'
export type { Expr } from './syntax/ast.ts'

/** The hub's PromQL engine. */
export interface Promql extends Engine {
  /** Ranges evaluated apart, in turn with the queries of the HTTP API; absent for an engine without a hub. */
  readonly history?: History
}

declare module 'fastify' {
  interface FastifyInstance {
    promql: Promql
  }
}

/** All of it may be left out. */
export interface PromqlOptions extends Omit<Partial<EngineOptions>, 'reader'> {
  readonly clock?: Clock
  /** Queries of the HTTP API that run at once; 20. */
  readonly maxConcurrentQueries?: number
  /** Queries of the HTTP API that wait for their turn; 200. */
  readonly maxWaitingQueries?: number
  /** Longest answer of the HTTP API, bytes; 256 MiB. */
  readonly maxAnswerBytes?: number
  /** Threads for heavy queries; one a core, two at most. 0: all run on the hub's own thread, in slices. */
  readonly workers?: number
  /** JavaScript heap of such a thread, MiB; 512. */
  readonly workerHeapMebibytes?: number
  /** How long a thread may go on with a query that was told to stop, milliseconds; 2000. */
  readonly workerGraceMilliseconds?: number
  /** What a query of the HTTP API may cost on the hub's own thread. */
  readonly allowance?: Allowance
  readonly metadata?: Readonly<Record<string, MetricMetadata>>
  /** The data of `/prom/api/v1/rules`: `{ groups: [...] }`. Called at each request. */
  readonly rules?: ApiContext['rules']
  /** The data of `/prom/api/v1/alerts`: `{ alerts: [...] }`. Called at each request. */
  readonly alerts?: ApiContext['alerts']
  /** Collectors, for `/prom/api/v1/targets`. Called at each request. */
  readonly targets?: () => readonly ApiTarget[]
}

const kindOfCode: Partial<Record<ErrorCode, FailureKind>> = {
  bad_request: 'bad_data',
  not_found: 'not_found',
  query_too_large: 'execution',
  query_timeout: 'timeout',
  unavailable: 'unavailable',
  internal: 'internal',
}

function answerFailure(registry: Registry | undefined) {
  const rejected = new Counter({
    name: 'callward_query_rejected_total',
    help: 'PromQL requests that gave no answer, by reason.',
    labelNames: ['reason'],
    registers: registry === undefined ? [] : [registry],
  })
  return (error: FastifyError, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    reply.type('application/json')
    if (error instanceof QueryFailure) {
      rejected.labels(error.kind).inc()
      return reply.code(statusOf(error.kind)).send(errorEnvelope(error.kind, error.message))
    }
    if (error instanceof CallwardError) {
      rejected.labels(error.code).inc()
      if (error.code === 'unauthorized') reply.header('www-authenticate', 'Bearer realm="callward"')
      const shown = kindOfCode[error.code] ?? error.code
      return reply.code(error.status).send(errorEnvelope(shown, error.message))
    }
    const status = error.statusCode ?? 500
    if (status >= 400 && status < 500) {
      rejected.labels('bad_data').inc()
      return reply.code(status).send(errorEnvelope('bad_data', error.message))
    }
    rejected.labels('internal').inc()
    request.log.error({ err: error }, 'a query failed')
    const shown = `an internal error; its detail is in the hub's log under request ${request.id}`
    return reply.code(500).send(errorEnvelope('internal', shown))
  }
}

type Observe = (kind: 'instant' | 'range', place: QueryPlace, seconds: number) => void

function durations(registry: Registry | undefined): Observe {
  const duration = new Histogram({
    name: 'callward_query_duration_seconds',
    help: 'Time of PromQL queries from text to answer, by kind and by place: the hub’s own thread, a worker, or an archive for the older part.',
    labelNames: ['kind', 'place'],
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60],
    registers: registry === undefined ? [] : [registry],
  })
  return (kind, place, seconds) => duration.labels(kind, place).observe(seconds)
}

/** The engine with the time of its queries observed, save that of repeated ones, which are too many. */
function observed(engine: Engine, observe: Observe): Engine {
  const timed = async <T>(kind: 'instant' | 'range', work: Promise<T>): Promise<T> => {
    const began = performance.now()
    try {
      return await work
    } finally {
      observe(kind, 'hub', (performance.now() - began) / 1000)
    }
  }
  return {
    ...engine,
    instant: (...args) => timed('instant', engine.instant(...args)),
    range: (...args) => timed('range', engine.range(...args)),
  }
}

/** A query within this takes some 5 to 10 ms of the hub's own thread, in slices. */
const defaultAllowance: Allowance = { samples: 300_000, work: 500_000, fileSeries: 16 }

function startWorkers(
  app: FastifyInstance,
  options: PromqlOptions,
  registry: Registry | undefined,
): QueryWorkers | undefined {
  const size = options.workers ?? Math.min(2, availableParallelism())
  if (size === 0) return undefined
  const registers = registry === undefined ? [] : [registry]
  const lost = new Counter({
    name: 'callward_query_workers_lost_total',
    help: 'Query workers that died or had to be ended, by reason: memory, stuck, exit.',
    labelNames: ['reason'],
    registers,
  })
  const { experimental, delayedNames, limits, lookbackMilliseconds, subqueryStepMilliseconds } =
    options
  // What cannot cross to a thread, such as the clock, stays out.
  const settings = Object.fromEntries(
    Object.entries({
      experimental,
      delayedNames,
      limits,
      lookbackMilliseconds,
      subqueryStepMilliseconds,
    }).filter(([, value]) => value !== undefined),
  )
  const workers = new QueryWorkers({
    reader: app.store,
    settings,
    size,
    heapMebibytes: options.workerHeapMebibytes ?? 512,
    graceMilliseconds: options.workerGraceMilliseconds ?? 2000,
    idleMilliseconds: 600_000,
    onLost: (reason, detail) => {
      lost.labels(reason).inc()
      app.log.error({ reason, detail }, 'a query worker is lost')
    },
  })
  new Gauge({
    name: 'callward_query_workers',
    help: 'Query workers alive; they start when a heavy query comes.',
    registers,
    collect() {
      this.set(workers.size)
    },
  })
  app.addHook('onClose', () => workers.close())
  return workers
}

function startGate(options: PromqlOptions, registry: Registry | undefined): Gate {
  const gate = new Gate(options.maxConcurrentQueries ?? 20, options.maxWaitingQueries ?? 200)
  new Gauge({
    name: 'callward_queries',
    help: 'Queries of the HTTP API now, by state: running or waiting.',
    labelNames: ['state'],
    registers: registry === undefined ? [] : [registry],
    collect() {
      this.labels('running').set(gate.active)
      this.labels('waiting').set(gate.queued)
    },
  })
  return gate
}

interface ArchiveParts {
  readonly archive: Archive
  readonly desk: QueryDesk
  readonly gate: Gate
  readonly engine: Engine
  readonly observe: Observe
}

function archiveDesk(parts: ArchiveParts, options: PromqlOptions): ArchiveDesk {
  const { engine, observe, ...rest } = parts
  return new ArchiveDesk({
    ...rest,
    parse: engine.parse,
    lookbackMilliseconds: options.lookbackMilliseconds ?? defaultLookback,
    subqueryStepMilliseconds: options.subqueryStepMilliseconds ?? defaultSubqueryStep,
    maxPoints: options.limits?.maxPoints ?? defaultLimits.maxPoints,
    onAnswered: observe,
  })
}

function registryOf(app: FastifyInstance): Registry | undefined {
  return app.hasDecorator('telemetry') ? app.telemetry.registry : undefined
}

async function prometheusApi(
  app: FastifyInstance,
  { context, registry }: { context: ApiContext; registry: Registry | undefined },
): Promise<void> {
  app.setErrorHandler(answerFailure(registry))
  await app.register(formbody)
  await app.register(
    async (api) => {
      queryRoutes(api, context)
      catalogueRoutes(api, context)
      statusRoutes(api, context)
    },
    { prefix: '/api/v1' },
  )
  serverRoutes(app, context)
  // A page that catches all paths must not answer a client that probes for an endpoint.
  app.all('/*', routeOptions('Refused: there is no such endpoint.'), async (_request, reply) =>
    reply
      .code(404)
      .type('application/json')
      .send(errorEnvelope('not_found', 'there is no such endpoint here')),
  )
}

/** PromQL: `app.promql`, and Prometheus's HTTP API under `/prom`. */
export const promqlPlugin = fp(
  async (app, options: PromqlOptions) => {
    const registry = registryOf(app)
    const reader = app.store
    const engine = createEngine({ ...options, reader })
    const observe = durations(registry)
    const gate = startGate(options, registry)
    const queries = new QueryDesk({
      engine,
      gate,
      workers: startWorkers(app, options, registry),
      allowance: options.allowance ?? defaultAllowance,
      onAnswered: observe,
    })
    app.decorate('promql', { ...observed(engine, observe), history: historyOf(queries) })
    const { archive } = reader
    const context: ApiContext = {
      engine,
      reader,
      archive,
      queries: archive
        ? archiveDesk({ archive, desk: queries, gate, engine, observe }, options)
        : queries,
      gate,
      bounds: {
        ...defaultLimits,
        ...options.limits,
        maxAnswerBytes: options.maxAnswerBytes ?? 256 * 1024 * 1024,
      },
      clock: options.clock ?? systemClock,
      metadata: options.metadata ?? {},
      rules: options.rules ?? (() => ({ groups: [] })),
      alerts: options.alerts ?? (() => ({ alerts: [] })),
      targets: options.targets ?? (() => []),
    }
    await app.register(prometheusApi, { prefix: '/prom', context, registry })
  },
  { name: 'callward-promql', dependencies: ['callward-store'] },
)
