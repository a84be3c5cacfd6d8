import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { type Millis, rfc3339 } from '../clock.ts'
import { type HubConfig, publicUrl } from '../config.ts'
import { CallwardError } from '../errors.ts'
import type { Principal, RouteAccess } from './access.ts'
import {
  IdParams,
  Invitation,
  Invited,
  PersonAnswer,
  PersonList,
  PersonPatch,
  PersonRequest,
  TeamAnswer,
  TeamBody,
  TeamList,
  TeamParams,
} from './account-schema.ts'
import type { PersonView, StaffStore } from './staff-store.ts'
import type { Team, TeamStore } from './team-store.ts'

const admins: RouteAccess = { owner: 'people', roles: ['admin'] }
const overseers: RouteAccess = { owner: 'people', roles: ['admin', 'auditor'] }
const staff: RouteAccess = { owner: 'people', roles: ['admin', 'operator', 'auditor'] }

export interface PeopleRoutesOptions {
  readonly config: HubConfig
  readonly people: StaffStore
  readonly teams: TeamStore
  /** Who may do what has changed: what is remembered of it is read again, and live connections are looked at. */
  readonly changed: () => Promise<void>
}

/** People, kept by administrators. */
export const personRoutes: FastifyPluginAsyncTypebox<PeopleRoutesOptions> = async (
  app,
  { config, people, changed },
) => {
  app.get(
    '/api/v1/people',
    { config: { access: overseers }, schema: { response: { 200: PersonList } } },
    async () => ({ people: await people.list() }),
  )

  app.post(
    '/api/v1/people',
    { config: { access: admins }, schema: { body: PersonRequest, response: { 201: Invited } } },
    async (request, reply) => {
      const { name, role, email = null } = request.body
      const { id, code, expiresAt } = await people.invite({ name, role, email }, nameOf(request))
      const invitation = invitationOf(config, code, expiresAt)
      return reply.code(201).send({ person: await viewOf(people, id), invitation })
    },
  )

  app.post(
    '/api/v1/people/:id',
    {
      config: { access: admins },
      schema: { params: IdParams, body: PersonPatch, response: { 200: PersonAnswer } },
    },
    async (request) => {
      const id = await people.idOf(request.params.id)
      await people.change(id, request.body, nameOf(request))
      await changed()
      return { person: await viewOf(people, id) }
    },
  )

  // A new password, for whoever forgot the old one.
  app.post(
    '/api/v1/people/:id/link',
    { config: { access: admins }, schema: { params: IdParams, response: { 201: Invitation } } },
    async (request, reply) => {
      const id = await people.idOf(request.params.id)
      const { code, expiresAt } = await people.link(id, nameOf(request))
      return reply.code(201).send(invitationOf(config, code, expiresAt))
    },
  )

  app.delete(
    '/api/v1/people/:id/second-factor',
    { config: { access: admins }, schema: { params: IdParams } },
    async (request, reply) => {
      await people.removeFactor(await people.idOf(request.params.id), nameOf(request))
      await changed()
      return reply.code(204).send()
    },
  )
}

/** Teams: seen by all on staff, kept by administrators. */
export const teamRoutes: FastifyPluginAsyncTypebox<PeopleRoutesOptions> = async (
  app,
  { teams },
) => {
  app.get(
    '/api/v1/teams',
    { config: { access: staff }, schema: { response: { 200: TeamList } } },
    async () => ({ teams: teams.all().map(teamView) }),
  )

  app.put(
    '/api/v1/teams/:id',
    {
      config: { access: admins },
      bodyLimit: 128 * 1024,
      schema: { params: TeamParams, body: TeamBody, response: { 200: TeamAnswer } },
    },
    async (request) => {
      const { id } = request.params
      await teams.put(id, request.body.name, request.body.members, nameOf(request))
      const team = teams.find(id)
      // Somebody may have removed it in between.
      if (team === undefined) throw new CallwardError('not_found', `There is no team "${id}".`)
      return { team: teamView(team) }
    },
  )

  app.delete(
    '/api/v1/teams/:id',
    { config: { access: admins }, schema: { params: TeamParams } },
    async (request, reply) => {
      await teams.remove(request.params.id, nameOf(request))
      return reply.code(204).send()
    },
  )
}

async function viewOf(people: StaffStore, id: string): Promise<PersonView> {
  const person = (await people.list()).find((one) => one.id === id)
  if (person === undefined) throw new CallwardError('not_found', `There is no person "${id}".`)
  return person
}

function teamView({ id, name, members }: Team) {
  return { id, name, members: members.map((member) => ({ ...member })) }
}

function invitationOf(config: HubConfig, code: string, expiresAt: Millis) {
  return { url: `${publicUrl(config)}/welcome#${code}`, expiresAt: rfc3339(expiresAt) }
}

function nameOf(request: FastifyRequest): string {
  return (request.principal as Principal).name
}
