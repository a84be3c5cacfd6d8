import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { packageRoot } from '../assets.ts'
import { readHubConfig } from '../config.ts'
import { formatLogLine } from './log-line.ts'

export const startHelp = `callward start [--demo]

Runs the hub and a collector for this very host, and restarts either when it dies.
With --demo also a simulated call centre of 12 hosts, in a data folder of its own (./data-demo).

Examples
  npm start                                   the hub on http://127.0.0.1:9770
  npm start -- --demo                         every screen alive within two minutes
  CALLWARD_LISTEN=127.0.0.1:9880 npm start    another port
`

interface Part {
  readonly name: string
  readonly script: string
  readonly options: readonly string[]
}

const mapped = ['--enable-source-maps']
/** The bundle: one file starts in half the time of a thousand; it has no source maps, but names its functions. */
const hub: Part = { name: 'hub', script: 'hub/main.js', options: [] }
const collector: Part = { name: 'collector', script: 'collector/main.js', options: mapped }
const demo: Part = { name: 'demo', script: 'collector/demo/main.js', options: mapped }

/** A part that ran this long is restarted at once when it dies; one that died sooner waits. */
const steadyMillis = 30_000
const restartAfterMillis = [500, 1000, 2000, 5000, 10_000]

/** Supervises the hub and this host's collector until a signal; resolves with the exit code. */
export async function start(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    options: { demo: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
  })
  if (values.help === true) {
    process.stdout.write(startHelp)
    return 0
  }
  const isDemo = values.demo === true
  const environment = environmentOf(isDemo)
  const supervisor = new Supervisor(environment)
  return supervisor.run(isDemo ? [hub, collector, demo] : [hub, collector])
}

function environmentOf(isDemo: boolean): Record<string, string | undefined> {
  const data = process.env['CALLWARD_DATA'] ?? (isDemo ? './data-demo' : './data')
  const listen = process.env['CALLWARD_LISTEN'] ?? '127.0.0.1:9770'
  // The local collector reports to the hub started here, whatever address that listens on.
  const address = listen.replace(/^(0\.0\.0\.0|\[::\]|):/, '127.0.0.1:')
  return {
    ...process.env,
    CALLWARD_DATA: data,
    CALLWARD_LISTEN: listen,
    CALLWARD_HUB: process.env['CALLWARD_HUB'] ?? `${speaksTls() ? 'wss' : 'ws'}://${address}`,
    ...(isDemo ? { CALLWARD_DEMO: '1' } : {}),
  }
}

/** Whether the hub is configured to end TLS; a faulty configuration is the hub's own to tell. */
function speaksTls(): boolean {
  try {
    return readHubConfig(process.env).tls !== undefined
  } catch {
    return false
  }
}

class Supervisor {
  readonly #environment: Record<string, string | undefined>
  readonly #children = new Map<string, ChildProcess>()
  readonly #timers = new Set<NodeJS.Timeout>()
  #stopping = false
  #finish: (code: number) => void = () => undefined

  constructor(environment: Record<string, string | undefined>) {
    this.#environment = environment
  }

  run(parts: readonly Part[]): Promise<number> {
    const done = new Promise<number>((resolve) => {
      this.#finish = resolve
    })
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const)
      process.on(signal, () => this.#stop(0))
    for (const part of parts) this.#spawn(part, 0)
    return done
  }

  #spawn(part: Part, failures: number): void {
    const startedAt = Date.now()
    let ready = false
    const child = spawn(
      process.execPath,
      [...part.options, join(packageRoot, 'dist', part.script)],
      {
        env: this.#environmentOf(part),
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    )
    this.#children.set(part.name, child)
    createInterface({ input: child.stdout! }).on('line', (line) => {
      ready ||= line.includes('"hub ready"')
      this.#show(part, line)
    })
    child.once('exit', (code, signal) => {
      this.#children.delete(part.name)
      if (this.#stopping) return this.#stopped()
      const steady = Date.now() - startedAt > steadyMillis
      // A hub that cannot start says why on its own; trying again would only repeat it.
      if (part === hub && !ready && (code === 1 || code === 2)) return this.#stop(code)
      if (code === 2) return this.#stop(code)
      const wait = steady
        ? 0
        : restartAfterMillis[Math.min(failures, restartAfterMillis.length - 1)]!
      process.stderr.write(`The ${part.name} ended (${signal ?? code}); starting it again.\n`)
      const timer = setTimeout(() => {
        this.#timers.delete(timer)
        this.#spawn(part, steady ? 0 : failures + 1)
      }, wait)
      this.#timers.add(timer)
    })
  }

  /** The collector never sees the hub's bootstrap secret. */
  #environmentOf(part: Part): NodeJS.ProcessEnv {
    if (part === hub) return this.#environment
    const { CALLWARD_ADMIN_TOKEN: _hidden, ...rest } = this.#environment
    return rest
  }

  #show(part: Part, line: string): void {
    if (!process.stdout.isTTY) {
      process.stdout.write(`${line}\n`)
      return
    }
    const text = formatLogLine(part.name, line)
    if (text !== undefined) process.stdout.write(`${text}\n`)
    if (part === hub && line.includes('"hub ready"')) this.#welcome()
  }

  #welcome(): void {
    const file = join(this.#environment['CALLWARD_DATA']!, 'hub', 'sign-in-link')
    if (!existsSync(file)) return
    process.stdout.write(
      `\n  Open the console (one use, 15 minutes):\n  ${readFileSync(file, 'utf8').trim()}\n\n  A new link: npx callward sign-in     Alerts in this terminal: npx callward watch\n\n`,
    )
  }

  #stop(code: number): void {
    if (this.#stopping) return
    this.#stopping = true
    process.exitCode = code
    for (const timer of this.#timers) clearTimeout(timer)
    // The collector first, so that its last report still finds the hub.
    const [first, ...rest] = [...this.#children.entries()].sort(
      ([a], [b]) => Number(a === 'hub') - Number(b === 'hub'),
    )
    first?.[1].kill('SIGTERM')
    for (const [name, child] of rest) {
      if (name === 'hub') setTimeout(() => child.kill('SIGTERM'), 300)
      else child.kill('SIGTERM')
    }
    this.#stopped()
  }

  #stopped(): void {
    if (this.#children.size === 0) this.#finish(Number(process.exitCode ?? 0))
  }
}
