import { Agent, request } from 'node:http'
import { connect as connectPlain, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { EnrolmentError } from './files.ts'

const withinMilliseconds = 10_000
const answerBytes = 64 * 1024

/** What a hub answered. */
export interface HubAnswer {
  readonly status: number
  /** Undefined when the answer was no JSON. */
  readonly body: unknown
}

/** The connection was lost in the middle: what was asked may have been done. */
export class NoAnswer extends EnrolmentError {}

/**
 * One connection to a hub, on which everything is said: what was proven of it holds for all of it. The certificate is not judged
 * here. Throws EnrolmentError.
 */
export class HubCall {
  readonly socket: Socket
  readonly #url: URL
  readonly #agent: Agent

  private constructor(url: URL, socket: Socket) {
    this.#url = url
    this.socket = socket
    this.#agent = new Agent({ keepAlive: true, maxSockets: 1 })
    // Whatever the agent would open instead is another connection, of which nothing is known.
    let given = false
    this.#agent.createConnection = () => {
      if (given) throw new NoAnswer('The hub closed the connection in the middle. Try again.')
      given = true
      return socket
    }
  }

  /** `address` is http(s): or ws(s):. */
  static async open(address: string): Promise<HubCall> {
    const url = new URL(address.replace(/^ws/, 'http'))
    const secure = url.protocol === 'https:'
    const host = url.hostname.replace(/^\[|\]$/g, '')
    const port = Number(url.port || (secure ? 443 : 80))
    const name = /^[\d.]+$|:/.test(host) ? {} : { servername: host }
    const socket = secure
      ? connectTls({ host, port, ...name, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] })
      : connectPlain({ host, port })
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () => socket.destroy(new Error('no answer in 10 s')),
        withinMilliseconds,
      )
      socket.once(secure ? 'secureConnect' : 'connect', () => {
        clearTimeout(timer)
        resolve()
      })
      socket.once('error', (error: NodeJS.ErrnoException) => {
        clearTimeout(timer)
        const hint =
          secure && error.message.includes('wrong version number')
            ? ' It speaks no TLS: is the address http://?'
            : ''
        reject(
          new EnrolmentError(
            `The hub does not answer at ${url.origin} (${error.code ?? error.message}). Is it running, and can this host reach it?${hint}`,
          ),
        )
      })
    })
    socket.on('error', () => socket.destroy())
    return new HubCall(url, socket)
  }

  async post(path: string, body: object): Promise<HubAnswer> {
    const text = JSON.stringify(body)
    const root = this.#url.pathname.replace(/\/+$/, '')
    return new Promise((resolve, reject) => {
      const fail = (error: Error) => reject(this.#unanswered(error))
      const asked = request(
        {
          agent: this.#agent,
          host: this.#url.hostname,
          method: 'POST',
          path: `${root}${path}`,
          headers: {
            host: this.#url.host,
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(text),
          },
          timeout: withinMilliseconds,
        },
        (response) => {
          const parts: Buffer[] = []
          let bytes = 0
          response.on('data', (part: Buffer) => {
            bytes += part.length
            if (bytes > answerBytes) asked.destroy(new Error('the answer is too large'))
            else parts.push(part)
          })
          response.on('error', fail)
          response.on('end', () =>
            resolve({ status: response.statusCode ?? 0, body: parsed(Buffer.concat(parts)) }),
          )
        },
      )
      asked.on('timeout', () => asked.destroy(new Error('no answer in 10 s')))
      asked.on('error', fail)
      asked.end(text)
    })
  }

  #unanswered(error: Error): EnrolmentError {
    if (error instanceof EnrolmentError) return error
    const { origin, protocol } = this.#url
    return new NoAnswer(
      `The hub at ${origin} did not answer: ${error.message}. Does it speak ${protocol.slice(0, -1)} there?`,
    )
  }

  close(): void {
    this.#agent.destroy()
    this.socket.destroy()
  }
}

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    return undefined
  }
}
