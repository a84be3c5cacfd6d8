import { WitnessFault } from './witness-fault.ts'

/** A hub as a witness asks it. */
export interface HubClient {
  text(path: string): Promise<string>
  json<T>(path: string): Promise<T>
  /** The status with what the hub said. */
  post(path: string, body: unknown): Promise<{ readonly status: number; readonly message: string }>
}

const timeoutMillis = 10_000
const answerBytesMax = 64 * 1024

/** Asks a hub with a token: no redirect, 10 s, 64 KiB an answer. Its methods throw WitnessFault. */
export function hubClient(url: string, token: string, ask: typeof fetch = fetch): HubClient {
  const base = url.replace(/\/+$/, '')
  const call = async (path: string, body?: unknown) => {
    try {
      const response = await ask(`${base}${path}`, {
        method: body === undefined ? 'GET' : 'POST',
        redirect: 'error',
        signal: AbortSignal.timeout(timeoutMillis),
        headers: {
          authorization: `Bearer ${token}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      return { status: response.status, text: await limited(response) }
    } catch (error) {
      if (error instanceof WitnessFault) throw error
      const { cause, message } = error as Error & { cause?: NodeJS.ErrnoException }
      throw new WitnessFault(
        `The hub does not answer at ${base} (${cause?.code ?? cause?.message ?? message}). Nothing was signed; run this again when it can be reached.`,
      )
    }
  }
  const good = async (path: string) => {
    const { status, text } = await call(path)
    if (status === 200) return text
    if (status === 401 || status === 403)
      throw new WitnessFault(
        `The hub refuses the token (${status}). A witness needs one of the role auditor: callward token create --name witness --role auditor`,
      )
    throw new WitnessFault(`The hub answers ${path} with ${status}: ${messageOf(text)}`)
  }
  return {
    text: good,
    json: async <T>(path: string) => parsed<T>(await good(path), base),
    post: async (path, body) => {
      const { status, text } = await call(path, body)
      return { status, message: messageOf(text) }
    },
  }
}

async function limited(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += chunk.length
    if (bytes > answerBytesMax)
      throw new WitnessFault(
        `The hub's answer is longer than ${answerBytesMax} bytes: that is no answer of a Callward hub.`,
      )
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parsed<T>(text: string, base: string): T {
  try {
    // Whoever uses it checks what it reads.
    return JSON.parse(text) as T
  } catch {
    throw new WitnessFault(`What answers at ${base} is no Callward hub. Check --hub.`)
  }
}

function messageOf(text: string): string {
  try {
    return String((JSON.parse(text) as { error: { message: string } }).error.message)
  } catch {
    return text.slice(0, 200).replace(/[^\x20-\x7e]/g, ' ')
  }
}
