import type { FastifyBaseLogger } from 'fastify'
import type { Clock } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type { Records, RecordsTransaction } from '../records/records.ts'
import { newSecret, staffRoles } from './access.ts'
import type { Account, AccountStore } from './account-store.ts'
import { AttemptLimit } from './attempt-limit.ts'
import { nameKey, type PasswordHasher, passwordFault } from './password.ts'
import { isFactorCode, stepOf } from './second-factor.ts'
import type { SessionStore } from './session-store.ts'

/**
 * Wrong passwords of one name before each next one waits, a minute at most. What is guessed from addresses the account does not know
 * is counted together, and apart from each address it knows.
 */
export const accountRule = { free: 10, longestMillis: 60_000 }
/** The same of one address, behind which there may be many people. */
export const addressRule = { free: 30, longestMillis: 60_000 }

/** Failures that are told in the log in a minute; the counter has them all. */
export const warningsPerMinute = 30

/** Why somebody was not let in; `wait`: too many guesses before. Nobody outside learns which. */
export const failureReasons = ['name', 'password', 'code', 'wait'] as const
export type FailureReason = (typeof failureReasons)[number]

const wrong =
  'The name, the password or the code is wrong. The code is needed once a second factor is set up; each counts once. Who has forgotten the password asks an administrator for a link.'

export interface PasswordDeskOptions {
  readonly records: Records
  readonly clock: Clock
  readonly accounts: AccountStore
  readonly sessions: SessionStore
  readonly hasher: PasswordHasher
  readonly log: FastifyBaseLogger
  readonly onFailure: (reason: FailureReason) => void
}

/** What was typed to sign in; `code` is of the second factor, or a recovery code. */
export interface Credentials {
  readonly name: string
  readonly password: string
  readonly code?: string | undefined
}

type Outcome<T> = { readonly done: T } | { readonly failed: Exclude<FailureReason, 'wait'> }

/** Whose attempt it is; `key` counts its failures. */
interface Attempt {
  readonly key: string
  readonly account: Account | undefined
  /** Undefined for who is signed in: others at the address must not make them wait. */
  readonly address: string | undefined
}

type Proof =
  | { readonly kind: 'none needed' }
  | { readonly kind: 'step'; readonly step: number }
  | { readonly kind: 'recovery code'; readonly code: string }

/** Where passwords and codes are checked, with limits for guesses. */
export class PasswordDesk {
  readonly #options: PasswordDeskOptions
  readonly #byAccount = new AttemptLimit(accountRule)
  readonly #byAddress = new AttemptLimit(addressRule)
  #warnings = { since: Number.NEGATIVE_INFINITY, count: 0 }

  constructor(options: PasswordDeskOptions) {
    this.#options = options
  }

  /**
   * The account and its new session's secret. Whatever is wrong, the answer and the work are the same. Throws unauthorized,
   * too_many_requests.
   */
  async signIn(
    { name, password, code }: Credentials,
    address: string,
  ): Promise<{ account: Account; secret: string }> {
    const { records, accounts, sessions } = this.#options
    const account = await accounts.byName(name)
    const key = (await sessions.knowsAddress(account?.id, address))
      ? knownKey(account, address)
      : nameKey(name)
    const attempt = { key, account, address }
    return this.#attempt(attempt, wrong, async () => {
      const mayEnter = isStaff(account) ? account : undefined
      // Both are looked at whatever the other says: the time must not tell which was right.
      const proof = await this.#proofOf(mayEnter, code)
      const isRight = await this.#check(password, mayEnter)
      if (mayEnter === undefined) return { failed: 'name' }
      if (!isRight) return { failed: 'password' }
      if (proof === undefined) return { failed: 'code' }
      const secret = newSecret('cws')
      const failed = await records.write(async (tx): Promise<'password' | 'code' | undefined> => {
        if (!(await this.#isUnchanged(tx, mayEnter))) return 'password'
        if (!(await this.#useUp(tx, mayEnter, proof))) return 'code'
        await sessions.add(tx, mayEnter, 'password', address, secret)
        return undefined
      })
      return failed === undefined ? { done: { account: mayEnter, secret } } : { failed }
    })
  }

  /** Sets the password of a link's owner; all sessions end. Throws gone, bad_request, too_many_requests. */
  async setByLink(code: string, password: string): Promise<Account> {
    const { records, accounts, sessions, hasher } = this.#options
    const account = await accounts.ownerOfLink(code)
    if (account === undefined)
      throw new CallwardError(
        'gone',
        'The link was used, has expired, or a newer one was made; ask an administrator for a new one (callward people link NAME).',
      )
    checkNew(password, account)
    const stored = await hasher.hash(password)
    await records.write(async (tx) => {
      if (!(await accounts.useLink(tx, code))) throw new CallwardError('gone')
      await accounts.setPassword(tx, account, stored, 'link')
      await sessions.endOthers(tx, account.id, account.name)
    })
    this.#byAccount.clear(nameKey(account.name))
    this.#byAccount.clear(ownKey(account))
    return account
  }

  /** Changes a person's own password; other sessions end. Throws bad_request, unprocessable, too_many_requests, conflict. */
  async change(
    account: Account,
    { password, next }: { password: string; next: string },
    session: string | undefined,
  ): Promise<void> {
    const { records, accounts, sessions, hasher } = this.#options
    await this.prove(account, password)
    checkNew(next, account)
    if (next.normalize('NFKC') === password.normalize('NFKC'))
      throw new CallwardError('bad_request', 'The new password is the old one; choose another.')
    const stored = await hasher.hash(next)
    await records.write(async (tx) => {
      if (!(await this.#isUnchanged(tx, account)))
        throw new CallwardError(
          'conflict',
          'Password, second factor or account were changed meanwhile; sign in again.',
        )
      await accounts.setPassword(tx, account, stored, 'old password')
      await sessions.endOthers(tx, account.id, account.name, session)
    })
  }

  /** That it is really the owner: the password once more. Throws unprocessable, too_many_requests. */
  async prove(account: Account, password: string): Promise<void> {
    if (account.password === null)
      throw new CallwardError(
        'unprocessable',
        `${account.name} has no password yet; an administrator makes a link that sets one: callward people link ${account.name}`,
      )
    const message = 'The password is wrong; it is the one you sign in with.'
    const attempt = { key: ownKey(account), account, address: undefined }
    await this.#attempt(attempt, message, async () =>
      (await this.#check(password, account)) ? { done: true } : { failed: 'password' },
    ).catch((error: unknown) => {
      // The session holds: the console must not take this for a session that ended.
      if (error instanceof CallwardError && error.code === 'unauthorized')
        throw new CallwardError('unprocessable', message)
      throw error
    })
  }

  /** Counts as failed until the work says otherwise. */
  async #attempt<T>(
    attempt: Attempt,
    message: string,
    work: () => Promise<Outcome<T>>,
  ): Promise<T> {
    const { key, address } = attempt
    const now = this.#options.clock.monotonic()
    const ofAddress = address === undefined ? 0 : this.#byAddress.waitOf(address, now)
    const wait = Math.max(this.#byAccount.waitOf(key, now), ofAddress)
    if (wait > 0) {
      this.#failed('wait', attempt)
      throw new CallwardError(
        'too_many_requests',
        `Too many wrong passwords; try again in ${Math.ceil(wait / 1000)} s.`,
      )
    }
    this.#byAccount.charge(key, now)
    if (address !== undefined) this.#byAddress.charge(address, now)
    const refundAddress = () => {
      if (address !== undefined) this.#byAddress.refund(address)
    }
    let outcome: Outcome<T>
    try {
      outcome = await work()
    } catch (error) {
      this.#byAccount.refund(key)
      refundAddress()
      throw error
    }
    if ('failed' in outcome) {
      this.#failed(outcome.failed, attempt)
      throw new CallwardError('unauthorized', message)
    }
    this.#byAccount.clear(key)
    refundAddress()
    return outcome.done
  }

  /** Tells the log and the counter. A name that is nobody's stays out of the log: people type passwords there. */
  #failed(reason: FailureReason, { account, address }: Attempt): void {
    const { clock, log, onFailure } = this.#options
    onFailure(reason)
    const now = clock.monotonic()
    if (now - this.#warnings.since >= 60_000) this.#warnings = { since: now, count: 0 }
    this.#warnings.count += 1
    if (this.#warnings.count > warningsPerMinute) return
    log.warn(
      { account: account?.name ?? null, address: address ?? null, reason },
      this.#warnings.count === warningsPerMinute
        ? 'a sign-in failed; more of this minute are counted only (callward_sign_ins_failed_total)'
        : 'a sign-in failed',
    )
  }

  /** Whether what was checked outside a transaction still holds in it. */
  #isUnchanged(tx: RecordsTransaction, account: Account): Promise<boolean> {
    const { accounts, hasher } = this.#options
    const isCheap = account.password !== null && hasher.isCheap(account.password)
    return accounts.isUnchanged(tx, account, isCheap)
  }

  async #check(password: string, account: Account | undefined): Promise<boolean> {
    const { hasher, accounts, log } = this.#options
    const stored = account?.password
    const isRight = await hasher.verify(password, stored)
    if (isRight && account !== undefined && stored != null && hasher.isCheap(stored)) {
      const renewed = await hasher.hash(password).catch(() => undefined)
      if (renewed !== undefined)
        await accounts
          .renewHash(account.id, stored, renewed)
          .catch((err: unknown) => log.warn({ err }, 'a password was not hashed anew'))
    }
    return isRight
  }

  /** What the typed code proves; undefined: nothing. Uses nothing up. */
  async #proofOf(
    account: Account | undefined,
    typed: string | undefined,
  ): Promise<Proof | undefined> {
    if (account === undefined) return undefined
    if (account.factorSince === null) return { kind: 'none needed' }
    const code = typed?.replace(/\s/g, '') ?? ''
    if (!isFactorCode(code))
      return (await this.#options.accounts.hasCode(account.id, code))
        ? { kind: 'recovery code', code }
        : undefined
    const secret = await this.#factorOf(account)
    if (secret === undefined) return undefined
    const step = stepOf(secret, code, this.#options.clock.now(), account.factorStep)
    return step === undefined ? undefined : { kind: 'step', step }
  }

  /** False when it was used meanwhile. */
  #useUp(tx: RecordsTransaction, account: Account, proof: Proof): Promise<boolean> {
    const { accounts } = this.#options
    switch (proof.kind) {
      case 'none needed':
        return Promise.resolve(true)
      case 'step':
        return accounts.useStep(tx, account.id, proof.step)
      case 'recovery code':
        return accounts.useCode(tx, account, proof.code)
    }
  }

  async #factorOf(account: Account): Promise<string | undefined> {
    try {
      return await this.#options.accounts.factor(account.id)
    } catch (err) {
      this.#options.log.error(
        { err, account: account.name },
        'a second factor cannot be opened: it was sealed with another hub/accounts.key. Bring that back from a backup, or take the factor away: callward people reset-factor NAME',
      )
      return undefined
    }
  }
}

/** Failures at an address the account knows; no name has a line break. */
function knownKey(account: Account | undefined, address: string): string {
  return `known\n${account?.id}\n${address}`
}

/** Failures of who is signed in. */
function ownKey({ id }: Account): string {
  return `own\n${id}`
}

/** People come in by password; programs have tokens. */
function isStaff(account: Account | undefined): account is Account {
  return account?.enabled === true && account.isPerson && staffRoles.includes(account.role)
}

/** Throws bad_request. */
function checkNew(password: string, { name, email }: Account): void {
  const fault = passwordFault(password, [
    name,
    'callward',
    ...(email?.split('@').slice(0, 1) ?? []),
  ])
  if (fault !== undefined) throw new CallwardError('bad_request', fault)
}
