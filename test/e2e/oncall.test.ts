import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import type { WriteStream } from 'node:tty'
import { chromium, type Page } from 'playwright-core'
import t from 'tap'
import { run } from '../../server/cli/main.ts'
import { folderOf } from '../helpers/folder.ts'
import { adminToken, TestHub, until } from '../helpers/hub.ts'

const executablePath = '/usr/bin/chromium'
const required = process.env['CALLWARD_REQUIRE_PEERS'] === '1'
const skip = existsSync(executablePath) || required ? false : 'chromium is not installed'
const screenshots = process.env['CALLWARD_SCREENSHOTS']

process.env['TZ'] = 'Europe/Moscow'

const plan = `
schedules:
  pbx-primary:
    name: Call systems
    timeZone: Europe/Moscow
    layers:
      - name: week
        rotation: { unit: week, count: 1 }
        handOff: "09:00"
        startsOn: "2026-03-02"
        participants: [anna, boris]
        windows: [{ days: [mon, tue, wed, thu, fri], from: "08:00", to: "20:00" }]
      - name: nights
        rotation: { unit: day, count: 1 }
        handOff: "20:00"
        startsOn: "2026-03-02"
        participants: [carla, dmitri, anna]
        windows: [{ days: [mon, tue, wed, thu, fri, sat], from: "20:00", to: "08:00" }]
policies:
  calls:
    name: Calls
    steps:
      - { delaySeconds: 300, targets: [{ kind: schedule, id: pbx-primary }] }
      - { delaySeconds: 600, targets: [{ kind: person, id: carla }, { kind: team, id: core }] }
    catchAll: [{ kind: contact, id: noc-phone }]
`

async function shot(page: Page, name: string): Promise<void> {
  if (screenshots !== undefined)
    await page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true })
}

t.test(
  'on-call duty from a file to the console: applied by terminal, seen and overridden by keyboard, on a phone, in four languages',
  { skip, timeout: 90_000 },
  async (t) => {
    const folder = folderOf(t, { 'oncall.yaml': plan })
    const data = join(folder, 'data')
    const hub = await TestHub.start(data)
    t.teardown(() => hub.stop())
    for (const name of ['anna', 'boris', 'carla', 'dmitri']) await hub.token(name, 'operator')

    const callward = async (...args: string[]) => {
      let text = ''
      const take = new Writable({
        write(chunk, _encoding, done) {
          text += String(chunk)
          done()
        },
      }) as WriteStream // the commands only write to it
      const environment = { CALLWARD_HUB: hub.url, CALLWARD_TOKEN: adminToken }
      const { stdin } = process
      const terminal = { environment, stdin, stdout: take, stderr: take }
      const code = await run(['oncall', ...args], terminal)
      return { code, text }
    }
    const file = join(folder, 'oncall.yaml')
    t.match(await callward(), { code: 0, text: /There is no schedule/ })
    t.match(await callward('apply', file), {
      code: 0,
      text: /schedule pbx-primary: created[\s\S]*Nothing was changed yet/,
    })
    t.match(await callward('apply', file, '--yes'), { code: 0, text: /Done: 2 changed/ })
    const exported = join(folder, 'exported.yaml')
    writeFileSync(exported, (await callward('export')).text)
    t.match(
      await callward('apply', exported),
      { code: 0, text: /Nothing differs; 2 unchanged/ },
      'what was exported is what is there',
    )
    t.match(await callward('now', '--at', '2026-03-04 12:00'), {
      code: 0,
      text: /pbx-primary +anna +2026-03-04 20:00:00 \+03:00 +carla|pbx-primary +anna/,
    })
    const week = await callward('show', 'pbx-primary', '--at', '2026-03-02 00:00')
    t.match(week.text, /Mon 02 +Tue 03 +Wed 04/)
    t.match(week.text, /ON CALL +[!A-Z]{8} [A-Z]{8} [A-Z]{8} [A-Z]{8} [A-Z]{8} [A-Z!]{8} [A-Z!]{8}/)
    t.match(await callward('policy', 'calls'), {
      text: /step 2, waits 10 min\n {4}person carla -> carla\n {4}team core -> nobody now: there is no team core/,
    })
    t.match(
      await callward('check'),
      { code: 1, text: /too few tested channels/ },
      'never green by what is not known',
    )
    t.match(await callward('show', 'none'), { code: 1, text: /There is no schedule "none"/ })
    t.match(await callward('dance'), { code: 2, text: /none of now, show/ })
    t.match(await callward('apply', '/no/such/file'), {
      code: 1,
      text: /cannot be read \(ENOENT\)/,
    })
    t.match(
      await callward(
        'override',
        'pbx-primary',
        '--person',
        'boris',
        '--from',
        'now',
        '--to',
        '2020-01-01 00:00',
        '--reason',
        'x',
      ),
      { code: 1, text: /in the past/ },
    )

    const browser = await chromium.launch({
      executablePath,
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
      ],
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
    await page.goto(readFileSync(join(data, 'hub', 'sign-in-link'), 'utf8').trim())
    await page.getByRole('link', { name: 'On call' }).click()
    await page.getByRole('heading', { name: 'On call', exact: true }).waitFor()
    const section = page.getByRole('region', { name: 'Call systems', exact: true })
    await section.getByText('nights', { exact: true }).first().waitFor()
    t.ok((await section.locator('.week-fault').count()) > 0, 'the gap of the weekend is shown')
    const widths = await section
      .locator('.week-final li')
      .evaluateAll((bars) => bars.map((bar) => bar.getBoundingClientRect().width))
    t.ok(
      widths.some((width) => width > 40),
      'bars have the width of their shifts',
    )
    t.match(await page.getByRole('region', { name: 'Readiness' }).innerText(), /Not ready/)
    await shot(page, 'oncall-desk')

    await section.getByText('Put somebody else on call').first().focus()
    await page.keyboard.press('Enter')
    await page.keyboard.press('Tab')
    await page.keyboard.type('bor')
    const to = section.getByLabel('To', { exact: true })
    const end = new Date(Date.now() + 5 * 3_600_000 + 3 * 3_600_000).toISOString().slice(0, 16)
    await to.fill(end)
    await to.press('Tab')
    await section.getByLabel('Why', { exact: true }).focus()
    await page.keyboard.type('dentist')
    await section.getByRole('button', { name: 'Put somebody else on call' }).focus()
    await page.keyboard.press('Enter')
    await section.getByText('Saved.').waitFor()
    await section.getByText('dentist').first().waitFor()
    t.match(await callward('now'), { text: /pbx-primary +boris .*override/ })
    const cards = page.getByRole('region', { name: 'On call now' })
    await until('the card tells it', async () => (await cards.innerText()).includes('boris'))
    await shot(page, 'oncall-override')

    await page.setViewportSize({ width: 390, height: 844 })
    const overflow = () =>
      page.locator('html').evaluate(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)
    t.equal(await overflow(), 0, 'a phone does not scroll sideways')
    await shot(page, 'oncall-phone')
    for (const [language, title] of [
      ['zh', '值班'],
      ['vi', 'Trực'],
      ['ru', 'Дежурство'],
    ] as const) {
      await page.locator('select.language').selectOption(language)
      await page.getByRole('heading', { name: title, exact: true, level: 1 }).waitFor()
      t.equal(await overflow(), 0, language)
      await shot(page, `oncall-phone-${language}`)
    }
    t.same(problems, [])
  },
)
