import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { version } from '../assets.ts'

/** The hub's own metrics (prom-client) and its health. */
export interface Telemetry {
  readonly registry: Registry
  notReadyReasons(): readonly string[]
  /** Adds a reason why `/readyz` says no; call the result to take it back. */
  notReady(reason: string): () => void
}

declare module 'fastify' {
  interface FastifyInstance {
    telemetry: Telemetry
  }
}

/** The registry, the reasons of `/readyz` and the request figures. */
export const telemetryPlugin = fp(
  async (app) => {
    const registry = new Registry()
    collectDefaultMetrics({ register: registry })
    new Gauge({
      name: 'callward_hub_info',
      help: 'The hub’s version; always 1.',
      labelNames: ['version'],
      registers: [registry],
    })
      .labels(version)
      .set(1)
    const requests = new Counter({
      name: 'callward_http_requests_total',
      help: 'HTTP requests answered, by route, method and status code.',
      labelNames: ['route', 'method', 'code'],
      registers: [registry],
    })
    const duration = new Histogram({
      name: 'callward_http_request_duration_seconds',
      help: 'Time from request to response, by route.',
      labelNames: ['route'],
      buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10],
      registers: [registry],
    })
    const reasons = new Set<{ reason: string }>()
    app.decorate('telemetry', {
      registry,
      notReadyReasons: () => [...reasons].map(({ reason }) => reason),
      notReady(reason: string) {
        const entry = { reason }
        reasons.add(entry)
        return () => reasons.delete(entry)
      },
    })
    app.addHook('onResponse', async (request, reply) => {
      const route = request.routeOptions.url ?? 'unknown'
      requests.labels(route, request.method, String(reply.statusCode)).inc()
      duration.labels(route).observe(reply.elapsedTime / 1000)
    })
  },
  { name: 'callward-telemetry' },
)

/** `/metrics`, `/healthz` and `/readyz`; registered behind the gate, whose limits hold for them too. */
export async function telemetryRoutes(app: FastifyInstance): Promise<void> {
  app.get('/healthz', { config: { access: { owner: 'telemetry', roles: 'open' } } }, async () => ({
    status: 'ok',
    version,
  }))
  app.get(
    '/readyz',
    { config: { access: { owner: 'telemetry', roles: 'open' } } },
    async (_request, reply) => {
      const list = app.telemetry.notReadyReasons()
      if (list.length > 0) reply.code(503)
      return { status: list.length === 0 ? 'ready' : 'not ready', reasons: list }
    },
  )
  app.get(
    '/metrics',
    {
      config: {
        access: { owner: 'telemetry', roles: ['admin', 'operator', 'auditor', 'grafana'] },
      },
    },
    async (_request, reply) => {
      reply.type(app.telemetry.registry.contentType)
      return app.telemetry.registry.metrics()
    },
  )
}
