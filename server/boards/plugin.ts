import { join } from 'node:path'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import { Counter } from 'prom-client'
import Type, { type Static } from 'typebox'
import { slugOf } from '../../dashboards/drawing/definition.ts'
import { packageRoot } from '../assets.ts'
import type { Clock } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type {} from '../people/plugin.ts'
import type {} from '../telemetry/plugin.ts'
import { Definitions } from './definitions.ts'
import { type FreezeWish, type FrozenPanel, freeze } from './frozen.ts'
import { type Drawn, drawPicture } from './pictures.ts'
import { mostPixels, Rasteriser } from './rasteriser.ts'

export type { FrozenPanel } from './frozen.ts'

/** Panels for other capabilities. */
export interface Boards {
  /** A panel as it stands now, to be kept. Throws not_found, bad_request, unprocessable, too_many_requests and what queries throw. */
  freeze(wish: FreezeWish): Promise<FrozenPanel>
}

declare module 'fastify' {
  interface FastifyInstance {
    boards: Boards
  }
}

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

const RasterSize = Type.Object({
  ...PictureSize.properties,
  scale: Type.Integer({ minimum: 1, maximum: 3, default: 1 }),
})

const pictureConfig = { access, rateLimit: { max: 120, timeWindow: 60_000 } } as const

interface BoardsOptions {
  readonly clock: Clock
}

interface PictureRequest {
  readonly url: string
  readonly params: Static<typeof PanelName>
  readonly query: Static<typeof PictureSize>
}

const boardRoutes: FastifyPluginAsyncTypebox<
  BoardsOptions & { readonly definitions: Definitions; readonly rasteriser: Rasteriser }
> = async (app, { definitions, rasteriser, clock }) => {
  const drawn = ({ url, params, query }: PictureRequest): Promise<Drawn> => {
    const board = definitions.get(params.board)
    const address = url.split('?')[1] ?? ''
    return drawPicture(app, { ...query, board, panel: params.panel, query: address }, clock.now())
  }

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
      config: pictureConfig,
      schema: {
        summary: 'A panel as a picture (SVG), for reports.',
        params: PanelName,
        querystring: PictureSize,
      },
    },
    async (request, reply) => {
      const { svg } = await drawn(request)
      return reply.headers(headersOf(request.params, 'svg')).send(svg)
    },
  )

  app.get(
    '/api/v1/boards/:board/panels/:panel/picture.png',
    {
      config: pictureConfig,
      schema: {
        summary: `A panel as a picture (PNG), for reports; at most ${mostPixels} pixels.`,
        params: PanelName,
        querystring: RasterSize,
      },
    },
    async (request, reply) => {
      const { width, height, scale } = request.query
      const pixels = width * height * scale * scale
      if (pixels > mostPixels)
        throw new CallwardError(
          'bad_request',
          `width, height and scale: ${width * scale} by ${height * scale} is over ${mostPixels} pixels; take a smaller scale.`,
        )
      const { svg } = await drawn(request)
      const png = await rasteriser.png(svg, scale, pixels)
      return reply.headers(headersOf(request.params, 'png')).send(png)
    },
  )
}

const pictureTypes = { svg: 'image/svg+xml; charset=utf-8', png: 'image/png' } as const

function headersOf({ board, panel }: Static<typeof PanelName>, kind: keyof typeof pictureTypes) {
  return {
    'content-type': pictureTypes[kind],
    'cache-control': 'no-store',
    'content-disposition': `inline; filename="${board}-${panel}.${kind}"`,
  }
}

/** The boards that Grafana gets, for whoever draws them without it. */
export const boardsPlugin = fp(
  async (app, { clock }: BoardsOptions) => {
    const definitions = new Definitions(join(packageRoot, 'dashboards', 'generated'))
    const refused = new Counter({
      name: 'callward_board_pictures_refused_total',
      help: 'Panels that were not made a PNG, by reason: busy, font, late.',
      labelNames: ['reason'],
      registers: [app.telemetry.registry],
    })
    for (const reason of ['busy', 'font', 'late']) refused.labels(reason).inc(0)
    const rasteriser = new Rasteriser((reason) => refused.labels(reason).inc())
    app.addHook('onClose', () => rasteriser.close())
    app.decorate('boards', {
      freeze: (wish) => freeze(app, { definitions, rasteriser }, wish, clock.now()),
    })
    await app.register(boardRoutes, { definitions, rasteriser, clock })
  },
  { name: 'callward-boards', dependencies: ['callward-access', 'callward-promql'] },
)
