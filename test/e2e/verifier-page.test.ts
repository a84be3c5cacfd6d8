import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { chromium } from 'playwright-core'
import t from 'tap'
import { verifierKeyText } from '../../server/ledger/checkpoint.ts'
import { faultsOf } from '../helpers/console-tab.ts'
import { folderOf } from '../helpers/folder.ts'
import { compiled } from '../helpers/hub.ts'
import { key, members, origin, zip } from '../unit/verifier/bundle-kit.ts'

const executablePath = '/usr/bin/chromium'
const required = process.env['CALLWARD_REQUIRE_PEERS'] === '1'
const skip = existsSync(executablePath) || required ? false : 'chromium is not installed'
/** Names a folder to look at the pictures. */
const pictures = process.env['CALLWARD_PICTURES']

t.setTimeout(120_000)
t.test('the verifier as one file, opened from disk', { skip, timeout: 120_000 }, async (t) => {
  const folder = folderOf(t)
  const page = join(compiled, 'verifier', 'callward-verifier.html')
  t.notMatch(readFileSync(page, 'utf8'), /SCRIPT-HASH|unsafe-/, 'its policy names what may run')
  const sound = join(folder, 'sound.zip')
  const base = members()
  writeFileSync(sound, zip(base))
  const broken = join(folder, 'broken.zip')
  const lie = new Map(base)
  lie.set('entries/000000.jsonl', lie.get('entries/000000.jsonl')!.replace('period', 'perioe'))
  writeFileSync(broken, zip(lie))
  const older = join(folder, 'older.txt')
  writeFileSync(older, base.get('checkpoint.txt')!)

  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] })
  t.teardown(() => browser.close())
  const context = await browser.newContext({
    locale: 'en-GB',
    viewport: { width: 390, height: 800 },
  })
  const tab = await context.newPage()
  const problems: string[] = []
  const requests: string[] = []
  tab.on('pageerror', (error) => problems.push(String(error)))
  tab.on('console', (message) => problems.push(message.text()))
  tab.on('request', (request) => requests.push(request.url()))
  await tab.goto(pathToFileURL(page).href)
  await tab.getByRole('heading', { name: 'Callward evidence verifier' }).waitFor()
  const verdict = tab.locator('#verdict')
  const verify = async (file: string, wanted: RegExp) => {
    await tab.locator('#bundle').setInputFiles(file)
    await tab.locator('#verify').click()
    await verdict.filter({ hasText: wanted }).waitFor()
  }
  await tab.locator('#key').fill(verifierKeyText(origin, key.publicKey))
  await tab.locator('#older').setInputFiles(older)
  await verify(sound, /^VERIFIED/)
  const state = (id: string) => tab.locator(`[data-check=${id}] .mark`).textContent()
  t.match(await state('signatures'), /passed/, 'this browser knows Ed25519')
  t.match(await state('consistency'), /passed/)
  t.match(await state('deadlines'), /not checked/)
  t.same(await faultsOf(tab), [])
  await verify(broken, /^NOT VERIFIED/)
  await tab
    .getByText(/! entry 1 .*changed/)
    .first()
    .waitFor()
  await verify(older, /cannot be read/)

  for (const [language, title] of [
    ['zh', 'Callward 证据验证器'],
    ['vi', 'Trình kiểm chứng bằng chứng Callward'],
    ['ru', 'Проверка доказательств Callward'],
  ] as const) {
    await tab.getByRole('combobox').selectOption(language)
    await tab.getByRole('heading', { name: title }).waitFor()
    await tab.locator('#bundle').setInputFiles(sound)
    await tab.locator('#verify').click()
    await tab.locator('#verdict.verified').waitFor()
    t.equal(
      await tab.evaluate('document.documentElement.scrollWidth <= innerWidth'),
      true,
      `${language}: a phone needs no sideways scrolling`,
    )
    if (pictures !== undefined)
      await tab.screenshot({ path: join(pictures, `verifier-${language}.png`), fullPage: true })
  }
  t.same(problems, [])
  t.same(
    requests.filter((url) => !url.startsWith('file:')),
    [],
    'nothing is asked of the network',
  )
})
