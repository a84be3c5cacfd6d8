import fp from 'fastify-plugin'
import { Counter, type Registry } from 'prom-client'
import type { Clock, Millis } from '../clock.ts'
import type {} from '../ledger/plugin.ts'
import type {} from '../live/plugin.ts'
import type {} from '../people/plugin.ts'
import type {} from '../records/plugin.ts'
import type {} from '../store/plugin.ts'
import type {} from '../telemetry/plugin.ts'
import { Calendar, lookAheadDays } from './calendar.ts'
import { readPeople } from './directory.ts'
import { dutyRoutes } from './duty-routes.ts'
import { DutyWatch } from './duty-watch.ts'
import {
  acknowledge,
  type EscalationState,
  messageKey,
  nextStep,
  type ResolveTarget,
  resolve,
  triggered,
} from './escalation.ts'
import { HandoverStore } from './handover-store.ts'
import { type Database, type Ledger, OncallStore, policyContent } from './oncall-store.ts'
import { type PolicySnapshot, snapshotOf } from './policy.ts'
import { policyRoutes } from './policy-routes.ts'
import { type ContactPointReader, Prover } from './proof.ts'
import { type Resolvers, resolverAt } from './resolving.ts'
import { scheduleRoutes } from './routes.ts'
import { dayMillis } from './zone.ts'

export type {
  Advance,
  Decision,
  EscalationState,
  Recipient,
  Resolution,
  ResolveTarget,
} from './escalation.ts'
export type { PolicySnapshot, Target } from './policy.ts'
export type { ContactPointReader } from './proof.ts'
export type { ContactPointFacts } from './readiness.ts'
export type { Resolver } from './resolving.ts'

/** Somebody on call. */
export interface OnCallPerson {
  readonly principalId: string
  readonly name: string
  /** Layer it comes from, or `override`. */
  readonly layer: string
  /** At least until then: looked ahead 35 days. */
  readonly until: Millis
}

/** Who is on call, and how a page climbs. */
export interface Oncall {
  /** Whom a page would reach: an account that is disabled is nobody. Throws not_found without the schedule. */
  onCallAt(database: Database, scheduleId: string, at: Millis): Promise<readonly OnCallPerson[]>
  /** Who is on call, then who is next, each once, as far as 35 days ahead. Throws not_found without the schedule. */
  turnsFrom(database: Database, scheduleId: string, at: Millis): Promise<readonly OnCallPerson[]>
  /** A policy frozen for a page; JSON. Throws not_found. */
  snapshot(database: Database, policyId: string): Promise<PolicySnapshot>
  /** Who stands behind each target at an instant, read once for one or more steps. */
  resolverAt(database: Database, at: Millis): Promise<ResolveTarget>
  /** The escalation's pure state machine. */
  readonly escalation: {
    readonly triggered: typeof triggered
    readonly nextStep: typeof nextStep
    readonly acknowledge: typeof acknowledge
    readonly resolve: (state: EscalationState) => EscalationState
    readonly messageKey: typeof messageKey
  }
  /** Tells how people can be reached; without it contact points count as unknown, and no shift as ready. */
  provideContactPoints(reader: ContactPointReader): void
  /** Tells who stands behind teams and contacts. */
  provideResolvers(resolvers: Resolvers): void
  /** Looks at hand-overs, readiness and figures now, not only by timer. */
  look(): Promise<void>
}

declare module 'fastify' {
  interface FastifyInstance {
    oncall: Oncall
  }
}

/** Schedules, escalation policies, readiness and hand-overs. */
export const oncallPlugin = fp(
  async (app, { clock }: { clock: Clock }) => {
    const ledger: Ledger = (tx, entry) => app.ledger.append(tx, entry)
    const store = new OncallStore(clock, ledger)
    const calendar = new Calendar()
    const handovers = new HandoverStore(clock, store)
    const prover = new Prover(app.records, clock, store, calendar)
    const watch = new DutyWatch(app, { clock, store, handovers, calendar, prover })
    let resolvers: Resolvers = {
      team: (id) => app.people.teamMembers(id)?.map((one) => ({ kind: 'person', id: one.id })),
    }

    async function resolverFor(database: Database, at: Millis): Promise<ResolveTarget> {
      const versions = await store.versions(database, at, at + lookAheadDays * dayMillis)
      return resolverAt(calendar, versions, await readPeople(database), resolvers, at)
    }
    app.decorate('oncall', {
      async onCallAt(database, scheduleId, at) {
        const until = at + lookAheadDays * dayMillis
        const segment = calendar.at(await store.version(database, scheduleId, at, until), at)
        if (segment.kind === 'gap') return []
        const { principalId, layer, to } = segment
        const person = (await readPeople(database)).find(principalId)
        return person?.enabled === true
          ? [{ principalId, name: person.name, layer, until: to }]
          : []
      },
      async turnsFrom(database, scheduleId, at) {
        const until = at + lookAheadDays * dayMillis
        const schedule = await store.version(database, scheduleId, at, until)
        const people = await readPeople(database)
        const turns = new Map<string, OnCallPerson>()
        for (const segment of calendar.expand(schedule, at, until).final) {
          if (segment.kind === 'gap' || turns.has(segment.principalId)) continue
          const { principalId, layer, to } = segment
          const person = people.find(principalId)
          if (person?.enabled === true)
            turns.set(principalId, { principalId, name: person.name, layer, until: to })
        }
        return [...turns.values()]
      },
      async snapshot(database, policyId) {
        const row = await store.document(database, 'policy', policyId)
        return snapshotOf(policyId, row.revision, policyContent(row))
      },
      resolverAt: resolverFor,
      escalation: { triggered, nextStep, acknowledge, resolve, messageKey },
      provideContactPoints: (reader) => {
        prover.contactPoints = async (ids) => {
          try {
            return await reader(ids)
          } catch (err) {
            app.log.warn({ err }, 'contact points cannot be read; they count as unknown')
            return undefined
          }
        }
      },
      provideResolvers: (given) => {
        resolvers = { ...resolvers, ...given }
      },
      look: () => watch.look(),
    })
    const changed = () => watch.changed()
    const options = { clock, store, calendar, changed }
    await app.register(scheduleRoutes, options)
    await app.register(policyRoutes, { ...options, resolver: resolverFor })
    await app.register(dutyRoutes, { ...options, prover, handovers })
    registerMetrics(app.telemetry.registry, watch)
    app.addHook('onReady', async () => watch.start())
    app.addHook('preClose', () => watch.stop())
  },
  {
    name: 'callward-oncall',
    dependencies: [
      'callward-telemetry',
      'callward-records',
      'callward-store',
      'callward-access',
      'callward-live',
      'callward-ledger',
    ],
  },
)

function registerMetrics(registry: Registry, watch: DutyWatch): void {
  new Counter({
    name: 'callward_oncall_rounds_failed_total',
    help: 'Rounds in which on-call duty could not be looked at.',
    registers: [registry],
    collect() {
      this.reset()
      this.inc(watch.failures)
    },
  })
}
