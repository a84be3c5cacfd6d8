import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { buildApp } from '../../server/app.ts'
import { systemClock } from '../../server/clock.ts'
import { readHubConfig } from '../../server/config.ts'
import { prepareDataFolder } from '../../server/first-start.ts'
import { folderOf } from '../helpers/folder.ts'
import { adminToken, freePort, until } from '../helpers/hub.ts'

const executablePath = '/usr/bin/chromium'
const required = process.env['CALLWARD_REQUIRE_PEERS'] === '1'
const skip = existsSync(executablePath) || required ? false : 'chromium is not installed'
/** Names a folder to look at the pictures. */
const pictures = process.env['CALLWARD_PICTURES']

interface Scene {
  readonly app: FastifyInstance
  readonly url: string
  readonly browser: Browser
  readonly problems: string[]
}

async function scene(t: Test): Promise<Scene> {
  const port = await freePort()
  const config = readHubConfig({
    CALLWARD_DATA: join(folderOf(t), 'data'),
    CALLWARD_ADMIN_TOKEN: adminToken,
    CALLWARD_LISTEN: `127.0.0.1:${port}`,
    CALLWARD_LOG: 'silent',
  })
  prepareDataFolder(config)
  const app = await buildApp(config, systemClock)
  t.teardown(() => app.close())
  await app.listen({ host: '127.0.0.1', port })
  const browser = await chromium.launch({
    executablePath,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
  t.teardown(() => browser.close())
  return { app, url: `http://127.0.0.1:${port}`, browser, problems: [] }
}

/** A signed-in tab on the overview. */
async function open({ app, url, problems }: Scene, context: BrowserContext): Promise<Page> {
  const page = await context.newPage()
  page.on('pageerror', (error) => problems.push(String(error)))
  const { code } = await app.access.people.createSignInLink(app.access.adminId)
  await page.goto(`${url}/sign-in#${code}`)
  await page.getByText('Live', { exact: true }).waitFor()
  return page
}

async function ask({ app }: Scene, number: number, severity = 'critical'): Promise<void> {
  const body = {
    page: { id: `page-${number}`, number, title: `Trunk ${number} lost`, severity },
    attempt: `attempt-${number}`,
    key: `key-${number}`,
  }
  await app.records.write((tx) =>
    app.live.publishTo(tx, [app.access.adminId], { kind: 'page', at: Date.now(), body }),
  )
  app.live.flush([app.access.adminId])
}

async function receiptsOf({ app }: Scene, number: number) {
  const rows = await app.records.read
    .selectFrom('live_messages')
    .select(['body', 'received_at', 'displayed_at'])
    .where('kind', '=', 'page')
    .execute()
  const row = rows.find(({ body }) => body.includes(`"number":${number},`))
  return { received: row?.received_at ?? null, displayed: row?.displayed_at ?? null }
}

t.test(
  'a page in a visible tab is displayed, in a hidden one not before it is looked at',
  { skip, timeout: 90_000 },
  async (t) => {
    const world = await scene(t)
    const english = { locale: 'en-GB', viewport: { width: 1440, height: 900 } }
    const context = await world.browser.newContext(english)
    const page = await open(world, context)
    await page.getByText('1 person connected').waitFor()
    await page.getByText(/^Notifications: |^Turn notifications on$/).waitFor()

    await ask(world, 1)
    const banner = page.getByRole('article').filter({ hasText: 'Page 1 Trunk 1 lost' })
    await banner.waitFor()
    const seen = await until('displayed', async () => {
      const receipts = await receiptsOf(world, 1)
      return receipts.displayed !== null && receipts
    })
    t.not(seen.received, null)
    if (pictures !== undefined) await page.screenshot({ path: join(pictures, 'banner.png') })

    // Paging is not part of this test: its answers stand in for it.
    await page.route('**/api/v1/pages/page-1/acknowledge', (route) =>
      route.fulfill({
        status: 503,
        json: { error: { code: 'unavailable', message: 'Not now.', requestId: 'r' } },
      }),
    )
    const take = banner.getByRole('button', { name: 'Take page 1: Trunk 1 lost' })
    await take.focus()
    await page.keyboard.press('Enter')
    await banner.getByText('Not now.').waitFor()
    await page.unroute('**/api/v1/pages/page-1/acknowledge')
    await page.route('**/api/v1/pages/page-1/acknowledge', (route) =>
      route.fulfill({ json: { page: {} } }),
    )
    await take.click()
    await banner.waitFor({ state: 'detached' })
    await page.getByRole('button', { name: 'Sound: on', exact: true }).click()
    await page.getByRole('button', { name: 'Sound: off' }).waitFor()
    await page.close()

    // While nobody has a screen open a page waits for one; a tab that nobody can see is none.
    await ask(world, 2)
    const behind = await world.browser.newContext(english)
    await behind.route(/\/api\/v1\/pages\?state=open/, (route) =>
      route.fulfill({ json: { pages: [{ id: 'page-2', state: 'open' }] } }),
    )
    await behind.addInitScript(`
      let state = 'hidden'
      Object.defineProperty(document, 'visibilityState', { get: () => state })
      Object.defineProperty(document, 'hidden', { get: () => state === 'hidden' })
      window.look = () => { state = 'visible'; document.dispatchEvent(new Event('visibilitychange')) }
    `)
    const hidden = await open(world, behind)
    await ask(world, 3)
    for (const number of [2, 3])
      await hidden.getByText(`Trunk ${number} lost`).waitFor({ state: 'attached' })
    await until('received', async () => (await receiptsOf(world, 3)).received !== null)
    await hidden.evaluate(
      'new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(done))))',
    )
    // What is said after it would have been said is stored, so it was not said.
    await ask(world, 4)
    await until('the next is received', async () => (await receiptsOf(world, 4)).received !== null)
    for (const number of [2, 3, 4])
      t.equal((await receiptsOf(world, number)).displayed, null, `page ${number} in a hidden tab`)
    await hidden.evaluate('window.look()')
    for (const number of [2, 3, 4])
      await until('displayed', async () => (await receiptsOf(world, number)).displayed !== null)

    // A fourth does not fit: it is displayed when one before it is put away.
    await ask(world, 5, 'warning')
    await hidden.getByText('1 more page asks for you').waitFor()
    t.equal((await receiptsOf(world, 5)).displayed, null, 'what is not drawn is not displayed')
    await hidden.getByRole('button', { name: 'Hide page 4 in this tab' }).click()
    await until('the fourth', async () => (await receiptsOf(world, 5)).displayed !== null)

    await hidden.setViewportSize({ width: 390, height: 800 })
    if (pictures !== undefined) await hidden.screenshot({ path: join(pictures, 'phone.png') })
    t.equal(
      await hidden.evaluate('document.documentElement.scrollWidth <= innerWidth'),
      true,
      'a phone needs no sideways scrolling',
    )
    t.same(world.problems, [], 'no script error')
  },
)
