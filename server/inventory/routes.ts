import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Static } from 'typebox'
import type { AlertView } from '../../alerts/alert.ts'
import { type Clock, rfc3339 } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type { FactsStore } from './facts-store.ts'
import { figuresReader } from './figures.ts'
import { type Host, hostState } from './host.ts'
import { HostDetail, HostList, type HostView, InstanceParams } from './schema.ts'

const access = { owner: 'inventory', roles: ['admin', 'operator', 'auditor'] } as const

interface Present {
  /** By instance. */
  readonly firing: ReadonlyMap<string, readonly AlertView[]>
  /** A store that takes no samples knows nothing new of any host. */
  readonly blind: boolean
}

/** Hosts with their state, figures and facts. */
export const inventoryRoutes: FastifyPluginAsyncTypebox<{
  facts: FactsStore
  clock: Clock
}> = async (app, { facts, clock }) => {
  const figures = figuresReader(app, clock)

  /** What all hosts are seen with; once for all of them. */
  function present(): Present {
    const firing = new Map<string, AlertView[]>()
    for (const alert of app.rules.activeAlerts()) {
      if (alert.state !== 'firing' || alert.instance === undefined) continue
      const others = firing.get(alert.instance)
      if (others === undefined) firing.set(alert.instance, [alert])
      else others.push(alert)
    }
    return { firing, blind: app.store.stats().refusal !== undefined }
  }

  async function view(host: Host, present: Present): Promise<Static<typeof HostView>> {
    const firing = present.firing.get(host.labels.instance) ?? []
    const up = present.blind ? undefined : app.inventory.up(host)
    const { instance, server, customer, site, role, env, simulated } = host.labels
    return {
      instance,
      server,
      customer,
      site,
      role,
      env,
      simulated: simulated === 'true',
      state: hostState(up, firing, host.sections),
      connected: host.connected,
      lastReportAt: host.lastReportAt === undefined ? null : rfc3339(host.lastReportAt),
      version: host.version,
      intervalSeconds: host.intervalSeconds,
      firing: firing.length,
      figures: await figures(instance),
      sections: [...host.sections],
    }
  }

  app.get(
    '/api/v1/hosts',
    { config: { access }, schema: { response: { 200: HostList } } },
    async () => {
      const now = present()
      return { hosts: await Promise.all(app.inventory.hosts().map((host) => view(host, now))) }
    },
  )

  app.get(
    '/api/v1/hosts/:instance',
    { config: { access }, schema: { params: InstanceParams, response: { 200: HostDetail } } },
    async (request) => {
      const host = app.inventory.host(request.params.instance)
      if (host === undefined)
        throw new CallwardError('not_found', `There is no host "${request.params.instance}".`)
      const documents = await facts.all(request.params.instance)
      return {
        host: await view(host, present()),
        sections: [...host.sections],
        facts: Object.fromEntries(
          documents.map(({ name, receivedAt, text }) => [
            name,
            { receivedAt: rfc3339(receivedAt), document: JSON.parse(text) as unknown },
          ]),
        ),
      }
    },
  )

  app.delete(
    '/api/v1/hosts/:instance',
    {
      config: { access: { owner: 'inventory', roles: ['admin'] } },
      schema: { params: InstanceParams },
    },
    async (request, reply) => {
      await app.inventory.forget(request.params.instance)
      return reply.code(204).send()
    },
  )
}
