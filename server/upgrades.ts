import { randomUUID } from 'node:crypto'
import { type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { Counter, Gauge, type Registry } from 'prom-client'
import { CallwardError, type ErrorCode } from './errors.ts'

/** Takes over a WebSocket upgrade of its path; answers a refusal with `refuseUpgrade` or throws CallwardError. */
export type UpgradeHandler = (
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
) => Promise<void> | void

/** Which path's WebSocket upgrades go to whom. */
export interface Upgrades {
  /** `path` is exact, without query (`/live`); a path registers once, before the hub listens. */
  register(path: string, handler: UpgradeHandler): void
  /** Upgraded or upgrading sockets that are open now. */
  readonly open: number
}

declare module 'fastify' {
  interface FastifyInstance {
    upgrades: Upgrades
  }
}

export interface UpgradeOptions {
  /** Open sockets of all paths together; one more is answered 503. */
  readonly maxSockets?: number
  /** Milliseconds a stopping hub waits for its sockets to end by themselves. */
  readonly stopMs?: number
}

const defaultMaxSockets = 12_000
const defaultStopMs = 3000

/** Sorts WebSocket upgrades by path and answers those nobody takes; checks Host as the gate does for requests. */
export const upgradesPlugin = fp(
  async (app, { maxSockets = defaultMaxSockets, stopMs = defaultStopMs }: UpgradeOptions) => {
    const handlers = new Map<string, UpgradeHandler>()
    const sockets = new Set<Duplex>()
    const refused = upgradeMetrics(app, () => sockets.size)
    let stopping = false

    app.decorate('upgrades', {
      register(path, handler) {
        if (handlers.has(path)) throw new Error(`BUG: upgrades of ${path} are taken already`)
        handlers.set(path, handler)
      },
      get open() {
        return sockets.size
      },
    })

    app.server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      // Without a listener a peer's reset would end the process.
      socket.on('error', () => socket.destroy())
      admit(request, socket, head).catch((error: unknown) => refuse(request, socket, error))
    })

    async function admit(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
      if (stopping) throw new CallwardError('unavailable')
      const handler = handlers.get(pathOf(request))
      if (handler === undefined) throw new CallwardError('not_found', notFoundHint(handlers))
      if (request.headers.upgrade?.toLowerCase() !== 'websocket' || request.method !== 'GET') {
        throw new CallwardError(
          'bad_request',
          'Only WebSocket upgrades (GET, Upgrade: websocket) are answered here.',
        )
      }
      if (hostRefused(app, request)) throw new CallwardError('host_not_allowed')
      if (sockets.size >= maxSockets) {
        throw new CallwardError(
          'unavailable',
          `The hub holds its limit of ${maxSockets} open sockets; try again later.`,
        )
      }
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
      await handler(request, socket, head)
    }

    function refuse(request: IncomingMessage, socket: Duplex, error: unknown): void {
      const shown = error instanceof CallwardError ? error : new CallwardError('internal')
      refused?.labels(shown.code).inc()
      const requestId = refuseUpgrade(socket, shown.code, shown.message)
      if (shown !== error)
        app.log.error({ err: error, url: pathOf(request), requestId }, 'an upgrade failed')
    }

    app.addHook('preClose', async () => {
      stopping = true
      // Each path says goodbye to its own sockets; whoever is left would hold the server open.
      const timer = setTimeout(() => {
        for (const socket of sockets) socket.destroy()
      }, stopMs)
      app.server.once('close', () => clearTimeout(timer))
    })
  },
  { name: 'callward-upgrades' },
)

/**
 * Answers an upgrade with an HTTP error in the shape of all REST errors and ends the socket. Returns the
 * request id that the answer carries.
 */
export function refuseUpgrade(socket: Duplex, code: ErrorCode, message?: string): string {
  const { status, message: text } = new CallwardError(code, message)
  const requestId = randomUUID()
  const body = JSON.stringify({ error: { code, message: text, requestId } })
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    'Connection: close',
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...(status === 401 ? ['WWW-Authenticate: Bearer realm="callward"'] : []),
  ]
  if (socket.writable) socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy())
  else socket.destroy()
  return requestId
}

/** Path of a request without its query. */
function pathOf(request: IncomingMessage): string {
  return (request.url ?? '').split('?', 1)[0] ?? ''
}

function notFoundHint(handlers: ReadonlyMap<string, UpgradeHandler>): string {
  return `No WebSocket is served here; the hub serves ${[...handlers.keys()].join(' and ')}.`
}

/** The gate is decorated after this plugin, so it is looked up when a request comes. */
function hostRefused(app: FastifyInstance, request: IncomingMessage): boolean {
  if (!app.hasDecorator('access')) return false
  const access = app.getDecorator<{ hostAllowed?: (request: IncomingMessage) => boolean }>('access')
  return access.hostAllowed?.(request) === false
}

function upgradeMetrics(app: FastifyInstance, open: () => number) {
  if (!app.hasDecorator('telemetry')) return undefined
  const registers = [app.getDecorator<{ registry: Registry }>('telemetry').registry]
  new Gauge({
    name: 'callward_upgraded_sockets',
    help: 'Open WebSocket connections of all paths.',
    registers,
    collect() {
      this.set(open())
    },
  })
  return new Counter({
    name: 'callward_upgrades_refused_total',
    help: 'WebSocket upgrades refused before the handshake, by reason.',
    labelNames: ['reason'],
    registers,
  })
}
