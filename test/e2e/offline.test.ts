import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Fastify from 'fastify'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { consolePlugin } from '../../server/console/plugin.ts'
import { faultsOf } from '../helpers/console-tab.ts'
import { folderOf } from '../helpers/folder.ts'
import { compiled, TestHub, until } from '../helpers/hub.ts'

const executablePath = '/usr/bin/chromium'
const required = process.env['CALLWARD_REQUIRE_PEERS'] === '1'
const skip = existsSync(executablePath) || required ? false : 'chromium is not installed'
/** Names a folder to look at the pictures. */
const pictures = process.env['CALLWARD_PICTURES']
const password = 'four lamps over the sea'

async function browserOf(t: Test): Promise<Browser> {
  const args = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run']
  const browser = await chromium.launch({ executablePath, args })
  t.teardown(() => browser.close())
  return browser
}

async function signIn(hub: TestHub, context: BrowserContext, name: string): Promise<Page> {
  const page = await context.newPage()
  await page.goto(`${hub.url}/sign-in`)
  await page.getByLabel('Name', { exact: true }).fill(name)
  await page.getByLabel('Password', { exact: true }).fill(password)
  await page.keyboard.press('Enter')
  await page.locator('.live-connected').waitFor()
  return page
}

async function account(hub: TestHub, name: string): Promise<void> {
  const { invitation } = await hub.api<{ invitation: { url: string } }>('/api/v1/people', {
    method: 'POST',
    body: { name, role: 'operator' },
  })
  const code = invitation.url.split('#')[1]
  await hub.api('/api/v1/password-links/use', { method: 'POST', body: { code, password } })
}

async function record(hub: TestHub, title: string): Promise<string> {
  const { incident } = await hub.api<{ incident: { id: string } }>('/api/v1/incidents', {
    method: 'POST',
    body: { phenomenon: title, severity: 'sev2', services: ['hotline'] },
  })
  return incident.id
}

/** The paths of the API whose answers this device has. */
const keptPaths = (page: Page): Promise<string[]> =>
  page.evaluate(
    'caches.has("callward-opened").then((has) => has ? caches.open("callward-opened").then((cache) => cache.keys()).then((all) => all.map(({ url }) => new URL(url).pathname)) : [])',
  )

async function picture(page: Page, name: string): Promise<void> {
  if (pictures !== undefined)
    await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true })
}

t.test(
  'in a cellar: the console opens, shows what was opened before, and what is written comes once',
  { skip, timeout: 300_000 },
  async (t) => {
    const hub = await TestHub.start(join(folderOf(t), 'data'))
    t.teardown(() => hub.stop())
    await account(hub, 'dung')
    await account(hub, 'minh')
    const mine = await record(hub, 'Callers hear nothing')
    const other = await record(hub, 'The recorder is full')
    const assigned = { text: 'Please look at the trunk.', technician: 'dung' }
    await hub.api(`/api/v1/incidents/${mine}/facts`, {
      method: 'POST',
      body: { facts: [{ kind: 'assigned', value: assigned }] },
    })
    const read = async () =>
      (
        await hub.api<{
          incident: { facts: { kind: string; text: string; recordedBy: string }[] }
        }>(`/api/v1/incidents/${mine}`)
      ).incident.facts
    const browser = await browserOf(t)
    const phone = await browser.newContext({
      locale: 'en-GB',
      viewport: { width: 390, height: 844 },
    })
    const problems: string[] = []
    phone.on('page', (page) => page.on('pageerror', (error) => problems.push(String(error))))
    phone.on('console', (message) => {
      if (/Content Security Policy/.test(message.text())) problems.push(message.text())
    })
    const first = await signIn(hub, phone, 'dung')
    await first.evaluate('navigator.serviceWorker.ready.then(() => true)')
    await first.goto(`${hub.url}/work`)
    await first.getByRole('button', { name: /^Accept/ }).waitFor()
    await first.getByRole('link', { name: /Callers hear nothing/ }).click()
    await first.getByRole('heading', { level: 1, name: 'Callers hear nothing' }).waitFor()
    await until('the incident is kept', async () => {
      const paths = await keptPaths(first)
      return ['', '/workflow', '/assignments', '/communication'].every((part) =>
        paths.includes(`/api/v1/incidents/${mine}${part}`),
      )
    })
    t.notOk(
      (await keptPaths(first)).some((path) => path.includes(other)),
      'nothing of the other',
    )
    t.notOk((await keptPaths(first)).includes('/api/v1/incidents'), 'nor the list of all')

    // No network, and a tab that was not there before.
    await phone.setOffline(true)
    const cellar = await phone.newPage()
    await cellar.goto(`${hub.url}/work`)
    await cellar.getByText('The hub cannot be reached.').waitFor()
    await cellar.getByText('Please look at the trunk.').waitFor()
    await picture(cellar, 'offline-work-390')
    t.same(await faultsOf(cellar), [], 'axe: my work without network')
    await cellar.getByRole('button', { name: 'Finding', exact: true }).click()
    const finding = cellar.getByRole('form', { name: 'Finding' })
    await finding.getByLabel('In words').fill('The cable of the trunk is cut.')
    await finding.getByRole('button', { name: 'Save: Finding' }).click()
    await cellar.getByText('Not sent yet: 1').waitFor()
    await cellar.goto(`${hub.url}/incidents/${mine}`)
    await cellar.getByRole('heading', { level: 1, name: 'Callers hear nothing' }).waitFor()
    await cellar.getByLabel('Note', { exact: true }).fill('I need a splice box.')
    await cellar.getByLabel('Note', { exact: true }).press('Control+Enter')
    await cellar.getByText('Not sent yet: 2').waitFor()
    await picture(cellar, 'offline-incident-390')
    t.same(await faultsOf(cellar), [], 'axe: the incident without network')
    await cellar.goto(`${hub.url}/incidents/${other}`)
    await cellar
      .getByText(/hub cannot be reached/i)
      .first()
      .waitFor()
    t.equal(await cellar.getByText('The recorder is full').count(), 0, 'never opened here')
    await t.rejects(cellar.goto(`${hub.url}/metrics`), 'what belongs to programs is not answered')

    // The network is back and the hub is not.
    await hub.stop()
    await phone.setOffline(false)
    await cellar.goto(`${hub.url}/incidents/${mine}`)
    await cellar.getByText('Not sent yet: 2').waitFor()
    await cellar.getByRole('button', { name: 'Send now' }).click()
    await cellar.getByText('Not sent yet: 2').waitFor()

    // Two tabs have the same to send.
    await hub.restart()
    const written = ['The cable of the trunk is cut.', 'I need a splice box.']
    const arrived = async () => (await read()).filter(({ text }) => written.includes(text))
    await until('both came', async () => (await arrived()).length >= 2, 60_000)
    await first.bringToFront()
    for (const page of [first, cellar]) {
      await page.locator('.live-connected').waitFor({ timeout: 60_000 })
      await page.getByText(/^Not sent yet/).waitFor({ state: 'detached' })
    }
    await cellar.getByRole('region', { name: 'Timeline' }).getByText(written[0]!).waitFor()
    await cellar.locator('.kept-band').waitFor({ state: 'detached' })
    const all = await arrived()
    t.same(
      all.map(({ kind, text, recordedBy }) => ({ kind, text, recordedBy })),
      [
        { kind: 'finding', text: written[0], recordedBy: 'dung' },
        { kind: 'note', text: written[1], recordedBy: 'dung' },
      ],
      'each once, in the order they were written',
    )

    // Nothing stays for who comes next.
    await first.close()
    await cellar.getByRole('button', { name: 'Sign out' }).click()
    await cellar.getByLabel('Password', { exact: true }).waitFor()
    t.same(await keptPaths(cellar), [])
    await cellar.close()
    const next = await signIn(hub, phone, 'minh')
    await phone.setOffline(true)
    await next.goto(`${hub.url}/incidents/${mine}`)
    await next
      .getByText(/hub cannot be reached/i)
      .first()
      .waitFor()
    t.equal(await next.getByText('Callers hear nothing').count(), 0)
    t.same(problems, [], 'no script error, nothing refused by the page’s policy')
  },
)

t.test(
  'a new build takes over whole or not at all; an error is never kept in place of the console',
  { skip, timeout: 200_000 },
  async (t) => {
    const root = join(folderOf(t), 'console')
    cpSync(join(compiled, 'console'), root, { recursive: true })
    const worker = join(root, 'service-worker.js')
    const shipped = readFileSync(worker, 'utf8')
    const name = /"name":"([0-9a-f]{16})"/.exec(shipped)![1]!
    const asset = /\/assets\/index-[\w-]+\.js/.exec(shipped)![0]
    /** Another build: another name, and one file more. */
    const build = (named: string) =>
      writeFileSync(
        worker,
        shipped
          .replaceAll(name, named)
          .replaceAll(`"${asset}"`, `"/assets/${named}.js","${asset}"`),
      )
    const app = Fastify()
    let broken = false
    app.addHook('onRequest', async (request, reply) => {
      if (broken && request.url === '/work')
        return reply.code(502).type('text/html').send('<h1>Bad gateway</h1>')
    })
    await app.register(consolePlugin, { root })
    const url = await app.listen({ host: '127.0.0.1', port: 0 })
    t.teardown(() => app.close())
    const browser = await browserOf(t)
    const page = await browser.newPage()
    await page.goto(`${url}/work`)
    await page.evaluate('navigator.serviceWorker.ready.then(() => true)')
    const builds = (): Promise<string[]> =>
      page.evaluate(
        'caches.keys().then((all) => all.filter((name) => name.startsWith("callward-build-")))',
      )
    /** Looks for a new build; gives what became of its worker. */
    const update = (): Promise<string> =>
      page.evaluate(
        `navigator.serviceWorker.ready.then((it) => it.update()).then((it) => new Promise((tell) => {
          const found = it.installing
          if (found === null) return tell('none')
          const look = () => ['redundant', 'activated'].includes(found.state) && tell(found.state)
          found.addEventListener('statechange', look)
          look()
        }))`,
      )
    await until('it is kept', async () => (await builds()).length === 1)
    t.same(await builds(), [`callward-build-${name}`])

    build('2222222222222222')
    t.equal(await update(), 'redundant')
    t.same(await builds(), [`callward-build-${name}`], 'a file is missing: the one before stays')

    writeFileSync(join(root, 'assets/2222222222222222.js'), '')
    t.equal(await update(), 'activated')
    const both = [`callward-build-${name}`, 'callward-build-2222222222222222']
    t.same(await builds(), both, 'tabs of the build before still find their files')

    writeFileSync(join(root, 'assets/3333333333333333.js'), '')
    build('3333333333333333')
    t.equal(await update(), 'activated')
    await until('the oldest is gone', async () => !(await builds()).includes(both[0]!))
    t.same(await builds(), [both[1], 'callward-build-3333333333333333'])

    // A proxy whose hub is away answers with a page of its own.
    broken = true
    await page.goto(`${url}/work`)
    await page.locator('#content').waitFor()
    t.equal(await page.getByText('Bad gateway').count(), 0)
    // The folder of the build is gone: the worker is not.
    rmSync(root, { recursive: true })
    await page.goto(`${url}/incidents`)
    await page.locator('#content').waitFor()
    const answer = await fetch(`${url}/service-worker.js`)
    t.equal(answer.status, 404)
  },
)
