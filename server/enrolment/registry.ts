import type { FastifyBaseLogger } from 'fastify'
import type { Hello } from '../../collector/wire/frames.ts'
import type { Proof } from '../../collector/wire/handshake.ts'
import type { Clock } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import {
  type EnrolmentState,
  judge,
  mergedMachine,
  type RefusalReason,
  type TokenRefusal,
} from './enrolment.ts'
import type { Enrolment, EnrolmentStore, Registration } from './enrolment-store.ts'
import type { ChallengedConnection } from './knock.ts'
import type { EnrolmentMetrics } from './metrics.ts'
import type { RefusalSeries } from './refusal-series.ts'

/** Signatures of proofs that were seen, to tell a replay from a wrong key. */
const signaturesKept = 4096
/** The records learn of one kind of refusal of one enrolment at most this often, the log of one of a stranger; figures have them all. */
const tellEveryMillis = 60_000
const toldKept = 10_000

/** Refusals that anybody can cause who can open a connection: they are counted, and no person is called. */
const anybodys: ReadonlySet<RefusalReason> = new Set<RefusalReason>([
  'unknown',
  'insecure',
  'too_many_half_open',
  'no_proof',
  'bad_frame',
])

export type Answer =
  | { readonly kind: 'admitted' }
  | { readonly kind: 'refused'; readonly reason: RefusalReason; readonly message: string }

export interface RegistryOptions {
  readonly store: EnrolmentStore
  readonly clock: Clock
  readonly metrics: EnrolmentMetrics
  readonly series: RefusalSeries
  readonly log: FastifyBaseLogger
}

/** All enrolments, in memory: what is decided here holds at once, and the records follow. */
export class Registry {
  readonly #options: RegistryOptions
  readonly #byId = new Map<string, Enrolment>()
  /** The active ones by instance. */
  readonly #active = new Map<string, Enrolment>()
  readonly #listeners = new Map<string, Set<(reason: string) => void>>()
  readonly #seen = new Set<string>()
  /** What could not be written, with what a person decided. */
  readonly #unsaved = new Map<Enrolment, Parameters<EnrolmentStore['save']>[1]>()
  /** When each kind of refusal was last told. */
  readonly #toldAt = new Map<string, number>()

  constructor(options: RegistryOptions, enrolments: readonly Enrolment[]) {
    this.#options = options
    for (const enrolment of enrolments) this.#take(enrolment)
  }

  get all(): readonly Enrolment[] {
    return [...this.#byId.values()]
  }

  byState(): Record<EnrolmentState, number> {
    const counts = { active: 0, revoked: 0, replaced: 0 }
    for (const { state } of this.#byId.values()) counts[state]++
    return counts
  }

  get(id: string): Enrolment | undefined {
    return this.#byId.get(id)
  }

  active(instance: string): Enrolment | undefined {
    return this.#active.get(instance)
  }

  #take(enrolment: Enrolment): void {
    this.#byId.set(enrolment.id, enrolment)
    if (enrolment.state === 'active') this.#active.set(enrolment.instance, enrolment)
  }

  /** Registers a key by a one-time token. Throws what the caller is to be told. */
  async register(registration: Registration): Promise<Enrolment> {
    const { store, log, series } = this.#options
    const result = await store.register(registration)
    const { from } = registration
    if (result.kind === 'refused') throw this.#tokenRefused(result.reason, result.tokenId, from)
    if (result.kind === 'repeated') return this.#byId.get(result.id)!
    const { enrolment, replaced } = result
    const former = replaced === undefined ? undefined : this.#byId.get(replaced)
    if (former !== undefined) this.#ended(former, 'replaced', enrolment.createdBy)
    this.#take(enrolment)
    series.settled(enrolment.instance)
    log.info({ instance: enrolment.instance, enrolment: enrolment.id, from }, 'host enrolled')
    return enrolment
  }

  /** Throws what the caller is to be told when a one-time token would not register anything any more. */
  async requireWaiting(token: string, from: string): Promise<void> {
    const { state, tokenId } = await this.#options.store.look(token, from)
    if (state !== 'waiting') throw this.#tokenRefused(state, tokenId, from)
  }

  #tokenRefused(reason: TokenRefusal, tokenId: string | undefined, from: string): CallwardError {
    const { log, metrics, series } = this.#options
    metrics.tokens.labels(reason).inc()
    // One that comes late is a slow person; one that was used before is in two hands.
    if (reason === 'used') series.misused(reason)
    log.warn({ reason, tokenId, from }, 'an enrolment token was refused')
    return tokenError(reason)
  }

  /** Ends an enrolment; its session ends with it. Throws `not_found`. */
  async revoke(instance: string, by: string): Promise<void> {
    const { store, log, series } = this.#options
    const enrolment = this.#required(instance)
    this.#ended(enrolment, 'revoked', by)
    series.settled(instance)
    log.warn({ instance, enrolment: enrolment.id, by }, 'enrolment revoked')
    const decided = { action: 'enrolment.revoked', by } as const
    try {
      await store.save(enrolment, decided)
    } catch (error) {
      // It holds in memory; it must also hold after a restart.
      this.#unsaved.set(enrolment, decided)
      throw error
    }
  }

  /** Takes the next session's count as it is. Throws `not_found`. */
  async accept(instance: string, by: string): Promise<void> {
    const { store, log, series } = this.#options
    const enrolment = this.#required(instance)
    enrolment.resync = true
    series.settled(instance)
    log.warn({ instance, enrolment: enrolment.id, by }, 'the next session’s count is accepted')
    const decided = { action: 'enrolment.count_accepted', by } as const
    try {
      await store.save(enrolment, decided)
    } catch (error) {
      this.#unsaved.set(enrolment, decided)
      throw error
    }
  }

  #required(instance: string): Enrolment {
    const enrolment = this.#active.get(instance)
    if (enrolment === undefined)
      throw new CallwardError('not_found', `There is no active enrolment of "${instance}".`)
    return enrolment
  }

  #ended(enrolment: Enrolment, state: 'revoked' | 'replaced', by: string): void {
    enrolment.state = state
    enrolment.endedAt = this.#options.clock.now()
    enrolment.endedBy = by
    if (this.#active.get(enrolment.instance) === enrolment) this.#active.delete(enrolment.instance)
    const reason =
      state === 'revoked'
        ? `The enrolment of "${enrolment.instance}" was revoked.`
        : `"${enrolment.instance}" was enrolled anew; this key is not its key any more.`
    for (const listener of this.#listeners.get(enrolment.id) ?? []) listener(reason)
  }

  /** Tells when an enrolment ends. Returns how to stop. */
  onEnded(id: string, listener: (reason: string) => void): () => void {
    const listeners = this.#listeners.get(id) ?? new Set()
    this.#listeners.set(id, listeners.add(listener))
    return () => {
      listeners.delete(listener)
      if (listeners.size === 0) this.#listeners.delete(id)
    }
  }

  /** Judges a proof. An admitted session's count is in the records before this resolves, or follows as soon as they can be written. */
  async answer(
    enrolment: Enrolment,
    connection: ChallengedConnection,
    sent: { readonly hello: Hello; readonly bytes: Uint8Array; readonly proof: Proof },
  ): Promise<Answer> {
    const { hello, bytes, proof } = sent
    const shown = connection.check(bytes, proof)
    if (shown === undefined) return this.#wrongProof(proof)
    this.#remember(proof.signature)
    const verdict = judge(
      {
        instance: hello.labels.instance,
        collector: hello.collector,
        counter: shown.counter,
        linkKnown: shown.linkKnown,
        machine: proof.machine,
      },
      { ...enrolment, collectorTaken: this.#isTaken(hello.collector, enrolment) },
    )
    if (verdict.kind === 'refused') return verdict
    const { log, metrics, clock } = this.#options
    const about = { instance: enrolment.instance, enrolment: enrolment.id }
    if (verdict.changedFacts.length > 0)
      log.info({ ...about, facts: verdict.changedFacts }, 'lesser facts of the machine changed')
    if (enrolment.resync) {
      metrics.resynced.inc()
      log.warn(
        { ...about, from: enrolment.counter, to: verdict.counter },
        'count accepted as it was',
      )
    }
    enrolment.counter = verdict.counter
    enrolment.link = shown.nextLink
    enrolment.resync = false
    enrolment.machine = mergedMachine(enrolment.machine, proof.machine)
    enrolment.collector = hello.collector
    enrolment.version = hello.version
    enrolment.lastSessionAt = clock.now()
    metrics.proven.inc()
    await this.#save(enrolment)
    return { kind: 'admitted' }
  }

  #wrongProof({ signature }: Proof): Answer {
    const reason = this.#seen.has(signature) ? 'replayed' : 'bad_proof'
    const message =
      reason === 'replayed'
        ? 'This proof was made for an earlier session.'
        : 'The proof is not of this enrolment’s key over this connection.'
    return { kind: 'refused', reason, message }
  }

  #remember(signature: string): void {
    this.#seen.add(signature)
    if (this.#seen.size > signaturesKept) {
      const [oldest] = this.#seen
      this.#seen.delete(oldest!)
    }
  }

  #isTaken(collector: string, by: Enrolment): boolean {
    for (const other of this.#active.values())
      if (other !== by && other.collector === collector) return true
    return false
  }

  /** Throws `conflict` for a session by token that speaks for an enrolled host. */
  requireUnclaimed({ labels, collector }: Hello): void {
    const { instance } = labels
    for (const enrolment of this.#active.values()) {
      if (enrolment.instance === instance)
        throw new CallwardError(
          'conflict',
          `"${instance}" is enrolled and reports by its own key only; a token does not do. Take the token out of its collector's configuration, or: callward collectors revoke ${instance}`,
        )
      if (enrolment.collector === collector)
        throw new CallwardError(
          'conflict',
          'This collector’s id belongs to an enrolled host: its data folder was copied from there. Remove identity.json in it.',
        )
    }
  }

  /** Counts and tells a refusal; `enrolment` is undefined when nobody knows whose. */
  refused(enrolment: Enrolment | undefined, reason: RefusalReason, from: string): void {
    const { metrics, series, log, clock } = this.#options
    metrics.refused.labels(reason).inc()
    const isNews = this.#isNews(`${enrolment?.id ?? from} ${reason}`)
    // What a stranger sends must not fill the log.
    if (isNews || enrolment !== undefined) {
      const instance = enrolment?.instance
      log.warn({ reason, instance, enrolment: enrolment?.id, from }, 'collector refused')
    }
    if (enrolment === undefined) return
    enrolment.refusals++
    enrolment.lastRefusedAt = clock.now()
    enrolment.lastRefusal = reason
    enrolment.lastRefusedFrom = from
    if (!anybodys.has(reason)) series.refused(enrolment.instance, reason)
    if (isNews) void this.#save(enrolment)
  }

  /** Whether a kind of refusal was not there within the last minute. */
  #isNews(kind: string): boolean {
    const now = this.#options.clock.monotonic()
    if (now - (this.#toldAt.get(kind) ?? Number.NEGATIVE_INFINITY) < tellEveryMillis) return false
    if (this.#toldAt.size >= toldKept) this.#toldAt.clear()
    this.#toldAt.set(kind, now)
    return true
  }

  /** Never rejects: what could not be written is tried again by `saveRest`. */
  async #save(enrolment: Enrolment): Promise<void> {
    const decided = this.#unsaved.get(enrolment)
    try {
      await this.#options.store.save(enrolment, decided)
      if (this.#unsaved.get(enrolment) === decided) this.#unsaved.delete(enrolment)
    } catch (err) {
      // A person may have decided meanwhile.
      this.#unsaved.set(enrolment, this.#unsaved.get(enrolment))
      this.#options.log.warn({ err, instance: enrolment.instance }, 'an enrolment is not saved yet')
    }
  }

  async saveRest(): Promise<void> {
    for (const enrolment of [...this.#unsaved.keys()]) await this.#save(enrolment)
  }
}

function tokenError(reason: TokenRefusal): CallwardError {
  if (reason === 'unknown')
    return new CallwardError(
      'unauthorized',
      'This enrolment token is not known here. Make a new line on the hub: callward enrol',
    )
  return new CallwardError(
    'gone',
    reason === 'used'
      ? 'This enrolment token was used already. If not by you, somebody else has it: look at callward collectors list on the hub, revoke what is not yours, and make a new line.'
      : 'This enrolment token is older than 15 minutes. Make a new line on the hub: callward enrol',
  )
}
