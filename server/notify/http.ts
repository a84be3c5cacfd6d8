import { request as plainRequest } from 'node:http'
import { request as tlsRequest } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import { classOf, ForbiddenAddress, type Guard } from './guard.ts'

/** A request to a provider; the body is UTF-8. */
export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  /** PEM of the authority to trust instead of the public ones. */
  readonly authority?: string
}

/** What a provider answered; the body is cut at `answerBytes`. */
export interface HttpAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: string
}

/** Most that is read of an answer. */
export const answerBytes = 64 * 1024

/**
 * Sends one request to a checked address: the name is resolved once, by the guard, and the connection goes to what it gave.
 * No redirect is followed, no proxy of the environment used, no connection kept. Rejects with ForbiddenAddress, the
 * socket's error, or the signal's reason.
 */
export async function guardedRequest(
  guard: Guard,
  request: HttpRequest,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  const url = new URL(request.url)
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    throw new ForbiddenAddress(`${url.protocol}// is not taken; an address starts with https://`)
  const isTls = url.protocol === 'https:'
  const port = Number(url.port) || (isTls ? 443 : 80)
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const addresses = await abortable(guard.addressesOf(host, port), signal)
  if (!isTls && addresses.some((address) => classOf(address) === undefined))
    throw new ForbiddenAddress(
      'http:// to the public internet would show the message to everybody on the way; use https://',
    )
  return new Promise<HttpAnswer>((resolve, reject) => {
    const options = {
      method: request.method,
      headers: {
        'user-agent': 'Callward',
        ...request.headers,
        ...(request.body === undefined
          ? {}
          : { 'content-length': String(Buffer.byteLength(request.body)) }),
      },
      agent: false as const,
      lookup: pinned(addresses),
      // Node gives each of several addresses 250 ms, which a far provider does not keep.
      autoSelectFamilyAttemptTimeout: 2500,
      signal,
      ...(isTls && isIP(host) === 0 ? { servername: host } : {}),
      ...(request.authority === undefined ? {} : { ca: request.authority }),
    }
    const sent = (isTls ? tlsRequest : plainRequest)(url, options, (answer) => {
      const chunks: Buffer[] = []
      let bytes = 0
      const done = () => {
        const body = Buffer.concat(chunks).subarray(0, answerBytes).toString('utf8')
        resolve({ status: answer.statusCode ?? 0, headers: flat(answer.headers), body })
        answer.destroy()
      }
      answer.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        bytes += chunk.length
        if (bytes >= answerBytes) done()
      })
      answer.on('end', done)
      answer.on('error', reject)
    })
    sent.on('error', reject)
    sent.end(request.body)
  })
}

/** Rejects with the signal's reason as soon as it is aborted. */
export function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const stop = () => reject(signal.reason)
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}

function pinned(addresses: readonly string[]): LookupFunction {
  const all = addresses.map((address) => ({ address, family: isIP(address) }))
  return (_name, options, done) => {
    const [first] = all
    if (first === undefined) return done(new Error('BUG: no checked address'), '')
    if (options.all === true) done(null, all)
    else done(null, first.address, first.family)
  }
}

function flat(
  headers: Readonly<Record<string, string | string[] | undefined>>,
): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(', ') : value,
    ]),
  )
}
