import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'

/** What stands between: everything passes, or the answer is this one. */
export type Conduct =
  | 'pass'
  | 'silent'
  | 'endless'
  | { readonly status: number; readonly body: string }

/** A question as it went over the wire. */
export interface Asked {
  readonly path: string
  readonly fields: URLSearchParams
  readonly authorization: string | undefined
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of request) pieces.push(piece as Buffer)
  return Buffer.concat(pieces)
}

/** Stands before a VictoriaMetrics, notes each question and passes it on, or answers by itself. */
export class VictoriaProxy {
  conduct: Conduct = 'pass'
  readonly asked: Asked[] = []
  /** Answers that the asker broke off. */
  brokenOff = 0
  readonly #target: string
  readonly #server: Server

  private constructor(target: string) {
    this.#target = target
    this.#server = createServer((request, response) => void this.#serve(request, response))
  }

  static async start(t: Test, target: string): Promise<VictoriaProxy> {
    const proxy = new VictoriaProxy(target)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    t.teardown(() => {
      proxy.#server.closeAllConnections()
      proxy.#server.close()
    })
    return proxy
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request)
    const path = request.url ?? ''
    const isForm = request.headers['content-type']?.includes('form') === true
    if (isForm) {
      const fields = new URLSearchParams(body.toString('utf8'))
      this.asked.push({ path, fields, authorization: request.headers.authorization })
    }
    response.on('close', () => {
      if (!response.writableFinished) this.brokenOff++
    })
    // The forwarder's own questions always pass: they carry neither.
    const fields = this.asked.at(-1)?.fields
    const isReader = isForm && (fields?.has('max_lookback') || path.includes('/series'))
    if (!isReader || this.conduct === 'pass') await this.#pass(request, body, response)
    else if (this.conduct === 'endless') this.#flood(response)
    else if (this.conduct !== 'silent')
      response.writeHead(this.conduct.status).end(this.conduct.body)
  }

  async #pass(request: IncomingMessage, body: Buffer, response: ServerResponse): Promise<void> {
    try {
      const { 'content-type': type = '', 'content-encoding': encoding } = request.headers
      const answer = await fetch(`${this.#target}${request.url}`, {
        method: request.method ?? 'GET',
        headers: {
          'content-type': type,
          ...(encoding === undefined ? {} : { 'content-encoding': encoding }),
        },
        body: new Uint8Array(body),
      })
      response.writeHead(answer.status).end(Buffer.from(await answer.arrayBuffer()))
    } catch {
      response.destroy()
    }
  }

  /** Sends a vector without end, as fast as it is read. */
  #flood(response: ServerResponse): void {
    const entry = `{"metric":{"a":"${'x'.repeat(60_000)}"},"value":[1,"1"]},`
    response.writeHead(200)
    response.write('{"status":"success","data":{"resultType":"vector","result":[')
    const more = (): void => {
      while (!response.destroyed && response.write(entry));
    }
    response.on('drain', more)
    more()
  }
}
