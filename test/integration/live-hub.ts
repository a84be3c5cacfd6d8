import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { Registry } from 'prom-client'
import { type RawData, WebSocket } from 'ws'
import { CallwardError } from '../../server/errors.ts'
import { type LiveOptions, livePlugin } from '../../server/live/plugin.ts'
import type { Principal } from '../../server/people/plugin.ts'
import type { Records } from '../../server/records/records.ts'
import { upgradesPlugin } from '../../server/upgrades.ts'

/** A hub with nothing but the live push; people and alerts are stubs. */
export interface LiveHub {
  readonly app: FastifyInstance
  readonly port: number
  readonly url: string
  readonly registry: Registry
  /** Token to person; take one out to revoke it. */
  readonly tokens: Map<string, Principal>
  /** What was acknowledged: `alert f1 by ines`. */
  readonly acknowledged: string[]
  /** Commits one page for some people and wakes their sockets. */
  page(principalIds: readonly string[], number: number): Promise<void>
  /** Commits one message and wakes the sockets. */
  publish(body: unknown, kind?: 'alert' | 'incident'): Promise<void>
  close(): Promise<void>
}

export const staff: Record<string, Principal> = {
  'ines-token': { id: 'p-ines', name: 'ines', role: 'operator', via: 'token' },
  'carl-token': { id: 'p-carl', name: 'carl', role: 'auditor', via: 'token' },
  'grafana-token': { id: 'p-grafana', name: 'grafana', role: 'grafana', via: 'token' },
}

/** The people above in the records, and one who is disabled. */
export async function addStaff(records: Records): Promise<void> {
  const rows = Object.values(staff).map(({ id, name, role }) => ({
    id,
    name,
    role,
    kind: 'person',
    created_at: 1,
    disabled_at: null,
  }))
  await records.write(async (tx) => {
    await tx.insertInto('principals').values(rows).execute()
    await tx
      .insertInto('principals')
      .values({
        id: 'p-gone',
        name: 'gone',
        role: 'operator',
        kind: 'person',
        created_at: 1,
        disabled_at: 2,
      })
      .execute()
  })
}

function stubs(
  records: Records,
  tokens: Map<string, Principal>,
  registry: Registry,
  acknowledged: string[],
) {
  const tokenOf = (request: IncomingMessage) =>
    /(?:Bearer |callward_session=)(\S+)/.exec(
      request.headers.authorization ?? request.headers.cookie ?? '',
    )?.[1]
  const access = {
    async authenticate(request: IncomingMessage): Promise<Principal | undefined> {
      const principal = tokens.get(tokenOf(request) ?? '')
      return principal !== undefined && request.headers.authorization === undefined
        ? { ...principal, via: 'cookie' }
        : principal
    },
    originAllowed: (request: IncomingMessage) =>
      request.headers.origin === `http://${request.headers.host}`,
    hostAllowed: (request: IncomingMessage) => request.headers.host !== 'evil.example',
  }
  const acknowledge = (kind: string) => async (key: string, by: Principal) => {
    if (key === 'missing') throw new CallwardError('not_found', 'No such alert is firing.')
    if (key === 'broken') throw new Error('secret detail')
    acknowledged.push(`${kind} ${key} by ${by.name}`)
  }
  const named = (name: string, decorate: (app: FastifyInstance) => void) =>
    fp(async (app) => decorate(app), { name })
  return [
    named('callward-telemetry', (app) =>
      app.decorate('telemetry', { registry, notReady: () => () => {}, notReadyReasons: () => [] }),
    ),
    named('callward-records', (app) => app.decorate('records', records)),
    // Stubs stand for what the tests need of the real decorators, no more.
    named('callward-access', (app) => {
      app.decorate('access', access as never)
      app.decorateRequest('principal', undefined)
      app.addHook('onRequest', async (request) => {
        request.principal = await access.authenticate(request.raw)
      })
    }),
    named('callward-rules', (app) =>
      app.decorate('rules', { acknowledge: acknowledge('alert') } as never),
    ),
    named('callward-incidents', (app) =>
      app.decorate('incidents', { acknowledge: acknowledge('incident') } as never),
    ),
  ] as const
}

/** Starts a hub on a free port of 127.0.0.1; `routes` adds REST answers. */
export async function startLiveHub(
  records: Records,
  options: LiveOptions & {
    port?: number
    maxSockets?: number
    routes?: (app: FastifyInstance) => void
  } = {},
): Promise<LiveHub> {
  const app = Fastify()
  const tokens = new Map(Object.entries(staff))
  const registry = new Registry()
  const acknowledged: string[] = []
  const [telemetry, recordsStub, access, rules, incidents] = stubs(
    records,
    tokens,
    registry,
    acknowledged,
  )
  await app.register(telemetry)
  await app.register(recordsStub)
  await app.register(access)
  await app.register(upgradesPlugin, {
    stopMs: 500,
    ...(options.maxSockets === undefined ? {} : { maxSockets: options.maxSockets }),
  })
  await app.register(livePlugin, options)
  // As in the hub, these come after the push.
  await app.register(rules)
  await app.register(incidents)
  options.routes?.(app)
  await app.listen({ host: '127.0.0.1', port: options.port ?? 0 })
  const { port } = app.server.address() as AddressInfo
  return {
    app,
    port,
    url: `ws://127.0.0.1:${port}/live`,
    registry,
    tokens,
    acknowledged,
    async publish(body, kind = 'alert') {
      await records.write((tx) => app.live.publish(tx, { kind, at: Date.now(), body }))
      app.live.flush()
    },
    async page(principalIds, number) {
      const body = {
        page: { id: `page-${number}`, number, title: `Trunk ${number} lost`, severity: 'critical' },
        attempt: `attempt-${number}`,
        key: `key-${number}`,
      }
      await records.write((tx) =>
        app.live.publishTo(tx, principalIds, { kind: 'page', at: Date.now(), body }),
      )
      app.live.flush(principalIds)
    },
    close: () => app.close(),
  }
}

/** A test's own client: keeps what it got, in order. */
export interface LiveClient {
  readonly socket: WebSocket
  readonly frames: ReadonlyArray<Record<string, unknown>>
  /** Sequences of the messages got so far. */
  sequences(): number[]
  send(frame: unknown): void
  /** Resolves with the first frame, got or to come, that fits. */
  seen(
    fits: (frame: Record<string, unknown>) => boolean,
    what?: string,
  ): Promise<Record<string, unknown>>
  closed: Promise<{ code: number; reason: string }>
}

/** Connects as a person and waits for the welcome. Rejects with `HTTP status body` when refused. */
export async function connect(
  hub: Pick<LiveHub, 'url'>,
  token = 'ines-token',
  headers?: Record<string, string>,
): Promise<LiveClient> {
  const socket = new WebSocket(hub.url, {
    headers: headers ?? { authorization: `Bearer ${token}` },
  })
  const frames: Record<string, unknown>[] = []
  const waiting = new Set<() => void>()
  socket.on('message', (data: RawData) => {
    frames.push(JSON.parse(String(data)) as Record<string, unknown>)
    for (const look of waiting) look()
  })
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.on('close', (code, reason) => resolve({ code, reason: String(reason) }))
  })
  await new Promise<void>((resolve, reject) => {
    socket.on('open', resolve)
    socket.on('error', reject)
    socket.on('unexpected-response', (_request, response) => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.on('end', () =>
        reject(new Error(`HTTP ${response.statusCode} ${Buffer.concat(parts).toString()}`)),
      )
    })
  })
  const client: LiveClient = {
    socket,
    frames,
    closed,
    sequences: () =>
      frames.filter(({ type }) => type === 'message').map(({ sequence }) => Number(sequence)),
    send: (frame) =>
      socket.send(
        typeof frame === 'string' || Buffer.isBuffer(frame) ? frame : JSON.stringify(frame),
      ),
    seen: (fits, what = fits.toString()) =>
      new Promise((resolve, reject) => {
        const late = setTimeout(() => {
          waiting.delete(look)
          reject(new Error(`not seen in 10 s: ${what}; got ${JSON.stringify(frames).slice(-500)}`))
        }, 10_000)
        const look = () => {
          const found = frames.find(fits)
          if (found === undefined) return
          clearTimeout(late)
          waiting.delete(look)
          resolve(found)
        }
        waiting.add(look)
        look()
      }),
  }
  await client.seen(({ type }) => type === 'welcome', 'welcome')
  return client
}
