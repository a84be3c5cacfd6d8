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

/** Throws where a line has no column of drops (before Linux 2.6.28) or is not understood. A media server has thousands of lines. */
export function parseUdpTable(text: string): UdpSocket[] {
  const sockets: UdpSocket[] = []
  let from = text.indexOf('\n') + 1
  while (from > 0 && from < text.length) {
    const newline = text.indexOf('\n', from)
    const end = newline < 0 ? text.length : newline
    const fields = fieldsOf(text, from, end)
    from = end + 1
    if (fields.length > 0) sockets.push(socketOf(fields))
  }
  return sockets
}

/** What stands between blanks; a regular expression takes three times as long. */
function fieldsOf(text: string, from: number, end: number): string[] {
  const fields: string[] = []
  let at = from
  for (;;) {
    while (at < end && text.charCodeAt(at) === 32) at++
    if (at >= end) return fields
    const blank = text.indexOf(' ', at)
    const to = blank < 0 || blank > end ? end : blank
    fields.push(text.slice(at, to))
    at = to
  }
}

function socketOf(fields: readonly string[]): UdpSocket {
  if (fields.length < 13) throw new Error(`/proc/net/udp: ${fields.length} columns, 13 expected`)
  return {
    port: hexadecimalAfterColon(fields[1]),
    receiveQueueBytes: hexadecimalAfterColon(fields[4]),
    userId: number(fields[7], 'uid'),
    inode: fields[9] ?? '',
    drops: number(fields[12], 'drops'),
  }
}

const hexadecimalPair = /^[0-9A-Fa-f]+:[0-9A-Fa-f]+$/

function hexadecimalAfterColon(field = ''): number {
  if (!hexadecimalPair.test(field)) throw new Error(`/proc/net/udp: "${field}" is not hexadecimal`)
  return Number.parseInt(field.slice(field.indexOf(':') + 1), 16)
}
