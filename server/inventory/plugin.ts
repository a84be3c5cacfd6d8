import fp from 'fastify-plugin'
import type { Hello, Section } from '../../collector/wire/frames.ts'
import type { Clock, Millis } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import { documentRoutes } from './document-routes.ts'
import { Documents, type HostDocuments } from './documents.ts'
import { type FactsLimits, FactsStore } from './facts-store.ts'
import { type Host, Hosts, upState } from './host.ts'
import { type HostFigure, HostFigures } from './host-figures.ts'
import { InventoryStore } from './inventory-store.ts'
import { Liveness } from './liveness.ts'
import { inventoryRoutes } from './routes.ts'

/** What is known of each host: who reports, since when, what it could see, its facts. */
export interface Inventory extends HostDocuments {
  /** Registers a session. Throws `conflict` when another collector reports for that instance right now. */
  connected(hello: Hello): Promise<void>
  disconnected(collectorId: string): void
  /** A live report came in; `at` is the hub's clock. */
  reported(collectorId: string, at: Millis): void
  sections(collectorId: string, sections: readonly Section[]): Promise<void>
  /** Series under the host's labels from now on, in the place of what `owner` showed before; wakes the host's rules. */
  showFigures(instance: string, owner: string, figures: readonly HostFigure[]): void
  hosts(): readonly Host[]
  host(instance: string): Host | undefined
  up(host: Host): 0 | 1 | undefined
  forget(instance: string): Promise<void>
}

export type { DocumentWatcher } from './documents.ts'
export type { StoredDocument } from './facts-store.ts'
export type { Host } from './host.ts'
export type { HostFigure } from './host-figures.ts'

declare module 'fastify' {
  interface FastifyInstance {
    inventory: Inventory
  }
}

export { prometheusTargets } from './prometheus-targets.ts'

export interface InventoryOptions {
  readonly clock: Clock
  readonly factsLimits?: FactsLimits
}

const defaultFactsLimits: FactsLimits = { versions: 200, days: 400 }

export const inventoryPlugin = fp(
  async (app, { clock, factsLimits = defaultFactsLimits }: InventoryOptions) => {
    const store = new InventoryStore(app.records, clock)
    const hosts = await knownHosts(store)
    const facts = new FactsStore(app.records, clock, factsLimits)
    const documents = new Documents(app, facts, hosts)
    const startedAt = clock.monotonic()
    const liveness = new Liveness({ app, clock, hosts, store, startedAt })
    const figures = new HostFigures(app, clock, hosts)
    const change = (id: string, patch: Partial<Host>) => {
      const host = hosts.get(id)
      if (host !== undefined) hosts.set(id, { ...host, ...patch })
    }
    const byInstance = (instance: string) => hosts.byInstance(instance)
    app.decorate('inventory', {
      async connected(hello) {
        const rival = byInstance(hello.labels.instance)
        if (rival !== undefined && rival.collectorId !== hello.collector) {
          if (rival.connected && upState(rival, startedAt, clock.monotonic()) === 1) {
            throw new CallwardError(
              'conflict',
              `Another collector reports for "${hello.labels.instance}" right now; give this one its own labels.instance.`,
            )
          }
          hosts.delete(rival.collectorId)
          liveness.replaced(rival.collectorId)
        }
        const known = hosts.get(hello.collector)
        hosts.set(hello.collector, {
          collectorId: hello.collector,
          labels: hello.labels,
          version: hello.version,
          intervalSeconds: hello.intervalSeconds,
          lastReportAt: known?.lastReportAt,
          // A host that has just said hello gets three intervals for its first report.
          heardAt: known?.heardAt ?? clock.monotonic(),
          connected: true,
          sections: known?.sections ?? [],
        })
        liveness.greeted(hello)
        figures.greeted(hello.labels)
        documents.greeted(hello.labels)
        app.live.hint('hosts')
      },
      disconnected(id) {
        change(id, { connected: false })
        app.live.hint('hosts')
      },
      reported(id, at) {
        change(id, { lastReportAt: at, heardAt: clock.monotonic() })
        liveness.reported(id)
        app.live.hint('hosts')
      },
      async sections(id, sections) {
        change(id, { sections })
        // What is seen goes by memory and the stored series; losing the row costs a restart's first screen.
        await store.saveSections(id, sections).catch((err: unknown) => {
          app.log.warn({ err, collector: id }, 'sections not saved')
        })
      },
      ...documents.members,
      showFigures: (instance, owner, shown) => figures.show(instance, owner, shown),
      hosts: () =>
        [...hosts.values()].sort((a, b) => a.labels.instance.localeCompare(b.labels.instance)),
      host: byInstance,
      up: (host) => upState(host, startedAt, clock.monotonic()),
      async forget(instance) {
        const host = byInstance(instance)
        if (host === undefined)
          throw new CallwardError('not_found', `There is no host "${instance}".`)
        if (host.connected && upState(host, startedAt, clock.monotonic()) !== 0)
          throw new CallwardError(
            'conflict',
            `"${instance}" is connected; stop its collector first.`,
          )
        await store.forget(host.collectorId, instance)
        hosts.delete(host.collectorId)
        liveness.forget(host)
        figures.end(instance)
        app.live.hint('hosts')
      },
    })
    await app.register(inventoryRoutes, { facts, clock })
    await app.register(documentRoutes, { facts })
    app.addHook('onReady', async () => {
      documents.start()
      liveness.start()
      figures.start()
    })
    app.addHook('preClose', async () => {
      documents.stop()
      liveness.stop()
      figures.stop()
    })
  },
  {
    name: 'callward-inventory',
    dependencies: [
      'callward-records',
      'callward-store',
      'callward-live',
      'callward-rules',
      'callward-promql',
    ],
  },
)

/** Hosts as the records know them, by collector; none has been heard yet. */
async function knownHosts(store: InventoryStore): Promise<Hosts> {
  const hosts = new Hosts()
  for (const row of await store.load()) {
    if (row.labels.instance === undefined) continue
    hosts.set(row.id, {
      collectorId: row.id,
      labels: row.labels,
      version: row.version,
      intervalSeconds: row.intervalSeconds,
      lastReportAt: row.lastSeenAt,
      heardAt: undefined,
      connected: false,
      sections: row.sections,
    })
  }
  return hosts
}
