import { type ChildProcess, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { Agent, get, type IncomingHttpHeaders, request } from 'node:http'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'

export { repeats, settings, sized } from './settings.ts'

/** Figures of one subject for one row: one a repeat, or why there are none. */
export type Figures = readonly number[] | string

/** One line of a table. */
export interface Row {
  readonly name: string
  readonly unit: string
  /** Which direction is good. */
  readonly better: 'more' | 'less'
  /** By subject; the first subject of the result is Callward. */
  readonly figures: Readonly<Record<string, Figures>>
  readonly goal?: Goal
}

/** What Callward's median is held against: a figure in the row's unit, or a peer's median times a factor. */
export type Bound = { readonly is: number } | { readonly times: number; readonly peer: string }

/** What is aimed at, and what is the least. */
export interface Goal {
  readonly reach: Bound
  readonly floor: Bound
}

export const prometheusName = 'Prometheus'
export const victoriaName = 'VictoriaMetrics'

/** What one benchmark found. */
export interface Result {
  readonly title: string
  /** Callward first, then its peers. */
  readonly subjects: readonly string[]
  readonly rows: readonly Row[]
  /** What a reader must know to judge the rows. */
  readonly notes: readonly string[]
}

export interface Benchmark {
  readonly name: string
  run(): Promise<Result>
}

export const callward = 'Callward'

/** Lets rows be filled by subject while the subjects take turns. */
export class Sheet {
  readonly #rows = new Map<string, Row & { figures: Record<string, number[] | string> }>()

  add(row: Omit<Row, 'figures'>, subject: string, figure: number | string): void {
    const known = this.#rows.get(row.name) ?? { ...row, figures: {} }
    this.#rows.set(row.name, known)
    const former = known.figures[subject]
    if (typeof figure === 'string') known.figures[subject] = figure
    else known.figures[subject] = Array.isArray(former) ? [...former, figure] : [figure]
  }

  /** Rows in the order of their first figure. */
  get rows(): Row[] {
    return [...this.#rows.values()]
  }
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** Nearest-rank quantile, `q` from 0 to 1; NaN of nothing. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const rank = Math.max(0, Math.ceil(q * sorted.length) - 1)
  return sorted[rank] ?? Number.NaN
}

/** A line for whoever waits, on stderr. */
export function progress(text: string): void {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`)
}

/** What is left to be undone when the process ends early: programs to kill, then folders to remove. */
const running = new Set<ChildProcess>()
const folders = new Set<string>()

/** Kills a program with this process, however that ends (SIGKILL apart). */
export function endWithUs(child: ChildProcess): void {
  running.add(child)
  child.once('exit', () => running.delete(child))
}

process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
  for (const folder of folders) remove(folder)
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.once(signal, () => process.exit(1))

function remove(folder: string): void {
  // A killed program may still be writing for a moment.
  rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  folders.delete(folder)
}

/** Runs `work` with a new folder that is removed afterwards. */
export async function inScratch<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'callward-bench-'))
  folders.add(folder)
  try {
    return await work(folder)
  } finally {
    remove(folder)
  }
}

let lasting: string | undefined

/** A folder that lasts until this process ends. */
export function lastingScratch(): string {
  if (lasting === undefined) {
    lasting = mkdtempSync(join(tmpdir(), 'callward-bench-'))
    folders.add(lasting)
  }
  return lasting
}

/** The cores that servers and load have to themselves, when there are two and `taskset` is there. */
const cores = { server: '0', load: '1' }

export const canPin =
  cpus().length > 1 && spawnSync('taskset', ['-p', String(process.pid)]).status === 0

/** What stands before a server's command line to give it its core. */
export const serverLauncher: readonly string[] = canPin ? ['taskset', '-c', cores.server] : []

/** Moves this process, with its threads and later children, to the core of the load. */
export function pinLoad(): void {
  if (canPin) spawnSync('taskset', ['-acp', cores.load, String(process.pid)])
}

const clockTicksPerSecond = 100

/** User and system CPU of a process so far, all its threads; and of its children that have ended. Seconds, in steps of 10 ms. */
export function cpuSeconds(pid: number): { own: number; ended: number } {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const at = (index: number) => Number(fields[index]) / clockTicksPerSecond
  return { own: at(11) + at(12), ended: at(13) + at(14) }
}

/** CPU of the living threads of a process in seconds, to the nanosecond; for figures that ticks are too coarse for. */
export function runSeconds(pid: number): number {
  let nanoseconds = 0
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const text = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1')
    nanoseconds += Number(text.split(' ')[0])
  }
  return nanoseconds / 1e9
}

/** Seconds that the living threads of a process have waited for a core: how much other work was in the way. */
export function waitSeconds(pid: number): number {
  let nanoseconds = 0
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const text = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1')
    nanoseconds += Number(text.split(' ')[1])
  }
  return nanoseconds / 1e9
}

/** Resident memory of a process in MiB: all of it, the part that no file backs, and the most there ever was. */
export function residentMebibytes(pid: number): {
  all: number
  anonymous: number
  peak: number
} {
  const text = readFileSync(`/proc/${pid}/status`, 'latin1')
  const of = (key: string) =>
    Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? Number.NaN) / 1024
  return { all: of('VmRSS'), anonymous: of('RssAnon'), peak: of('VmHWM') }
}

/** Where a subject is asked. */
export interface Target {
  readonly name: string
  readonly pid: number
  /** Base of its Prometheus API, up to and with `/api/v1`. */
  readonly prometheusApi: string
  readonly headers: Readonly<Record<string, string>>
  /** Further parameters of each query. */
  readonly parameters: Readonly<Record<string, string>>
}

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

const keepAlive = new Agent({ keepAlive: true })

/** One HTTP request on a kept connection. */
export function http(
  url: string,
  { headers = {}, method = 'GET', body, agent = keepAlive }: HttpOptions = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers: { ...headers }, agent }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks),
        }),
      )
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

export interface HttpOptions {
  readonly headers?: Readonly<Record<string, string>>
  readonly method?: string
  readonly body?: Buffer
  readonly agent?: Agent
}

/** Whether a URL answers 2xx now, over a connection of its own. */
export function answers(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    get(url, { agent: false }, (response) => {
      response.resume()
      resolve((response.statusCode ?? 500) < 300)
    }).on('error', () => resolve(false))
  })
}

/** Path and parameters of a PromQL request. */
export function promqlUrl(
  target: Target,
  path: 'query' | 'query_range',
  parameters: Readonly<Record<string, string>>,
): string {
  return `${target.prometheusApi}/${path}?${new URLSearchParams({ ...parameters, ...target.parameters })}`
}

/** First value of an instant query; 0 when nothing matches. Throws when the answer is not 2xx. */
export async function instantValue(target: Target, query: string, at: number): Promise<number> {
  const url = promqlUrl(target, 'query', { query, time: String(at / 1000) })
  const { status, body } = await http(url, { headers: target.headers })
  if (status >= 300) throw new Error(`${target.name}: ${query}: ${status} ${body.toString()}`)
  const answer = JSON.parse(body.toString()) as {
    data: { result: { value: [number, string] }[] }
  }
  return Number(answer.data.result[0]?.value[1] ?? 0)
}
