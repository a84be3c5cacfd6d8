import { type Clock, type Millis, rfc3339 } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type { Ledger } from '../ledger/plugin.ts'
import type { Records, RecordsTransaction } from '../records/records.ts'
import type { AccountRow } from '../records/schema.ts'
import type { Sealer } from '../sealing.ts'
import { hashSecret, newSecret, type Role } from './access.ts'
import { plainRecoveryCode } from './second-factor.ts'

/** An invitation, or a link to a new password, waits over a weekend. */
export const passwordLinkMillis = 72 * 3_600_000

/** A person and what they sign in with. */
export interface Account {
  readonly id: string
  readonly name: string
  readonly role: Role
  readonly isPerson: boolean
  readonly enabled: boolean
  readonly email: string | null
  readonly password: string | null
  readonly passwordSetAt: Millis | null
  readonly factorSince: Millis | null
  readonly factorPending: boolean
  readonly factorStep: number | null
}

/** Passwords, second factors and the links that set passwords. What is kept of a secret is a hash, or sealed. */
export class AccountStore {
  readonly #records: Records
  readonly #clock: Clock
  readonly #ledger: Ledger
  readonly #sealer: Sealer

  constructor(records: Records, clock: Clock, ledger: Ledger, sealer: Sealer) {
    this.#records = records
    this.#clock = clock
    this.#ledger = ledger
    this.#sealer = sealer
  }

  byName(name: string): Promise<Account | undefined> {
    return this.#find('name', name)
  }

  byId(id: string): Promise<Account | undefined> {
    return this.#find('id', id)
  }

  async #find(key: 'id' | 'name', value: string): Promise<Account | undefined> {
    const row = await this.#records.read
      .selectFrom('principals')
      .leftJoin('accounts', 'accounts.principal_id', 'principals.id')
      .select(['principals.id', 'principals.name', 'principals.role', 'principals.kind'])
      .select(['principals.disabled_at', 'accounts.email', 'accounts.password'])
      .select(['accounts.password_set_at', 'accounts.totp_confirmed_at'])
      .select(['accounts.totp_pending', 'accounts.totp_step'])
      .where(`principals.${key}`, '=', value)
      .executeTakeFirst()
    if (row === undefined) return undefined
    return {
      ...{ id: row.id, name: row.name, role: row.role as Role },
      isPerson: row.kind === 'person',
      enabled: row.disabled_at === null,
      email: row.email,
      password: row.password,
      passwordSetAt: row.password_set_at,
      factorSince: row.totp_confirmed_at,
      factorPending: row.totp_pending !== null,
      factorStep: row.totp_step,
    }
  }

  /** Takes back a person's unused links and makes a new one that sets a password. */
  async makeLink(
    tx: RecordsTransaction,
    principalId: string,
    by: string,
  ): Promise<{ code: string; expiresAt: Millis }> {
    const code = newSecret('cwl')
    const now = this.#clock.now()
    const expiresAt = now + passwordLinkMillis
    await tx
      .updateTable('sign_in_links')
      .set({ used_at: now })
      .where('principal_id', '=', principalId)
      .where('purpose', '=', 'password')
      .where('used_at', 'is', null)
      .execute()
    const row = { hash: hashSecret(code), principal_id: principalId, created_at: now }
    await tx
      .insertInto('sign_in_links')
      .values({ ...row, expires_at: expiresAt, used_at: null, purpose: 'password' })
      .execute()
    await this.note(tx, 'access.password_link_made', by, principalId, {
      expiresAt: rfc3339(expiresAt),
    })
    return { code, expiresAt }
  }

  /** Whose password a live link sets. */
  async ownerOfLink(code: string): Promise<Account | undefined> {
    const row = await this.#records.read
      .selectFrom('sign_in_links')
      .select('principal_id')
      .where('hash', '=', hashSecret(code))
      .where('purpose', '=', 'password')
      .where('used_at', 'is', null)
      .where('expires_at', '>', this.#clock.now())
      .executeTakeFirst()
    const account = row === undefined ? undefined : await this.byId(row.principal_id)
    return account?.enabled === true ? account : undefined
  }

  /** False when somebody was quicker. */
  async useLink(tx: RecordsTransaction, code: string): Promise<boolean> {
    const now = this.#clock.now()
    const used = await tx
      .updateTable('sign_in_links')
      .set({ used_at: now })
      .where('hash', '=', hashSecret(code))
      .where('purpose', '=', 'password')
      .where('used_at', 'is', null)
      .where('expires_at', '>', now)
      .executeTakeFirst()
    return used.numUpdatedRows > 0n
  }

  /** `stored` is the hash; `by` who set it: the owner, by a link or by the old password. */
  async setPassword(
    tx: RecordsTransaction,
    { id, name }: Pick<Account, 'id' | 'name'>,
    stored: string,
    by: 'link' | 'old password',
  ): Promise<void> {
    await this.change(tx, id, { password: stored, password_set_at: this.#clock.now() })
    await this.note(tx, 'access.password_set', name, id, { by })
  }

  /**
   * Whether an account still is what was read of it: enabled, with the same password and second factor. `mayBeRenewed`: the same
   * password may have been hashed anew meanwhile.
   */
  async isUnchanged(
    tx: RecordsTransaction,
    { id, password, passwordSetAt, factorSince }: Account,
    mayBeRenewed: boolean,
  ): Promise<boolean> {
    const row = await tx
      .selectFrom('principals')
      .innerJoin('accounts', 'accounts.principal_id', 'principals.id')
      .select(['accounts.password', 'accounts.password_set_at', 'accounts.totp_confirmed_at'])
      .where('principals.id', '=', id)
      .where('principals.disabled_at', 'is', null)
      .executeTakeFirst()
    if (row === undefined || row.totp_confirmed_at !== factorSince) return false
    return row.password === password || (mayBeRenewed && row.password_set_at === passwordSetAt)
  }

  /** Stores the same password at today's cost, unless it was changed meanwhile. */
  async renewHash(id: string, before: string, stored: string): Promise<void> {
    await this.#records.write((tx) =>
      tx
        .updateTable('accounts')
        .set({ password: stored })
        .where('principal_id', '=', id)
        .where('password', '=', before)
        .execute(),
    )
  }

  /** Writes columns of an account, and makes its row when there is none. */
  async change(
    tx: RecordsTransaction,
    principalId: string,
    columns: Partial<Omit<AccountRow, 'principal_id'>>,
  ): Promise<void> {
    const empty: AccountRow = {
      principal_id: principalId,
      email: null,
      password: null,
      password_set_at: null,
      totp_sealed: null,
      totp_confirmed_at: null,
      totp_pending: null,
      totp_step: null,
    }
    await tx
      .insertInto('accounts')
      .values({ ...empty, ...columns })
      .onConflict((conflict) => conflict.column('principal_id').doUpdateSet(columns))
      .execute()
  }

  /** Keeps a secret that waits for its first code. */
  async beginFactor(principalId: string, secret: string): Promise<void> {
    const totp_pending = this.#sealer.seal(sealedPending(principalId), secret)
    await this.#records.write((tx) => this.change(tx, principalId, { totp_pending }))
  }

  /** The secret that waits for its first code. Throws Error when it was sealed with another key. */
  async pendingFactor(principalId: string): Promise<string | undefined> {
    const row = await this.#row(principalId)
    if (row?.totp_pending == null) return undefined
    return this.#sealer.open(sealedPending(principalId), row.totp_pending)
  }

  /** The secret in force. Throws Error when it was sealed with another key. */
  async factor(principalId: string): Promise<string | undefined> {
    const row = await this.#row(principalId)
    return row?.totp_sealed == null
      ? undefined
      : this.#sealer.open(sealedFactor(principalId), row.totp_sealed)
  }

  /**
   * Puts a second factor in force, with its recovery codes; the step of its first code is used. Throws conflict when there is one by
   * now, or another one was begun.
   */
  async confirmFactor(
    tx: RecordsTransaction,
    { id, name }: Pick<Account, 'id' | 'name'>,
    secret: string,
    step: number,
    codes: readonly string[],
  ): Promise<void> {
    const row = await tx
      .selectFrom('accounts')
      .select(['totp_pending', 'totp_confirmed_at'])
      .where('principal_id', '=', id)
      .executeTakeFirst()
    const isBegun =
      row?.totp_pending != null &&
      row.totp_confirmed_at === null &&
      this.#sealer.open(sealedPending(id), row.totp_pending) === secret
    if (!isBegun)
      throw new CallwardError(
        'conflict',
        'The second factor was changed meanwhile; begin again on the account page.',
      )
    await this.change(tx, id, {
      totp_sealed: this.#sealer.seal(sealedFactor(id), secret),
      totp_confirmed_at: this.#clock.now(),
      totp_pending: null,
      totp_step: step,
    })
    await this.#putCodes(tx, id, codes)
    await this.note(tx, 'access.second_factor', name, id, { change: 'set up' })
  }

  /** New recovery codes; those of before are void. */
  async renewCodes(
    { id, name }: Pick<Account, 'id' | 'name'>,
    codes: readonly string[],
  ): Promise<void> {
    await this.#records.write(async (tx) => {
      await this.#putCodes(tx, id, codes)
      await this.note(tx, 'access.second_factor', name, id, { change: 'new recovery codes' })
    })
  }

  /** Takes the second factor away; false when there was none. */
  async removeFactor(tx: RecordsTransaction, id: string, by: string): Promise<boolean> {
    const removed = await tx
      .updateTable('accounts')
      .set({ totp_sealed: null, totp_confirmed_at: null, totp_pending: null, totp_step: null })
      .where('principal_id', '=', id)
      .where('totp_confirmed_at', 'is not', null)
      .executeTakeFirst()
    if (removed.numUpdatedRows === 0n) return false
    await tx.deleteFrom('recovery_codes').where('principal_id', '=', id).execute()
    await this.note(tx, 'access.second_factor', by, id, { change: 'removed' })
    return true
  }

  /** Uses up a step of the second factor; false when it, or a newer one, was used before. */
  async useStep(tx: RecordsTransaction, id: string, step: number): Promise<boolean> {
    const used = await tx
      .updateTable('accounts')
      .set({ totp_step: step })
      .where('principal_id', '=', id)
      .where('totp_confirmed_at', 'is not', null)
      .where((is) => is.or([is('totp_step', 'is', null), is('totp_step', '<', step)]))
      .executeTakeFirst()
    return used.numUpdatedRows > 0n
  }

  /** Whether a recovery code is known and unused. */
  async hasCode(id: string, typed: string): Promise<boolean> {
    const row = await this.#records.read
      .selectFrom('recovery_codes')
      .select('hash')
      .where('principal_id', '=', id)
      .where('hash', '=', hashSecret(plainRecoveryCode(typed)))
      .where('used_at', 'is', null)
      .executeTakeFirst()
    return row !== undefined
  }

  /** Uses up a recovery code; false when it is unknown or was used before. */
  async useCode(
    tx: RecordsTransaction,
    { id, name }: Pick<Account, 'id' | 'name'>,
    typed: string,
  ): Promise<boolean> {
    const used = await tx
      .updateTable('recovery_codes')
      .set({ used_at: this.#clock.now() })
      .where('principal_id', '=', id)
      .where('hash', '=', hashSecret(plainRecoveryCode(typed)))
      .where('used_at', 'is', null)
      .executeTakeFirst()
    if (used.numUpdatedRows === 0n) return false
    await this.note(tx, 'access.second_factor', name, id, { change: 'recovery code used' })
    return true
  }

  async codesLeft(id: string): Promise<number> {
    const rows = await this.#records.read
      .selectFrom('recovery_codes')
      .select('hash')
      .where('principal_id', '=', id)
      .where('used_at', 'is', null)
      .execute()
    return rows.length
  }

  /** An entry of the ledger about a person. */
  async note(
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

  async #putCodes(tx: RecordsTransaction, id: string, codes: readonly string[]): Promise<void> {
    await tx.deleteFrom('recovery_codes').where('principal_id', '=', id).execute()
    const rows = codes.map((code) => ({
      principal_id: id,
      hash: hashSecret(plainRecoveryCode(code)),
      used_at: null,
    }))
    await tx.insertInto('recovery_codes').values(rows).execute()
  }

  #row(principalId: string): Promise<AccountRow | undefined> {
    return this.#records.read
      .selectFrom('accounts')
      .selectAll()
      .where('principal_id', '=', principalId)
      .executeTakeFirst()
  }
}

function sealedFactor(principalId: string): string {
  return `totp:${principalId}`
}

function sealedPending(principalId: string): string {
  return `totp-pending:${principalId}`
}
