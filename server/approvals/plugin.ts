import fp from 'fastify-plugin'
import type { Clock } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type {} from '../ledger/plugin.ts'
import type {} from '../live/plugin.ts'
import type { Principal } from '../people/plugin.ts'
import type { RecordsTransaction } from '../records/records.ts'
import { type Approval, sessionRefusal } from './approval.ts'
import { ApprovalStore, refuse, type Wanted } from './approval-store.ts'
import { approvalRoutes } from './routes.ts'

export type { Approval } from './approval.ts'

/** Something that takes two people, told by the capability that does it. */
export interface ApprovalKind {
  /** For people, in English. */
  readonly title: string
  /** Roles that may ask and agree. Default: administrators and operators. */
  readonly roles?: readonly string[]
  /**
   * What is asked for when people ask by REST, console or terminal; JSON. Without it only the capability asks. Throws what the
   * person may read.
   */
  draft?(subject: string): Promise<unknown>
  /** Does it, in the transaction of the approval; when it throws, nothing was approved. */
  apply(tx: RecordsTransaction, approval: Approval): Promise<void>
  /** After the commit. */
  applied?(approval: Approval): void
}

/** What somebody asks for. */
export type Asked = Omit<Wanted, 'by'> & { readonly by: Principal }

/** What takes two people: one asks, another agrees, and only then it is done. */
export interface Approvals {
  /** Asks, in the caller's transaction. Throws forbidden for who did not sign in by password, conflict while the same waits. */
  request(tx: RecordsTransaction, asked: Asked): Promise<Approval>
  /** Agrees and does it, in one transaction. Throws forbidden for who asked and who did not sign in by password, conflict, not_found. */
  approve(id: string, by: Principal): Promise<Approval>
  /** Says no, or takes the own request back, signed in by password. Throws forbidden, conflict, not_found. */
  reject(id: string, by: Principal, reason: string): Promise<Approval>
  /** Tells what a kind of request does; once a kind, before the hub listens. */
  provide(kind: string, does: ApprovalKind): void
}

declare module 'fastify' {
  interface FastifyInstance {
    approvals: Approvals
  }
}

const expireEveryMillis = 60_000
const usualRoles = ['admin', 'operator'] as const

/** Two-person approval, for whichever capability needs it. */
export const approvalsPlugin = fp(
  async (app, { clock }: { clock: Clock }) => {
    const { records } = app
    const store = new ApprovalStore(records, clock, app.ledger)
    const kinds = new Map<string, ApprovalKind>()

    function kindOf(name: string): ApprovalKind {
      const kind = kinds.get(name)
      if (kind !== undefined) return kind
      const known = [...kinds.keys()].join(', ') || 'none here'
      throw new CallwardError(
        'unprocessable',
        `Nothing of the kind "${name}" takes two people; known: ${known}.`,
      )
    }
    const rolesOf = (name: string) => kinds.get(name)?.roles ?? usualRoles
    const approvals: Approvals = {
      async request(tx, { by, ...wanted }) {
        refuse(sessionRefusal(by))
        return store.request(tx, { ...wanted, by: by.id }, rolesOf(wanted.kind))
      },
      async approve(id, by) {
        const { kind: name } = await store.find(records.read, id)
        const kind = kindOf(name)
        refuse(sessionRefusal(by))
        const done = await records.write((tx) =>
          store.approve(tx, id, by.id, rolesOf(name), (approval) => kind.apply(tx, approval)),
        )
        kind.applied?.(done)
        app.live.hint('approvals')
        return done
      },
      async reject(id, by, reason) {
        const { kind } = await store.find(records.read, id)
        refuse(sessionRefusal(by))
        const done = await records.write((tx) => store.reject(tx, id, by.id, rolesOf(kind), reason))
        app.live.hint('approvals')
        return done
      },
      provide(name, does) {
        if (kinds.has(name)) throw new Error(`BUG: the kind of approval ${name} is provided twice`)
        kinds.set(name, does)
      },
    }
    app.decorate('approvals', approvals)
    await app.register(approvalRoutes, {
      ...{ store, approvals, clock, rolesOf },
      titleOf: (name) => kinds.get(name)?.title ?? name,
      async ask(name, subject, by) {
        const { draft } = kindOf(name)
        refuse(sessionRefusal(by))
        if (draft === undefined)
          throw new CallwardError(
            'unprocessable',
            `"${name}" is asked for where it is changed, not here.`,
          )
        const content = await draft(subject)
        const wanted = { kind: name, subject, content, by }
        const asked = await records.write((tx) => approvals.request(tx, wanted))
        app.live.hint('approvals')
        return asked
      },
    })

    const expireDue = async () => {
      if (!(await store.anyDue())) return
      await records.write((tx) => store.expire(tx))
      app.live.hint('approvals')
    }
    let timer: NodeJS.Timeout | undefined
    let expiring = Promise.resolve()
    app.addHook('onReady', async () => {
      timer = setInterval(() => {
        expiring = expireDue().catch((err: unknown) =>
          app.log.warn({ err }, 'requests past their time are not marked yet'),
        )
      }, expireEveryMillis)
      timer.unref()
    })
    app.addHook('preClose', async () => {
      clearInterval(timer)
      await expiring
    })
  },
  {
    name: 'callward-approvals',
    dependencies: ['callward-records', 'callward-ledger', 'callward-access', 'callward-live'],
  },
)
