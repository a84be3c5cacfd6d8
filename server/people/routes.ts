import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { version } from '../assets.ts'
import { rfc3339 } from '../clock.ts'
import { type HubConfig, publicUrl } from '../config.ts'
import { CallwardError } from '../errors.ts'
import { type Principal, type RouteAccess, staffRoles } from './access.ts'
import { sessionCookie, setSessionCookie } from './cookie.ts'
import {
  Me,
  NewToken,
  SignedIn,
  SignInLink,
  SignInRequest,
  TokenList,
  TokenRequest,
} from './schema.ts'
import { consoleSessionMillis, type SessionStore } from './session-store.ts'

const open: RouteAccess = { owner: 'people', roles: 'open' }
const everyone: RouteAccess = {
  owner: 'people',
  roles: ['admin', 'operator', 'auditor', 'collector', 'grafana'],
  beforeSecondFactor: true,
}
const admins: RouteAccess = { owner: 'people', roles: ['admin'] }

/** Sign-in and tokens; `forget` empties what the gate remembers after a revocation. */
export const peopleRoutes: FastifyPluginAsyncTypebox<{
  config: HubConfig
  sessions: SessionStore
  forget: () => void
}> = async (app, { config, sessions, forget }) => {
  const { people } = app.access
  const limitSignIn = { max: config.signInsPerMinute, timeWindow: 60_000 }

  app.get(
    '/api/v1/me',
    { config: { access: everyone }, schema: { response: { 200: Me } } },
    async (request) => {
      const { name, role, limited = false } = request.principal as Principal
      const hub = { version, simulated: config.demo }
      return { name, role, needsSecondFactor: limited, hub }
    },
  )

  app.post(
    '/api/v1/sign-in',
    {
      config: { access: open, rateLimit: limitSignIn },
      bodyLimit: 4096,
      schema: { body: SignInRequest, response: { 200: SignedIn } },
    },
    async (request, reply) => {
      const principal = await signingIn(app.access, request.body)
      const by = request.body.code === undefined ? 'token' : 'link'
      const secret = await sessions.create(principal, by, request.ip)
      setSessionCookie(reply, config, secret, consoleSessionMillis / 1000)
      return { name: principal.name, role: principal.role }
    },
  )

  app.post('/api/v1/sign-out', { config: { access: open } }, async (request, reply) => {
    const secret = request.cookies[sessionCookie]
    if (secret !== undefined) await sessions.revoke(secret)
    setSessionCookie(reply, config, '', 0)
    return reply.code(204).send()
  })

  app.post(
    '/api/v1/sign-in-links',
    { config: { access: admins }, schema: { response: { 201: SignInLink } } },
    async (request, reply) => {
      const principal = request.principal as Principal
      const { code, expiresAt } = await people.createSignInLink(
        principal.name === 'bootstrap' ? app.access.adminId : principal.id,
        principal.name,
      )
      return reply
        .code(201)
        .send({ url: `${publicUrl(config)}/sign-in#${code}`, expiresAt: rfc3339(expiresAt) })
    },
  )

  app.get(
    '/api/v1/tokens',
    { config: { access: admins }, schema: { response: { 200: TokenList } } },
    async () => ({
      tokens: await people.listTokens(),
    }),
  )

  app.post(
    '/api/v1/tokens',
    { config: { access: admins }, schema: { body: TokenRequest, response: { 201: NewToken } } },
    async (request, reply) => {
      const { name, role, label } = request.body
      const { id, token } = await people.createToken(name, role, label ?? '', nameOf(request))
      forget()
      return reply.code(201).send({ id, token, name, role })
    },
  )

  app.delete(
    '/api/v1/tokens/:id',
    {
      config: { access: admins },
      schema: { params: Type.Object({ id: Type.String({ maxLength: 64 }) }) },
    },
    async (request, reply) => {
      if (!(await people.revokeToken(request.params.id, nameOf(request))))
        throw new CallwardError('not_found', 'There is no such live token.')
      forget()
      return reply.code(204).send()
    },
  )
}

/** Who signs in. Throws gone, unauthorized, forbidden. */
async function signingIn(
  access: FastifyInstance['access'],
  { code, token }: { code?: string; token?: string },
): Promise<Principal> {
  const { people } = access
  if (code !== undefined) {
    const id = await people.redeemSignInLink(code)
    const principal = id === undefined ? undefined : await people.principal(id)
    if (principal === undefined) throw new CallwardError('gone')
    return principal
  }
  if (token === undefined)
    throw new CallwardError('bad_request', 'Send {"code": …} from a sign-in link, or {"token": …}.')
  const principal = await access.authenticate(bearing(token))
  if (principal === undefined)
    throw new CallwardError('unauthorized', 'That token is not known, or was revoked.')
  if (!staffRoles.includes(principal.role)) {
    throw new CallwardError(
      'forbidden',
      `A ${principal.role} token is for programs; people need ${staffRoles.join(', ')}.`,
    )
  }
  return principal
}

function nameOf(request: FastifyRequest): string {
  return (request.principal as Principal).name
}

/** A request that carries just this token, for the gate. */
function bearing(token: string): import('node:http').IncomingMessage {
  // The gate reads headers only.
  return { headers: { authorization: `Bearer ${token}` } } as import('node:http').IncomingMessage
}
