import { createHash, randomBytes } from 'node:crypto'
import { type Clock, type Millis, rfc3339 } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import { uuid } from '../ids.ts'
import type { Ledger } from '../ledger/plugin.ts'
import type { Records, RecordsTransaction } from '../records/records.ts'
import type { EnrolmentRow, EnrolmentTokenRow } from '../records/schema.ts'
import {
  type EnrolmentState,
  type Machine,
  type RefusalReason,
  type TokenRefusal,
  tokenMillis,
  tokenState,
} from './enrolment.ts'

/** Labels that an administrator gives a host with its token. */
export type GivenLabels = Readonly<Partial<Record<'customer' | 'site' | 'role' | 'env', string>>>

/** An enrolment as the hub holds it in memory, which is the newest word on it. */
export interface Enrolment {
  readonly id: string
  readonly instance: string
  readonly publicKey: string
  state: EnrolmentState
  counter: number
  link: string
  resync: boolean
  machine: Machine
  readonly labels: GivenLabels
  collector: string | undefined
  version: string
  readonly createdAt: Millis
  readonly createdBy: string
  lastSessionAt: Millis | undefined
  endedAt: Millis | undefined
  endedBy: string | undefined
  refusals: number
  lastRefusedAt: Millis | undefined
  lastRefusal: RefusalReason | undefined
  lastRefusedFrom: string | undefined
}

/** What somebody with a token wants to register. */
export interface Registration {
  readonly token: string
  readonly instance: string
  readonly publicKey: string
  readonly link: string
  readonly machine: Machine
  readonly version: string
  /** Address it comes from. */
  readonly from: string
}

export type RegistrationResult =
  | {
      readonly kind: 'registered'
      readonly enrolment: Enrolment
      readonly replaced: string | undefined
    }
  /** The same key by the same token once more: its answer was lost. */
  | { readonly kind: 'repeated'; readonly id: string }
  | {
      readonly kind: 'refused'
      readonly reason: TokenRefusal
      readonly tokenId: string | undefined
    }

/** What a person decides about an enrolment, as the ledger names it. */
export type EnrolmentDecision = 'enrolment.revoked' | 'enrolment.count_accepted'

/** What a token is good for, seen without using it. */
export interface TokenLook {
  readonly state: 'waiting' | TokenRefusal
  readonly tokenId: string | undefined
}

/** Tokens that are shown in the list. */
const tokensShown = 50

/** Enrolments and their one-time tokens in the records. */
export class EnrolmentStore {
  readonly #records: Records
  readonly #clock: Clock
  readonly #ledger: Ledger

  constructor(records: Records, clock: Clock, ledger: Ledger) {
    this.#records = records
    this.#clock = clock
    this.#ledger = ledger
  }

  async load(): Promise<Enrolment[]> {
    const rows = await this.#records.read
      .selectFrom('enrolments')
      .selectAll()
      .orderBy('created_at')
      .execute()
    return rows.map(fromRow)
  }

  /** A new one-time token, shown once. */
  async createToken(made: {
    readonly instance: string | undefined
    readonly labels: GivenLabels
    readonly replaces: boolean
    readonly by: string
  }): Promise<{ id: string; token: string; expiresAt: Millis }> {
    const token = `cwe_${randomBytes(32).toString('base64url')}`
    const now = this.#clock.now()
    const id = uuid(now)
    await this.#records.write(async (tx) => {
      await tx
        .insertInto('enrolment_tokens')
        .values({
          id,
          hash: hashOf(token),
          instance: made.instance ?? null,
          labels: JSON.stringify(made.labels),
          replaces: made.replaces ? 1 : 0,
          created_at: now,
          created_by: made.by,
          expires_at: now + tokenMillis,
          used_at: null,
          used_by: null,
          used_from: null,
          misuses: 0,
          last_misused_at: null,
          last_misused_from: null,
        })
        .execute()
      const { instance = null, labels, replaces } = made
      await this.#ledger.append(tx, {
        action: 'enrolment.token_made',
        object: { type: 'enrolment-token', id },
        actor: made.by,
        occurredAt: now,
        content: { instance, labels, replaces, expiresAt: rfc3339(now + tokenMillis) },
      })
    })
    return { id, token, expiresAt: now + tokenMillis }
  }

  /** Whether a token could still register a host; it is not used up by the question, but one that could not is noted as misused. */
  async look(token: string, from: string): Promise<TokenLook> {
    const row = await this.#records.read
      .selectFrom('enrolment_tokens')
      .selectAll()
      .where('hash', '=', hashOf(token))
      .executeTakeFirst()
    if (row === undefined) return { state: 'unknown', tokenId: undefined }
    const state = tokenState({ usedAt: row.used_at, expiresAt: row.expires_at }, this.#clock.now())
    if (state !== 'waiting') await this.#records.write((tx) => this.#misused(tx, row, from))
    return { state, tokenId: row.id }
  }

  /** The newest tokens, never their secrets. */
  async tokens() {
    const now = this.#clock.now()
    const rows = await this.#records.read
      .selectFrom('enrolment_tokens')
      .selectAll()
      .orderBy('created_at', 'desc')
      .limit(tokensShown)
      .execute()
    return rows.map((row) => ({
      id: row.id,
      instance: row.instance,
      state: tokenState({ usedAt: row.used_at, expiresAt: row.expires_at }, now),
      createdAt: rfc3339(row.created_at),
      createdBy: row.created_by,
      expiresAt: rfc3339(row.expires_at),
      usedAt: orNull(row.used_at),
      usedFrom: row.used_from,
      enrolment: row.used_by,
      misuses: row.misuses,
      lastMisusedAt: orNull(row.last_misused_at),
      lastMisusedFrom: row.last_misused_from,
    }))
  }

  /** Uses up a token and registers a key, both or neither. Throws `conflict` when the host has an active enrolment. */
  async register(registration: Registration): Promise<RegistrationResult> {
    return this.#records.write(async (tx) => {
      const token = await tx
        .selectFrom('enrolment_tokens')
        .selectAll()
        .where('hash', '=', hashOf(registration.token))
        .executeTakeFirst()
      if (token === undefined) return { kind: 'refused', reason: 'unknown', tokenId: undefined }
      const state = tokenState(
        { usedAt: token.used_at, expiresAt: token.expires_at },
        this.#clock.now(),
      )
      if (state === 'waiting') return this.#redeem(tx, token, registration)
      if (state === 'used' && (await isSameKey(tx, token, registration)))
        return { kind: 'repeated', id: String(token.used_by) }
      await this.#misused(tx, token, registration.from)
      return { kind: 'refused', reason: state, tokenId: token.id }
    })
  }

  async #redeem(
    tx: RecordsTransaction,
    token: EnrolmentTokenRow,
    registration: Registration,
  ): Promise<RegistrationResult> {
    const now = this.#clock.now()
    const instance = token.instance ?? registration.instance
    const former = await tx
      .selectFrom('enrolments')
      .select('id')
      .where('instance', '=', instance)
      .where('state', '=', 'active')
      .executeTakeFirst()
    if (former !== undefined && token.replaces === 0)
      throw new CallwardError(
        'conflict',
        `"${instance}" is enrolled already. To enrol it anew: callward enrol --host ${instance} --replace; another host needs a name of its own (--host).`,
      )
    if (former !== undefined)
      await tx
        .updateTable('enrolments')
        .set({ state: 'replaced', ended_at: now, ended_by: token.created_by })
        .where('id', '=', former.id)
        .execute()
    const row: EnrolmentRow = {
      id: uuid(now),
      instance,
      public_key: registration.publicKey,
      state: 'active',
      counter: 0,
      link: registration.link,
      resync: 0,
      machine: JSON.stringify(registration.machine),
      labels: token.labels,
      collector_id: null,
      version: registration.version,
      created_at: now,
      created_by: token.created_by,
      last_session_at: null,
      ended_at: null,
      ended_by: null,
      refusals: 0,
      last_refused_at: null,
      last_refusal: null,
      last_refused_from: null,
    }
    await tx.insertInto('enrolments').values(row).execute()
    await tx
      .updateTable('enrolment_tokens')
      .set({ used_at: now, used_by: row.id, used_from: registration.from })
      .where('id', '=', token.id)
      .execute()
    const { publicKey, from } = registration
    await this.#ledger.append(tx, {
      action: 'enrolment.made',
      object: { type: 'enrolment', id: row.id },
      actor: token.created_by,
      occurredAt: now,
      content: { instance, token: token.id, publicKey, replaced: former?.id ?? null },
      sensitive: { from },
    })
    return { kind: 'registered', enrolment: fromRow(row), replaced: former?.id }
  }

  async #misused(tx: RecordsTransaction, token: EnrolmentTokenRow, from: string): Promise<void> {
    await tx
      .updateTable('enrolment_tokens')
      .set({
        misuses: token.misuses + 1,
        last_misused_at: this.#clock.now(),
        last_misused_from: from,
      })
      .where('id', '=', token.id)
      .execute()
    // One that was used before is in two hands. Each is told once; a flood of them is counted.
    if (token.used_at === null || token.misuses > 0) return
    await this.#ledger.append(tx, {
      action: 'enrolment.token_misused',
      object: { type: 'enrolment-token', id: token.id },
      actor: 'unknown',
      occurredAt: this.#clock.now(),
      content: { misuses: token.misuses + 1 },
      sensitive: { from },
    })
  }

  /** Makes everything that changes about an enrolment durable; `decided` is what a person did to it. */
  async save(
    enrolment: Enrolment,
    decided?: { readonly action: EnrolmentDecision; readonly by: string },
  ): Promise<void> {
    await this.#records.write(async (tx) => {
      if (decided !== undefined)
        await this.#ledger.append(tx, {
          action: decided.action,
          object: { type: 'enrolment', id: enrolment.id },
          actor: decided.by,
          occurredAt: this.#clock.now(),
          content: { instance: enrolment.instance },
        })
      await tx
        .updateTable('enrolments')
        .set({
          state: enrolment.state,
          counter: enrolment.counter,
          link: enrolment.link,
          resync: enrolment.resync ? 1 : 0,
          machine: JSON.stringify(enrolment.machine),
          collector_id: enrolment.collector ?? null,
          version: enrolment.version,
          last_session_at: enrolment.lastSessionAt ?? null,
          ended_at: enrolment.endedAt ?? null,
          ended_by: enrolment.endedBy ?? null,
          refusals: enrolment.refusals,
          last_refused_at: enrolment.lastRefusedAt ?? null,
          last_refusal: enrolment.lastRefusal ?? null,
          last_refused_from: enrolment.lastRefusedFrom ?? null,
        })
        .where('id', '=', enrolment.id)
        .execute()
    })
  }

  /** The next session of every active enrolment is taken at its own count. */
  async resyncAll(): Promise<void> {
    await this.#records.write(async (tx) => {
      await tx.updateTable('enrolments').set({ resync: 1 }).where('state', '=', 'active').execute()
    })
  }
}

async function isSameKey(
  tx: RecordsTransaction,
  token: EnrolmentTokenRow,
  { publicKey }: Registration,
): Promise<boolean> {
  const row = await tx
    .selectFrom('enrolments')
    .select('id')
    .where('id', '=', token.used_by)
    .where('public_key', '=', publicKey)
    .where('state', '=', 'active')
    .executeTakeFirst()
  return row !== undefined
}

function fromRow(row: EnrolmentRow): Enrolment {
  return {
    id: row.id,
    instance: row.instance,
    publicKey: row.public_key,
    // Written by this class only.
    state: row.state as EnrolmentState,
    counter: row.counter,
    link: row.link,
    resync: row.resync === 1,
    machine: JSON.parse(row.machine) as Machine,
    labels: JSON.parse(row.labels) as GivenLabels,
    collector: row.collector_id ?? undefined,
    version: row.version,
    createdAt: row.created_at,
    createdBy: row.created_by,
    lastSessionAt: row.last_session_at ?? undefined,
    endedAt: row.ended_at ?? undefined,
    endedBy: row.ended_by ?? undefined,
    refusals: row.refusals,
    lastRefusedAt: row.last_refused_at ?? undefined,
    lastRefusal: (row.last_refusal ?? undefined) as RefusalReason | undefined,
    lastRefusedFrom: row.last_refused_from ?? undefined,
  }
}

/** SHA-256, hex: enough for 256 random bits. */
function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}

function orNull(at: Millis | null): string | null {
  return at === null ? null : rfc3339(at)
}
