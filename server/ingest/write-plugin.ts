import fp from 'fastify-plugin'
import type { Clock } from '../clock.ts'
import { influxRoutes } from './influx-routes.ts'
import { remoteWriteRoutes } from './remote-write-routes.ts'
import { BodyBudget, type WriteContext } from './write-context.ts'
import { writeMetrics } from './write-metrics.ts'

/** Bytes of write bodies held at once, both protocols together. */
const bodyBytes = 512 * 1024 * 1024

/** Remote write and Influx lines: what other agents send (docs/ingest.md). */
export const writeRoutes = fp(
  async (app, { clock }: { clock: Clock }) => {
    const context: WriteContext = {
      clock,
      metrics: writeMetrics(app.telemetry.registry),
      budget: new BodyBudget(bodyBytes),
    }
    // Each in a scope of its own: their body parsers and error answers must not reach other routes.
    await app.register(async (scope) => remoteWriteRoutes(scope, context))
    await app.register(async (scope) => influxRoutes(scope, context))
  },
  {
    name: 'callward-write',
    dependencies: [
      'callward-telemetry',
      'callward-access',
      'callward-store',
      'callward-rules',
      'callward-enrolment',
    ],
  },
)
