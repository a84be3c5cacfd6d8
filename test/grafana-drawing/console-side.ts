import type { Page, Request } from 'playwright-core'
import type { BoardDefinition } from '../../dashboards/drawing/definition.ts'
import { slugOf } from '../../dashboards/drawing/definition.ts'
import type { AnsweredSeries } from '../../dashboards/drawing/series.ts'
import { type TestHub, until } from '../helpers/hub.ts'
import type { Span } from './grafana-side.ts'

/** A figure as it stands on the page: in a legend, in large type, at a bar. */
export interface ShownFigure {
  readonly name: string
  readonly text: string
  /** Such as `tone-ok`; empty where it has no colour. */
  readonly tone: string
}

export interface ShownPanel {
  readonly figures: readonly ShownFigure[]
  /** A table, its heading first. */
  readonly rows: readonly (readonly string[])[]
  /** What stands on its canvas. */
  readonly written: readonly string[]
}

export interface ConsoleDrawing {
  /** Answers by the form that asked for them, its fields in order of name. */
  readonly answers: ReadonlyMap<string, readonly AnsweredSeries[]>
  readonly panels: Readonly<Record<string, ShownPanel>>
  readonly problems: readonly string[]
}

interface ApiAnswer {
  readonly data: { readonly result: readonly AnsweredSeries[] }
}

/** A form as the key of its answer. */
export function keyOf(form: URLSearchParams): string {
  return JSON.stringify([...form].sort(([a], [b]) => (a < b ? -1 : 1)))
}

const readPanels = `Object.fromEntries([...document.querySelectorAll('.board-panel')].map((panel) => {
  const text = (place) => (place?.textContent ?? '').replace(/↗/g, '').trim()
  const without = (place, parts) => {
    const copy = place.cloneNode(true)
    for (const part of copy.querySelectorAll(parts)) part.remove()
    return copy
  }
  const tone = (...places) => places.flatMap((place) => [...place.classList]).find((name) => name.startsWith('tone-')) ?? ''
  const figures = [...panel.querySelectorAll('.board-legend li, .stat-figures li, .gauges li, .bars li, .lanes li')].map((one) => {
    const figure = one.querySelector('.lane') === null ? one.querySelector('strong') : [...one.querySelectorAll('.stretch')].at(-1)
    const name = one.querySelector('.lane-name, .bar-name') ?? without(one, 'strong, .lane')
    return { name: text(name), text: text(figure), tone: figure ? tone(one, figure) : '' }
  })
  const rows = [...panel.querySelectorAll('.board-table tr')].map((row) => [...row.children].map(text))
  const written = [...panel.querySelectorAll('canvas')].flatMap((canvas) => canvas.written ?? [])
  return [panel.getAttribute('aria-labelledby').slice(6), { figures, rows, written }]
}))`

/** Draws the same board in the console, every row unfolded, and puts its picture into `file`. */
export async function drawInConsole(
  { page, hub, width }: { page: Page; hub: TestHub; width: number },
  board: BoardDefinition,
  { from, to }: Span,
  file: string,
): Promise<ConsoleDrawing> {
  const answers = new Map<string, readonly AnsweredSeries[]>()
  const problems: string[] = []
  const finished = async (request: Request) => {
    if (!/\/prom\/api\/v1\/query(_range)?$/.test(request.url())) return
    const answer = await request.response()
    const body = (await answer?.json()) as ApiAnswer | undefined
    if (body !== undefined)
      answers.set(keyOf(new URLSearchParams(request.postData() ?? '')), body.data.result)
  }
  const listener = (request: Request) =>
    void finished(request).catch((problem) => problems.push(String(problem)))
  page.on('requestfinished', listener)
  await page.setViewportSize({ width, height: 900 })
  await page.goto(`${hub.url}/boards/${slugOf(board.uid)}?from=${from}&to=${to}&refresh=`)
  await unfold(page).catch((problem: unknown) => problems.push(String(problem)))
  await page.waitForTimeout(500)
  await page.screenshot({ path: file, fullPage: true })
  problems.push(...(await page.locator('.problem').allInnerTexts()))
  const panels = await page.evaluate<ConsoleDrawing['panels']>(readPanels)
  page.off('requestfinished', listener)
  return { answers, panels, problems }
}

async function unfold(page: Page): Promise<void> {
  await page.locator('.board-panel').first().waitFor()
  await page.evaluate(
    'document.querySelectorAll(".board-row:not([open])").forEach((row) => { row.open = true })',
  )
  await until(
    'every panel has its answers',
    async () => {
      const rows = await page.locator('.board-row').count()
      const drawn = await page.locator('.board-row .board-grid').count()
      const waiting = await page.locator('.panel-nothing', { hasText: 'Loading' }).count()
      return rows === drawn && waiting === 0
    },
    60_000,
  )
}
