import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildApp } from '../../server/app.ts'
import { systemClock } from '../../server/clock.ts'
import { readHubConfig } from '../../server/config.ts'
import { prepareDataFolder } from '../../server/first-start.ts'
import { adminToken, freePort, until } from '../helpers/hub.ts'
import { remoteWriteBody, type SentSeries } from '../helpers/write-encoders.ts'

export interface HttpAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** A request as both sides get it; the path begins at `/api/v1` or `/`. */
export interface HttpRequest {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE'
  readonly path: string
  /** Fields of a form, sent as the body. */
  readonly form?: readonly (readonly [string, string])[]
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer
}

/** Something that speaks Prometheus's HTTP API. */
export interface Peer {
  ask(request: HttpRequest): Promise<HttpAnswer>
  stop(): Promise<void>
}

/** A hub; `listen` opens a port for what does not go by requests and gives its URL. */
export interface HubPeer extends Peer {
  listen(): Promise<string>
}

const writeHeaders = {
  'content-type': 'application/x-protobuf',
  'content-encoding': 'snappy',
  'x-prometheus-remote-write-version': '0.1.0',
}

/** Sends the requests by remote write, one after the other. */
export async function fill(
  peer: Peer,
  requests: readonly (readonly SentSeries[])[],
): Promise<void> {
  for (const series of requests) {
    const body = remoteWriteBody(series)
    const answer = await peer.ask({
      method: 'POST',
      path: '/api/v1/write',
      headers: writeHeaders,
      body,
    })
    if (answer.status !== 204) throw new Error(`write: ${answer.status} ${answer.body}`)
  }
}

/** Whether Debian's Prometheus is here. */
export function prometheusInstalled(): boolean {
  try {
    execFileSync('prometheus', ['--version'], { stdio: 'pipe' })
    return true
  } catch {
    return false
  }
}

function formOf({ form, headers, body }: HttpRequest) {
  if (form === undefined) return { headers: { ...headers }, body }
  const text = form.map((pair) => pair.map(encodeURIComponent).join('=')).join('&')
  const type = { 'content-type': 'application/x-www-form-urlencoded' }
  return { headers: { ...type, ...headers }, body: Buffer.from(text) }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  await once(child, 'exit')
}

/** A Prometheus with remote write and nothing to scrape; `config` is its configuration as JSON. */
export async function startPrometheus(config: object = {}): Promise<Peer> {
  const folder = mkdtempSync(join(tmpdir(), 'callward-prometheus-'))
  mkdirSync(join(folder, 'data'))
  writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify(config))
  const port = await freePort()
  const child = spawn(
    'prometheus',
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      '--storage.tsdb.retention.time=100y',
      '--web.enable-remote-write-receiver',
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=error',
    ],
    { stdio: 'ignore' },
  )
  const url = `http://127.0.0.1:${port}`
  const stop = async () => {
    await end(child)
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    await until(
      'prometheus is ready',
      async () => child.exitCode === null && (await fetch(`${url}/-/ready`)).ok,
      30_000,
    )
  } catch (cause) {
    await stop()
    throw cause
  }
  return {
    async ask(request) {
      const { headers, body } = formOf(request)
      const answer = await fetch(`${url}${request.path}`, {
        method: request.method ?? 'GET',
        headers,
        ...(body === undefined ? {} : { body: new Uint8Array(body) }),
      })
      return {
        status: answer.status,
        headers: Object.fromEntries(answer.headers),
        body: await answer.text(),
      }
    },
    stop,
  }
}

/** A whole hub in this process that keeps samples of any time. */
export async function startHub(environment: Record<string, string> = {}): Promise<HubPeer> {
  const folder = mkdtempSync(join(tmpdir(), 'callward-hub-'))
  const config = readHubConfig({
    CALLWARD_DATA: folder,
    CALLWARD_ADMIN_TOKEN: adminToken,
    CALLWARD_LOG: 'silent',
    CALLWARD_RETENTION: '0',
    ...environment,
  })
  prepareDataFolder(config)
  const app = await buildApp(config, systemClock)
  await app.ready()
  const authorization = `Bearer ${adminToken}`
  let listening: Promise<string> | undefined
  return {
    listen() {
      listening ??= app.listen({ host: '127.0.0.1', port: 0 })
      return listening
    },
    async ask(request) {
      const { headers, body } = formOf(request)
      const answer = await app.inject({
        method: request.method ?? 'GET',
        // The hub's own paths stand beside Prometheus's.
        url: /^\/(influx|otlp)/.test(request.path) ? request.path : `/prom${request.path}`,
        headers: { authorization, ...headers },
        ...(body === undefined ? {} : { payload: body }),
      })
      return {
        status: answer.statusCode,
        headers: answer.headers as Record<string, string>,
        body: answer.body,
      }
    },
    async stop() {
      await app.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
