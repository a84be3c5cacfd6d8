import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { type Clock, type Millis, rfc3339 } from '../clock.ts'
import type { HubConfig } from '../config.ts'
import { CallwardError } from '../errors.ts'
import type { Records } from '../records/records.ts'
import type { Principal, RouteAccess } from './access.ts'
import {
  AccountView,
  IdParams,
  LinkCode,
  LinkOwner,
  PasswordByLink,
  PasswordChange,
  SessionList,
  SessionRequest,
  SessionsEnded,
} from './account-schema.ts'
import type { Account, AccountStore } from './account-store.ts'
import { setSessionCookie } from './cookie.ts'
import { SignedIn } from './schema.ts'
import { consoleSessionMillis, type SessionStore } from './session-store.ts'
import type { PasswordDesk } from './sign-in.ts'
import type { TeamStore } from './team-store.ts'

const open: RouteAccess = { owner: 'people', roles: 'open' }
const staff: RouteAccess = { owner: 'people', roles: ['admin', 'operator', 'auditor'] }
const first: RouteAccess = { ...staff, beforeSecondFactor: true }
const bodyLimit = 8192

export interface AccountRoutesOptions {
  readonly config: HubConfig
  readonly clock: Clock
  readonly records: Records
  readonly desk: PasswordDesk
  readonly accounts: AccountStore
  readonly sessions: SessionStore
  readonly teams: TeamStore
  /** Ends live connections whose session is over. */
  readonly recheck: () => void
}

/** Coming in by password, and what people do with their own sessions. */
export const sessionRoutes: FastifyPluginAsyncTypebox<AccountRoutesOptions> = async (
  app,
  { config, records, desk, sessions, recheck },
) => {
  const rateLimit = { max: config.signInsPerMinute, timeWindow: 60_000 }

  app.post(
    '/api/v1/sessions',
    {
      config: { access: open, rateLimit },
      bodyLimit,
      schema: { body: SessionRequest, response: { 201: SignedIn } },
    },
    async (request, reply) => {
      const { account, secret } = await desk.signIn(request.body, request.ip)
      setSessionCookie(reply, config, secret, consoleSessionMillis / 1000)
      return reply.code(201).send({ name: account.name, role: account.role })
    },
  )

  app.get(
    '/api/v1/sessions',
    { config: { access: first }, schema: { response: { 200: SessionList } } },
    async (request) => ({ sessions: await sessions.listOf(principalOf(request)) }),
  )

  app.delete(
    '/api/v1/sessions/:id',
    { config: { access: first }, schema: { params: IdParams } },
    async (request, reply) => {
      if (!(await sessions.end(principalOf(request), request.params.id)))
        throw new CallwardError('not_found', 'There is no such open session of yours.')
      recheck()
      return reply.code(204).send()
    },
  )

  // All but the one that asks.
  app.delete(
    '/api/v1/sessions',
    { config: { access: first }, schema: { response: { 200: SessionsEnded } } },
    async (request) => {
      const { id, name, session } = principalOf(request)
      const ended = await records.write((tx) => sessions.endOthers(tx, id, name, session))
      recheck()
      return { ended }
    },
  )
}

/** A person's own account and its password. */
export const accountRoutes: FastifyPluginAsyncTypebox<AccountRoutesOptions> = async (
  app,
  { config, desk, accounts, teams, recheck },
) => {
  const rateLimit = { max: config.signInsPerMinute, timeWindow: 60_000 }
  const required = new Set<string>(config.requireSecondFactor)

  const own = (request: FastifyRequest) => ownAccount(accounts, request)

  app.get(
    '/api/v1/account',
    { config: { access: first }, schema: { response: { 200: AccountView } } },
    async (request) => {
      const account = await own(request)
      const { name, role, email, passwordSetAt, factorSince, factorPending } = account
      const state = factorSince !== null ? 'on' : factorPending ? 'begun' : 'none'
      return {
        ...{ name, role, email },
        passwordSetAt: timeOf(passwordSetAt),
        secondFactor: {
          state: state as 'none' | 'begun' | 'on',
          since: timeOf(factorSince),
          required: required.has(role),
          recoveryCodesLeft: await accounts.codesLeft(account.id),
        },
        teams: teams
          .all()
          .filter(({ members }) => members.some(({ id }) => id === account.id))
          .map(({ id, name }) => ({ id, name })),
      }
    },
  )

  app.post(
    '/api/v1/account/password',
    { config: { access: staff, rateLimit }, bodyLimit, schema: { body: PasswordChange } },
    async (request, reply) => {
      const { password, newPassword: next } = request.body
      const { session } = principalOf(request)
      await desk.change(await own(request), { password, next }, session)
      recheck()
      return reply.code(204).send()
    },
  )

  // Whose link it is; the link stays good.
  app.post(
    '/api/v1/password-links/look',
    {
      config: { access: open, rateLimit },
      bodyLimit,
      schema: { body: LinkCode, response: { 200: LinkOwner } },
    },
    async (request) => {
      const owner = await accounts.ownerOfLink(request.body.code)
      if (owner === undefined) throw new CallwardError('gone', linkGone)
      return { name: owner.name }
    },
  )

  app.post(
    '/api/v1/password-links/use',
    {
      config: { access: open, rateLimit },
      bodyLimit,
      schema: { body: PasswordByLink, response: { 200: LinkOwner } },
    },
    async (request) => {
      const { code, password } = request.body
      const { name } = await desk.setByLink(code, password)
      recheck()
      return { name }
    },
  )
}

const linkGone =
  'The link was used, has expired, or a newer one was made; ask an administrator for a new one (callward people link NAME).'

/** The account of whoever asks. Throws forbidden for programs. */
export async function ownAccount(
  accounts: AccountStore,
  request: FastifyRequest,
): Promise<Account> {
  const account = await accounts.byId(principalOf(request).id)
  if (account?.isPerson === true) return account
  throw new CallwardError(
    'forbidden',
    'This token belongs to a program, which has no password; sign in as a person.',
  )
}

/** Who asks, on routes that are not open. */
export function principalOf(request: FastifyRequest): Principal {
  return request.principal as Principal
}

function timeOf(at: Millis | null): string | null {
  return at === null ? null : rfc3339(at)
}
