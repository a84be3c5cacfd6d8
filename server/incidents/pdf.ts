import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { CallwardError } from '../errors.ts'

/** `incidents.pdf` of the configuration. */
export interface PdfSettings {
  readonly chromium: string
  readonly timeoutSeconds: number
}

/** Documents that may wait for their turn; one is printed at a time. */
const mostWaiting = 4
/** A larger PDF is no post-mortem. */
const mostBytes = 50_000_000

/** Nothing outside is asked: no name is found, and what asks all the same goes to a port where nobody listens. */
const flags = [
  '--headless',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--disable-extensions',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-default-apps',
  '--disable-sync',
  '--disable-breakpad',
  '--disable-quic',
  '--no-first-run',
  '--no-default-browser-check',
  '--no-pdf-header-footer',
  '--host-resolver-rules=MAP * ~NOTFOUND',
  '--proxy-server=127.0.0.1:9',
]

/** Prints pages as PDF by a Chromium of its own process each, one at a time, without network. */
export class PdfPrinter {
  readonly #settings: PdfSettings | undefined
  #last: Promise<unknown> = Promise.resolve()
  #waiting = 0

  constructor(settings: PdfSettings | undefined) {
    this.#settings = settings
  }

  /** Throws unprocessable when no Chromium is configured, too_many_requests, unavailable with what Chromium lacked. */
  async print(html: string): Promise<Buffer> {
    const settings = this.#settings
    if (settings === undefined)
      throw new CallwardError(
        'unprocessable',
        'No PDF can be made: no Chromium is configured. Set it in the file that CALLWARD_CONFIG names, as hub: { incidents: { pdf: { chromium: /usr/bin/chromium } } }, or take format=html and print it.',
      )
    if (this.#waiting >= mostWaiting)
      throw new CallwardError(
        'too_many_requests',
        `${mostWaiting} PDFs are being made or wait; ask again in a minute.`,
      )
    this.#waiting++
    const mine = this.#last.then(() => printed(settings, html))
    this.#last = mine.catch(() => undefined)
    try {
      return await mine
    } finally {
      this.#waiting--
    }
  }
}

async function printed(settings: PdfSettings, html: string): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), 'callward-pdf-'))
  try {
    const page = join(folder, 'page.html')
    const file = join(folder, 'page.pdf')
    await writeFile(page, html)
    await run(settings, folder, [
      ...flags,
      // A container's root has no sandbox to use; the page runs no script in either case.
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      `--user-data-dir=${join(folder, 'profile')}`,
      `--print-to-pdf=${file}`,
      pathToFileURL(page).href,
    ])
    const size = (await stat(file).catch(() => undefined))?.size ?? 0
    if (size === 0 || size > mostBytes) throw failed(settings, `wrote ${size} bytes`)
    return await readFile(file)
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

/** Runs it to its end, or kills it with all its children. */
async function run(settings: PdfSettings, folder: string, args: readonly string[]): Promise<void> {
  const child = spawn(settings.chromium, args, {
    detached: true,
    stdio: 'ignore',
    env: { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: folder, TMPDIR: folder },
  })
  let late = false
  const timer = setTimeout(() => {
    late = true
    killGroup(child)
  }, settings.timeoutSeconds * 1000)
  try {
    const [code, signal] = (await once(child, 'exit')) as [number | null, string | null]
    if (late) throw failed(settings, `took longer than ${settings.timeoutSeconds} s`)
    if (code !== 0) throw failed(settings, `ended with ${signal ?? code}`)
  } catch (error) {
    if (error instanceof CallwardError) throw error
    throw failed(settings, error instanceof Error ? error.message : String(error))
  } finally {
    clearTimeout(timer)
    killGroup(child) // helpers it left behind
  }
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It has ended with all its children.
  }
}

function failed({ chromium }: PdfSettings, why: string): CallwardError {
  return new CallwardError(
    'unavailable',
    `No PDF was made: ${chromium} ${why}. Try \`${chromium} --version\` as the hub’s user, or take format=html and print it.`,
  )
}
