import { request } from 'node:https'
import { Readable } from 'node:stream'

/** Whether a URL names this very machine: nobody listens on the way, so its certificate need not be of that name. */
export function isOwnMachine(url: string): boolean {
  const { hostname } = new URL(url)
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.[\d.]+$/.test(hostname)
}

/** `fetch` for a hub of this machine that speaks TLS: its certificate is of its public name. */
export function loopbackFetch(
  url: string,
  options: {
    readonly method: string
    readonly headers: Record<string, string>
    readonly body?: string | Uint8Array
    readonly signal?: AbortSignal
  },
): Promise<Response> {
  const { method, headers, body, signal } = options
  return new Promise((resolve, reject) => {
    const asked = request(
      url,
      { method, headers, rejectUnauthorized: false, ...(signal === undefined ? {} : { signal }) },
      (response) => {
        const status = response.statusCode ?? 500
        const isEmpty = status === 204 || status === 304
        const told = new Headers()
        for (const [name, value] of Object.entries(response.headers))
          if (value !== undefined) told.set(name, String(value))
        if (isEmpty) response.resume()
        // Node's own stream type and the one of `Response` are the same at run time.
        const stream = isEmpty ? null : (Readable.toWeb(response) as unknown as ReadableStream)
        resolve(new Response(stream, { status, headers: told }))
      },
    )
    asked.on('error', reject)
    asked.end(body)
  })
}
