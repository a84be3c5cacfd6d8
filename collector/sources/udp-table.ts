import { join } from 'node:path'
import { number, type Roots, readKernelFile, readOptionalKernelFile } from '../source.ts'
import type { Millis } from '../wire/frames.ts'

/** The kernel's tables of UDP sockets as text; `v6` is undefined without IPv6. */
export interface UdpTables {
  readonly v4: string
  readonly v6: string | undefined
}

/** Reads the tables once for all sources of a tick: on a media server they are long, and the kernel walks every socket. */
export function udpTablesReader(roots: Roots): (now: Millis) => UdpTables {
  let last: { readonly now: Millis; readonly tables: UdpTables } | undefined
  return (now) => {
    if (last?.now !== now) {
      const v4 = readKernelFile(join(roots.proc, 'net/udp'))
      last = { now, tables: { v4, v6: readOptionalKernelFile(join(roots.proc, 'net/udp6')) } }
    }
    return last.tables
  }
}

/** One socket of /proc/net/udp (kernel's networking/proc_net_tcp.rst, net/ipv4/udp.c). */
export interface UdpSocket {
  readonly port: number
  readonly userId: number
  readonly inode: string
  readonly receiveQueueBytes: number
  /** Datagrams dropped since the socket was opened. */
  readonly drops: number
}

/** Throws where a line has no column of drops (before Linux 2.6.28) or is not understood. */
export function parseUdpTable(text: string): UdpSocket[] {
  const sockets: UdpSocket[] = []
  let from = text.indexOf('\n') + 1
  while (from > 0 && from < text.length) {
    const end = text.indexOf('\n', from)
    const line = text.slice(from, end < 0 ? text.length : end).trim()
    from = end + 1
    if (line !== '') sockets.push(socketOf(line))
  }
  return sockets
}

function socketOf(line: string): UdpSocket {
  const fields = line.split(/ +/)
  if (fields.length < 13) throw new Error(`/proc/net/udp: ${fields.length} columns, 13 expected`)
  return {
    port: hexadecimal(fields[1], 1),
    receiveQueueBytes: hexadecimal(fields[4], 1),
    userId: number(fields[7], 'uid'),
    inode: fields[9] ?? '',
    drops: number(fields[12], 'drops'),
  }
}

/** The part before or after the colon. */
function hexadecimal(field: string | undefined, part: 0 | 1): number {
  const text = field?.split(':', 2)[part] ?? ''
  if (!/^[0-9A-Fa-f]+$/.test(text)) throw new Error(`/proc/net/udp: "${field}" is not hexadecimal`)
  return Number.parseInt(text, 16)
}
