import { closeSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { type Metric, metric, type Roots, type Source, seen, stateOfError } from '../source.ts'
import type { Millis } from '../wire/frames.ts'
import { minute } from './sysfs.ts'

/** States by their number (kernel's include/net/tcp_states.h), in node_exporter's words. */
const states = [
  ...['', 'established', 'syn_sent', 'syn_recv', 'fin_wait1', 'fin_wait2', 'time_wait'],
  ...['close', 'close_wait', 'last_ack', 'listen', 'closing'],
]
/** Most that is read of one table, about 55 000 connections; a larger one is an error and not a part of the truth. */
const bytesLimit = 8 * 1024 * 1024
/** A table over this is read once a minute: the kernel takes a lock for each line of it. */
const largeBytes = 64 * 1024
const chunkBytes = 64 * 1024

interface Sum {
  readonly counts: number[]
  receiving: number
  sending: number
  bytes: number
}

/** Connections by state and bytes in their queues, from /proc/net/tcp and tcp6. Names: node_exporter `tcpstat`. */
export function tcpStatesSource(roots: Roots): Source {
  const buffer = Buffer.allocUnsafe(chunkBytes)
  let readAt: Millis = Number.NEGATIVE_INFINITY
  let last: readonly Metric[] = []
  let large = false
  return {
    name: 'tcp_states',
    async read(now) {
      if (large && now >= readAt && now - readAt < minute) return seen(last)
      const sum: Sum = { counts: states.map(() => 0), receiving: 0, sending: 0, bytes: 0 }
      readTable(join(roots.proc, 'net/tcp'), buffer, sum)
      try {
        readTable(join(roots.proc, 'net/tcp6'), buffer, sum)
      } catch (error) {
        if (stateOfError(error) !== 'absent') throw error
      }
      readAt = now
      large = sum.bytes > largeBytes
      last = tcpMetrics(sum)
      return seen(last)
    },
  }
}

function tcpMetrics(sum: Sum): Metric[] {
  const of = (state: string, value: number) =>
    metric('node_tcp_connection_states', value, { state })
  const counted = states.slice(1).map((state, i) => of(state, sum.counts[i + 1]!))
  return [...counted, of('rx_queued_bytes', sum.receiving), of('tx_queued_bytes', sum.sending)]
}

/** Reads in pieces; what is left of a line goes to the front of the buffer. */
function readTable(path: string, buffer: Buffer, sum: Sum): void {
  const file = openSync(path, 'r')
  try {
    let kept = 0
    let total = 0
    for (;;) {
      const got = readSync(file, buffer, kept, buffer.length - kept, null)
      if (got === 0) break
      total += got
      if (total > bytesLimit) throw new Error(`${path} is over ${bytesLimit} bytes`)
      const end = kept + got
      const lastBreak = buffer.lastIndexOf(10, end - 1)
      if (lastBreak < 0) throw new Error(`${path}: a line of ${end} bytes`)
      addLines(buffer.toString('latin1', 0, lastBreak), path, sum)
      buffer.copy(buffer, 0, lastBreak + 1, end)
      kept = end - lastBreak - 1
    }
    sum.bytes += total
  } finally {
    closeSync(file)
  }
}

/** `sl: local remote st tx:rx …`; the first line of the table names the columns. */
function addLines(text: string, path: string, sum: Sum): void {
  for (const line of text.split('\n')) {
    const colon = line.indexOf(': ')
    if (colon < 0) continue
    const remote = line.indexOf(' ', colon + 2)
    const at = line.indexOf(' ', remote + 1)
    const state = Number.parseInt(line.slice(at + 1, at + 3), 16)
    const sending = Number.parseInt(line.slice(at + 4, at + 12), 16)
    const receiving = Number.parseInt(line.slice(at + 13, at + 21), 16)
    if (!(state >= 1) || Number.isNaN(sending + receiving))
      throw new Error(`${path}: "${line.slice(0, 80).trim()}" is not a connection`)
    // A request not yet accepted (12) counts as being opened.
    sum.counts[state < states.length ? state : 3]!++
    sum.sending += sending
    sum.receiving += receiving
  }
}
