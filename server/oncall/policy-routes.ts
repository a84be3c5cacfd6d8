import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Principal } from '../people/plugin.ts'
import type { OncallDocumentRow } from '../records/schema.ts'
import { apply, exported } from './applying.ts'
import { readPeople } from './directory.ts'
import type { ResolveTarget } from './escalation.ts'
import type { Database } from './oncall-store.ts'
import { admins, type OncallRoutesOptions, readers } from './routes.ts'
import {
  ApplyAnswer,
  ApplyBody,
  PlanAnswer,
  PolicyAnswer,
  PolicyList,
  SavePolicy,
  SlugParams,
} from './schema.ts'
import { policyView } from './views.ts'

export interface PolicyRoutesOptions extends OncallRoutesOptions {
  readonly resolver: (database: Database, at: number) => Promise<ResolveTarget>
}

/** A plan of 500 schedules with their layers. */
const planBytes = 8 * 1024 * 1024

/** Escalation policies, and all of on-call duty as one file. */
export const policyRoutes: FastifyPluginAsyncTypebox<PolicyRoutesOptions> = async (
  app,
  { clock, store, resolver, changed },
) => {
  const db = app.records.read

  async function shown(rows: readonly OncallDocumentRow[]) {
    const people = await readPeople(db)
    const resolve = await resolver(db, clock.now())
    return rows.map((row) => policyView(row, people, resolve))
  }

  app.get(
    '/api/v1/oncall/policies',
    { config: { access: readers }, schema: { response: { 200: PolicyList } } },
    async () => ({ policies: await shown(await store.documents(db, 'policy')) }),
  )

  app.get(
    '/api/v1/oncall/policies/:id',
    {
      config: { access: readers },
      schema: { params: SlugParams, response: { 200: PolicyAnswer } },
    },
    async (request) => {
      const [policy] = await shown([await store.document(db, 'policy', request.params.id)])
      return { policy: policy! }
    },
  )

  app.put(
    '/api/v1/oncall/policies/:id',
    {
      config: { access: admins },
      schema: { params: SlugParams, body: SavePolicy, response: { 200: PolicyAnswer } },
    },
    async (request) => {
      const { policy: body, revision } = request.body
      const by = request.principal as Principal
      const row = await app.records.write(async (tx) => {
        const people = await readPeople(tx)
        const schedules = await store.documents(tx, 'schedule')
        const content = people.policy(body, new Set(schedules.map(({ id }) => id)))
        return store.save(tx, 'policy', { id: request.params.id, content, revision }, by)
      })
      changed()
      const [policy] = await shown([row])
      return { policy: policy! }
    },
  )

  app.delete(
    '/api/v1/oncall/policies/:id',
    { config: { access: admins }, schema: { params: SlugParams } },
    async (request, reply) => {
      const by = request.principal as Principal
      await app.records.write((tx) => store.remove(tx, 'policy', request.params.id, by))
      changed()
      return reply.code(204).send()
    },
  )

  app.get(
    '/api/v1/oncall/plan',
    { config: { access: readers }, schema: { response: { 200: PlanAnswer } } },
    async () => ({ plan: await exported(store, db) }),
  )

  app.post(
    '/api/v1/oncall/plan',
    {
      bodyLimit: planBytes,
      config: { access: admins },
      schema: { body: ApplyBody, response: { 200: ApplyAnswer } },
    },
    async (request) => {
      const answer = await apply(app, store, request.body, request.principal as Principal)
      if (answer.applied) changed()
      return answer
    },
  )
}
