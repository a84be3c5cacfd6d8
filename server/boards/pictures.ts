import type { FastifyInstance } from 'fastify'
import { type Address, readAddress } from '../../dashboards/drawing/address.ts'
import { type BoardDefinition, panelsOf, slugOf } from '../../dashboards/drawing/definition.ts'
import { marksOf } from '../../dashboards/drawing/marks.ts'
import { drawnKinds, pictureOf } from '../../dashboards/drawing/picture.ts'
import type { Picture } from '../../dashboards/drawing/picture-parts.ts'
import type { AnsweredSeries } from '../../dashboards/drawing/series.ts'
import { type Window, windowOf } from '../../dashboards/drawing/time.ts'
import {
  all,
  type Choices,
  chosenOf,
  fillQuery,
  shownVariables,
  titleIn,
} from '../../dashboards/drawing/variables.ts'
import type { Millis } from '../clock.ts'
import { CallwardError, type ErrorCode } from '../errors.ts'
import type {} from '../promql/plugin.ts'

/** What is asked for; `query` is that of the board's own address. */
export interface PictureWish {
  readonly board: BoardDefinition
  readonly panel: number
  readonly query: string
  /** Pixels. */
  readonly width: number
  readonly height: number
}

/** A panel as SVG, with all that it was drawn from. */
export interface Drawn {
  readonly svg: string
  readonly picture: Picture
  readonly choices: Choices
  /** What was chosen, in words: `server pbx-1`; empty for all. */
  readonly chosen: string
}

const mostPoints = 600
const questionMillis = 20_000
const questionBytes = 8 * 1024 * 1024

/** The panel, drawn. Throws `not_found`, `bad_request`, `unprocessable`, and the failures of queries. */
export async function drawPicture(
  app: FastifyInstance,
  { board, panel: id, query, width, height }: PictureWish,
  now: Millis,
): Promise<Drawn> {
  const panel = panelsOf(board).find((one) => one.id === id)
  if (panel === undefined)
    throw new CallwardError('not_found', `The board has no panel ${id}; its definition lists them.`)
  if (!drawnKinds.includes(panel.type))
    throw new CallwardError(
      'unprocessable',
      `A panel of the kind ${panel.type} has no picture; these have one: ${drawnKinds.join(', ')}.`,
    )
  const address = readAddress(query, board)
  const window = windowOf(address, now, mostPoints)
  if (window === undefined)
    throw new CallwardError('bad_request', 'from and to: a range such as from=now-6h&to=now')
  const variables = board.templating.list
  const choices = choicesOf(board, address)
  const ask = asker(app, window)
  const fill = (text: string) => fillQuery(text, variables, choices, window)
  const [answers, marks] = await Promise.all([
    Promise.all(
      (panel.targets ?? []).map(async (target) => ({
        target,
        series: await ask(fill(target.expr), target.instant === true),
      })),
    ),
    Promise.all(
      board.annotations.list.map(async (one) =>
        one.expr === undefined || panel.type !== 'timeseries'
          ? []
          : marksOf(one, await ask(fill(one.expr), false), window),
      ),
    ),
  ])
  const chosen = chosenWords(choices)
  const note = noteOf(board, chosen, window)
  const reader = { language: 'en-GB', now }
  const size = { width, height }
  const titled = { ...panel, title: titleIn(panel.title, choices) }
  const picture = { panel: titled, answers, window, marks: marks.flat(), reader, note, ...size }
  return { svg: pictureOf(picture), picture, choices, chosen }
}

/** A board of one server needs its name: which one is the first is nothing a picture should guess. */
function choicesOf(board: BoardDefinition, address: Address): Choices {
  return Object.fromEntries(
    shownVariables(board.templating.list).map((variable) => {
      const known = variable.type === 'custom' ? (variable.options ?? []).map((o) => o.value) : []
      const chosen = chosenOf(variable, address.choices[variable.name] ?? [], known)
      if (chosen.length === 0)
        throw new CallwardError(
          'bad_request',
          `var-${variable.name} is missing: the board ${slugOf(board.uid)} is about one; example: var-${variable.name}=NAME`,
        )
      return [variable.name, chosen]
    }),
  )
}

function chosenWords(choices: Choices): string {
  return Object.entries(choices)
    .filter(([name, values]) => name !== 'window' && !values.includes(all))
    .map(([name, values]) => `${name} ${values.join(', ')}`)
    .join(' · ')
}

function noteOf({ title }: BoardDefinition, chosen: string, { start, end }: Window): string {
  const time = (seconds: number) =>
    `${new Date(seconds * 1000).toISOString().slice(0, 16).replace('T', ' ')}`
  const range = `${time(start)} to ${time(end)} UTC`
  return [title, ...(chosen === '' ? [] : [chosen]), range].join(' · ')
}

function asker(app: FastifyInstance, window: Window) {
  const signal = AbortSignal.timeout(questionMillis)
  const limits = { signal, timeoutMilliseconds: questionMillis, maxBytes: questionBytes }
  return async (text: string, isInstant: boolean): Promise<readonly AnsweredSeries[]> => {
    const { history } = app.promql
    if (history === undefined) throw new CallwardError('unavailable')
    const [from, to] = isInstant ? [window.last, window.last] : [window.start, window.end]
    const [start, end, step] = [from, to, window.step].map((at) => at * 1000) as [
      Millis,
      Millis,
      Millis,
    ]
    const found = await history(text, start, end, step, limits).catch((cause: unknown) => {
      throw asError(cause)
    })
    return found.map(({ labels, times, values }) => ({
      metric: labels,
      values: Array.from(times, (at, index) => [at / 1000, String(values[index])] as const),
    }))
  }
}

const codes: Readonly<Record<string, ErrorCode>> = {
  bad_data: 'bad_request',
  execution: 'query_too_large',
  timeout: 'query_timeout',
  canceled: 'query_timeout',
  unavailable: 'unavailable',
}

/** Failures of the query engine as this hub's errors. */
function asError(cause: unknown): unknown {
  const kind = cause instanceof Error && 'kind' in cause ? String(cause.kind) : ''
  const code = codes[kind]
  return code === undefined ? cause : new CallwardError(code, (cause as Error).message, { cause })
}
