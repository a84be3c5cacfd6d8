import fp from 'fastify-plugin'
import { Gauge } from 'prom-client'
import type {} from '../approvals/plugin.ts'
import { type Clock, type Millis, rfc3339 } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type {} from '../ledger/plugin.ts'
import type {} from '../live/plugin.ts'
import type { RecordsTransaction } from '../records/records.ts'
import type {} from '../telemetry/plugin.ts'
import { type Hold, isStanding, keptFrom } from './hold.ts'
import { HoldStore } from './hold-store.ts'
import { holdRoutes } from './routes.ts'

/** Legal holds: what may not be erased, and not swept by age. */
export interface Holds {
  /** Throws conflict, naming the hold, while an incident is held; not_found. In the transaction that would erase something of it. */
  refuseErasure(tx: RecordsTransaction, incidentId: string): Promise<void>
  /** What was recorded from here on is not swept by age; Infinity while nothing is held. Costs nothing. */
  keepFrom(): Millis
}

declare module 'fastify' {
  interface FastifyInstance {
    holds: Holds
  }
}

export const holdsPlugin = fp(
  async (app, { clock }: { clock: Clock }) => {
    const { records } = app
    const store = new HoldStore(clock, app.ledger)
    let standing: readonly Hold[] = []
    const look = async () => {
      standing = await store.list(records.read, { all: false, limit: 10_000 })
    }
    await look()
    app.decorate('holds', {
      async refuseErasure(tx, incidentId) {
        const hold = await store.holding(tx, incidentId)
        if (hold === undefined) return
        const end = hold.until === null ? '' : ` until ${rfc3339(hold.until)}`
        throw new CallwardError(
          'conflict',
          `This is under legal hold${end} (${hold.id}, set by ${hold.setBy}): nothing of it is erased before two people release the hold.`,
        )
      },
      keepFrom: () => keptFrom(standing, clock.now()),
    })
    const released = async () => {
      await look()
      app.live.hint('incidents')
    }
    app.approvals.provide('hold-release', {
      title: 'Release a legal hold',
      async apply(tx, approval) {
        const { hold, reason } = approval.content as { hold: string; reason: string }
        const by = approval.decidedBy?.name
        if (by === undefined) throw new Error('BUG: a release without a second person')
        await store.release(tx, hold, { askedBy: approval.requestedBy.name, by, reason })
      },
      applied() {
        released().catch((err: unknown) =>
          app.log.warn({ err }, 'a hold was released; what it kept is swept after the next start'),
        )
      },
    })
    new Gauge({
      name: 'callward_legal_holds',
      help: 'Legal holds that stand.',
      registers: [app.telemetry.registry],
      collect() {
        this.set(standing.filter((hold) => isStanding(hold, clock.now())).length)
      },
    })
    await app.register(holdRoutes, { store, clock, changed: released })
  },
  {
    name: 'callward-holds',
    dependencies: ['callward-records', 'callward-ledger', 'callward-access', 'callward-approvals'],
  },
)
