import type { FastifyInstance } from 'fastify'
import type {} from '../routing/plugin.ts'
import type { RoutingDoor } from './silencing.ts'

/** Routing as the Alertmanager's API and the silences see it. */
export function routingDoor({ alertRouting }: FastifyInstance): RoutingDoor {
  return {
    state: () => alertRouting.state(),
    settled: () => alertRouting.settled(),
    routing: () => alertRouting.context().routing,
    silences: () => alertRouting.silences(),
    preview: (matchers, startsAt, endsAt) => alertRouting.preview(matchers, startsAt, endsAt),
    async setSilence(silence, by, force) {
      await alertRouting.setSilence(silence, by, { force })
    },
    endSilence: (id, by) => alertRouting.endSilence(id, by),
  }
}
