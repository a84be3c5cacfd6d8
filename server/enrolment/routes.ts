import { createHash, X509Certificate } from 'node:crypto'
import { createReadStream, existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import type { Static } from 'typebox'
import { identityTranscript, registrationTranscript } from '../../collector/wire/handshake.ts'
import { packageRoot } from '../assets.ts'
import { type Millis, rfc3339 } from '../clock.ts'
import { type HubConfig, publicUrl } from '../config.ts'
import { CallwardError } from '../errors.ts'
import type { Principal, RouteAccess } from '../people/plugin.ts'
import type { Enrolment, EnrolmentStore } from './enrolment-store.ts'
import { fromBase64url, type HubKey, isSignedBy, sha256 } from './keys.ts'
import type { Registry } from './registry.ts'
import {
  EnrolmentList,
  Identity,
  IdentityRequest,
  InstanceParams,
  NewToken,
  Registered,
  RegistrationRequest,
  TokenRequest,
} from './schema.ts'
import { bindingOf, transportOf } from './transport.ts'

/** Where the hub serves the collector in one file. */
export const bundlePath = '/enrol/callward-collector.mjs'

const staff: RouteAccess = { owner: 'enrolment', roles: ['admin', 'operator', 'auditor'] }
const admins: RouteAccess = { owner: 'enrolment', roles: ['admin'] }
/** They ask for a one-time token themselves, or for nothing that anybody may not know. */
const open: RouteAccess = { owner: 'enrolment', roles: 'open' }
const minuteMillis = 60_000

export interface RouteOptions {
  readonly config: HubConfig
  readonly key: HubKey
  readonly store: EnrolmentStore
  readonly registry: Registry
  readonly isConnected: (enrolment: Enrolment) => boolean
  /** Told of each host that was enrolled. */
  readonly enrolled: (instance: string) => void
}

/** Tokens, registration, the list, revocation, and the collector's one file. */
export const enrolmentRoutes: FastifyPluginAsyncTypebox<RouteOptions> = async (app, options) => {
  const { config, key, store, registry } = options

  app.post(
    '/api/v1/enrolment-tokens',
    { config: { access: admins }, schema: { body: TokenRequest, response: { 201: NewToken } } },
    async (request, reply) => {
      const { instance, labels = {}, replace = false } = request.body
      if (replace && instance === undefined)
        throw new CallwardError('bad_request', 'Say which host is to be enrolled anew: instance.')
      if (instance !== undefined && !replace && registry.active(instance) !== undefined)
        throw new CallwardError(
          'conflict',
          `"${instance}" is enrolled already. To enrol it anew: callward enrol --host ${instance} --replace`,
        )
      const by = (request.principal as Principal).name
      const { id, token, expiresAt } = await store.createToken({
        instance,
        labels,
        replaces: replace,
        by,
      })
      app.log.info({ tokenId: id, instance, by }, 'enrolment token made')
      return reply.code(201).send({
        id,
        token,
        expiresAt: rfc3339(expiresAt),
        instance: instance ?? null,
        hubKey: key.fingerprint,
        url: publicUrl(config),
        tlsPin: config.tls === undefined ? null : certificatePin(config.tls.certificate),
        bundle: bundlePath,
      })
    },
  )

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
      const { id, instance, labels } = await registry.register({ ...registration, from: request.ip })
      options.enrolled(instance)
      return reply.code(201).send({ enrolment: id, instance, labels })
    },
  )

  app.get(
    '/api/v1/enrolments',
    { config: { access: staff }, schema: { response: { 200: EnrolmentList } } },
    async () => ({
      hubKey: key.fingerprint,
      enrolments: registry.all.map((one) => view(one, options.isConnected(one))),
      tokens: await store.tokens(),
    }),
  )

  app.delete(
    '/api/v1/enrolments/:instance',
    { config: { access: admins }, schema: { params: InstanceParams } },
    async (request, reply) => {
      await registry.revoke(request.params.instance, (request.principal as Principal).name)
      return reply.code(204).send()
    },
  )

  app.post(
    '/api/v1/enrolments/:instance/accept',
    { config: { access: admins }, schema: { params: InstanceParams } },
    async (request, reply) => {
      await registry.accept(request.params.instance, (request.principal as Principal).name)
      return reply.code(204).send()
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
    const binding = bindingOf(transportOf(request.raw, config.behindTlsProxy))
    if (binding === undefined) throw insecure()
    return binding
  }

  async function requireTokenOrAdmin(request: FastifyRequest): Promise<void> {
    if (transportOf(request.raw, config.behindTlsProxy).kind === 'open') throw insecure()
    const token = /^Bearer (cwe_\S+)$/i.exec(request.headers.authorization ?? '')?.[1]
    if (token !== undefined) {
      if (await store.isWaiting(token)) return
      throw new CallwardError(
        'unauthorized',
        'This enrolment token is unknown, used or too old. Make a new line on the hub: callward enrol',
      )
    }
    const principal = await app.access.authenticate(request.raw)
    if (principal === undefined) throw new CallwardError('unauthorized')
    if (principal.role !== 'admin')
      throw new CallwardError(
        'forbidden',
        `The role ${principal.role} may not take it; it takes admin or an enrolment token.`,
      )
  }
}

/** What is said to whom comes in the clear from elsewhere. */
export function insecure(): CallwardError {
  return new CallwardError(
    'forbidden',
    'This connection is not protected by TLS 1.3, which collectors need off the hub’s own machine. Set hub.tls (CALLWARD_TLS_CERTIFICATE, CALLWARD_TLS_KEY), or hub.behindTlsProxy where a proxy ends TLS.',
  )
}

function certificatePin(path: string): string {
  const { publicKey } = new X509Certificate(readFileSync(path))
  const bytes = publicKey.export({ type: 'spki', format: 'der' })
  return createHash('sha256').update(bytes).digest('base64')
}

function view(
  enrolment: Enrolment,
  connected: boolean,
): Static<typeof EnrolmentList>['enrolments'][number] {
  return {
    id: enrolment.id,
    instance: enrolment.instance,
    state: enrolment.state,
    connected,
    publicKey: `SHA256:${sha256(fromBase64url(enrolment.publicKey)).toString('base64url')}`,
    sessions: enrolment.counter,
    machine: Object.keys(enrolment.machine).sort(),
    version: enrolment.version,
    createdAt: rfc3339(enrolment.createdAt),
    createdBy: enrolment.createdBy,
    lastSessionAt: orNull(enrolment.lastSessionAt),
    endedAt: orNull(enrolment.endedAt),
    endedBy: enrolment.endedBy ?? null,
    refusals: enrolment.refusals,
    lastRefusedAt: orNull(enrolment.lastRefusedAt),
    lastRefusal: enrolment.lastRefusal ?? null,
    lastRefusedFrom: enrolment.lastRefusedFrom ?? null,
  }
}

function orNull(at: Millis | undefined): string | null {
  return at === undefined ? null : rfc3339(at)
}
