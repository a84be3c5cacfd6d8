import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { freePort, until } from '../helpers/hub.ts'

/** Why tests with the real program are skipped; false when they run. */
export function withoutInflux(): string | false {
  try {
    execFileSync('influxd', ['version'], { stdio: 'pipe' })
    return false
  } catch {
    if (process.env.CALLWARD_REQUIRE_PEERS === '1')
      throw new Error('influxd is not installed: apt-get install influxdb')
    return 'influxd is not installed'
  }
}

interface Series {
  readonly name: string
  readonly tags?: Readonly<Record<string, string>>
  readonly columns: readonly string[]
  readonly values: readonly (readonly (string | number | null)[])[]
}

/** A real InfluxDB that can be killed and started again on the same data and port. */
export class InfluxPeer {
  readonly url: string
  readonly #folder: string
  #child: ChildProcess | undefined

  private constructor(port: number, folder: string) {
    this.#folder = folder
    this.url = `http://127.0.0.1:${port}`
  }

  /** Not started yet; gone with its data when the test ends. */
  static async prepare(t: Test, { auth = false } = {}): Promise<InfluxPeer> {
    const folder = mkdtempSync(join(tmpdir(), 'callward-influx-'))
    const [port, backup] = [await freePort(), await freePort()]
    writeFileSync(
      join(folder, 'influxdb.conf'),
      `reporting-disabled = true
bind-address = "127.0.0.1:${backup}"
[meta]
dir = "${folder}/meta"
[data]
dir = "${folder}/data"
wal-dir = "${folder}/wal"
[http]
bind-address = "127.0.0.1:${port}"
auth-enabled = ${auth}
log-enabled = false
[monitor]
store-enabled = false
[logging]
level = "error"
`,
    )
    const peer = new InfluxPeer(port, folder)
    t.teardown(async () => {
      await peer.kill()
      rmSync(folder, { recursive: true, force: true })
    })
    return peer
  }

  async launch(): Promise<void> {
    this.#child = spawn('influxd', ['-config', join(this.#folder, 'influxdb.conf')], {
      stdio: 'ignore',
    })
    await until('InfluxDB is ready', async () => (await fetch(`${this.url}/ping`)).ok, 60_000)
  }

  /** As a power cut does to the process: nothing is written any more. */
  async kill(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }

  /** The series of the first statement of a query, times in milliseconds. Throws what InfluxDB says is wrong. */
  async query(q: string, db = 'callward'): Promise<readonly Series[]> {
    const answer = await fetch(`${this.url}/query`, {
      method: 'POST',
      body: new URLSearchParams({ q, db, epoch: 'ms' }),
    })
    const { results, error } = (await answer.json()) as {
      readonly error?: string
      readonly results?: readonly { readonly error?: string; readonly series?: readonly Series[] }[]
    }
    const fault = error ?? results?.[0]?.error
    if (fault !== undefined) throw new Error(`${fault}: ${q}`)
    return results?.[0]?.series ?? []
  }
}
