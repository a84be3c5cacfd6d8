import type { FastifyInstance } from 'fastify'
import { addressQuery } from '../../dashboards/drawing/address.ts'
import { slugOf } from '../../dashboards/drawing/definition.ts'
import { type Choices, shownVariables } from '../../dashboards/drawing/variables.ts'
import type { Millis } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type { Definitions } from './definitions.ts'
import { type Drawn, drawPicture } from './pictures.ts'
import type { Rasteriser } from './rasteriser.ts'

/** A panel to keep as it stands now. */
export interface FreezeWish {
  /** Name in addresses, such as `server`. */
  readonly board: string
  readonly panel: number
  readonly from: Millis
  readonly to: Millis
  /** Values by variable that must hold. */
  readonly choices: Choices
  /** Values by variable that hold where the board has the variable and `choices` says nothing of it. */
  readonly usual: Choices
}

/** A panel as it was drawn, and what it was drawn from. */
export interface FrozenPanel {
  /** Titles. */
  readonly board: string
  readonly panel: string
  /** The time drawn, on whole steps. */
  readonly from: Millis
  readonly to: Millis
  /** What was chosen, in words; empty for all. */
  readonly chosen: string
  /** Series with figures in that time. */
  readonly series: number
  readonly png: Buffer
  /** JSON: definition, choices, queries and all that they gave. */
  readonly data: Buffer
}

const size = { width: 960, height: 360 } as const
/** For screens of fine pixels and for paper. */
const scale = 2
const mostDataBytes = 8 * 1024 * 1024

/** Draws a panel to be kept. Throws what its picture throws, bad_request for a choice the board does not offer, unprocessable over 8 MiB of figures. */
export async function freeze(
  app: FastifyInstance,
  { definitions, rasteriser }: { definitions: Definitions; rasteriser: Rasteriser },
  wish: FreezeWish,
  now: Millis,
): Promise<FrozenPanel> {
  const board = definitions.get(wish.board)
  const names = shownVariables(board.templating.list).map(({ name }) => name)
  for (const name of Object.keys(wish.choices))
    if (!names.includes(name))
      throw new CallwardError(
        'bad_request',
        `choices: the board ${slugOf(board.uid)} has no variable "${name}"; it has ${names.join(', ')}.`,
      )
  const usual = Object.entries(wish.usual).filter(([name]) => names.includes(name))
  const choices = { ...Object.fromEntries(usual), ...wish.choices }
  const [from, to] = [String(wish.from), String(wish.to)]
  const query = String(addressQuery({ from, to, refresh: '', choices }))
  const drawn = await drawPicture(app, { board, panel: wish.panel, query, ...size }, now)
  checkHeld(wish.choices, drawn.choices)
  const { picture } = drawn
  const data = Buffer.from(dataOf(slugOf(board.uid), drawn, now))
  if (data.length > mostDataBytes)
    throw new CallwardError(
      'unprocessable',
      `The panel has ${data.length} bytes of figures, at most ${mostDataBytes} are kept: choose fewer servers or a shorter time.`,
    )
  return {
    ...{ board: board.title, panel: picture.panel.title, data },
    from: picture.window.start * 1000,
    to: picture.window.end * 1000,
    chosen: drawn.chosen,
    series: picture.answers.reduce((sum, { series }) => sum + series.length, 0),
    png: await rasteriser.png(drawn.svg, scale, size.width * size.height * scale * scale),
  }
}

/** A value the board does not offer would be left out in silence. */
function checkHeld(wished: Choices, held: Choices): void {
  for (const [name, values] of Object.entries(wished))
    for (const value of values)
      if (!held[name]?.includes(value))
        throw new CallwardError(
          'bad_request',
          `choices: "${value}" cannot be chosen for ${name}${values.length > 1 ? ', or not together with others' : ''}.`,
        )
}

/** What an auditor draws the panel from, when the samples are gone. */
function dataOf(board: string, { picture, choices }: Drawn, now: Millis): string {
  const { panel, window, answers, marks } = picture
  return JSON.stringify({
    ...{ format: 'callward-panel', version: 1, board, drawnAt: new Date(now).toISOString() },
    ...{ panel, choices, window },
    answers: answers.map(({ target, series }) => ({ refId: target.refId, series })),
    marks,
  })
}
