import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { type ServerOptions, WebSocketServer } from 'ws'
import { version } from '../assets.ts'
import { type Clock, type Millis, systemClock } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type { Principal } from '../people/plugin.ts'
import type { Records, RecordsTransaction } from '../records/records.ts'
import type {} from '../upgrades.ts'
import { newConnection, staffRoles } from './connection-state.ts'
import { type HintTimes, hintOffered, hintSent } from './hints.ts'
import { defaultLiveLimits, defaultLiveTimes, type LiveLimits, type LiveTimes } from './limits.ts'
import { liveMetrics } from './live-metrics.ts'
import { pruneQueues, type QueueEnds, queueEnds, queueForStaff } from './live-store.ts'
import { QueueReader } from './queue-reader.ts'
import { type ReceiptListener, ReceiptWriter } from './receipt-writer.ts'
import { liveRoutes } from './routes.ts'
import { type AcknowledgeTarget, type MessageKind, serverFrames } from './schema.ts'
import { LiveSocket, type SocketDuties } from './socket.ts'

/** A message that must reach people on staff. */
export interface LiveMessage {
  readonly kind: MessageKind
  readonly at: Millis
  /** Anything JSON can hold. */
  readonly body: unknown
}

export type { PageReceipts, ReceiptListener } from './receipt-writer.ts'

/** One open socket, for the people who ask who is listening. */
export interface LiveListener {
  readonly principalId: string
  readonly name: string
  readonly openedAt: Millis
  /** Newest sequence sent. */
  readonly sent: number
  /** Newest sequence the client said it received. */
  readonly received: number
}

/** The push to staff (docs/live.md). */
export interface Live {
  /**
   * Queues one message for every enabled staff principal inside the caller's transaction. Sockets are woken
   * by `flush` after the commit.
   */
  publish(tx: RecordsTransaction, message: LiveMessage): Promise<void>
  /** As `publish`, for these people only; those who are disabled or not on staff are left out. */
  publishTo(
    tx: RecordsTransaction,
    principalIds: readonly string[],
    message: LiveMessage,
  ): Promise<void>
  /**
   * Call after the transaction committed; costs a small read a socket, of these people only when they are named.
   * A forgotten call delays by one sweep.
   */
  flush(principalIds?: readonly string[]): void
  /** A hint whose loss costs a refresh; at most one a topic and 250 ms. */
  hint(topic: string): void
  listeners(): readonly LiveListener[]
  /**
   * `listener` is called in the transaction that stores receipts, for pages whose receipt is new. When it throws, the
   * receipts are tried again with it twice, then stored without it.
   */
  onReceipts(listener: ReceiptListener): void
  /** Looks now, not only by timer, whether the sessions and tokens of open connections still hold. */
  recheck(): void
}

declare module 'fastify' {
  interface FastifyInstance {
    live: Live
  }
}

export interface LiveOptions {
  readonly clock?: Clock
  /** True for the demo; every client is told. */
  readonly simulated?: boolean
  readonly limits?: Partial<LiveLimits>
  readonly times?: Partial<LiveTimes>
}

const hintTopics = 64
/** Sockets from which on hints wait for the messages. */
const manySockets = 100
/** People a page is queued for by one statement. */
const peoplePerStatement = 500

/** WebSocket push to staff at /live. */
export const livePlugin = fp(
  async (app, options: LiveOptions) => {
    const clock = options.clock ?? systemClock
    const limits = { ...defaultLiveLimits, ...options.limits }
    const times = { ...defaultLiveTimes, ...options.times }
    const { records } = app
    const sockets = new Map<LiveSocket, IncomingMessage>()
    const metrics = liveMetrics(app, () => sockets.size)
    const hub = { version, simulated: options.simulated ?? false }
    const receipts = new ReceiptWriter({ records, limits, times, metrics, log: app.log })
    const duties = socketDuties(app, records, clock, metrics, (one) => receipts.offer(one))
    const server = new WebSocketServer(serverOptions(limits, times))

    app.decorate('live', {
      publish: (tx, { kind, at, body }) => queueForStaff(tx, { kind, at, body: jsonOf(body) }),
      async publishTo(tx, principalIds, { kind, at, body }) {
        const text = jsonOf(body)
        for (const some of chunks(principalIds, peoplePerStatement))
          await queueForStaff(tx, { kind, at, body: text }, some)
      },
      flush: (principalIds) => wake(sockets, principalIds),
      hint: hinter(clock, times.hintMs, (topic) => {
        const send = () => {
          for (const socket of sockets.keys()) socket.hint(topic)
        }
        // Where many follow, messages go first: a hint to all of them would keep the last one waiting.
        if (sockets.size < manySockets) send()
        else setTimeout(send, times.hintMs).unref()
      }),
      listeners: () => [...sockets.keys()].map(listenerOf),
      onReceipts: (listener) => receipts.listen(listener),
      recheck: () =>
        void recheckAll(app, sockets).catch((error: unknown) =>
          app.log.error({ err: error }, 'tokens of live connections could not be checked'),
        ),
    })
    await app.register(liveRoutes, { clock })

    app.upgrades.register('/live', async (request, socket, head) => {
      const [principal, ends] = await admit(request).catch((error: unknown) => {
        metrics.refused(error instanceof CallwardError ? error.code : 'internal')
        throw error
      })
      if (!socket.destroyed) open(request, socket, head, principal, ends)
    })

    async function admit(request: IncomingMessage): Promise<[Principal, QueueEnds]> {
      const principal = admissible(app, request, await app.access.authenticate(request))
      const ends = await queueEnds(records, principal.id)
      const theirs = [...sockets.keys()].filter(
        ({ connection }) => connection.person.id === principal.id,
      )
      if (theirs.length < limits.socketsPerPerson) return [principal, ends]
      throw new CallwardError(
        'too_many_requests',
        `${principal.name} has ${theirs.length} open connections, which is the limit; close a tab or a terminal.`,
      )
    }

    function open(
      request: IncomingMessage,
      socket: Duplex,
      head: Buffer,
      principal: Principal,
      ends: QueueEnds,
    ) {
      server.handleUpgrade(request, socket, head, (webSocket) => {
        const live = new LiveSocket(
          webSocket,
          socket,
          newConnection(principal, ends.sequence, limits),
          duties,
        )
        sockets.set(live, request)
        webSocket.once('close', () => {
          sockets.delete(live)
          live.offer({ kind: 'gone' })
        })
        live.greet(
          serverFrames.welcome({ name: principal.name, role: principal.role, ...ends, hub }),
        )
      })
    }

    // What was said before the goodbye is still written; the records close after this.
    app.addHook('onClose', () => receipts.close())
    keepAlive(app, sockets, times, {
      prune: async () =>
        metrics.pruned(await pruneQueues(records, clock.now(), limits.keptMessages, limits.keptMs)),
    })
  },
  {
    name: 'callward-live',
    dependencies: ['callward-records', 'callward-access', 'callward-upgrades'],
  },
)

function serverOptions(limits: LiveLimits, times: LiveTimes): ServerOptions {
  // `closeTimeout` is newer than the published types.
  const options: ServerOptions & { closeTimeout: number } = {
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: limits.frameBytes,
    closeTimeout: times.closeMs,
  }
  return options
}

function jsonOf(body: unknown): string {
  const text = JSON.stringify(body)
  if (text === undefined) throw new Error('BUG: a live message needs a body that JSON can hold')
  return text
}

function wake(
  sockets: ReadonlyMap<LiveSocket, unknown>,
  principalIds: readonly string[] | undefined,
): void {
  const wanted = principalIds === undefined ? undefined : new Set(principalIds)
  for (const socket of sockets.keys())
    if (wanted?.has(socket.connection.person.id) !== false) socket.wake()
}

/** Each once, in lists of at most `size`. */
function chunks(ids: readonly string[], size: number): string[][] {
  const each = [...new Set(ids)]
  return Array.from({ length: Math.ceil(each.length / size) }, (_, index) =>
    each.slice(index * size, (index + 1) * size),
  )
}

function listenerOf({ connection, openedAt }: LiveSocket): LiveListener {
  const { person, cursor, received } = connection
  return { principalId: person.id, name: person.name, openedAt, sent: cursor, received }
}

/** Throws what the caller may read: 401 without a valid secret, 403 for a foreign page or a role without alerts. */
function admissible(
  app: FastifyInstance,
  request: IncomingMessage,
  principal: Principal | undefined,
): Principal {
  if (principal === undefined) {
    throw new CallwardError(
      'unauthorized',
      'The token is missing, unknown, revoked or expired. Send "Authorization: Bearer TOKEN"; `callward token create` makes one.',
    )
  }
  if (principal.via === 'cookie' && !app.access.originAllowed(request)) {
    throw new CallwardError(
      'forbidden',
      'This connection did not come from the console’s own pages.',
    )
  }
  if (staffRoles.includes(principal.role)) return principal
  throw new CallwardError(
    'forbidden',
    `The role ${principal.role} may not follow alerts; it takes ${staffRoles.join(', ')}.`,
  )
}

function socketDuties(
  app: FastifyInstance,
  records: Records,
  clock: Clock,
  metrics: SocketDuties['metrics'],
  receipt: SocketDuties['receipt'],
): SocketDuties {
  const queues = new QueueReader(records)
  return {
    clock,
    metrics,
    log: app.log,
    receipt,
    read: (personId, after, limit) => queues.read(personId, after, limit),
    readHead: async (personId) => (await queueEnds(records, personId)).sequence,
    acknowledge: (target, person) => acknowledge(app, target, person, clock.now()),
    shown(error) {
      if (error instanceof CallwardError) return { code: error.code, message: error.message }
      app.log.error({ err: error }, 'an acknowledgement failed')
      return {
        code: 'internal',
        message: 'The acknowledgement was not recorded; try again. The hub’s log holds the reason.',
      }
    },
  }
}

/** Rules and incidents are decorated after this plugin, so they are looked up when somebody acknowledges. */
async function acknowledge(
  app: FastifyInstance,
  target: AcknowledgeTarget,
  by: Principal,
  at: Millis,
): Promise<void> {
  const name = target.target === 'alert' ? 'rules' : 'incidents'
  if (!app.hasDecorator(name)) throw new CallwardError('unavailable')
  if (target.target === 'alert') {
    const rules = app.getDecorator<{
      acknowledge(fingerprint: string, by: Principal, at: Millis): Promise<unknown>
    }>(name)
    await rules.acknowledge(target.fingerprint, by, at)
    return
  }
  const incidents = app.getDecorator<{ acknowledge(id: string, by: Principal): Promise<unknown> }>(
    name,
  )
  await incidents.acknowledge(target.id, by)
}

/** Joins hints into at most one a topic and `everyMs`. */
function hinter(
  clock: Clock,
  everyMs: number,
  send: (topic: string) => void,
): (topic: string) => void {
  let times: HintTimes = new Map()
  return (topic) => {
    if (!times.has(topic) && times.size >= hintTopics)
      throw new Error(`BUG: over ${hintTopics} hint topics, now ${topic}`)
    const [next, decision] = hintOffered(times, topic, clock.monotonic(), everyMs)
    times = next
    if (decision.kind === 'now') send(topic)
    if (decision.kind !== 'after') return
    setTimeout(() => {
      times = hintSent(times, topic, clock.monotonic())
      send(topic)
    }, decision.waitMs).unref()
  }
}

/** Heartbeat, re-check of tokens, the sweep under the wake-ups, pruning; and the goodbye when the hub stops. */
function keepAlive(
  app: FastifyInstance,
  sockets: ReadonlyMap<LiveSocket, IncomingMessage>,
  times: LiveTimes,
  { prune }: { prune: () => Promise<void> },
): void {
  const recheck = () => recheckAll(app, sockets)
  const timers = [
    setInterval(() => {
      for (const socket of sockets.keys()) socket.tick()
    }, times.pingMs),
    setInterval(() => wake(sockets, undefined), times.sweepMs),
    setInterval(
      oneAtATime(app, 'tokens of live connections could not be checked', recheck),
      times.recheckMs,
    ),
    setInterval(oneAtATime(app, 'live queues could not be pruned', prune), times.pruneMs),
  ]
  for (const timer of timers) timer.unref()

  app.addHook('preClose', async () => {
    for (const timer of timers) clearInterval(timer)
    for (const socket of sockets.keys()) socket.offer({ kind: 'stop' })
  })
}

async function recheckAll(
  app: FastifyInstance,
  sockets: ReadonlyMap<LiveSocket, IncomingMessage>,
): Promise<void> {
  for (const [socket, request] of sockets) {
    try {
      const principal = await app.access.authenticate(request)
      socket.offer({ kind: 'rechecked', person: principal })
    } catch (err) {
      // One that cannot be told must not keep the others from being looked at. Whoever is refused as a guesser has no valid secret.
      if (err instanceof CallwardError && err.code === 'too_many_requests')
        socket.offer({ kind: 'rechecked', person: undefined })
      else app.log.error({ err }, 'the token of a live connection could not be checked')
    }
  }
}

/** Runs `work` unless its last run is still going; failures are logged and the next turn tries again. */
function oneAtATime(app: FastifyInstance, failure: string, work: () => Promise<void>): () => void {
  let busy = false
  return () => {
    if (busy) return
    busy = true
    work()
      .catch((error: unknown) => app.log.error({ err: error }, failure))
      .finally(() => {
        busy = false
      })
  }
}
