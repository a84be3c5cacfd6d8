import { join } from 'node:path'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import Type from 'typebox'
import { slugOf } from '../../dashboards/drawing/definition.ts'
import { packageRoot } from '../assets.ts'
import type { Clock } from '../clock.ts'
import type {} from '../people/plugin.ts'
import { Definitions } from './definitions.ts'
import { drawPicture } from './pictures.ts'

/** Those who may ask the queries of the boards. */
const access = { owner: 'boards', roles: ['admin', 'operator', 'auditor', 'grafana'] } as const

const BoardName = Type.Object({ board: Type.String({ maxLength: 64 }) })

const PanelName = Type.Object({
  board: Type.String({ maxLength: 64 }),
  panel: Type.Integer({ minimum: 1, maximum: 1e6 }),
})

/** Beside these: the board's own address, `from`, `to` and `var-…`. */
const PictureSize = Type.Object({
  width: Type.Integer({ minimum: 320, maximum: 2400, default: 960 }),
  height: Type.Integer({ minimum: 160, maximum: 1600, default: 360 }),
})

interface BoardsOptions {
  readonly clock: Clock
}

const boardRoutes: FastifyPluginAsyncTypebox<
  BoardsOptions & { readonly definitions: Definitions }
> = async (app, { definitions, clock }) => {
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

  app.get(
    '/api/v1/boards/:board/panels/:panel/picture.svg',
    {
      config: { access, rateLimit: { max: 120, timeWindow: 60_000 } },
      schema: {
        summary: 'A panel as a picture (SVG), for reports.',
        params: PanelName,
        querystring: PictureSize,
      },
    },
    async (request, reply) => {
      const board = definitions.get(request.params.board)
      const query = request.url.split('?')[1] ?? ''
      const wish = { board, panel: request.params.panel, query, ...request.query }
      const picture = await drawPicture(app, wish, clock.now())
      return reply
        .type('image/svg+xml; charset=utf-8')
        .header('cache-control', 'no-store')
        .header(
          'content-disposition',
          `inline; filename="${request.params.board}-${request.params.panel}.svg"`,
        )
        .send(picture)
    },
  )
}

/** The boards that Grafana gets, for whoever draws them without it. */
export const boardsPlugin = fp(
  async (app, { clock }: BoardsOptions) => {
    const definitions = new Definitions(join(packageRoot, 'dashboards', 'generated'))
    await app.register(boardRoutes, { definitions, clock })
  },
  { name: 'callward-boards', dependencies: ['callward-access', 'callward-promql'] },
)
