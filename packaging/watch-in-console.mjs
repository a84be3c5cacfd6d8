// Signs in to a hub's console with a browser, waits until a host shows up there, opens its page and takes its picture.
// Used by prove-in-chroot.sh --pictures; needs the development packages and a Chromium (CALLWARD_CHROMIUM, /usr/bin/chromium).
//
//   node packaging/watch-in-console.mjs HUB_URL SIGN_IN_LINK HOST FOLDER
//
// Prints "watching" once it is signed in, then the time (ms since the epoch) at which the page showed hardware, versions
// and what the collector can see.
import { join } from 'node:path'
import { chromium } from 'playwright-core'

const [hub, link, host, folder] = process.argv.slice(2)
const browser = await chromium.launch({
  executablePath: process.env.CALLWARD_CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run'],
})
const context = await browser.newContext({
  viewport: { width: 1440, height: 900 },
  locale: 'en-GB',
  // The hub of the proof has a certificate of its own making.
  ignoreHTTPSErrors: true,
})
const page = await context.newPage()
page.setDefaultTimeout(90_000)
await page.goto(link)
await page.waitForURL((url) => url.pathname === '/')
console.log('watching')
await page.getByRole('link', { name: host }).first().click()
await page.waitForURL((url) => url.pathname.startsWith('/hosts/'))
await page.getByRole('heading', { name: 'Software versions' }).waitFor()
await page.getByRole('heading', { name: 'What the collector can see' }).waitFor()
await page
  .getByText(/\d+ packages/)
  .first()
  .waitFor()
await page.getByText('denied').or(page.getByText('absent')).first().waitFor()
console.log(Date.now())
await page.screenshot({ path: join(folder, 'host-1440.png'), fullPage: true })
await page.setViewportSize({ width: 390, height: 844 })
await page.screenshot({ path: join(folder, 'host-390.png'), fullPage: true })
await page.goto(hub)
await page.getByRole('link', { name: host }).first().waitFor()
await page.screenshot({ path: join(folder, 'overview-390.png'), fullPage: true })
await browser.close()
