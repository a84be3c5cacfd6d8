import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { publicUrl } from '../config.ts'
import { CallwardError } from '../errors.ts'
import type { RouteAccess } from './access.ts'
import { type AccountRoutesOptions, ownAccount, principalOf } from './account-routes.ts'
import { FactorBegun, FactorCode, PasswordProof, RecoveryCodes } from './account-schema.ts'
import { enrolment, newFactorSecret, newRecoveryCodes, stepOf } from './second-factor.ts'

const staff: RouteAccess = { owner: 'people', roles: ['admin', 'operator', 'auditor'] }
const first: RouteAccess = { ...staff, beforeSecondFactor: true }
const bodyLimit = 8192
const noFactor = 'There is no second factor; set one up first.'

/** A person's second factor: begun with the password, confirmed by a first code, removed with the password. */
export const factorRoutes: FastifyPluginAsyncTypebox<AccountRoutesOptions> = async (
  app,
  { config, clock, records, desk, accounts, sessions, recheck },
) => {
  const rateLimit = { max: config.signInsPerMinute, timeWindow: 60_000 }
  const required = new Set<string>(config.requireSecondFactor)
  const own = (request: FastifyRequest) => ownAccount(accounts, request)

  app.post(
    '/api/v1/account/second-factor',
    {
      config: { access: first, rateLimit },
      bodyLimit,
      schema: { body: PasswordProof, response: { 200: FactorBegun } },
    },
    async (request) => {
      const account = await own(request)
      if (account.factorSince !== null)
        throw new CallwardError(
          'conflict',
          'There is a second factor already; remove it first, then set up the new one.',
        )
      await desk.prove(account, request.body.password)
      const secret = newFactorSecret()
      await accounts.beginFactor(account.id, secret)
      return { secret, ...enrolment(secret, account.name, new URL(publicUrl(config)).host) }
    },
  )

  app.post(
    '/api/v1/account/second-factor/confirm',
    {
      config: { access: first, rateLimit },
      bodyLimit,
      schema: { body: FactorCode, response: { 200: RecoveryCodes } },
    },
    async (request) => {
      const account = await own(request)
      const secret = await accounts.pendingFactor(account.id)
      if (secret === undefined)
        throw new CallwardError(
          'conflict',
          'There is nothing to confirm; set up a second factor first.',
        )
      const step = stepOf(secret, request.body.code.replace(/\s/g, ''), clock.now(), null)
      if (step === undefined)
        throw new CallwardError(
          'unprocessable',
          'The code does not fit. Type the newest one; if it still does not, compare the telephone’s clock with the hub’s.',
        )
      const recoveryCodes = newRecoveryCodes()
      const { session } = principalOf(request)
      await records.write(async (tx) => {
        await accounts.confirmFactor(tx, account, secret, step, recoveryCodes)
        // They came in without it.
        await sessions.endOthers(tx, account.id, account.name, session)
      })
      recheck()
      return { recoveryCodes }
    },
  )

  app.post(
    '/api/v1/account/second-factor/recovery-codes',
    {
      config: { access: staff, rateLimit },
      bodyLimit,
      schema: { body: PasswordProof, response: { 200: RecoveryCodes } },
    },
    async (request) => {
      const account = await own(request)
      if (account.factorSince === null) throw new CallwardError('conflict', noFactor)
      await desk.prove(account, request.body.password)
      const recoveryCodes = newRecoveryCodes()
      await accounts.renewCodes(account, recoveryCodes)
      return { recoveryCodes }
    },
  )

  app.post(
    '/api/v1/account/second-factor/remove',
    { config: { access: staff, rateLimit }, bodyLimit, schema: { body: PasswordProof } },
    async (request, reply) => {
      const account = await own(request)
      if (account.factorSince === null) throw new CallwardError('conflict', noFactor)
      if (required.has(account.role))
        throw new CallwardError(
          'forbidden',
          `The role ${account.role} needs a second factor here. With a new telephone an administrator takes the old factor away: callward people reset-factor ${account.name}`,
        )
      await desk.prove(account, request.body.password)
      const { session } = principalOf(request)
      await records.write(async (tx) => {
        await accounts.removeFactor(tx, account.id, account.name)
        await sessions.endOthers(tx, account.id, account.name, session)
      })
      recheck()
      return reply.code(204).send()
    },
  )
}
