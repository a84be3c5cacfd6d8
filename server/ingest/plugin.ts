import type { IncomingMessage } from 'node:http'
import fp from 'fastify-plugin'
import { type WebSocket, WebSocketServer } from 'ws'
import { closeCodes, enrolledVersions, limits } from '../../collector/wire/frames.ts'
import type { Clock, Millis } from '../clock.ts'
import type { HubConfig } from '../config.ts'
import type {} from '../enrolment/plugin.ts'
import { identify, isStillAdmitted, requireRoom } from './admission.ts'
import { Arrivals } from './arrivals.ts'
import { type Admission, plainAdmission } from './greeting.ts'
import { HostNews } from './host-news.ts'
import { keepAlive } from './keep-alive.ts'
import { ingestMetrics } from './metrics.ts'
import { OpenSessions } from './open-sessions.ts'
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
    const open = new OpenSessions()
    const sessions = open.all
    const arrivals = new Arrivals()
    /** Those of them that a token let in. */
    const tokenSessions = new Set<Session>()
    const byToken: Admission = {
      ...plainAdmission,
      check: (hello) => app.enrolment.requireUnclaimed(hello),
    }
    const byKey: Admission = { ...plainAdmission, protocols: enrolledVersions }
    const metrics = ingestMetrics(
      app.telemetry.registry,
      () => sessions.size,
      () => arrivals.waiting,
    )

    const news = new HostNews(({ collector, instance, heardAt }, fresh) => {
      app.inventory.reported(collector, heardAt)
      if (fresh) app.rules.hostReported(instance)
    })

    async function ended(session: Session): Promise<void> {
      await session.closed
      const collector = open.ended(session)
      if (collector !== undefined) app.inventory.disconnected(collector)
    }

    function begin(webSocket: WebSocket, admission: Admission, openedAt: Millis): Session {
      const onHello = (session: Session) => open.greeted(session)
      const shared = { app, clock, metrics, news, arrivals, onHello, openedAt }
      const session = new Session({ ...shared, socket: webSocket, admission })
      sessions.add(session)
      return session
    }

    function beginByToken(webSocket: WebSocket, request: IncomingMessage, openedAt: Millis): void {
      const session = begin(webSocket, byToken, openedAt)
      tokenSessions.add(session)
      const stopWatching = keepAlive(webSocket, {
        admitted: () => isStillAdmitted(app, request),
        onRevoked: () => session.close(closeCodes.unauthorized, 'the token was revoked'),
      })
      ended(session).finally(() => {
        tokenSessions.delete(session)
        stopWatching()
      })
    }

    function beginProven(webSocket: WebSocket, { hello, onEnded }: Proven, openedAt: Millis): void {
      const session = begin(webSocket, byKey, openedAt)
      const stopWatching = keepAlive(webSocket)
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
          session.close(
            closeCodes.forbidden,
            `"${instance}" is enrolled now: its key counts, not a token`,
          )
      }
    })

    app.upgrades.register('/session', async (request, socket, head) => {
      const knock = await identify(app, request, metrics, () => requireRoom(sessions.size, config))
      if (knock !== undefined) socket.once('close', () => knock.leave())
      const openedAt = clock.now()
      sockets.handleUpgrade(request, socket, head, (webSocket) => {
        if (knock === undefined) return beginByToken(webSocket, request, openedAt)
        proveCollector(webSocket, socket, knock, app.log).then(
          (proven) => proven && beginProven(webSocket, proven, openedAt),
        )
      })
    })

    app.addHook('preClose', async () => {
      news.stop()
      arrivals.stop()
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
