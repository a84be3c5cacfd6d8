import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { chromium, type Page } from 'playwright-core'
import t from 'tap'
import { faultsOf, signIn } from '../helpers/console-tab.ts'
import { folderOf } from '../helpers/folder.ts'
import { TestHub, until } from '../helpers/hub.ts'

const executablePath = '/usr/bin/chromium'
const required = process.env['CALLWARD_REQUIRE_PEERS'] === '1'
const skip = existsSync(executablePath) || required ? false : 'chromium is not installed'
/** Names a folder to look at the pictures. */
const pictures = process.env['CALLWARD_PICTURES']

const trunk = {
  labels: { alertname: 'ServiceDown', severity: 'critical', instance: 'sbc-1', server: 'sbc-1' },
  annotations: { summary: 'Sự cố đường truyền: 中继故障', description: 'Упал транк оператора' },
}

t.test(
  'search by key, words, kind and time; the use of runbooks; on a phone in another language',
  { skip, timeout: 180_000 },
  async (t) => {
    const hub = await TestHub.start(join(folderOf(t), 'data'))
    t.teardown(() => hub.stop())
    await hub.api('/am/api/v2/alerts', { method: 'POST', body: [trunk] })
    await until('the incident is there', async () => {
      const { incidents } = await hub.api<{ incidents: unknown[] }>('/api/v1/incidents')
      return incidents.length === 1
    })
    const browser = await chromium.launch({
      executablePath,
      args: ['--no-sandbox', '--disable-gpu'],
    })
    t.teardown(() => browser.close())
    const problems: string[] = []
    const picture = async (shown: Page, name: string) => {
      if (pictures !== undefined)
        await shown.screenshot({ path: join(pictures, `${name}.png`), fullPage: true })
    }
    const page = await signIn(hub, browser, 'en-GB', 1440)
    page.on('pageerror', (error) => problems.push(String(error)))

    await page.keyboard.press('/')
    const words = page.getByLabel('Words')
    await words.waitFor()
    t.equal(await page.evaluate('document.activeElement?.id'), 'search-words', 'ready to type')
    await page.keyboard.type('su co / ')
    t.equal(await words.inputValue(), 'su co / ', 'the key is typed here')
    const result = page.getByRole('listitem').filter({ hasText: 'Sự cố đường truyền' })
    await result.waitFor()
    t.same(await result.locator('h2 mark').allTextContents(), ['Sự', 'cố'])
    t.match(page.url(), /\/search\?q=su/)
    await words.fill('service running')
    await page.getByRole('listitem').filter({ hasText: 'ServiceDown' }).waitFor()
    await words.fill('故障')
    await page
      .getByRole('listitem')
      .filter({ hasText: '我们已发现故障' })
      .locator('mark')
      .first()
      .waitFor()
    await picture(page, 'search')
    t.same(await faultsOf(page), [])
    await page.getByRole('link', { name: 'Incidents', exact: true }).last().click()
    await until('runbooks are gone', async () => (await page.locator('.found').count()) === 1)
    await page.getByText('Only some incidents').click()
    await page.getByLabel('Opened from').fill('2999-01-01')
    await page.getByText('Nothing has all of these words').waitFor()
    await page.getByLabel('Opened from').fill('')
    await result.waitFor()
    await result.getByRole('link').click()
    await page.getByRole('heading', { level: 1, name: /Sự cố đường truyền/ }).waitFor()
    await page.getByRole('heading', { name: 'Now, on this host' }).waitFor()
    await page.getByText('nothing found').waitFor()
    await picture(page, 'search-live-answers')

    await page.goto(`${hub.url}/runbook-use`)
    await page.getByRole('heading', { name: '0 alert rules without a runbook' }).waitFor()
    await page.getByRole('heading', { name: '1 runbook used' }).waitFor()
    await page.getByText(/1 incident, opened 0 times/).waitFor()
    t.same(await faultsOf(page), [])
    await picture(page, 'runbook-use')

    const phone = await signIn(hub, browser, 'vi', 390)
    phone.on('pageerror', (error) => problems.push(String(error)))
    await phone.goto(`${hub.url}/search?q=${encodeURIComponent('транк')}`)
    await phone.getByLabel('Từ cần tìm').waitFor()
    await phone.locator('.found mark').first().waitFor()
    t.ok(
      await phone.evaluate('document.documentElement.scrollWidth <= innerWidth'),
      'nothing is cut off',
    )
    t.same(await faultsOf(phone), [])
    await picture(phone, 'search-phone')
    t.same(problems, [])
  },
)
