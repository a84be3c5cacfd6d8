import { existsSync, rmSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import fp from 'fastify-plugin'
import type { Hello } from '../../collector/wire/frames.ts'
import type { Challenge, Proof } from '../../collector/wire/handshake.ts'
import type { Clock } from '../clock.ts'
import type { HubConfig } from '../config.ts'
import { CallwardError } from '../errors.ts'
import { areHubLabels } from '../hub-labels.ts'
import type {} from '../inventory/plugin.ts'
import type {} from '../people/plugin.ts'
import type {} from '../records/plugin.ts'
import type {} from '../store/plugin.ts'
import type {} from '../telemetry/plugin.ts'
import type { RefusalReason } from './enrolment.ts'
import { EnrolmentStore } from './enrolment-store.ts'
import { Gate } from './gate.ts'
import { HalfOpen } from './half-open.ts'
import { openHubKey } from './keys.ts'
import { enrolmentMetrics } from './metrics.ts'
import { RefusalSeries } from './refusal-series.ts'
import { registrationRoutes } from './registration-routes.ts'
import { type Answer, Registry } from './registry.ts'
import { enrolmentRoutes } from './routes.ts'

export type { RefusalReason } from './enrolment.ts'

/** A connection that says which enrolment it is of and has to prove it. */
export interface Knock {
  /** First frame to the collector. */
  readonly challenge: Challenge
  /** Tells when a newer connection of the enrolment has taken its place, which nobody counts any more: it must be ended at once. */
  onOvertaken(listener: () => void): void
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
  /** Throws `conflict` for labels that only an enrolled host's own collector, or the hub itself, may write under. */
  requireForeign(labels: Readonly<Record<string, string>>): void
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
/** Label of collectors' series unless their configuration says otherwise. */
const collectorsJob = 'callward'
/** Share of all half-open connections that one address may hold. */
const shareOfOneAddress = 8

/** Keys of collectors: registration by one-time tokens, proofs, revocation. */
export const enrolmentPlugin = fp(
  async (app, { clock, config }: { clock: Clock; config: HubConfig }) => {
    const folder = join(config.data, 'hub')
    const { key, isNew } = openHubKey(join(folder, 'identity.key'))
    const store = new EnrolmentStore(app.records, clock, app.ledger)
    await afterRestore(store, join(folder, 'restored'))
    const enrolments = await store.load()
    if (isNew && enrolments.some(({ state }) => state === 'active'))
      app.log.error({ key: key.fingerprint }, newKeyText)
    const halfOpen = halfOpenOf(config)
    const metrics = enrolmentMetrics(app.telemetry.registry, {
      byState: () => registry.byState(),
      halfOpen: () => halfOpen.open,
    })
    const series = new RefusalSeries(app.store, clock)
    const registry = new Registry({ store, clock, metrics, series, log: app.log }, enrolments)
    const { behindTlsProxy } = config
    const gate = new Gate({ registry, key, halfOpen, behindTlsProxy })
    const onEnrolled: ((instance: string) => void)[] = []

    app.decorate('enrolment', {
      requireSafe: (request) => gate.requireSafe(request),
      knock: (request) => gate.knock(request),
      requireUnclaimed: (hello) => registry.requireUnclaimed(hello),
      requireForeign: (labels) => {
        const { instance, job } = labels
        if (instance === undefined || job === undefined) return
        if (areHubLabels(labels))
          throw new CallwardError('conflict', 'These labels are those of the hub’s own series.')
        if (registry.active(instance) === undefined) return
        if (job !== (app.inventory.host(instance)?.labels.job ?? collectorsJob)) return
        throw new CallwardError(
          'conflict',
          `"${instance}" is enrolled: under the job "${job}" its collector alone reports, by its own key; give these series a job of their own`,
        )
      },
      onEnrolled: (listener) => void onEnrolled.push(listener),
    })
    const isConnected = gate.isConnected.bind(gate)
    await app.register(enrolmentRoutes, { config, key, store, registry, isConnected })
    await app.register(registrationRoutes, {
      key,
      registry,
      behindTlsProxy,
      enrolled(instance) {
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
      'callward-ledger',
      'callward-store',
      'callward-access',
    ],
  },
)

const newKeyText =
  'the hub has a new key, but collectors are enrolled with its old one: they will refuse it. Bring hub/identity.key back from a backup'

/** Behind a proxy all collectors come from one address. */
function halfOpenOf({ maxHalfOpenSessions: most, behindTlsProxy }: HubConfig): HalfOpen {
  return behindTlsProxy
    ? new HalfOpen(most)
    : new HalfOpen(most, Math.max(1, Math.floor(most / shareOfOneAddress)))
}

/** A restored hub knows fewer sessions than its collectors: it takes each one's count once. */
async function afterRestore(store: EnrolmentStore, mark: string): Promise<void> {
  if (!existsSync(mark)) return
  await store.resyncAll()
  rmSync(mark)
}
