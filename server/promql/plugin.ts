import formbody from '@fastify/formbody'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { Counter, Histogram, type Registry } from 'prom-client'
import { type Clock, systemClock } from '../clock.ts'
import { CallwardError, type ErrorCode } from '../errors.ts'
import type {} from '../people/plugin.ts'
import type {} from '../store/plugin.ts'
import type {} from '../telemetry/plugin.ts'
import { catalogueRoutes } from './api/catalogue-routes.ts'
import type { ApiContext, MetricMetadata } from './api/context.ts'
import { errorEnvelope, statusOf } from './api/encode.ts'
import { Gate } from './api/gate.ts'
import { queryRoutes, routeOptions } from './api/query-routes.ts'
import { createEngine, type Engine, type EngineOptions } from './engine.ts'
import { type FailureKind, QueryFailure } from './failure.ts'

export type { MetricMetadata } from './api/context.ts'
export type { Answer, QueryOptions, Sample, Series, Value } from './engine.ts'
export type { Expr } from './syntax/ast.ts'

/** The hub's PromQL engine. */
export type Promql = Engine

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
  readonly metadata?: Readonly<Record<string, MetricMetadata>>
  /** The data of `/prom/api/v1/rules`: `{ groups: [...] }`. Called at each request. */
  readonly rules?: ApiContext['rules']
  /** The data of `/prom/api/v1/alerts`: `{ alerts: [...] }`. Called at each request. */
  readonly alerts?: ApiContext['alerts']
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

/** The engine with the time of its queries observed. */
function observed(engine: Engine, registry: Registry | undefined): Engine {
  const duration = new Histogram({
    name: 'callward_query_duration_seconds',
    help: 'Time of PromQL queries from text to answer, by kind.',
    labelNames: ['kind'],
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60],
    registers: registry === undefined ? [] : [registry],
  })
  const timed = async <T>(kind: string, work: Promise<T>): Promise<T> => {
    const stop = duration.startTimer({ kind })
    try {
      return await work
    } finally {
      stop()
    }
  }
  return {
    ...engine,
    instant: (...args) => timed('instant', engine.instant(...args)),
    range: (...args) => timed('range', engine.range(...args)),
  }
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
    },
    { prefix: '/api/v1' },
  )
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
    const engine = observed(createEngine({ ...options, reader }), registry)
    app.decorate('promql', engine)
    const context: ApiContext = {
      engine,
      reader,
      gate: new Gate(options.maxConcurrentQueries ?? 20, options.maxWaitingQueries ?? 200),
      clock: options.clock ?? systemClock,
      metadata: options.metadata ?? {},
      rules: options.rules ?? (() => ({ groups: [] })),
      alerts: options.alerts ?? (() => ({ alerts: [] })),
    }
    await app.register(prometheusApi, { prefix: '/prom', context, registry })
  },
  { name: 'callward-promql', dependencies: ['callward-store'] },
)
