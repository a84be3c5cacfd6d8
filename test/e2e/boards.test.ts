import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { type BoardDefinition, panelsOf } from '../../dashboards/drawing/definition.ts'
import { addressOf } from '../../dashboards/drawing/links.ts'
import { faultsOf, signIn } from '../helpers/console-tab.ts'
import { folderOf } from '../helpers/folder.ts'
import { Program, TestHub, until } from '../helpers/hub.ts'

const executablePath = '/usr/bin/chromium'
const required = process.env['CALLWARD_REQUIRE_PEERS'] === '1'
const skip = existsSync(executablePath) || required ? false : 'chromium is not installed'
/** Names a folder to look at the pictures. */
const pictures = process.env['CALLWARD_PICTURES']
const host = hostname()

/** The first fires for this host as soon as its collector reports, the second waits; both have a runbook. */
const rules = `groups:
  - name: test
    interval: 1s
    rules:
      - alert: HostSilent
        expr: callward_collector_up == 1
        labels: { severity: critical }
        annotations: { summary: The lines are dead }
      - alert: CpuBusy
        expr: callward_collector_up == 1
        for: 1h
        annotations: { summary: Soon too busy }
`

interface Scene {
  readonly hub: TestHub
  readonly browser: Browser
  readonly page: Page
  /** Script errors, errors of the console, answers that refuse, and fetches from anywhere but the hub. */
  readonly problems: string[]
}

async function scene(t: Test): Promise<Scene> {
  const folder = folderOf(t)
  mkdirSync(join(folder, 'rules'))
  writeFileSync(join(folder, 'rules', 'test.yaml'), rules)
  const config = join(folder, 'callward.yaml')
  writeFileSync(config, `hub:\n  rulesFolder: ${join(folder, 'rules')}\n`)
  const data = join(folder, 'data')
  const hub = await TestHub.start(data, { CALLWARD_CONFIG: config })
  t.teardown(() => hub.stop())
  const collector = new Program('collector/main.js', {
    ...{ CALLWARD_DATA: data, CALLWARD_INTERVAL: '1' },
    CALLWARD_HUB: hub.url.replace('http', 'ws'),
  })
  t.teardown(() => collector.kill('SIGKILL'))
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] })
  t.teardown(() => browser.close())
  await until('the alert has opened an incident', async () => {
    const { incidents } = await hub.api<{ incidents: unknown[] }>('/api/v1/incidents')
    return incidents.length === 1
  })
  const page = await signIn(hub, browser, 'en-GB', 1440)
  const problems: string[] = []
  watch(page, hub, problems)
  return { hub, browser, page, problems }
}

function watch(page: Page, hub: TestHub, problems: string[]): void {
  page.on('pageerror', (error) => problems.push(String(error)))
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(message.text())
  })
  page.on('request', (request) => {
    if (!request.url().startsWith(hub.url)) problems.push(`outside fetch: ${request.url()}`)
  })
  page.on('response', (answer) => {
    if (answer.status() >= 400) problems.push(`${answer.status()} ${answer.url()}`)
  })
}

/** As a link within the console leads on: without loading a document. */
async function goWithin(page: Page, path: string): Promise<void> {
  await page.evaluate(
    `history.pushState(null, '', ${JSON.stringify(path)}); dispatchEvent(new PopStateEvent('popstate'))`,
  )
}

/** Unfolds every row and waits until each panel shows something. */
async function showAll(page: Page): Promise<void> {
  await page.locator('.board-panel').first().waitFor()
  await page.evaluate(
    'document.querySelectorAll(".board-row:not([open])").forEach((row) => { row.open = true })',
  )
  await until('every panel has its answers', async () => {
    const rows = await page.locator('.board-row').count()
    const drawn = await page.locator('.board-row .board-grid').count()
    const waiting = await page.locator('.panel-nothing', { hasText: 'Loading' }).count()
    return rows === drawn && waiting === 0
  })
}

t.test('boards in the console', { skip, timeout: 300_000 }, async (t) => {
  const { hub, browser, page, problems } = await scene(t)
  const picture = async (shown: Page, name: string) => {
    if (pictures !== undefined)
      await shown.screenshot({ path: join(pictures, `board-${name}.png`), fullPage: true })
  }
  const { boards } = await hub.api<{ boards: { board: string; title: string }[] }>('/api/v1/boards')
  t.ok(boards.length >= 12)

  await page.getByRole('link', { name: 'Boards', exact: true }).click()
  await page.getByRole('heading', { level: 1, name: 'Boards' }).waitFor()
  t.same(await faultsOf(page), [])
  for (const { board, title } of boards) {
    await goWithin(page, `/boards/${board}?from=now-15m&to=now`)
    const name = title.replace('Callward / ', '')
    await page.getByRole('heading', { level: 1, name, exact: true }).waitFor()
    await showAll(page)
    t.equal(await page.locator('.problem').count(), 0, `${board}: no panel has an error`)
    await picture(page, board)
  }
  t.same(problems.splice(0), [], 'no error, no refusal, nothing from outside')

  // The hub's own queries as a heatmap, and its counts as a table.
  await page.goto(`${hub.url}/boards/hub?from=now-15m&to=now&refresh=5s`)
  await showAll(page)
  const heat = page.locator('.panel-heatmap')
  // The hub is seconds old: an increase needs two of its own samples within a step.
  await heat.locator('.heat-cells path:not([d=""])').first().waitFor({ timeout: 120_000 })
  t.same(await faultsOf(page), [])
  await picture(page, 'heatmap')
  await heat.locator('.about-panel > summary').click()
  await heat.getByRole('button', { name: 'Show as a table' }).click()
  t.match(await heat.locator('thead').textContent(), /≤ .+ – /s, 'a column a band')
  t.match(await heat.locator('tbody').textContent(), /[1-9]/, 'the counts')
  await heat.getByRole('button', { name: 'Show as a picture' }).click()
  await heat.locator('.heat-cells').waitFor()

  await dialsAndCopies(t, { hub, page, picture })
  t.same(problems.splice(0), [])

  await page.goto(`${hub.url}/boards/sip`)
  await page.getByText('Waits for its source').first().waitFor()
  t.equal(await page.locator('.stat-figure').count(), 0, 'no false zero')

  await page.goto(`${hub.url}/boards/fleet?from=now&to=now-1h`)
  await page.getByText('This is no time range').waitFor()
  t.same(problems.splice(0), [], 'nothing is asked of a range that is none')
  await page.goto(`${hub.url}/boards/nothing`)
  await page.locator('.problem').waitFor()
  t.equal(problems.splice(0).length, 2, 'one answer that there is no such board')

  // An alert fires: the board marks it; the mark leads to the incident, and the incident back.
  await page.goto(`${hub.url}/boards/fleet?from=now-15m&to=now&refresh=5s`)
  const marks = page.locator('.marks')
  const incident = marks.getByRole('link', { name: /^Incident 1: / })
  await incident.waitFor()
  await marks.getByRole('link', { name: 'HostSilent' }).first().waitFor()
  t.same(await faultsOf(page), [])
  await incident.click()
  await page.getByRole('heading', { level: 1, name: 'The lines are dead' }).waitFor()
  t.match(page.url(), /\/incidents\/1$/)
  await page.getByRole('link', { name: 'Board at that time' }).click()
  await page.getByRole('heading', { level: 1, name: 'Server' }).waitFor()
  t.equal(new URL(page.url()).searchParams.get('var-server'), host)
  await page
    .locator('.marks')
    .getByRole('link', { name: /^Incident 1: / })
    .waitFor({ timeout: 90_000 }) // The incident is seconds old: two refreshes at the most.

  // Board -> host -> board; what is chosen stands in the address.
  await page.goto(`${hub.url}/boards/fleet?from=now-15m&to=now`)
  const worst = page.getByRole('region', { name: 'Worst first' }).first()
  await worst.getByRole('link', { name: host, exact: true }).first().click()
  await page.getByRole('heading', { level: 1, name: 'Server' }).waitFor()
  await page.getByLabel('Time range').selectOption('24h')
  await until('the address says so', () => page.url().includes('from=now-24h'))
  await page.goBack()
  await page.goto(`${hub.url}/hosts/${host}`)
  await page.getByRole('link', { name: 'Board of this server' }).click()
  await page.getByRole('heading', { level: 1, name: 'Server' }).waitFor()
  t.same(problems.splice(0), [])

  await followEveryLink(t, { hub, page, boards: boards.map(({ board }) => board) })
  t.same(problems.splice(0), [], 'no link leads nowhere')

  const fleet = await hub.api<BoardDefinition>('/api/v1/boards/fleet')
  const cpu = panelsOf(fleet).find(({ title }) => title === 'CPU busy')!
  const svg = await page.request.get(
    `${hub.url}/api/v1/boards/fleet/panels/${cpu.id}/picture.svg?from=now-15m`,
  )
  t.match(svg.headers()['content-type'], 'image/svg+xml')
  t.match(await svg.text(), /^<svg .*<path d="M[^"]+" fill="none"/)

  for (const locale of ['ru-RU', 'zh-CN', 'vi-VN']) {
    const phone = await signIn(hub, browser, locale, 390)
    watch(phone, hub, problems)
    await phone.goto(`${hub.url}/boards/fleet?from=now-15m&to=now`)
    await phone.locator('.board-table').first().waitFor()
    t.ok(
      await phone.evaluate('document.documentElement.scrollWidth <= innerWidth'),
      `${locale}: a phone needs no sideways scrolling`,
    )
    await picture(phone, `phone-${locale}`)
    await phone.context().close()
  }
  t.same(problems, [])
})

/** Each address to which a link of any board leads, with the labels of the host and the incident that are there. */
async function followEveryLink(
  t: Test,
  { hub, page, boards }: { hub: TestHub; page: Page; boards: readonly string[] },
): Promise<void> {
  const labels = { server: host, instance: host, alertname: 'HostSilent', incident: '1' }
  const place = { from: 'now-1h', to: 'now', choices: { server: [host] } }
  const addresses = new Set<string>()
  for (const board of boards) {
    const definition = await hub.api<BoardDefinition>(`/api/v1/boards/${board}`)
    JSON.stringify(definition.panels, (key, url) => {
      if (key === 'url' && url !== '')
        addresses.add(addressOf(String(url), { ...place, labels }) ?? `none for ${url}`)
      return url
    })
  }
  t.ok(addresses.size >= 8, `${addresses.size} addresses`)
  for (const address of addresses) {
    await page.goto(`${hub.url}${address}`)
    await page.locator('h1').first().waitFor()
    const heading = await page.locator('h1').first().innerText()
    t.notMatch(heading, /not found|no such/i, `${address}: ${heading}`)
    t.equal(await page.locator('.problem').count(), 0, address)
  }
}

interface Looked {
  readonly hub: TestHub
  readonly page: Page
  readonly picture: (page: Page, name: string) => Promise<void>
}

/** Dials, what is repeated by a variable, and the alerts that wait. */
async function dialsAndCopies(t: Test, { hub, page, picture }: Looked): Promise<void> {
  await page.goto(`${hub.url}/boards/server?from=now-15m&to=now&refresh=5s`)
  await showAll(page)
  const memory = page.locator('.panel-gauge', { hasText: 'Memory used' })
  const arcs = memory.locator('.dial path')
  await arcs.nth(4).waitFor({ state: 'attached' })
  t.equal(await arcs.count(), 5, 'three limits, the ring, and the value on it')
  t.match(await memory.locator('.dial-figure').textContent(), /^\d+%$/)
  t.equal(await memory.locator('.dial').getAttribute('aria-label'), `${host}: 0% – 100%`)

  const { data: disks } = await hub.api<{ data: string[] }>(
    '/prom/api/v1/label/device/values?match[]=node_disk_io_time_seconds_total',
  )
  const rows = page.locator('.board-row', { hasText: /^Disk \S+Bytes read and written/ })
  await until('each disk has its row', async () => (await rows.count()) === disks.length)
  t.same(
    await rows.locator('h2').allTextContents(),
    disks.map((disk) => `Disk ${disk}`),
  )
  t.equal(await rows.locator('.board-panel').count(), 3 * disks.length)
  t.same(await faultsOf(page), [], 'no name or id stands twice')
  await picture(page, 'copies')
  await page.goto(`${hub.url}/boards/server?from=now-15m&to=now&var-device=${disks[0]}`)
  await showAll(page)
  t.same(await rows.locator('h2').allTextContents(), [`Disk ${disks[0]}`], 'the chosen one alone')

  await page.goto(`${hub.url}/boards/oncall?from=now-15m&to=now&refresh=5s`)
  const waiting = page.locator('.panel-alertlist')
  const soon = waiting.locator('li', { hasText: 'Soon too busy' })
  await soon.waitFor()
  t.equal(await waiting.getByText('The lines are dead').count(), 0, 'what fires stands elsewhere')
  t.same(await soon.locator('a').evaluateAll((all) => all.map((one) => one.getAttribute('href'))), [
    '/runbooks/CpuBusy',
    `/hosts/${host}`,
  ])
  t.same(await faultsOf(page), [])
  await page.goto(`${hub.url}/boards/oncall?from=now-15m&to=now&var-server=another`)
  await waiting.getByText('No alert in this state.').waitFor()
}
