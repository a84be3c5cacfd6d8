import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { BindingKind } from '../../collector/wire/handshake.ts'

/** RFC 9266 §2: the channel binding that every TLS 1.3 connection has. */
const exporterLabel = 'EXPORTER-Channel-Binding'
const exporterBytes = 32

/** What carries a request. `open` can be listened to; `tls-old` cannot, but has no binding of its own. */
export type Transport =
  | { readonly kind: 'tls-exporter'; readonly bytes: Uint8Array }
  | { readonly kind: 'tls-proxy' | 'local' | 'tls-old' | 'open' }

/** Judges by the socket and by what the configuration says of proxies, never by what the request says of itself. */
export function transportOf(request: IncomingMessage, behindTlsProxy: boolean): Transport {
  const { socket } = request
  if (socket instanceof TLSSocket) {
    if (socket.destroyed || socket.getProtocol() !== 'TLSv1.3') return { kind: 'tls-old' }
    const bytes = socket.exportKeyingMaterial(exporterBytes, exporterLabel, Buffer.alloc(0))
    return { kind: 'tls-exporter', bytes }
  }
  if (behindTlsProxy) return { kind: 'tls-proxy' }
  return { kind: isLocal(socket.remoteAddress, socket.localAddress) ? 'local' : 'open' }
}

/** The binding that a session over this transport has; undefined when it can have none. */
export function bindingOf(
  transport: Transport,
): { readonly kind: BindingKind; readonly bytes: Uint8Array } | undefined {
  if (transport.kind === 'open' || transport.kind === 'tls-old') return undefined
  return transport.kind === 'tls-exporter'
    ? transport
    : { kind: transport.kind, bytes: new Uint8Array(0) }
}

/** Loopback, or a machine that speaks to an address of its own: neither leaves it. */
export function isLocal(remote: string | undefined, own: string | undefined): boolean {
  if (remote === undefined) return false
  const plain = remote.replace(/^::ffff:/i, '')
  if (plain === '::1' || (isIP(plain) === 4 && plain.startsWith('127.'))) return true
  return remote === own
}
