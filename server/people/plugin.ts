import { timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { hostname } from 'node:os'
import { join } from 'node:path'
import cookie from '@fastify/cookie'
import rateLimit from '@fastify/rate-limit'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { Counter } from 'prom-client'
import type { Clock } from '../clock.ts'
import type { HubConfig } from '../config.ts'
import { CallwardError, StartError } from '../errors.ts'
import type { Records } from '../records/records.ts'
import { openSealer } from '../sealing.ts'
import {
  hashSecret,
  hostAllowed,
  type Principal,
  type RouteAccess,
  sameOrigin,
  tokenOf,
} from './access.ts'
import { accountRoutes, sessionRoutes } from './account-routes.ts'
import { AccountStore } from './account-store.ts'
import { sessionCookie } from './cookie.ts'
import { factorRoutes } from './factor-routes.ts'
import { type PasswordCost, PasswordHasher } from './password.ts'
import { personRoutes, teamRoutes } from './people-routes.ts'
import { PeopleStore } from './people-store.ts'
import { peopleRoutes } from './routes.ts'
import { SessionStore } from './session-store.ts'
import { type FailureReason, failureReasons, PasswordDesk } from './sign-in.ts'
import { StaffStore } from './staff-store.ts'
import { type TeamMember, TeamStore } from './team-store.ts'

export type { Principal, Role, RouteAccess } from './access.ts'

/** Who may do what. */
export interface Access {
  /**
   * Who an HTTP request or upgrade comes from; undefined when its secret is missing, unknown, revoked or expired, or when a second
   * factor must be set up first.
   */
  authenticate(request: IncomingMessage): Promise<Principal | undefined>
  /** Whether a request made with the cookie comes from the console itself. */
  originAllowed(request: IncomingMessage): boolean
  hostAllowed(request: IncomingMessage): boolean
  readonly people: PeopleStore
  /** The console's first account, made at the first start. */
  readonly adminId: string
}

/** Teams, as of the last committed change. */
export interface People {
  /** Who is in a team and has an account that is not disabled; undefined without such a team. */
  teamMembers(teamId: string): readonly TeamMember[] | undefined
  /** Whether somebody is in a team. */
  isMember(teamId: string, principalId: string): boolean
}

declare module 'fastify' {
  interface FastifyInstance {
    access: Access
    people: People
  }
  interface FastifyRequest {
    principal: Principal | undefined
  }
  interface FastifyContextConfig {
    access?: RouteAccess
  }
}

export interface PeopleOptions {
  readonly clock: Clock
  readonly config: HubConfig
  /** Another cost of passwords, for tests. */
  readonly cost?: PasswordCost | undefined
}

/** Sign-in, roles, and the gate every route passes. */
export const peoplePlugin = fp(
  async (app, { clock, config, cost }: PeopleOptions) => {
    await app.register(cookie)
    const people = new PeopleStore(app.records, clock, app.ledger)
    const { id: adminId } = await app.records.write((tx) =>
      people.ensurePrincipal(tx, 'admin', 'admin', 'person'),
    )
    const bootstrap = await bootstrapPrincipal(people, config, app.records)
    const cache = new SecretCache(clock, people)
    const stored = await accountStores(app, { clock, config, cost })
    const { sessions, teams } = stored
    const hosts = answeredHosts(config)
    const failures = new FailureLimit(clock, config.failedSignInsPerMinute)
    const refused = new Counter({
      name: 'callward_access_refused_total',
      help: 'Requests refused before their handler, by reason.',
      labelNames: ['reason'],
      registers: [app.telemetry.registry],
    })
    app.decorate('access', {
      people,
      adminId,
      originAllowed: (request) => sameOrigin(request.headers.origin, request.headers.host),
      hostAllowed: (request) => hostAllowed(request.headers.host, hosts),
      async authenticate(request) {
        const principal = await identify(request)
        return principal?.limited === true ? undefined : principal
      },
    })
    app.decorate('people', {
      teamMembers: (id) => teams.find(id)?.members.filter(({ enabled }) => enabled),
      isMember: (id, principalId) =>
        teams.find(id)?.members.some((member) => member.id === principalId) === true,
    })

    async function identify(request: IncomingMessage): Promise<Principal | undefined> {
      const principal = await principalOf(request)
      // Whose secret is known is served, whatever others at the same address guess; no secret is no guess.
      if (principal !== undefined || !carriesSecret(request)) return principal
      const address = request.socket?.remoteAddress ?? ''
      if (failures.reached(address))
        throw new CallwardError(
          'too_many_requests',
          'Too many wrong tokens came from this address; wait a minute.',
        )
      failures.count(address)
      return undefined
    }

    function carriesSecret({ headers }: IncomingMessage): boolean {
      if (headers.authorization !== undefined) return true
      return app.parseCookie(headers.cookie ?? '')[sessionCookie] !== undefined
    }

    async function principalOf(request: IncomingMessage): Promise<Principal | undefined> {
      const token = tokenOf(request.headers.authorization)
      if (token !== undefined) {
        if (bootstrap !== undefined && sameSecret(token, bootstrap.hash)) return bootstrap.principal
        return cache.byToken(token)
      }
      if (request.headers.authorization !== undefined) return undefined
      const secret = app.parseCookie(request.headers.cookie ?? '')[sessionCookie]
      return secret === undefined ? undefined : sessions.find(secret)
    }
    app.decorateRequest('principal', undefined)
    app.addHook('onRoute', (route) => {
      if (route.config?.access === undefined)
        throw new Error(`BUG: ${String(route.method)} ${route.url} states no config.access`)
    })
    app.addHook('onRequest', async (request) => {
      try {
        await admit(app.access, request, identify)
      } catch (error) {
        if (error instanceof CallwardError) refused.labels(error.code).inc()
        throw error
      }
    })
    await app.register(rateLimit, {
      max: config.requestsPerMinute,
      timeWindow: 60_000,
      hook: 'preHandler',
      keyGenerator: (request: FastifyRequest) => request.principal?.id ?? request.ip,
      errorResponseBuilder: () => new CallwardError('too_many_requests'),
    })
    await app.register(peopleRoutes, { config, sessions, forget: () => cache.clear() })
    // Live connections look at their sessions by themselves, too; this is sooner.
    const recheck = () => recheckLive(app)
    const own = { config, clock, records: app.records, ...stored, recheck }
    await app.register(sessionRoutes, own)
    await app.register(accountRoutes, own)
    await app.register(factorRoutes, own)
    const changed = async () => {
      cache.clear()
      await teams.load()
      recheck()
    }
    await app.register(personRoutes, { config, people: stored.staff, teams, changed })
    await app.register(teamRoutes, { config, people: stored.staff, teams, changed })
  },
  {
    name: 'callward-access',
    dependencies: ['callward-records', 'callward-ledger', 'callward-telemetry'],
  },
)

async function admit(
  access: Access,
  request: FastifyRequest,
  identify: (request: IncomingMessage) => Promise<Principal | undefined>,
): Promise<void> {
  if (!access.hostAllowed(request.raw)) throw new CallwardError('host_not_allowed')
  const route = request.routeOptions.config.access
  if (route?.roles === 'open') return
  const principal = await identify(request.raw)
  if (principal === undefined) throw new CallwardError('unauthorized')
  if (principal.via === 'cookie' && !isSafe(request.method) && !access.originAllowed(request.raw)) {
    throw new CallwardError('forbidden', 'This request did not come from the console’s own pages.')
  }
  request.principal = principal
  if (principal.limited === true && route?.beforeSecondFactor !== true)
    throw new CallwardError(
      'forbidden',
      `The role ${principal.role} needs a second factor here; set one up on the account page (/account) first.`,
    )
  if (route !== undefined && !route.roles.includes(principal.role)) {
    throw new CallwardError(
      'forbidden',
      `The role ${principal.role} may not do that; it takes ${route.roles.join(' or ')}.`,
    )
  }
}

function isSafe(method: string): boolean {
  return method === 'GET' || method === 'HEAD'
}

function answeredHosts(config: HubConfig): ReadonlySet<string> {
  const names = ['localhost', hostname(), config.host, ...config.hosts]
  if (config.publicUrl !== undefined) names.push(new URL(config.publicUrl).hostname)
  return new Set(names.map((name) => name.toLowerCase()))
}

/** Live push is registered later, and sees this capability's types: it is looked up when something changed. */
function recheckLive(app: FastifyInstance): void {
  if (app.hasDecorator('live')) app.getDecorator<{ recheck(): void }>('live').recheck()
}

async function accountStores(app: FastifyInstance, { clock, config, cost }: PeopleOptions) {
  const { records, ledger, log } = app
  const { sealer } = openSealer(join(config.data, 'hub', 'accounts.key'), {
    what: 'second factors',
    afterReading: 'let everybody set up the second factor anew',
    afterLoss: 'everybody must then set up the second factor anew',
  })
  const accounts = new AccountStore(records, clock, ledger, sealer)
  const sessions = new SessionStore({
    ...{ records, clock, ledger },
    idleMillis: config.idleMinutes * 60_000,
    needFactor: new Set(config.requireSecondFactor),
  })
  const teams = new TeamStore(records, clock, ledger)
  await teams.load()
  const hasher = new PasswordHasher(cost)
  return {
    ...{ accounts, sessions, teams },
    staff: new StaffStore({ records, clock, accounts, sessions }),
    desk: new PasswordDesk({
      records,
      clock,
      accounts,
      sessions,
      hasher,
      log,
      onFailure: failureCounter(app),
    }),
  }
}

/** Counts what the desk refuses. */
function failureCounter(app: FastifyInstance): (reason: FailureReason) => void {
  const failed = new Counter({
    name: 'callward_sign_ins_failed_total',
    help: 'Passwords and codes that were not taken, at sign-in or when asked for once more, by reason.',
    labelNames: ['reason'],
    registers: [app.telemetry.registry],
  })
  for (const reason of failureReasons) failed.labels(reason).inc(0)
  return (reason) => failed.labels(reason).inc()
}

async function bootstrapPrincipal(people: PeopleStore, config: HubConfig, records: Records) {
  if (config.adminToken === undefined) return undefined
  const { id, kind } = await records.write((tx) =>
    people.ensurePrincipal(tx, 'bootstrap', 'admin', 'service'),
  )
  // A version before this one let people have the name.
  if (kind !== 'service')
    throw new StartError(
      'There is a person’s account "bootstrap", and the bootstrap token (CALLWARD_ADMIN_TOKEN) would act in its name. Start without it; tokens of other names still work.',
    )
  const principal: Principal = { id, name: 'bootstrap', role: 'admin', via: 'token' }
  return { principal, hash: hashSecret(config.adminToken) }
}

function sameSecret(secret: string, hash: string): boolean {
  return timingSafeEqual(Buffer.from(hashSecret(secret)), Buffer.from(hash))
}

/** Counts wrong secrets by address, in windows of a minute. */
class FailureLimit {
  readonly #counts = new Map<string, number>()
  readonly #clock: Clock
  readonly #limit: number
  #windowStart = Number.NEGATIVE_INFINITY

  constructor(clock: Clock, limit: number) {
    this.#clock = clock
    this.#limit = limit
  }

  reached(address: string): boolean {
    if (this.#clock.monotonic() - this.#windowStart > 60_000) {
      this.#counts.clear()
      this.#windowStart = this.#clock.monotonic()
    }
    return (this.#counts.get(address) ?? 0) >= this.#limit
  }

  count(address: string): void {
    if (this.#counts.size < cachedSecrets)
      this.#counts.set(address, (this.#counts.get(address) ?? 0) + 1)
  }
}

/** Remembers answers for a few seconds, so that a busy reader costs one query, not thousands. */
class SecretCache {
  readonly #entries = new Map<string, { principal: Principal | undefined; until: number }>()
  readonly #touched = new Map<string, number>()
  readonly #clock: Clock
  readonly #people: PeopleStore

  constructor(clock: Clock, people: PeopleStore) {
    this.#clock = clock
    this.#people = people
  }

  async byToken(token: string): Promise<Principal | undefined> {
    const key = hashSecret(token)
    const now = this.#clock.monotonic()
    const known = this.#entries.get(key)
    if (known !== undefined && known.until > now) return known.principal
    const principal = await this.#people.byToken(token).catch((error: unknown) => {
      // The records are away: who was known a while ago still is.
      if (known?.principal !== undefined) return known.principal
      throw error
    })
    if (this.#entries.size >= cachedSecrets) this.#entries.clear()
    this.#entries.set(key, { principal, until: now + (principal === undefined ? 1000 : 5000) })
    if (principal !== undefined) this.#touch(key, token, now)
    return principal
  }

  #touch(key: string, token: string, now: number): void {
    if (now - (this.#touched.get(key) ?? Number.NEGATIVE_INFINITY) < 60_000) return
    if (this.#touched.size >= cachedSecrets) this.#touched.clear()
    this.#touched.set(key, now)
    // Losing a last-used time must not cost the request (a full disk, say).
    this.#people.touchToken(token).catch(() => this.#touched.delete(key))
  }

  clear(): void {
    this.#entries.clear()
  }
}

const cachedSecrets = 10_000
