import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { freePort, until } from '../helpers/hub.ts'

/** Whether Debian's VictoriaMetrics is here. */
export function victoriaInstalled(): boolean {
  try {
    execFileSync('victoria-metrics', ['--version'], { stdio: 'pipe' })
    return true
  } catch {
    return false
  }
}

/** Why tests with the real program are skipped; false when they run. */
export function withoutVictoria(): string | false {
  if (victoriaInstalled()) return false
  if (process.env.CALLWARD_REQUIRE_PEERS === '1')
    throw new Error('victoria-metrics is not installed: apt-get install victoria-metrics')
  return 'victoria-metrics is not installed'
}

/** A real VictoriaMetrics that can be killed and started again on the same data and port. */
export class VictoriaPeer {
  readonly url: string
  readonly #port: number
  readonly #folder: string
  #child: ChildProcess | undefined

  private constructor(port: number, folder: string) {
    this.#port = port
    this.#folder = folder
    this.url = `http://127.0.0.1:${port}`
  }

  /** Not started yet; gone with its data when the test ends. */
  static async prepare(t: Test): Promise<VictoriaPeer> {
    const folder = mkdtempSync(join(tmpdir(), 'callward-victoria-'))
    const peer = new VictoriaPeer(await freePort(), folder)
    t.teardown(async () => {
      await peer.kill()
      rmSync(folder, { recursive: true, force: true })
    })
    return peer
  }

  async launch(): Promise<void> {
    this.#child = spawn(
      'victoria-metrics',
      [
        `-storageDataPath=${this.#folder}`,
        `-httpListenAddr=127.0.0.1:${this.#port}`,
        '-retentionPeriod=100y',
        '-search.latencyOffset=0s',
      ],
      { stdio: 'ignore' },
    )
    await until(
      'VictoriaMetrics is ready',
      async () => (await fetch(`${this.url}/health`)).ok,
      30_000,
    )
  }

  /** As a power cut does to the process: nothing is written any more. */
  async kill(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }

  /** Times and values of every series of a metric, as they stand on its disk, by the label `n`. */
  async raw(metric: string): Promise<Map<string, { times: number[]; values: (number | null)[] }>> {
    const answer = await fetch(`${this.url}/api/v1/export`, {
      method: 'POST',
      body: new URLSearchParams([
        ['match[]', metric],
        ['start', '0'],
      ]),
    })
    const lines = (await answer.text()).split('\n').filter((line) => line !== '')
    return new Map(
      lines.map((line) => {
        const { metric: labels, timestamps, values } = JSON.parse(line)
        return [labels.n as string, { times: timestamps, values }]
      }),
    )
  }

  /** The sum of `count_over_time` over all series of a metric in `(end - seconds, end]`. */
  async count(metric: string, seconds: number, end: number): Promise<number> {
    const query = `sum(count_over_time(${metric}[${seconds}s]))`
    const form = new URLSearchParams({ query, time: String(end / 1000), nocache: '1' })
    const answer = await fetch(`${this.url}/api/v1/query`, { method: 'POST', body: form })
    const { data } = (await answer.json()) as {
      data: { result: { value: [number, string] }[] }
    }
    return Number(data.result[0]?.value[1] ?? 0)
  }
}
