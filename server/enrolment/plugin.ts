import { existsSync, rmSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import fp from 'fastify-plugin'
import type { Hello } from '../../collector/wire/frames.ts'
import type { Challenge, Proof } from '../../collector/wire/handshake.ts'
import type { Clock } from '../clock.ts'
import type { HubConfig } from '../config.ts'
import { CallwardError } from '../errors.ts'
import type {} from '../people/plugin.ts'
import type {} from '../records/plugin.ts'
import type {} from '../store/plugin.ts'
import type {} from '../telemetry/plugin.ts'
import type { RefusalReason } from './enrolment.ts'
import { type Enrolment, EnrolmentStore } from './enrolment-store.ts'
import { HalfOpen } from './half-open.ts'
import { openHubKey } from './keys.ts'
import { ChallengedConnection, knockOf } from './knock.ts'
import { enrolmentMetrics } from './metrics.ts'
import { RefusalSeries } from './refusal-series.ts'
import { type Answer, Registry } from './registry.ts'
import { enrolmentRoutes, insecure } from './routes.ts'
import { bindingOf, transportOf } from './transport.ts'

export type { RefusalReason } from './enrolment.ts'

/** A connection that says which enrolment it is of and has to prove it. */
export interface Knock {
  /** First frame to the collector. */
  readonly challenge: Challenge
  /** What the collector sent in answer; `bytes` is the hello as it came over the wire. A refusal is counted and told. */
  answer(sent: {
    readonly hello: Hello
    readonly bytes: Uint8Array
    readonly proof: Proof
  }): Promise<Answer>
  /** Counts and tells that it ended before it was proven. */
  failed(reason: RefusalReason): void
  /** Gives its place among the half-open connections back. */
  leave(): void
  /** Its session is open: tells when the enrolment ends. Returns how to stop. */
  connected(onEnded: (reason: string) => void): () => void
}

/** Which collectors may report by a key of their own. */
export interface Enrolments {
  /** Throws `forbidden` for a request whose secrets others could read on its way. */
  requireSafe(request: IncomingMessage): void
  /** Undefined when the upgrade comes by another scheme. Throws `unauthorized`, `forbidden`, `too_many_requests`. */
  knock(request: IncomingMessage): Knock | undefined
  /** Throws `conflict` for a session by token that speaks for an enrolled host. */
  requireUnclaimed(hello: Hello): void
  /** Tells of each host that was enrolled: sessions by token for it are over. */
  onEnrolled(listener: (instance: string) => void): void
}

declare module 'fastify' {
  interface FastifyInstance {
    enrolment: Enrolments
  }
}

/** How often what is refused is told to the rules, and what could not be saved is tried again. */
const upkeepMillis = 5000
/** Share of all half-open connections that one address may hold. */
const shareOfOneAddress = 8

/** Keys of collectors: registration by one-time tokens, proofs, revocation. */
export const enrolmentPlugin = fp(
  async (app, { clock, config }: { clock: Clock; config: HubConfig }) => {
    const folder = join(config.data, 'hub')
    const { key, isNew } = openHubKey(join(folder, 'identity.key'))
    const store = new EnrolmentStore(app.records, clock)
    await afterRestore(store, join(folder, 'restored'))
    const enrolments = await store.load()
    if (isNew && enrolments.some(({ state }) => state === 'active'))
      app.log.error(
        { key: key.fingerprint },
        'the hub has a new key, but collectors are enrolled with its old one: they will refuse it. Bring hub/identity.key back from a backup',
      )
    const most = config.maxHalfOpenSessions
    const halfOpen = config.behindTlsProxy
      ? new HalfOpen(most)
      : new HalfOpen(most, Math.max(1, Math.floor(most / shareOfOneAddress)))
    const metrics = enrolmentMetrics(app.telemetry.registry, {
      byState: () => registry.byState(),
      halfOpen: () => halfOpen.open,
    })
    const series = new RefusalSeries(app.store, clock)
    const registry = new Registry({ store, clock, metrics, series, log: app.log }, enrolments)
    /** Each one's newest session. */
    const open = new Map<Enrolment, () => void>()
    /** The one connection of each enrolment that is being proven: a newer one takes its place. */
    const knocking = new Map<string, () => void>()
    const onEnrolled: ((instance: string) => void)[] = []

    app.decorate('enrolment', {
      requireSafe(request) {
        if (transportOf(request, config.behindTlsProxy).kind !== 'open') return
        registry.refused(undefined, 'insecure', addressOf(request))
        throw insecure()
      },
      knock(request) {
        const knock = knockOf(request.headers.authorization)
        if (knock === undefined) return undefined
        const from = addressOf(request)
        const refuse = (reason: RefusalReason, error: CallwardError): never => {
          registry.refused(undefined, reason, from)
          throw error
        }
        const enrolment = knock === 'malformed' ? undefined : registry.get(knock.enrolment)
        if (knock === 'malformed' || enrolment === undefined)
          return refuse('unknown', new CallwardError('unauthorized', unknownText))
        const binding = bindingOf(transportOf(request, config.behindTlsProxy))
        if (binding === undefined) return refuse('insecure', insecure())
        const leave = halfOpen.enter(from)
        if (leave === undefined)
          return refuse('too_many_half_open', new CallwardError('too_many_requests', busyText))
        const connection = new ChallengedConnection(key, enrolment, knock.nonce, binding)
        return knockFor(enrolment, connection, from, leave)
      },
      requireUnclaimed: (hello) => registry.requireUnclaimed(hello),
      onEnrolled: (listener) => void onEnrolled.push(listener),
    })

    function knockFor(
      enrolment: Enrolment,
      connection: ChallengedConnection,
      from: string,
      leave: () => void,
    ): Knock {
      let isNewest = true
      knocking.get(enrolment.id)?.()
      const overtaken = () => {
        isNewest = false
      }
      knocking.set(enrolment.id, overtaken)
      return {
        challenge: connection.challenge,
        async answer(sent) {
          // What it proves was asked of another connection in the meantime.
          if (!isNewest) return { kind: 'refused', reason: 'no_proof', message: overtakenText }
          const answer = await registry.answer(enrolment, connection, sent)
          if (answer.kind === 'refused') registry.refused(enrolment, answer.reason, from)
          return answer
        },
        failed: (reason) => registry.refused(enrolment, reason, from),
        leave() {
          leave()
          if (knocking.get(enrolment.id) === overtaken) knocking.delete(enrolment.id)
        },
        connected(listener) {
          const stop = registry.onEnded(enrolment.id, listener)
          open.set(enrolment, stop)
          return () => {
            stop()
            if (open.get(enrolment) === stop) open.delete(enrolment)
          }
        },
      }
    }

    await app.register(enrolmentRoutes, {
      config,
      key,
      store,
      registry,
      isConnected: (enrolment) => open.has(enrolment),
      enrolled: (instance: string) => {
        for (const listener of onEnrolled) listener(instance)
      },
    })
    const timer = setInterval(() => {
      series.write().catch((err: unknown) => app.log.warn({ err }, 'refusals not stored'))
      void registry.saveRest()
    }, upkeepMillis)
    app.addHook('preClose', async () => {
      clearInterval(timer)
      await registry.saveRest()
    })
  },
  {
    name: 'callward-enrolment',
    dependencies: [
      'callward-telemetry',
      'callward-records',
      'callward-store',
      'callward-access',
    ],
  },
)

const unknownText =
  'This hub does not know this enrolment. Enrol the host again; on the hub: callward enrol'
const busyText =
  'Too many collectors are proving themselves at once; this one comes back by itself.'
const overtakenText = 'Another connection of this collector came meanwhile.'

/** A restored hub knows fewer sessions than its collectors: it takes each one's count once. */
async function afterRestore(store: EnrolmentStore, mark: string): Promise<void> {
  if (!existsSync(mark)) return
  await store.resyncAll()
  rmSync(mark)
}

function addressOf(request: IncomingMessage): string {
  return request.socket.remoteAddress ?? ''
}
