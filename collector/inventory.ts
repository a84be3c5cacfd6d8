import { spawn } from 'node:child_process'
import type { SessionLogger } from './session.ts'
import type { Section, SectionState } from './wire/frames.ts'

/** Documents of facts by name, and how well they could be seen. */
export interface Inventory {
  readonly state: SectionState
  readonly detail: string
  readonly documents: Readonly<Record<string, unknown>>
}

const limitMilliseconds = 60_000
const outputBytesLimit = 1024 * 1024
const everyMilliseconds = 3_600_000

export interface InventoryOptions {
  readonly limitMilliseconds?: number
  /** Ends the child process early. */
  readonly stop?: AbortSignal
}

/**
 * Runs the inventory in a short-lived child process, since systeminformation blocks and starts
 * shells. `entry` is the collector's main file. Never throws.
 */
export async function readInventory(
  entry: string,
  options: InventoryOptions = {},
): Promise<Inventory> {
  try {
    const inventory = JSON.parse(await runChild(entry, options)) as Inventory // our own child wrote it
    if (typeof inventory.documents !== 'object') throw new Error('no documents')
    return inventory
  } catch (error) {
    const detail = `the inventory failed: ${error instanceof Error ? error.message : String(error)}`
    return { state: 'error', detail, documents: {} }
  }
}

function runChild(entry: string, options: InventoryOptions): Promise<string> {
  const limit = options.limitMilliseconds ?? limitMilliseconds
  return new Promise((resolve, reject) => {
    // A group of its own, so that a child's hung command is killed with it.
    const child = spawn(process.execPath, [entry, '--inventory'], {
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    })
    let output = ''
    const fail = (message: string) => {
      killGroup(child.pid)
      reject(new Error(message))
    }
    const timer = setTimeout(() => fail(`no answer within ${limit / 1000} s`), limit)
    const stop = () => fail('stopped')
    options.stop?.addEventListener('abort', stop)
    child.stdout.setEncoding('utf8')
    child.stdout.on('data', (chunk: string) => {
      output += chunk
      if (output.length > outputBytesLimit) fail('over 1 MiB of output')
    })
    child.on('error', (error) => fail(error.message))
    child.on('close', (code) => {
      clearTimeout(timer)
      options.stop?.removeEventListener('abort', stop)
      if (code === 0) resolve(output)
      else reject(new Error(`its process ended with code ${code}`))
    })
  })
}

function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch {
    // It has just ended by itself.
  }
}

/** Reads the inventory now and every hour and hands on each document. */
export class InventoryWatch {
  readonly #entry: string
  readonly #onDocument: (name: string, document: unknown) => void
  readonly #logger: SessionLogger
  #section: Section = { name: 'inventory', state: 'absent', detail: 'not read yet since the start' }
  readonly #stopping = new AbortController()
  #timer: NodeJS.Timeout | undefined

  constructor(
    entry: string,
    onDocument: (name: string, document: unknown) => void,
    logger: SessionLogger,
  ) {
    this.#entry = entry
    this.#onDocument = onDocument
    this.#logger = logger
  }

  get section(): Section {
    return this.#section
  }

  start(): void {
    const stop = this.#stopping.signal
    readInventory(this.#entry, { stop }).then((inventory) => {
      if (stop.aborted) return
      const { state, detail } = inventory
      this.#section = { name: 'inventory', state, detail }
      if (state === 'error') this.#logger.warn({ detail }, 'no inventory this hour')
      for (const [name, document] of Object.entries(inventory.documents))
        this.#onDocument(name, document)
      this.#timer = setTimeout(() => this.start(), everyMilliseconds)
      this.#timer.unref()
    })
  }

  stop(): void {
    this.#stopping.abort()
    clearTimeout(this.#timer)
  }
}
