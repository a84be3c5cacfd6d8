import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { readHubConfig } from '../config.ts'
import { type Call, CommandError, textOption, UsageError } from './command.ts'
import { isOwnMachine, loopbackFetch } from './loopback-fetch.ts'

/** A hub as a client sees it. */
export interface Hub {
  /** Without a slash at the end: `http://127.0.0.1:9770`. */
  readonly url: string
  readonly token: string
  /** Where the token came from, for messages: an option, a variable, a file. */
  readonly tokenFrom: string
  /** Calls a REST route and returns its JSON. Throws CommandError with the hub's reason and the next step. */
  call<T>(
    method: 'GET' | 'POST' | 'PUT' | 'DELETE',
    path: string,
    body?: unknown,
    timeoutMilliseconds?: number,
  ): Promise<T>
  /** Calls a route whose answer is a stream, which may last. Throws CommandError as `call` does. */
  stream(method: 'GET' | 'POST', path: string, body?: unknown): Promise<Response>
}

/** A body that is sent as it is, not as JSON. */
export class RawText {
  readonly type: string
  readonly text: string

  constructor(type: string, text: string) {
    this.type = type
    this.text = text
  }
}

const defaultUrl = 'http://127.0.0.1:9770'
const timeoutMs = 15_000

/** The hub that options and environment name. Throws UsageError for a bad address, CommandError without a token. */
export function hubOf(call: Call): Hub {
  const { environment } = call.terminal
  const url = hubUrl(textOption(call, 'hub') ?? (environment.CALLWARD_HUB || localHub(environment)))
  const { token, from } = findToken(call)
  return {
    url,
    token,
    tokenFrom: from,
    call: async <T>(
      method: string,
      path: string,
      body?: unknown,
      timeoutMilliseconds = timeoutMs,
    ) => {
      const limit = timeoutMilliseconds
      const { text } = await request(url, token, from, method, path, body, limit, textOf)
      return parsed<T>(text, url)
    },
    stream: (method, path, body) =>
      request(url, token, from, method, path, body, undefined, async (response) => response),
  }
}

async function textOf(response: Response): Promise<{ text: string }> {
  return { text: await response.text() }
}

/** Address for REST; a collector's `ws://…/session` is understood. Throws UsageError. */
export function hubUrl(text: string): string {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw new UsageError(`"${text}" is no address of a hub. Example: --hub http://127.0.0.1:9770`)
  }
  if (!['http:', 'https:', 'ws:', 'wss:'].includes(url.protocol)) {
    throw new UsageError(
      `The hub's address starts with http:// or https://, not ${url.protocol}//.`,
    )
  }
  const scheme = url.protocol === 'https:' || url.protocol === 'wss:' ? 'https' : 'http'
  const path = url.pathname.replace(/\/(session|live)?\/?$/, '')
  return `${scheme}://${url.host}${path}`
}

function findToken(call: Call): { token: string; from: string } {
  const given = textOption(call, 'token')
  if (given !== undefined) return { token: given.trim(), from: '--token' }
  const { environment } = call.terminal
  for (const name of ['CALLWARD_TOKEN', 'CALLWARD_ADMIN_TOKEN']) {
    const token = environment[name]?.trim()
    if (token !== undefined && token !== '') return { token, from: name }
  }
  const folders = environment.CALLWARD_DATA ? [environment.CALLWARD_DATA] : dataFolders
  const files = folders
    .map((folder) => join(folder, 'hub', 'terminal.token'))
    .sort((a, b) => modified(b) - modified(a))
  for (const path of files) {
    const token = contentOf(path)
    if (token !== '') return { token, from: path }
  }
  throw new CommandError(
    `No token. Set CALLWARD_TOKEN, or run this where the hub keeps its data (no ${files.join(' and no ')}).\n` +
      'An administrator makes one: callward token create --name YOU --role operator',
  )
}

/** The hub of this machine, where its configuration says it listens. */
function localHub(environment: Call['terminal']['environment']): string {
  const listen = environment.CALLWARD_LISTEN
  const address = listen ? listen.replace(/^(0\.0\.0\.0|\[::\]|):/, '127.0.0.1:') : undefined
  const { CALLWARD_CONFIG: file, CALLWARD_TLS_CERTIFICATE: certificate } = environment
  if (!file && !certificate) return address === undefined ? defaultUrl : `http://${address}`
  try {
    const { host, port, tls } = readHubConfig(environment)
    const own = host === '::' || host === '0.0.0.0' ? '127.0.0.1' : host
    return `${tls === undefined ? 'http' : 'https'}://${own.includes(':') ? `[${own}]` : own}:${port}`
  } catch {
    // Its faults are the hub's to tell, at its start.
    return address === undefined ? defaultUrl : `http://${address}`
  }
}

/** Where `callward start` keeps its data when nothing else is said: the hub's own, the demo's. */
const dataFolders = ['./data', './data-demo']

/** When the hub last wrote a file, milliseconds; 0 when there is none: of two hubs, the one started last. */
function modified(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}

function contentOf(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return ''
    throw new CommandError(
      `The token in ${path} cannot be read (${code}). Run this as the hub's user, or set CALLWARD_TOKEN.`,
    )
  }
}

async function request<T>(
  url: string,
  token: string,
  from: string,
  method: string,
  path: string,
  body: unknown,
  limitMilliseconds: number | undefined,
  read: (response: Response) => Promise<T>,
): Promise<T> {
  let response: Response
  let refused: string
  try {
    const ask = url.startsWith('https:') && isOwnMachine(url) ? loopbackFetch : fetch
    response = await ask(`${url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        accept: 'application/json, */*;q=0.5',
        ...(body === undefined ? {} : { 'content-type': typeOf(body) }),
      },
      ...(body === undefined ? {} : { body: textOrBytes(body) }),
      ...(limitMilliseconds === undefined
        ? {}
        : { signal: AbortSignal.timeout(limitMilliseconds) }),
    })
    if (response.ok) return await read(response)
    refused = await response.text()
  } catch (error) {
    throw new CommandError(unreachable(url, error, limitMilliseconds))
  }
  throw new CommandError(refusal(response.status, refused, from))
}

function typeOf(body: unknown): string {
  if (body instanceof RawText) return body.type
  return body instanceof Uint8Array ? 'application/octet-stream' : 'application/json'
}

/** Bytes go as they are, all else as JSON. */
function textOrBytes(body: unknown): string | Uint8Array {
  if (body instanceof RawText) return body.text
  return body instanceof Uint8Array ? body : JSON.stringify(body)
}

/** What to say when nothing answers at an address, or not in the time it had. */
export function unreachable(url: string, error: unknown, limitMilliseconds = timeoutMs): string {
  const { cause } = error as { cause?: NodeJS.ErrnoException }
  const timedOut = (error as Error).name === 'TimeoutError'
  const reason = timedOut
    ? `no answer in ${limitMilliseconds / 1000} s`
    : (cause?.code ?? (error as NodeJS.ErrnoException).code)
  return `The hub does not answer at ${url}${reason === undefined ? '' : ` (${reason})`}: is it running? Start it with: npm start\nFor a hub elsewhere give --hub URL or set CALLWARD_HUB.`
}

/** What to say when the hub refuses; `from` is where the token came from. */
export function refusal(status: number, body: string, from: string): string {
  let message = `The hub answered with status ${status}.`
  try {
    const { error } = JSON.parse(body) as {
      error: { message: string; missing?: readonly { text: string }[] }
    }
    message = listed(error.message, error.missing ?? [])
  } catch {
    // Not the hub's own answer (a proxy's page, say): the status has to do.
  }
  if (status !== 401) return message
  return `The hub refuses the token from ${from}: it is unknown, revoked or expired.\nAn administrator makes one: callward token create --name YOU --role operator`
}

/** Several things that are missing stand below each other. */
function listed(message: string, missing: readonly { readonly text: string }[]): string {
  if (missing.length < 2) return message
  const head = message.split(': ')[0] ?? message
  return [`${head}:`, ...missing.map(({ text }) => `  ${text}`)].join('\n')
}

function parsed<T>(text: string, url: string): T {
  try {
    // The hub's own schemas vouch for the shape.
    return (text === '' ? undefined : JSON.parse(text)) as T
  } catch {
    throw new CommandError(`What answers at ${url} is not a Callward hub. Check --hub.`)
  }
}
