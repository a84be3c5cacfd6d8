import { createHash } from 'node:crypto'
import { type Clock, type Millis, rfc3339 } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import { uuid } from '../ids.ts'
import type { Ledger } from '../ledger/plugin.ts'
import type { Records, RecordsTransaction } from '../records/records.ts'
import type { ApprovalRow } from '../records/schema.ts'
import {
  type Approval,
  type ApprovalState,
  approvalMillis,
  approvalRefusal,
  closedRefusal,
  type Refusal,
  requestRefusal,
  type Standing,
} from './approval.ts'

/** Requests that wait at once. */
export const openMost = 200
/** JSON of what is asked for, in characters. */
export const contentMost = 8 * 1024 * 1024

export interface Wanted {
  readonly kind: string
  readonly subject: string
  /** JSON. */
  readonly content: unknown
  /** Principal's id. */
  readonly by: string
}

/** Requests that take two people, from the asking to the decision. */
export class ApprovalStore {
  readonly #records: Records
  readonly #clock: Clock
  readonly #ledger: Ledger

  constructor(records: Records, clock: Clock, ledger: Ledger) {
    this.#records = records
    this.#clock = clock
    this.#ledger = ledger
  }

  /** Throws forbidden for who may not ask, conflict while the same is asked for, unprocessable. */
  async request(
    tx: RecordsTransaction,
    { kind, subject, content, by }: Wanted,
    roles: readonly string[],
  ): Promise<Approval> {
    const who = await standingOf(tx, by)
    refuse(requestRefusal(who, roles))
    await this.expire(tx)
    const text = JSON.stringify(content)
    if (text.length > contentMost)
      throw new CallwardError(
        'unprocessable',
        `This is over ${contentMost} characters; ask for less at once.`,
      )
    await this.#checkRoom(tx, kind, subject)
    const now = this.#clock.now()
    const id = uuid(now)
    const expires_at = now + approvalMillis
    const asked = { id, kind, subject, content: text, state: 'open', requested_by: by }
    const undecided = { decided_by: null, decided_at: null, reason: null }
    await tx
      .insertInto('approvals')
      .values({ ...asked, requested_at: now, expires_at, ...undecided })
      .execute()
    const contentHash = hashOf(text)
    const noted = { kind, subject, contentHash, expiresAt: rfc3339(expires_at) }
    await this.#note(tx, 'approval.requested', id, who.name, noted)
    return this.find(tx, id)
  }

  /**
   * Agrees, and does what was asked for in the same transaction: both are kept or neither. Throws not_found, forbidden, conflict, and
   * what `apply` throws.
   */
  async approve(
    tx: RecordsTransaction,
    id: string,
    by: string,
    roles: readonly string[],
    apply: (approval: Approval) => Promise<void>,
  ): Promise<Approval> {
    const approval = await this.find(tx, id)
    const [requester, who] = [
      await standingOf(tx, approval.requestedBy.id),
      await standingOf(tx, by),
    ]
    refuse(approvalRefusal(approval, requester, who, roles, this.#clock.now()))
    await this.#decide(tx, id, 'approved', by, null)
    // As decided: who agreed is part of what is done.
    await apply(await this.find(tx, id))
    const { kind, subject, content } = approval
    const contentHash = hashOf(JSON.stringify(content))
    const noted = { kind, subject, contentHash, requestedBy: requester.name }
    await this.#note(tx, 'approval.approved', id, who.name, noted)
    return this.find(tx, id)
  }

  /** Says no, or takes the own request back. Throws not_found, forbidden, conflict. */
  async reject(
    tx: RecordsTransaction,
    id: string,
    by: string,
    roles: readonly string[],
    reason: string,
  ): Promise<Approval> {
    const approval = await this.find(tx, id)
    const who = await standingOf(tx, by)
    refuse(closedRefusal(approval, this.#clock.now()))
    if (who.id !== approval.requestedBy.id) refuse(requestRefusal(who, roles))
    await this.#decide(tx, id, 'rejected', by, reason)
    const { kind, subject, requestedBy } = approval
    const noted = { kind, subject, requestedBy: requestedBy.name }
    await this.#note(tx, 'approval.rejected', id, who.name, noted, { reason })
    return this.find(tx, id)
  }

  /** Marks what nobody decided in time; gives how many. */
  async expire(tx: RecordsTransaction): Promise<number> {
    const now = this.#clock.now()
    const rows = await tx
      .selectFrom('approvals')
      .innerJoin('principals', 'principals.id', 'approvals.requested_by')
      .select(['approvals.id', 'approvals.kind', 'approvals.subject', 'principals.name'])
      .where('approvals.state', '=', 'open')
      .where('approvals.expires_at', '<=', now)
      .execute()
    for (const { id, kind, subject, name } of rows) {
      await tx
        .updateTable('approvals')
        .set({ state: 'expired', decided_at: now })
        .where('id', '=', id)
        .execute()
      await this.#note(tx, 'approval.expired', id, 'hub', { kind, subject, requestedBy: name })
    }
    return rows.length
  }

  /** True while something open is past its time. */
  async anyDue(): Promise<boolean> {
    const row = await this.#records.read
      .selectFrom('approvals')
      .select('id')
      .where('state', '=', 'open')
      .where('expires_at', '<=', this.#clock.now())
      .limit(1)
      .executeTakeFirst()
    return row !== undefined
  }

  /** Throws not_found. */
  async find(database: Records['read'] | RecordsTransaction, id: string): Promise<Approval> {
    const [found] = await this.#query(database, (query) => query.where('approvals.id', '=', id))
    if (found !== undefined) return found
    throw new CallwardError('not_found', `There is no request "${id}"; see: callward approvals`)
  }

  /** The newest first; what is past its time counts as expired. */
  async list(state: ApprovalState | undefined, limit: number): Promise<Approval[]> {
    const all = await this.#query(this.#records.read, (query) => {
      const stored = state === 'expired' ? (['open', 'expired'] as const) : [state]
      const some =
        state === undefined
          ? query
          : query.where(
              'approvals.state',
              'in',
              stored.filter((one) => one !== undefined),
            )
      return some.orderBy('approvals.requested_at', 'desc').limit(limit)
    })
    return all.filter((one) => state === undefined || one.state === state)
  }

  async #query(
    database: Records['read'] | RecordsTransaction,
    narrow: (query: ReturnType<typeof approvalsOf>) => ReturnType<typeof approvalsOf>,
  ): Promise<Approval[]> {
    const now = this.#clock.now()
    const rows = await narrow(approvalsOf(database)).execute()
    return rows.map((row) => approvalOf(row, now))
  }

  async #checkRoom(tx: RecordsTransaction, kind: string, subject: string): Promise<void> {
    const open = await tx
      .selectFrom('approvals')
      .select(['kind', 'subject'])
      .where('state', '=', 'open')
      .execute()
    if (open.some((one) => one.kind === kind && one.subject === subject))
      throw new CallwardError(
        'conflict',
        `"${subject}" is asked for already and waits for a second person; see: callward approvals`,
      )
    if (open.length >= openMost)
      throw new CallwardError(
        'unprocessable',
        `${openMost} requests wait already; decide some of them first.`,
      )
  }

  /** Throws conflict when somebody was quicker. */
  async #decide(
    tx: RecordsTransaction,
    id: string,
    state: ApprovalState,
    by: string,
    reason: string | null,
  ): Promise<void> {
    const decided = await tx
      .updateTable('approvals')
      .set({ state, decided_by: by, decided_at: this.#clock.now(), reason })
      .where('id', '=', id)
      .where('state', '=', 'open')
      .executeTakeFirst()
    if (decided.numUpdatedRows === 0n) throw new CallwardError('conflict')
  }

  async #note(
    tx: RecordsTransaction,
    action: string,
    id: string,
    actor: string,
    content: object,
    sensitive: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const object = { type: 'approval', id }
    const occurredAt = this.#clock.now()
    await this.#ledger.append(tx, { action, object, actor, occurredAt, content, sensitive })
  }
}

function approvalsOf(database: Records['read'] | RecordsTransaction) {
  return database
    .selectFrom('approvals')
    .innerJoin('principals as requester', 'requester.id', 'approvals.requested_by')
    .leftJoin('principals as decider', 'decider.id', 'approvals.decided_by')
    .selectAll('approvals')
    .select(['requester.name as requester_name', 'decider.name as decider_name'])
}

function approvalOf(
  row: ApprovalRow & { requester_name: string; decider_name: string | null },
  now: Millis,
): Approval {
  const { id, kind, subject, reason } = row
  const isOver = row.state === 'open' && row.expires_at <= now
  return {
    ...{ id, kind, subject, reason },
    content: JSON.parse(row.content),
    state: isOver ? 'expired' : (row.state as ApprovalState),
    requestedBy: { id: row.requested_by, name: row.requester_name },
    requestedAt: row.requested_at,
    expiresAt: row.expires_at,
    decidedBy:
      row.decided_by === null
        ? null
        : { id: row.decided_by, name: row.decider_name ?? row.decided_by },
    decidedAt: row.decided_at,
  }
}

/** An account as it stands in this transaction. */
async function standingOf(tx: RecordsTransaction, id: string): Promise<Standing> {
  const row = await tx
    .selectFrom('principals')
    .select(['name', 'role', 'kind', 'disabled_at'])
    .where('id', '=', id)
    .executeTakeFirst()
  return {
    id,
    name: row?.name ?? id,
    role: row?.role ?? '',
    isPerson: row?.kind === 'person',
    enabled: row !== undefined && row.disabled_at === null,
  }
}

/** Throws what refuses. */
export function refuse(refusal: Refusal | undefined): void {
  if (refusal !== undefined) throw new CallwardError(refusal.code, refusal.message)
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
