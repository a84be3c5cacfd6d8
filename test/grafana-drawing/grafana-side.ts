import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import type { BoardDefinition } from '../../dashboards/drawing/definition.ts'
import { adminToken, type TestHub, until } from '../helpers/hub.ts'
import { noteCanvasTexts } from './canvas-texts.ts'
import type { ToldField } from './told-field.ts'

/** Milliseconds, and seconds from one point to the next. */
export interface Span {
  readonly from: number
  readonly to: number
  readonly stepSeconds: number
}

export interface GrafanaDrawing {
  readonly asked: readonly Readonly<Record<string, string>>[]
  readonly told: Readonly<Record<string, readonly ToldField[]>>
  /** The values of each variable that something is repeated by; the first copy has the first. */
  readonly repeated: Readonly<Record<string, readonly string[]>>
  /** What stands on each panel's canvas. */
  readonly written: Readonly<Record<string, readonly string[]>>
  /** What the page's scripts complained of. */
  readonly problems: readonly string[]
}

const origin = 'http://grafana.test'
const html =
  '<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="main.css"><style>#board{width:calc(100% - 16px)}body{background:#f4f5f5!important;overflow:auto!important;height:auto!important}</style><div id="board"></div><script type="module" src="main.js"></script>'

/** Answers the page: its own files from `bundle`, `/prom` from the hub, and nothing from anywhere else. */
async function serve(page: Page, hub: TestHub, bundle: string): Promise<void> {
  await page.route('**/*', async (route) => {
    const request = route.request()
    const { origin: asked, pathname, search } = new URL(request.url())
    if (asked !== origin) return route.abort()
    if (pathname.startsWith('/prom/')) {
      const body = request.postData()
      const answer = await fetch(`${hub.url}${pathname}${search}`, {
        method: request.method(),
        headers: {
          authorization: `Bearer ${adminToken}`,
          ...(body === null ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
        },
        ...(body === null ? {} : { body }),
      })
      return route.fulfill({
        status: answer.status,
        contentType: 'application/json',
        body: await answer.text(),
      })
    }
    if (pathname === '/') return route.fulfill({ contentType: 'text/html', body: html })
    const type = { '/main.js': 'text/javascript', '/main.css': 'text/css' }[pathname]
    if (type === undefined) return route.fulfill({ status: 404, body: '' })
    return route.fulfill({ contentType: type, body: readFileSync(join(bundle, pathname), 'utf8') })
  })
}

/** Draws a board with Grafana's packages, every row unfolded, and puts its picture into `file`. */
export async function drawInGrafana(
  {
    browser,
    hub,
    bundle,
    width,
  }: { browser: Browser; hub: TestHub; bundle: string; width: number },
  board: BoardDefinition,
  span: Span,
  file: string,
): Promise<GrafanaDrawing> {
  const context = await browser.newContext({
    ...{ locale: 'en-GB', timezoneId: 'UTC', colorScheme: 'light' },
    viewport: { width, height: 900 },
  })
  const page = await context.newPage()
  const problems: string[] = []
  page.on('pageerror', (error) => problems.push(String(error)))
  await serve(page, hub, bundle)
  await page.addInitScript(noteCanvasTexts)
  await page.addInitScript(`window.wanted = ${JSON.stringify({ board, span })}`)
  await page.goto(`${origin}/`)
  try {
    await until(`Grafana has drawn ${board.uid}`, () => isDrawn(page), 60_000)
    await page.waitForTimeout(500)
  } catch (problem) {
    problems.push(String(problem))
  }
  const height = await page.evaluate<number>(
    'Math.max(900, ...[...document.querySelectorAll("[data-viz-panel-key]")].map((one) => Math.ceil(one.getBoundingClientRect().bottom + scrollY + 16)))',
  )
  await page.setViewportSize({ width, height })
  await page.waitForTimeout(800)
  await page.screenshot({ path: file })
  const drawn = await page.evaluate<GrafanaDrawing>(
    'window.drawn ?? { asked: [], told: {}, repeated: {} }',
  )
  const written = await page.evaluate<GrafanaDrawing['written']>(
    `Object.fromEntries([...document.querySelectorAll('[data-viz-panel-key^=panel-]')].map((one) =>
      [one.dataset.vizPanelKey.slice(6), [...one.querySelectorAll('canvas')].flatMap((canvas) => canvas.written ?? [])]))`,
  )
  await context.close()
  return { ...drawn, written, problems }
}

/** Whether nothing is being asked any more, and every panel stands. */
async function isDrawn(page: Page): Promise<boolean> {
  const panels = await page.locator('[data-viz-panel-key]').count()
  const loading = await page.locator('[aria-label="Panel loading bar"]').count()
  return panels > 0 && loading === 0
}
