import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Static } from 'typebox'
import type { Clock } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type { Principal } from '../people/plugin.ts'
import type { ChangeRow } from '../records/schema.ts'
import { type ChangeAction, expectedFault, windowFault } from './change.ts'
import type { ChangePlan, ChangeStore } from './change-store.ts'
import {
  ChangeBody,
  ChangeDetail,
  ChangeList,
  ChangeQuery,
  IdParams,
  NoteBody,
  ReasonBody,
  VerifyBody,
} from './schema.ts'
import { standingFault } from './standing.ts'
import { changeView, entryView, verificationOf, versionViews } from './views.ts'

const readers = { owner: 'changes', roles: ['admin', 'operator', 'auditor'] } as const
const writers = { owner: 'changes', roles: ['admin', 'operator'] } as const
const versionsOfAChange = 200

export interface ChangeRoutesOptions {
  readonly clock: Clock
  readonly changes: ChangeStore
}

/** Change records: lists, whole records, and what people do with them; each answers with the whole record. */
export const changeRoutes: FastifyPluginAsyncTypebox<ChangeRoutesOptions> = async (
  app,
  { clock, changes },
) => {
  const db = app.records.read

  app.get(
    '/api/v1/changes',
    {
      config: { access: readers },
      schema: { querystring: ChangeQuery, response: { 200: ChangeList } },
    },
    async (request) => {
      const { state, before, limit } = request.query
      let query = db.selectFrom('changes').selectAll().orderBy('number', 'desc').limit(limit)
      if (state !== undefined) query = query.where('state', '=', state)
      if (before !== undefined) query = query.where('number', '<', before)
      const rows = await query.execute()
      const next = rows.length < limit ? null : rows.at(-1)!.number
      return { changes: rows.map((row) => changeView(row, clock.now())), next }
    },
  )

  app.get(
    '/api/v1/changes/:id',
    { config: { access: readers }, schema: { params: IdParams, response: { 200: ChangeDetail } } },
    async (request) => detail(await changes.find(db, request.params.id)),
  )

  app.post(
    '/api/v1/changes',
    { config: { access: writers }, schema: { body: ChangeBody, response: { 201: ChangeDetail } } },
    async (request, reply) => {
      const plan = planOf(request.body)
      const by = request.principal as Principal
      const row = await app.records.write((tx) => changes.create(tx, plan, by))
      app.live.hint('changes')
      return reply.code(201).send(await detail(row))
    },
  )

  const action = (
    name: string,
    does: ChangeAction,
    body: typeof NoteBody | typeof ReasonBody | typeof VerifyBody | typeof ChangeBody,
  ) =>
    app.post(
      `/api/v1/changes/:id/${name}`,
      {
        config: { access: writers },
        schema: { params: IdParams, body, response: { 200: ChangeDetail } },
      },
      async (request) => {
        const { id } = request.params as Static<typeof IdParams>
        // The schema of the route has checked the body; a correction is a plan.
        const value =
          does === 'corrected'
            ? planOf(request.body as Static<typeof ChangeBody>)
            : (request.body as Record<string, unknown>)
        await app.records.write(async (tx) => {
          const row = await changes.find(tx, id)
          await changes.act(tx, row, does, value, request.principal as Principal)
        })
        app.live.hint('changes')
        return detail(await changes.find(db, id))
      },
    )
  action('correct', 'corrected', ChangeBody)
  action('approve', 'approved', NoteBody)
  action('reject', 'rejected', ReasonBody)
  action('verify', 'verified', VerifyBody)
  action('close', 'closed', NoteBody)

  async function detail(row: ChangeRow): Promise<Static<typeof ChangeDetail>> {
    const [entries, versions] = await Promise.all([
      changes.entries(db, row.id),
      db
        .selectFrom('version_changes')
        .selectAll()
        .where((is) =>
          is.exists(
            is
              .selectFrom('version_change_links')
              .select('version_change_links.id')
              .whereRef('version_change_links.version_change_id', '=', 'version_changes.id')
              .where('version_change_links.change_id', '=', row.id),
          ),
        )
        .orderBy('number', 'desc')
        .limit(versionsOfAChange)
        .execute(),
    ])
    return {
      change: {
        ...changeView(row, clock.now()),
        verification: verificationOf(entries),
        entries: entries.map(entryView),
        versionChanges: await versionViews(db, versions),
      },
    }
  }
}

/** Throws bad_request with what is wrong with it. */
function planOf(body: Static<typeof ChangeBody>): ChangePlan {
  const { title, description, hosts, expected, window, standing } = body
  const times = { startsAt: Date.parse(window.start), endsAt: Date.parse(window.end) }
  const plan = {
    title,
    description,
    hosts,
    expected,
    ...(standing === undefined ? {} : { standing }),
  }
  const fault =
    windowFault(times, standing !== undefined) ?? expectedFault(expected) ?? standingFault(plan)
  if (fault !== undefined) throw new CallwardError('bad_request', fault)
  return { ...plan, ...times }
}
