import { isIP, type Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { BindingKind } from '../wire/handshake.ts'

/** RFC 9266 §2: the channel binding that every TLS 1.3 connection has. */
const exporterLabel = 'EXPORTER-Channel-Binding'
const exporterBytes = 32

/** What a collector knows of the connection it has with its hub. */
export interface Channel {
  readonly tls: boolean
  /** Both ends are this machine. */
  readonly local: boolean
  /** Why the certificate is not trusted by name and authority; undefined when it is. */
  readonly distrust: string | undefined
  /** 32 bytes that only the two ends of this TLS connection know; undefined below TLS 1.3. */
  readonly exporter: Uint8Array | undefined
}

export function channelOf(socket: Socket): Channel {
  const local = isLocal(socket.remoteAddress, socket.localAddress)
  if (!(socket instanceof TLSSocket))
    return { tls: false, local, distrust: undefined, exporter: undefined }
  const exporter =
    socket.getProtocol() === 'TLSv1.3'
      ? socket.exportKeyingMaterial(exporterBytes, exporterLabel, Buffer.alloc(0))
      : undefined
  const distrust = socket.authorized ? undefined : String(socket.authorizationError ?? 'unknown')
  return { tls: true, local, distrust, exporter }
}

/** What the hub must have signed of this connection; a text says why that kind proves nothing here. */
export function bindingOf(kind: BindingKind, channel: Channel): Uint8Array | string {
  const none = new Uint8Array(0)
  if (kind === 'tls-exporter') {
    if (!channel.tls) return 'the hub answers by TLS, this connection is plain'
    return channel.exporter ?? 'TLS 1.3 is needed to tie a session to its connection'
  }
  if (kind === 'tls-proxy') {
    if (!channel.tls) return channel.local ? none : 'a proxy of the hub is reached without TLS'
    if (channel.distrust === undefined) return none
    return `the certificate of the proxy before the hub is not trusted (${channel.distrust}); for an own authority set NODE_EXTRA_CA_CERTS`
  }
  if (kind === 'local' && !channel.tls && channel.local) return none
  return 'the hub takes this connection for one within its own machine, which it is not'
}

/** Loopback, or a machine that speaks to an address of its own. */
export function isLocal(remote: string | undefined, own: string | undefined): boolean {
  if (remote === undefined) return false
  return isLoopback(remote) || remote === own
}

function isLoopback(address: string): boolean {
  const plain = address.replace(/^\[|\]$/g, '').replace(/^::ffff:/i, '')
  return plain === '::1' || (isIP(plain) === 4 && plain.startsWith('127.'))
}

/** Whether an address as it is written in a URL is this very machine's. */
export function isLocalName(hostname: string): boolean {
  return hostname === 'localhost' || isLoopback(hostname)
}
