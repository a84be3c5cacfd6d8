import fp from 'fastify-plugin'
import type {} from '../approvals/plugin.ts'
import type {} from '../attachments/plugin.ts'
import type { Clock } from '../clock.ts'
import type {} from '../holds/plugin.ts'
import type {} from '../ledger/plugin.ts'
import type {} from '../live/plugin.ts'
import type { RecordsTransaction } from '../records/records.ts'
import { type Erasure, ErasureStore, type Wanted } from './erasure-store.ts'
import { erasureRoutes } from './routes.ts'

export type { Erasure } from './erasure-store.ts'

/** Erasure of personal data. */
export interface Privacy {
  /**
   * Called in the transaction that erases, once the record holds what is left: who keeps a copy of a fact's words (an index, a summary)
   * makes it anew from the record. What it throws takes the erasure back. Before the hub listens.
   */
  onErased(work: (tx: RecordsTransaction, erasure: Erasure) => Promise<void>): void
}

declare module 'fastify' {
  interface FastifyInstance {
    privacy: Privacy
  }
}

export const privacyPlugin = fp(
  async (app, { clock }: { clock: Clock }) => {
    const works: Parameters<Privacy['onErased']>[0][] = []
    const store = new ErasureStore({
      clock,
      ledger: app.ledger,
      refuseHeld: (tx, incidentId) => app.holds.refuseErasure(tx, incidentId),
      eraseAttachment: (tx, incidentId, id, at) => app.attachments.erase(tx, incidentId, id, at),
    })
    app.decorate('privacy', { onErased: (work) => void works.push(work) })
    app.approvals.provide('erasure', {
      title: 'Erase personal data',
      async apply(tx, approval) {
        const approvedBy = approval.decidedBy?.name
        if (approvedBy === undefined) throw new Error('BUG: an erasure without a second person')
        const two = { askedBy: approval.requestedBy.name, approvedBy }
        for (const erasure of await store.erase(tx, approval.content as Wanted, two))
          for (const work of works) await work(tx, erasure)
      },
      applied() {
        app.live.hint('incidents')
        app.attachments
          .erased()
          .catch((err: unknown) =>
            app.log.error(
              { err },
              'an erased file is still on the disk; the next start removes it',
            ),
          )
      },
    })
    await app.register(erasureRoutes, { store })
  },
  {
    name: 'callward-privacy',
    dependencies: [
      'callward-approvals',
      'callward-attachments',
      'callward-holds',
      'callward-ledger',
    ],
  },
)
