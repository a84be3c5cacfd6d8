import type { IncomingMessage } from 'node:http'
import type { FastifyInstance } from 'fastify'
import type { HubConfig } from '../config.ts'
import type { Knock } from '../enrolment/plugin.ts'
import { CallwardError } from '../errors.ts'
import type { IngestMetrics } from './metrics.ts'

/**
 * How an upgrade says who it is: the enrolment that it is about to prove, or undefined when a token let it in. Refusals are counted
 * and thrown.
 */
export async function identify(
  app: FastifyInstance,
  request: IncomingMessage,
  metrics: IngestMetrics,
  requireRoom: () => void,
): Promise<Knock | undefined> {
  try {
    app.enrolment.requireSafe(request)
    requireRoom()
    const knock = app.enrolment.knock(request)
    if (knock === undefined) await admitByToken(app, request)
    return knock
  } catch (error) {
    if (error instanceof CallwardError) metrics.rejected.labels(error.code).inc()
    throw error
  }
}

/** Whether the token that let a session in still stands. */
export async function isStillAdmitted(
  app: FastifyInstance,
  request: IncomingMessage,
): Promise<boolean> {
  const principal = await app.access.authenticate(request)
  return principal?.via === 'token'
}

/** Throws `too_many_requests` when the hub holds all the sessions it may. */
export function requireRoom(open: number, { maxSessions }: HubConfig): void {
  if (open < maxSessions) return
  throw new CallwardError(
    'too_many_requests',
    `The hub holds its limit of ${maxSessions} sessions (hub.maxSessions).`,
  )
}

async function admitByToken(app: FastifyInstance, request: IncomingMessage): Promise<void> {
  const principal = await app.access.authenticate(request)
  if (principal === undefined || principal.via !== 'token') {
    throw new CallwardError(
      'unauthorized',
      'The token is missing, unknown or revoked. Make one on the hub: callward token create --name NAME --role collector',
    )
  }
  if (principal.role !== 'collector' && principal.role !== 'admin') {
    throw new CallwardError(
      'forbidden',
      `The role ${principal.role} may not report; a collector needs a token of the role collector.`,
    )
  }
}
