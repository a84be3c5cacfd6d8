import { createHash, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Static } from 'typebox'
import { type Millis, rfc3339 } from '../clock.ts'
import { type HubConfig, publicUrl } from '../config.ts'
import { CallwardError } from '../errors.ts'
import type { Principal, RouteAccess } from '../people/plugin.ts'
import type { Enrolment, EnrolmentStore } from './enrolment-store.ts'
import { fromBase64url, type HubKey, sha256 } from './keys.ts'
import { bundlePath } from './registration-routes.ts'
import type { Registry } from './registry.ts'
import { EnrolmentList, InstanceParams, NewToken, TokenRequest } from './schema.ts'

const staff: RouteAccess = { owner: 'enrolment', roles: ['admin', 'operator', 'auditor'] }
const admins: RouteAccess = { owner: 'enrolment', roles: ['admin'] }

export interface RouteOptions {
  readonly config: HubConfig
  readonly key: HubKey
  readonly store: EnrolmentStore
  readonly registry: Registry
  readonly isConnected: (enrolment: Enrolment) => boolean
}

/** Tokens, the list, revocation. */
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
