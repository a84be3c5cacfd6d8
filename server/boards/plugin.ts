import { join } from 'node:path'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import Type from 'typebox'
import { slugOf } from '../../dashboards/drawing/definition.ts'
import { packageRoot } from '../assets.ts'
import type {} from '../people/plugin.ts'
import { Definitions } from './definitions.ts'

/** Those who may ask the queries of the boards. */
const access = { owner: 'boards', roles: ['admin', 'operator', 'auditor', 'grafana'] } as const

const BoardName = Type.Object({ board: Type.String({ maxLength: 64 }) })

const boardRoutes: FastifyPluginAsyncTypebox<{ definitions: Definitions }> = async (
  app,
  { definitions },
) => {
  app.get(
    '/api/v1/boards',
    { config: { access }, schema: { summary: 'The boards, in order.' } },
    async () => ({
      boards: definitions.list().map(({ uid, title, description, tags }) => ({
        ...{ board: slugOf(uid), uid, title, description, tags },
      })),
    }),
  )

  app.get(
    '/api/v1/boards/:board',
    { config: { access }, schema: { summary: 'A board as Grafana reads it.', params: BoardName } },
    async ({ params }) => definitions.get(params.board),
  )
}

/** The boards that Grafana gets, for whoever draws them without it. */
export const boardsPlugin = fp(
  async (app) => {
    const definitions = new Definitions(join(packageRoot, 'dashboards', 'generated'))
    await app.register(boardRoutes, { definitions })
  },
  { name: 'callward-boards', dependencies: ['callward-access'] },
)
