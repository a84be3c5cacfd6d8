import type { WebSocket } from 'ws'

const lookEveryMillis = 15_000
const unansweredPings = 2

export interface KeepAliveOptions {
  /** Whether the session's token still stands; may reject. */
  readonly admitted: () => Promise<boolean>
  readonly onRevoked: () => void
}

/** Of a session that is told at once when it is over. */
const stands: KeepAliveOptions = { admitted: async () => true, onRevoked: () => undefined }

/**
 * Drops a socket that says nothing and answers no ping, and tells when the session's token was revoked. Who reports is not pinged.
 * Returns how to stop.
 */
export function keepAlive(
  socket: WebSocket,
  { admitted, onRevoked }: KeepAliveOptions = stands,
): () => void {
  let unanswered = 0
  let heard = false
  socket.on('pong', () => {
    unanswered = 0
  })
  socket.on('message', () => {
    heard = true
  })
  const timer = setInterval(() => {
    // While the disk holds up a session its socket is not read: a pong may wait there.
    if (socket.isPaused) return
    if (heard) unanswered = 0
    else if (unanswered >= unansweredPings) return socket.terminate()
    else {
      unanswered += 1
      socket.ping()
    }
    heard = false
    // While the records cannot be asked the session stays.
    admitted().then(
      (still) => still || onRevoked(),
      () => undefined,
    )
  }, lookEveryMillis)
  return () => clearInterval(timer)
}
