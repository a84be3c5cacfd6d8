import { createReadStream, existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { identityTranscript, registrationTranscript } from '../../collector/wire/handshake.ts'
import { packageRoot } from '../assets.ts'
import { CallwardError } from '../errors.ts'
import type { RouteAccess } from '../people/plugin.ts'
import { insecure } from './gate.ts'
import { fromBase64url, type HubKey, isSignedBy } from './keys.ts'
import type { Registry } from './registry.ts'
import { Identity, IdentityRequest, Registered, RegistrationRequest } from './schema.ts'
import { bindingOf, transportOf } from './transport.ts'

/** Where the hub serves the collector in one file. */
export const bundlePath = '/enrol/callward-collector.mjs'

/** They ask for a one-time token themselves, or for nothing that anybody may not know. */
const open: RouteAccess = { owner: 'enrolment', roles: 'open' }
const minuteMillis = 60_000

export interface RegistrationOptions {
  readonly key: HubKey
  readonly registry: Registry
  readonly behindTlsProxy: boolean
  /** Told of each host that was enrolled. */
  readonly enrolled: (instance: string) => void
}

/** What a host calls that enrols: the hub's proof of its key, the registration, the collector's one file. */
export const registrationRoutes: FastifyPluginAsyncTypebox<RegistrationOptions> = async (
  app,
  options,
) => {
  const { key, registry, behindTlsProxy } = options

  app.post(
    '/api/v1/hub-identity',
    {
      config: { access: open, rateLimit: { max: 120, timeWindow: minuteMillis } },
      bodyLimit: 1024,
      schema: { body: IdentityRequest, response: { 200: Identity } },
    },
    async (request) => {
      const { kind, bytes } = requireBinding(request)
      const message = identityTranscript({
        nonce: fromBase64url(request.body.nonce),
        hubKey: fromBase64url(key.publicKey),
        binding: kind,
        bindingBytes: bytes,
      })
      return { hubKey: key.publicKey, binding: kind, signature: key.sign(message) }
    },
  )

  app.post(
    '/api/v1/enrolments',
    {
      config: { access: open, rateLimit: { max: 60, timeWindow: minuteMillis } },
      bodyLimit: 8192,
      schema: { body: RegistrationRequest, response: { 201: Registered } },
    },
    async (request, reply) => {
      requireBinding(request)
      const { signature, ...registration } = request.body
      const message = registrationTranscript({
        ...registration,
        hubKey: fromBase64url(key.publicKey),
        collectorKey: fromBase64url(registration.publicKey),
        link: fromBase64url(registration.link),
      })
      if (!isSignedBy(registration.publicKey, message, signature))
        throw new CallwardError('bad_request', 'The registration is not signed by its own key.')
      const { id, instance, labels } = await registry.register({
        ...registration,
        from: request.ip,
      })
      options.enrolled(instance)
      return reply.code(201).send({ enrolment: id, instance, labels })
    },
  )

  app.get(
    bundlePath,
    { config: { access: open, rateLimit: { max: 60, timeWindow: minuteMillis } } },
    async (request, reply) => {
      await requireTokenOrAdmin(request)
      const path = join(packageRoot, 'dist', 'bundle', 'callward-collector.mjs')
      if (!existsSync(path))
        throw new CallwardError(
          'not_found',
          'The collector’s one file was not built. On the hub: npm run bundle:collector',
        )
      return reply
        .type('text/javascript; charset=utf-8')
        .header('content-length', statSync(path).size)
        .header('cache-control', 'no-store')
        .send(createReadStream(path))
    },
  )

  /** Throws `forbidden` for a connection that others could listen to. */
  function requireBinding(request: FastifyRequest) {
    const binding = bindingOf(transportOf(request.raw, behindTlsProxy))
    if (binding === undefined) throw insecure()
    return binding
  }

  async function requireTokenOrAdmin(request: FastifyRequest): Promise<void> {
    if (transportOf(request.raw, behindTlsProxy).kind === 'open') throw insecure()
    const token = /^Bearer (cwe_\S+)$/i.exec(request.headers.authorization ?? '')?.[1]
    if (token !== undefined) return registry.requireWaiting(token, request.ip)
    const principal = await app.access.authenticate(request.raw)
    if (principal === undefined) throw new CallwardError('unauthorized')
    if (principal.role !== 'admin')
      throw new CallwardError(
        'forbidden',
        `The role ${principal.role} may not take it; it takes admin or an enrolment token.`,
      )
  }
}
