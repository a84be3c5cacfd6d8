import { type FileHandle, open } from 'node:fs/promises'
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
/** The kernel's work for one reading, 8 ms on a small idle host, is a tenth of a tick's budget at this age. */
const age = 5 * minute
const chunkBytes = 64 * 1024

interface Sum {
  readonly counts: number[]
  receiving: number
  sending: number
}

/**
 * Connections by state and bytes in their queues, from /proc/net/tcp and tcp6. The kernel walks its whole table for each reading, which
 * takes milliseconds on an idle host: every five minutes, in the thread pool. `node_netstat_Tcp_CurrEstab` is in every report. Names: node_exporter `tcpstat`.
 */
export function tcpStatesSource(roots: Roots): Source {
  const buffer = Buffer.allocUnsafe(chunkBytes)
  let readAt: Millis = Number.NaN
  let last: readonly Metric[] = []
  return {
    name: 'tcp_states',
    async read(now) {
      if (now >= readAt && now - readAt < age) return seen(last)
      const sum: Sum = { counts: states.map(() => 0), receiving: 0, sending: 0 }
      await readTable(join(roots.proc, 'net/tcp'), buffer, sum)
      try {
        await readTable(join(roots.proc, 'net/tcp6'), buffer, sum)
      } catch (error) {
        if (stateOfError(error) !== 'absent') throw error
      }
      readAt = now
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

async function readTable(path: string, buffer: Buffer, sum: Sum): Promise<void> {
  const file = await open(path, 'r')
  try {
    await readPieces(file, path, buffer, sum)
  } finally {
    await file.close()
  }
}

/** What is left of a line goes to the front of the buffer. */
async function readPieces(file: FileHandle, path: string, buffer: Buffer, sum: Sum): Promise<void> {
  let kept = 0
  for (let total = 0; ; ) {
    const { bytesRead } = await file.read(buffer, kept, buffer.length - kept, null)
    if (bytesRead === 0) return
    total += bytesRead
    if (total > bytesLimit) throw new Error(`${path} is over ${bytesLimit} bytes`)
    const end = kept + bytesRead
    const lastBreak = buffer.lastIndexOf(10, end - 1)
    if (lastBreak < 0) throw new Error(`${path}: a line of ${end} bytes`)
    addLines(buffer.toString('latin1', 0, lastBreak), path, sum)
    buffer.copy(buffer, 0, lastBreak + 1, end)
    kept = end - lastBreak - 1
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
