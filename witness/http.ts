import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { readAddCheckpoint } from './add-checkpoint.ts'
import { originHash } from './shelf.ts'
import type { Answer, Witness } from './witness.ts'

/** Most that is read of a request. */
export const bodyBytesMax = 64 * 1024
/** Requests that wait for their turn; those beyond are told to come back. */
const waitingMax = 64
const requestMillis = 10_000

export interface ServeOptions {
  readonly witness: Witness
  /** Told of each answer, after it is sent. */
  readonly onAnswer: (answer: Answer) => void
  readonly onFault: (error: unknown) => void
}

/** A witness over HTTP (C2SP tlog-witness): `POST /add-checkpoint`, `GET /<origin hash>/checkpoint`. Does not listen yet. */
export function witnessServer(options: ServeOptions): Server {
  let waiting = 0
  const server = createServer((request, response) => {
    if (waiting >= waitingMax) {
      say(response, 503, 'Too many requests at once; come back.\n')
      return
    }
    waiting += 1
    answer(request, response, options)
      .catch((error: unknown) => {
        options.onFault(error)
        say(response, 500, 'Nothing was signed: what would be signed cannot be kept.\n')
      })
      .finally(() => {
        waiting -= 1
      })
  })
  server.requestTimeout = requestMillis
  server.headersTimeout = requestMillis
  server.maxConnections = 256
  return server
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { witness, onAnswer }: ServeOptions,
): Promise<void> {
  const path = (request.url ?? '').split('?')[0]
  const [, hash] = /^\/([0-9a-f]{64})\/checkpoint$/.exec(path ?? '') ?? []
  if (hash !== undefined && (request.method === 'GET' || request.method === 'HEAD')) {
    const held = witness.logs().find(({ origin }) => originHash(origin) === hash)
    if (held === undefined) say(response, 404, 'This witness has cosigned nothing of that log.\n')
    else say(response, 200, held.note)
    return
  }
  if (path !== '/add-checkpoint') return say(response, 404, 'There is nothing here.\n')
  if (request.method !== 'POST') return say(response, 405, 'Checkpoints come by POST.\n')
  const body = await bodyOf(request)
  const submission = body === undefined ? undefined : readAddCheckpoint(body)
  if (submission === undefined) return say(response, 400, 'This is no add-checkpoint request.\n')
  const found = await witness.add(submission)
  if (found.kind === 'cosigned') say(response, 200, found.line)
  else if (found.status === 409 && found.size !== undefined)
    say(response, 409, `${found.size}\n`, 'text/x.tlog.size')
  else say(response, found.status, `${found.reason}\n`)
  onAnswer(found)
}

/** Undefined when it is too long, no UTF-8, or breaks off. */
async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length
      // What is a little too long is read to its end, so that the answer is; leaving the loop cuts the connection.
      if (bytes > 8 * bodyBytesMax) return undefined
      if (bytes <= bodyBytesMax) chunks.push(chunk)
    }
    if (bytes > bodyBytesMax) return undefined
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(chunks))
  } catch {
    return undefined
  }
}

function say(
  response: ServerResponse,
  status: number,
  text: string,
  type = 'text/plain; charset=utf-8',
): void {
  if (response.headersSent || response.destroyed) return
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(text),
    'x-content-type-options': 'nosniff',
  })
  response.end(text)
}
