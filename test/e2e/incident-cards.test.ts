import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { faultsOf } from '../helpers/console-tab.ts'
import { folderOf } from '../helpers/folder.ts'
import { TestHub, until } from '../helpers/hub.ts'
import { Reporter } from '../helpers/reporter.ts'

const executablePath = '/usr/bin/chromium'
const required = process.env['CALLWARD_REQUIRE_PEERS'] === '1'
const skip = existsSync(executablePath) || required ? false : 'chromium is not installed'
/** Names a folder to look at the pictures. */
const pictures = process.env['CALLWARD_PICTURES']
const password = 'four lamps over the sea'
const minute = 60_000

/** A webhook that takes everything, and what it took. */
async function board(t: Test): Promise<{ url: string; heard: string[] }> {
  const heard: string[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => {
      body += text
    })
    request.on('end', () => {
      heard.push(body)
      response.end('ok')
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/board`, heard }
}

async function startHub(t: Test): Promise<TestHub> {
  const folder = folderOf(t)
  const file = join(folder, 'callward.yaml')
  const institution = { kinds: ['credit-institution'], zone: 'Asia/Ho_Chi_Minh' }
  const config = {
    incidents: { institution },
    notifyAllow: ['127.0.0.1'],
    communication: { contactPoints: { management: ['Board'] } },
    dispatch: { routes: [{ to: 'person:dung' }] },
  }
  writeFileSync(file, JSON.stringify({ hub: config }))
  const hub = await TestHub.start(join(folder, 'data'), { CALLWARD_CONFIG: file })
  t.teardown(() => hub.stop())
  return hub
}

/** An incident of a host that reported for half an hour, once its evidence is frozen. */
async function frozenIncident(hub: TestHub): Promise<string> {
  const host = new Reporter('pbx-1')
  const token = await hub.token('reporters', 'collector')
  const series = ['node_load1', 'node_memory_MemAvailable_bytes']
  await host.connect(hub.url, token, { series, intervalSeconds: 60 })
  const now = Date.now()
  for (let n = 1; n <= 30; n++) {
    const wall = now - (31 - n) * minute
    host.report(n, [1 + (n % 7), 8e9 - n * 2e8], { wall })
  }
  await host.acknowledgedUpTo(30)
  host.socket?.terminate()
  await hub.api('/am/api/v2/alerts', {
    method: 'POST',
    body: [
      {
        labels: { alertname: 'TrunkDown', severity: 'critical', instance: 'pbx-1' },
        annotations: { summary: 'Trunk 7 of pbx-1 is down' },
      },
    ],
  })
  const { id } = await until('the alert opened an incident', async () => {
    const { incidents } = await hub.api<{ incidents: { id: string }[] }>('/api/v1/incidents')
    return incidents[0]
  })
  await until('its evidence is frozen', async () => {
    const path = `/api/v1/incidents/${id}/evidence`
    return (await hub.api<{ evidence: object[] }>(path)).evidence.length > 0
  })
  const impact = { text: 'No outbound calls.', services: ['telephony', 'recording'] }
  const facts = [
    { kind: 'impact', value: impact },
    { kind: 'major', value: { text: 'A critical function stands still.', major: true } },
  ]
  await hub.api(`/api/v1/incidents/${id}/facts`, { method: 'POST', body: { facts } })
  return id
}

async function person(hub: TestHub, browser: Browser, name: string, width: number): Promise<Page> {
  const { invitation } = await hub.api<{ invitation: { url: string } }>('/api/v1/people', {
    method: 'POST',
    body: { name, role: 'operator' },
  })
  const code = invitation.url.split('#')[1]
  await hub.api('/api/v1/password-links/use', { method: 'POST', body: { code, password } })
  const viewport = { width, height: 900 }
  const timezoneId = 'Europe/Berlin'
  const context = await browser.newContext({ locale: 'en-GB', viewport, timezoneId })
  const page = await context.newPage()
  await page.goto(`${hub.url}/sign-in`)
  await page.getByLabel('Name', { exact: true }).fill(name)
  await page.getByLabel('Password', { exact: true }).fill(password)
  await page.keyboard.press('Enter')
  await page.locator('.live-connected').waitFor()
  return page
}

async function picture(page: Page, name: string): Promise<void> {
  if (pictures !== undefined)
    await page.screenshot({ path: join(pictures, `cards-${name}.png`), fullPage: true })
}

const card = (page: Page, name: string) => page.getByRole('region', { name, exact: true })
const fits = (page: Page) => page.evaluate('document.documentElement.scrollWidth <= innerWidth')

/** Management is told: drafted by the hub, changed by a person, sent. */
async function tellManagement(t: Test, page: Page, heard: readonly string[]): Promise<void> {
  const notices = card(page, 'Communication')
  await notices.getByText('Nothing was said yet.').waitFor()
  await notices.getByText(/Next update/).waitFor()
  await notices.getByText('Write a notice').press('Enter')
  await notices.getByLabel('To whom').selectOption('customers')
  await notices.getByText(/Another person approves it/).waitFor()
  await notices.getByLabel('To whom').selectOption('management')
  await notices.getByRole('button', { name: 'Preview' }).press('Enter')
  const draft = notices.getByRole('region', { name: 'Draft of the notice' })
  await draft.getByText('Goes to: Board').waitFor()
  await draft.getByText(/Nobody wrote down yet.*the cause/).waitFor()
  await picture(page, 'preview-1440')
  t.same(await faultsOf(page), [], 'axe: a draft')
  await draft.getByLabel('Title').fill('Trunk 7: we are on it')
  await draft.getByRole('button', { name: 'Send', exact: true }).click()
  await notices.getByText('Sent.').waitFor()
  await notices.getByText('Trunk 7: we are on it').first().waitFor()
  await until('the board heard it', () => heard.some((body) => body.includes('we are on it')))
  t.equal(heard.length, 1, 'once')

  // What went out is put right: the same receivers, and the first sentence says what it replaces.
  await notices.getByRole('button', { name: 'Correct: Trunk 7: we are on it' }).press('Enter')
  t.equal(await draft.getByLabel('Title').inputValue(), 'Correction: Trunk 7: we are on it')
  await draft.getByText('Goes to: Board').waitFor()
  t.match(await draft.getByLabel('Text').inputValue(), /^This replaces our notice of \d{4}-/)
  await picture(page, 'notice-correction-1440')
  t.same(await faultsOf(page), [], 'axe: a correction')
  await draft.getByLabel('Title').fill('Correction: it is trunk 8')
  await draft.getByRole('button', { name: 'Send', exact: true }).click()
  await notices.getByText('Corrected later').waitFor()
  await until('the board heard it', () => heard.some((body) => body.includes('it is trunk 8')))
  t.equal(heard.length, 2, 'once')
  t.equal(await notices.getByRole('button', { name: /^Correct: / }).count(), 1, 'only what holds')
}

/** A clock is stopped for a reason its rule knows, and why it stands where it stands. */
async function pauseClock(t: Test, page: Page): Promise<void> {
  const clocks = card(page, 'Deadlines')
  const restore = clocks.getByRole('listitem').filter({ hasText: 'Restore sev' }).first()
  await restore.getByText('running', { exact: true }).waitFor()
  await restore.getByText(/\(.*, Asia\/Ho_Chi_Minh\)/).waitFor()
  await restore.getByText(/^Why/).click()
  await restore.getByText(/sla\.yaml/).waitFor()
  await restore.getByText(/It rests on these facts/).waitFor()
  await restore.locator('summary', { hasText: /^Pause/ }).press('Enter')
  const form = restore.getByRole('form', { name: /^Pause: Restore/ })
  await form.getByLabel('Reason').selectOption('access refused')
  await form.getByLabel(/More words/).fill('the guard has no key')
  await form.getByRole('button', { name: 'Pause' }).press('Enter')
  await restore.getByText('paused', { exact: true }).waitFor()
  await restore.getByRole('button', { name: 'Resume' }).waitFor()
  const href = await clocks.getByRole('link', { name: 'initial' }).getAttribute('href')
  const draft = await page.request.get(new URL(href ?? '', page.url()).href)
  t.equal(draft.status(), 200)
  t.match(draft.headers()['content-type'], /text\/markdown/)
}

/** What was frozen, to the byte. */
async function readEvidence(t: Test, page: Page): Promise<void> {
  const evidence = card(page, 'Frozen evidence')
  await evidence.getByText('Show: pbx-1 at detection').click()
  await evidence.getByText('Figures', { exact: true }).click()
  await evidence.getByText('node_load1').first().waitFor()
  t.ok((await evidence.locator('.frozen-series polyline').count()) >= 2, 'curves are drawn')
  await evidence.getByText('Similar incidents').click()
  const link = evidence.getByRole('link', { name: /^Download/ })
  const href = (await link.getAttribute('href')) ?? ''
  const bytes = await (await page.request.get(new URL(href, page.url()).href)).body()
  const hash = createHash('sha256').update(bytes).digest('hex')
  await evidence.getByText(hash).waitFor()
}

interface Listed {
  readonly assignments: readonly { readonly state: string; readonly technician: string }[]
}

t.test(
  'the cards of an incident: a notice sent, a clock stopped, somebody sent who accepts, evidence read',
  { skip, timeout: 150_000 },
  async (t) => {
    const hub = await startHub(t)
    const { url, heard } = await board(t)
    await hub.api('/api/v1/contact-points', {
      method: 'POST',
      body: {
        ...{ channel: 'webhook', label: 'Board', owner: { kind: 'shared' } },
        settings: { url, secret: 'x'.repeat(16) },
      },
    })
    const browser = await chromium.launch({
      executablePath,
      args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
    })
    t.teardown(() => browser.close())
    const id = await frozenIncident(hub)
    const problems: string[] = []
    const dung = await person(hub, browser, 'dung', 390)
    const anna = await person(hub, browser, 'anna', 1440)
    for (const page of [dung, anna]) page.on('pageerror', (error) => problems.push(String(error)))
    await anna.goto(`${hub.url}/incidents/${id}`)
    await tellManagement(t, anna, heard)
    await pauseClock(t, anna)
    await readEvidence(t, anna)

    // The route decides who goes.
    const sent = card(anna, 'Who was sent')
    await sent.getByText('Nobody was asked to come yet.').waitFor()
    await sent.getByText('Send somebody').press('Enter')
    await sent.getByLabel('What is to be done').fill('Look at trunk 7.')
    await sent.getByLabel('What is to be done').press('Enter')
    await sent.getByText('dung is asked.').waitFor()
    await sent.getByText('asked', { exact: true }).waitFor()
    await picture(anna, 'filled-1440')
    t.same(await faultsOf(anna), [], 'axe: filled cards')

    await dung.goto(`${hub.url}/work`)
    await dung.getByText(/Answer by/).waitFor()
    await dung.getByText('pbx-1', { exact: true }).first().waitFor()
    await picture(dung, 'work-390')
    t.same(await faultsOf(dung), [], 'axe: asked, on a phone')
    await dung.getByRole('button', { name: 'Accept' }).click()
    await dung.getByRole('button', { name: 'I am there' }).waitFor()
    const list = () => hub.api<Listed>(`/api/v1/incidents/${id}/assignments`)
    t.match(await list(), { assignments: [{ technician: 'dung', state: 'accepted' }] })
    await sent.getByText('accepted', { exact: true }).waitFor()

    // In the basement: kept, and sent to the same route later.
    await dung.context().setOffline(true)
    await dung.getByRole('button', { name: 'I am there' }).click()
    await dung.getByText('Not sent yet: 1').waitFor()
    await dung.context().setOffline(false)
    await dung.getByText('Not sent yet: 1').waitFor({ state: 'detached' })
    await dung.getByRole('button', { name: 'I am there' }).waitFor({ state: 'detached' })
    await sent.getByText('is there', { exact: true }).waitFor()

    await dung.goto(`${hub.url}/incidents/${id}`)
    await card(dung, 'Frozen evidence').getByText('Show: pbx-1 at detection').click()
    await card(dung, 'Frozen evidence').getByText('Figures', { exact: true }).click()
    await card(dung, 'Communication').getByText('Write a notice').click()
    for (const [language, heading] of [
      ['en', 'Deadlines'],
      ['zh', '时限'],
      ['vi', 'Thời hạn'],
      ['ru', 'Сроки'],
    ] as const) {
      await dung.locator('select.language').selectOption(language)
      await card(dung, heading).waitFor()
      t.equal(await fits(dung), true, `${language}: a phone needs no sideways scrolling`)
      await picture(dung, `filled-390-${language}`)
    }
    t.same(await faultsOf(dung), [], 'axe: filled cards on a phone')
    t.same(problems, [], 'no script error')
  },
)
