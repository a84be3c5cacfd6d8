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

interface Listed {
  readonly reason: string
  readonly endsAt: string
  readonly hidesCount: number
  readonly untilResolved: boolean
}

const listed = async (hub: TestHub) =>
  (await hub.api<{ silences: Listed[] }>('/api/v1/silences')).silences

const alerts = Array.from({ length: 5 }, (_, i) => ({
  labels: {
    alertname: i === 0 ? 'TrunkDown' : 'JitterHigh',
    severity: i === 0 ? 'critical' : 'warning',
    instance: `sbc-${i}`,
    site: 'hanoi',
  },
  annotations: { summary: i === 0 ? 'Trunk 7 is down' : `Jitter on sbc-${i}` },
}))

t.test(
  'a silence from an alert, with what it hides before it is set; longer; ended; by keyboard and on a phone',
  { skip, timeout: 120_000 },
  async (t) => {
    const hub = await TestHub.start(join(folderOf(t), 'data'))
    t.teardown(() => hub.stop())
    await hub.api('/am/api/v2/alerts', { method: 'POST', body: alerts })
    const browser = await chromium.launch({
      executablePath,
      args: ['--no-sandbox', '--disable-gpu'],
    })
    t.teardown(() => browser.close())
    const problems: string[] = []
    const page = await signIn(hub, browser, 'en-GB', 1440)
    page.on('pageerror', (error) => problems.push(String(error)))
    page.on('dialog', (dialog) => dialog.accept())
    const picture = async (shown: Page, name: string) => {
      if (pictures !== undefined)
        await shown.screenshot({ path: join(pictures, `${name}.png`), fullPage: true })
    }

    await page.getByRole('link', { name: 'Alerts', exact: true }).click()
    await page.getByRole('link', { name: 'Silence: Trunk 7 is down, sbc-0' }).click()
    const matchers = page.getByLabel('What (all must hold)')
    await matchers.waitFor()
    t.equal(
      await matchers.inputValue(),
      'alertname="TrunkDown", instance="sbc-0", site="hanoi"',
      'what names the fault is filled in',
    )
    await page.getByText('It hides 1 firing alert.').waitFor()
    await page.getByText('1 is critical.').waitFor()
    await page.getByRole('button', { name: 'Silence', exact: true }).click()
    await page.getByText('Say what and why.').waitFor()

    await matchers.fill('alertname=~".+"')
    await page.getByText('It hides 5 firing alerts.').waitFor()
    await page.getByText(/Too broad: it matches alerts whatever they say/).waitFor()
    await picture(page, 'too-broad')
    t.same(await faultsOf(page), [])
    await matchers.fill('instance=~"("')
    await page.getByText(/not a regular expression/).waitFor()

    await matchers.fill('instance="sbc-0"')
    await matchers.press('Tab')
    await page.keyboard.type('Carrier works on it until noon')
    await page.keyboard.press('Tab')
    await page.getByLabel('For how long').selectOption('240')
    await page.getByRole('button', { name: 'Silence', exact: true }).press('Enter')
    await page.getByText('It is silenced.').waitFor()
    const item = page.getByRole('listitem').filter({ hasText: 'Carrier works on it until noon' })
    await item.getByText('in force').waitFor()
    await item.getByText('Hides 1 firing alert').waitFor()
    await item.getByText('or recovery').waitFor()
    const [before] = await listed(hub)
    t.match(before, { hidesCount: 1, untilResolved: true })
    await picture(page, 'silences')
    t.same(await faultsOf(page), [])

    await item.getByRole('button', { name: /^Extend: / }).click()
    const later = await until('it is longer', async () => {
      const [after] = await listed(hub)
      return after !== undefined && after.endsAt !== before!.endsAt && after
    })
    t.equal(Date.parse(later.endsAt) - Date.parse(before!.endsAt), 3_600_000)

    const nothing = { 'ru-RU': /Тишина/, 'zh-CN': /静默/, 'vi-VN': /Tắt báo/ }
    for (const [locale, title] of Object.entries(nothing)) {
      const phone = await signIn(hub, browser, locale, 390)
      await phone.goto(`${hub.url}/silences?matchers=${encodeURIComponent('site="hanoi"')}`)
      await phone.getByRole('heading', { level: 1, name: title }).waitFor()
      await phone.getByText('JitterHigh').first().waitFor()
      t.equal(
        await phone.evaluate('document.documentElement.scrollWidth <= innerWidth'),
        true,
        `${locale}: a phone needs no sideways scrolling`,
      )
      await picture(phone, locale)
      await phone.context().close()
    }

    await item.getByRole('button', { name: /^End now: / }).click()
    await page.getByText('Nothing is silenced.').waitFor()
    t.same(await listed(hub), [])
    t.same(problems, [])
  },
)
