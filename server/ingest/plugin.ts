import type { IncomingMessage } from 'node:http'
import fp from 'fastify-plugin'
import { type WebSocket, WebSocketServer } from 'ws'
import {
  closeCodes,
  enrolledVersions,
  limits,
} from '../../collector/wire/frames.ts'
import type { Clock } from '../clock.ts'
import type { HubConfig } from '../config.ts'
import type {} from '../enrolment/plugin.ts'
import { CallwardError } from '../errors.ts'
import { HostNews } from './host-news.ts'
import { keepAlive } from './keep-alive.ts'
import { type Admission, plainAdmission } from './greeting.ts'
import { ingestMetrics } from './metrics.ts'
import { type Proven, proveCollector } from './proving.ts'
import { Session } from './session.ts'

/** `/session`: where collectors report (docs/protocol.md). */
export const ingestPlugin = fp(
  async (app, { clock, config }: { clock: Clock; config: HubConfig }) => {
    const sockets = new WebSocketServer({
      noServer: true,
      maxPayload: limits.frameBytes,
      perMessageDeflate: false,
    })
    const sessions = new Set<Session>()
    const byCollector = new Map<string, Session>()
    /** Those of them that a token let in. */
    const tokenSessions = new Set<Session>()
    const byToken: Admission = {
      ...plainAdmission,
      check: (hello) => app.enrolment.requireUnclaimed(hello),
    }
    const byKey: Admission = { ...plainAdmission, protocols: enrolledVersions }
    const metrics = ingestMetrics(app.telemetry.registry, () => sessions.size)

    const news = new HostNews(({ collector, instance, heardAt }, fresh) => {
      app.inventory.reported(collector, heardAt)
      if (fresh) app.rules.hostReported(instance)
    })

    function greeted(session: Session): void {
      const collector = session.collector as string
      const former = byCollector.get(collector)
      byCollector.set(collector, session)
      former?.close(closeCodes.replaced, 'the same collector connected again')
      // Whoever reported for this host before comes back with a hello of its own, or is refused.
      for (const other of sessions) {
        if (other !== session && other.instance === session.instance && other !== former)
          other.close(closeCodes.shuttingDown, 'another collector took over this host')
      }
    }

    async function ended(session: Session): Promise<void> {
      await session.closed
      sessions.delete(session)
      const { collector } = session
      if (collector === undefined || byCollector.get(collector) !== session) return
      byCollector.delete(collector)
      app.inventory.disconnected(collector)
    }

    async function admitted(request: IncomingMessage): Promise<boolean> {
      const principal = await app.access.authenticate(request)
      return principal?.via === 'token'
    }

    async function admit(request: IncomingMessage): Promise<void> {
      const principal = await app.access.authenticate(request)
      if (principal === undefined || principal.via !== 'token') {
        throw new CallwardError(
          'unauthorized',
          'The token is missing, unknown or revoked. Make one on the hub: callward token create --name NAME --role collector',
        )
      }
      if (principal.role !== 'collector' && principal.role !== 'admin') {
        throw new CallwardError(
          'forbidden',
          `The role ${principal.role} may not report; a collector needs a token of the role collector.`,
        )
      }
    }

    function requireRoom(): void {
      if (sessions.size < config.maxSessions) return
      throw new CallwardError(
        'too_many_requests',
        `The hub holds its limit of ${config.maxSessions} sessions (hub.maxSessions).`,
      )
    }

    /** How an upgrade says who it is: an enrolment that it is about to prove, or by a token. */
    async function identify(request: IncomingMessage) {
      try {
        app.enrolment.requireSafe(request)
        requireRoom()
        const knock = app.enrolment.knock(request)
        if (knock === undefined) await admit(request)
        return knock
      } catch (error) {
        if (error instanceof CallwardError) metrics.rejected.labels(error.code).inc()
        throw error
      }
    }

    function begin(webSocket: WebSocket, admission: Admission): Session {
      const onHello = greeted
      const options = { app, clock, socket: webSocket, metrics, news, onHello, admission }
      const session = new Session(options)
      sessions.add(session)
      return session
    }

    function beginByToken(webSocket: WebSocket, request: IncomingMessage): void {
      const session = begin(webSocket, byToken)
      tokenSessions.add(session)
      const stopWatching = keepAlive(webSocket, {
        admitted: () => admitted(request),
        onRevoked: () => session.close(closeCodes.unauthorized, 'the token was revoked'),
      })
      ended(session).finally(() => {
        tokenSessions.delete(session)
        stopWatching()
      })
    }

    function beginProven(webSocket: WebSocket, { hello, onEnded }: Proven): void {
      const session = begin(webSocket, byKey)
      const stopWatching = keepAlive(webSocket, {
        admitted: async () => true,
        onRevoked: () => undefined,
      })
      const stopListening = onEnded((reason) => session.close(closeCodes.forbidden, reason))
      ended(session).finally(() => {
        stopListening()
        stopWatching()
      })
      webSocket.resume()
      session.begin(hello)
    }

    app.enrolment.onEnrolled((instance) => {
      for (const session of tokenSessions) {
        if (session.instance === instance)
          session.close(closeCodes.forbidden, `"${instance}" is enrolled now: its key counts, not a token`)
      }
    })

    app.upgrades.register('/session', async (request, socket, head) => {
      const knock = await identify(request)
      if (knock !== undefined) socket.once('close', () => knock.leave())
      sockets.handleUpgrade(request, socket, head, (webSocket) => {
        if (knock === undefined) {
          beginByToken(webSocket, request)
          return
        }
        proveCollector(webSocket, socket, knock, app.log).then(
          (proven) => {
            if (proven !== undefined) beginProven(webSocket, proven)
          },
          (err: unknown) => {
            app.log.error({ err }, 'a collector could not be proven')
            webSocket.close(1011, 'an internal error; its detail is in the hub’s log')
          },
        )
      })
    })

    app.addHook('preClose', async () => {
      news.stop()
      for (const session of sessions) session.close(closeCodes.shuttingDown, 'the hub is stopping')
      await Promise.race([
        Promise.all([...sessions].map(({ closed }) => closed)),
        new Promise((done) => setTimeout(done, 2000)),
      ])
      for (const client of sockets.clients) client.terminate()
    })
  },
  {
    name: 'callward-ingest',
    dependencies: [
      'callward-access',
      'callward-store',
      'callward-inventory',
      'callward-rules',
      'callward-upgrades',
      'callward-enrolment',
    ],
  },
)
