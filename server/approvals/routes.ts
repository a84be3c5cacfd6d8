import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { type Clock, type Millis, rfc3339 } from '../clock.ts'
import type { Principal } from '../people/plugin.ts'
import { type Approval, closedRefusal, sessionRefusal } from './approval.ts'
import type { ApprovalStore } from './approval-store.ts'
import type { Approvals } from './plugin.ts'
import {
  ApprovalDetail,
  ApprovalList,
  ApprovalQuery,
  ApprovalRequest,
  IdParams,
  Rejection,
} from './schema.ts'

const readers = { owner: 'approvals', roles: ['admin', 'operator', 'auditor'] } as const
const writers = { owner: 'approvals', roles: ['admin', 'operator'] } as const

export interface ApprovalRoutesOptions {
  readonly store: ApprovalStore
  readonly approvals: Approvals
  readonly clock: Clock
  readonly titleOf: (kind: string) => string
  readonly rolesOf: (kind: string) => readonly string[]
  /** Asks as a person does. Throws unprocessable, forbidden, conflict. */
  readonly ask: (kind: string, subject: string, by: Principal) => Promise<Approval>
}

/** What waits for a second person, and the decision. */
export const approvalRoutes: FastifyPluginAsyncTypebox<ApprovalRoutesOptions> = async (
  app,
  { store, approvals, clock, titleOf, rolesOf, ask },
) => {
  const view = (approval: Approval, who: Principal) => {
    const { id, kind, subject, state, requestedBy, decidedBy, reason } = approval
    const mayDecide =
      closedRefusal(approval, clock.now()) === undefined && sessionRefusal(who) === undefined
    const isOwn = requestedBy.id === who.id
    const hasRole = rolesOf(kind).includes(who.role)
    return {
      ...{ id, kind, subject, state, reason },
      title: titleOf(kind),
      requestedBy: requestedBy.name,
      requestedAt: rfc3339(approval.requestedAt),
      expiresAt: rfc3339(approval.expiresAt),
      decidedBy: decidedBy?.name ?? null,
      decidedAt: timeOf(approval.decidedAt),
      mayApprove: mayDecide && hasRole && !isOwn,
      mayReject: mayDecide && (hasRole || isOwn),
    }
  }
  const detail = (approval: Approval, request: FastifyRequest) => ({
    approval: { ...view(approval, principalOf(request)), content: approval.content },
  })

  app.get(
    '/api/v1/approvals',
    {
      config: { access: readers },
      schema: { querystring: ApprovalQuery, response: { 200: ApprovalList } },
    },
    async (request) => {
      const { state, limit } = request.query
      const all = await store.list(state, limit)
      return { approvals: all.map((one) => view(one, principalOf(request))) }
    },
  )

  app.get(
    '/api/v1/approvals/:id',
    {
      config: { access: readers },
      schema: { params: IdParams, response: { 200: ApprovalDetail } },
    },
    async (request) => detail(await store.find(app.records.read, request.params.id), request),
  )

  app.post(
    '/api/v1/approvals',
    {
      config: { access: writers },
      schema: { body: ApprovalRequest, response: { 201: ApprovalDetail } },
    },
    async (request, reply) => {
      const { kind, subject } = request.body
      const asked = await ask(kind, subject, principalOf(request))
      return reply.code(201).send(detail(asked, request))
    },
  )

  app.post(
    '/api/v1/approvals/:id/approve',
    {
      config: { access: writers },
      schema: { params: IdParams, response: { 200: ApprovalDetail } },
    },
    async (request) =>
      detail(await approvals.approve(request.params.id, principalOf(request)), request),
  )

  app.post(
    '/api/v1/approvals/:id/reject',
    {
      config: { access: writers },
      schema: { params: IdParams, body: Rejection, response: { 200: ApprovalDetail } },
    },
    async (request) => {
      const { id } = request.params
      const { reason } = request.body
      return detail(await approvals.reject(id, principalOf(request), reason), request)
    },
  )
}

function principalOf(request: FastifyRequest): Principal {
  return request.principal as Principal
}

function timeOf(at: Millis | null): string | null {
  return at === null ? null : rfc3339(at)
}
