import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Browser, chromium } from 'playwright-core'
import type { BoardDefinition } from '../../dashboards/drawing/definition.ts'
import { windowOf } from '../../dashboards/drawing/time.ts'
import { signIn } from '../helpers/console-tab.ts'
import { TestHub } from '../helpers/hub.ts'
import { bundlePage } from './bundle.ts'
import { noteCanvasTexts } from './canvas-texts.ts'
import { compareBoard } from './compare.ts'
import { drawInConsole } from './console-side.ts'
import { drawInGrafana } from './grafana-side.ts'
import { loadWeek, shown } from './week-hub.ts'

const help = `Draws the generated boards with Grafana's own packages and in the console, from the same hub, and says what differs.

  node dist/test/grafana-drawing/draw.js [--out FOLDER] [--board NAME]... [--data FOLDER] [--width PIXELS]

  --out    where the pictures go: NAME-grafana.png and NAME-console.png (default: data-drawing)
  --board  only this board, such as fleet; may stand several times
  --data   keeps the hub's data here, so that the next run need not load it again
  --width  of the pictures (default: 1440)

Before the first run: npm run build, and npm ci --prefix test/grafana-drawing/page
`

const page = fileURLToPath(new URL('../../../test/grafana-drawing/page', import.meta.url))
/** The console's own number, see `server/console/web/src/pages/board.tsx`. */
const mostPoints = 300

async function draw(): Promise<void> {
  const { values } = parseArgs({
    options: {
      out: { type: 'string', default: 'data-drawing' },
      board: { type: 'string', multiple: true },
      data: { type: 'string' },
      width: { type: 'string', default: '1440' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return void process.stdout.write(help)
  const out = resolve(values.out)
  mkdirSync(out, { recursive: true })
  const folder = mkdtempSync(join(tmpdir(), 'callward-drawing-'))
  const bundle = join(folder, 'bundle')
  await bundlePage(page, bundle)
  const data = resolve(values.data ?? join(folder, 'data'))
  mkdirSync(data, { recursive: true })
  const loaded = join(data, 'loaded')
  const hub = await TestHub.start(join(data, 'hub'), { CALLWARD_RETENTION: '0' })
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu'],
    env: { ...process.env, TZ: 'UTC' },
  })
  try {
    if (!existsSync(loaded)) await loadWeek(hub)
    writeFileSync(loaded, '')
    await drawAll({ hub, browser, bundle, out, width: Number(values.width) }, values.board)
  } finally {
    await browser.close()
    await hub.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

interface Place {
  readonly hub: TestHub
  readonly browser: Browser
  readonly bundle: string
  readonly out: string
  readonly width: number
}

async function drawAll(
  { out, ...place }: Place,
  only: readonly string[] | undefined,
): Promise<void> {
  const { hub, browser, width } = place
  const { boards } = await hub.api<{ boards: { board: string }[] }>('/api/v1/boards')
  const tab = await signIn(hub, browser, 'en-GB', width)
  await tab.addInitScript(noteCanvasTexts)
  const { step } = windowOf(
    { from: String(shown.from), to: String(shown.to) },
    Date.now(),
    mostPoints,
  )!
  const span = { ...shown, stepSeconds: step }
  const same: Record<string, number> = {}
  let differ = 0
  const known = boards.map(({ board }) => board)
  const strange = only?.filter((name) => !known.includes(name)) ?? []
  if (strange.length > 0)
    throw new Error(`There is no board "${strange[0]}". There are: ${known.join(', ')}`)
  for (const board of only ?? known) {
    const definition = await hub.api<BoardDefinition>(`/api/v1/boards/${board}`)
    const grafana = await drawInGrafana(place, definition, span, join(out, `${board}-grafana.png`))
    const console = await drawInConsole(
      { page: tab, hub, width },
      definition,
      span,
      join(out, `${board}-console.png`),
    )
    const { differences, count } = compareBoard(definition, span, grafana, console)
    for (const [name, number] of Object.entries(count)) same[name] = (same[name] ?? 0) + number
    differ += differences.length
    const problems = [...grafana.problems, ...console.problems]
    say([`${board}: ${differences.length} differ, ${problems.length} problems`])
    say(problems.map((problem) => `  problem: ${problem}`))
    say(differences.map((one) => `  ${one.place}: ${one.what}: ${one.grafana} | ${one.console}`))
  }
  if (differ > 0) process.exitCode = 1
  say([`Compared: ${JSON.stringify(same)}; ${differ} differ (Grafana | console). Pictures: ${out}`])
}

function say(lines: readonly string[]): void {
  for (const line of lines) process.stdout.write(`${line}\n`)
}

await draw().catch((problem: Error) => {
  process.stderr.write(`${problem.message}\n`)
  process.exitCode = 1
})
