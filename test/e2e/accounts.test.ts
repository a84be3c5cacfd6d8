import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { chromium, type Page } from 'playwright-core'
import t from 'tap'
import { codeAt } from '../../server/people/second-factor.ts'
import { folderOf } from '../helpers/folder.ts'
import { TestHub } from '../helpers/hub.ts'

const executablePath = '/usr/bin/chromium'
const required = process.env['CALLWARD_REQUIRE_PEERS'] === '1'
const skip = existsSync(executablePath) || required ? false : 'chromium is not installed'
const screenshots = process.env['CALLWARD_SCREENSHOTS']
const password = 'four lamps over the sea'

const baseline = `role: pbx
version: "2026.1"
approvedBy: anna, boris
approvedAt: 2026-01-05
packages: { kamailio: "5.8.1" }
`

async function shot(page: Page, name: string): Promise<void> {
  if (screenshots !== undefined)
    await page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true })
}

t.test(
  'an invited person chooses a password, sets up the second factor, and is the second of two',
  { skip, timeout: 120_000 },
  async (t) => {
    const folder = folderOf(t, { baselines: { 'pbx.yaml': baseline } })
    const data = join(folder, 'data')
    mkdirSync(data)
    const file = join(folder, 'callward.yaml')
    const baselinesFolder = join(folder, 'baselines')
    const settings = { baselinesFolder, twoPersonBaselines: true, requireSecondFactor: ['admin'] }
    writeFileSync(file, JSON.stringify({ hub: settings }))
    const hub = await TestHub.start(data, { CALLWARD_CONFIG: file })
    t.teardown(() => hub.stop())
    const ofBoris = await hub.api<{ invitation: { url: string } }>('/api/v1/people', {
      method: 'POST',
      body: { name: 'boris', role: 'operator' },
    })
    await hub.api('/api/v1/password-links/use', {
      method: 'POST',
      body: { code: ofBoris.invitation.url.split('#')[1], password },
    })
    const invited = await hub.api<{ invitation: { url: string } }>('/api/v1/people', {
      method: 'POST',
      body: { name: 'anna', role: 'admin', email: 'anna@bank.example' },
    })

    const browser = await chromium.launch({
      executablePath,
      args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
    })
    t.teardown(() => browser.close())
    const page = await browser.newPage({
      viewport: { width: 1440, height: 900 },
      locale: 'en-GB',
      timezoneId: 'Europe/Moscow',
    })
    const problems: string[] = []
    page.on('pageerror', (error) => problems.push(String(error)))
    page.on('console', (message) => {
      if (/Content Security Policy/.test(message.text())) problems.push(message.text())
    })
    page.on('dialog', (dialog) => dialog.accept())

    await page.goto(`${hub.url}/welcome#${invited.invitation.url.split('#')[1]}`)
    await page.getByText('This link is for anna.').waitFor()
    t.notMatch(page.url(), /cwl_/, 'the link is out of the address bar')
    const fill = (label: string, text: string) => page.getByLabel(label, { exact: true }).fill(text)
    await fill('New password', 'administrator')
    await fill('New password again', 'administrator')
    await page.getByRole('button', { name: 'Save the password' }).click()
    await page.getByRole('alert').getByText('one of the first').waitFor()
    await shot(page, 'welcome')
    await fill('New password', password)
    await fill('New password again', password)
    await page.keyboard.press('Enter')
    await page.getByText('The password is set.').waitFor()
    await page.getByRole('link', { name: 'Sign in' }).click()

    await fill('Name', 'anna')
    await fill('Password', 'not the password')
    await page.keyboard.press('Enter')
    await page.getByText('Name, password or code is wrong').waitFor()
    await shot(page, 'sign-in')
    await fill('Password', password)
    await page.keyboard.press('Enter')
    await page.getByText('Your role needs a second factor here').waitFor()
    await page.getByRole('region', { name: 'Second factor' }).getByLabel('Password').fill(password)
    await page.keyboard.press('Enter')
    await page.getByAltText('QR code for the app').waitFor()
    t.ok(
      await page.evaluate("document.querySelector('img.qr').naturalWidth > 50"),
      'the picture is drawn',
    )
    await shot(page, 'factor')
    const secret = (await page.locator('code.secret').innerText()).replaceAll(' ', '')
    await page
      .getByRole('region', { name: 'Second factor' })
      .getByLabel('Code')
      .fill(codeAt(secret, Date.now()))
    await page.keyboard.press('Enter')
    await page.getByText('Keep these codes.').waitFor()
    t.equal(await page.locator('.recovery code').count(), 10)
    await page.locator('.live-connected').waitFor()
    await shot(page, 'account')

    const context = await browser.newContext({ locale: 'en-GB' })
    const other = await context.newPage()
    await other.goto(`${hub.url}/approvals`)
    await other.getByLabel('Name', { exact: true }).fill('boris')
    await other.getByLabel('Password', { exact: true }).fill(password)
    await other.keyboard.press('Enter')
    await other.locator('.live-connected').waitFor()
    await other.goto(`${hub.url}/approvals`)
    await other.getByRole('button', { name: 'Ask for “pbx 2026.1”' }).click()
    await other.getByText('You asked for this; somebody else must agree.').waitFor()
    await context.close()
    await page.locator('.more-pages summary .count').waitFor()
    await page.locator('.more-pages summary').click()
    await page.getByRole('link', { name: 'Approvals 1 waiting for you' }).click()
    await page.getByRole('button', { name: 'Show what “pbx 2026.1” holds' }).click()
    await page.getByText('kamailio: "5.8.1"').waitFor()
    await shot(page, 'approvals')
    await page.getByRole('button', { name: 'Approve “pbx 2026.1”' }).focus()
    await page.keyboard.press('Enter')
    await page.getByText('decided by anna').waitFor()
    await page.locator('.more-pages .count').first().waitFor({ state: 'detached' })

    await page.locator('.more-pages summary').click()
    await page.getByRole('link', { name: 'People', exact: true }).click()
    await page.getByRole('heading', { name: 'People' }).waitFor()
    await fill('Name', 'carla')
    await page.getByRole('button', { name: 'Invite somebody' }).click()
    await page.getByText('Link for carla').waitFor()
    await page.getByLabel('Role of carla').selectOption('auditor')
    await page.getByRole('button', { name: 'Role of carla' }).click()
    await page.locator('li', { hasText: 'carla' }).getByText('auditor').first().waitFor()
    await page.getByRole('button', { name: 'Disable boris' }).click()
    await page.getByRole('button', { name: 'Enable boris' }).waitFor()
    await shot(page, 'people')
    await page.locator('.tabs').getByRole('link', { name: 'Teams' }).click()
    await fill('Short name', 'voice')
    await page
      .getByRole('region', { name: 'New team' })
      .getByLabel('Name', { exact: true })
      .fill('Voice group')
    await page.getByRole('region', { name: 'New team' }).getByLabel('carla').check()
    await page.getByRole('button', { name: 'Save the team' }).click()
    await page.getByText('carla').first().waitFor()
    await page.locator('code', { hasText: 'voice' }).waitFor()
    await shot(page, 'teams')

    await page.setViewportSize({ width: 390, height: 800 })
    for (const [language, title] of [
      ['vi', 'Tài khoản của bạn'],
      ['zh', '我的账号'],
      ['ru', 'Ваша учётная запись'],
    ] as const) {
      await page.locator('select.language').selectOption(language)
      await page.getByRole('link', { name: 'anna' }).click()
      await page.getByRole('heading', { name: title }).waitFor()
      for (const path of ['/account', '/people', '/teams', '/approvals', '/ledger']) {
        await page.evaluate(
          `history.pushState(null, '', '${path}'); dispatchEvent(new PopStateEvent('popstate'))`,
        )
        await page.locator('.page-head').waitFor()
        t.equal(
          await page.evaluate('document.documentElement.scrollWidth <= innerWidth'),
          true,
          `${language} ${path}: a phone needs no sideways scrolling`,
        )
        await shot(page, `phone-${language}${path.replace('/', '-')}`)
      }
    }
    t.same(problems, [], 'no script error')
  },
)
