import fp from 'fastify-plugin'
import { Gauge } from 'prom-client'
import type { Clock } from '../clock.ts'
import type {} from '../communication/plugin.ts'
import { type HubConfig, publicUrl } from '../config.ts'
import type {} from '../incidents/plugin.ts'
import type {} from '../ledger/plugin.ts'
import type {} from '../notify/plugin.ts'
import type {} from '../obligations/plugin.ts'
import type {} from '../oncall/plugin.ts'
import type {} from '../telemetry/plugin.ts'
import { type AssignmentParts, assignmentDuty, assignmentListener } from './assignment-duty.ts'
import { candidatesFor } from './candidates.ts'
import { Dispatch } from './dispatch.ts'
import { countWaiting } from './dispatch-store.ts'
import { dispatchRoutes } from './routes.ts'

/** Who is sent to incidents. */
export const dispatchPlugin = fp(
  async (app, { clock, config }: { clock: Clock; config: HubConfig }) => {
    const { records, incidents, communication, obligations, ledger } = app
    const { acceptMinutes, routes } = config.dispatch
    const parts = { app, routes, escalationPolicy: config.escalationPolicy }
    const address = publicUrl(config)
    const duty: AssignmentParts = {
      ...{ records, clock, incidents, communication, obligations, ledger },
      acceptMillis: (severity) =>
        60_000 * (acceptMinutes[severity as keyof typeof acceptMinutes] ?? acceptMinutes.sev4),
      url: (number, fact) =>
        `${address}/incidents/${number}${fact === undefined ? '' : `?assignment=${fact}`}`,
      candidates: (incident) =>
        candidatesFor(parts, records.read, incident, undefined, clock.now()),
    }
    obligations.register(assignmentDuty(duty))
    incidents.onFacts(assignmentListener(duty))
    new Gauge({
      name: 'callward_assignments_waiting',
      help: 'Technicians who were asked to take an incident and have not answered.',
      registers: [app.telemetry.registry],
      async collect() {
        const count = await countWaiting(records.read).catch(() => undefined)
        if (count !== undefined) this.set(count)
      },
    })
    const dispatch = new Dispatch({ records, clock, incidents, candidates: parts })
    await app.register(dispatchRoutes, { clock, dispatch })
  },
  {
    name: 'callward-dispatch',
    dependencies: [
      'callward-telemetry',
      'callward-records',
      'callward-access',
      'callward-ledger',
      'callward-obligations',
      'callward-incidents',
      'callward-communication',
      'callward-notify',
      'callward-oncall',
    ],
  },
)
