import { type Clock, type Millis, rfc3339 } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import { uuid } from '../ids.ts'
import type { Records, RecordsTransaction } from '../records/records.ts'
import type { Role } from './access.ts'
import type { AccountStore } from './account-store.ts'
import { checkNewName, peopleKept } from './names.ts'
import type { SessionStore } from './session-store.ts'

/** A person as administrators and auditors see them. */
export interface PersonView {
  readonly id: string
  readonly name: string
  readonly role: Role
  readonly email: string | null
  readonly createdAt: string
  readonly disabledAt: string | null
  readonly hasPassword: boolean
  readonly hasSecondFactor: boolean
  readonly teams: string[]
}

export interface PersonChange {
  readonly role?: Role
  readonly email?: string | null
  readonly disabled?: boolean
}

export interface StaffStoreOptions {
  readonly records: Records
  readonly clock: Clock
  readonly accounts: AccountStore
  readonly sessions: SessionStore
}

/** People: invited, changed, disabled. One administrator always stays. */
export class StaffStore {
  readonly #options: StaffStoreOptions

  constructor(options: StaffStoreOptions) {
    this.#options = options
  }

  async list(): Promise<PersonView[]> {
    const { read } = this.#options.records
    const rows = await read
      .selectFrom('principals')
      .leftJoin('accounts', 'accounts.principal_id', 'principals.id')
      .select(['principals.id', 'principals.name', 'principals.role', 'principals.created_at'])
      .select(['principals.disabled_at', 'accounts.email', 'accounts.password_set_at'])
      .select('accounts.totp_confirmed_at')
      .where('principals.kind', '=', 'person')
      .orderBy('principals.name')
      .limit(peopleKept)
      .execute()
    const members = await read.selectFrom('team_members').selectAll().orderBy('team_id').execute()
    const teams = new Map<string, string[]>()
    for (const { team_id, principal_id } of members)
      teams.set(principal_id, [...(teams.get(principal_id) ?? []), team_id])
    return rows.map((row) => ({
      ...{ id: row.id, name: row.name, role: row.role as Role, email: row.email },
      createdAt: rfc3339(row.created_at),
      disabledAt: row.disabled_at === null ? null : rfc3339(row.disabled_at),
      hasPassword: row.password_set_at !== null,
      hasSecondFactor: row.totp_confirmed_at !== null,
      teams: teams.get(row.id) ?? [],
    }))
  }

  /** By id or by name. Throws not_found. */
  async idOf(named: string): Promise<string> {
    const row = await this.#options.records.read
      .selectFrom('principals')
      .select('id')
      .where('kind', '=', 'person')
      .where((is) => is.or([is('id', '=', named), is('name', '=', named)]))
      .executeTakeFirst()
    if (row === undefined)
      throw new CallwardError('not_found', `There is no person "${named}"; see: callward people`)
    return row.id
  }

  /** A new person and the link that sets their password. Throws conflict. */
  async invite(
    { name, role, email }: { name: string; role: Role; email: string | null },
    by: string,
  ): Promise<{ id: string; code: string; expiresAt: Millis }> {
    const { records, clock, accounts } = this.#options
    return records.write(async (tx) => {
      await checkNewName(tx, name, 'person')
      const id = uuid(clock.now())
      await tx
        .insertInto('principals')
        .values({ id, name, role, kind: 'person', created_at: clock.now(), disabled_at: null })
        .execute()
      await accounts.change(tx, id, { email })
      await accounts.note(tx, 'people.invited', by, id, { name, role })
      return { id, ...(await accounts.makeLink(tx, id, by)) }
    })
  }

  /** A link that sets a new password. Throws not_found, conflict. */
  async link(id: string, by: string): Promise<{ code: string; expiresAt: Millis }> {
    const { records, accounts } = this.#options
    return records.write(async (tx) => {
      const person = await this.#person(tx, id)
      if (person.disabled_at !== null)
        throw new CallwardError(
          'conflict',
          `The account of ${person.name} is disabled; enable it first: callward people enable ${person.name}`,
        )
      return accounts.makeLink(tx, id, by)
    })
  }

  /** Changes a person; a new role and a disabled account end sessions and tokens, the latter links too. Throws not_found, conflict. */
  async change(id: string, { role, email, disabled }: PersonChange, by: string): Promise<void> {
    const { records, accounts, sessions } = this.#options
    await records.write(async (tx) => {
      const person = await this.#person(tx, id)
      if (email !== undefined) await this.#changeEmail(tx, person, email, by)
      if (role !== undefined && role !== person.role) {
        if (role !== 'admin') await this.#keepAnAdmin(tx, person)
        await tx.updateTable('principals').set({ role }).where('id', '=', id).execute()
        await sessions.endOthers(tx, id, by)
        const tokensRevoked = await this.#revokeTokens(tx, id)
        const content = { name: person.name, from: person.role, to: role, tokensRevoked }
        await accounts.note(tx, 'people.role', by, id, content)
      }
      if (disabled === true && person.disabled_at === null) await this.#disable(tx, person, by)
      if (disabled === false && person.disabled_at !== null) {
        await tx.updateTable('principals').set({ disabled_at: null }).where('id', '=', id).execute()
        await accounts.note(tx, 'people.enabled', by, id, { name: person.name })
      }
    })
  }

  /** Takes a person's second factor away, who lost it; their sessions end. Throws not_found, conflict. */
  async removeFactor(id: string, by: string): Promise<void> {
    const { records, accounts, sessions } = this.#options
    await records.write(async (tx) => {
      const person = await this.#person(tx, id)
      if (!(await accounts.removeFactor(tx, id, by)))
        throw new CallwardError('conflict', `${person.name} has no second factor.`)
      await sessions.endOthers(tx, id, by)
    })
  }

  async #disable(tx: RecordsTransaction, person: Person, by: string): Promise<void> {
    const { clock, accounts, sessions } = this.#options
    const now = clock.now()
    await this.#keepAnAdmin(tx, person)
    await tx
      .updateTable('principals')
      .set({ disabled_at: now })
      .where('id', '=', person.id)
      .execute()
    await this.#revokeTokens(tx, person.id)
    await tx
      .updateTable('sign_in_links')
      .set({ used_at: now })
      .where('principal_id', '=', person.id)
      .where('used_at', 'is', null)
      .execute()
    await sessions.endOthers(tx, person.id, by)
    await accounts.note(tx, 'people.disabled', by, person.id, { name: person.name })
  }

  /** Gives how many. */
  async #revokeTokens(tx: RecordsTransaction, principalId: string): Promise<number> {
    const { numUpdatedRows } = await tx
      .updateTable('tokens')
      .set({ revoked_at: this.#options.clock.now() })
      .where('principal_id', '=', principalId)
      .where('revoked_at', 'is', null)
      .executeTakeFirst()
    return Number(numUpdatedRows)
  }

  async #changeEmail(
    tx: RecordsTransaction,
    { id, name }: Person,
    email: string | null,
    by: string,
  ): Promise<void> {
    const { accounts } = this.#options
    const before = await tx
      .selectFrom('accounts')
      .select('email')
      .where('principal_id', '=', id)
      .executeTakeFirst()
    if ((before?.email ?? null) === email) return
    await accounts.change(tx, id, { email })
    await accounts.note(tx, 'people.changed', by, id, { name, changed: ['email'] })
  }

  async #person(tx: RecordsTransaction, id: string): Promise<Person> {
    const row = await tx
      .selectFrom('principals')
      .select(['id', 'name', 'role', 'disabled_at'])
      .where('id', '=', id)
      .where('kind', '=', 'person')
      .executeTakeFirst()
    if (row === undefined) throw new CallwardError('not_found', `There is no person "${id}".`)
    return row
  }

  /** Throws conflict when no other administrator could come in, by password or token: nobody could make another. */
  async #keepAnAdmin(tx: RecordsTransaction, { id, name, role }: Person): Promise<void> {
    if (role !== 'admin') return
    const now = this.#options.clock.now()
    const withToken = tx
      .selectFrom('tokens')
      .select('principal_id')
      .where('revoked_at', 'is', null)
      .where((is) => is.or([is('expires_at', 'is', null), is('expires_at', '>', now)]))
    const other = await tx
      .selectFrom('principals')
      .leftJoin('accounts', 'accounts.principal_id', 'principals.id')
      .select('principals.id')
      .where('principals.kind', '=', 'person')
      .where('principals.role', '=', 'admin')
      .where('principals.disabled_at', 'is', null)
      .where('principals.id', '<>', id)
      .where((is) =>
        is.or([is('accounts.password', 'is not', null), is('principals.id', 'in', withToken)]),
      )
      .limit(1)
      .executeTakeFirst()
    if (other === undefined)
      throw new CallwardError(
        'conflict',
        `${name} is the last administrator with a password or a token; make another one first (callward people role NAME admin), who then sets a password.`,
      )
  }
}

interface Person {
  readonly id: string
  readonly name: string
  readonly role: string
  readonly disabled_at: Millis | null
}
