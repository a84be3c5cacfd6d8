import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { chromium } from 'playwright-core'
import t from 'tap'
import { openSqlite } from '../../server/records/sqlite-port.ts'
import { adminToken, Program, TestHub, until } from '../helpers/hub.ts'
import { StallingRelay } from '../helpers/stalling-relay.ts'

const executablePath = '/usr/bin/chromium'
const required = process.env['CALLWARD_REQUIRE_PEERS'] === '1'
const skip = existsSync(executablePath) || required ? false : 'chromium is not installed'
/** How long nothing is forwarded; 300 by hand, docs/testing.md. */
const stallSeconds = Number(process.env['CALLWARD_STALL_SECONDS'] ?? 20)

const rules = `
groups:
  - name: trunks
    interval: 200ms
    rules:
      - alert: TrunkDown
        expr: trunk_up == 0
        labels: {severity: critical}
        annotations: {summary: 'Trunk of {{ $labels.server }} is down'}
`

interface Message {
  readonly sequence: number
  readonly kind: string
  readonly received: boolean
  readonly displayed: boolean
  /** Number of the page it asks to take. */
  readonly page: number | undefined
}

/** The messages of one person, as the records hold them. */
function messagesOf(hub: TestHub, name: string): Message[] {
  const database = openSqlite(join(hub.data, 'hub/records.sqlite'), { readOnly: true })
  try {
    return database
      .all(
        'select m.sequence, m.kind, m.body, m.received_at, m.displayed_at from live_messages m join principals p on p.id = m.principal_id where p.name = ? order by m.sequence',
        [name],
      )
      .map((row) => ({
        sequence: Number(row['sequence']),
        kind: String(row['kind']),
        received: row['received_at'] !== null,
        displayed: row['displayed_at'] !== null,
        page:
          row['kind'] === 'page'
            ? (JSON.parse(String(row['body'])) as { page: { number: number } }).page.number
            : undefined,
      }))
  } finally {
    database.close()
  }
}

async function sample(hub: TestHub, server: string): Promise<void> {
  await until('the sample is taken', async () => {
    const { status } = await fetch(`${hub.url}/influx/write`, {
      method: 'POST',
      headers: { authorization: `Bearer ${adminToken}` },
      body: `trunk,server=${server} up=0`,
    })
    return status === 204
  })
}

async function fire(hub: TestHub, server: string): Promise<void> {
  await sample(hub, server)
  await until(`${server} pages`, async () => {
    const { pages } = await hub.api<{ pages: { title: string }[] }>('/api/v1/pages')
    return pages.some(({ title }) => title === `Trunk of ${server} is down`)
  })
}

const timeout = 200_000 + stallSeconds * 1000
t.test(
  'behind a network that has become a hole, the hub killed meanwhile: every message once, in order, with its receipts',
  { skip, timeout },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'callward-relay-'))
    const rulesFolder = join(folder, 'rules')
    mkdirSync(rulesFolder)
    writeFileSync(join(rulesFolder, 'trunks.yaml'), rules)
    const config = join(folder, 'callward.yaml')
    writeFileSync(config, JSON.stringify({ hub: { rulesFolder } }))
    const hub = await TestHub.start(join(folder, 'data'), { CALLWARD_CONFIG: config })
    t.teardown(() => hub.program.kill('SIGKILL'))
    const relay = new StallingRelay(hub.port)
    const url = `http://127.0.0.1:${await relay.listen()}`
    t.teardown(() => relay.close())

    const browser = await chromium.launch({
      executablePath,
      args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
    })
    t.teardown(() => browser.close())
    const page = await browser.newPage({ viewport: { width: 1440, height: 900 }, locale: 'en-GB' })
    const inTab: number[] = []
    page.on('websocket', (socket) =>
      socket.on('framereceived', ({ payload }) => {
        const frame = JSON.parse(String(payload)) as { type: string; sequence: number }
        if (frame.type === 'message') inTab.push(frame.sequence)
      }),
    )
    const link = readFileSync(join(hub.data, 'hub', 'sign-in-link'), 'utf8').trim()
    await page.goto(link.replace(hub.url, url))
    await page.getByText('Live', { exact: true }).waitFor()
    const watch = new Program(
      'server/cli/main.js',
      { CALLWARD_TOKEN: await hub.token('ines', 'operator') },
      ['watch', '--hub', url],
    )
    t.teardown(() => watch.kill('SIGKILL'))
    await until('watch is connected', () => watch.output.includes(`at ${url}`)).catch((error) => {
      throw new Error(`${String(error)}\n${watch.output}`)
    })
    const banner = (server: string) =>
      page.locator('.page-banner').filter({ hasText: `Trunk of ${server} is down` })

    /** What came before is shown by another way. */
    const begun = new Map(
      ['admin', 'ines'].map((name) => [name, messagesOf(hub, name).at(-1)?.sequence ?? 0]),
    )
    const since = (name: string) =>
      messagesOf(hub, name).filter(({ sequence }) => sequence > (begun.get(name) ?? 0))
    await fire(hub, 'pbx-1')
    await banner('pbx-1').waitFor()
    await until('watch shows it', () => /\(take 1\)/.test(watch.output))

    relay.stall()
    const stalledAt = performance.now()
    await fire(hub, 'pbx-2')
    await hub.program.kill('SIGKILL')
    await hub.restart()
    await fire(hub, 'pbx-3')
    for (let left = 1; left > 0; ) {
      left = stalledAt + stallSeconds * 1000 - performance.now()
      await delay(Math.max(0, Math.min(left, 30_000)))
      // What nobody reports for five minutes is over.
      for (const server of ['pbx-1', 'pbx-2', 'pbx-3']) await sample(hub, server)
    }
    t.notOk(/\(take 2\)/.test(watch.output), 'nothing came through')
    t.equal(await banner('pbx-2').count(), 0)
    relay.resume()

    for (const server of ['pbx-2', 'pbx-3']) await banner(server).waitFor({ timeout: 90_000 })
    await until('watch shows all', () => /\(take 3\)/.test(watch.output), 90_000)
    const receipts = (name: string) =>
      until(`the receipts of ${name}`, () => {
        const messages = since(name)
        const all = messages.every(
          ({ kind, received, displayed }) => received && (kind !== 'page' || displayed),
        )
        return all && messages
      }).catch((error: unknown) => {
        throw new Error(`${String(error)} ${JSON.stringify(since(name))}`)
      })
    const ofAdmin = await receipts('admin')
    const ofInes = await receipts('ines')
    const numbers = (messages: readonly Message[]) =>
      messages.flatMap(({ page }) => (page === undefined ? [] : [page]))
    // In a long run the escalation tells them again.
    for (const messages of [ofAdmin, ofInes])
      t.same([...new Set(numbers(messages))].sort(), [1, 2, 3], 'three pages')

    const from = begun.get('admin') ?? 0
    t.same(
      inTab.filter((sequence) => sequence > from),
      ofAdmin.map(({ sequence }) => sequence),
      'the tab got every message once, in order',
    )
    for (const server of ['pbx-1', 'pbx-2', 'pbx-3'])
      t.equal(await banner(server).count(), 1, `one banner for ${server}`)
    const taken = [...watch.output.matchAll(/\(take (\d)\)/g)].map(([, number]) => Number(number))
    t.same(taken, numbers(ofInes), 'the terminal printed each page once, in order')
    const fired = [...watch.output.matchAll(/CRITICAL +.*Trunk of (pbx-\d) is down.*runbooks/g)]
    t.same(
      fired.map(([, server]) => server),
      ['pbx-1', 'pbx-2', 'pbx-3'],
      'and each alert',
    )
    const { lost } = await hub.api<{ lost: unknown[] }>('/api/v1/obligations/lost')
    t.same(lost, [])
    t.comment(`nothing was forwarded for ${stallSeconds} s`)
    watch.child.kill('SIGTERM')
    t.equal((await watch.exited).code, 0)
  },
)
