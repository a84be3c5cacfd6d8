import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import type { Static } from 'typebox'
import { holders, type Picture } from '../../incidents/picture.ts'
import type { Role } from '../../incidents/workflow.ts'
import type { Clock } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type { Principal } from '../people/plugin.ts'
import type { IncidentAssignmentRow } from '../records/schema.ts'
import type { Dispatch } from './dispatch.ts'
import { assignmentById, assignmentsOf, assignmentsTo, incidentNamed } from './dispatch-store.ts'
import {
  AcceptBody,
  ArrivedBody,
  AssignBody,
  AssignmentAnswer,
  AssignmentList,
  AssignmentParams,
  DeclineBody,
  FindingBody,
  IncidentParams,
  MineAnswer,
  type MineView,
  PartBody,
} from './schema.ts'
import { assignmentView, owedOf, placesOf } from './views.ts'

const readers = { owner: 'dispatch', roles: ['admin', 'operator', 'auditor'] } as const
const writers = { owner: 'dispatch', roles: ['admin', 'operator'] } as const
/** Assignments of one person that are shown at once. */
const mineMost = 50

export interface DispatchRouteOptions {
  readonly clock: Clock
  readonly dispatch: Dispatch
}

/** Who is sent, what they answer, and what a technician sees on the way; each may be sent twice with one key. */
export const dispatchRoutes: FastifyPluginAsyncTypebox<DispatchRouteOptions> = async (
  app,
  { clock, dispatch },
) => {
  const db = app.records.read
  const idOf = async (name: string): Promise<string> => {
    const row = await incidentNamed(db, name)
    if (row === undefined) throw new CallwardError('not_found', `There is no incident ${name}.`)
    return row.id
  }
  const base = '/api/v1/incidents/:id/assignments'

  app.post(
    base,
    {
      config: { access: writers },
      schema: { params: IncidentParams, body: AssignBody, response: { 201: AssignmentAnswer } },
    },
    async (request, reply) => {
      const id = await idOf(request.params.id)
      const row = await dispatch.assign(id, request.principal as Principal, request.body)
      reply.code(201)
      return { assignment: assignmentView(row) }
    },
  )

  app.get(
    base,
    {
      config: { access: readers },
      schema: { params: IncidentParams, response: { 200: AssignmentList } },
    },
    async (request) => {
      const rows = await assignmentsOf(db, await idOf(request.params.id))
      return { assignments: rows.map(assignmentView) }
    },
  )

  app.get(
    '/api/v1/dispatch/mine',
    { config: { access: writers }, schema: { response: { 200: MineAnswer } } },
    async (request) => {
      const by = request.principal as Principal
      const rows = await assignmentsTo(db, by.id, mineMost)
      const assignments = await Promise.all(rows.map((row) => mine(app, clock, row, by)))
      return { assignments }
    },
  )
  await app.register(answerRoutes, { clock, dispatch })
}

/** What whoever was sent says. */
const answerRoutes: FastifyPluginAsyncTypebox<DispatchRouteOptions> = async (app, { dispatch }) => {
  const db = app.records.read
  const base = '/api/v1/incidents/:id/assignments/:fact'
  const schema = { params: AssignmentParams, response: { 200: AssignmentAnswer } }
  const config = { access: writers }
  const answered = async (
    { params, principal }: { params: Static<typeof AssignmentParams>; principal: unknown },
    work: (id: string, fact: string, by: Principal) => Promise<void>,
  ) => {
    const incident = await incidentNamed(db, params.id)
    if (incident === undefined)
      throw new CallwardError('not_found', `There is no incident ${params.id}.`)
    await work(incident.id, params.fact, principal as Principal)
    const row = await assignmentById(db, params.fact)
    if (row === undefined) throw new CallwardError('not_found')
    return { assignment: assignmentView(row) }
  }
  app.post(`${base}/accept`, { config, schema: { ...schema, body: AcceptBody } }, (request) =>
    answered(request, (id, fact, by) => dispatch.accept(id, fact, by, request.body)),
  )
  app.post(`${base}/decline`, { config, schema: { ...schema, body: DeclineBody } }, (request) =>
    answered(request, (id, fact, by) => dispatch.decline(id, fact, by, request.body)),
  )
  app.post(`${base}/arrived`, { config, schema: { ...schema, body: ArrivedBody } }, (request) =>
    answered(request, (id, fact, by) => dispatch.arrived(id, fact, by, request.body)),
  )
  app.post(`${base}/findings`, { config, schema: { ...schema, body: FindingBody } }, (request) =>
    answered(request, (id, fact, by) => dispatch.finding(id, fact, by, request.body)),
  )
  app.post(`${base}/parts`, { config, schema: { ...schema, body: PartBody } }, (request) =>
    answered(request, (id, fact, by) => dispatch.part(id, fact, by, request.body)),
  )
}

async function mine(
  app: FastifyInstance,
  clock: Clock,
  row: IncidentAssignmentRow,
  by: Principal,
): Promise<Static<typeof MineView>> {
  const { row: incident, picture } = await app.incidents.picture(row.incident_id)
  const labels = await labelsOf(app, row.incident_id)
  const { hosts, services } = placesOf(picture)
  const values = (name: string) => labels.flatMap((one) => one[name] ?? [])
  return {
    ...assignmentView(row),
    incident: {
      ...{ id: incident.id, number: Number(incident.number), title: incident.title },
      ...{ severity: incident.severity, state: incident.workflow_state },
    },
    sites: [...new Set(values('site'))],
    hosts: [...new Set([...hosts, ...values('instance')])],
    services,
    runbook: incident.runbook_name,
    contacts: await contactsOf(app, picture),
    owed: owedOf(picture, by.name, clock.now()),
  }
}

async function labelsOf(app: FastifyInstance, incidentId: string) {
  const rows = await app.records.read
    .selectFrom('incident_alerts')
    .innerJoin('alerts', 'alerts.id', 'incident_alerts.alert_id')
    .select('alerts.labels')
    .where('incident_alerts.incident_id', '=', incidentId)
    .limit(200)
    .execute()
  return rows.map(({ labels }) => JSON.parse(labels) as Record<string, string>)
}

/** Those who lead, with the number that text messages reach them by. */
async function contactsOf(app: FastifyInstance, picture: Picture) {
  const roles: readonly Role[] = ['commander', 'deputy', 'internal_liaison', 'expert']
  const names = new Map<string, Role[]>()
  for (const role of roles)
    for (const name of holders(picture, role)) names.set(name, [...(names.get(name) ?? []), role])
  if (names.size === 0) return []
  const people = await app.records.read
    .selectFrom('principals')
    .select(['id', 'name'])
    .where('name', 'in', [...names.keys()])
    .where('kind', '=', 'person')
    .execute()
  return people.map(({ id, name }) => {
    const sms = app.notify
      .contactPointsOf({ kind: 'person', id })
      .find(({ channel, disabledAt }) => channel === 'sms' && disabledAt === null)
    const to = sms?.settings['to']
    return { name, roles: names.get(name) ?? [], phone: typeof to === 'string' ? to : null }
  })
}
