import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Static } from 'typebox'
import { CallwardError } from '../errors.ts'
import type { Principal } from '../people/plugin.ts'
import type { ChangeStore } from './change-store.ts'
import {
  HostChangesQuery,
  HostParams,
  IdParams,
  LinkBody,
  VersionChangeDetail,
  VersionChangeList,
  VersionQuery,
} from './schema.ts'
import type { VersionStore } from './version-store.ts'
import { versionViews } from './views.ts'

const readers = { owner: 'changes', roles: ['admin', 'operator', 'auditor'] } as const
const writers = { owner: 'changes', roles: ['admin', 'operator'] } as const

export interface VersionRoutesOptions {
  readonly changes: ChangeStore
  readonly versions: VersionStore
  /** A host's findings have changed. */
  readonly onLinked: (instance: string) => void
}

/** What changed on hosts, newest first, and linking it to a change record after the fact. */
export const versionRoutes: FastifyPluginAsyncTypebox<VersionRoutesOptions> = async (
  app,
  { changes, versions, onLinked },
) => {
  const db = app.records.read

  async function list(query: Static<typeof VersionQuery>, instance?: string) {
    const { state, before, limit } = query
    let rows = db.selectFrom('version_changes').selectAll().orderBy('number', 'desc').limit(limit)
    if (instance !== undefined) rows = rows.where('instance', '=', instance)
    if (state !== undefined) rows = rows.where('state', '=', state)
    if (before !== undefined) rows = rows.where('number', '<', before)
    const found = await rows.execute()
    const next = found.length < limit ? null : found.at(-1)!.number
    return { versionChanges: await versionViews(db, found), next }
  }

  app.get(
    '/api/v1/version-changes',
    {
      config: { access: readers },
      schema: { querystring: VersionQuery, response: { 200: VersionChangeList } },
    },
    (request) => list(request.query),
  )

  app.get(
    '/api/v1/hosts/:instance/changes',
    {
      config: { access: readers },
      schema: {
        params: HostParams,
        querystring: HostChangesQuery,
        response: { 200: VersionChangeList },
      },
    },
    (request) => list(request.query, request.params.instance),
  )

  app.get(
    '/api/v1/version-changes/:id',
    {
      config: { access: readers },
      schema: { params: IdParams, response: { 200: VersionChangeDetail } },
    },
    async (request) => detail(request.params.id),
  )

  app.post(
    '/api/v1/version-changes/:id/link',
    {
      config: { access: writers },
      schema: { params: IdParams, body: LinkBody, response: { 200: VersionChangeDetail } },
    },
    async (request) => {
      const { change, reason } = request.body
      const linked = await app.records.write(async (tx) => {
        const row = await versions.find(tx, request.params.id)
        const record = await changes.find(tx, String(change))
        const labels = app.inventory.host(row.instance)?.labels
        const by = request.principal as Principal
        return versions.link(tx, row, record, labels, reason, by)
      })
      onLinked(linked.instance)
      return detail(linked.id)
    },
  )

  async function detail(id: string): Promise<Static<typeof VersionChangeDetail>> {
    const row = await versions.find(db, id)
    const [view] = await versionViews(db, [row], Number.POSITIVE_INFINITY)
    if (view === undefined)
      throw new CallwardError('not_found', `There is no version change ${id}.`)
    return { versionChange: view }
  }
}
