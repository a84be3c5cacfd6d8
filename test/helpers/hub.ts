import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

/** Bootstrap token of hubs that tests start. */
export const adminToken = 'test-admin-token-0123456789abcdef'

/** A start takes a second; on a machine whose disk is busy with other tests it took over twenty. */
const readyWithinMs = 60_000

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

/** The folder that this file was compiled to: programs are those of the same build. */
export const compiled = fileURLToPath(new URL('../../', import.meta.url))

/** The hub as it is shipped: the bundle, where the whole build was made. */
const hubProgram = existsSync(join(compiled, 'hub/main.js')) ? 'hub/main.js' : 'server/main.js'

/** A compiled program as a child process, with what it printed. */
export class Program {
  readonly child: ChildProcess
  #output = ''
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>

  /** `launcher`: command and arguments that run the rest of the command line, such as `taskset -c 0`. */
  constructor(
    script: string,
    environment: Record<string, string>,
    args: readonly string[] = [],
    launcher: readonly string[] = [],
  ) {
    const {
      CALLWARD_ADMIN_TOKEN: _a,
      CALLWARD_TOKEN: _t,
      NODE_OPTIONS: _n,
      ...inherited
    } = process.env
    const command = [...launcher, process.execPath, join(compiled, script), ...args]
    this.child = spawn(command[0]!, command.slice(1), {
      env: { ...inherited, ...environment },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text
      })
    }
    this.exited = new Promise((resolve) =>
      this.child.once('exit', (code, signal) => resolve({ code, signal })),
    )
  }

  get output(): string {
    return this.#output
  }

  async kill(
    signal: NodeJS.Signals,
  ): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    this.child.kill(signal)
    return this.exited
  }
}

/** Polls until `check` gives something, or fails with what was waited for. */
export async function until<T>(
  what: string,
  check: () => Promise<T | undefined | false> | T | undefined | false,
  withinMs = 20_000,
): Promise<T> {
  const deadline = performance.now() + withinMs
  let last: unknown
  while (performance.now() < deadline) {
    try {
      const value = await check()
      if (value !== undefined && value !== false) return value
    } catch (error) {
      last = error
    }
    await delay(20)
  }
  throw new Error(
    `not within ${withinMs} ms: ${what}${last === undefined ? '' : ` (${String(last)})`}`,
  )
}

/** A real hub process on a port of its own. */
export class TestHub {
  readonly port: number
  readonly data: string
  readonly #environment: Record<string, string>
  readonly #launcher: readonly string[]
  program: Program

  private constructor(
    port: number,
    data: string,
    environment: Record<string, string>,
    launcher: readonly string[],
  ) {
    this.#launcher = launcher
    this.port = port
    this.data = data
    this.#environment = {
      CALLWARD_LISTEN: `127.0.0.1:${port}`,
      CALLWARD_DATA: data,
      CALLWARD_ADMIN_TOKEN: adminToken,
      ...environment,
    }
    this.program = new Program(hubProgram, this.#environment, [], launcher)
  }

  static async start(
    data: string,
    environment: Record<string, string> = {},
    launcher: readonly string[] = [],
  ): Promise<TestHub> {
    const hub = new TestHub(await freePort(), data, environment, launcher)
    await hub.ready()
    return hub
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  async ready(): Promise<void> {
    let ended = false
    this.program.exited.then(() => {
      ended = true
    })
    const isReady = async () => {
      if (ended) return true
      return (await fetch(`${this.url}/readyz`)).ok && this.program.output.includes('hub ready')
    }
    await until('the hub is ready', isReady, readyWithinMs)
    if (ended) throw new Error(`the hub ended at its start:\n${this.program.output}`)
  }

  /** Starts the same hub again on its data. */
  async restart(): Promise<void> {
    this.program = new Program(hubProgram, this.#environment, [], this.#launcher)
    await this.ready()
  }

  async api<T>(
    path: string,
    options: { method?: string; body?: unknown; token?: string } = {},
  ): Promise<T> {
    const response = await this.fetch(path, options)
    const text = await response.text()
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`)
    return (text === '' ? undefined : JSON.parse(text)) as T
  }

  fetch(
    path: string,
    {
      method = 'GET',
      body,
      token = adminToken,
    }: { method?: string; body?: unknown; token?: string } = {},
  ): Promise<Response> {
    return fetch(`${this.url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  }

  /** Instant PromQL: each series' labels and value. */
  async query(
    query: string,
  ): Promise<{ metric: Record<string, string>; value: [number, string] }[]> {
    const answer = await this.api<{
      data: { result: { metric: Record<string, string>; value: [number, string] }[] }
    }>(`/prom/api/v1/query?query=${encodeURIComponent(query)}`)
    return answer.data.result
  }

  /** A token of a role. */
  async token(name: string, role: string): Promise<string> {
    const { token } = await this.api<{ token: string }>('/api/v1/tokens', {
      method: 'POST',
      body: { name, role },
    })
    return token
  }

  async stop(): Promise<void> {
    if (this.program.child.exitCode === null && this.program.child.signalCode === null) {
      this.program.child.kill('SIGCONT')
      const timer = setTimeout(() => this.program.child.kill('SIGKILL'), 8000)
      await this.program.kill('SIGTERM')
      clearTimeout(timer)
    }
  }
}
