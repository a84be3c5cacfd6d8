import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import t from 'tap'
import { faultsOf, signIn } from '../helpers/console-tab.ts'
import { folderOf } from '../helpers/folder.ts'
import { TestHub, until } from '../helpers/hub.ts'

const executablePath = '/usr/bin/chromium'
const required = process.env['CALLWARD_REQUIRE_PEERS'] === '1'
const skip = existsSync(executablePath) || required ? false : 'chromium is not installed'
/** Names a folder to look at the pictures. */
const pictures = process.env['CALLWARD_PICTURES']

const rules = `groups:
  - name: test
    rules:
      - alert: TrunkDown
        expr: vector(1)
        labels: { severity: critical, site: hanoi }
        annotations: { summary: Trunk 7 is down }
`

t.test(
  'pages: the way up, who was told and why, taken, searched, exported',
  { skip, timeout: 120_000 },
  async (t) => {
    const folder = folderOf(t)
    mkdirSync(join(folder, 'rules'))
    writeFileSync(join(folder, 'rules', 'test.yaml'), rules)
    const config = join(folder, 'callward.yaml')
    writeFileSync(config, `hub:\n  rulesFolder: ${join(folder, 'rules')}\n`)
    const hub = await TestHub.start(join(folder, 'data'), { CALLWARD_CONFIG: config })
    t.teardown(() => hub.stop())
    const browser = await chromium.launch({
      executablePath,
      args: ['--no-sandbox', '--disable-gpu'],
    })
    t.teardown(() => browser.close())
    const problems: string[] = []
    const page = await signIn(hub, browser, 'en-GB', 1440)
    page.on('pageerror', (error) => problems.push(String(error)))

    await page.getByRole('link', { name: 'Pages', exact: true }).click()
    await page.getByRole('link', { name: 'Trunk 7 is down' }).click()
    await page.getByRole('heading', { name: 'Page 1 Trunk 7 is down' }).waitFor()
    const step = page.getByRole('listitem').filter({ hasText: 'Step 1' })
    await step.getByText('told', { exact: true }).waitFor()
    const catchAll = page.getByRole('listitem').filter({ hasText: 'Catch-all' })
    await catchAll.getByText('later', { exact: true }).waitFor()
    await page.getByRole('row').filter({ hasText: 'admin' }).first().waitFor()
    t.same(await faultsOf(page), [])
    if (pictures !== undefined) await page.screenshot({ path: join(pictures, 'page.png') })
    const main = page.getByRole('main')
    await main.getByRole('button', { name: 'Take page 1: Trunk 7 is down' }).click()
    await main.getByText('taken', { exact: true }).waitFor()
    await catchAll.getByText('not needed', { exact: true }).waitFor()

    await page.getByRole('link', { name: 'Alerts', exact: true }).click()
    await page.getByText('Who was told?').first().click()
    await main.getByText(/admin/).first().waitFor()
    await main.getByRole('link', { name: 'Page 1', exact: true }).waitFor()

    await page.getByRole('link', { name: 'Pages', exact: true }).click()
    await page.getByRole('link', { name: 'Who was told', exact: true }).click()
    await page.getByRole('row').filter({ hasText: 'admin' }).first().waitFor()
    await page.getByLabel('Person').fill('nobody at all')
    await page.getByText('Nobody was to be told of anything like that.').waitFor()
    await page.getByLabel('Person').fill('ADM')
    await page.getByRole('row').filter({ hasText: 'admin' }).first().waitFor()
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Export all (CSV)' }).click(),
    ])
    const csv = readFileSync(await download.path(), 'utf8')
    t.match(csv.split('\r\n')[1], /^1,Trunk 7 is down,critical,admin,page,/)
    t.same(await faultsOf(page), [])

    for (const locale of ['ru-RU', 'zh-CN', 'vi-VN']) {
      const phone = await signIn(hub, browser, locale, 390)
      for (const path of ['/pages', '/pages/1', '/pages?state=told']) {
        await phone.goto(`${hub.url}${path}`)
        await phone.getByText('Trunk 7 is down').first().waitFor()
        t.equal(
          await phone.evaluate('document.documentElement.scrollWidth <= innerWidth'),
          true,
          `${locale} ${path}: a phone needs no sideways scrolling`,
        )
      }
      if (pictures !== undefined) await phone.screenshot({ path: join(pictures, `${locale}.png`) })
      await phone.context().close()
    }
    t.same(problems, [])
    await until('the page is recorded as taken', async () => {
      const { pages } = await hub.api<{ pages: { state: string }[] }>('/api/v1/pages')
      return pages[0]?.state === 'acknowledged'
    })
  },
)
