import { parentPort, workerData } from 'node:worker_threads'
import { remoteReader } from '../../store/remote-reader.ts'
import { createEngine } from '../engine.ts'
import { QueryFailure } from '../failure.ts'
import { runRequest } from './query-request.ts'
import type { Job, JobEnd, JobStop, WorkerStart } from './worker-protocol.ts'

/** The program of a query worker: evaluates the queries it is sent, one after the other. */
const { settings, reads, cancelled } = workerData as WorkerStart
const flag = new Int32Array(cancelled)
const engine = createEngine({ ...settings, reader: remoteReader(reads) })

async function endOf({ id, request }: Job, signal: AbortSignal): Promise<JobEnd> {
  try {
    const isCancelled = (): boolean => Atomics.load(flag, 0) === id
    return { id, bytes: await runRequest(engine, request, { signal, isCancelled }) }
  } catch (cause) {
    if (cause instanceof QueryFailure) {
      return { id, failure: { kind: cause.kind, message: cause.message } }
    }
    // The hub logs it; the asker sees no detail.
    const message = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)
    return { id, failure: { kind: 'internal', message } }
  }
}

let current: { readonly id: number; readonly controller: AbortController } | undefined

parentPort?.on('message', async (message: Job | JobStop) => {
  if ('stop' in message) {
    if (current?.id === message.stop) current.controller.abort()
    return
  }
  const controller = new AbortController()
  current = { id: message.id, controller }
  const end = await endOf(message, controller.signal)
  current = undefined
  const moved = 'bytes' in end ? end.bytes.map(({ buffer }) => buffer) : []
  parentPort?.postMessage(end, moved)
})
