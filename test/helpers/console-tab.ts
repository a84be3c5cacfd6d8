import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Browser, Page } from 'playwright-core'
import type { TestHub } from './hub.ts'

const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js')

/** What axe finds wrong with a page of the console (WCAG 2 A and AA). */
export async function faultsOf(page: Page): Promise<unknown> {
  await page.evaluate(readFileSync(axe, 'utf8'))
  return page.evaluate(
    'axe.run({ runOnly: ["wcag2a", "wcag2aa"] }).then(({ violations }) => violations.map(({ id, nodes }) => id + ": " + nodes[0].html))',
  )
}

/** A signed-in, connected tab of its own context. */
export async function signIn(hub: TestHub, browser: Browser, locale: string, width: number) {
  const context = await browser.newContext({ locale, viewport: { width, height: 900 } })
  const page = await context.newPage()
  const { url } = await hub.api<{ url: string }>('/api/v1/sign-in-links', { method: 'POST' })
  await page.goto(url)
  await page.locator('.live-connected').waitFor()
  return page
}
