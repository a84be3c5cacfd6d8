import { type Clock, type Millis, rfc3339 } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import { uuid } from '../ids.ts'
import type { Ledger } from '../ledger/plugin.ts'
import type { Records, RecordsTransaction } from '../records/records.ts'
import { hashSecret, newSecret, type Principal, type Role } from './access.ts'
import { checkNewName } from './names.ts'

/** One use within 15 minutes. */
export const signInLinkMillis = 15 * 60_000

export interface TokenView {
  readonly id: string
  readonly name: string
  readonly role: Role
  readonly label: string
  readonly createdAt: string
  readonly lastUsedAt: string | null
  readonly revokedAt: string | null
}

/** Principals, tokens and sign-in links. Secrets are kept as hashes only. */
export class PeopleStore {
  readonly #records: Records
  readonly #clock: Clock
  readonly #ledger: Ledger

  constructor(records: Records, clock: Clock, ledger: Ledger) {
    this.#records = records
    this.#clock = clock
    this.#ledger = ledger
  }

  /** Makes the principal when it is not there; the role and the kind of an existing one are left alone. */
  async ensurePrincipal(
    tx: RecordsTransaction,
    name: string,
    role: Role,
    kind: 'person' | 'service',
  ): Promise<{ readonly id: string; readonly kind: string }> {
    const found = await this.#named(tx, name)
    return found ?? { id: await this.#addPrincipal(tx, name, role, kind), kind }
  }

  async #named(tx: RecordsTransaction, name: string) {
    return tx
      .selectFrom('principals')
      .select(['id', 'kind'])
      .where('name', '=', name)
      .executeTakeFirst()
  }

  async #addPrincipal(
    tx: RecordsTransaction,
    name: string,
    role: Role,
    kind: 'person' | 'service',
  ): Promise<string> {
    const id = uuid(this.#clock.now())
    await tx
      .insertInto('principals')
      .values({ id, name, role, kind, created_at: this.#clock.now(), disabled_at: null })
      .execute()
    return id
  }

  /** The principal a live token belongs to. */
  async byToken(token: string): Promise<Principal | undefined> {
    const row = await this.#records.read
      .selectFrom('tokens')
      .innerJoin('principals', 'principals.id', 'tokens.principal_id')
      .select(['principals.id', 'principals.name', 'principals.role', 'tokens.expires_at'])
      .where('tokens.hash', '=', hashSecret(token))
      .where('tokens.revoked_at', 'is', null)
      .where('principals.disabled_at', 'is', null)
      .executeTakeFirst()
    if (row === undefined || expired(row.expires_at, this.#clock.now())) return undefined
    return { id: row.id, name: row.name, role: row.role as Role, via: 'token' }
  }

  /** A new token, shown once; `by` is who made it. The principal of that name is made when needed, but never changes role. */
  async createToken(
    name: string,
    role: Role,
    label: string,
    by = 'hub',
  ): Promise<{ id: string; token: string }> {
    const token = newSecret('cwt')
    const id = uuid(this.#clock.now())
    await this.#records.write(async (tx) => {
      const kind = isService(role) ? 'service' : 'person'
      const found = await this.#named(tx, name)
      if (found === undefined) await checkNewName(tx, name, kind)
      const principalId = found?.id ?? (await this.#addPrincipal(tx, name, role, kind))
      const principal = await tx
        .selectFrom('principals')
        .select(['role', 'disabled_at'])
        .where('id', '=', principalId)
        .executeTakeFirstOrThrow()
      if (principal.disabled_at !== null)
        throw new CallwardError(
          'conflict',
          `The account "${name}" is disabled; an administrator enables it first.`,
        )
      if (principal.role !== role) {
        throw new CallwardError(
          'conflict',
          `"${name}" has the role ${principal.role}; choose another name for a ${role} token.`,
        )
      }
      await tx
        .insertInto('tokens')
        .values({
          id,
          principal_id: principalId,
          hash: hashSecret(token),
          label,
          created_at: this.#clock.now(),
          expires_at: null,
          last_used_at: null,
          revoked_at: null,
        })
        .execute()
      await this.#note(tx, 'access.token_made', by, { type: 'token', id }, { name, role })
    })
    return { id, token }
  }

  async listTokens(): Promise<TokenView[]> {
    const rows = await this.#records.read
      .selectFrom('tokens')
      .innerJoin('principals', 'principals.id', 'tokens.principal_id')
      .select([
        'tokens.id',
        'principals.name',
        'principals.role',
        'tokens.label',
        'tokens.created_at',
        'tokens.last_used_at',
        'tokens.revoked_at',
      ])
      .orderBy('tokens.created_at')
      .execute()
    return rows.map((row) => ({
      id: row.id,
      name: row.name,
      role: row.role as Role,
      label: row.label,
      createdAt: rfc3339(row.created_at),
      lastUsedAt: orNull(row.last_used_at),
      revokedAt: orNull(row.revoked_at),
    }))
  }

  /** False when there is no such live token. */
  async revokeToken(id: string, by: string): Promise<boolean> {
    return this.#records.write(async (tx) => {
      const result = await tx
        .updateTable('tokens')
        .set({ revoked_at: this.#clock.now() })
        .where('id', '=', id)
        .where('revoked_at', 'is', null)
        .executeTakeFirst()
      if (result.numUpdatedRows === 0n) return false
      // Whoever lost a token signs in anew: a session may have been made with it.
      const owner = tx.selectFrom('tokens').select('principal_id').where('id', '=', id)
      await tx
        .updateTable('console_sessions')
        .set({ revoked_at: this.#clock.now() })
        .where('principal_id', '=', owner)
        .where('revoked_at', 'is', null)
        .execute()
      const row = await owner.executeTakeFirst()
      const content = { principal: row?.principal_id ?? null }
      await this.#note(tx, 'access.token_revoked', by, { type: 'token', id }, content)
      return true
    })
  }

  /** Notes when a token was last used, at most once a minute (the caller sees to that). */
  async touchToken(token: string): Promise<void> {
    await this.#records.write(async (tx) => {
      await tx
        .updateTable('tokens')
        .set({ last_used_at: this.#clock.now() })
        .where('hash', '=', hashSecret(token))
        .execute()
    })
  }

  async createSignInLink(
    principalId: string,
    by = 'hub',
  ): Promise<{ code: string; expiresAt: Millis }> {
    const code = newSecret('cwl')
    const now = this.#clock.now()
    const expiresAt = now + signInLinkMillis
    await this.#records.write(async (tx) => {
      await tx
        .insertInto('sign_in_links')
        .values({
          hash: hashSecret(code),
          principal_id: principalId,
          created_at: now,
          expires_at: expiresAt,
          used_at: null,
          purpose: null,
        })
        .execute()
      const content = { expiresAt: rfc3339(expiresAt) }
      const object = { type: 'principal', id: principalId }
      await this.#note(tx, 'access.link_made', by, object, content)
    })
    return { code, expiresAt }
  }

  /** Uses up a link; undefined when it is unknown, used or too old. */
  async redeemSignInLink(code: string): Promise<string | undefined> {
    const now = this.#clock.now()
    return this.#records.write(async (tx) => {
      const used = await tx
        .updateTable('sign_in_links')
        .set({ used_at: now })
        .where('hash', '=', hashSecret(code))
        .where('used_at', 'is', null)
        .where('purpose', 'is', null)
        .where('expires_at', '>', now)
        .executeTakeFirst()
      if (used.numUpdatedRows === 0n) return undefined
      const row = await tx
        .selectFrom('sign_in_links')
        .select('principal_id')
        .where('hash', '=', hashSecret(code))
        .executeTakeFirst()
      return row?.principal_id
    })
  }

  /** The role of an enabled account; undefined when there is none of that name, null when it is disabled. */
  async roleOf(name: string): Promise<Role | null | undefined> {
    const row = await this.#records.read
      .selectFrom('principals')
      .select(['role', 'disabled_at'])
      .where('name', '=', name)
      .executeTakeFirst()
    if (row === undefined) return undefined
    return row.disabled_at === null ? (row.role as Role) : null
  }

  /** True once anybody signed in by a link. */
  async anyLinkUsed(): Promise<boolean> {
    const row = await this.#records.read
      .selectFrom('sign_in_links')
      .select('hash')
      .where('used_at', 'is not', null)
      .where('purpose', 'is', null)
      .limit(1)
      .executeTakeFirst()
    return row !== undefined
  }

  async #note(
    tx: RecordsTransaction,
    action: string,
    actor: string,
    object: { readonly type: string; readonly id: string },
    content: object,
  ): Promise<void> {
    const occurredAt = this.#clock.now()
    await this.#ledger.append(tx, { action, object, actor, occurredAt, content })
  }

  async principal(id: string): Promise<Principal | undefined> {
    const row = await this.#records.read
      .selectFrom('principals')
      .select(['id', 'name', 'role'])
      .where('id', '=', id)
      .where('disabled_at', 'is', null)
      .executeTakeFirst()
    return row === undefined
      ? undefined
      : { id: row.id, name: row.name, role: row.role as Role, via: 'token' }
  }
}

function isService(role: Role): boolean {
  return role === 'collector' || role === 'grafana'
}

function expired(expiresAt: Millis | null, now: Millis): boolean {
  return expiresAt !== null && expiresAt <= now
}

function orNull(at: Millis | null): string | null {
  return at === null ? null : rfc3339(at)
}
