import fp from 'fastify-plugin'
import type { Clock } from '../clock.ts'
import { influxRoutes } from './influx-routes.ts'
import type { OtlpSettings } from './otlp-labels.ts'
import { otlpRoutes } from './otlp-routes.ts'
import { remoteWriteRoutes } from './remote-write-routes.ts'
import { BodyBudget, type WriteContext } from './write-context.ts'
import { writeMetrics } from './write-metrics.ts'

/** Bytes of write bodies held at once, all protocols together. */
const bodyBytes = 512 * 1024 * 1024

/** Remote write, Influx lines and OTLP: what other agents send (docs/ingest.md). */
export const writeRoutes = fp(
  async (app, { clock, otlp }: { clock: Clock; otlp: OtlpSettings }) => {
    const context: WriteContext = {
      clock,
      metrics: writeMetrics(app.telemetry.registry),
      budget: new BodyBudget(bodyBytes),
    }
    // Each in a scope of its own: their body parsers and error answers must not reach other routes.
    await app.register(async (scope) => remoteWriteRoutes(scope, context))
    await app.register(async (scope) => influxRoutes(scope, context))
    await app.register(async (scope) => otlpRoutes(scope, context, otlp))
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
