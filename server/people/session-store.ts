import { type Clock, type Millis, rfc3339 } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import { uuid } from '../ids.ts'
import type { Ledger } from '../ledger/plugin.ts'
import type { Records, RecordsTransaction } from '../records/records.ts'
import { hashSecret, newSecret, type Principal, type Role, type Way } from './access.ts'

/** A console session lasts a shift. */
export const consoleSessionMillis = 12 * 3_600_000
/** How exactly it is kept when a session was last used. */
const touchEveryMillis = 60_000
/** Sessions of one person; the oldest ends. */
const sessionsOfPerson = 50
/** Where somebody signed in from is known for this long after the session's end: guesses from elsewhere cannot keep them out. */
export const addressKnownMillis = 30 * 24 * 3_600_000

export interface SessionView {
  readonly id: string
  readonly way: string | null
  readonly address: string | null
  readonly createdAt: string
  readonly lastSeenAt: string
  readonly expiresAt: string
  /** The one that asks. */
  readonly current: boolean
}

export interface SessionStoreOptions {
  readonly records: Records
  readonly clock: Clock
  readonly ledger: Ledger
  /** How long a session lives without a request. */
  readonly idleMillis: Millis
  /** Roles whose people come in by password only with a second factor. */
  readonly needFactor: ReadonlySet<string>
}

/** Console sessions: made, found, listed, ended. Secrets are kept as hashes only. */
export class SessionStore {
  readonly #records: Records
  readonly #clock: Clock
  readonly #ledger: Ledger
  readonly #idleMillis: Millis
  readonly #needFactor: ReadonlySet<string>
  /** Sessions whose last use is being written. */
  readonly #touching = new Set<string>()

  constructor({ records, clock, ledger, idleMillis, needFactor }: SessionStoreOptions) {
    this.#records = records
    this.#clock = clock
    this.#ledger = ledger
    this.#idleMillis = idleMillis
    this.#needFactor = needFactor
  }

  /** A new session's secret; those that ended long ago are forgotten. */
  async create(
    principal: Pick<Principal, 'id' | 'name'>,
    by: Way,
    address: string | null = null,
  ): Promise<string> {
    const secret = newSecret('cws')
    await this.#records.write((tx) => this.add(tx, principal, by, address, secret))
    return secret
  }

  /** As `create`, in the caller's transaction. Throws unauthorized for an account that was disabled meanwhile. */
  async add(
    tx: RecordsTransaction,
    { id, name }: Pick<Principal, 'id' | 'name'>,
    by: Way,
    address: string | null,
    secret: string,
  ): Promise<void> {
    const now = this.#clock.now()
    const enabled = await tx
      .selectFrom('principals')
      .select('id')
      .where('id', '=', id)
      .where('disabled_at', 'is', null)
      .executeTakeFirst()
    if (enabled === undefined) throw new CallwardError('unauthorized', 'This account is disabled.')
    await tx
      .deleteFrom('console_sessions')
      .where('expires_at', '<', now - addressKnownMillis)
      .execute()
    await this.#makeRoom(tx, id)
    await tx
      .insertInto('console_sessions')
      .values({
        hash: hashSecret(secret),
        principal_id: id,
        created_at: now,
        expires_at: now + consoleSessionMillis,
        revoked_at: null,
        id: uuid(now),
        way: by,
        address,
        last_seen_at: now,
      })
      .execute()
    const content = { name, by, expiresAt: rfc3339(now + consoleSessionMillis) }
    await this.#note(tx, 'access.signed_in', name, id, content)
  }

  /** The principal a live session belongs to; the use is noted at most once a minute. */
  async find(secret: string): Promise<Principal | undefined> {
    const hash = hashSecret(secret)
    const row = await this.#records.read
      .selectFrom('console_sessions')
      .innerJoin('principals', 'principals.id', 'console_sessions.principal_id')
      .leftJoin('accounts', 'accounts.principal_id', 'principals.id')
      .select(['principals.id', 'principals.name', 'principals.role', 'accounts.totp_confirmed_at'])
      .select(['console_sessions.created_at', 'console_sessions.expires_at'])
      .select(['console_sessions.last_seen_at', 'console_sessions.way'])
      .select('console_sessions.id as session')
      .where('console_sessions.hash', '=', hash)
      .where('console_sessions.revoked_at', 'is', null)
      .where('principals.disabled_at', 'is', null)
      .executeTakeFirst()
    const now = this.#clock.now()
    if (row === undefined || row.expires_at <= now) return undefined
    const lastSeenAt = row.last_seen_at ?? row.created_at
    if (lastSeenAt + this.#idleMillis <= now) return undefined
    if (now - lastSeenAt >= Math.min(touchEveryMillis, this.#idleMillis / 4)) this.#touch(hash, now)
    const limited =
      row.way === 'password' && row.totp_confirmed_at === null && this.#needFactor.has(row.role)
    return {
      ...{ id: row.id, name: row.name, role: row.role as Role, via: 'cookie' },
      ...(row.session === null ? {} : { session: row.session }),
      ...(isWay(row.way) ? { way: row.way } : {}),
      ...(limited ? { limited } : {}),
    }
  }

  /** Whether somebody signed in to this account from this address in the last month. The work is the same for no account. */
  async knowsAddress(principalId: string | undefined, address: string): Promise<boolean> {
    const row = await this.#records.read
      .selectFrom('console_sessions')
      .select('hash')
      .where('principal_id', '=', principalId ?? '')
      .where('address', '=', address)
      .limit(1)
      .executeTakeFirst()
    return row !== undefined
  }

  /** A person's live sessions, the newest first. */
  async listOf(principal: Principal): Promise<SessionView[]> {
    const now = this.#clock.now()
    const rows = await this.#records.read
      .selectFrom('console_sessions')
      .selectAll()
      .where('principal_id', '=', principal.id)
      .where('revoked_at', 'is', null)
      .where('expires_at', '>', now)
      .orderBy('created_at', 'desc')
      .execute()
    return rows.flatMap((row) => {
      const lastSeenAt = row.last_seen_at ?? row.created_at
      if (row.id === null || lastSeenAt + this.#idleMillis <= now) return []
      const { id, way, address } = row
      const ends = Math.min(row.expires_at, lastSeenAt + this.#idleMillis)
      return [
        {
          ...{ id, way, address, current: id === principal.session },
          createdAt: rfc3339(row.created_at),
          lastSeenAt: rfc3339(lastSeenAt),
          expiresAt: rfc3339(ends),
        },
      ]
    })
  }

  /** Ends one session of a person; false when there is no such live one. */
  async end({ id: principalId, name }: Principal, id: string): Promise<boolean> {
    return this.#records.write(async (tx) => {
      const ended = await tx
        .updateTable('console_sessions')
        .set({ revoked_at: this.#clock.now() })
        .where('id', '=', id)
        .where('principal_id', '=', principalId)
        .where('revoked_at', 'is', null)
        .executeTakeFirst()
      if (ended.numUpdatedRows === 0n) return false
      await this.#note(tx, 'access.signed_out', name, principalId, {})
      return true
    })
  }

  /** Ends every live session of a person but one; gives how many. */
  async endOthers(
    tx: RecordsTransaction,
    principalId: string,
    by: string,
    keep?: string,
  ): Promise<number> {
    const now = this.#clock.now()
    let query = tx
      .updateTable('console_sessions')
      .set({ revoked_at: now })
      .where('principal_id', '=', principalId)
      .where('revoked_at', 'is', null)
      .where('expires_at', '>', now)
    if (keep !== undefined)
      query = query.where((is) => is.or([is('id', 'is', null), is('id', '<>', keep)]))
    const { numUpdatedRows } = await query.executeTakeFirst()
    if (numUpdatedRows > 0n)
      await this.#note(tx, 'access.sessions_ended', by, principalId, {
        count: Number(numUpdatedRows),
      })
    return Number(numUpdatedRows)
  }

  /** Ends the session of a cookie. */
  async revoke(secret: string): Promise<void> {
    const hash = hashSecret(secret)
    await this.#records.write(async (tx) => {
      const open = await tx
        .selectFrom('console_sessions')
        .innerJoin('principals', 'principals.id', 'console_sessions.principal_id')
        .select(['principals.id', 'principals.name'])
        .where('console_sessions.hash', '=', hash)
        .where('console_sessions.revoked_at', 'is', null)
        .executeTakeFirst()
      if (open === undefined) return
      const revoked = { revoked_at: this.#clock.now() }
      await tx.updateTable('console_sessions').set(revoked).where('hash', '=', hash).execute()
      await this.#note(tx, 'access.signed_out', open.name, open.id, {})
    })
  }

  async #makeRoom(tx: RecordsTransaction, principalId: string): Promise<void> {
    const rows = await tx
      .selectFrom('console_sessions')
      .select('hash')
      .where('principal_id', '=', principalId)
      .orderBy('created_at', 'desc')
      .orderBy('hash')
      .offset(sessionsOfPerson - 1)
      .limit(1000)
      .execute()
    if (rows.length === 0) return
    const hashes = rows.map(({ hash }) => hash)
    await tx.deleteFrom('console_sessions').where('hash', 'in', hashes).execute()
  }

  #touch(hash: string, now: Millis): void {
    if (this.#touching.has(hash)) return
    this.#touching.add(hash)
    this.#records
      .write((tx) =>
        tx
          .updateTable('console_sessions')
          .set({ last_seen_at: now })
          .where('hash', '=', hash)
          .execute(),
      )
      // Losing the time of a use must not cost the request (a full disk, say): the next one writes it.
      .catch(() => undefined)
      .finally(() => this.#touching.delete(hash))
  }

  async #note(
    tx: RecordsTransaction,
    action: string,
    actor: string,
    id: string,
    content: object,
  ): Promise<void> {
    const occurredAt = this.#clock.now()
    const object = { type: 'principal', id }
    await this.#ledger.append(tx, { action, object, actor, occurredAt, content })
  }
}

function isWay(way: string | null): way is Way {
  return way === 'link' || way === 'token' || way === 'password'
}
