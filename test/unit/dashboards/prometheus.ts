import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A vector's or a matrix's series. */
export interface Answer {
  readonly metric: Readonly<Record<string, string>>
  readonly value?: readonly [number, string]
  readonly values?: readonly (readonly [number, string])[]
}

/** A running Prometheus over a fixed set of samples. */
export interface Prometheus {
  readonly url: string
  instant(expr: string, atMillis: number): Promise<readonly Answer[]>
  range(
    expr: string,
    startMillis: number,
    endMillis: number,
    stepSeconds: number,
  ): Promise<readonly Answer[]>
  labelValues(
    name: string,
    selector: string,
    startMillis: number,
    endMillis: number,
  ): Promise<readonly string[]>
  stop(): Promise<void>
}

/** What is missing to start one, or false. */
export function missingPrometheus(): string | false {
  const missing = ['prometheus', 'promtool'].filter(
    (name) => spawnSync(name, ['--version']).status !== 0,
  )
  return missing.length === 0 ? false : `${missing.join(' and ')} is not installed`
}

/** Loads OpenMetrics text and starts Prometheus on it at a free port. */
export async function startPrometheus(openMetrics: string): Promise<Prometheus> {
  const folder = mkdtempSync(join(tmpdir(), 'callward-prometheus-'))
  writeFileSync(join(folder, 'series.txt'), openMetrics)
  writeFileSync(join(folder, 'prometheus.yml'), 'scrape_configs: []\n')
  execFileSync(
    'promtool',
    ['tsdb', 'create-blocks-from', 'openmetrics', join(folder, 'series.txt'), join(folder, 'data')],
    { stdio: 'ignore' },
  )
  const port = await freePort()
  const child = spawn(
    'prometheus',
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      '--storage.tsdb.retention.time=100y',
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=error',
    ],
    { stdio: 'ignore' },
  )
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const url = `http://127.0.0.1:${port}`
  await ready(url)
  return {
    url,
    instant: (expr, at) => ask(url, 'query', { query: expr, time: String(at / 1000) }),
    range: (expr, start, end, step) =>
      ask(url, 'query_range', {
        query: expr,
        start: String(start / 1000),
        end: String(end / 1000),
        step: String(step),
      }),
    async labelValues(name, selector, start, end) {
      const query = new URLSearchParams({
        'match[]': selector,
        start: String(start / 1000),
        end: String(end / 1000),
      })
      const response = await fetch(`${url}/api/v1/label/${name}/values?${query}`)
      return ((await response.json()) as { data: string[] }).data
    },
    async stop() {
      child.kill()
      await ended
      rmSync(folder, { recursive: true })
    },
  }
}

async function ask(
  url: string,
  call: string,
  form: Readonly<Record<string, string>>,
): Promise<readonly Answer[]> {
  const response = await fetch(`${url}/api/v1/${call}`, {
    method: 'POST',
    body: new URLSearchParams(form),
  })
  const body = (await response.json()) as {
    status: string
    error?: string
    data: { resultType: string; result: Answer[] }
  }
  if (body.status !== 'success') throw new Error(`${form.query}: ${body.error}`)
  return body.data.result
}

async function ready(url: string): Promise<void> {
  const deadline = Date.now() + 30_000
  for (;;) {
    const response = await fetch(`${url}/-/ready`).catch(() => undefined)
    if (response?.ok === true) return
    if (Date.now() > deadline) throw new Error('Prometheus did not become ready within 30 s')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() =>
        typeof address === 'object' && address !== null
          ? resolve(address.port)
          : reject(new Error('no port')),
      )
    })
  })
}
